"""How far pictures are apart, low frequencies first.

Codes of few dimensions cannot hold the phases of fine textures, so that the least error
of pixels is that of blurred pictures. Weighing the difference by a Gaussian in the
frequency domain, which by Parseval is blurring it, asks for coarse structure only
(Plumerault et al., "Controlling generative models with continuous factors of
variations", 2020, section 2.1).
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

Kernel = Literal["unit", "reference"]

_KERNELS = ("unit", "reference")

_LEAST = 1e-6
"""Of the blurred mask that differences are divided by."""


def frequency_loss(
    images: jax.Array,
    targets: jax.Array,
    mask: jax.Array | None = None,
    *,
    sigma: float = 3.0,
    kernel: Kernel = "unit",
) -> jax.Array:
    """The mean square of the blurred difference of pictures, one number for each.

    Args:
        images: [N, H, W, C].
        targets: likewise.
        mask: 0 where targets are undefined, 1 where they count, or between; four axes,
            each as long as that of the images or 1. None counts everything.
        sigma: deviation of the blur, in pixels; static.
        kernel: "unit" blurs by a Gaussian of sum 1 with an odd number of taps, and only
            what the mask lets through (normalised convolution), so that neither the
            undefined part nor the border leaks into the rest; each picture by itself.
            "reference" does as the original code: an even number of taps, which shifts
            the difference by half a pixel, a sum other than 1, zeros around the
            picture, a mask on what is blurred already, whose mean is over the batch.

    Returns:
        [N]; 0 for pictures without any pixel that counts.

    Raises:
        ValueError: for shapes that do not fit, no blur, or an unknown kernel.
    """
    if kernel not in _KERNELS:
        raise ValueError(f"kernel: {kernel!r} given; one of {_KERNELS} is accepted")
    if not sigma > 0:
        raise ValueError(f"sigma: {sigma} given; a number above 0 is accepted")
    if images.ndim != 4 or images.shape != targets.shape:
        raise ValueError(
            f"images, targets: {images.shape} and {targets.shape} given; twice "
            "[N, H, W, C] is accepted"
        )
    if mask is None:
        mask = jnp.ones((1, *images.shape[1:3], 1), images.dtype)
    if mask.ndim != 4 or any(
        size not in (1, whole)
        for size, whole in zip(mask.shape, images.shape, strict=True)
    ):
        raise ValueError(
            f"mask: {mask.shape} given; 4 axes as of {images.shape}, or 1, are accepted"
        )
    mask = jnp.broadcast_to(mask, (mask.shape[0], *images.shape[1:3], mask.shape[3]))
    axes = (1, 2, 3)
    if kernel == "reference":
        blurred = _blur(images - targets, *_reference_taps(sigma))
        share = jnp.mean(mask)
    else:
        taps = _unit_taps(sigma)
        blurred = _blur((images - targets) * mask, *taps)
        blurred = blurred / jnp.maximum(_blur(mask, *taps), _LEAST)
        share = jnp.mean(mask, axes)
    return jnp.mean(blurred**2 * mask, axes) / jnp.maximum(share, _LEAST)


def _blur(images: jax.Array, taps: np.ndarray, before: int) -> jax.Array:
    """Both ways, with zeros around: `before` taps lie above and left of a pixel.

    As products with banded matrices, which all devices are good at, unlike convolutions
    of single channels.
    """
    rows, columns = (
        jnp.asarray(_banded(size, taps, before), images.dtype)
        for size in images.shape[1:3]
    )
    rows_first = jnp.einsum("ih,nhwc->niwc", rows, images, precision="highest")
    return jnp.einsum("jw,niwc->nijc", columns, rows_first, precision="highest")


def _banded(size: int, taps: np.ndarray, before: int) -> np.ndarray:
    """The matrix [size, size] that correlates with taps."""
    numbers = np.arange(size)
    place = numbers[None] - numbers[:, None] + before
    inside = (place >= 0) & (place < len(taps))
    return np.where(inside, taps[np.clip(place, 0, len(taps) - 1)], 0.0)


def _unit_taps(sigma: float) -> tuple[np.ndarray, int]:
    radius = int(np.ceil(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return taps / taps.sum(), radius


def _reference_taps(sigma: float) -> tuple[np.ndarray, int]:
    """Half of a kernel of two dimensions that is divided by the norm of one."""
    size = round(6 * sigma)
    taps = np.exp(-0.5 * (np.linspace(-size / 2, size / 2, size) / sigma) ** 2)
    return taps / np.sqrt(np.sqrt(2 * np.pi) * sigma), (size - 1) // 2
