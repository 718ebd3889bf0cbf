"""Gram matrices of a region and of the rest, and what directions do under them.

With J the derivative of a part of the picture by the latent and P its number of values,
M = J^T J / P is its Gram matrix, and p^T M p the mean squared change of that part along
a unit direction p: the *gain* in the region, the *leak* in the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from numpy.typing import ArrayLike

Found = TypeVar("Found")

Gram = np.ndarray | jax.Array
"""[D, D], or [N, D, D] for N pictures; float32 or float64."""


class Locality(NamedTuple):
    """What unit steps along directions change.

    Attributes:
        gain: [K] float64, mean squared change in the region.
        leak: [K] float64, mean squared change in the rest.
    """

    gain: np.ndarray
    leak: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """[K] leak over gain: the lower, the more local."""
        return self.leak / self.gain


def locality(
    vectors: ArrayLike, gram_region: Gram, gram_rest: Gram, *, average: bool = False
) -> Locality:
    """Gain and leak of any directions, for comparison (with random ones, say).

    Args:
        vectors: directions [K, D]; their lengths do not count.
        gram_region: Gram matrix of the region.
        gram_rest: Gram matrix of the rest.
        average: take the mean of stacks [N, D, D].

    Raises:
        ValueError: for directions per row of w+, or Grams of another size.
    """
    region, rest = gram_pair(gram_region, gram_rest, average=average)
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(region):
        raise ValueError(
            f"vectors: shape {rows.shape} given; [K, {len(region)}] is accepted"
        )
    return unit_locality(rows, region, rest)


def unit_locality(
    vectors: np.ndarray, region: np.ndarray, rest: np.ndarray
) -> Locality:
    """Gain and leak of rows [K, D], as if of unit length."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    gain, leak = (np.sum(vectors @ gram * vectors, axis=1) for gram in (region, rest))
    return Locality(gain, leak)


def gram_pair(
    gram_region: Gram, gram_rest: Gram, *, average: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Both matrices, exactly symmetric and in float64.

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, a matrix
            that is not symmetric, or a region in which nothing moves.
    """
    region = _as_gram("gram_region", gram_region, average)
    rest = _as_gram("gram_rest", gram_rest, average)
    if region.shape != rest.shape:
        raise ValueError(
            f"gram_rest: [D, D] of {rest.shape} given for a region's {region.shape}"
        )
    if not region.any():
        raise ValueError("gram_region: is zero, so no direction changes the region")
    return region, rest


def _as_gram(label: str, gram: Gram, average: bool) -> np.ndarray:
    matrix = np.asarray(gram, np.float64)
    if matrix.ndim == 3 and average and len(matrix):
        matrix = matrix.mean(axis=0)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(
            f"{label}: shape {np.shape(gram)} given; [D, D] is accepted, [N, D, D] "
            "with average=True or picture by picture through `per_picture`"
        )
    if not np.isfinite(matrix).all():
        raise ValueError(f"{label}: holds values that are not finite")
    skew = np.abs(matrix - matrix.T).max()
    if skew > 1e-3 * np.abs(matrix).max():
        raise ValueError(f"{label}: is not symmetric; J^T J / P is accepted")
    return (matrix + matrix.T) / 2


def per_picture(
    method: Callable[..., Found],
    gram_region: Gram,
    gram_rest: Gram,
    **options: object,
) -> list[Found]:
    """Directions of every picture apart, as the original codes have them.

    Args:
        method: `lowrankgan` or `resefa`.
        gram_region: [N, D, D], one Gram matrix per picture.
        gram_rest: [N, D, D].
        options: of the method.

    Raises:
        ValueError: for matrices that are no stacks of the same length; and what the
            method raises.
    """
    region, rest = np.asarray(gram_region), np.asarray(gram_rest)
    if region.ndim != 3 or region.shape != rest.shape:
        raise ValueError(
            f"gram_region, gram_rest: shapes {region.shape}, {rest.shape} given; "
            "[N, D, D] of the same N and D are accepted"
        )
    return [
        method(own, other, **options) for own, other in zip(region, rest, strict=True)
    ]


RANDOM_DIRECTIONS = 100
"""Random directions beside which those that were found stand in a table."""


def locality_table(
    report: Mapping[str, ArrayLike],
    names: Sequence[str],
    gram_region: Gram,
    gram_rest: Gram,
) -> tuple[str, list[float], float]:
    """Gain and leak of every direction beside those of random ones, as CSV.

    Args:
        report: "gain", "leak" and perhaps "residual" [K], as methods report them.
        names: of the K directions.
        gram_region: [D, D].
        gram_rest: [D, D].

    Returns:
        The text, leak over gain of every direction, and the median of that ratio over
        `RANDOM_DIRECTIONS`.
    """
    size = len(np.asarray(gram_region))
    vectors = np.random.default_rng(0).normal(size=(RANDOM_DIRECTIONS, size))
    random = float(np.median(locality(vectors, gram_region, gram_rest).ratio))
    found = {
        key: np.asarray(report[key], np.float64)
        for key in ("gain", "leak", "residual")
        if key in report
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = found["leak"] / found["gain"]
    lines = [",".join(["direction", *found, "leak over gain"])]
    for index, name in enumerate(names):
        values = [values[index] for values in (*found.values(), ratios)]
        lines.append(",".join([name, *(f"{one:.6g}" for one in values)]))
    lines.append(f"random{',' * (len(found) + 1)}{random:.6g}")
    return "\n".join(lines) + "\n", [float(one) for one in ratios], random
