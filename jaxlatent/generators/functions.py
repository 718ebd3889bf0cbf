"""The family of generators that are made of a user's own functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxlatent.generators import steps
from jaxlatent.generators.inputs import normal_codes, without_label, without_noise
from jaxlatent.generators.plain import broadcast as broadcast
from jaxlatent.generators.plain import embed as embed
from jaxlatent.generators.plain import prepare as prepare
from jaxlatent.generators.plain import truncate as truncate
from jaxlatent.generators.plain import without_truncation
from jaxlatent.generators.steps import Hook, Steps
from jaxlatent.types import Affine, Noise, Params

FEATURES = ("image",)


@dataclass(frozen=True)
class Config:
    """The functions, as `Generator.from_functions` describes them."""

    synthesize_function: Callable[[Params, jax.Array], jax.Array]
    sample_function: Callable[[jax.Array], jax.Array] | None
    map_function: Callable[[Params, jax.Array], jax.Array] | None
    z_dim: int
    w_dim: int

    num_layers = 0
    label_dim = 0

    @property
    def spaces(self) -> tuple[str, ...]:
        """z, and w if there is a mapping function."""
        return ("z",) if self.map_function is None else ("z", "w")


def init(key: jax.Array, config: Config) -> Params:
    """Not available: the parameters of foreign functions are their owner's."""
    raise NotImplementedError("a generator made of functions has no init of its own")


def sample(
    key: jax.Array, num: int, config: Config, *, truncation: float | None = None
) -> jax.Array:
    """z [num, z_dim]; code i is drawn with fold_in(key, i)."""
    without_truncation(truncation)
    if config.sample_function is None:
        return normal_codes(key, num, config.z_dim)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(num))
    return jax.vmap(config.sample_function)(keys)


def map(
    params: Params, config: Config, z: jax.Array, label: jax.Array | None = None
) -> jax.Array:
    """z [N, z_dim] -> w [N, w_dim], the identity without a mapping function."""
    without_label(label)
    return z if config.map_function is None else config.map_function(params, z)


def synthesize(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    noise: Any = Noise.FIXED,
    hooks: Mapping[str, Hook] | None = None,
) -> jax.Array:
    """Latents [N, D] -> images [N, H, W, C]."""
    without_label(label)
    without_noise(noise)
    return steps.last(_run(params, config, latent), hooks, FEATURES)


def features(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    names: tuple[str, ...],
    noise: Any = Noise.FIXED,
    hooks: Mapping[str, Hook] | None = None,
) -> dict[str, jax.Array]:
    """The image under the name "image"; foreign functions show nothing else."""
    without_label(label)
    without_noise(noise)
    return steps.collect(_run(params, config, latent), names, hooks, FEATURES)


def feature_names(config: Config) -> tuple[str, ...]:
    """Of the image alone."""
    return FEATURES


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """None: where a latent enters a foreign function is not known."""
    return ()


def _run(params: Params, config: Config, latent: jax.Array) -> Steps:
    yield "image", config.synthesize_function(params, latent)
