"""The command that learns warped paths."""

import csv

import numpy as np
import pytest
from helpers import ok, run_file

from jaxlatent import cli, load_edit

OWN = """
import jax.numpy as jnp
from jaxlatent import Generator

def draw(params, z):
    return jnp.tanh(z[:, :4] * params["gain"]).reshape(-1, 2, 2, 1)

def make():
    gain = jnp.full((1, 1), 0.5)
    return Generator.from_functions(draw, z_dim=4, params={"gain": gain})
"""
WORDS = ["discover", "warped", "own:make", "--out", "r", "--paths", "3", "--dipoles"]


@pytest.fixture
def own(workplace):
    (workplace / "own.py").write_text(OWN)
    return workplace


def test_a_run_ends_in_paths_a_page_and_what_is_told_of_them(own, capsys):
    words = [*WORDS, "2", "--steps", "3", "--batch", "4", "--seeds", "0", "--num", "2"]
    words += ["--held-out", "8", "--strengths=-1,0,1", "--sampling", "reference"]
    ok(*words)
    assert "the path is told in" in capsys.readouterr().out
    edit = load_edit("r/warped.npz")
    assert edit.names == ("path 0", "path 1", "path 2")
    assert edit.facts["settings"]["sampling"] == "reference"
    assert not edit.facts["settings"]["learn_alphas"]
    np.testing.assert_array_equal(np.abs(edit.weights), 1)
    rows = list(csv.DictReader((own / "r/recognition.csv").read_text().splitlines()))
    assert sum(int(row["pairs"]) for row in rows) == 8
    seen = [row for row in rows if row["pairs"] != "0"]
    right = sum(int(row["pairs"]) * float(row["accuracy"]) for row in seen)
    assert edit.facts["rca"] == pytest.approx(right / 8, abs=1e-4)
    files = set(run_file(own / "r")["files"])
    assert {"warped.npz", "recognition.csv", "losses.csv", "index.html"} <= files
    assert len([name for name in files if name.endswith(".gif")]) == 2
    page = (own / "r" / "index.html").read_text()
    assert page.count("<svg") == 2
    assert "Paths from seed 0" in page


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["0"], "dipoles: 0 given; 1 or more is accepted"),
        (["1", "--min-shift", "9"], "least, most: 9.0, 2.0 given"),
        (["1", "--held-out", "0"], "held_out: 0 given; 1 or more is accepted"),
        (["1", "--learned-space", "w"], "space: 'w' given; ['z'] are accepted"),
        (["1", "--move", "to"], "move: to given, but a RBFField knows no coordinate"),
    ],
)
def test_what_does_not_fit_is_named_before_the_work(own, capsys, words, expected):
    assert cli.main([*WORDS, *words]) == 2
    assert capsys.readouterr().err.startswith(f"jaxlatent: {expected}")
    assert not (own / "r").exists()
