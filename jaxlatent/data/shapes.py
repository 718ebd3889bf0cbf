"""Antialiased shapes as signed distances, and the paint that fills them.

A shape is the signed distance of every pixel to its outline, negative inside. Distances
are exact to first order at the outline, which is where a picture needs them. All
functions are smooth almost everywhere, with finite gradients everywhere.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

Colour = jax.Array | Sequence[float]
"""Red, green and blue in [0, 1]."""

TINY = 1e-12
"""Keeps square roots differentiable at zero; far below a pixel's area."""


class Points(NamedTuple):
    """Where the pixels are: x to the right, y down, each [H, W]."""

    x: jax.Array
    y: jax.Array

    def moved(self, x: ArrayLike, y: ArrayLike) -> "Points":
        """The same pixels seen from an origin at (x, y)."""
        return Points(self.x - x, self.y - y)

    def turned(self, angle: ArrayLike) -> "Points":
        """The same pixels seen from axes turned clockwise by `angle` radians."""
        cosine, sine = jnp.cos(angle), jnp.sin(angle)
        return Points(
            cosine * self.x + sine * self.y,
            cosine * self.y - sine * self.x,
        )

    def folded(self) -> "Points":
        """Both halves laid on the right one: a shape drawn there appears twice."""
        return Points(jnp.abs(self.x), self.y)


def pixels(size: int, dtype: jax.typing.DTypeLike) -> Points:
    """The pixel centres of a square picture that spans [-1, 1] in x and y."""
    line = (2 * jnp.arange(size, dtype=dtype) + 1) / size - 1
    x, y = jnp.meshgrid(line, line)
    return Points(x, y)


def length(x: jax.Array, y: jax.Array) -> jax.Array:
    """Euclidean length, differentiable at zero."""
    return jnp.sqrt(x * x + y * y + TINY)


def ellipse(at: Points, width: ArrayLike, height: ArrayLike) -> jax.Array:
    """An ellipse about the origin with half axes `width` and `height`."""
    reach = length(at.x / width, at.y / height)
    slope = length(at.x / width**2, at.y / height**2)
    return reach * (reach - 1) / slope


def box(
    at: Points, width: ArrayLike, height: ArrayLike, radius: ArrayLike
) -> jax.Array:
    """A box about the origin, half sides `width` and `height`, with round corners."""
    x, y = jnp.abs(at.x) - width + radius, jnp.abs(at.y) - height + radius
    outside = length(jnp.maximum(x, 0), jnp.maximum(y, 0))
    return outside + jnp.minimum(jnp.maximum(x, y), 0) - radius


def stroke(
    at: Points, level: jax.Array, half: ArrayLike, thickness: ArrayLike
) -> jax.Array:
    """A pen stroke along the curve y = level(x), tapering to nothing at x = +-half."""
    taper = 1 - (at.x / half) ** 2
    return jnp.abs(at.y - level) - thickness * jnp.clip(taper, -8, 1)


def join(first: jax.Array, second: jax.Array, blend: ArrayLike) -> jax.Array:
    """The union of two shapes, its inner corners filled over a width `blend`."""
    apart = jnp.sqrt((first - second) ** 2 + blend**2)
    return 0.5 * (first + second - apart)


def cut(shape: jax.Array, opening: jax.Array, blend: ArrayLike) -> jax.Array:
    """What is left of a shape outside an opening, its edges rounded over `blend`."""
    return -join(-shape, opening, blend)


def cover(distance: jax.Array, soft: ArrayLike) -> jax.Array:
    """How much of a pixel a shape covers: 1 inside to 0 outside over a width `soft`."""
    step = jnp.clip(0.5 - distance / soft, 0, 1)
    return step * step * (3 - 2 * step)


def glow(at: Points, width: ArrayLike, height: ArrayLike) -> jax.Array:
    """A soft spot about the origin: 1 in the middle, fading without an edge."""
    return jnp.exp(-((at.x / width) ** 2) - (at.y / height) ** 2)


def paint(picture: jax.Array, colour: Colour, opacity: jax.Array) -> jax.Array:
    """Lay a colour, [3] or [H, W, 3], over a picture [H, W, 3]; opacity is [H, W]."""
    colour = jnp.asarray(colour, picture.dtype)
    if colour.ndim == 1:
        colour = colour[None, None, :]
    return picture + opacity[..., None] * (colour - picture)


def shaded(colour: jax.Array, shade: jax.Array) -> jax.Array:
    """A colour [3] times a shade [H, W]: [H, W, 3]."""
    return colour[None, None, :] * shade[..., None]


def mix(first: jax.Array, second: Colour, amount: ArrayLike) -> jax.Array:
    """The colour that lies `amount` of the way from the first to the second, [3]."""
    return first + amount * (jnp.asarray(second, first.dtype) - first)


def ramp(position: jax.Array, stops: Sequence[Sequence[float]]) -> jax.Array:
    """A colour [3] between `stops` that lie evenly from -1 to 1, smooth beyond them."""
    places = jnp.linspace(-1, 1, len(stops), dtype=position.dtype)
    gap = 2 / (len(stops) - 1)
    nearness = jax.nn.softmax(-3 * ((position - places) / gap) ** 2)
    return jnp.dot(nearness, jnp.asarray(stops, position.dtype), precision="highest")
