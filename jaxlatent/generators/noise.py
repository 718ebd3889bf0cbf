"""The noise inputs of style-based generators."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxlatent.collectives import is_key
from jaxlatent.types import Noise


def fill_noise(
    noise: Any, stored: Mapping[str, jax.Array], count: int
) -> dict[str, jax.Array]:
    """Noise by layer, [N or 1, r, r]; empty for no noise.

    Args:
        noise: `Noise.FIXED` or `Noise.NONE`; one key or [N] keys for fresh noise, whose
            draws depend on the key and the sample alone; or maps by layer name, each
            [N or 1, r, r].
        stored: the fixed maps [r, r] by layer name, in the network's order.
        count: N.

    Raises:
        ValueError: for anything else, a missing map or one of another shape.
    """
    if not stored or noise is Noise.NONE:
        return {}
    if noise is Noise.FIXED:
        return {name: fixed[None] for name, fixed in stored.items()}
    if isinstance(noise, Mapping):
        return {
            name: _given(noise, name, fixed.shape, count)
            for name, fixed in stored.items()
        }
    if not is_key(noise):
        raise ValueError(
            f"noise: {noise.dtype} {noise.shape} given; Noise.FIXED, Noise.NONE, typed "
            "keys or maps by layer name are accepted"
        )
    fold = jax.random.fold_in
    keys = (
        jax.vmap(fold, (None, 0))(noise, jnp.arange(count)) if not noise.ndim else noise
    )
    return {
        name: jax.vmap(
            lambda key, index=index, fixed=fixed: jax.random.normal(
                fold(key, index), fixed.shape, fixed.dtype
            )
        )(keys)
        for index, (name, fixed) in enumerate(stored.items())
    }


def _given(
    noise: Mapping[str, jax.Array], name: str, size: tuple[int, ...], count: int
) -> jax.Array:
    if name not in noise:
        raise ValueError(f"noise: no map for layer {name}; {sorted(noise)} given")
    value = jnp.asarray(noise[name])
    if value.ndim != 3 or value.shape[1:] != size or value.shape[0] not in (1, count):
        raise ValueError(
            f"noise: {name} has shape {value.shape}; [{count} or 1, {size[0]}, "
            f"{size[1]}] is accepted"
        )
    return value
