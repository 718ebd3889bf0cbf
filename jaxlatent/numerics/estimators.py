"""scikit-learn's estimators with the settings of GANSpace's code; on the host.

The incremental one takes blocks of rows, the others all rows at once.
"""

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from jaxlatent.numerics.pca import Components, numerical_rank
from jaxlatent.numerics.spectral import canonical_sign

STORED_LIMIT = (2**31 - 1) // 4
"""Entries that the estimators which need all rows at once accept, as the original."""


def blocks_of(
    rows: Iterable[np.ndarray], size: int, total: int, least: int = 1
) -> Iterator[np.ndarray]:
    """Regroup rows into blocks of `size`.

    Args:
        rows: arrays [N, D] of any lengths.
        size: rows in a block.
        total: how many rows there are.
        least: a remainder of fewer rows joins the last block.
    """
    parts: list[np.ndarray] = []
    held = sent = 0
    for part in rows:
        parts.append(part)
        held += len(part)
        while held >= size and total - sent - size >= least:
            whole = np.concatenate(parts)
            yield whole[:size]
            parts, held, sent = [whole[size:]], held - size, sent + size
    if held:
        yield np.concatenate(parts)


def incremental_components(blocks: Iterable[np.ndarray], k: int) -> Components:
    """scikit-learn's IncrementalPCA, for parity with the original.

    It forgets all but k directions between blocks, so the last components are biased.

    Args:
        blocks: arrays [N, D], each of at least k rows.
        k: components.
    """
    from sklearn.decomposition import IncrementalPCA

    model: Any = IncrementalPCA(n_components=k)
    for block in blocks:
        model.partial_fit(block)
    stdev = np.sqrt(np.asarray(model.explained_variance_, np.float64))
    divisor = model.n_samples_seen_ - 1
    total = (
        float(np.sum(model.var_, dtype=np.float64)) * model.n_samples_seen_ / divisor
    )
    values = stdev**2
    return Components(
        mean=np.asarray(model.mean_, np.float64),
        vectors=canonical_sign(np.asarray(model.components_, np.float64)),
        stdev=stdev,
        variance_ratio=np.asarray(model.explained_variance_ratio_, np.float64),
        total_variance=total,
        rank=numerical_rank(values, len(model.mean_), model.components_.dtype),
    )


def independent_components(rows: np.ndarray, k: int, *, seed: int = 0) -> Components:
    """scikit-learn's FastICA of rows [N, D]; the original's settings.

    The unmixing rows are brought to unit length; they are not orthogonal, so a
    projection on them is not a coordinate. `mixing` holds the sources' own effects.

    Raises:
        ValueError: if the iteration does not converge, or the rows are too many.
    """
    from sklearn.decomposition import FastICA

    centred, mean = _stored(rows)
    model: Any = FastICA(
        n_components=k, whiten="arbitrary-variance", max_iter=10000, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sources = np.asarray(model.fit_transform(centred))
    if model.n_iter_ >= 10000:
        raise ValueError("estimator: 'ica' did not converge in 10000 iterations")
    unmixing = np.asarray(model.components_, np.float64)
    vectors = unmixing / np.linalg.norm(unmixing, axis=1, keepdims=True)
    mixing = np.asarray(model.mixing_, np.float64).T * np.std(sources, axis=0)[:, None]
    found = _by_projection(centred, mean, vectors, centred @ vectors.T)
    order = np.argsort(-np.std(centred @ vectors.T, axis=0), kind="stable")
    sign = np.sign(np.sum(found.vectors * vectors[order], axis=1))
    return found._replace(mixing=mixing[order] * sign[:, None])


def sparse_components(
    rows: np.ndarray, k: int, *, alpha: float = 1.0, seed: int = 0
) -> Components:
    """scikit-learn's SparsePCA of rows [N, D]; the original's settings.

    Args:
        rows: [N, D].
        k: components.
        alpha: weight of the L1 penalty.
        seed: of the iteration's start.

    Raises:
        ValueError: if the rows are too many.
    """
    from sklearn.decomposition import SparsePCA

    centred, mean = _stored(rows)
    settings: dict[str, Any] = dict(alpha=alpha, ridge_alpha=0.01, max_iter=100)
    model: Any = SparsePCA(n_components=k, random_state=seed, **settings)
    codes = model.fit(centred).transform(centred)
    vectors = np.asarray(model.components_, np.float64)
    return _by_projection(centred, mean, vectors, codes)


def check_stored(num: int, dim: int) -> None:
    """Raise ValueError if `num` rows are too many to be held at once."""
    if num * dim > STORED_LIMIT:
        raise ValueError(
            f"num: {num} rows of {dim} numbers given; this estimator holds all rows at "
            f"once, {STORED_LIMIT // dim} are accepted"
        )


def _stored(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centred rows and their mean."""
    check_stored(*rows.shape)
    mean = rows.mean(axis=0, dtype=np.float64)
    return rows - mean.astype(rows.dtype)[None], mean


def _by_projection(
    centred: np.ndarray, mean: np.ndarray, vectors: np.ndarray, codes: np.ndarray
) -> Components:
    """Components in the order of the spread (divisor n) of their codes [N, K]."""
    stdev = np.std(codes, axis=0, dtype=np.float64)
    order = np.argsort(-stdev, kind="stable")
    total = float(np.var(centred, axis=0, dtype=np.float64).sum())
    return Components(
        mean=mean,
        vectors=canonical_sign(vectors[order]),
        stdev=stdev[order],
        variance_ratio=stdev[order] ** 2 / (total or 1),
        total_variance=total,
        rank=int(np.sum(stdev > 0)),
    )
