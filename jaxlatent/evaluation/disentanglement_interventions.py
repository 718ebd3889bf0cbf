"""BetaVAE's and FactorVAE's scores: which factor was held, by what codes do then.

Batches are drawn in which one factor has the same value, from a source (see
`disentanglement_sources`). All votes are independent samples of one compiled function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.evaluation.disentanglement_sources import Source
from jaxlatent.latents import sample_keys

_FACTOR, _BATCH = range(2)
_PLAIN = np.uint32(2**32 - 1)


@dataclass(frozen=True)
class Votes:
    """How many batches are drawn; the study's numbers by default."""

    train: int = 10_000
    """Batches that a classifier learns from."""
    evaluation: int = 5_000
    """Batches that it is judged by."""
    batch: int = 64
    """Codes of a batch, or pairs of codes."""
    variance: int = 10_000
    """Codes that FactorVAE's variances are of."""
    prune: float = 0.05
    """FactorVAE leaves out codes whose deviation is below this share of the largest.
    The study has it below 0.05, for codes of VAEs, whose largest deviation is near 1;
    as a share it does not depend on the codes' unit."""


class BetaVAE(NamedTuple):
    """BetaVAE's score; chance is 1 / F, and the ceiling 1.

    Attributes:
        accuracy: on batches that were not learned from: the score.
        train_accuracy: on the others.
    """

    accuracy: float
    train_accuracy: float


class FactorVAE(NamedTuple):
    """FactorVAE's score; chance is 1 / F, and the ceiling 1.

    Attributes:
        accuracy: on batches that were not learned from: the score; 0 without any
            active code.
        train_accuracy: on the others.
        votes: [F, C] of the factor held, and of the code that varied least.
        active: [C] whether a code takes part.
    """

    accuracy: float
    train_accuracy: float
    votes: np.ndarray
    active: np.ndarray


