"""Separating hyperplanes."""

from typing import NamedTuple

import numpy as np


class Hyperplane(NamedTuple):
    """The set of points x with `normal @ x + bias == 0`.

    Attributes:
        normal: [D] float64, of unit length, towards the positive side.
        bias: signed distance of the origin.
    """

    normal: np.ndarray
    bias: float

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distances [N] of points [N, D]."""
        return points @ self.normal + self.bias


def fit_hyperplane(
    points: np.ndarray,
    positive: np.ndarray,
    *,
    penalty: float = 1.0,
    tolerance: float = 1e-3,
) -> Hyperplane:
    """Fit a linear soft-margin support vector machine, on the host.

    Minimises `|w|^2 / 2 + penalty * sum(c max(0, 1 - y (w x + b)))` with libsvm, where
    both sides weigh the same: c is N / 2 over the number of points on a point's side.

    Args:
        points: [N, D].
        positive: [N] bool, the side of each point.
        penalty: weight of the margin's violations.
        tolerance: of libsvm's stopping rule; 1e-3 leaves about 1e-6 of 1 - cosine.

    Raises:
        ValueError: if one side is empty or the points cannot be told apart.
    """
    from sklearn.svm import SVC

    positive = np.asarray(positive, bool)
    if positive.all() or not positive.any():
        raise ValueError(
            f"positive: {positive.sum()} of {positive.size} points; both sides are "
            "needed"
        )
    machine = SVC(kernel="linear", C=penalty, tol=tolerance, class_weight="balanced")
    machine.fit(np.asarray(points), positive.astype(np.int64))
    weights = np.asarray(machine.coef_[0], np.float64)
    length = np.linalg.norm(weights)
    if length == 0:
        raise ValueError("points: both sides coincide, so no hyperplane separates them")
    return Hyperplane(weights / length, float(machine.intercept_[0] / length))


def project_out(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Remove from each row of [K, D] its part in the span of the rows of [M, D].

    The span's rank is decided in float64, so that repeated or scaled rows of `others`
    change nothing.
    """
    vectors = np.asarray(vectors, np.float64)
    others = np.asarray(others, np.float64)
    if len(others) == 0:
        return vectors
    _, values, basis = np.linalg.svd(others, full_matrices=False)
    basis = basis[values > values[0] * max(others.shape) * np.finfo(np.float64).eps]
    return vectors - (vectors @ basis.T) @ basis
