"""Style channels from the command line: found, edited, ranked, told, and refused."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import painter
import pytest
from helpers import ok

from jaxlatent import checkpoint, cli
from jaxlatent.gallery import save_png
from jaxlatent.latents import Latents, to_images, to_space

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
    ok("jacobian", PAINTER, "--out", "jacobian", *CORNER, "--codes", "s.npy")
    scorers = ("--scorer", "brightness", "--scorer", "saturation", "--random", "4")
    few = ("--samples", "4", "--seeds", "0")
    ok("evaluate", PAINTER, "found/stylespace.npz", "--out", "e", *scorers, *few)
    assert "early 0" in Path("e/effects.csv").read_text()
    twice = ["found/stylespace.npz"] * 2
    ok("combine", *twice, "--out", "both.npz")
    assert checkpoint.load_edit("both.npz").space == "s"
    shared = ("--exemplars", "s.npy", "--samples", "8", "--k", "1")
    ok("discover", "stylespace", PAINTER, "--out", "shared", *shared, *FEW)
    assert "theta" in checkpoint.load_edit("shared/stylespace.npz").report


def test_pictures_are_inverted_in_s(capsys):
    dim = Latents(jnp.full((1, painter.CHANNELS), 0.2), "s")
    save_png(Path("p.png"), np.asarray(to_images(painter.make(), dim)[0]))
    words = ("invert", "p.png", PAINTER, "--learned-space", "s", "--steps", "200")
    ok(*words, "--out", "found", "--learning-rate", "0.1")
    with np.load("found/latents.npz") as kept:
        assert {name: kept[name].shape for name in kept.files} == {"s": (1, 7)}
    errors = json.loads(Path("found/run.json").read_text())["errors"]
    assert errors["inversion"]["mse"][0] < 1e-4
    capsys.readouterr()
    for more, message in (
        ((PAINTER, "--tune"), "learned_space: s given with tune; z, w or w+ is"),
        (("faces",), "space: 's' given; ['z'] are accepted"),
    ):
        words = ["invert", "p.png", *more, "--learned-space", "s", "--out", "out"]
        assert cli.main(words) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((PAINTER,), "region: none given; one or more, or exemplars, is needed"),
        (
            (PAINTER, *CORNER, "--exemplars", "s.npy"),
            "rectangle: given together with exemplars",
        ),
        (
            (PAINTER, "--exemplars", "s.npy", "--size", "8"),
            "size: given together with exemplars",
        ),
        (
            (PAINTER, "--exemplars", "s.npy", "--at", "2"),
            "at: given together with exemplars",
        ),
        (
            (PAINTER, *CORNER, "--samples", "1"),
            "samples: 1 given; 2 or more, which deviate, are accepted",
        ),
        ((PAINTER, *CORNER, "--k", "0"), "k: 0 given; 1 or more is accepted"),
        (
            ("toy:make", "--rectangle", "128,64,256,128"),
            "space: 's' given; ['z', 'w', 'w+'] are accepted",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(words, message, capsys):
    status = cli.main(["discover", "stylespace", *words, "--out", "out"])
    assert (status, capsys.readouterr().err) == (2, f"jaxlatent: {message}\n")
