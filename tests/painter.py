"""A family with a style space, small enough to do by hand: each channel paints a block.

Two rows of w+ feed two layers of styles, s = A w + b. Channel c of the seven fills
block c of the picture, one of four quarters, with sin(s_c) times a pattern of its own.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from jaxlatent.generators.base import Generator
from jaxlatent.generators.plain import prepare as prepare
from jaxlatent.generators.plain import sample as sample
from jaxlatent.types import Affine, Noise

D, SIDE = 3, 8
SIZES = {"late": 4, "early": 3}
"""Channels of the layers, whose order is not that of their names."""
CHANNELS = 7
BLOCK = np.array([0, 1, 2, 3, 0, 1, 2])
"""The quarter that each channel paints."""


@dataclass(frozen=True)
class Config:
    z_dim: int = D
    label_dim: int = 0

    w_dim = D
    num_layers = 2
    resolution = SIDE
    spaces = ("z", "w", "w+", "s")
    truncated_prior = False


def _normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def quarters():
    """Masks [4, H, W] of the blocks."""
    half = SIDE // 2
    masks = np.zeros((4, SIDE, SIDE), np.float32)
    for block in range(4):
        row, column = half * (block // 2), half * (block % 2)
        masks[block, row : row + half, column : column + half] = 1
    return masks


PATTERNS = _normal(2, CHANNELS, SIDE, SIDE, 3) * quarters()[BLOCK][..., None]


def make():
    params = {
        "matrix": {name: jnp.asarray(_normal(n, D, n)) for name, n in SIZES.items()},
        "offset": {name: jnp.asarray(_normal(n + 9, n)) for name, n in SIZES.items()},
        "patterns": jnp.asarray(PATTERNS),
    }
    return Generator(params, Config())


def map(params, config, z, label=None):
    return 2 * z


def broadcast(config, w):
    return jnp.stack([w, w], axis=1) if w.ndim == 2 else w


def truncate(params, config, w, psi, cutoff=None):
    return psi * broadcast(config, w)


def styles(params, config, w):
    rows = broadcast(config, w)
    return {
        name: rows[:, row] @ params["matrix"][name] + params["offset"][name][None]
        for row, name in enumerate(SIZES)
    }


def affines(params, config):
    """The second layer is called a to-RGB layer, which is derived apart."""
    return tuple(
        Affine(params["matrix"][name], name, row, rgb=row == 1)
        for row, name in enumerate(SIZES)
    )


def run(params, config, latent, label=None, *, noise=Noise.FIXED):
    style = latent if isinstance(latent, dict) else styles(params, config, latent)
    s = jnp.concatenate([style[name] for name in SIZES], axis=1)
    yield "image", jnp.einsum("ns,shwc->nhwc", jnp.sin(s), params["patterns"])


def feature_names(config):
    return ("image",)
