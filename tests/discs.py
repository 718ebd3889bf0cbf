"""Pictures of one disc each, whose background a known direction paints white."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.directions import directions
from jaxlatent.generators.base import Generator

Z, SIDE = 6, 16
WHITE, NOTHING = 0, 1
"""Directions of `edit`: what paints the background white, and what does nothing."""


def shapes(z, side=SIDE):
    """How far pixels [N, side, side] are inside of the discs, in pixels."""
    line = jnp.arange(side, dtype=z.dtype)
    middle = side / 2 + side / 10 * jnp.tanh(z[:, :2]) - 0.5
    radius = side * (0.22 + 0.12 * jnp.tanh(z[:, 2]))
    x = line[None, None] - middle[:, :1, None]
    y = line[None, :, None] - middle[:, 1:, None]
    return radius[:, None, None] - jnp.hypot(x, y)


def cover(z, side=SIDE):
    """How much of each pixel is of the disc."""
    return jax.nn.sigmoid(8 * shapes(z, side))


def true_masks(z, side=SIDE):
    """Where anything of the disc shows."""
    return np.asarray(cover(z, side) > 0.05)


def draw(params, z, side=SIDE):
    disc = cover(z, side)[..., None]
    stripes = params["stripes"][None, :, None, None]
    ground = 0.3 * jnp.tanh(z[:, 4])[:, None, None, None] + 0.2 * stripes
    white = jax.nn.sigmoid(4 * (z[:, 5] - 4))[:, None, None, None]
    ground = ground + white * (1 - ground)
    colour = -0.55 + 0.1 * jnp.tanh(z[:, 3])[:, None, None, None]
    return disc * colour + (1 - disc) * ground


def make():
    stripes = jnp.cos(1.3 * jnp.arange(SIDE, dtype=jnp.float32))
    return Generator.from_functions(draw, z_dim=Z, params={"stripes": stripes})


def edit():
    vectors = np.zeros((2, Z), np.float32)
    vectors[WHITE, 5] = 0.5
    return directions(vectors, space="z", names=("white", "nothing"))
