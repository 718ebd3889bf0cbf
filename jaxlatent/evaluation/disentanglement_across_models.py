"""UDR: models that disentangle find the same codes; no factor is needed.

Duan et al., "Unsupervised model selection for variational disentangled representation
learning" (2020).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from jaxlatent.evaluation.disentanglement import read_table

LEAST_DIVERGENCE = 0.01
"""In nats: what a code that tells anything costs a VAE, by its mean divergence."""


class Agreement(NamedTuple):
    """How alike the codes of M models are, up to order and sign.

    Attributes:
        correlation: [M, M, C, C] between codes of two models; rows are the first's. A
            code that tells nothing has zeros.
        pairwise: [M, M] `relative_strength` of each; NaN on the diagonal.
        score: [M] UDR of each model: the median over the others as the first.
    """

    correlation: np.ndarray
    pairwise: np.ndarray
    score: np.ndarray


def relative_strength(matrix: np.ndarray) -> float:
    """Whether each row and column has one large entry: [R, S] -> number.

    Of correlations, from 0 to 1. Rows and columns of zeros count 0; an empty matrix is
    0.
    """
    if not matrix.size:
        return 0.0

    def along(axis: int) -> float:
        total = matrix.sum(axis=axis)
        best = matrix.max(axis=axis) ** 2
        share = np.divide(best, total, out=np.zeros_like(best), where=total > 0)
        return float(share.mean())

    return (along(0) + along(1)) / 2


def agreement(
    codes: np.ndarray,
    divergence: np.ndarray | None = None,
    by: Literal["lasso", "spearman"] = "lasso",
    *,
    seed: int = 0,
) -> Agreement:
    """UDR of several models of the same pictures.

    Args:
        codes: [M, N, C] of M >= 2 models.
        divergence: [M, C] mean Kullback-Leibler divergence of each code from its prior,
            in nats; codes of `LEAST_DIVERGENCE` or less tell nothing. None takes all
            codes that are not constant for telling.
        by: absolute coefficients of a lasso (alpha 0.1) from the first model's codes to
            the second's, or absolute rank correlations.
        seed: of the lasso.

    Raises:
        ValueError: for fewer models, other shapes, or another measure.
    """
    codes = np.asarray(codes, np.float64)
    if codes.ndim != 3 or len(codes) < 2:
        raise ValueError(
            f"codes: shape {codes.shape} given; [M, N, C] of two models or more is "
            "accepted"
        )
    if by not in ("lasso", "spearman"):
        raise ValueError(f"by: {by!r} given; 'lasso' or 'spearman' is accepted")
    spread = codes.std(axis=1, keepdims=True)
    told = spread[:, 0] > 0
    if divergence is not None:
        if np.shape(divergence) != told.shape:
            raise ValueError(
                f"divergence: shape {np.shape(divergence)} given; {told.shape} is "
                "accepted"
            )
        told &= np.asarray(divergence) > LEAST_DIVERGENCE
    scaled = (codes - codes.mean(axis=1, keepdims=True)) / np.where(spread, spread, 1)
    scaled = scaled * told[:, None]
    found = _lasso(scaled, seed) if by == "lasso" else _spearman(scaled)
    count = len(codes)
    pairwise = np.full((count, count), np.nan)
    for one, two in zip(*np.nonzero(~np.eye(count, dtype=bool)), strict=True):
        pairwise[one, two] = relative_strength(found[one, two][told[one]][:, told[two]])
    return Agreement(found, pairwise, np.nanmedian(pairwise, axis=0))


class Models(NamedTuple):
    """What files of several models hold, as `agreement` takes it.

    Attributes:
        codes: [M, N, C].
        divergence: [M, C], None if they have none.
    """

    codes: np.ndarray
    divergence: np.ndarray | None = None


def read_models(files: Sequence[str | Path]) -> Models:
    """Read an `.npz` of each model: `codes` [N, C], and all or none `divergence` [C].

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: one is damaged, lacks codes, or has others than the first; names it;
            or there is none.
    """
    if not files:
        raise ValueError("files: none given; one of each model is accepted")
    tables = [read_table(file, codes="[N, C]") for file in files]
    names = [name for name in Models._fields if name in tables[0]]
    first = {name: np.shape(tables[0][name]) for name in names}
    for file, table in zip(files, tables, strict=True):
        own = {name: np.shape(table[name]) for name in Models._fields if name in table}
        if own != first:
            raise ValueError(
                f"{file}: {_words(own)} given; {_words(first)} is accepted, as of "
                f"{files[0]}"
            )
    return Models(*(np.stack([table[name] for table in tables]) for name in names))


def _words(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _lasso(scaled: np.ndarray, seed: int) -> np.ndarray:
    """Coefficients from each model's codes to all of each other's."""
    from sklearn.linear_model import Lasso

    count, _, size = scaled.shape
    found = np.zeros((count, count, size, size))
    for one, inputs in enumerate(scaled):
        # one fit for all other models: their codes are separate problems
        outputs = np.concatenate(list(scaled), axis=1)
        weights = Lasso(alpha=0.1, random_state=seed).fit(inputs, outputs).coef_
        found[one] = np.abs(weights).reshape(count, size, size).transpose(0, 2, 1)
    return found


def _spearman(scaled: np.ndarray) -> np.ndarray:
    """Rank correlations of all pairs of codes of all pairs of models."""
    from scipy.stats import rankdata

    count, rows, size = scaled.shape
    ranks = rankdata(scaled, axis=1)
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    ranks = ranks / np.where(length > 0, length, 1)
    flat = ranks.transpose(1, 0, 2).reshape(rows, count * size)
    return np.abs(flat.T @ flat).reshape(count, size, count, size).transpose(0, 2, 1, 3)