def beta_vae(
    source: Source,
    votes: Votes = Votes(),
    *,
    key: jax.Array,
    chunk: int = 16,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> BetaVAE:
    """How well a regression tells which factor pairs of codes share.

    Higgins et al., "beta-VAE: Learning basic visual concepts with a constrained
    variational framework" (2017), section 3: it sees the mean absolute difference of
    the pairs in a batch. Codes that know nothing are right 1 time in F, exactly so
    where a source draws from a sampler; where it is a table, rare values are drawn
    again and again, by which a factor can be told a little more often.

    Args:
        source: what draws; it can be compiled.
        votes: how many.
        key: vote n draws from `fold_in(key, n)`.
        chunk: votes per compiled call, of 2 x batch codes each; bounds memory.
        mesh: devices that the votes of a call are split over, None for one.
        progress: called with the number of votes just done.
    """
    points, factor = _cast(_differences, source, votes, key, chunk, mesh, progress)
    return told_by_regression(points, factor, votes.train)


def told_by_regression(points: np.ndarray, factor: np.ndarray, train: int) -> BetaVAE:
    """BetaVAE's score of features.

    Args:
        points: [T, C] mean absolute differences.
        factor: [T] which was shared.
        train: how many of them, the first, are learned from.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(points[:train], factor[:train])
    right = model.predict(points) == factor
    return BetaVAE(float(right[train:].mean()), float(right[:train].mean()))


def factor_vae(
    source: Source,
    votes: Votes = Votes(),
    *,
    key: jax.Array,
    chunk: int = 16,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> FactorVAE:
    """How well a majority vote tells which factor is held from the code that rests.

    Kim and Mnih, "Disentangling by factorising" (2018), section 4: of each batch it
    sees which code has the least variance in units of its variance over all. Chance is
    as for `beta_vae`.

    Args:
        source: what draws; it can be compiled.
        votes: how many.
        key: vote n draws from `fold_in(key, n)`.
        chunk: votes per compiled call, of batch codes each; bounds memory.
        mesh: devices that the votes of a call are split over, None for one.
        progress: called with the number of votes just done.
    """
    size = chunk * votes.batch
    keys = sample_keys(jax.random.fold_in(key, _PLAIN), np.arange(votes.variance))
    parts = in_chunks(_drawn, (keys,), votes.variance, size, whole=(source,), mesh=mesh)
    overall = np.concatenate(list(parts)).astype(np.float64).var(axis=0, ddof=1)
    local, factor = _cast(_variances, source, votes, key, chunk, mesh, progress)
    return told_by_majority(local, factor, overall, votes, source.num_factors)


def told_by_majority(
    local: np.ndarray,
    factor: np.ndarray,
    overall: np.ndarray,
    votes: Votes,
    num_factors: int,
) -> FactorVAE:
    """FactorVAE's score of variances.

    Args:
        local: [T, C] of the batches.
        factor: [T] which was held.
        overall: [C] of all codes.
        votes: how many batches are learned from, and which codes take part.
        num_factors: F.
    """
    deviation = np.sqrt(overall)
    active = (deviation > 0) & (deviation >= votes.prune * deviation.max(initial=0))
    table = np.zeros((2, num_factors, len(overall)), np.int64)
    if not active.any():
        return FactorVAE(0.0, 0.0, table.sum(axis=0), active)
    share = np.where(active, local / np.where(active, overall, 1), np.inf)
    later = np.arange(len(factor)) >= votes.train
    np.add.at(table, (later.astype(int), factor, share.argmin(axis=1)), 1)
    train, evaluation = table
    return FactorVAE(
        majority(train, evaluation),
        majority(train, train),
        train + evaluation,
        active,
    )


def majority(train: np.ndarray, votes: np.ndarray) -> float:
    """How often the factor that most often goes with a code in `train` is right.

    Args:
        train: [F, C] votes to learn from; of equal numbers the first factor is taken.
        votes: [F, C] votes to be told.
    """
    best = train.argmax(axis=0)
    return float(votes[best, np.arange(len(best))].sum() / votes.sum())


def _cast(
    call: Any,
    source: Source,
    votes: Votes,
    key: jax.Array,
    chunk: int,
    mesh: Mesh | None,
    progress: Callable[[int], None] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """What a call finds of all votes."""
    total = votes.train + votes.evaluation
    parts = in_chunks(
        partial(call, batch=votes.batch),
        (sample_keys(key, np.arange(total)),),
        total,
        chunk,
        progress,
        whole=(source,),
        mesh=mesh,
    )
    points, factor = (np.concatenate(one) for one in zip(*parts, strict=True))
    return points, factor


def _held_factor(source: Source, keys: jax.Array) -> jax.Array:
    """[T] which factor each vote holds."""
    own = jax.vmap(jax.random.fold_in, (0, None))(keys, _FACTOR)
    return jax.vmap(lambda key: jax.random.randint(key, (), 0, source.num_factors))(own)


@jax.jit
def _drawn(source: Source, keys: jax.Array) -> jax.Array:
    return source.draw(keys)


@partial(jax.jit, static_argnames=("batch",))
def _differences(
    source: Source, keys: jax.Array, *, batch: int
) -> tuple[jax.Array, jax.Array]:
    """[T, C] mean absolute differences of pairs that share a factor, and which [T]."""
    factor = _held_factor(source, keys)
    own = jax.vmap(jax.random.fold_in, (0, None))(keys, _BATCH)
    one, two = source.pairs(own, factor, batch)
    return jnp.abs(one - two).mean(axis=1), factor


@partial(jax.jit, static_argnames=("batch",))
def _variances(
    source: Source, keys: jax.Array, *, batch: int
) -> tuple[jax.Array, jax.Array]:
    """[T, C] variances of batches in which a factor is held, and which [T]."""
    factor = _held_factor(source, keys)
    own = jax.vmap(jax.random.fold_in, (0, None))(keys, _BATCH)
    return source.held(own, factor, batch).var(axis=1, ddof=1), factor
