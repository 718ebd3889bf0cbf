"""The Laplacian pyramid of images, and the distance between images in it.

Level j holds what blurring removes from image j, image j + 1 is the blurred one at half
the size, and the last image ends the pyramid. Everything here is linear in the image up
to the absolute values, so that a distance takes the pyramid of a difference, once.

Ling and Okada, "Diffusion distance for histogram comparison", 2006, as Bojanowski et
al., "Optimizing the latent space of generative networks", 2018, use it:
Lap1(x, y) = sum_j 2^(2j) |L_j(x) - L_j(y)|_1.

Kernels are sums of products of a column and a row. "gaussian" has exp(-t^2 / (2
sigma^2)) in both; "minimal_glo" is what that code computes: exp(-t^2 / sigma^2) of the
row plus that of the column, where a product was meant.
"""

import functools
import math
import operator

import jax
import jax.numpy as jnp
import numpy as np

KERNELS = ("gaussian", "minimal_glo")
LEVEL_WEIGHTS = ("mean", "4^j", "4^-j")

_Terms = list[tuple[np.ndarray, np.ndarray]]


def blur_kernel(
    size: int = 5, sigma: float = 2.0, *, kernel: str = "gaussian"
) -> np.ndarray:
    """The kernel [size, size] of a blur, whose sum is 1, in double precision.

    Raises:
        ValueError: for an even size, a deviation that is not positive, or another word.
    """
    return sum(
        (np.outer(column, row) for column, row in _terms(size, sigma, kernel)),
        np.zeros((size, size)),
    )


def blur(
    images: jax.Array, size: int = 5, sigma: float = 2.0, *, kernel: str = "gaussian"
) -> jax.Array:
    """Images [N, H, W, C], each channel blurred; beyond an edge its pixels go on."""
    parts = [
        _along(_along(images, column, 1), row, 2)
        for column, row in _terms(size, sigma, kernel)
    ]
    return functools.reduce(operator.add, parts)


def laplacian_pyramid(
    images: jax.Array,
    levels: int = 3,
    *,
    size: int = 5,
    sigma: float = 2.0,
    kernel: str = "gaussian",
) -> list[jax.Array]:
    """The levels of images, finest first, and the small image that is left.

    Args:
        images: [N, H, W, C] of any size. Where a side is odd, its last pixel counts
            twice as it is halved; of "minimal_glo" it is left out, as by PyTorch.
        levels: how many, 0 or more.
        size: of the kernel, odd.
        sigma: of the kernel, in pixels.
        kernel: one of `KERNELS`.

    Returns:
        `levels` + 1 arrays [N, h, w, C].

    Raises:
        ValueError: for an argument that does not fit, or images of which "minimal_glo"
            leaves nothing.
    """
    if levels < 0:
        raise ValueError(f"levels: {levels} given; 0 or more is accepted")
    found = []
    for _ in range(levels):
        smooth = blur(images, size, sigma, kernel=kernel)
        found.append(images - smooth)
        images = _halved(smooth, keep_odd=kernel != "minimal_glo")
    return [*found, images]


def laplacian_distance(
    one: jax.Array,
    two: jax.Array,
    levels: int = 3,
    *,
    size: int = 5,
    sigma: float = 2.0,
    kernel: str = "gaussian",
    level_weights: str = "mean",
) -> jax.Array:
    """The weighted mean absolute difference in the Laplacian pyramid, [N].

    "mean" adds the mean of each level. "4^j" is the paper's sum, level j times 4^j,
    over the H W C numbers of an image: the same wherever 2^levels divides H and W.
    "4^-j" stands in a later version of the text, over H W C as well, and stresses
    detail.

    Args:
        one: [N, H, W, C].
        two: likewise.
        levels: as for `laplacian_pyramid`; so are the kernel's.
        size: of the kernel.
        sigma: of the kernel.
        kernel: one of `KERNELS`.
        level_weights: one of `LEVEL_WEIGHTS`.

    Raises:
        ValueError: for an argument that does not fit.
    """
    if level_weights not in LEVEL_WEIGHTS:
        raise ValueError(
            f"level_weights: {level_weights!r} given; one of {LEVEL_WEIGHTS} is "
            "accepted"
        )
    if one.shape != two.shape or one.ndim != 4:
        raise ValueError(
            f"one, two: shapes {one.shape} and {two.shape} given; [N, H, W, C] twice "
            "is accepted"
        )
    whole = math.prod(one.shape[1:])
    total = jnp.zeros(len(one), one.dtype)
    pyramid = laplacian_pyramid(
        one - two, levels, size=size, sigma=sigma, kernel=kernel
    )
    for j, level in enumerate(pyramid):
        own = math.prod(level.shape[1:])
        weight = {"mean": 1 / own, "4^j": 4**j / whole, "4^-j": 4**-j / whole}
        total += weight[level_weights] * jnp.sum(jnp.abs(level), axis=(1, 2, 3))
    return total


def _terms(size: int, sigma: float, kernel: str) -> _Terms:
    """Columns and rows whose products add up to a kernel."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size: {size} given; an odd number is accepted")
    if not sigma > 0:
        raise ValueError(f"sigma: {sigma} given; above 0 is accepted")
    if kernel not in KERNELS:
        raise ValueError(f"kernel: {kernel!r} given; one of {KERNELS} is accepted")
    squares = (np.arange(size) - size // 2) ** 2 / sigma**2
    if kernel == "gaussian":
        taps = np.exp(-squares / 2)
        return [(taps / taps.sum(), taps / taps.sum())]
    taps = np.exp(-squares)
    taps, level = taps / taps.sum() / 2, np.full(size, 1 / size)
    return [(taps, level), (level, taps)]


def _along(images: jax.Array, taps: np.ndarray, axis: int) -> jax.Array:
    """A correlation along one axis, as a sum of shifted images: exact products."""
    margin = len(taps) // 2
    around = [(0, 0)] * 4
    around[axis] = (margin, margin)
    wide, length = jnp.pad(images, around, mode="edge"), images.shape[axis]
    shifted = [
        float(tap) * jax.lax.slice_in_dim(wide, at, at + length, axis=axis)
        for at, tap in enumerate(taps)
    ]
    return functools.reduce(operator.add, shifted)


def _halved(images: jax.Array, *, keep_odd: bool) -> jax.Array:
    """Means of 2 x 2 pixels."""
    count, height, width, channels = images.shape
    if keep_odd:
        images = jnp.pad(
            images, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge"
        )
    height, width = images.shape[1] // 2, images.shape[2] // 2
    if not height or not width:
        raise ValueError(
            f"levels: too many given; of {images.shape[1]} x {images.shape[2]} pixels "
            'kernel "minimal_glo" leaves none, "gaussian" is accepted'
        )
    images = images[:, : 2 * height, : 2 * width]
    return images.reshape(count, height, 2, width, 2, channels).mean((2, 4))
