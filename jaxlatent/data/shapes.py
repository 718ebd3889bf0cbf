"""Antialiased shapes as signed distances, and the paint that fills them.

A shape is the signed distance of every pixel to its outline, negative inside. Distances
are exact to first order at the outline, which is where a picture needs them. All
functions are smooth almost everywhere, with finite gradients everywhere.
"""

import functools
import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

Colour = jax.Array | Sequence[ArrayLike]
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


class Canvas(NamedTuple):
    """A picture being painted, and how much of each pixel each part of it shows.

    Channels are kept apart, so that what covers a pixel is computed once for all.

    Attributes:
        channels: red, green and blue, [H, W] each.
        parts: soft masks [H, W] by name, which sum to one everywhere.
    """

    channels: tuple[jax.Array, ...]
    parts: dict[str, jax.Array]

    def paint(
        self, colour: Colour, opacity: jax.Array, part: str | None = None
    ) -> "Canvas":
        """Lay a colour over all that is there.

        What was there shows less, and the part shows more, by the opacity.

        Args:
            colour: red, green and blue, each a number or [H, W].
            opacity: [H, W] in [0, 1].
            part: what the colour belongs to; None for what shows already, which is
                only shaded.
        """
        channels = tuple(
            below + opacity * (above - below)
            for below, above in zip(self.channels, colour, strict=True)
        )
        painted = self._replace(channels=channels)
        return painted if part is None else painted.claim(opacity, part)

    def claim(self, opacity: jax.Array, part: str) -> "Canvas":
        """Give pixels to a part, and leave their colour.

        Args:
            opacity: [H, W] in [0, 1], of what is given.
            part: one of `parts`.
        """
        if part not in self.parts:
            raise ValueError(f"part: {part!r} given; one of {tuple(self.parts)}")
        parts = {
            name: mask + opacity * ((1 if name == part else 0) - mask)
            for name, mask in self.parts.items()
        }
        return self._replace(parts=parts)


def blank(at: Points, colour: Colour, part: str, others: Sequence[str] = ()) -> Canvas:
    """A canvas of one colour, [3], all of which is one part."""
    ones = jnp.ones_like(at.x)
    masks = {part: ones} | {name: jnp.zeros_like(at.x) for name in others}
    return Canvas(tuple(ones * channel for channel in colour), masks)


def shaded(colour: jax.Array, shade: jax.Array) -> tuple[jax.Array, ...]:
    """A colour [3] times a shade [H, W], by channels."""
    return tuple(channel * shade for channel in colour)


def mix(first: jax.Array, second: Colour, amount: ArrayLike) -> jax.Array:
    """The colour that lies `amount` of the way from the first to the second, [3]."""
    return first + amount * (jnp.asarray(second, first.dtype) - first)


def ramp(position: jax.Array, stops: Sequence[Sequence[float]]) -> jax.Array:
    """A colour [3] between `stops` that lie evenly from -1 to 1, smooth beyond them."""
    gap = 2 / (len(stops) - 1)
    far = [3 * ((position + 1) / gap - index) ** 2 for index in range(len(stops))]
    nearest = functools.reduce(jnp.minimum, far)
    # sums of as many terms whatever the batch: a product of matrices rounds by its size
    near = [jnp.exp(nearest - one) for one in far]
    total = functools.reduce(operator.add, near)
    return jnp.stack(
        [
            sum(one * stop[channel] for one, stop in zip(near, stops, strict=True))
            / total
            for channel in range(3)
        ]
    )
