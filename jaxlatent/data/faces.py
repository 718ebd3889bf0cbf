"""Cartoon portraits whose factors of variation are known: a differentiable renderer.

A portrait is painted part by part, back to front; `faces_parts` has the parts. Every
factor moves something visible of its own, and the odd ones (turning the head, looking
aside, ...) mirror the picture when they change sign. Factors beyond [-1, 1] saturate
softly. Masks tell the parts apart: what covers a part takes its pixels.
"""

import jax.numpy as jnp

from jaxlatent.data.faces_parts import OVER, backdrop, look_of
from jaxlatent.data.worlds import Factor, Painting, Values, World, register_world

FACTORS = (
    Factor("yaw", "head turned to the left", "to the right", odd=True),
    Factor("hair_length", "short", "over the shoulders"),
    Factor("backdrop", "rose, sweater teal", "lilac, sweater ochre"),
    Factor("smile", "frowning", "laughing"),
    Factor("hair_colour", "black", "blond"),
    Factor("glasses", "none", "dark frames"),
    Factor("skin", "deep", "light"),
    Factor("light", "from the left", "from the right", odd=True),
    Factor("tilt", "head leant to the left", "to the right", odd=True),
    Factor("eyes", "closed", "wide open"),
    Factor("width", "narrow face", "wide face"),
    Factor("parting", "hair parted on the left", "on the right", odd=True),
    Factor("brows", "stern", "worried"),
    Factor("gaze", "looking to the left", "to the right", odd=True),
    Factor("x", "head and shoulders to the left", "to the right", odd=True),
    Factor("y", "up", "down"),
    Factor("zoom", "far", "near"),
    Factor("beard", "none", "full", values=2),
)
"""What the world knows, in the order of its columns."""

APPEARANCE = tuple(factor.name for factor in FACTORS[:14])
"""Names of the factors that leave the portrait where it is."""


def _portrait(values: Values, size: int) -> Painting:
    look = look_of(values, size)
    canvas = backdrop(look)
    for name, paint in OVER.items():
        # a beard that nobody grows need not be painted
        if name != "beard" or not isinstance(values[name], float):
            canvas = paint(canvas, look)
    # the brightest lit skin and hair would exceed white
    picture = 2 * jnp.clip(jnp.stack(canvas.channels, -1), 0, 1) - 1
    return Painting(picture, canvas.parts)


FACES = register_world(World("faces", FACTORS, _portrait))
"""Portraits."""
