"""BetaVAE's and FactorVAE's scores where factors can be set: a sampler, an encoder.

As `disentanglement_interventions`, but without a table: each vote draws its own batch
of factors, and what they look like is encoded. All votes are independent samples of one
compiled function. Chance is exactly 1 / F.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.evaluation.disentanglement_interventions import (
    BetaVAE,
    FactorVAE,
    Votes,
    told_by_majority,
    told_by_regression,
)
from jaxlatent.latents import sample_keys
from jaxlatent.types import Model

_FIRST, _SECOND = range(2)
_FACTOR, _BATCH = range(2)
_PLAIN = np.uint32(2**32 - 1)
_CHUNK = 16


class VoteOptions(TypedDict, total=False):
    """How votes are cast."""

    chunk: int
    """Votes per compiled call, 16 if left out; bounds memory."""
    mesh: Mesh | None
    """Devices that the votes of a call are split over, None for one."""
    progress: Callable[[int], None] | None
    """Called with the number of votes just done."""


@flax.struct.dataclass(eq=False)
class FactorSampler:
    """Codes of what is drawn from factors, such as a world and an encoder.

    Attributes:
        sample: key, number -> factors [number, F].
        encode: factors [N, F] -> codes [N, C]; for instance of a picture of them.
        num_factors: F.
    """

    sample: Model
    encode: Model
    num_factors: int = flax.struct.field(pytree_node=False)

    def draw(self, keys: jax.Array) -> jax.Array:
        """[T, C] codes for typed keys [T]."""
        return self.encode(jax.vmap(lambda key: self.sample(key, 1)[0])(keys))

    def held(self, keys: jax.Array, factor: jax.Array, size: int) -> jax.Array:
        """[T, size, C]: batches that share the value of factor [T], the first one's."""
        factors = jax.vmap(lambda key: self.sample(key, size))(keys)
        return self._encoded(self._copied(factors, factors[:, :1], factor))

    def pairs(
        self, keys: jax.Array, factor: jax.Array, size: int
    ) -> tuple[jax.Array, jax.Array]:
        """Two of [T, size, C]: pairs of codes that share the value of factor [T]."""
        one, two = (
            jax.vmap(
                lambda key, part=part: self.sample(jax.random.fold_in(key, part), size)
            )(keys)
            for part in (_FIRST, _SECOND)
        )
        return self._encoded(one), self._encoded(self._copied(two, one, factor))

    def _copied(
        self, factors: jax.Array, other: jax.Array, factor: jax.Array
    ) -> jax.Array:
        """Factors [T, B, F] in which that of each vote [T] is the other's."""
        held = jnp.arange(self.num_factors)[None] == factor[:, None]
        other = jnp.broadcast_to(other, factors.shape)
        return jnp.where(held[:, None], other, factors)

    def _encoded(self, factors: jax.Array) -> jax.Array:
        codes = self.encode(factors.reshape(-1, factors.shape[-1]))
        return codes.reshape(*factors.shape[:-1], -1)


def sampled_beta_vae(
    sampler: FactorSampler,
    votes: Votes = Votes(),
    *,
    key: jax.Array,
    **options: Unpack[VoteOptions],
) -> BetaVAE:
    """BetaVAE's score; see `disentanglement_interventions.beta_vae`.

    Args:
        sampler: what draws; compiled with its weights as arguments.
        votes: how many.
        key: vote n draws from `fold_in(key, n)`.
        **options: see `VoteOptions`; a vote encodes 2 x batch codes.
    """
    points, factor = _cast(_differences, sampler, votes, key=key, **options)
    return told_by_regression(points, factor, votes.train)


def sampled_factor_vae(
    sampler: FactorSampler,
    votes: Votes = Votes(),
    *,
    key: jax.Array,
    **options: Unpack[VoteOptions],
) -> FactorVAE:
    """FactorVAE's score; see `disentanglement_interventions.factor_vae`.

    Args:
        sampler: what draws; compiled with its weights as arguments.
        votes: how many.
        key: vote n draws from `fold_in(key, n)`.
        **options: see `VoteOptions`; a vote encodes batch codes.
    """
    size, mesh = options.get("chunk", _CHUNK) * votes.batch, options.get("mesh")
    keys = sample_keys(jax.random.fold_in(key, _PLAIN), np.arange(votes.variance))
    parts = in_chunks(
        _drawn, (keys,), votes.variance, size, whole=(sampler,), mesh=mesh
    )
    overall = np.concatenate(list(parts)).astype(np.float64).var(axis=0, ddof=1)
    local, factor = _cast(_variances, sampler, votes, key=key, **options)
    return told_by_majority(local, factor, overall, votes, sampler.num_factors)


def _cast(
    call: Any,
    sampler: FactorSampler,
    votes: Votes,
    *,
    key: jax.Array,
    chunk: int = _CHUNK,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What a call finds of all votes."""
    total = votes.train + votes.evaluation
    parts = in_chunks(
        partial(call, batch=votes.batch),
        (sample_keys(key, np.arange(total)),),
        total,
        chunk,
        progress,
        whole=(sampler,),
        mesh=mesh,
    )
    points, factor = (np.concatenate(one) for one in zip(*parts, strict=True))
    return points, factor


def _held_factor(sampler: FactorSampler, keys: jax.Array) -> jax.Array:
    """[T] which factor each vote holds."""
    own = jax.vmap(jax.random.fold_in, (0, None))(keys, _FACTOR)
    return jax.vmap(lambda key: jax.random.randint(key, (), 0, sampler.num_factors))(
        own
    )


@jax.jit
def _drawn(sampler: FactorSampler, keys: jax.Array) -> jax.Array:
    return sampler.draw(keys)


@partial(jax.jit, static_argnames=("batch",))
def _differences(
    sampler: FactorSampler, keys: jax.Array, *, batch: int
) -> tuple[jax.Array, jax.Array]:
    """[T, C] mean absolute differences of pairs that share a factor, and which [T]."""
    factor = _held_factor(sampler, keys)
    own = jax.vmap(jax.random.fold_in, (0, None))(keys, _BATCH)
    one, two = sampler.pairs(own, factor, batch)
    return jnp.abs(one - two).mean(axis=1), factor


@partial(jax.jit, static_argnames=("batch",))
def _variances(
    sampler: FactorSampler, keys: jax.Array, *, batch: int
) -> tuple[jax.Array, jax.Array]:
    """[T, C] variances of batches in which a factor is held, and which [T]."""
    factor = _held_factor(sampler, keys)
    own = jax.vmap(jax.random.fold_in, (0, None))(keys, _BATCH)
    return sampler.held(own, factor, batch).var(axis=1, ddof=1), factor
