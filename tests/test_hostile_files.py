"""Hostile and damaged files are refused, cheaply, and execute nothing."""

import pickle
import subprocess
import sys

import hostile
import hostile_pickles
import numpy as np
import pytest
import writer
from artefact_files import npy_bytes, npz_bytes

from converters.checkpoints import read
from jaxlatent.types import CheckpointError

UNFORESEEN = "in a way that no reader foresees"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Every file of the corpus and what happened to it."""
    folder = tmp_path_factory.mktemp("hostile")
    files = hostile.corpus(str(folder / "marker"))
    for index, file in enumerate(files):
        (folder / str(index)).write_bytes(file.data)
    report = hostile.run(folder)
    return [(file, report[str(index)]) for index, file in enumerate(files)]


def failing(outcomes, is_good):
    """One line for each file that breaks a rule."""
    return [
        f"({file.group}) {file.container}, {file.name}: {file.says!r}, but {outcome}"
        for file, outcome in outcomes
        if not is_good(file, outcome)
    ]


def test_every_file_is_refused_for_the_right_reason(outcomes):
    def is_good(file, outcome):
        return (
            outcome["kind"] == "CheckpointError"
            and file.says in outcome["message"]
            and UNFORESEEN not in outcome["message"]
        )

    assert failing(outcomes, is_good) == []


def test_every_message_is_one_short_line(outcomes):
    def is_good(_, outcome):
        text = outcome["message"]
        return text.isprintable() and text.isascii() and len(text) < 300

    assert failing(outcomes, is_good) == []


def test_no_file_executes_anything(outcomes):
    assert failing(outcomes, lambda _, outcome: not outcome["marker"]) == []


def test_no_file_takes_more_memory_than_a_multiple_of_its_size(outcomes):
    def is_good(file, outcome):
        return outcome["growth"] <= (16 << 20) + 200 * len(file.data)

    assert failing(outcomes, is_good) == []


def test_no_file_takes_long(outcomes):
    assert failing(outcomes, lambda _, outcome: outcome["seconds"] < 10) == []


def test_the_corpus_is_large_and_covers_every_class(outcomes, record_property):
    record_property("table", hostile.table())
    assert len(outcomes) >= 1000
    groups = {(file.group, file.container) for file, _ in outcomes}
    assert {group for group, _ in groups} == set(hostile.CLASSES)
    for container in hostile.CARRIERS:
        assert {group for group, name in groups if name == container} >= set(
            "abcdefghikm"
        )
    assert hostile.table().endswith(f"{len(outcomes)} |")


@pytest.mark.parametrize(
    "name",
    [
        *("posix.system", "builtins.exec", "import_module", "resolve_name"),
        *("FileIO", "runstring", "pickle.loads"),
    ],
)
def test_the_gadgets_are_live(name, tmp_path):
    """The stock unpickler runs what the corpus holds, so its marker can appear."""
    marker = tmp_path / "marker"
    gadgets = {title: value for _, title, value in hostile_pickles.code(str(marker))}
    path = tmp_path / "gadget.pkl"
    path.write_bytes(writer.pickled(gadgets[name]))
    program = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run([sys.executable, "-c", program, path], check=True)
    assert marker.exists()


def test_the_name_of_a_file_changes_nothing(tmp_path):
    data = hostile.CARRIERS["zip"](hostile.call("posix.system", "true"))
    for suffix in ("safetensors", "npz", "pkl", "tar", "pt"):
        path = tmp_path / f"model.{suffix}"
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=rf"model\.{suffix}: global posix"):
            read(path)


SMALL = {"x": np.arange(5, dtype=np.float32), "n": 3}
SOUND = {
    "torch-zip": writer.torch_zip(SMALL),
    "torch-legacy": writer.torch_legacy(SMALL),
    "pickle": writer.plain_pickle(SMALL),
    "nvidia": writer.plain_pickle({"G": writer.module("G", {"w": SMALL["x"]})}, 4),
    "safetensors": writer.safetensors({"x": SMALL["x"]}),
    "npy": npy_bytes(SMALL["x"]),
    "npz": npz_bytes(x=SMALL["x"], n=np.arange(3)),
}


def refusal(path):
    try:
        read(path, numpy_files=True)
    except CheckpointError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", SOUND)
def test_no_truncation_is_accepted(name, tmp_path):
    path = tmp_path / "cut"
    path.write_bytes(SOUND[name])
    assert not refusal(path)
    for length in range(len(SOUND[name])):
        path.write_bytes(SOUND[name][:length])
        message = refusal(path)
        assert message
        assert UNFORESEEN not in message


@pytest.mark.parametrize("name", SOUND)
def test_random_damage_raises_nothing_but_our_error(name, tmp_path):
    random = np.random.default_rng(7)
    path = tmp_path / "damaged"
    refused = 0
    for _ in range(1000):
        data = np.frombuffer(SOUND[name], np.uint8).copy()
        for _ in range(random.integers(1, 4)):
            data[random.integers(data.size)] = random.integers(256)
        path.write_bytes(data.tobytes())
        message = refusal(path)
        refused += bool(message)
        assert UNFORESEEN not in message
    assert refused > 300


def test_a_reader_leaves_the_stock_unpickler_alone(tmp_path):
    path = tmp_path / "sound"
    path.write_bytes(SOUND["torch-legacy"])
    read(path)
    assert pickle.loads(pickle.dumps({"x": {1, 2}})) == {"x": {1, 2}}
    assert "torch_utils" not in sys.modules
