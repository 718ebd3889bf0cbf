"""Where codes begin and may be, and the Gaussian around them, in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden

from jaxlatent.generators.base import Generator
from jaxlatent.methods.glo_codes import EXACT, as_images, gaussian, pca_codes, project
from jaxlatent.training.sources import ArraySource

KEY = jax.random.key(2)


def test_the_ball_is_that_recorded():
    losses = golden("glo_losses_a")
    z = jnp.asarray(losses["z"], jnp.float32)
    assert error(project(z, "ball"), losses["z_projected"]) < 1e-6


def test_inner_codes_stay_in_the_ball_and_leave_for_the_sphere():
    codes = jnp.asarray([[0.3, 0.4], [3.0, -4.0], [0.0, 0.0], [0.6, 0.8]])
    np.testing.assert_allclose(
        project(codes, "ball"), [[0.3, 0.4], [0.6, -0.8], [0, 0], [0.6, 0.8]], rtol=1e-6
    )
    np.testing.assert_allclose(
        project(codes, "sphere"),
        [[0.6, 0.8], [0.6, -0.8], [0, 0], [0.6, 0.8]],
        rtol=1e-6,
    )
    assert project(codes, "none") is codes


def test_the_gaussian_comes_closer_with_the_root_of_the_number():
    rng = np.random.default_rng(4)
    mean, factor = rng.normal(size=4), rng.normal(size=(4, 4))
    errors = []
    for count in (400, 40_000):
        codes = mean + rng.normal(size=(count, 4)) @ factor
        found_mean, found = gaussian(codes)
        off = (
            np.linalg.norm(found_mean - mean),
            np.linalg.norm(found - factor.T @ factor),
        )
        errors.append(off)
        np.testing.assert_allclose(found, np.cov(codes.T), atol=1e-9)
    ratios = np.array(errors[0]) / errors[1]
    # ten in the mean
    assert ((ratios > 2) & (ratios < 50)).all()


def test_eigenvalues_below_zero_count_as_zero():
    covariance = np.diag([4.0, 0.0, -1e-3])
    made = Generator.from_functions(lambda params, z: z, z_dim=3, params={})
    drawn = made.with_prior([1.0, 2.0, 3.0], covariance).sample(KEY, 2000)
    assert np.asarray(drawn).std(0) == pytest.approx([2, 0, 0], abs=0.1)
    np.testing.assert_allclose(np.asarray(drawn)[:, 1:], [[2.0, 3.0]] * 2000, atol=1e-6)


@pytest.mark.parametrize("side", [5, 34])
def test_first_codes_are_principal_coordinates(side):
    # a plane of three directions, and a little of all others
    rng = np.random.default_rng(5)
    assert (side**2 > EXACT) == (side == 34)
    shades = rng.normal(size=(40, 3)) * [3, 2, 1] @ rng.normal(size=(3, side**2))
    images = (0.1 * shades + 1e-4 * rng.normal(size=shades.shape)).astype(np.float32)
    source = ArraySource({"image": images.reshape(40, side, side, 1)})
    found = pca_codes(source, 3, key=KEY)
    centred = images - images.mean(0)
    left, values, _ = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    expected = left[:, :3] * values[:3]
    expected *= np.sign(np.sum(expected * found, axis=0))
    assert error(found, expected) < 1e-4


def test_codes_of_more_dimensions_than_pictures_spread_in_end_in_zeros():
    levels = np.random.default_rng(6).integers(0, 256, (6, 2, 2, 1), np.uint8)
    found = pca_codes(ArraySource({"image": levels}), 7, key=KEY)
    assert found.shape == (6, 7)
    assert not found[:, 4:].any()
    total = np.var(np.asarray(as_images(jnp.asarray(levels))), axis=0).sum()
    assert np.var(found, axis=0).sum() == pytest.approx(total, rel=1e-4)
