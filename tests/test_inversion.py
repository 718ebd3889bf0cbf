"""Inversion: closed forms, rows that do not see each other, and own samples found."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from families import fresh
from helpers import compilations
from learners import contents

from jaxlatent import parallel
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, sample_keys
from jaxlatent.methods import inversion
from jaxlatent.methods.inversion import invert, learner
from jaxlatent.methods.inversion_problem import Targets
from jaxlatent.methods.inversion_settings import PRESETS, Preset, Settings
from jaxlatent.methods.likeness import Weights
from jaxlatent.training.fit import fit

KEY = jax.random.key(3)
PIXELS = 12


def pixels(params, z):
    images = params["base"][None] + z @ params["maps"]
    return images.reshape(len(z), 3, 4, 1)


def bent(params, z):
    return jnp.tanh(pixels(params, z))


def linear(function=pixels, scale=1.0):
    rng = np.random.default_rng(0)
    params = {
        "base": jnp.asarray(rng.normal(size=PIXELS), jnp.float32),
        "maps": jnp.asarray(scale * rng.normal(size=(5, PIXELS)), jnp.float32),
    }
    return Generator.from_functions(function, z_dim=5, params=params)


def pictures(count=4, seed=1):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.uniform(-1, 1, (count, 3, 4, 1)), jnp.float32)


def preset(steps=300, batch=4, space=None, **settings):
    return Preset(Settings(**settings), steps=steps, batch=batch, space=space)


# closed forms


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_a_linear_generator_ends_in_ridge_regression(weight):
    generator, targets = linear(), pictures()
    found = invert(generator, Targets(targets), preset(600, distance=weight), key=KEY)
    maps, base = (np.asarray(generator.params[name]) for name in ("maps", "base"))
    mean, targets = np.asarray(found.fitted.state.mean), np.asarray(targets)
    np.testing.assert_allclose(mean, 0, atol=0.05)
    # mean over pixels, and over the entries of the code
    inner = maps @ maps.T / PIXELS + weight / 5 * np.eye(5)
    right = (targets.reshape(4, -1) - base) @ maps.T / PIXELS + weight / 5 * mean
    expected = np.linalg.solve(inner, right.T).T
    np.testing.assert_allclose(found.latents.codes, expected, atol=1e-4)
    images = generator.synthesize(found.latents.codes)
    np.testing.assert_allclose(found.images, images, atol=1e-6)
    square = np.mean((images - targets) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(found.errors["mse"], square, rtol=1e-5)
    np.testing.assert_allclose(found.errors["psnr"], 10 * np.log10(4 / square), 1e-5)


def test_pixels_that_do_not_count_are_free():
    targets = pictures(2)
    mask = jnp.ones((2, 3, 4)).at[:, 0].set(0.0)
    one = invert(linear(), Targets(targets, mask), preset(400), key=KEY)
    other = targets.at[:, 0].add(9.0)
    two = invert(linear(), Targets(other, mask), preset(400), key=KEY)
    np.testing.assert_array_equal(one.latents.codes, two.latents.codes)
    maps, base = (np.asarray(linear().params[name]) for name in ("maps", "base"))
    right = np.asarray(targets)[:, 1:].reshape(2, -1) - base[4:]
    expected = np.linalg.lstsq(maps[:, 4:].T, right.T)[0].T
    np.testing.assert_allclose(one.latents.codes, expected, atol=1e-3)


@pytest.mark.parametrize(("space", "rank"), [("z", 2), ("w", 2), ("w+", 3)])
def test_codes_of_every_space_under_their_classes(space, rank):
    # an image is row 0 + 10 row 1, + 1000 label; w is 2 z + (label + 1)
    generator = toy.make(label_dim=3)
    label = jnp.asarray([2, 0])
    z = jnp.asarray([[0.3, -0.2, 0.1], [1.0, 0.5, -0.4]])
    targets = generator.synthesize(generator.map(z, label), label)
    found = invert(
        generator, Targets(targets, label=label), preset(500), key=KEY, space=space
    )
    assert found.latents.space == space
    assert found.latents.codes.ndim == rank
    np.testing.assert_array_equal(found.latents.label, label)
    np.testing.assert_allclose(found.images, targets, atol=1e-3)
    if space == "z":
        np.testing.assert_allclose(found.latents.codes, z, atol=1e-3)


def test_the_rate_is_that_of_the_projector():
    problem = learner(linear(), Targets(pictures(1)), preset(1000))
    t = np.asarray([0, 10, 25, 50, 400, 750, 875, 999]) / 1000
    expected = 0.5 - 0.5 * np.cos(np.pi * np.minimum(1, (1 - t) / 0.25))
    expected *= 0.1 * np.minimum(1, t / 0.05)
    np.testing.assert_allclose(problem.rate(1000 * t), expected, rtol=1e-4, atol=1e-8)
    flat = learner(linear(), Targets(pictures(1)), preset(9, ramp_up=0, ramp_down=0))
    np.testing.assert_allclose(flat.rate(np.arange(9)), 0.1, rtol=1e-6)


def test_perturbations_fall_as_a_parabola_in_units_of_the_deviation():
    problem = learner(
        linear(), Targets(pictures(2)), preset(100, perturbation=0.05, starts=40)
    )
    state = problem.init(KEY)
    np.testing.assert_allclose(state.deviation, np.sqrt(5), rtol=0.02)
    rows = jnp.arange(80)
    keys = sample_keys(KEY, range(80))
    for step, left in ((0, 1), (25, (2 / 3) ** 2), (75, 0), (90, 0)):
        drawn = problem.perturbation(state, rows, keys, jnp.full(80, step))
        size = 0.05 * np.sqrt(5) * left
        np.testing.assert_allclose(jnp.std(drawn), size, rtol=0.1, atol=1e-7)


@pytest.mark.parametrize(("constraint", "exact"), [("ball", False), ("sphere", True)])
def test_codes_stay_where_the_prior_lies(constraint, exact):
    targets = 30 * pictures()  # far beyond
    found = invert(
        linear(), Targets(targets), preset(100, constraint=constraint), key=KEY
    )
    lengths = np.linalg.norm(found.latents.codes, axis=1)
    np.testing.assert_allclose(lengths, np.sqrt(5), rtol=1e-5)
    near = invert(
        linear(),
        Targets(linear().synthesize(jnp.full((1, 5), 0.1))),
        preset(100, constraint=constraint),
        key=KEY,
    )
    length = np.linalg.norm(near.latents.codes)
    assert (abs(length - np.sqrt(5)) < 1e-4) == exact


# rows


def rows_alike(one, two, **tolerance):
    np.testing.assert_allclose(one.latents.codes, two.latents.codes, **tolerance)
    np.testing.assert_array_equal(one.chosen, two.chosen)


def test_pictures_do_not_see_each_other():
    how = preset(60, starts=3, perturbation=0.1)
    together = invert(linear(bent), Targets(pictures()), how, key=KEY)
    for number in (0, 2):
        alone = invert(
            linear(bent), Targets(pictures()[number : number + 1]), how, key=KEY
        )
        np.testing.assert_allclose(
            together.latents.codes[number], alone.latents.codes[0], atol=1e-5
        )
        assert together.chosen[number] == alone.chosen[0]
    # of five rows at a time, some are there twice
    other = dataclasses.replace(how, batch=5)
    fives = invert(linear(bent), Targets(pictures()), other, key=KEY)
    rows_alike(together, fives, atol=1e-5)


def test_one_device_equals_four_and_a_run_goes_on_to_the_same_bits(tmp_path):
    how = preset(12, starts=2, perturbation=0.1)
    targets = Targets(pictures())
    run = {"block": 3, "folder": tmp_path / "run"}
    problem = learner(linear(bent), targets, how)
    steps, batch = inversion.duration(problem, how)
    assert (steps, batch) == (24, 4)
    whole = fit(problem, steps, key=KEY, batch=batch, data=problem.source, block=3)
    fit(problem, 9, key=KEY, batch=batch, data=problem.source, **run)
    rest = invert(linear(bent), targets, how, key=KEY, **run)
    assert contents(whole.state) == contents(rest.fitted.state)
    four = invert(linear(bent), targets, how, key=KEY, mesh=parallel.mesh(4))
    rows_alike(rest, four, atol=1e-5)


def test_the_best_start_is_kept():
    how = preset(80, starts=5, start="prior")
    found = invert(linear(bent), Targets(pictures()), how, key=KEY)
    assert found.losses.shape == (4, 5)
    np.testing.assert_array_equal(found.chosen, found.losses.argmin(1))
    np.testing.assert_allclose(found.losses.min(1), found.errors["mse"], rtol=1e-4)
    starts = learner(linear(bent), Targets(pictures()), how).init(KEY).params["codes"]
    assert len(np.unique(np.asarray(starts).round(4), axis=0)) == 20


def test_an_encoders_codes_are_the_first_start():
    generator = toy.make()
    w = jnp.asarray([[1.0, 2.0, 3.0]])
    targets = Targets(generator.synthesize(w), start=Latents(w, "w"))
    state = learner(generator, targets, preset(starts=2), space="w+").init(KEY)
    np.testing.assert_array_equal(state.params["codes"][0], jnp.stack([w[0], w[0]]))
    assert np.abs(state.params["codes"][1] - w).max() > 0.1
    still = invert(generator, targets, preset(5), key=KEY, space="w+")
    np.testing.assert_allclose(still.images, targets.pictures, atol=1e-4)


def test_new_weights_and_pictures_compile_nothing():
    how = preset(4, starts=2)
    invert(linear(), Targets(pictures()), how, key=KEY)
    problem = learner(linear(scale=2.0), Targets(pictures(seed=2)), how)
    key = jax.random.key(4)
    with compilations() as count:
        fit(problem, 8, key=key, batch=4, data=problem.source)
        assert count() == 0


# generators


def test_noise_maps_are_found_and_stay_noise():
    generator = fresh("stylegan2")
    keys = sample_keys(KEY, range(2))
    w = jax.jit(lambda model: model.map(model.sample(KEY, 2)))(generator)
    strong = jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            jnp.full_like(leaf, 0.5) if path[-1].key == "noise_strength" else leaf
        ),
        generator.params,
    )
    generator = dataclasses.replace(generator, params=strong)
    draw = jax.jit(lambda w, noise: generator.synthesize(w, noise=noise))
    targets = Targets(draw(w, keys))
    how = preset(150, noise=True, autocorrelation=1.0)
    found = invert(generator, targets, how, key=KEY)
    assert found.latents.space == "w+"
    assert set(found.noise) == set(generator.noise_maps)
    for maps in found.noise.values():
        np.testing.assert_allclose(jnp.mean(maps**2, axis=(1, 2)), 1, rtol=1e-4)
    drawn = draw(found.latents.codes, found.noise)
    np.testing.assert_allclose(found.images, drawn, atol=1e-4)
    history = found.fitted.history
    assert history["pixel"][-5:].mean() < 0.1 * history["pixel"][:5].mean()
    without = invert(generator, targets, preset(150), key=KEY)
    assert found.errors["mse"].mean() < without.errors["mse"].mean()


def test_own_samples_are_found_to_forty_decibels():
    generator = fresh("sngan")
    targets = Targets(generator.synthesize(generator.sample(jax.random.key(8), 3)))
    how = preset(400, starts=4, batch=12)
    found = invert(generator, targets, how, key=KEY)
    assert found.errors["psnr"].min() > 40


# what does not fit


@pytest.mark.parametrize(
    ("targets", "changes", "said"),
    [
        (Targets(jnp.zeros((2, 3, 5, 1))), {}, "pictures: shape"),
        (Targets(jnp.zeros((0, 3, 4, 1))), {}, "pictures: shape"),
        (Targets(jnp.full((1, 3, 4, 1), jnp.nan)), {}, "pictures: not all finite"),
        (Targets(pictures(1), jnp.ones((3, 4))), {}, "mask: shape"),
        (Targets(pictures(1), jnp.zeros((1, 3, 4))), {}, "mask: negative, or 0"),
        (Targets(pictures(1), label=jnp.zeros(1, int)), {}, "label: given"),
        (
            Targets(pictures(2), start=Latents(jnp.zeros((1, 5)), "z")),
            {},
            "start: 1 given for 2 pictures",
        ),
        (Targets(pictures(1)), {"space": "w+"}, "space: 'w\\+' given"),
        (Targets(pictures(1)), {"preset": PRESETS["projector"]}, "lpips: missing"),
    ],
)
def test_targets_that_do_not_fit(targets, changes, said):
    with pytest.raises(ValueError, match=said):
        learner(linear(), targets, **changes)


def test_starts_behind_the_space_and_constraints_of_w_are_refused():
    generator = toy.make()
    targets = Targets(generator.synthesize(jnp.zeros((1, 3))))
    late = targets.replace(start=Latents(jnp.zeros((1, 2, 3)), "w+"))
    with pytest.raises(ValueError, match=r"start: codes of w\+ given; of z or w are"):
        learner(generator, late, space="w")
    with pytest.raises(ValueError, match="constraint: 'ball' given for codes of w"):
        learner(generator, targets, preset(constraint="ball"), space="w")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"starts": 0}, "starts: 0 given"),
        ({"constraint": "cube"}, "constraint: 'cube' given"),
        ({"start": "end"}, "start: 'end' given"),
        ({"ramp_up": 2}, "ramp_up: 2 given; 0 to 1"),
        ({"distance": -1}, "distance: -1 given"),
    ],
)
def test_bad_settings(settings, said):
    with pytest.raises(ValueError, match=said):
        Settings(**settings)


def test_presets_seek_in_the_nearest_space_that_there_is():
    bare = Weights()
    for name, spaces in {
        "projector": ("z", "w"),
        "image2stylegan": ("z", "w+"),
        "quick": ("z", "w+"),
    }.items():
        how = PRESETS[name]
        how = dataclasses.replace(
            how, settings=dataclasses.replace(how.settings, weights=bare)
        )
        for generator, space in zip((linear(), toy.make()), spaces, strict=True):
            targets = Targets(jnp.zeros((1, *generator.image_shape)))
            assert learner(generator, targets, how).space == space
