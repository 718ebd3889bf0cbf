"""Learned methods as commands: pages with curves, signals, and the way on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import ok, run_file

from jaxlatent import cli, load_edit

ROOT = Path(__file__).parent.parent
PLAIN = """
import jax.numpy as jnp
from jaxlatent import Generator


def synthesize(params, latent):
    return jnp.tanh(latent[:, :4] * params["gain"]).reshape(-1, 2, 2, 1)


def make():
    return Generator.from_functions(
        synthesize, z_dim=6, params={"gain": jnp.full((1, 4), 0.1)}
    )


def corners(images):
    return images.reshape(-1, 4)
"""
WORDS = ["discover", "ganalyze", "plain:make", "--scorer", "brightness"]


@pytest.fixture
def plain(workplace):
    (workplace / "plain.py").write_text(PLAIN)
    return workplace


def learn(out, *words):
    return [*WORDS, "--out", out, "--seeds", "0,1", "--strengths=-0.1,0,0.1", *words]


def steps_of(folder):
    lines = (folder / "losses.csv").read_text().splitlines()
    assert lines[0].startswith("step,loss")
    return [int(line.split(",")[0]) for line in lines[1:]]


def test_a_run_ends_in_an_edit_a_page_and_its_losses(plain):
    ok(*learn("a", "--steps", "120", "--batch", "8", "--held-out", "16"))
    record = run_file(plain / "a")
    names = {"ganalyze.npz", "index.html", "losses.csv", "direction_000.png"}
    assert names <= set(record["files"])
    assert steps_of(plain / "a") == list(range(120))
    edit = load_edit(plain / "a" / "ganalyze.npz")
    assert edit.names == ("brightness",)
    assert edit.facts["steps"] == 120
    # brightness is that of four values of the code alone, all alike
    theta = np.asarray(edit.forward["0"]["bias"][0])
    assert (theta[:4] > 4 * np.abs(theta[4:]).max()).all()
    page = (plain / "a" / "index.html").read_text()
    assert page.count("<svg") == 2
    assert "over 16 unseen codes" in page.lower()


def test_an_output_of_ones_own_function_is_learned(plain):
    words = "discover ganalyze plain:make --scorer plain:corners --attribute 2 --out a"
    ok(*words.split(), "--steps", "120", "--batch", "8", "--seeds", "0")
    theta = np.asarray(load_edit(plain / "a" / "ganalyze.npz").forward["0"]["bias"][0])
    assert theta[2] > 4 * np.abs(np.delete(theta, 2)).max()


def test_a_finished_run_begins_anew_and_an_unfinished_one_does_not(plain, capsys):
    ok(*learn("a", "--steps", "20"))
    ok(*learn("a", "--steps", "10", "--learning-rate", "0.1"))
    assert steps_of(plain / "a") == list(range(10))
    ok(*learn("a", "--steps", "30", "--learning-rate", "0.1", "--resume"))
    assert steps_of(plain / "a") == list(range(30))
    (plain / "a" / "run.json").unlink()
    assert cli.main(learn("a", "--steps", "40")) == 2
    assert "resume: not given, but a holds an unfinished run" in capsys.readouterr().err
    words = learn("a", "--steps", "40", "--resume", "--learning-rate", "0.2")
    assert cli.main(words) == 2
    assert "differs in" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:the edit moves codes")
def test_signals_save_and_the_command_says_how_to_go_on(plain):
    # steps too short to move far; enough of them to be caught at work
    words = ("--steps", "600", "--save-every", "10", "--learning-rate", "1e-6")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(plain / "compiled"),
    }

    def start(*more):
        return subprocess.Popen(
            [sys.executable, "-m", "jaxlatent", *learn("b", *words, *more)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def newest():
        found = (plain / "b/training/checkpoints").glob("[0-9]*")
        found = [one for one in found if one.name.isdecimal()]
        return max((int(one.name) for one in found), default=0)

    done = 0
    for number, more in ((signal.SIGINT, ()), (signal.SIGTERM, ("--resume",))):
        process = start(*more)
        limit = time.monotonic() + 120
        while newest() <= done and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.02)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
        assert process.returncode == cli.INTERRUPTED, said
        assert "the same command with --resume goes on" in said
        assert newest() > done
        done = newest()
        assert not (plain / "b" / "run.json").exists()
    last = start("--resume")
    _, said = last.communicate(timeout=240)
    assert last.returncode == 0, said
    ok(*learn("whole", *words))
    assert steps_of(plain / "b") == list(range(600))
    interrupted, whole = (
        load_edit(plain / f"{name}/ganalyze.npz") for name in ("b", "whole")
    )
    np.testing.assert_array_equal(
        interrupted.forward["0"]["bias"], whole.forward["0"]["bias"]
    )
