"""The command that ranks directions."""

import csv

import numpy as np
import pytest
from helpers import ok, run_file

import jaxlatent
from jaxlatent import cli
from jaxlatent.edits.directions import directions

OWN = """
import jax.numpy as jnp
from jaxlatent import Generator

def draw(params, z):
    return jnp.tanh(z[:, :4] * params["gain"]).reshape(-1, 2, 2, 1)

def make():
    gain = jnp.full((1, 1), 0.1)
    return Generator.from_functions(draw, z_dim=4, params={"gain": gain})

def corners(images):
    return images.reshape(-1, 4)
"""


@pytest.fixture
def place(workplace):
    (workplace / "corner.py").write_text(OWN)
    vectors = np.float32([[0, 1, 0, 0], [1, 0, 0, 0], [0.6, 0.8, 0, 0]])
    jaxlatent.save_edit("axes.npz", directions(vectors, space="z"))
    return workplace


WORDS = ["rank", "corner:make", "axes.npz", "--scorer", "corner:corners"]


def test_directions_are_told_by_what_they_change(place, capsys):
    ok(
        *WORDS,
        "--out",
        "r",
        "--attribute",
        "0-1",
        "--samples",
        "8",
        "--top",
        "1",
        "--group-of",
        "0,1",
    )
    told = capsys.readouterr().out
    assert "0: direction 1 (0.0" in told
    assert "1: direction 0 (0.0" in told
    assert "100% of its changes" in told
    rows = list(csv.DictReader((place / "r" / "ranking.csv").read_text().splitlines()))
    found = {(row["attribute"], row["direction"]): row for row in rows}
    slope = {key: float(row["slope"]) for key, row in found.items()}
    # tanh(x / 10) is all but x / 10
    assert slope["0", "1"] == pytest.approx(0.1, rel=0.05)
    assert slope["0", "2"] == pytest.approx(0.06, rel=0.05)
    assert slope["1", "1"] == 0
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2
    assert "0 rather than 1: direction 1 (100%)" in told
    record = run_file(place / "r")
    assert {"ranking.csv", "edit.npz", "index.html"} <= set(record["files"])
    assert not {"direction_002.png"} & set(record["files"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--attribute", "7"], "columns: 7 given; 0 to 3"),
        (["--strengths", "1,1"], "strengths: 1,1 given; two different ones"),
        (["--index", "5"], "index: 5 given; there are directions 0 to 2"),
        (["--top", "0"], "top: 0 given; 1 or more is accepted"),
        (["--group-of", "0"], "group_of: 0 given; two or more different ones of 0, 1"),
        (["--group-of", "0,9"], "group_of: 0,9 given; two or more different ones"),
    ],
)
def test_what_does_not_fit_is_named_before_the_work(words, expected, place, capsys):
    assert cli.main([*WORDS, "--out", "r", *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"jaxlatent: {expected}")
    assert not (place / "r").exists()
