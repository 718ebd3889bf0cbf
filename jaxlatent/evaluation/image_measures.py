"""How far pictures are from those that they should be, one number for each."""

import math

import jax
import jax.numpy as jnp

RANGE = 2.0
"""What lies between the darkest and the lightest value of images in [-1, 1]."""


def mse(
    images: jax.Array, targets: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """The mean square of the difference.

    Args:
        images: [N, H, W, C].
        targets: likewise.
        mask: [N, H, W], how much each pixel counts, 0 or more; None for all alike.

    Returns:
        [N]; NaN for a mask that is 0 everywhere.

    Raises:
        ValueError: for shapes that do not fit.
    """
    if images.ndim != 4 or images.shape != targets.shape:
        raise ValueError(
            f"targets: shape {targets.shape} given for images of {images.shape}; twice "
            "[N, H, W, C] is accepted"
        )
    squares = jnp.mean((images - targets) ** 2, axis=3)
    if mask is None:
        return jnp.mean(squares, axis=(1, 2))
    if mask.shape != squares.shape:
        raise ValueError(f"mask: shape {mask.shape} given; {squares.shape} is accepted")
    return jnp.sum(squares * mask, (1, 2)) / jnp.sum(mask, (1, 2))


def psnr(
    images: jax.Array, targets: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """The peak signal-to-noise ratio, `10 log10(RANGE^2 / mse)` in decibels.

    Args:
        images: [N, H, W, C] in [-1, 1].
        targets: likewise.
        mask: as for `mse`.

    Returns:
        [N]; infinite for equal pictures.
    """
    squares = mse(images, targets, mask)
    return 20 * math.log10(RANGE) - 10 * jnp.log10(squares)
