"""A job that is killed and goes on, to the same bits."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxlatent.jobs import JOB_FILE, run_job

ROOT = Path(__file__).parents[1]
CONFIG = {"generator": "0123456789abcdef", "seeds": [0, 1], "rank": 20}
COUNT, PAUSE = 12, 0.03
SCRIPT = """
import sys, time
sys.path[:0] = sys.argv[3:]
import test_jobs
def slowly(index):
    time.sleep(test_jobs.PAUSE)
    return test_jobs.compute(index)
test_jobs.run_job(sys.argv[1], test_jobs.CONFIG, int(sys.argv[2]), slowly)
"""


def compute(index):
    rng = np.random.default_rng(index)
    return {"basis": rng.normal(size=(index + 1, 50)), "index": np.int32(index)}


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture
def whole(tmp_path):
    folder = tmp_path / "whole"
    assert len(run_job(folder, CONFIG, COUNT, compute)) == COUNT
    return folder


def test_items_are_files(tmp_path):
    finished = []
    files = run_job(tmp_path / "a" / "b", CONFIG, 2, compute, progress=finished.append)
    assert [file.name for file in files] == ["00000.npz", "00001.npz"]
    assert finished == [1, 1]
    for index, file in enumerate(files):
        with np.load(file) as found:
            assert found.files == ["basis", "index"]
            np.testing.assert_array_equal(found["basis"], compute(index)["basis"])
    assert json.loads((tmp_path / "a" / "b" / JOB_FILE).read_text()) == CONFIG
    assert run_job(tmp_path / "none", CONFIG, 0, compute) == []


def test_a_killed_job_ends_with_the_same_bits(tmp_path, whole):
    """The process is shot at random moments until it has been shot three times."""
    folder, seed = tmp_path / "killed", int(time.time())
    draw = random.Random(seed)
    words = [sys.executable, "-c", SCRIPT, folder, str(COUNT), ROOT, ROOT / "tests"]
    kills = 0
    while kills < 3:
        process = subprocess.Popen(words)
        try:
            before = len(list(folder.glob("*.npz"))) if folder.exists() else 0
            while process.poll() is None:  # until it is at work
                if folder.exists() and len(list(folder.glob("*.npz"))) > before:
                    break
                time.sleep(0.001)
            time.sleep(draw.random() * 2 * PAUSE)
            assert process.poll() is None, f"it ended too early; seed {seed}"
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        finally:
            process.kill()
            process.wait()
    assert 3 <= len(list(folder.glob("*.npz"))) < COUNT
    (folder / ".00011.npz.0123456789ab.tmp").write_bytes(b"half")
    run_job(folder, CONFIG, COUNT, compute)
    assert contents(folder) == contents(whole), f"seed {seed}"


def test_only_what_is_missing_or_damaged_is_computed(whole):
    expected, computed, finished = contents(whole), [], []
    (whole / "00002.npz").unlink()
    (whole / "00004.npz").write_bytes(expected["00004.npz"][:-30])
    flipped = bytearray(expected["00007.npz"])
    flipped[len(flipped) // 2] ^= 1
    (whole / "00007.npz").write_bytes(flipped)

    def noted(index):
        computed.append(index)
        return compute(index)

    run_job(whole, CONFIG, COUNT, noted, progress=finished.append)
    assert computed == [2, 4, 7]
    assert finished == [COUNT - 3, 1, 1, 1]
    assert contents(whole) == expected
    run_job(whole, CONFIG, COUNT + 1, noted)
    assert computed[3:] == [COUNT]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 21}, r"differs in rank \(20 there, 21 given\)$"),
        ({"chunk": 8}, r"differs in chunk \(nothing there, 8 given\)$"),
        (
            {"seeds": [0], "generator": None},
            r'in generator \("0123456789abcdef" there, null given\), seeds \(\[0, 1\]',
        ),
    ],
)
def test_another_job_is_refused(whole, change, message):
    expected = contents(whole)
    with pytest.raises(ValueError, match=f"^config: .*{message}"):
        run_job(whole, CONFIG | change, COUNT, compute)
    assert contents(whole) == expected


def test_folders_of_no_job_are_refused(whole):
    (whole / JOB_FILE).write_text("[1")
    with pytest.raises(ValueError, match=r"job.json is damaged"):
        run_job(whole, CONFIG, COUNT, compute)
    (whole / JOB_FILE).unlink()
    with pytest.raises(ValueError, match=r"holds items, but no job.json"):
        run_job(whole, CONFIG, COUNT, compute)
    with pytest.raises(ValueError, match="count: -1 given"):
        run_job(whole, CONFIG, -1, compute)


def test_an_item_that_fails_leaves_the_finished_ones(tmp_path):
    def failing(index):
        if index == 2:
            raise FloatingPointError("nan")
        return compute(index)

    with pytest.raises(FloatingPointError):
        run_job(tmp_path, CONFIG, 3, failing)
    assert sorted(contents(tmp_path)) == ["00000.npz", "00001.npz", JOB_FILE]
