"""Steerability: closed forms first, then what the original's code recorded."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations, error, golden

from jaxlatent.checkpoint import load_edit, save_edit
from jaxlatent.edits.directions import Directions
from jaxlatent.edits.walks import NeuralWalk, neural_walk
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, prior, sample_keys
from jaxlatent.learning import State
from jaxlatent.methods.steerability import (
    BEYOND,
    Steerability,
    discover,
    learner,
    walk_directions,
)
from jaxlatent.methods.steerability_edits import (
    EDITS,
    Color,
    FunctionEdit,
    Rotation,
    Shift,
    Zoom,
    numpy_steps,
)
from jaxlatent.methods.steerability_settings import PRESETS, Preset, Settings
from jaxlatent.training.fit import fit

KEY = jax.random.key(5)
SIZE, DIM = 24, 5
ALONG = np.float32([0.6, -0.8, 0, 0, 0])


def pixels(params, z):
    return (params["base"][None] + z @ params["maps"]).reshape(-1, 2, 3, 3)


def affine_generator():
    rng = np.random.default_rng(1)
    params = {"maps": rng.normal(size=(4, 18)) / 2, "base": rng.normal(size=18)}
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)
    return Generator.from_functions(pixels, z_dim=4, params=params)


def drawn_blob(x, y, size):
    """A Gaussian about (x, y) pixels from the middle."""
    grid = jnp.arange(SIZE) - (SIZE - 1) / 2
    across = jnp.exp(-(((grid - x) / size) ** 2) / 2)
    down = jnp.exp(-(((grid - y) / size) ** 2) / 2)
    return (down[:, None] * across[None])[..., None]


def moving(params, z):
    place = z @ params["along"]
    return jax.vmap(lambda x: drawn_blob(x, 0.0, 2.5))(place)


def growing(params, z):
    size = 2 * jnp.exp(z @ params["along"])
    return jax.vmap(lambda size: drawn_blob(0.0, 0.0, size))(size)


def blob(synthesize, k):
    params = {"along": jnp.asarray(k * ALONG)}
    return Generator.from_functions(synthesize, z_dim=DIM, params=params)


def plain(generator, image_edit, **settings):
    return Steerability(prior(generator), image_edit, settings=Settings(**settings))


# closed forms


def test_colour_of_an_affine_generator_is_the_least_squares_solution():
    generator = affine_generator()
    method = plain(generator, Color(), learning_rate=0.05)
    fitted = fit(method, 400, key=KEY, batch=16)
    maps = np.asarray(generator.params["maps"], np.float64)
    for channel in range(3):
        image = np.zeros((2, 3, 3))
        image[..., channel] = 1
        least = np.linalg.pinv(maps.T) @ image.ravel()
        np.testing.assert_allclose(
            fitted.state.params["walk"][channel], least, atol=2e-3
        )
    assert fitted.history["loss"][-1] < fitted.history["unmoved"][-1]


def test_the_loss_at_its_least_is_what_no_walk_can_do():
    generator = affine_generator()
    method = plain(generator, Color(channel=1))
    maps = np.asarray(generator.params["maps"], np.float64)
    image = np.zeros((2, 3, 3))
    image[..., 1] = 1
    least = np.linalg.pinv(maps.T) @ image.ravel()
    rest = image.ravel() - maps.T @ least
    keys = sample_keys(KEY, range(200))
    square = float(jnp.mean(method.strengths(keys) ** 2))
    assert square == pytest.approx(1 / 12, rel=0.2)
    loss, metrics = method.loss({"walk": jnp.float32(least)[None]}, keys)
    assert float(loss) == pytest.approx(square * rest @ rest / 18, rel=1e-4)
    assert float(metrics["unmoved"]) == pytest.approx(square / 3, rel=1e-4)
    gradient = jax.grad(lambda walk: method.loss({"walk": walk}, keys)[0])
    assert np.abs(gradient(jnp.float32(least)[None])).max() < 1e-6


@pytest.mark.parametrize(
    ("synthesize", "image_edit", "k", "wanted"),
    [
        (moving, Shift(pixels=6), 2.0, 6 / 2.0 * ALONG),
        (growing, Zoom(limit=2.0), 0.25, -ALONG / 0.25),
    ],
)
def test_walks_of_blobs(synthesize, image_edit, k, wanted):
    method = plain(blob(synthesize, k), image_edit, learning_rate=0.05)
    fitted = fit(method, 200, key=KEY, batch=16)
    walk = fitted.state.params["walk"][0]
    assert walk @ ALONG == pytest.approx(wanted @ ALONG, rel=0.03)
    edit = method.edit(fitted.state)
    assert isinstance(edit, Directions)
    np.testing.assert_allclose(
        edit.vectors * edit.scale[:, None], walk[None], rtol=1e-5
    )


def test_a_network_walk_begins_and_stays_at_the_length_of_the_code():
    method = plain(blob(moving, 2.0), Shift(pixels=10), walk="network")
    state = method.init(KEY)
    zero = jax.tree.map(jnp.zeros_like, state.params)
    z = method.prior(sample_keys(KEY, range(4))).codes
    still = {**state.params, "forward": {**zero["forward"]}}
    edit = method.edit(State(still, None))
    assert isinstance(edit, NeuralWalk)
    np.testing.assert_allclose(edit.shift(z, 0, 0.6), z, rtol=1e-6)
    assert np.abs(edit.shift(z, 0, -0.6) - z).max() > 1e-3
    lengths = np.linalg.norm(z, axis=1)
    for strength in (-2.0, -0.3, 0.5, 3.0):
        moved = edit.shift(z, 0, strength)
        np.testing.assert_allclose(np.linalg.norm(moved, axis=1), lengths, rtol=1e-5)
    # what is learned is what is kept
    keys = sample_keys(KEY, range(4))
    latents, strength = method.prior(keys), method.strengths(keys)
    step, count = method.image_edit.steps(method.shape)
    assert set(np.round(strength / step).tolist()) <= set(range(-count, count + 1))
    moved = method.moved(state.params, latents, strength).codes
    again = method.edit(state).shift(latents.codes, 0, strength)
    np.testing.assert_allclose(moved, again, rtol=1e-5, atol=1e-6)


def test_a_network_walk_learns_to_shift_a_blob():
    preset = Preset(Settings(walk="network", learning_rate=0.01), steps=200, batch=16)
    edit = discover(blob(moving, 2.0), Shift(pixels=6), key=KEY, preset=preset)
    assert edit.facts["loss"] < 0.35 * edit.facts["unmoved"]
    assert edit.steps == 5 * BEYOND
    assert edit.names == ("shift x",)


# settings and refusals


def brighter(images, alpha):
    return images + alpha[:, None, None, None], jnp.ones_like(images[..., :1])


def no_mask(images, alpha):
    return images


def absolute(x, y):
    return jnp.mean(jnp.abs(x - y), axis=(1, 2, 3))


def test_an_edit_of_ones_own_and_a_distance_of_ones_own():
    generator = affine_generator()
    own = FunctionEdit(function=brighter, alpha=(-0.5, 0.5), name="light")
    edit = discover(generator, own, key=KEY, preset=Preset(Settings(), 2, 2))
    assert edit.names == ("light",)
    assert edit.facts["unit"] == "alphas of light"
    preset = Preset(Settings(loss="lpips"), 2, 2)
    far = discover(generator, own, key=KEY, preset=preset, distance=absolute)
    assert "unmoved" not in far.facts
    with pytest.raises(ValueError, match="distance: none given for the loss 'lpips'"):
        discover(generator, own, key=KEY, preset=preset)
    with pytest.raises(ValueError, match="edit: edit returned a ArrayImpl"):
        FunctionEdit(function=no_mask)(jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 1)))
    with pytest.raises(ValueError, match="loss: 'l1' given"):
        Settings(loss="l1")
    with pytest.raises(ValueError, match="channel: 3 given; 0 to 2"):
        discover(generator, Color(channel=3), key=KEY)


def test_rows_of_w_plus_have_walks_of_their_own(tmp_path):
    preset = Preset(Settings(), 2, 2, space="w+")
    edit = discover(toy.make(), Color(), key=KEY, preset=preset)
    assert edit.vectors.shape == (1, 2, 3)
    save_edit(tmp_path / "walk.npz", edit)
    again = load_edit(tmp_path / "walk.npz")
    np.testing.assert_array_equal(again.vectors, edit.vectors)
    assert again.facts == edit.facts
    network = dataclasses.replace(preset, settings=Settings(walk="network"))
    walk = discover(toy.make(), Color(), key=KEY, preset=network)
    assert walk.norm == "none"
    assert walk.shift(jnp.ones((1, 2, 3)), 0, 0.2).shape == (1, 2, 3)


def test_other_weights_and_equal_edits_compile_nothing():
    def run(k, image_edit):
        return fit(plain(blob(moving, k), image_edit), 1, key=KEY, batch=2)

    run(1.0, Shift(pixels=4))
    with compilations() as count:
        run(2.0, Shift(pixels=4))
    assert count() == 0


def test_a_shared_alpha_is_that_of_the_first_sample():
    method = plain(blob(moving, 1.0), Shift(pixels=6), shared_alpha=True)
    keys = sample_keys(KEY, range(8))
    found = np.asarray(method.strengths(keys))
    assert len(np.unique(found)) == 1
    alone = plain(blob(moving, 1.0), Shift(pixels=6)).strengths(keys)
    assert len(np.unique(alone)) > 1
    assert found[0] == alone[0]


def test_presets_are_the_papers():
    samples = {name: one.steps * one.batch for name, one in PRESETS.items()}
    assert samples["biggan"] == samples["biggan-zoom"] == 20_000
    assert samples["stylegan-color"] == 2_000
    assert PRESETS["stylegan"].settings.loss == "lpips"
    assert PRESETS["biggan-zoom"].settings.learning_rate == 1e-4


@pytest.mark.parametrize("original", [False, True])
def test_zooms_are_drawn_alike_in_the_logarithm_or_as_the_original_does(original):
    edit = Zoom(original=original)
    drawn = jax.vmap(lambda key: edit.draw(key, (256, 256, 3)))(
        sample_keys(KEY, range(4000))
    )
    assert np.abs(drawn).max() <= np.log(4)
    inwards = 1 - np.log(4) / 3
    mean = (4 * np.log(4) / 3 - 1 - inwards) / 2 if original else 0.0
    assert float(drawn.mean()) == pytest.approx(mean, abs=0.03)


# the original's recordings

KINDS = {
    "color": Color(original=True),
    "zoom": Zoom(original=True),
    "shiftx": Shift(original=True),
    "rotate2d": Rotation(original=True),
    "rotate3d": Rotation(original=True, dimensions=3),
}


@pytest.mark.parametrize("name", KINDS)
def test_draws_are_as_recorded(name):
    case, edit = golden("steerability_alphas_a"), KINDS[name]
    shape, batch = (int(case["img_size"]),) * 2 + (3,), int(case["batch"])
    wanted = case[f"{name}_linear_graph"]
    state = np.random.RandomState(int(case["seed"]))
    drawn = [edit.numpy_draw(state, batch, shape) for _ in wanted]
    np.testing.assert_allclose(drawn, wanted, rtol=1e-12)
    state = np.random.RandomState(int(case["seed"]))
    step, count = edit.steps(shape)
    assert count == case[f"{name}_nn_steps"]
    index = [numpy_steps(edit, state, shape) + count for _ in wanted]
    np.testing.assert_array_equal(index, case[f"{name}_nn_graph"])
    natural = {
        "zoom": np.exp,
        "shiftx": lambda x: 128 * x,
        "color": lambda x: np.broadcast_to(x, (3, 4, len(x))).T,
    }.get(name, lambda x: 45 * x)
    targets = natural(step * (np.array(index) - count))
    np.testing.assert_allclose(targets, case[f"{name}_nn_target"], atol=1e-9)


def test_linear_walks_move_codes_as_recorded():
    case = golden("steerability_walks_a")
    edit = walk_directions(case["walk_z"][0].T, space="z")
    moved = edit.shift(case["z"], 0, case["alpha_z"][:, 0])
    assert error(moved, case["z_new"].astype(np.float32)) <= 1e-6
    rows = np.moveaxis(case["walk_w_color"][0].reshape(4, -1, 3), -1, 0)
    edit = walk_directions(rows, space="w+")
    w = case["w"].reshape(len(case["w"]), 4, -1)
    for slider in range(3):
        w = edit.shift(w, slider, case["alpha_w"][:, slider])
    wanted = case["w_new"].astype(np.float32)
    assert error(w.reshape(wanted.shape), wanted) <= 1e-6


def test_network_walks_move_codes_as_recorded():
    case = golden("steerability_walks_a")
    layers = [
        {
            "weight": case[f"nn_{name}__kernel"][None],
            "bias": case[f"nn_{name}__bias"][None],
        }
        for name in ("dense", "dense_1", "dense_2_1", "dense_3_1")
    ]
    count = int(case["nn_steps"])
    edit = neural_walk(layers[:2], layers[2:], steps=count, norm="sample", space="z")
    steps = np.arange(-count, count + 1)
    stack = case["nn_stack"].astype(np.float32)
    assert error(edit.traverse(case["z"], 0, steps), stack) <= 1e-5
    # what is learned takes the same steps, whatever their strength
    method = plain(toy.make(z_dim=14), Rotation(), walk="network")
    params = {
        side: {
            str(n): jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), layers[first + n])
            for n in range(2)
        }
        for side, first in (("forward", 0), ("backward", 2))
    }
    z = jnp.asarray(case["z"], jnp.float32)
    moved_by = jax.jit(method.moved)
    for number, moved in zip(steps, stack, strict=True):
        strength = jnp.full(len(z), number * 10 / 45, jnp.float32)
        found = moved_by(params, Latents(z, "z"), strength).codes
        assert error(found, moved) <= 1e-5


def test_registered_edits_have_names_and_units():
    for edit in EDITS.values():
        names = edit.names((8, 8, 3))
        assert edit.unit((8, 8, 3))
        drawn = jax.eval_shape(lambda edit=edit: edit.draw(KEY, (8, 8, 3)))
        assert drawn.shape == (len(names),)
        assert edit.reach((8, 8, 3)) > 0
        images, mask = jax.eval_shape(
            edit, jnp.zeros((2, 8, 8, 3)), jnp.full((2, len(names)), 0.3)
        )
        assert images.shape == (2, 8, 8, 3)
        assert mask.shape == (2, 8, 8, 1)


def test_learners_take_the_prior_that_the_preset_asks_for():
    method = learner(toy.make(), Shift(), PRESETS["stylegan-color"])
    assert method.prior.space == "w+"
