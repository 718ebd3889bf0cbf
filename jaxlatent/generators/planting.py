"""Directions planted in linear layers, in an order that methods can find.

Factor j owns a unit direction q_j, orthonormal to all other factors' directions, and a
group of m_j units. Each unit's weight points along q_j plus a little noise at right
angles to all of q, and has a random length of its own; the factor is the mean response
of its group after the lengths are undone. With the rows of A (the units' weights)
brought to unit length, A^T A is close to sum_j m_j q_j q_j^T: its j-th eigenvalue is
about m_j and its j-th eigenvector about q_j. As m_j falls with j, SeFa finds the
factors of a linear oracle one by one, in the order of the config, without data.
GANSpace does not undo the lengths: of the activations of a linear oracle it finds them
by descending sums of the group's squared lengths. The largest entry of each q_j is
positive, the sign that the library gives to eigenvectors.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.types import Params


def plant(
    key: jax.Array,
    *,
    dim: int,
    groups: Sequence[int],
    readers: np.ndarray,
    jitter: float,
) -> Params:
    """Linear layers that know F orthonormal directions.

    Args:
        key: decides directions, noise and lengths.
        dim: D, of the latent; at least two more than there are factors.
        groups: [F] units of each factor, m_j, one or more.
        readers: [F] the number of the layer that each factor's units are in.
        jitter: length of the noise, relative to the direction's.

    Returns:
        `layer0.weight` [D, H] and `layer0.bias` [H], likewise for further layers, and
        `pool.weight` [H, F], which undoes the lengths and averages each group.
    """
    count = len(groups)
    axes_key, noise_key, length_key = (jax.random.fold_in(key, one) for one in range(3))
    axes = jax.random.orthogonal(axes_key, dim)
    planted, rest = axes[:count], axes[count:]
    # the sign that eigenvectors are given: a step forward then raises the factor
    largest = jnp.argmax(jnp.abs(planted), axis=1, keepdims=True)
    planted = planted * jnp.sign(jnp.take_along_axis(planted, largest, axis=1))
    owner = np.repeat(np.arange(count), groups)
    noise = jax.random.normal(noise_key, (len(owner), len(rest))) @ rest
    noise = noise / jnp.linalg.norm(noise, axis=1, keepdims=True)
    length = jax.random.uniform(length_key, (len(owner),), minval=0.5, maxval=2.0)
    weight = length[:, None] * (planted[owner] + jitter * noise)  # [H, D]
    share = np.eye(count)[owner] / np.asarray(groups)  # [H, F]
    pool = jnp.asarray(share, length.dtype) / length[:, None]
    # units lie by layer, and within a layer by factor
    layer = readers[owner]
    params: Params = {"pool": {"weight": pool[np.argsort(layer, kind="stable")]}}
    for number in range(readers.max() + 1):
        own = weight[np.flatnonzero(layer == number)]
        params[f"layer{number}"] = {"weight": own.T, "bias": jnp.zeros(len(own))}
    return params


def planted_directions(
    params: Params, readers: np.ndarray, *, by_row: bool
) -> np.ndarray:
    """The shortest directions that move one factor each, from the layers as they are.

    They are the pseudo-inverse of the linear map that the weights are, whatever
    training made of them.

    Args:
        params: as from `plant`.
        readers: likewise.
        by_row: whether each layer has a row of the latent to itself.

    Returns:
        float32 [F, D], or [F, L, D], zero in the rows that a factor does not read.
    """
    layers = readers.max() + 1
    weights = [
        np.asarray(params[f"layer{number}"]["weight"], np.float64)
        for number in range(layers)
    ]
    pool = np.asarray(params["pool"]["weight"], np.float64)
    slopes = (np.concatenate(weights, axis=1) @ pool).T  # [F, D]
    if not by_row:
        return np.linalg.pinv(slopes).T.astype(np.float32)
    vectors = np.zeros((len(slopes), layers, slopes.shape[1]), np.float32)
    for row in range(layers):
        own = np.flatnonzero(readers == row)
        vectors[own, row] = np.linalg.pinv(slopes[own]).T
    return vectors
