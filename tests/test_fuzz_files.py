"""The fuzzer of files makes the mutants it says, and finds what it is for."""

import io
import json
import zipfile

import numpy as np
import pytest
import writer
from artefact_files import npy_bytes, npz_bytes

from benchmarks import file_mutants, fuzz_files
from converters.checkpoints import read
from jaxlatent.types import CheckpointError

ARRAYS = {"layer.0.weight": np.ones((2, 3), np.float32), "layer.0.bias": np.zeros(2)}
FILES = {
    "zip": writer.torch_zip(ARRAYS),
    "legacy": writer.torch_legacy(ARRAYS),
    "pickle": writer.plain_pickle(ARRAYS),
    "safetensors": writer.safetensors(ARRAYS),
    "npz": npz_bytes(**ARRAYS),
    "npy": npy_bytes(ARRAYS["layer.0.weight"]),
    "objects": npy_bytes(np.array({"w": np.ones(3)}), allow_pickle=True),
}


def generator(number):
    return np.random.default_rng([0, number])


@pytest.mark.parametrize("name", FILES)
def test_mutants_follow_from_their_number_and_are_refused_or_read(name, tmp_path):
    data = FILES[name]
    path = tmp_path / "mutant"
    kinds = file_mutants.mutations_of(data)
    outcomes = set()
    for number in range(200):
        mutation = kinds[number % len(kinds)]
        mutant = mutation(generator(number), data)
        assert mutant == mutation(generator(number), data)
        path.write_bytes(mutant)
        try:
            read(path, numpy_files=True)
            outcomes.add("loads")
        except CheckpointError as error:
            outcomes.add("unforeseen" if "no reader foresees" in str(error) else "no")
    assert outcomes == {"loads", "no"}


def test_mutated_archives_are_sound_as_archives():
    for number in range(30):
        for name in ("zip", "npz"):
            mutation = file_mutants.mutations_of(FILES[name])[-1]
            data = mutation(generator(number), FILES[name])
            assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_trees_change_and_the_sound_one_stays():
    changed = 0
    for number in range(100):
        tree = file_mutants.mutate_tree(generator(number), ARRAYS)
        changed += list(tree) != list(ARRAYS) or any(
            tree[name] is not ARRAYS[name] for name in ARRAYS
        )
    assert changed > 90
    assert list(ARRAYS) == ["layer.0.weight", "layer.0.bias"]


def outcome_of(call, tmp_path):
    reader = fuzz_files.Reader(call, (CheckpointError,), [], [("a", ARRAYS)])
    return fuzz_files.mutant(0, 1, {"load": reader}, tmp_path).outcome


def test_what_counts_as_a_finding(tmp_path, monkeypatch):
    def refuse(message):
        raise CheckpointError(message)

    monkeypatch.setattr(fuzz_files, "HARMLESS", 16 << 20)
    monkeypatch.setattr(fuzz_files, "SLOW", 0.05)
    assert outcome_of(lambda *_: None, tmp_path) == "loads"
    assert outcome_of(lambda *_: refuse("no"), tmp_path) == "refused"
    said = outcome_of(lambda *_: refuse("one\x1b[2J"), tmp_path)
    assert said.startswith("a message of several lines: CheckpointError at tests")
    said = outcome_of(lambda file, _: file.tensors["absent"], tmp_path)
    assert said.startswith("KeyError at tests/test_fuzz_files.py:")
    said = outcome_of(lambda *_: fuzz_files.time.sleep(0.1), tmp_path)
    assert said == "over 0.05 s (loads)"
    said = outcome_of(lambda *_: np.ones(25_000_000).sum(), tmp_path)
    assert "MiB for a file of" in said


def test_findings_are_counted_by_place():
    rows = [
        fuzz_files.Outcome(0, "read", "a", "loads", 1.0, 5),
        fuzz_files.Outcome(1, "read", "a", "refused", 3.0, 7),
        fuzz_files.Outcome(2, "read", "b", "KeyError at x.py:1", 2.0, 6),
        fuzz_files.Outcome(3, "read", "a", "KeyError at x.py:1", 2.0, 6),
    ]
    found = json.loads(json.dumps(fuzz_files.summary(rows)))
    assert found["readers"] == {"read": {"loads": 1, "refused": 1, "finding": 2}}
    assert (found["slowest"], found["most_memory"]) == (3.0, 7)
    assert found["findings"] == {
        "read: KeyError at x.py:1": {"mutants": 2, "first": 2, "file": "b"}
    }


def test_a_worker_that_ends_is_started_again_behind_its_mutant(tmp_path, monkeypatch):
    program = """
import json, os, sys
seed, start, stop, step = map(int, sys.argv[1:])
for number in range(start, stop, step):
    print(number, flush=True)
    if number == 2:
        os.abort()
    print(json.dumps([number, "read", "a", "loads", 0.0, 0]), flush=True)
"""
    script = tmp_path / "worker.py"
    script.write_text(program)
    monkeypatch.setattr(fuzz_files, "COMMAND", (str(script),))
    outcomes = fuzz_files.fuzz(5, seed=0, workers=2)
    assert [found.mutant for found in outcomes] == [0, 1, 2, 3, 4]
    assert [found.outcome == "loads" for found in outcomes] == [1, 1, 0, 1, 1]
    assert "the process ends with -6" in outcomes[2].outcome


def test_a_few_mutants_of_every_reader_find_nothing():
    """A smoke test: `python -m benchmarks.fuzz_files` takes 20,000."""
    outcomes = fuzz_files.fuzz(150, seed=3, workers=1)
    found = fuzz_files.summary(outcomes)
    assert len(outcomes) == 150
    assert set(found["readers"]) > {"read", "load_edit", "load_codes", "load"}
    assert found["findings"] == {}
