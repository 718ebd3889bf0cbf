"""How much codes depend on each other, and on factors that were not meant: no trees.

The unsupervised scores and the interventional robustness score of "Challenging common
assumptions" (Locatello et al., 2019). What a code that is constant does to each is said
there; infinite values are returned as such.
"""

from typing import NamedTuple

import numpy as np

from jaxlatent.evaluation.disentanglement_information import (
    BINS,
    discretise,
    entropy,
    mutual_information,
)


def gaussian_total_correlation(covariance: np.ndarray) -> float:
    """The total correlation in nats of a Gaussian law: [C, C] -> 0 to infinity.

    -ln(1 - rho^2) / 2 for two codes of correlation rho; infinite where codes determine
    one another; NaN with a constant code, of which nothing can be said.
    """
    variances = np.diag(covariance)
    if not (variances > 0).all():
        return float("nan")
    scale = np.sqrt(variances)
    values = np.linalg.eigvalsh(covariance / np.outer(scale, scale))
    # of a singular matrix, the least eigenvalue is rounding
    if values[0] <= len(values) * np.finfo(np.float64).eps * values[-1]:
        return float("inf")
    return float(-np.log(values).sum() / 2)


def gaussian_wasserstein_correlation(
    covariance: np.ndarray, *, normalised: bool = False
) -> float:
    """The squared 2-Wasserstein distance of a Gaussian law to that of its margins.

    Xiao and Wang, "Disentangled representation learning with Wasserstein total
    correlation" (2019). For two codes of variance 1 and correlation rho it is
    4 - 2 (sqrt(1 + rho) + sqrt(1 - rho)).

    Args:
        covariance: [C, C]; a constant code changes nothing.
        normalised: whether in units of the sum of variances.

    Returns:
        From 0, for independent codes, to `wasserstein_ceiling`; 0 of constant codes.
    """
    scale = np.sqrt(np.diag(covariance))
    # similar to the product of the two covariances, but symmetric
    values = np.linalg.eigvalsh(covariance * np.outer(scale, scale))
    total = np.trace(covariance)
    cost = 2 * total - 2 * np.sqrt(np.maximum(values, 0)).sum()
    return float(cost / (total or 1.0) if normalised else cost)


def wasserstein_ceiling(covariance: np.ndarray, *, normalised: bool = False) -> float:
    """What the Wasserstein correlation is where each code determines all others.

    The sum of the roots of eigenvalues is at least the root of their sum, which is the
    sum of squared variances, and equal to it for a covariance of rank 1.
    """
    variances = np.diag(covariance)
    total = variances.sum()
    cost = 2 * total - 2 * np.sqrt(np.sum(variances**2))
    return float(cost / (total or 1.0) if normalised else cost)


def mean_mutual_information(codes: np.ndarray, bins: int = BINS) -> tuple[float, float]:
    """The mutual information of two codes in nats, the mean over all pairs.

    Args:
        codes: [N, C].
        bins: of each.

    Returns:
        The mean and its ceiling, the mean of the smaller entropy of each pair; zeros
        of a single code.
    """
    cut = discretise(codes, bins)
    pairs = ~np.eye(codes.shape[1], dtype=bool)
    if not pairs.any():
        return 0.0, 0.0
    own = entropy(cut)
    most = np.minimum(own[:, None], own[None])
    return float(mutual_information(cut, cut)[pairs].mean()), float(most[pairs].mean())


class Robustness(NamedTuple):
    """Interventional robustness of codes.

    Attributes:
        score: the mean of `by_code`, weighted by `deviation`; 0 of constant codes.
        matrix: [C, F] 1 minus the share of a code's range that is left where a factor
            is held; NaN for a constant code.
        by_code: [C] the largest of each row.
        parent: [C] whose it is; 0 for a constant code.
        deviation: [C] the largest distance of a code to its mean.
        active: how many codes are not constant.
    """

    score: float
    matrix: np.ndarray
    by_code: np.ndarray
    parent: np.ndarray
    deviation: np.ndarray
    active: int


def robustness(
    codes: np.ndarray, factors: np.ndarray, quantile: float = 0.99
) -> Robustness:
    """IRS: how little a code moves while the factor that it follows is held.

    Suter et al., "Robustly disentangled causal mechanisms" (2019); they take the
    largest deviation, quantile 1, where the study takes 0.99.

    Args:
        codes: [N, C].
        factors: [N, F] integers.
        quantile: of the deviations within a value of a factor.
    """
    codes = np.asarray(codes, np.float64)
    deviation = np.abs(codes - codes.mean(axis=0)).max(axis=0)
    moves = np.ptp(codes, axis=0) > 0
    left = np.stack([_held(codes, column, quantile) for column in factors.T], axis=1)
    matrix = 1 - np.divide(
        left, deviation[:, None], out=np.full_like(left, np.nan), where=moves[:, None]
    )
    known = np.where(moves[:, None], matrix, -np.inf)
    by_code = np.where(moves, known.max(axis=1), np.nan)
    weights = np.where(moves, deviation, 0)
    score = np.nansum(by_code * weights) / (weights.sum() or 1.0)
    parent = np.where(moves, known.argmax(axis=1), 0)
    return Robustness(
        float(score), matrix, by_code, parent, deviation, int(moves.sum())
    )


def _held(codes: np.ndarray, factor: np.ndarray, quantile: float) -> np.ndarray:
    """[C] the deviation that is left within a value of a factor, the mean over them."""
    order = np.argsort(factor, kind="stable")
    starts = np.flatnonzero(np.diff(factor[order])) + 1
    found = [
        np.quantile(np.abs(part - part.mean(axis=0)), quantile, axis=0)
        for part in np.split(codes[order], starts)
    ]
    return np.mean(found, axis=0)
