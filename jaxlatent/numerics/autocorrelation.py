"""Noise maps that stay noise: what the projector of StyleGAN2 asks of them.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, appendix
D: maps that are optimised with a code must not carry the picture. Neighbouring values
of white noise are uncorrelated at every resolution; those of a picture are not.
"""

import jax
import jax.numpy as jnp

COARSEST = 8
"""Pixels of the shorter side at which maps are not halved any more."""


def autocorrelation_loss(maps: jax.Array) -> jax.Array:
    """The sum of squared autocorrelations by one pixel, at every resolution.

    At each, the mean product of a map with itself, shifted by one pixel around its
    edges, is squared, for both axes; then 2 x 2 pixels are averaged into one, until the
    shorter side has `COARSEST` pixels or fewer.

    Args:
        maps: [N, h, w], of mean 0 and variance 1; see `standardized`.

    Returns:
        [N]; near 2 / (h w) for each resolution of white noise of that variance.
    """
    total = jnp.zeros(len(maps), maps.dtype)
    while True:
        for axis in (1, 2):
            shifted = jnp.roll(maps, 1, axis)
            total = total + jnp.mean(maps * shifted, axis=(1, 2)) ** 2
        height, width = maps.shape[1] // 2, maps.shape[2] // 2
        if min(maps.shape[1:]) <= COARSEST:
            return total
        even = maps[:, : 2 * height, : 2 * width]
        maps = even.reshape(len(maps), height, 2, width, 2).mean(axis=(2, 4))


def standardized(maps: jax.Array) -> jax.Array:
    """Maps [N, h, w] with mean 0 and mean square 1 each; what is constant becomes 0."""
    centred = maps - jnp.mean(maps, axis=(1, 2), keepdims=True)
    square = jnp.mean(centred**2, axis=(1, 2), keepdims=True)
    return centred * jnp.where(square > 0, jax.lax.rsqrt(square), 0)
