"""Robust principal component analysis: a matrix as low rank plus sparse.

Candès, Li, Ma, Wright, "Robust Principal Component Analysis?", J. ACM 2011:

    minimise ||L||_* + penalty * ||S||_1   such that   L + S = M,

by alternating directions: L is the singular value thresholding of M - S - Y / mu, S the
shrinkage of M - L - Y / mu, and Y grows by mu (L + S - M). All of it in float64, on the
host.

`robust_pca` is the loop that LowRankGAN's directions were found with. Its mu comes from
the induced 1-norm and it stops as soon as L + S = M holds, whether or not L and S have
settled, so what it returns is often far from the minimum; its ranks belong to this very
order of steps. `principal_component_pursuit` solves the problem itself.

Of a symmetric M every L is symmetric. Its thresholding then takes the eigensystem of a
tridiagonal form, and turns back and multiplies the eigenvectors on the smaller side of
the threshold alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_THREADS = 1
"""Of BLAS. NumPy and SciPy each bring one, whose idle threads spin: beside another busy
process, two cores took 0.6 to 3.6 s for an iteration at 512 rows, one took 0.045 s."""

Vectors = Callable[[int, int], np.ndarray]
"""Eigenvectors from a first to before a last one, as columns."""


class Thresholded(NamedTuple):
    """A matrix whose singular values were shrunk.

    Attributes:
        matrix: [m, n].
        values: the singular values that are left, positive, in no order.
    """

    matrix: np.ndarray
    values: np.ndarray


class RobustPCA(NamedTuple):
    """A matrix M split in two.

    Attributes:
        low_rank: L [m, n].
        sparse: S [m, n].
        iterations: how many were made.
        rank: of L: singular values above the last threshold.
        converged: whether the stopping rule was met.
        primal: ||L + S - M|| / ||M||, Frobenius.
        dual: the last change of S over the multiplier, mu ||S - S'|| / ||Y||.
        objective: ||L||_* + penalty * ||S||_1.
        penalty: the weight of S.
    """

    low_rank: np.ndarray
    sparse: np.ndarray
    iterations: int
    rank: int
    converged: bool
    primal: float
    dual: float
    objective: float
    penalty: float


def shrink(values: np.ndarray, threshold: float) -> np.ndarray:
    """Move every entry towards zero by `threshold`, and not past it."""
    return values - np.clip(values, -threshold, threshold)


def threshold_singular_values(matrix: np.ndarray, threshold: float) -> Thresholded:
    """Shrink the singular values of [m, n]; an exactly symmetric one stays so.

    Raises:
        ValueError: for a matrix of another rank or values that are not finite.
    """
    matrix = _checked(matrix)
    return _thresholding(matrix)(matrix, threshold)


def robust_pca(
    matrix: np.ndarray,
    *,
    penalty: float | None = 1 / 60,
    tolerance: float = 1e-7,
    max_iterations: int = 10_000,
) -> RobustPCA:
    """LowRankGAN's iteration, with its mu, order and stopping rule.

    mu = m n / (4 ||M||), with the largest absolute column sum for a norm, and the loop
    ends when ||L + S - M|| <= `tolerance` ||M||, Frobenius.

    Args:
        matrix: [m, n], not zero.
        penalty: of S; None for 1 / sqrt(max(m, n)).
        tolerance: of the stopping rule.
        max_iterations: at most; a smaller number shows the state after it.

    Raises:
        ValueError: names the argument that does not fit.
    """
    from threadpoolctl import threadpool_limits

    checked = _checked(matrix)
    # of float32 in float32, as the original's, so that mu is the same number
    norm = np.abs(matrix).sum(axis=0).max()
    with threadpool_limits(_THREADS, user_api="blas"):
        return _alternate(
            checked, norm, penalty, tolerance, max_iterations, to_optimum=False
        )


def principal_component_pursuit(
    matrix: np.ndarray,
    *,
    penalty: float | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 10_000,
) -> RobustPCA:
    """The minimum itself: both residuals below `tolerance`.

    mu starts at m n / (4 ||M||), with the sum of all absolute entries for a norm, and
    is moved now and then to where the two relative residuals would be equal.

    Args:
        matrix: [m, n], not zero.
        penalty: of S; None for 1 / sqrt(max(m, n)).
        tolerance: of `primal` and `dual`.
        max_iterations: at most.

    Raises:
        ValueError: names the argument that does not fit.
    """
    from threadpoolctl import threadpool_limits

    matrix = _checked(matrix)
    norm = np.abs(matrix).sum()
    with threadpool_limits(_THREADS, user_api="blas"):
        return _alternate(
            matrix, norm, penalty, tolerance, max_iterations, to_optimum=True
        )


def _checked(matrix: np.ndarray) -> np.ndarray:
    matrix = np.asarray(matrix, np.float64)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"matrix: shape {matrix.shape} given; [m, n] is accepted")
    if not np.isfinite(matrix).all():
        raise ValueError("matrix: holds values that are not finite")
    return matrix


def _alternate(
    matrix: np.ndarray,
    norm: np.floating,
    penalty: float | None,
    tolerance: float,
    max_iterations: int,
    *,
    to_optimum: bool,
) -> RobustPCA:
    """The alternating directions.

    With C for -Y / mu, the new C is M - L + C clipped to +-penalty / mu, and S is what
    the clipping takes away.
    """
    if norm == 0:
        raise ValueError("matrix: is zero, so there is nothing to split")
    if penalty is None:
        penalty = float(max(matrix.shape) ** -0.5)
    if not penalty > 0:
        raise ValueError(f"penalty: {penalty} given; a number above 0 is accepted")
    if max_iterations < 1:
        raise ValueError(f"max_iterations: {max_iterations} given; at least 1")
    size = float(np.linalg.norm(matrix))
    threshold = 4 * float(norm) / matrix.size
    apply = _thresholding(matrix)
    sparse, multiplier = np.zeros_like(matrix), np.zeros_like(matrix)
    work = np.empty_like(matrix)
    tiny = float(np.finfo(np.float64).tiny)
    iterations, converged = 0, False
    while True:
        iterations += 1
        np.subtract(matrix, sparse, out=work)
        work += multiplier
        low = apply(work, threshold)
        rest = matrix - low.matrix
        rest += multiplier
        clipped = np.clip(rest, -penalty * threshold, penalty * threshold)
        multiplier -= clipped
        primal = _norm(multiplier) / size
        rest -= clipped
        last = iterations == max_iterations
        converged = primal <= tolerance
        if to_optimum or converged or last:
            np.subtract(rest, sparse, out=work)
            # of both zero: S was and is everything that there is
            dual = _norm(work) / max(_norm(clipped), tiny)
            converged = converged and (not to_optimum or dual <= tolerance)
            if converged or last:
                break
            # rarer and rarer, since alternating with an ever changing mu need not end
            if iterations & (iterations - 1) == 0 or iterations % 50 == 0:
                step = float(np.clip(np.sqrt((dual + tiny) / (primal + tiny)), 0.1, 10))
                threshold *= step
                clipped *= step
        sparse, multiplier = rest, clipped
    objective = low.values.sum() + penalty * np.abs(rest).sum()
    return RobustPCA(
        low_rank=low.matrix,
        sparse=rest,
        iterations=iterations,
        rank=len(low.values),
        converged=bool(converged),
        primal=primal,
        dual=dual,
        objective=float(objective),
        penalty=penalty,
    )


def _norm(matrix: np.ndarray) -> float:
    """Frobenius norm of a contiguous matrix, without a temporary."""
    flat = matrix.ravel()
    return float(np.sqrt(flat @ flat))


def _thresholding(
    matrix: np.ndarray,
) -> Callable[[np.ndarray, float], Thresholded]:
    """How matrices like this one are thresholded."""
    square = matrix.shape[0] == matrix.shape[1]
    symmetric = square and np.array_equal(matrix, matrix.T)
    return _threshold_symmetric if symmetric else _threshold_general


def _threshold_general(matrix: np.ndarray, threshold: float) -> Thresholded:
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    rank = int(np.sum(values > threshold))
    values = values[:rank] - threshold
    return Thresholded((left[:, :rank] * values) @ right[:rank], values)


def _threshold_symmetric(matrix: np.ndarray, threshold: float) -> Thresholded:
    """With e - t for eigenvalues e > t, e + t for those below -t, zero between."""
    values, vectors = _eigensystem(matrix)
    size = len(values)
    low = int(np.searchsorted(values, -threshold))
    high = int(np.searchsorted(values, threshold, side="right"))
    above, below = values[high:] - threshold, values[:low] + threshold
    if size - high + low <= high:
        found = _weighted(vectors(high, size), above)
        if low:
            found -= _weighted(vectors(0, low), -below)
    else:
        # M - t I is right above the threshold, and the others make up for the rest
        rest = values[:high]
        found = _weighted(vectors(0, high), threshold - rest + shrink(rest, threshold))
        found += matrix
        found.flat[:: size + 1] -= threshold
    return Thresholded(found, np.concatenate([above, -below]))


def _weighted(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_i weights_i v_i v_i^T over columns, exactly symmetric; weights >= 0."""
    scaled = vectors * np.sqrt(weights)
    return scaled @ scaled.T


def _eigensystem(matrix: np.ndarray) -> tuple[np.ndarray, Vectors]:
    """Ascending eigenvalues of a symmetric matrix, and any range of eigenvectors."""
    size = len(matrix)
    if size == 1:
        return matrix[0], lambda first, last: np.ones((1, last - first))
    from scipy.linalg import get_lapack_funcs

    names = ("sytrd", "sytrd_lwork", "stevd", "ormqr")
    sytrd, sytrd_lwork, stevd, ormqr = get_lapack_funcs(names, (matrix,))
    work = int(sytrd_lwork(size, lower=1)[0])
    # the lower triangle of the transpose, which is in LAPACK's order of entries
    reduced, diagonal, beside, scales, _ = sytrd(matrix.T, lower=1, lwork=work)
    values, turned, failed = stevd(diagonal, beside)
    if failed:
        raise np.linalg.LinAlgError("matrix: its eigenvalues did not converge")

    def between(first: int, last: int) -> np.ndarray:
        found = turned[:, first:last].copy(order="F")
        if first < last:
            reflectors, work = reduced[1:, :-1], 64 * size
            found[1:] = ormqr("L", "N", reflectors, scales, found[1:], work)[0]
        return found

    return values, between
