"""Processes that work together over loopback, and those that fail their peers."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import peer
import pytest
from helpers import error

from jaxlatent import render
from jaxlatent.jobs import run_job
from jaxlatent.methods import ganspace
from jaxlatent.numerics.decomposition import Estimation
from jaxlatent.parallel import start

LIMIT = 100
SCRIPT = Path(peer.__file__)


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """How each process of each plan ended: its report, status, words and seconds."""
    folder = tmp_path_factory.mktemp("processes")
    paths = [str(SCRIPT.parent), str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "JAX_PLATFORMS": "cpu",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    running, begin = {}, time.monotonic()
    try:
        for plan, ranks in (("together", 2), ("command", 2), ("alone", 1)):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            for rank in range(ranks):
                running[plan, rank] = subprocess.Popen(
                    [sys.executable, SCRIPT, plan, str(port), str(rank), folder],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=environment,
                )
        found = {}
        for name, process in running.items():
            out, err = process.communicate(timeout=LIMIT)
            lines = [line for line in out.splitlines() if line.startswith("REPORT ")]
            report = json.loads(lines[0].partition(" ")[2]) if lines else {}
            seconds = time.monotonic() - begin
            found[name] = report | {
                "end": process.returncode,
                "out": out,
                "err": err,
                "seconds": seconds,
            }
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return folder, found


@pytest.fixture(scope="module")
def both(ends):
    _, found = ends
    for rank in range(2):
        assert "late" in found["together", rank], found["together", rank]["err"]
    return [found["together", rank] for rank in range(2)]


def test_two_processes_do_what_one_does(ends, both, tmp_path):
    folder, _ = ends
    generator = peer.linear()
    images = render(generator, peer.CODES)
    components = ganspace.decompose(
        ganspace.generator_source(generator, layer="image"),
        samples=21,
        estimation=Estimation(k=2),
        key=jax.random.key(0),
        chunk=6,
    ).components
    keys = jax.random.key_data(jax.random.split(jax.random.key(3), 2))
    for rank, report in enumerate(both):
        assert report["devices"] == [2, 1]
        assert report["main"] is (rank == 0)
        assert report["hosts"] == [0, 1]
        np.testing.assert_array_equal(report["doubled"], 2 * peer.CODES)
        np.testing.assert_array_equal(report["keys"], keys)
        assert error(report["images"], images.ravel()) <= 1e-6
        assert error(report["stdev"], components.stdev) <= 1e-6
    files = run_job(
        tmp_path, {}, 3, lambda i: {"images": render(generator, peer.CODES[: i + 1])}
    )
    for file in files:
        with np.load(folder / "job" / file.name) as ours, np.load(file) as theirs:
            assert error(ours["images"], theirs["images"]) <= 1e-6
    assert len(list((folder / "job").iterdir())) == 4


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("divergent", "GENERATOR: .params['bias'] of process 1 differ from those of"),
        ("misshapen", "weights: structure, shapes or configuration of process 1"),
        ("configured", "configuration: ['seed'] of process 1 differ from those of"),
        ("rendered", "mesh: ['whole'][0].params['bias'] of process 1 differ"),
    ],
)
def test_a_divergent_peer_is_told_on_every_process(both, case, message):
    for report in both:
        text, seconds = report[case]
        assert text.startswith(f"ValueError: {message}")
        assert seconds < 5


def test_a_second_start_is_refused(both):
    for report in both:
        assert report["again"][0].startswith("RuntimeError: start: called too late")


def test_a_late_peer_ends_the_wait_within_the_timeout(both):
    text, seconds = both[0]["late"]
    assert text.startswith("ConnectionError: process 0 of 2: another process is late")
    assert peer.PATIENCE - 1 < seconds < peer.PATIENCE + 5


def test_only_the_first_process_of_a_command_writes_and_prints(ends):
    folder, found = ends
    main, other = found["command", 0], found["command", 1]
    assert (main["status"], main["devices"]) == (0, 4), main["err"]
    assert "Pictures: 3" in main["out"]
    assert "Pictures" not in other["out"]
    record = json.loads((folder / "drawn" / "run.json").read_text())
    assert record["arguments"]["job"]["where"]["processes"] == 2
    assert len(record["pictures"]) == 3


def test_a_killed_peer_is_noticed_at_once(ends):
    _, found = ends
    assert found["command", 1]["end"] == -9
    text, seconds = found["command", 0]["killed"]
    assert text.startswith("ConnectionError: process 0 of 2: another process is late")
    assert seconds < 5


def test_an_absent_peer_aborts_the_process(ends):
    _, found = ends
    absent = found["alone", 0]
    assert absent["end"] == -6
    assert "DEADLINE_EXCEEDED" in absent["err"]
    assert absent["seconds"] < 60


def test_start_after_an_array_is_refused():
    assert jax.device_count() == 8
    with pytest.raises(RuntimeError, match=r"^start: called too late"):
        start("127.0.0.1:1", 1, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ("host:1",),
            "processes: missing; coordinator, processes, process_id go together",
        ),
        ((None, 2, 0), "coordinator: missing"),
        (("host:1", 2), "process_id: missing"),
        (("host", 2, 0), "coordinator: 'host' given; host:port is accepted"),
        (("host:1", 0, 0), "processes: 0 given; 1 or more"),
        (("host:1", 2, 2), "process_id: 2 given; 0 to 1 is accepted"),
        (("host:1", 2, -1), "process_id: -1 given"),
    ],
)
def test_a_start_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=rf"^{message}"):
        start(*given)
