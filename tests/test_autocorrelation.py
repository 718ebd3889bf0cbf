import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from jaxlatent.numerics.autocorrelation import autocorrelation_loss, standardized


def checkerboard(size):
    rows, columns = np.indices((size, size))
    return jnp.asarray(1.0 - 2 * ((rows + columns) % 2), jnp.float32)


def test_known_maps():
    constant = jnp.ones((32, 32))
    stripes = jnp.ones((32, 32)).at[::2].set(-1.0)
    white = jax.random.normal(jax.random.key(0), (32, 32))
    maps = jnp.stack([constant, checkerboard(32), stripes, white])
    found = autocorrelation_loss(maps)
    # three resolutions of two axes; what alternates is gone after the first
    np.testing.assert_allclose(found[:3], [6, 2, 2], atol=1e-5)
    assert found[3] < 0.1


def test_white_noise_has_two_over_its_size():
    maps = jax.random.normal(jax.random.key(1), (4000, 8, 8))
    np.testing.assert_allclose(autocorrelation_loss(maps).mean(), 2 / 64, rtol=0.1)


def test_against_numpy_on_odd_and_oblong_maps():
    maps = np.random.default_rng(0).normal(size=(2, 18, 37))
    expected = np.zeros(2)
    level = maps
    for _ in range(3):
        for axis in (1, 2):
            expected += (level * np.roll(level, 1, axis)).mean((1, 2)) ** 2
        h, w = level.shape[1] // 2 * 2, level.shape[2] // 2 * 2
        even = level[:, :h, :w]
        level = (
            even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2]
        ) / 4 + even[:, 1::2, 1::2] / 4
    with jax.enable_x64(True):
        ours = autocorrelation_loss(jnp.asarray(maps))
        # 18 -> 9 -> 4
        np.testing.assert_allclose(ours, expected, rtol=1e-12)
        check_grads(autocorrelation_loss, (jnp.asarray(maps),), order=1, modes=["rev"])


def test_standardized_maps():
    maps = 3 + 5 * jax.random.normal(jax.random.key(2), (3, 9, 4))
    found = standardized(maps.at[2].set(7.0))
    np.testing.assert_allclose(found.mean((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose((found**2).mean((1, 2)), [1, 1, 0], rtol=1e-5)
