"""Style channels from the command line: found, edited, ranked, told, and refused."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import painter
import pytest
from helpers import ok

from jaxlatent import checkpoint, cli
from jaxlatent.latents import Latents, to_space

pytestmark = pytest.mark.usefixtures("workplace")

PAINTER = "painter:make"
FEW = ("--chunk", "16", "--seeds", "0", "--strengths", "0,2")
CORNER = ("--rectangle", "64,64,128,128")


def test_channels_of_a_region_go_through_every_command(capsys):
    some = ("--samples", "8", "--at", "0,1", "--k", "2")
    ok("discover", "stylespace", PAINTER, "--out", "found", *CORNER, *some, *FEW)
    edit = checkpoint.load_edit("found/stylespace.npz")
    assert {name.split(": ")[1] for name in edit.names} == {"late 0", "early 0"}
    record = json.loads(Path("found/run.json").read_text())
    assert record["edited"] == "in s"
    ok("inspect", "found/stylespace.npz")
    assert "early 0" in capsys.readouterr().out
    ok("edit", PAINTER, "found/stylespace.npz", "--out", "moved", "--index", "1", *FEW)
    scored = ("--scorer", "brightness", "--samples", "4")
    ok("rank", PAINTER, "found/stylespace.npz", "--out", "ranked", *scored, *FEW)
    model = painter.make()
    z = jnp.asarray([[1.0, 2.0, 3.0], [0.5, 1.0, 1.0]])
    np.save("s.npy", to_space(model, Latents(z, "z"), "s").codes)
    ok("sample", PAINTER, "--out", "drawn", "--codes", "s.npy")
    with np.load("drawn/codes.npz") as kept:
        assert {*kept.files} == {"s"}
    shared = ("--exemplars", "s.npy", "--samples", "8", "--k", "1")
    ok("discover", "stylespace", PAINTER, "--out", "shared", *shared, *FEW)
    assert "theta" in checkpoint.load_edit("shared/stylespace.npz").report


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((PAINTER,), "region: none given; one or more, or exemplars, is needed"),
        (
            (PAINTER, *CORNER, "--exemplars", "s.npy"),
            "rectangle: given together with exemplars",
        ),
        (
            ("toy:make", "--rectangle", "128,64,256,128"),
            "space: 's' given; ['z', 'w', 'w+'] are accepted",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(words, message, capsys):
    status = cli.main(["discover", "stylespace", *words, "--out", "out"])
    assert (status, capsys.readouterr().err) == (2, f"jaxlatent: {message}\n")
