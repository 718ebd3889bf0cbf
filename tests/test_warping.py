"""The bilinear sampler and its maps, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxlatent.numerics.warping import sample_bilinear, scaling, translation, warp

IMAGE = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)


def test_values_between_pixels_are_bilinear():
    x, y = np.float32([1.25, 0.0, 6.0]), np.float32([2.5, 0.0, 4.0])
    found = sample_bilinear(jnp.asarray(IMAGE), jnp.asarray(x), jnp.asarray(y))
    first = (
        0.75 * (IMAGE[2, 1] + IMAGE[3, 1]) / 2 + 0.25 * (IMAGE[2, 2] + IMAGE[3, 2]) / 2
    )
    np.testing.assert_allclose(found, [first, IMAGE[0, 0], IMAGE[4, 6]], rtol=1e-6)


def test_the_border_blends_with_what_lies_outside():
    image = jnp.asarray(IMAGE)
    x, y = jnp.asarray([-0.25, -3.0]), jnp.asarray([1.0, 1.0])
    zero = sample_bilinear(image, x, y)
    np.testing.assert_allclose(zero, [0.75 * IMAGE[1, 0], np.zeros(3)], rtol=1e-6)
    edge = sample_bilinear(image, x, y, outside="edge")
    np.testing.assert_allclose(edge, [IMAGE[1, 0]] * 2, rtol=1e-6)
    with pytest.raises(ValueError, match=r"outside: 'grey' given; one of"):
        sample_bilinear(image, x, y, outside="grey")


def test_translations_and_scalings_look_where_they_say():
    image = jnp.asarray(IMAGE)
    moved = warp(image, translation(2, -1))
    expected = np.zeros_like(IMAGE)
    expected[1:, :-2] = IMAGE[:-1, 2:]
    np.testing.assert_allclose(moved, expected, rtol=1e-6)
    half = warp(image, scaling(0.5, (3.0, 2.0)))
    np.testing.assert_allclose(half[::2, 1::2], IMAGE[1:4, 2:5], rtol=1e-6)
    np.testing.assert_allclose(warp(image, scaling(1.0, (0.3, 9.0))), IMAGE, rtol=1e-5)


def test_a_projective_map_divides_by_its_depth():
    quarter = np.float32([[0, -1, 4], [1, 0, 0], [0, 0, 1]])
    square = jnp.asarray(IMAGE[:, :5])
    for times in (1.0, -3.0):
        turned = warp(square, times * quarter)
        np.testing.assert_allclose(turned, np.rot90(square), rtol=1e-5, atol=1e-6)
    small = warp(jnp.asarray(IMAGE), np.eye(3), shape=(2, 3))
    np.testing.assert_allclose(small, IMAGE[:2, :3], rtol=1e-6)


@pytest.mark.parametrize("outside", ["zero", "edge"])
def test_gradients_are_those_of_differences(outside):
    with jax.enable_x64(True):
        image = jnp.asarray(IMAGE, np.float64)

        def f(image, x, factor):
            matrix = translation(x, 0.3) @ scaling(factor, (3.0, 2.0))
            return jnp.sum(warp(image, matrix, outside=outside) ** 2)

        check_grads(f, (image, 0.4, 0.83), order=1, modes=["fwd", "rev"], rtol=1e-6)
