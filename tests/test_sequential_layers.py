import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxlatent.generators.sequential_layers import (
    ACTIVATIONS,
    Activation,
    Flatten,
    Pool,
    Unflatten,
    Upsample,
)
from jaxlatent.generators.sequential_weighted import (
    BatchNorm,
    Convolution,
    TransposedConvolution,
    _stamp_by_convolution,
    _stamp_by_product,
)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_flatten_undoes_unflatten():
    x = normal(0, 3, 24)
    y = Unflatten("a", (2, 3, 4))({}, x)
    np.testing.assert_array_equal(y[1, 0, 2, 3], x[1, 3 * 6 + 0 * 3 + 2])
    np.testing.assert_array_equal(Flatten("b")({}, y), x)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "output_padding"),
    [
        (4, 2, 1, 0),
        (4, 1, 0, 0),
        (3, 2, 1, 1),
        (5, 3, 2, 2),
        (2, 3, 0, 0),
        (2, 2, 0, 1),
    ],
)
def test_transposed_convolution_is_the_adjoint_of_the_convolution(
    kernel, stride, padding, output_padding
):
    layer = TransposedConvolution(
        "up", 3, kernel, stride, padding, output_padding, bias=False
    )
    weight, x = normal(0, kernel, kernel, 2, 3), normal(1, 2, 4, 5, 2)
    y = layer({"weight": weight}, x)
    sides = [(n - 1) * stride - 2 * padding + kernel + output_padding for n in (4, 5)]
    assert y.shape == (2, *sides, 3)

    def convolve(image):
        return lax.conv_general_dilated(
            image,
            weight.transpose(0, 1, 3, 2),
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    (expected,) = jax.linear_transpose(convolve, y)(x)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_convolution_sums_windows():
    layer = Convolution("c", 1, kernel=2, stride=2, padding=1)
    x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    params = {"weight": jnp.asarray([1.0, 2, 3, 4]).reshape(2, 2, 1, 1)}
    y = layer(params | {"bias": jnp.asarray([10.0])}, x)
    np.testing.assert_array_equal(y[0, :, :, 0], [[10, 10 + 3], [10 + 4, 10 + 3]])


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 2, 3)])
def test_batch_norm_uses_stored_statistics(affine, shape):
    params = {
        "running_mean": jnp.asarray([1.0, 2, 3]),
        "running_var": jnp.asarray([1.0, 4, 9]),
    }
    if affine:
        params |= {"weight": jnp.asarray([2.0, 3, 4]), "bias": jnp.asarray([5.0, 6, 7])}
    x = normal(0, *shape)
    gain, bias = ([2, 3, 4], [5, 6, 7]) if affine else ([1, 1, 1], [0, 0, 0])
    expected = (np.asarray(x) - [1, 2, 3]) / np.sqrt([1.5, 4.5, 9.5]) * gain + bias
    y = BatchNorm("bn", epsilon=0.5, affine=affine)(params, x)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)


def test_pooling_takes_the_largest_or_the_mean():
    x = -jnp.arange(1.0, 10).reshape(1, 3, 3, 1)
    largest = Pool("p", "max", kernel=2, stride=2, padding=1)({}, x)
    np.testing.assert_array_equal(largest[0, :, :, 0], [[-1, -2], [-4, -5]])
    mean = Pool("p", "mean", kernel=2, stride=2, padding=1)({}, x)
    np.testing.assert_array_equal(
        mean[0, :, :, 0], [[-1 / 4, -5 / 4], [-11 / 4, -28 / 4]]
    )


def test_upsampling_repeats_pixels():
    y = Upsample("up", 3)({}, jnp.arange(2.0).reshape(1, 1, 2, 1))
    np.testing.assert_array_equal(y[0, :, :, 0], [[0, 0, 0, 1, 1, 1]] * 3)


def test_activations():
    x = jnp.asarray([[-2.0, 0.5]])
    expected = {
        "relu": [0, 0.5],
        "leaky_relu": [-0.02, 0.5],
        "elu": [np.expm1(-2), 0.5],
        "selu": [1.0507009873554805 * 1.6732632423543772 * np.expm1(-2), 0.52535],
        "gelu": [-0.04550026, 0.34573123],
        "silu": [-2 / (1 + np.exp(2)), 0.5 / (1 + np.exp(-0.5))],
        "softplus": np.log1p(np.exp([-2, 0.5])),
        "tanh": np.tanh([-2, 0.5]),
        "sigmoid": [1 / (1 + np.exp(2)), 1 / (1 + np.exp(-0.5))],
    }
    assert set(expected) == set(ACTIVATIONS)
    for name, values in expected.items():
        y = Activation("a", name)({}, x)
        np.testing.assert_allclose(y[0], values, rtol=1e-5, err_msg=name)
    y = Activation("a", "leaky_relu", slope=0.2)({}, x)
    np.testing.assert_allclose(y, [[-0.4, 0.5]], rtol=1e-6)


@pytest.mark.parametrize(("side", "stride"), [(4, 2), (3, 1), (6, 3)])
def test_stamps_are_the_same_on_every_platform(side, stride):
    rng = np.random.default_rng(side)
    x = jnp.asarray(rng.normal(size=(2, 3, 4, 2)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(side, side, 2, 3)), jnp.float32)
    cpu, others = (
        jax.jit(stamp, static_argnames="stride")(x, kernel, stride=stride)
        for stamp in (_stamp_by_product, _stamp_by_convolution)
    )
    # by hand: each pixel of the input adds its stamp
    expected = np.zeros((2, 2 * stride + side, 3 * stride + side, 3))
    for row in range(3):
        for column in range(4):
            stamps = np.einsum("ni,hwio->nhwo", x[:, row, column], kernel)
            top, left = row * stride, column * stride
            expected[:, top : top + side, left : left + side] += stamps
    np.testing.assert_allclose(cpu, expected, atol=1e-5)
    np.testing.assert_allclose(others, expected, atol=1e-5)
