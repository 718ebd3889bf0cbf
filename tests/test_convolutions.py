"""Convolutions with fewer multiplications against the plain one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, take_forms_of
from jax import lax

from jaxlatent.generators import convolutions
from jaxlatent.generators.convolutions import (
    SAME,
    VALID,
    convolve,
    invert_winograd_kernel,
    repeat_pixels,
    transposed_convolve,
    transposed_phases,
    upsample_convolve_nearest,
    upsample_kernel,
    winograd_convolve,
    winograd_kernel,
)

RNG = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def plain(x, kernel, padding=SAME):
    return lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize(
    ("size", "padding"),
    [
        ((6, 8), SAME),
        ((5, 7), SAME),
        ((6, 5), VALID),
        ((4, 4), ((2, 2), (2, 2))),
        ((4, 5), ((0, 1), (2, 0))),
    ],
)
def test_sixteen_products_make_a_convolution(size, padding):
    x, kernel = normal(2, *size, 3), normal(3, 3, 3, 5)
    found = winograd_convolve(x, winograd_kernel(kernel), padding=padding)
    assert error(found, np.asarray(plain(x, kernel, padding))) <= 1e-6


def test_sums_lose_nothing_in_double_precision():
    with jax.enable_x64(True):
        x, kernel = RNG.normal(size=(1, 8, 8, 16)), RNG.normal(size=(3, 3, 16, 4))
        expected = np.asarray(plain(x, kernel))
        found = winograd_convolve(jnp.asarray(x), winograd_kernel(kernel))
        assert error(found, expected) <= 1e-14
        small = upsample_convolve_nearest(jnp.asarray(x), upsample_kernel(kernel))
        expected = np.asarray(plain(repeat_pixels(jnp.asarray(x)), kernel))
        assert error(small, expected) <= 1e-14


def test_large_convolutions_are_products_of_matrices_on_a_cpu():
    side = int(convolutions.LEAST_PIXELS**0.5)
    width = convolutions.LEAST_CHANNELS
    x, kernel = normal(1, side, side, width), normal(3, 3, width, width)
    call = jax.jit(lambda x, kernel: convolve(x, kernel, padding=SAME))
    assert error(call(x, kernel), np.asarray(plain(x, kernel))) <= 1e-5
    text = call.lower(x, kernel).compile().as_text()
    assert "convolution(" not in text
    assert text.count(" dot(") == 16 or "onednn" in text
    few = call.lower(x[:, :-1], kernel).compile().as_text()
    assert "convolution(" in few


def test_a_transformed_kernel_serves_images_of_any_size():
    width = convolutions.LEAST_CHANNELS
    x, kernel = normal(1, 6, 5, width), normal(3, 3, width, width)
    transformed = winograd_kernel(kernel)
    call = jax.jit(lambda x, kernel: winograd_convolve(x, kernel, padding=VALID))
    assert error(call(x, transformed), np.asarray(plain(x, kernel, VALID))) <= 1e-5
    text = call.lower(x, transformed).compile().as_text()
    assert "convolution(" not in text


def test_other_platforms_convolve_by_the_kernel_that_was_transformed():
    x, transformed = jnp.ones((1, 6, 5, 3)), jnp.ones((4, 4, 3, 2))
    traced = jax.jit(winograd_convolve).trace(x, transformed)
    for platform, count in (("tpu", 1), ("cuda", 1), ("cpu", 0)):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert text.count("stablehlo.convolution") == count
        assert text.count("stablehlo.dot_general") == 16 * (1 - count)


def test_a_transformed_kernel_can_be_turned_back():
    """By hand: along an axis (a, b, c) is kept as a, (a+b+c)/2, (a-b+c)/2, c."""
    along = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    kernel = RNG.normal(size=(3, 3, 4, 5))
    expected = np.einsum("ai,bj,ijxy->abxy", along, along, kernel)
    with jax.enable_x64(True):
        found = winograd_kernel(jnp.asarray(kernel))
        assert error(found, expected) <= 1e-15
        assert error(invert_winograd_kernel(found), kernel) <= 1e-15
    single = winograd_kernel(jnp.asarray(kernel, jnp.float32))
    assert error(invert_winograd_kernel(single), kernel) <= 1e-6
    integers = jnp.asarray(RNG.integers(-8, 8, (3, 3, 2, 2)), jnp.float32)
    back = invert_winograd_kernel(winograd_kernel(integers))
    np.testing.assert_array_equal(back, integers)


def test_gradients_and_tangents_pass_through_a_transformed_kernel():
    with jax.enable_x64(True):
        x, kernel = RNG.normal(size=(1, 5, 6, 3)), RNG.normal(size=(3, 3, 3, 4))
        value = lambda kernel: jnp.sum(jnp.sin(plain(x, kernel)))  # noqa: E731
        kept = lambda kernel: jnp.sum(  # noqa: E731
            jnp.sin(winograd_convolve(jnp.asarray(x), winograd_kernel(kernel)))
        )
        expected = np.asarray(jax.grad(value)(kernel))
        assert error(jax.grad(kept)(jnp.asarray(kernel)), expected) <= 1e-13


def test_a_large_convolution_can_be_transformed():
    """Linearised over many tangents, and divided among devices' batches."""
    width = convolutions.LEAST_CHANNELS
    x, kernel = normal(1, 32, 32, width), normal(3, 3, width, width)
    tangents = normal(2, *x.shape)

    def push(x, tangents):
        linear = jax.linearize(lambda x: convolve(x, kernel, padding=SAME), x)[1]
        return jax.vmap(linear)(tangents)

    found = jax.jit(push)(x, tangents)
    for one, tangent in zip(found, tangents, strict=True):
        assert error(one, np.asarray(plain(tangent, kernel))) <= 1e-5
    back = jax.jit(
        jax.grad(lambda x: jnp.vdot(convolve(x, kernel), tangents[0, :, 2:, 2:]))
    )
    turned = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    wide = ((2, 2), (2, 2))
    expected = plain(tangents[:1, 0, 2:, 2:], turned, wide)
    assert error(back(x), np.asarray(expected)) <= 1e-5


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_a_convolution_of_repeated_pixels_in_one_pass(platform, monkeypatch):
    take_forms_of(platform, monkeypatch)
    x, kernel = normal(2, 3, 5, 4), normal(3, 3, 4, 6)
    found = upsample_convolve_nearest(x, upsample_kernel(kernel))
    assert error(found, np.asarray(plain(repeat_pixels(x), kernel))) <= 1e-6


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_transposed_convolution_is_the_adjoint_of_a_strided_one(platform, monkeypatch):
    take_forms_of(platform, monkeypatch)
    x, kernel = normal(2, 5, 4, 3), normal(3, 3, 3, 2)
    strided = lambda image: convolve(  # noqa: E731
        image, jnp.swapaxes(kernel, 2, 3), stride=2
    )
    image = jnp.zeros((2, 11, 9, 2))
    (expected,) = jax.vjp(strided, image)[1](x)
    result = transposed_convolve(x, transposed_phases(kernel))
    assert error(result, np.asarray(expected)) <= 1e-6


def test_only_tpus_stuff_zeros():
    """XLA's CPU backend runs dilated inputs many times slower."""
    phases = transposed_phases(jnp.ones((3, 3, 4, 6)))
    traced = jax.jit(transposed_convolve).trace(jnp.ones((1, 4, 4, 4)), phases)
    for platform, count, dilated in (("cpu", 4, 0), ("tpu", 1, 1)):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert text.count("stablehlo.convolution") == count
        assert text.count("lhs_dilate = [2, 2]") == dilated
