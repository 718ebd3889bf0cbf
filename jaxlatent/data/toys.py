"""Worlds so simple that what their pictures measure is a closed formula."""

import jax.numpy as jnp

from jaxlatent.data.shapes import cover, ellipse, length, pixels
from jaxlatent.data.worlds import Factor, Painting, Values, World, register_world

SOFT = 0.1
"""Over what width a disc's edge fades, in units of half the picture."""


def _disc(values: Values, size: int) -> Painting:
    """A disc of radius r and level b on black: in units of half the picture, in [0, 1].

    Its centre of mass is its centre, its area (the sum of its mask times that of a
    pixel) pi (r^2 + SOFT^2 / 20), and the sum of its light b times that.
    """
    x, y, scale, light = (values[name] for name in ("x", "y", "size", "brightness"))
    dtype = jnp.result_type(float, *values.values())
    at = pixels(size, dtype).moved(0.4 * x, 0.4 * y)
    radius = jnp.asarray(0.3 + 0.12 * scale, dtype)
    disc = cover(ellipse(at, radius, radius), SOFT)
    picture = 2 * (0.65 + 0.35 * light) * disc - 1
    return Painting(picture[..., None], {"backdrop": 1 - disc, "disc": disc})


def _ring(values: Values, size: int) -> Painting:
    """A soft ring, tanh((1 - |d - r|) e^s), d the distance from its centre.

    In units of a third of half the picture. Its brightest circle has radius r and is
    tanh(e^s) bright; it is 0 where d is r - 1 or r + 1.
    """
    dtype = jnp.result_type(float, *values.values())
    x, y, radius, softness = (
        jnp.asarray(values[name], dtype) for name in ("x", "y", "radius", "softness")
    )
    at = pixels(size, dtype)
    away = length(3 * at.x - x, 3 * at.y - y)
    inside = 1 - jnp.abs(away - 1 - radius / 2)
    return Painting(jnp.tanh(inside * jnp.exp(softness))[..., None], {})


PLACE = (
    Factor("x", "left", "right", odd=True),
    Factor("y", "up", "down"),
)

DISC = register_world(
    World(
        "disc",
        (
            *PLACE,
            Factor("size", "small", "large"),
            Factor("brightness", "grey", "white"),
        ),
        _disc,
    )
)
"""One disc: x and y are 0.4 times the factors, r is 0.3 + 0.12 size, b 0.65 + 0.35
brightness."""

RING = register_world(
    World(
        "ring",
        (
            *PLACE,
            Factor("radius", "small", "large"),
            Factor("softness", "soft", "sharp"),
        ),
        _ring,
    )
)
"""One ring: x, y and s are the factors, r is 1 + radius / 2."""
