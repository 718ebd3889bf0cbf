"""Steerability as a command."""

import numpy as np
import pytest
from helpers import ok, run_file

from jaxlatent import cli, load_edit

PLAIN = """
import jax.numpy as jnp
from jaxlatent import Generator


def synthesize(params, latent):
    return jnp.tanh(latent[:, :4] * params["gain"]).reshape(-1, 2, 2, 1)


def make():
    return Generator.from_functions(
        synthesize, z_dim=6, params={"gain": jnp.full((1, 4), 0.1)}
    )


def brighter(images, alpha):
    return images + 0.1 * alpha[:, None, None, None], jnp.ones_like(images)
"""
WORDS = ["discover", "steerability", "plain:make", "--seeds", "0", "--held-out", "8"]


@pytest.fixture
def plain(workplace):
    (workplace / "plain.py").write_text(PLAIN)
    return workplace


def test_a_walk_is_learned_and_its_curves_are_drawn(plain):
    words = ["--edit", "color", "--out", "a", "--steps", "60", "--batch", "8"]
    ok(*WORDS, *words, "--strengths=-1,0,1")
    names = {"steerability.npz", "index.html", "losses.csv", "direction_000.png"}
    assert names <= set(run_file(plain / "a")["files"])
    edit = load_edit(plain / "a" / "steerability.npz")
    assert edit.names == ("grey",)
    walk = np.asarray(edit.vectors[0])
    assert (walk[:4] > 3 * np.abs(walk[4:]).max()).all()
    page = (plain / "a" / "index.html").read_text()
    assert page.count("<svg") == 3
    assert "brightness follows from" in page


def test_functions_of_ones_own_are_learned_by_networks_too(plain):
    words = ["--edit", "plain:brighter", "--out", "b", "--walk", "network"]
    ok(*WORDS, *words, "--steps", "4", "--batch", "2", "--strengths=0,1")
    edit = load_edit(plain / "b" / "steerability.npz")
    assert edit.names == ("brighter",)
    assert edit.facts["settings"]["walk"] == "network"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--edit", "spin"], "edit: 'spin' given; one of zoom, shiftx"),
        (["--edit", "zoom", "--pixels", "3"], "pixels: given, but zoom has none"),
        (["--edit", "color", "--channel", "1"], "channel: 1 given; 0 to 0"),
        (["--edit", "zoom", "--loss", "lpips"], "lpips: missing"),
        (["--edit", "zoom", "--lpips", "none.pth"], "lpips: none.pth is not a file"),
        (["--edit", "zoom", "--learned-space", "w+"], "space: 'w+' given"),
        (["--edit", "luminance"], "images: 1 channels given; Lab is of 3"),
    ],
)
def test_what_cannot_be_done_is_one_line_before_any_work(plain, capsys, words, message):
    assert cli.main([*WORDS, *words, "--out", "c"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") <= 2
    assert not (plain / "c").exists()
