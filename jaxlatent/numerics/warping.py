"""Pictures drawn anew from other places: one bilinear sampler, and the maps over it.

Places are in pixels, x to the right and y down, (0, 0) the middle of the first pixel. A
map is inverse: it tells for every pixel of the new picture where in the old one to
look. All functions are differentiable in the picture and in the map.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

Outside = Literal["zero", "edge"]
"""What lies around a picture: zeros, or its outermost pixels, repeated."""

_OUTSIDE = ("zero", "edge")


def sample_bilinear(
    image: jax.Array,
    x: jax.Array,
    y: jax.Array,
    *,
    outside: Outside = "zero",
    origin: tuple[ArrayLike, ArrayLike] = (0, 0),
) -> jax.Array:
    """A picture's values between its pixels.

    Args:
        image: [H, W, C].
        x: [...] places; so is `y`.
        y: likewise.
        outside: what lies around the picture; pixels at its border blend with it.
        origin: the pixel (x, y), whole numbers, that places are counted from: small
            places have more digits behind the point.

    Returns:
        [..., C].

    Raises:
        ValueError: for another word for the outside.
    """
    if outside not in _OUTSIDE:
        raise ValueError(f"outside: {outside!r} given; one of {_OUTSIDE} is accepted")
    height, width, channels = image.shape
    rows = image.reshape(height * width, channels)

    def taps(place: jax.Array, size: int, first: ArrayLike) -> Any:
        """The pixels before and behind a place, and how much each counts."""
        # farther away everything is as it is just outside
        place = jnp.clip(place, -1.0 - first, float(size) - first)
        before = jnp.floor(place)
        share = place - before
        number = before.astype(jnp.int32) + first
        for tap, weight in ((number, 1 - share), (number + 1, share)):
            known = (tap >= 0) & (tap < size)
            weight = weight if outside == "edge" else jnp.where(known, weight, 0)
            yield jnp.clip(tap, 0, size - 1), weight

    columns = list(taps(x, width, origin[0]))
    total: Any = 0
    for row, row_weight in taps(y, height, origin[1]):
        for column, weight in columns:
            pixel = rows[row * width + column]
            total = total + (row_weight * weight)[..., None] * pixel
    return total


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
