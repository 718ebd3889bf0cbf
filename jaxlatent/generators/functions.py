"""The family of generators that are made of a user's own functions."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxlatent.generators.inputs import normal_codes, without_label, without_noise
from jaxlatent.generators.plain import broadcast as broadcast
from jaxlatent.generators.plain import embed as embed
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.plain import prepare as prepare
from jaxlatent.generators.plain import truncate as truncate
from jaxlatent.generators.plain import without_truncation
from jaxlatent.generators.steps import Steps
from jaxlatent.types import Affine, Noise, Params


@dataclass(frozen=True)
class Config:
    """The functions, as `Generator.from_functions` describes them.

    Attributes:
        resolution: 0, since what `synthesize_function` makes is not known before it
            runs; such pictures are never drawn one by one to save memory.
    """

    synthesize_function: Callable[[Params, jax.Array], jax.Array]
    sample_function: Callable[[jax.Array], jax.Array] | None
    map_function: Callable[[Params, jax.Array], jax.Array] | None
    z_dim: int
    w_dim: int

    num_layers = 0
    label_dim = 0
    resolution = 0
    truncated_prior = False

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


def run(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """Latents [N, D] -> images [N, H, W, C]; a user's functions show nothing else."""
    without_label(label)
    without_noise(noise)
    yield "image", config.synthesize_function(params, latent)


def feature_names(config: Config) -> tuple[str, ...]:
    """The image alone."""
    return ("image",)


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """None: where a latent enters a foreign function is not known."""
    return ()
