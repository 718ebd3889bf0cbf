"""Enjoy Your Editing as a command."""

import numpy as np
import pytest
import writer
from helpers import ok, run_file
from test_convert_sequential import CRITIC, LENET, tensors

from jaxlatent import cli, load_edit
from jaxlatent.cli.enjoy import Others, open_content
from jaxlatent.networks.distances import FeatureDistance, squared_distance

PLAIN = """
import jax
import jax.numpy as jnp
from jaxlatent import Generator


def synthesize(params, latent):
    pixels = jnp.tanh(latent[:, :4] * params["gain"])
    return jnp.tile(pixels.reshape(-1, 2, 2, 1), (1, 14, 14, 1))


def make():
    return Generator.from_functions(
        synthesize, z_dim=6, params={"gain": jnp.full((1, 4), 0.5)}
    )


def corners(images):
    return jax.nn.sigmoid(4 * images[:, :2, :2, 0].reshape(-1, 4))


def one(images):
    return corners(images)[:, 0]
"""
WORDS = ["discover", "enjoy", "plain:make", "--scorer", "plain:corners"]


@pytest.fixture
def plain(workplace):
    (workplace / "plain.py").write_text(PLAIN)
    (workplace / "lenet.pth").write_bytes(writer.torch_zip(tensors(LENET)))
    (workplace / "critic.pth").write_bytes(writer.torch_zip(tensors(CRITIC)))
    return workplace


def test_attributes_are_learned_drawn_and_measured(plain):
    words = ["--attribute", "2,1", "--out", "a", "--seeds", "0", "--steps", "150"]
    words += ["--batch", "16", "--held-out", "16", "--learning-rate", "0.05"]
    words += ["--discriminator", "critic.pth", "--content", "pixels"]
    words += ["--embedding", "lenet.pth", "--embedding-layer", "f6"]
    ok(*WORDS, *words, "--strengths=-0.5,0,0.5")
    edit = load_edit(plain / "a" / "enjoy.npz")
    assert edit.names == ("2", "1")
    assert dict(edit.facts["weights"]) == {
        "regression": 10,
        "discriminator": 0.05,
        "content": 0.05,
    }
    vectors = np.abs(np.asarray(edit.vectors))
    assert vectors[0].argmax() == 2
    assert vectors[1].argmax() == 1
    record = run_file(plain / "a")
    names = {"enjoy.npz", "index.html", "losses.csv", "direction_001.png"}
    assert names <= set(record["files"])
    header = (plain / "a" / "losses.csv").read_text().splitlines()[0].split(",")
    assert {"regression", "discriminator", "content", "slope"} <= set(header)
    page = (plain / "a" / "index.html").read_text()
    assert page.count("<svg") == 3
    assert "per unit over unseen codes" in page
    assert "identity 0." in page


def test_a_network_of_one_score_without_other_losses(plain):
    words = "discover enjoy plain:make --scorer plain:one --out a --seeds 0"
    words += " --walk local --hidden 8 --steps 20 --held-out 4 --joint no"
    ok(*words.split())
    edit = load_edit(plain / "a" / "enjoy.npz")
    assert edit.names == ("one",)
    assert edit.facts["weights"]["regression"] == 1
    assert edit.facts["settings"]["hidden"] == (8,)
    assert not edit.facts["settings"]["joint"]
    assert "others by" not in (plain / "a" / "index.html").read_text()


def test_what_content_may_be(plain):
    assert open_content(Others()) is None
    assert open_content(Others(content="pixels")) is squared_distance
    found = open_content(Others(content="lenet.pth", content_layers="c1,c3"))
    assert isinstance(found, FeatureDistance)
    assert found.names == ("c1", "c3")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--preset paper", "discriminator: missing, but its weight is 0.05"),
        (
            "--preset paper --discriminator critic.pth",
            "content: missing, but its weight is 0.05",
        ),
        ("--discriminator none.pth", "none.pth"),
        ("--discriminator lenet.pth", "discriminator"),
        ("--content none.pth", "content: source: "),
        ("--content lenet.pth", "content_layers: missing; lenet.pth is a LeNet"),
        ("--content-layers c1", "content_layers: given, but no network is content"),
        ("--attribute 4", "attribute: 4 given; 0 to 3 of corners are accepted"),
        ("--scorer plain:one", "scorer: 2 given; one is accepted"),
        ("--temperature 2", "temperature: given, but outputs are plain"),
        ("--outputs sigmoid --temperature 0", "temperature: 0.0 given; above 0"),
        ("--layers 0", "layers: '0' given, but this generator has no rows"),
        ("--embedding lenet.pth", "names: ['avgpool'] given; ['c1', 'c3', 'c5', 'f6"),
        ("--margin 0.7", "margin: 0.7 given; 0 to 0.5 is accepted"),
        ("--drawn 1,-1", "drawn: (1.0, -1.0) given; a number and a larger one"),
        ("--move to --walk local", "move: to given, but a NeuralWalk knows no"),
        ("--held-out 0", "held_out: 0 given; 1 or more is accepted"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_work(plain, capsys, words, message):
    assert cli.main([*WORDS, "--out", "a", "--seeds", "0", *words.split()]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (plain / "a" / "training").exists()


def test_one_score_has_no_columns(plain, capsys):
    words = "discover enjoy plain:make --scorer plain:one --out a --attribute 0"
    assert cli.main(words.split()) == 2
    assert "attribute: '0' given; none is accepted" in capsys.readouterr().err
