"""Small functions whose Jacobians are tested, and their definition."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

RNG = np.random.default_rng(0)
EXCHANGES = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
MASKS = np.abs(RNG.normal(size=(3, 4, 3, 1))).astype(np.float32)


def weights(size, outputs=(4, 3, 2)):
    count = int(np.prod(outputs))
    first = RNG.normal(size=(size, 16)) / np.sqrt(size)
    return {
        "first": jnp.asarray(first, jnp.float32),
        "last": jnp.asarray(RNG.normal(size=(16, count)) / 4, jnp.float32),
        "shape": outputs,
    }


def network(params, latent):
    hidden = jnp.tanh(latent.reshape(-1) @ params["first"])
    return (hidden @ params["last"]).reshape(4, 3, 2)


def made(size):
    params = weights(size)
    params.pop("shape")
    return Partial(network, params), jnp.asarray(RNG.normal(size=size), jnp.float32)


@jax.jit
def jacfwd(f, latent):
    return jax.jacfwd(f)(latent)


def dense(f, latent, masks=None):
    """The definition: rows of the full Jacobian, in float64."""
    rows = np.asarray(jacfwd(f, latent), np.float64).reshape(-1, latent.size)
    if masks is None:
        return rows.T @ rows
    masks = np.broadcast_to(masks, (len(masks), 4, 3, 2)).reshape(len(masks), -1)
    return np.stack([rows.T @ (mask[:, None] * rows) for mask in masks])


def apart(ours, expected):
    return np.linalg.norm(np.asarray(ours) - expected) / np.linalg.norm(expected)
