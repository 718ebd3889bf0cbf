"""Unsupervised Discovery as a command."""

import numpy as np
import pytest
from helpers import ok, run_file

from jaxlatent import cli, load_edit
from jaxlatent.cli.voynov import CHARTS, Changes, Learning
from jaxlatent.evaluation.recognition import Shifts
from jaxlatent.methods.unsupervised_discovery import chart_strengths
from jaxlatent.methods.unsupervised_discovery_settings import PRESETS

PLAIN = """
import jax.numpy as jnp
from jaxlatent import Generator


def synthesize(params, latent):
    pixels = jnp.tanh(latent * params["gain"])
    return jnp.tile(pixels.reshape(-1, 2, 2, 1), (1, 4, 4, 1))


def make():
    return Generator.from_functions(
        synthesize, z_dim=4, params={"gain": jnp.full((1, 4), 0.5)}
    )


def corners(images):
    return images[:, :2, :2, 0].reshape(-1, 4)
"""
WORDS = ["discover", "voynov", "plain:make", "--seeds", "0,1", "--batch", "8"]


@pytest.fixture
def plain(workplace):
    (workplace / "plain.py").write_text(PLAIN)
    return workplace


def test_directions_are_learned_measured_drawn_and_ranked(plain):
    words = [*WORDS, "--held-out", "32", "--directions", "3", "--most", "3"]
    ok(*words, "--out", "a", "--steps", "4", "--num", "2")
    edit = load_edit(plain / "a" / "voynov.npz")
    assert (len(edit), edit.space) == (3, "z")
    gram = np.asarray(edit.vectors) @ np.asarray(edit.vectors).T
    np.testing.assert_allclose(gram, np.eye(3), atol=1e-5)
    assert edit.facts["settings"]["learning"]["shifts"]["most"] == 3
    assert 0 <= edit.facts["rca"] <= 1
    record = run_file(plain / "a")
    names = {"voynov.npz", "index.html", "losses.csv", "direction_001.png"}
    assert names <= set(record["files"])
    assert "direction_002.png" not in record["files"]
    assert record["strengths"] == [-9, -6, -3, -2, -1, 0, 1, 2, 3, 6, 9]
    assert "share that was told" in (plain / "a" / "index.html").read_text()
    # the run that goes on is the one that nobody stopped
    ok(*words, "--out", "b", "--steps", "2")
    (plain / "b" / "run.json").unlink()
    ok(*words, "--out", "b", "--steps", "4", "--resume")
    again = load_edit(plain / "b" / "voynov.npz")
    np.testing.assert_array_equal(again.vectors, edit.vectors)
    words = ["--scorer", "plain:corners", "--samples", "4", "--strengths=-1,1"]
    ok("rank", "plain:make", "a/voynov.npz", "--out", "r", "--seeds", "0", *words)
    assert (plain / "r" / "ranking.csv").exists()


def test_options_replace_settings():
    settings = PRESETS["stylegan2"].settings
    found = Changes(deformator="fc", reconstructor="lenet").applied(settings)
    assert (found.deformator, found.reconstructor) == ("fc", "lenet")
    assert found.downsample is None
    assert Changes().applied(settings) == settings
    found = Learning("normal", least=0.0, regression=0.0, accumulate=4).applied(
        settings
    )
    assert found.learning.shifts == Shifts("normal", 6.0, 0.0)
    assert (found.learning.regression, found.learning.accumulate) == (0, 4)
    assert found.learning.classification == 1
    usual = settings.learning.shifts.most
    assert ",".join(f"{one:g}" for one in chart_strengths(usual)) == CHARTS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--directions", "5"], "directions: 5 given; 1 to 4"),
        (["--bias"], "bias: given, but the deformator 'orthonormal' has none"),
        (["--most", "0"], "least, most: 0.5, 0.0 given"),
        (["--downsample", "16"], "kind, downsample: 'lenet', 16 given"),
        (["--held-out", "0"], "held_out: 0 given"),
        (["--learned-space", "w"], "space: 'w' given"),
        (
            ["--move", "to", "--deformator", "projective", "--bias"],
            "move: to given, but a Deformation knows no coordinate",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_the_work(plain, capsys, words, message):
    assert cli.main([*WORDS, "--out", "a", "--steps", "2", *words]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in told
    assert not (plain / "a").exists()
