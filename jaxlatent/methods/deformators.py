"""Deformators before the first step; `edits.deformation` says what they do."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxlatent.methods.unsupervised_discovery_settings import Settings

SMALL, WIDE = 1e-3, 0.1
"""Deviation of the rotation's logarithm near none, and of a random matrix."""


def init_deformator(
    settings: Settings, count: int, size: int, key: jax.Array
) -> dict[str, Any]:
    """The params that `edits.deformation.vectors_of` takes.

    Args:
        settings: which deformator, and how it starts.
        count: directions, K.
        size: of the codes, D.
        key: of what is random.

    Raises:
        ValueError: for more directions than the deformator can have.
    """
    kind, at_random = settings.deformator, settings.start == "random"
    if count > size and kind in ("identity", "orthonormal", "fc"):
        raise ValueError(
            f"directions: {count} given; 1 to {size}, the numbers of a code, are "
            f"accepted for the deformator {kind!r}"
        )
    own = [jax.random.fold_in(key, number) for number in range(8)]
    if kind == "identity":
        return {}
    if kind == "random":
        return {"vectors": _orthonormal(own[0], count, size)}
    if kind == "orthonormal":
        width = count if settings.padded else size
        deviation = 1.0 if at_random else SMALL
        return {"logarithm": deviation * jax.random.normal(own[0], (width, width))}
    if kind == "fc":
        return _network(own, size, settings.hidden)
    vectors = WIDE * jax.random.normal(own[0], (count, size))
    if not at_random:
        axes = jnp.arange(count)[:, None] < size
        vectors = jnp.where(axes, jnp.eye(count, size), vectors)
    if not settings.bias:
        return {"vectors": vectors}
    return {"vectors": vectors, "bias": _uniform(own[1], count, size)}


def _orthonormal(key: jax.Array, count: int, size: int) -> jax.Array:
    """[K, D] uniformly among those of orthonormal rows or, of more, columns."""
    normal = jax.random.normal(key, (max(count, size), min(count, size)))
    q, r = jnp.linalg.qr(normal)
    columns = q * jnp.sign(jnp.diag(r))[None]
    return columns if count > size else columns.T


def _network(keys: list[jax.Array], size: int, hidden: int) -> dict[str, Any]:
    """The layers of "fc", as PyTorch begins with them."""
    widths = (size, hidden, hidden, hidden, size)
    layers: dict[str, Any] = {}
    for number in range(1, 5):
        fan_in, out = widths[number - 1 : number + 1]
        layers[f"fc{number}"] = {
            "weight": _uniform(keys[2 * number - 2], fan_in, fan_in, out),
            "bias": _uniform(keys[2 * number - 1], fan_in, out),
        }
    for number in range(1, 4):
        layers[f"bn{number}"] = {
            "scale": jnp.ones(hidden),
            "bias": jnp.zeros(hidden),
            "running_mean": jnp.zeros(hidden),
            "running_var": jnp.ones(hidden),
        }
    return layers


def _uniform(key: jax.Array, fan_in: int, *shape: int) -> jax.Array:
    bound = fan_in**-0.5
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)
