"""A family of generators small enough to do by hand, with everything families have.

w = 2 z + label; w+ has two rows; an image is gain * (row 0 + 10 row 1) + noise, one
pixel for each entry of the latent.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import as_label
from jaxlatent.generators.plain import prepare as prepare
from jaxlatent.generators.plain import sample as sample
from jaxlatent.types import Noise


@dataclass(frozen=True)
class Config:
    z_dim: int = 3
    label_dim: int = 0

    num_layers = 2
    resolution = 0
    spaces = ("z", "w", "w+")
    truncated_prior = False

    @property
    def w_dim(self):
        return self.z_dim


def make(gain=1.0, **changes):
    params = {"gain": jnp.asarray(gain), "mean": jnp.asarray([1.0, 2.0, 3.0])}
    return Generator(params, Config(**changes))


def map(params, config, z, label=None):
    weights = as_label(label, config.label_dim, z.dtype)
    if weights is None:
        return 2 * z
    return 2 * z + (weights @ jnp.arange(1.0, config.label_dim + 1))[:, None]


def broadcast(config, w):
    return jnp.stack([w, w], axis=1) if w.ndim == 2 else w


def truncate(params, config, w, psi, cutoff=None):
    w, mean = broadcast(config, w), params["mean"][None, None]
    rows = np.arange(2)[None, :, None] < (2 if cutoff is None else cutoff)
    return jnp.where(rows, mean + psi * (w - mean), w)


def run(params, config, latent, label=None, *, noise=Noise.FIXED):
    rows = broadcast(config, latent)
    mixed = yield "mixed", rows[:, 0] + 10 * rows[:, 1]
    image = params["gain"] * mixed
    if isinstance(noise, dict):
        image = image + noise["map"]
    elif not isinstance(noise, Noise):
        image = (
            image + jax.vmap(lambda key: jax.random.uniform(key, ()))(noise)[:, None]
        )
    if label is not None:  # families whose synthesis sees the label as well
        weights = as_label(label, config.label_dim, image.dtype)
        image = (
            image
            + 1000
            * (weights @ jnp.arange(config.label_dim, dtype=image.dtype))[:, None]
        )
    yield "image", image[:, None, :, None]


def feature_names(config):
    return ("mixed", "image")
