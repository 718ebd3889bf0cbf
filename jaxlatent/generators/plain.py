"""What families have that know z alone: no mapping, rows of w+, noise or labels.

A family takes these names as they are, `from jaxlatent.generators.plain import map as
map`, and writes the others itself.
"""

import jax

from jaxlatent.generators.inputs import GeneratorConfig, normal_codes, without_label
from jaxlatent.types import Params


def prepare(params: Params, config: GeneratorConfig) -> Params:
    """Nothing to prepare; returns `params`."""
    return params


def sample(
    key: jax.Array,
    num: int,
    config: GeneratorConfig,
    *,
    truncation: float | None = None,
) -> jax.Array:
    """Standard normal z [num, z_dim]; code i is drawn with fold_in(key, i)."""
    without_truncation(truncation)
    return normal_codes(key, num, config.z_dim)


def map(
    params: Params,
    config: GeneratorConfig,
    z: jax.Array,
    label: jax.Array | None = None,
) -> jax.Array:
    """The identity: there is no mapping network."""
    without_label(label)
    return z


def broadcast(config: GeneratorConfig, w: jax.Array) -> jax.Array:
    """Not available: these generators have no per-layer latents."""
    raise ValueError("latent: this generator has no w+, its latents are [N, D]")


def truncate(
    params: Params,
    config: GeneratorConfig,
    w: jax.Array,
    psi: float | jax.Array,
    cutoff: int | None = None,
) -> jax.Array:
    """Not available: these generators know no mean w."""
    raise ValueError("psi: given, but this generator has no mean latent to truncate to")


def noise_maps(params: Params, config: GeneratorConfig) -> dict[str, jax.Array]:
    """None: these generators have no noise inputs."""
    return {}


def embed(params: Params, config: GeneratorConfig, label: jax.Array) -> jax.Array:
    """Not available: these generators are unconditional."""
    raise ValueError("label: this generator is unconditional")


def without_truncation(truncation: float | None) -> None:
    """Raise if a prior that is not truncated is asked to be."""
    if truncation is not None:
        raise ValueError("truncation: given, but this generator's prior has none")
