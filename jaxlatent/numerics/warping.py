"""Pictures drawn anew from other places: one bilinear sampler.

Places are in pixels, x to the right and y down, (0, 0) the middle of the first pixel:
where in the old picture each pixel of the new one looks. Sampling is differentiable in
the picture and in the places.
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


def resized(
    place: jax.Array, size: int, kept: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Where pixels look along an axis when `kept` pixels are brought to `size`.

    Half a pixel is half a pixel on both sides, and nobody looks beyond the first or the
    last. Places are counted in whole parts of a pixel, which floats would round.

    Args:
        place: [...] whole numbers, of the new pixels.
        size: how many there are of them.
        kept: how many of the old ones are seen, a whole number that may be traced.

    Returns:
        [...] fractions of a pixel, and the whole pixels that they are counted from.
    """
    parts = 2 * size
    steps = (2 * place.astype(jnp.int32) + 1) * kept - size
    steps = jnp.clip(steps, 0, parts * (jnp.asarray(kept) - 1))
    return (steps % parts) / parts, steps // parts
