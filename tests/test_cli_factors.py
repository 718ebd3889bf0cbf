"""Factors of Variation as a command."""

import shutil

import numpy as np
import pytest
from helpers import ok, run_file

from jaxlatent import cli, load_edit

PLAIN = """
import jax.numpy as jnp
from jaxlatent import Generator


def synthesize(params, z):
    place = 0.3 * jnp.tanh(z @ params["p"])
    line = jnp.linspace(-0.5, 0.5, 20)[None]
    row = jnp.exp(-(((line - place[:, None]) / 0.12) ** 2))
    return 2 * jnp.broadcast_to(row[:, None, :, None], (len(z), 6, 20, 1)) - 1


def make():
    return Generator.from_functions(
        synthesize, z_dim=4, params={"p": jnp.asarray([0.6, 0.8, 0.0, 0.0])}
    )


def right(images, amount):
    shift = jnp.trunc(amount * 20).astype(int)
    mask = jnp.ones((1, 6, 20, 1))
    return jnp.roll(images, shift, axis=2), mask, shift / 20


def centre(images):
    line = jnp.linspace(-0.5, 0.5, 20)[None, None]
    light = (images[..., 0] + 1) / 2
    return jnp.sum(light * line, (1, 2)) / jnp.sum(light, (1, 2))
"""
WORDS = "discover factors plain:make --seeds 0,1 --strengths=-0.1,0,0.1 --steps 60"
LITTLE = "--trajectories 12 --search-steps 15 --amounts 0.1,0.15 --held-out 40"


@pytest.fixture
def plain(workplace):
    (workplace / "plain.py").write_text(PLAIN)
    return workplace


def learn(out, *words):
    return [*WORDS.split(), *LITTLE.split(), "--out", out, *words]


def test_a_run_ends_in_a_factor_that_moves_to_its_values(plain, capsys):
    ok(*learn("a"))
    record = run_file(plain / "a")
    assert {"factors.npz", "trajectories.npz", "losses.csv", "index.html"} <= set(
        record["files"]
    )
    assert record["correlation"] > 0.9
    edit = load_edit(plain / "a" / "factors.npz")
    assert edit.names == ("horizontal_position",)
    assert edit.vectors[0] @ np.float32([0.6, 0.8, 0, 0]) > 0.9
    page = (plain / "a" / "index.html").read_text()
    assert page.count("<svg") == 5
    assert "of 48 ends of trajectories" in page.lower()
    with np.load(plain / "a" / "trajectories.npz") as file:
        assert file["ends"].shape == (12, 2, 2, 4)
    ok(*["edit", "plain:make", "a/factors.npz", "--seeds", "0", "--strengths=-0.1,0.1"],
       "--move", "to", "--out", "b")  # fmt: skip
    assert "coordinates to reach" in (plain / "b" / "index.html").read_text()


def test_a_transformation_and_a_measure_of_ones_own(plain):
    ok(*learn("a", "--transformation", "plain:right", "--measure", "plain:centre"))
    assert load_edit(plain / "a" / "factors.npz").names == ("right",)
    assert run_file(plain / "a")["slope"] > 0.5


def test_trajectories_that_were_found_are_not_searched_again(plain, capsys):
    ok(*learn("a"))
    with np.load(plain / "a" / "trajectories.npz") as file:
        arrays = dict(file)
    # as if it had been killed after eight codes
    some = {name: array[:8] for name, array in arrays.items() if name != "about"}
    (plain / "a" / "run.json").unlink()
    shutil.rmtree(plain / "a" / "training")
    np.savez(plain / "a" / "trajectories.npz", about=arrays["about"], **some)
    assert cli.main(learn("a")) == 2
    assert "resume: not given, but a/traj" in capsys.readouterr().err
    assert cli.main(learn("a", "--resume", "--sigma", "1")) == 2
    assert "belongs to other settings" in capsys.readouterr().err
    ok(*learn("a", "--resume"))
    with np.load(plain / "a" / "trajectories.npz") as file:
        assert file["starts"].tobytes() == arrays["starts"].tobytes()
        assert file["ends"][:8].tobytes() == arrays["ends"][:8].tobytes()
        np.testing.assert_allclose(file["ends"], arrays["ends"], atol=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--transformation tilt", "transformation: 'tilt' given; a function or one"),
        ("--measure size", "measure: 'size' given; none, module:function or one of"),
        ("--trajectories 0", "trajectories: 0 given"),
        ("--amounts 0.2,0.1", "amounts: (0.2, 0.1) given; rising numbers"),
        ("--preset original", "reset: False given; one device"),
        ("--dropped 1", "dropped: 1.0 given; from 0 to below 1"),
    ],
)
def test_what_does_not_fit_is_named_before_the_work(plain, capsys, words, message):
    assert cli.main(learn("a", *words.split())) == 2
    assert message in capsys.readouterr().err
    assert not (plain / "a" / "trajectories.npz").exists()
