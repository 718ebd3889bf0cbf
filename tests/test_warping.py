"""The bilinear sampler against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxlatent.numerics.warping import resized, sample_bilinear

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


@pytest.mark.parametrize("kept", [2, 5, 9])
def test_pixels_brought_to_another_number_are_resized(kept):
    line = np.random.default_rng(1).normal(size=(1, kept, 2)).astype(np.float32)
    rest, first = resized(jnp.arange(5), 5, kept)
    assert ((rest >= 0) & (rest < 1)).all()
    found = sample_bilinear(
        jnp.asarray(line), rest, jnp.zeros(5), origin=(first, 0), outside="edge"
    )
    expected = jax.image.resize(line, (1, 5, 2), "linear", antialias=False)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("outside", ["zero", "edge"])
def test_gradients_are_those_of_differences(outside):
    with jax.enable_x64(True):
        image = jnp.asarray(IMAGE, np.float64)

        places = np.random.default_rng(2).uniform(-1, 7, size=(2, 9))

        def f(image, x, y):
            return jnp.sum(sample_bilinear(image, x, y, outside=outside) ** 2)

        check_grads(f, (image, *places), order=1, modes=["fwd", "rev"], rtol=1e-6)
