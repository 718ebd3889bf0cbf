"""dSprites, rendered: white squares, ellipses and hearts in every size, turn and place.

Matthey, Higgins, Hassabis and Lerchner, "dSprites: Disentanglement testing sprites
dataset" (2017). The tables are those of the published file: 737,280 pictures of 64 x 64
pixels, each 0 or 1, in the order in which the last factor changes fastest. Pictures are
drawn when asked for, from formulas of our own, so that nothing is downloaded; they are
of the published classes and values, but not the published pixels.

    shapes at scale 1 in pixels: a square of side 19.2; an ellipse of 25.6 x 16; a heart
    of two half discs on a square of side 14.08 that stands on its corner
    places: 16 to 48 pixels from the left and from the top, linear in posX and posY
    orientations: clockwise, from a square that lies flat, a long ellipse, a heart that
    points down

The world "dsprites" draws the same shapes with soft edges, for all values between, as
a function that has gradients; between shapes, outlines are blended.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.data.shapes import Points, box, cover, ellipse, pixels
from jaxlatent.data.worlds import Factor, Painting, Values, World, register_world

SIDE = 64
"""Of the published pictures, in pixels."""

LATENTS_NAMES = ("color", "shape", "scale", "orientation", "posX", "posY")
"""Columns of the tables."""

LATENTS_POSSIBLE_VALUES = {
    "color": np.array([1.0]),
    "shape": np.array([1.0, 2.0, 3.0]),
    "scale": np.linspace(0.5, 1, 6),
    "orientation": np.linspace(0, 2 * np.pi, 40),
    "posX": np.linspace(0, 1, 32),
    "posY": np.linspace(0, 1, 32),
}
"""The values of each class; shapes are square, ellipse and heart."""

LATENTS_SIZES = np.array([len(LATENTS_POSSIBLE_VALUES[name]) for name in LATENTS_NAMES])
"""How many classes each column has."""

LATENTS_BASES = np.concatenate([LATENTS_SIZES[:0:-1].cumprod()[::-1], [1]])
"""By how much the number of a picture rises with each column's class."""

COUNT = int(LATENTS_SIZES.prod())
"""How many pictures there are."""

SQUARE, ELLIPSE, HEART = 0.3, (0.4, 0.25), 0.22
"""Half sides and half axes at scale 1, in units of half the picture."""


def latents_classes(indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Classes [N, 6] of the pictures of these numbers, int64.

    Raises:
        IndexError: for a number that is none of the pictures'.
    """
    indices = np.asarray(indices, np.int64)
    wrong = indices[(indices < 0) | (indices >= COUNT)]
    if indices.ndim != 1 or wrong.size:
        raise IndexError(
            f"indices: {wrong[:3].tolist() or indices.shape} given; [N], each 0 to "
            f"{COUNT - 1}, is accepted"
        )
    return indices[:, None] // LATENTS_BASES % LATENTS_SIZES


def latents_values(indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Values [N, 6] of the pictures of these numbers, float64; errors as above."""
    classes = latents_classes(indices)
    columns = zip(LATENTS_NAMES, classes.T, strict=True)
    return np.stack([LATENTS_POSSIBLE_VALUES[name][own] for name, own in columns], 1)


def latents_indices(classes: np.ndarray) -> np.ndarray:
    """Numbers [N] of the pictures of classes [N, 6], int64.

    Raises:
        IndexError: for a class that there is not.
    """
    classes = np.asarray(classes, np.int64)
    fits = classes.ndim == 2 and classes.shape[1] == len(LATENTS_SIZES)
    if not fits or np.any((classes < 0) | (classes >= LATENTS_SIZES)):
        raise IndexError(
            f"classes: shape {classes.shape} given; [N, 6], below "
            f"{LATENTS_SIZES.tolist()}, is accepted"
        )
    return classes @ LATENTS_BASES


def factors_of(indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Factors [N, 5] of the world "dsprites" of these pictures, float32 in [-1, 1]."""
    return (2 * latents_classes(indices) / (LATENTS_SIZES - 1).clip(1) - 1)[
        :, 1:
    ].astype(np.float32)


def pictures(indices: Sequence[int] | np.ndarray, *, chunk: int = 1024) -> np.ndarray:
    """The pictures of these numbers, uint8 [N, 64, 64] of 0 and 1.

    A pixel is 1 where its centre lies inside. Errors as those of `latents_classes`.

    Args:
        indices: the numbers.
        chunk: how many are drawn at a time; bounds memory.
    """
    rows = factors_of(indices)
    inside = jax.vmap(lambda row: _distance(dict(zip(NAMES, row, strict=True)), SIDE))
    drawn = np.empty((len(rows), SIDE, SIDE), np.uint8)
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk)
        drawn[part] = np.asarray(inside(jnp.asarray(rows[part]))) < 0
    return drawn


def _paint(values: Values, size: int, masks: bool) -> Painting:
    sprite = cover(_distance(values, size), 2.6 / size)
    return Painting(
        2 * sprite[..., None] - 1, {"backdrop": 1 - sprite, "sprite": sprite}
    )


def _distance(values: Values, size: int) -> jax.Array:
    """Of every pixel to the outline, negative inside, [size, size]."""
    dtype = jnp.result_type(float, *values.values())
    known = {name: jnp.asarray(value, dtype) for name, value in values.items()}
    scale = 0.75 + 0.25 * known["scale"]
    at = pixels(size, dtype).moved(0.5 * known["x"], 0.5 * known["y"])
    at = at.turned(jnp.pi * (1 + known["orientation"]))
    at = Points(at.x / scale, at.y / scale)
    shapes = (box(at, SQUARE, SQUARE, 0.0), ellipse(at, *ELLIPSE), _heart(at))
    shares = [
        jax.nn.relu(1 - jnp.abs(known["shape"] - place)) for place in (-1.0, 0.0, 1.0)
    ]
    return scale * sum(
        share * shape for share, shape in zip(shares, shapes, strict=True)
    )


def _heart(at: Points) -> jax.Array:
    """Two half discs on the upper sides of a square that stands on its corner."""
    # the origin is the centre of mass; a half disc's lies 4 / (3 pi) radii off its side
    corner = HEART / math.sqrt(2)
    up = math.pi / (4 + math.pi) * corner * (1 + 4 / (3 * math.pi))
    at = at.moved(0.0, up)
    square = box(at.turned(math.pi / 4), HEART, HEART, 0.0)
    lobe = ellipse(at.folded().moved(corner, -corner), HEART, HEART)
    return jnp.minimum(square, lobe)


FACTORS = (
    Factor("shape", "square", "heart", values=3),
    Factor("scale", "half as large", "large", values=6),
    Factor("orientation", "upright", "turned all the way round", values=40),
    Factor("x", "left", "right", values=32),
    Factor("y", "up", "down", values=32),
)
"""Of the world: the columns of the tables but for the colour, which never changes."""

NAMES = tuple(factor.name for factor in FACTORS)

DSPRITES = register_world(World("dsprites", FACTORS, _paint))
"""Soft-edged pictures [N, size, size, 1], black to white as -1 to 1."""
