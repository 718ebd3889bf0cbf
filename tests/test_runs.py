"""A run's folder: what it records, and what the next run removes."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import toy

from jaxlatent.checkpoint import file_hash
from jaxlatent.generators.base import fingerprint
from jaxlatent.runs import PACKAGES, RUN_FILE, Run, plain


@dataclass(frozen=True)
class Settings:
    path: Path = Path("a")
    sizes: tuple[int, ...] = (1, 2)


def write(out, *names, **facts):
    run = Run(out, "test", {"settings": Settings(), "seed": 1})
    for name in names:
        run.file(name).write_text(name)
    run.finish(toy.make(), inputs=(__file__, None, "nowhere"), **facts)
    return json.loads((out / RUN_FILE).read_text())


def test_a_record_tells_everything_that_repeats_the_run(tmp_path):
    record = write(tmp_path / "out", "a.txt", "b.txt", scores=["x"])
    assert record["command"] == "test"
    assert record["arguments"] == {
        "settings": {"path": "a", "sizes": [1, 2]},
        "seed": 1,
    }
    assert record["generator"]["fingerprint"] == fingerprint(toy.make())
    assert record["generator"]["family"] == "toy"
    assert record["inputs"] == {__file__: file_hash(__file__)}
    assert set(record["versions"]) == {"python", *PACKAGES}
    assert record["scores"] == ["x"]
    files = {name: file_hash(tmp_path / "out" / name) for name in ("a.txt", "b.txt")}
    assert record["files"] == files


def test_a_run_without_files_makes_no_folder(tmp_path):
    Run(tmp_path / "out", "test", {})
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"^out: .* is not a folder"):
        Run(tmp_path / "file", "test", {})


def test_the_next_run_removes_what_was_recorded_and_nothing_else(tmp_path):
    write(tmp_path, "a.txt", "b.txt", "c.txt")
    (tmp_path / "b.txt").write_text("changed")
    (tmp_path / "mine").write_text("mine")
    run = Run(tmp_path, "test", {})
    assert (tmp_path / "a.txt").exists()
    run.start()
    assert {file.name for file in tmp_path.iterdir()} == {"b.txt", "mine"}
    # once; what this run writes stays
    run.file("new").write_text("new")
    run.start()
    assert (tmp_path / "new").exists()


def test_settings_become_json():
    value = {"a": Settings(), 1: [Path("b"), None, 1.5, True]}
    assert plain(value) == {
        "a": {"path": "a", "sizes": [1, 2]},
        "1": ["b", None, 1.5, True],
    }
