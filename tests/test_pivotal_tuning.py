"""Pivotal tuning: a closed form, what moves and what stays, and a mark on a picture."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from families import CONFIGS, fresh
from helpers import compilations
from learners import contents
from test_learned_methods import blobs

from jaxlatent import parallel
from jaxlatent.checkpoint import load_generator, save_generator
from jaxlatent.edits.directions import directions
from jaxlatent.generators import sequential
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.generators.sequential_layers import Activation, Unflatten
from jaxlatent.generators.sequential_weighted import Linear
from jaxlatent.latents import Latents, sample_keys
from jaxlatent.learning import State, descend
from jaxlatent.methods import pivotal_tuning
from jaxlatent.methods.likeness import Weights
from jaxlatent.methods.pivotal_tuning import Preset, Settings, learner, trained, tune
from jaxlatent.training.fit import fit

KEY = jax.random.key(5)
PIXELS = Weights()


def pixels(params, z):
    return (z @ params["maps"]).reshape(len(z), 3, 2, 1)


def linear():
    maps = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    return Generator.from_functions(pixels, z_dim=4, params={"maps": jnp.asarray(maps)})


def preset(steps=50, batch=4, **settings):
    return Preset(Settings(PIXELS, **settings), steps, batch)


def test_a_linear_generator_moves_by_ridge_regression():
    # E |z_r D|^2 = |D|^2 of codes with unit covariance: the least of
    # |z_p D - r|^2 + locality |D|^2 is z_p^T r / (|z_p|^2 + locality)
    generator = linear()
    pivot = jnp.asarray([[1.0, -0.5, 0.3, 2.0]])
    target = pixels(generator.params, pivot) + 0.5
    how = preset(800, batch=64, locality=2.0, learning_rate=2e-3)
    tuned = tune(generator, Latents(pivot, "z"), target, how, key=KEY)
    moved = tuned.params["maps"] - generator.params["maps"]
    expected = pivot.T @ np.full((1, 6), 0.5) / (jnp.sum(pivot**2) + 2)
    np.testing.assert_allclose(moved, expected, atol=0.01)
    left = 0.25 * (2 / (float(jnp.sum(pivot**2)) + 2)) ** 2
    square = jnp.mean((tuned.synthesize(pivot) - target) ** 2)
    np.testing.assert_allclose(square, left, rtol=0.1)


def test_the_loss_is_that_of_the_formula():
    generator = linear()
    pivots = Latents(generator.sample(KEY, 3), "z")
    pictures = jnp.ones((3, 3, 2, 1))
    problem = learner(generator, pivots, pictures, preset(locality=0.5, radius=3.0))
    keys, rows = sample_keys(KEY, range(4)), jnp.asarray([2, 0, 1, 2])
    own = Latents(pivots.codes[rows], "z")
    around = problem.around(own, keys)
    way = np.asarray(around.codes - own.codes)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 3, rtol=1e-5)
    drawn = np.asarray(problem.prior(keys).codes - own.codes)
    np.testing.assert_allclose(
        way / 3, drawn / np.linalg.norm(drawn, axis=1, keepdims=True), rtol=1e-4
    )
    params = {"maps": 1.1 * generator.params["maps"]}
    loss, metrics = problem.loss(params, keys, rows)
    made = 1.1 * np.asarray(generator.synthesize(own.codes))
    there = 0.1 * np.asarray(generator.synthesize(around.codes))
    np.testing.assert_allclose(metrics["pixel"], np.mean((made - 1) ** 2), rtol=1e-5)
    np.testing.assert_allclose(metrics["locality pixel"], np.mean(there**2), rtol=1e-3)
    total = metrics["pixel"] + 0.5 * metrics["locality pixel"]
    np.testing.assert_allclose(loss, total, rtol=1e-5)


@pytest.mark.parametrize("family", [name for name in CONFIGS if name != "functions"])
def test_buffers_and_strengths_of_noise_are_not_trained(family):
    mask = trained(fresh(family))
    for path, learned in jax.tree_util.tree_leaves_with_path(mask):
        name = jax.tree_util.keystr(path)
        fixed = ("running", "noise", "w_avg", "stored", "filter", "magnitude", "freqs")
        fixed = (*fixed, "phases", "pool", "transform", "means", "vars")
        if any(word in name for word in ("running", "noise", "w_avg")):
            assert not learned, name
        if name.endswith(("['weight']", "['bias']")):
            held = any(word in name for word in fixed)
            assert learned or held, name


def test_a_style_generator_is_tuned_in_its_synthesis_alone(tmp_path):
    generator = fresh("stylegan2")
    # one program for each, where every layer would be one of its own
    w = jax.jit(lambda model: model.map(model.sample(KEY, 2)))(generator)
    draw = jax.jit(lambda model: model.synthesize(w))
    pictures = 0.5 * draw(generator)
    how = preset(20, batch=2, learning_rate=1e-2)
    tuned = tune(generator, Latents(w, "w"), pictures, how, key=KEY)
    before, after = generator.params, tuned.params
    assert contents(before["mapping"]) == contents(after["mapping"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(after["synthesis"]):
        old = before["synthesis"]
        for key in path:
            old = old[key.key]
        moved = bool((leaf != old).any())
        assert moved == ("noise" not in path[-1].key), path
    error = jnp.mean((draw(tuned) - pictures) ** 2)
    assert error < 0.5 * jnp.mean((draw(generator) - pictures) ** 2)
    owner = fingerprint(generator)
    assert tuned.origin.ancestors == (owner,)
    twice = tune(tuned, Latents(w, "w"), pictures, preset(0), key=KEY)
    assert twice.origin.ancestors == (owner, fingerprint(tuned))
    save_generator(tmp_path / "tuned", tuned)
    again = load_generator(tmp_path / "tuned")
    assert again.origin.ancestors == (owner,)
    assert contents(again.params) == contents(tuned.params)
    assert again.prepare().origin.ancestors == (owner,)


def test_one_device_equals_four_and_a_run_goes_on_to_the_same_bits(tmp_path):
    pivots, pictures = Latents(jnp.eye(4)[:3], "z"), jnp.ones((3, 3, 2, 1))
    how = preset(6, learning_rate=0.01)
    words = {"key": KEY, "block": 2}
    whole = tune(linear(), pivots, pictures, how, **words)
    problem = learner(linear(), pivots, pictures, how)
    data = pivotal_tuning.source(problem, 4)
    fit(problem, 3, batch=4, data=data, folder=tmp_path / "run", **words)
    rest = tune(linear(), pivots, pictures, how, folder=tmp_path / "run", **words)
    assert contents(whole.params) == contents(rest.params)
    four = tune(linear(), pivots, pictures, how, mesh=parallel.mesh(4), **words)
    np.testing.assert_allclose(whole.params["maps"], four.params["maps"], atol=1e-6)
    halves = dataclasses.replace(how.settings, accumulate=2)
    halves = Preset(halves, steps=12, batch=2)
    parts = tune(linear(), pivots, pictures, halves, **words)
    np.testing.assert_allclose(whole.params["maps"], parts.params["maps"], atol=1e-5)


def test_new_weights_compile_nothing():
    def problem(scale):
        params = {"maps": scale * linear().params["maps"]}
        generator = dataclasses.replace(linear(), params=params)
        pivots = Latents(jnp.eye(4)[:2], "z")
        return learner(generator, pivots, jnp.ones((2, 3, 2, 1)), preset())

    other = problem(2.0)
    fit(problem(1.0), 2, key=KEY, batch=2)
    key = jax.random.key(6)
    with compilations() as count:
        fit(other, 2, key=key, batch=2)
        assert count() == 0


# a picture with a mark

MAPS = jnp.eye(6, 4)


@flax.struct.dataclass(eq=False)
class Imitation:
    """A chain of layers that learns to draw blobs."""

    generator: Generator

    def init(self, key):
        return State.init(self.generator.params, optax.adam(3e-3))

    def loss(self, params, keys):
        z = jax.vmap(lambda key: jax.random.normal(key, (6,)))(keys)
        made = dataclasses.replace(self.generator, params=params).synthesize(z)
        return jnp.mean((made - blobs({"maps": MAPS}, z)) ** 2)

    def update(self, state, keys, data=None):
        return descend(self.loss, state, keys, optimizer=optax.adam(3e-3))


@pytest.fixture(scope="module")
def imitator():
    layers = (
        Linear("0", 48),
        Activation("1", "leaky_relu", slope=0.2),
        Linear("2", 48),
        Activation("3", "leaky_relu", slope=0.2),
        Linear("4", 64),
        Activation("5", "tanh"),
        Unflatten("6", (8, 8, 1)),
    )
    config = sequential.Config(layers, 6)
    start = Generator(sequential.init(KEY, config), config)
    fitted = fit(Imitation(start), 1500, key=KEY, batch=64)
    assert fitted.late_means()["loss"] < 2e-3
    return dataclasses.replace(start, params=fitted.state.params)


def centres(images):
    """Of mass, across."""
    light = np.asarray(images)[..., 0] + 1
    return (light.sum(-2) @ np.linspace(-0.5, 0.5, 8)) / light.sum((-1, -2))


def test_a_mark_is_learned_and_little_else_changes(imitator):
    codes = imitator.sample(jax.random.key(1), 17)
    pivot, others = codes[:1], codes[1:]
    marked = imitator.synthesize(pivot).at[:, 5:, :2].set(1.0)
    how = preset(400, batch=16, locality=1.0, learning_rate=1e-3)
    tuned = tune(imitator, Latents(pivot, "z"), marked, how, key=KEY)

    def square(one, two):
        return float(jnp.mean((one - two) ** 2))

    before = square(imitator.synthesize(pivot), marked)
    after = square(tuned.synthesize(pivot), marked)
    assert after < before / 5
    moved = square(imitator.synthesize(others), tuned.synthesize(others))
    assert moved < 0.03 * before
    # the edit moves blobs to the right by as much as it did
    edit = directions(jnp.eye(6)[:1], space="z", generator=fingerprint(imitator))
    assert edit.generator in tuned.origin.ancestors
    ends = [edit.shift(others, 0, strength) for strength in (-1.0, 1.0)]
    effects = [
        np.subtract(*(centres(one.synthesize(z)) for z in ends[::-1])).mean()
        for one in (imitator, tuned)
    ]
    assert effects[0] > 0.1
    np.testing.assert_allclose(effects[1], effects[0], rtol=0.1)


@pytest.mark.parametrize(
    ("latents", "pictures", "said"),
    [
        (Latents(jnp.zeros((2, 4)), "z"), jnp.zeros((1, 3, 2, 1)), "pictures: shape"),
        (Latents(jnp.zeros((1, 4)), "w"), jnp.zeros((1, 3, 2, 1)), "latents: space"),
    ],
)
def test_what_does_not_fit(latents, pictures, said):
    with pytest.raises(ValueError, match=said):
        learner(linear(), latents, pictures, preset())


def test_prepared_generators_and_missing_weights_are_refused():
    generator = fresh("stylegan2")
    one = Latents(jnp.zeros((1, 4)), "w")
    pictures = jnp.zeros((1, *generator.image_shape))
    with pytest.raises(ValueError, match="generator: prepared, so that"):
        learner(generator.prepare(), one, pictures, preset())
    flat = Latents(jnp.zeros((1, 4)), "z")
    with pytest.raises(ValueError, match="lpips: missing, but perceptual is 1"):
        learner(linear(), flat, jnp.zeros((1, 3, 2, 1)))
    for settings, said in (
        ({"radius": 0}, "radius: 0 given"),
        ({"locality": -1}, "locality: -1 given"),
    ):
        with pytest.raises(ValueError, match=said):
            Settings(PIXELS, **settings)
