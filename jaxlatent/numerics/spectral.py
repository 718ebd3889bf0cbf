"""Eigenproblems whose order, rank and signs are well defined."""

from typing import NamedTuple

import numpy as np


class Spectrum(NamedTuple):
    """Eigenvalues and eigenvectors of a symmetric matrix.

    Attributes:
        values: [D] float64, descending.
        vectors: [D, D] float64, row i belongs to value i; largest entry positive.
        rank: how many values exceed rounding.
    """

    values: np.ndarray
    vectors: np.ndarray
    rank: int


def symmetric_spectrum(matrix: np.ndarray) -> Spectrum:
    """Decompose a positive semi-definite matrix [D, D] on the host, in float64.

    Raises:
        ValueError: if the matrix is not square or not finite.
    """
    matrix = np.asarray(matrix, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"matrix: shape {matrix.shape} given; [D, D] is accepted")
    if not np.isfinite(matrix).all():
        raise ValueError("matrix: holds values that are not finite")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    values, vectors = values[::-1], vectors.T[::-1]
    threshold = np.abs(values).max() * len(values) * np.finfo(np.float64).eps
    rank = int(np.sum(values > threshold))
    return Spectrum(values, canonical_sign(vectors), rank)


def canonical_sign(vectors: np.ndarray) -> np.ndarray:
    """Flip rows of [K, D] so that the entry of largest magnitude is positive."""
    peak = np.argmax(np.abs(vectors), axis=1)
    sign = np.sign(np.take_along_axis(vectors, peak[:, None], axis=1))
    return vectors * np.where(sign == 0, 1, sign)
