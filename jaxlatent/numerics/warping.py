"""Pictures drawn anew from other places: one bilinear sampler, and the maps over it.

Places are in pixels, x to the right and y down, (0, 0) the middle of the first pixel. A
map is inverse: it tells for every pixel of the new picture where in the old one to
look. All functions are differentiable in the picture and in the map.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jax.typing import ArrayLike

Outside = Literal["zero", "edge"]
"""What lies around a picture: zeros, or its outermost pixels, repeated."""

_MODES = {"zero": "constant", "edge": "nearest"}


def sample_bilinear(
    image: jax.Array, x: jax.Array, y: jax.Array, *, outside: Outside = "zero"
) -> jax.Array:
    """A picture's values between its pixels.

    Args:
        image: [H, W, C].
        x: [...] places; so is `y`.
        y: likewise.
        outside: what lies around the picture; pixels at its border blend with it.

    Returns:
        [..., C].

    Raises:
        ValueError: for another word for the outside.
    """
    if outside not in _MODES:
        raise ValueError(
            f"outside: {outside!r} given; one of {tuple(_MODES)} is accepted"
        )

    def one(channel: jax.Array) -> jax.Array:
        return map_coordinates(channel, [y, x], order=1, mode=_MODES[outside])

    return jax.vmap(one, in_axes=-1, out_axes=-1)(image)


def warp(
    image: jax.Array,
    matrix: ArrayLike,
    *,
    outside: Outside = "zero",
    shape: tuple[int, int] | None = None,
) -> jax.Array:
    """A picture seen through a projective map.

    Args:
        image: [H, W, C].
        matrix: [3, 3], from (x, y, 1) of the new picture to (x, y, 1) of the old one
            times any number; an affine map's last row is (0, 0, 1).
        outside: as for `sample_bilinear`.
        shape: (H', W') of the new picture; that of the old one if left out.

    Returns:
        [H', W', C].
    """
    height, width = shape or image.shape[:2]
    x, y = jnp.meshgrid(
        jnp.arange(width, dtype=image.dtype), jnp.arange(height, dtype=image.dtype)
    )
    places = jnp.stack([x, y, jnp.ones_like(x)])
    matrix = jnp.asarray(matrix, image.dtype)
    x, y, depth = jnp.einsum("ij,jhw->ihw", matrix, places, precision="highest")
    return sample_bilinear(image, x / depth, y / depth, outside=outside)


def translation(x: ArrayLike, y: ArrayLike) -> jax.Array:
    """The map [3, 3] that looks (x, y) pixels further: pictures move by (-x, -y)."""
    return jnp.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def scaling(factor: ArrayLike, center: tuple[float, float]) -> jax.Array:
    """The map [3, 3] that looks `factor` times as far from a center (x, y).

    Below 1 the picture grows by 1 / factor.
    """
    x, y = ((1 - factor) * place for place in center)
    return jnp.array([[factor, 0.0, x], [0.0, factor, y], [0.0, 0.0, 1.0]])
