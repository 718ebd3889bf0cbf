"""The Laplacian pyramid against minimal_glo's numbers, NumPy and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden, nhwc

from jaxlatent.numerics.laplacian_pyramid import (
    KERNELS,
    LEVEL_WEIGHTS,
    blur,
    blur_kernel,
    laplacian_distance,
    laplacian_pyramid,
)

LOSSES = golden("glo_losses_a")
STATIC = ("levels", "size", "sigma", "kernel", "level_weights")
distance = jax.jit(laplacian_distance, static_argnames=STATIC)
pyramid = jax.jit(laplacian_pyramid, static_argnames=STATIC[:-1])
each_kernel = pytest.mark.parametrize("kernel", KERNELS)


def images(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def reference(picture, levels, kernel):
    """The pyramid of one picture [H, W, C], tap by tap."""
    taps, found = blur_kernel(kernel=kernel), []
    for _ in range(levels):
        height, width = picture.shape[:2]
        wide = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="edge")
        smooth = sum(
            taps[i, j] * wide[i : i + height, j : j + width]
            for i in range(5)
            for j in range(5)
        )
        found.append(picture - smooth)
        if kernel == "gaussian":
            odd = ((0, height % 2), (0, width % 2), (0, 0))
            smooth = np.pad(smooth, odd, mode="edge")
        half = smooth[: len(smooth) // 2 * 2, : smooth.shape[1] // 2 * 2]
        picture = (
            half[::2, ::2] + half[1::2, ::2] + half[::2, 1::2] + half[1::2, 1::2]
        ) / 4
    return [*found, picture]


def test_kernels_are_those_recorded():
    for name in ("5_1.0", "5_2.0", "3_2.0", "7_1.5"):
        size, sigma = name.split("_")
        found = blur_kernel(int(size), float(sigma), kernel="minimal_glo")
        assert error(found, LOSSES[f"kernel/{name}"]) < 1e-6
    assert blur_kernel(kernel="minimal_glo")[2, 2] == pytest.approx(0.06073, abs=5e-6)
    assert blur_kernel(kernel="minimal_glo")[0, 0] == pytest.approx(0.02234, abs=5e-6)


@each_kernel
@pytest.mark.parametrize(("size", "sigma"), [(1, 2.0), (3, 0.5), (5, 2.0), (7, 1.0)])
def test_kernels_add_up_to_one(kernel, size, sigma):
    found = blur_kernel(size, sigma, kernel=kernel)
    assert found.shape == (size, size)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(found, found.T, atol=1e-15)


def test_a_gaussian_is_a_product():
    found = blur_kernel(5, 2.0)
    assert found[2, 3] / found[2, 2] == pytest.approx(np.exp(-1 / 8), abs=1e-12)
    assert found[3, 3] / found[2, 2] == pytest.approx(np.exp(-2 / 8), abs=1e-12)


def test_pyramid_loss_and_gradient_are_those_recorded():
    x, y = (jnp.asarray(nhwc(LOSSES[name])) for name in ("x", "y"))

    def loss(x):
        return laplacian_distance(x, y, kernel="minimal_glo").mean()

    for j, level in enumerate(pyramid(x, kernel="minimal_glo")):
        assert error(level, nhwc(LOSSES[f"pyr_x/{j}"])) < 1e-6
    means = [np.abs(level).mean() for level in pyramid(x - y, kernel="minimal_glo")]
    assert error(np.array(means), LOSSES["level_l1_means"]) < 1e-6
    value, gradient = jax.jit(jax.value_and_grad(loss))(x)
    assert float(value) == pytest.approx(float(LOSSES["lap_loss"]), rel=1e-6)
    assert error(gradient, nhwc(LOSSES["lap_grad_x"])) < 1e-6


@each_kernel
def test_any_size_equals_tap_by_tap(kernel):
    one = images(2, 13, 22, 2)
    found = pyramid(one, 2, kernel=kernel)
    expected = reference(np.asarray(one[0], np.float64), 2, kernel)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours[0], theirs, atol=2e-6)


@each_kernel
def test_pyramids_are_linear(kernel):
    one, two = images(2, 13, 22, 2), images(2, 13, 22, 2, seed=1)
    parts = [pyramid(each, 2, kernel=kernel) for each in (one, two)]
    joined = pyramid(2 * one - two, 2, kernel=kernel)
    for first, second, level in zip(*parts, joined, strict=True):
        np.testing.assert_allclose(level, 2 * first - second, atol=1e-5)


@pytest.mark.parametrize(
    ("levels", "kernel"),
    [(0, "gaussian"), (5, "gaussian"), (2, "minimal_glo")],
)
def test_constant_pictures_are_as_far_apart_as_their_values(levels, kernel):
    one, two = jnp.full((2, 13, 6, 1), 0.7), jnp.full((2, 13, 6, 1), -0.2)
    found = distance(one, two, levels, kernel=kernel)
    np.testing.assert_allclose(found, 0.9, rtol=1e-6)


def test_the_finest_level_is_what_blurring_removes():
    one = images(1, 8, 8, 1)
    detail, small = pyramid(one, 1)
    np.testing.assert_allclose(detail + jax.jit(blur)(one), one, atol=1e-6)
    assert small.shape == (1, 4, 4, 1)


def test_weights_of_levels():
    one, two = images(3, 16, 24, 3), images(3, 16, 24, 3, seed=1)
    sums = np.stack([np.abs(level).sum((1, 2, 3)) for level in pyramid(one - two, 3)])
    found = {
        weights: distance(one, two, level_weights=weights) for weights in LEVEL_WEIGHTS
    }
    powers = 4.0 ** np.arange(4)
    np.testing.assert_allclose(found["4^j"], powers @ sums / 1152, rtol=1e-5)
    np.testing.assert_allclose(found["4^-j"], (1 / powers) @ sums / 1152, rtol=1e-5)
    # 2^levels divides both sides
    np.testing.assert_allclose(found["mean"], found["4^j"], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": -1}, "levels: -1 given"),
        ({"size": 4}, "size: 4 given"),
        ({"sigma": 0.0}, "sigma: 0.0 given"),
        ({"kernel": "box"}, "kernel: 'box' given"),
        ({"level_weights": "2^j"}, "level_weights: '2^j' given"),
        ({"levels": 5, "kernel": "minimal_glo"}, "levels: too many given"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message.replace("^", r"\^")):
        distance(jnp.zeros((1, 8, 8, 1)), jnp.zeros((1, 8, 8, 1)), **changes)


def test_pictures_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="one, two: shapes"):
        laplacian_distance(jnp.zeros((1, 8, 8, 1)), jnp.zeros((1, 8, 8, 3)))
