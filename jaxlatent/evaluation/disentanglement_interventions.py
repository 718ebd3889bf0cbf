"""BetaVAE's and FactorVAE's scores: which factor was held, by what codes do then.

Batches are drawn in which one factor has the same value: here from a table of codes and
factors, and in `disentanglement_sampling` from a sampler of factors and an encoder.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxlatent.evaluation.disentanglement_predictors import quiet

_MOST_NUMBERS = 1 << 23
"""Of codes that are looked at together."""


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


class _Rows:
    """Rows of a table by the values of its factors."""

    def __init__(self, factors: np.ndarray) -> None:
        count = int(factors.max()) + 1
        sizes = (factors[..., None] == np.arange(count)).sum(axis=0)  # [F, V]
        self.factors, self.sizes = factors, sizes
        self.starts = np.cumsum(sizes, axis=1) - sizes
        self.order = np.argsort(factors, axis=0, kind="stable")

    def alike(
        self, rng: np.random.Generator, rows: np.ndarray, factor: np.ndarray
    ) -> np.ndarray:
        """Rows that have the same value of a factor as the given ones."""
        values = self.factors[rows, factor]
        place = rng.integers(0, self.sizes[factor, values])
        return self.order[self.starts[factor, values] + place, factor]


def beta_vae(
    codes: np.ndarray, factors: np.ndarray, votes: Votes = Votes(), *, seed: int = 0
) -> BetaVAE:
    """How well a regression tells which factor pairs of codes share.

    Higgins et al., "beta-VAE: Learning basic visual concepts with a constrained
    variational framework" (2017), section 3: it sees the mean absolute difference of
    the pairs in a batch.

    A value is held by taking rows that have it, with replacement; what else they have
    is as in the whole table where factors are independent of each other. Codes that
    know nothing are right 1 time in F, and a little more often where values are rare,
    for their rows are drawn again and again.

    Args:
        codes: [N, C].
        factors: [N, F] integers from 0.
        votes: how many.
        seed: of the rows.
    """
    rng = np.random.default_rng(seed)
    rows, total = _Rows(factors), votes.train + votes.evaluation
    factor = rng.integers(0, factors.shape[1], total)
    first = rng.integers(0, len(codes), (total, votes.batch))
    second = rows.alike(rng, first, factor[:, None])
    points = _in_parts(
        lambda part: np.abs(codes[first[part]] - codes[second[part]]).mean(axis=1),
        total,
        votes.batch * codes.shape[1],
    )
    return told_by_regression(points, factor, votes.train)


def factor_vae(
    codes: np.ndarray, factors: np.ndarray, votes: Votes = Votes(), *, seed: int = 0
) -> FactorVAE:
    """How well a majority vote tells which factor is held from the code that rests.

    Kim and Mnih, "Disentangling by factorising" (2018), section 4: of each batch it
    sees which code has the least variance in units of its variance over all. Values are
    held, and chance is, as for `beta_vae`.

    Args:
        codes: [N, C].
        factors: [N, F] integers from 0.
        votes: how many.
        seed: of the rows.
    """
    rng = np.random.default_rng(seed)
    rows, total = _Rows(factors), votes.train + votes.evaluation
    overall = codes[rng.integers(0, len(codes), votes.variance)].var(axis=0, ddof=1)
    factor = rng.integers(0, factors.shape[1], total)
    first = np.broadcast_to(
        rng.integers(0, len(codes), total)[:, None], (total, votes.batch)
    )
    held = rows.alike(rng, first, factor[:, None])
    local = _in_parts(
        lambda part: codes[held[part]].var(axis=1, ddof=1),
        total,
        votes.batch * codes.shape[1],
    )
    return told_by_majority(local, factor, overall, votes, factors.shape[1])


def _in_parts(
    call: Callable[[slice], np.ndarray], total: int, numbers: int
) -> np.ndarray:
    """What a call finds of all votes, each of which looks at so many numbers."""
    size = max(1, _MOST_NUMBERS // numbers)
    starts = range(0, total, size)
    return np.concatenate([call(slice(start, start + size)) for start in starts])


def told_by_regression(points: np.ndarray, factor: np.ndarray, train: int) -> BetaVAE:
    """BetaVAE's score of features.

    Args:
        points: [T, C] mean absolute differences.
        factor: [T] which was shared.
        train: how many of them, the first, are learned from.
    """
    from sklearn.linear_model import LogisticRegression

    if np.ptp(factor[:train]) == 0:  # of a single factor there is nothing to learn
        right = factor == factor[0]
    else:
        with quiet():
            model = LogisticRegression().fit(points[:train], factor[:train])
        right = model.predict(points) == factor
    return BetaVAE(float(right[train:].mean()), float(right[:train].mean()))


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
