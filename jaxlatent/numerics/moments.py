"""Count, mean and scatter of rows that are streamed and never stored.

An accumulator is a pure pair, `init_moments`/`update_moments`, over chunks of rows; it
runs on the device, under jit, scan or a mesh. `covariance`, `least_squares` and
`regress` run on the host, in float64.

Sums are kept in two floats, the sum and what rounding took from it (Knuth's two-sum),
so that adding a million rows loses nothing, and the size of a chunk changes a result
only by the rounding inside one product. Rows are centred on the mean of the first chunk
before they are multiplied, so a large mean cancels nothing; moments of disjoint rows
are merged as in Chan, Golub and LeVeque (1983).

Columns may hold a second part, the latent that made the row: the closed form of a
regression then needs no further pass.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

Update = Callable[[Any, jax.Array, jax.Array, jax.Array], Any]
"""`(state, rows [N, D], latents [N, d], valid [N] bool) -> state`; pure."""

Sweep = Callable[[Update, Any], Any]
"""`(update, state) -> state`: one pass over all the data, folding `update`."""


@flax.struct.dataclass(eq=False)
class Moments:
    """Count, mean and scatter of the rows so far.

    Attributes:
        count: int32, rows so far.
        shift: [D] origin of the sums, the first chunk's mean.
        total: [2, D] sum of the centred rows: leading and trailing part.
        scatter: [2, D, D] sum of their outer products, likewise.
    """

    count: jax.Array
    shift: jax.Array
    total: jax.Array
    scatter: jax.Array


def init_moments(dim: int, dtype: Any = jnp.float32) -> Moments:
    """Moments of no rows of dimension `dim`."""
    return Moments(
        count=jnp.zeros((), jnp.int32),
        shift=jnp.zeros(dim, dtype),
        total=jnp.zeros((2, dim), dtype),
        scatter=jnp.zeros((2, dim, dim), dtype),
    )


def update_moments(
    moments: Moments, rows: jax.Array, valid: jax.Array | None = None
) -> Moments:
    """Add rows to moments; pure, for any number of rows.

    Args:
        moments: so far.
        rows: [N, D].
        valid: [N] bool, rows that count; None for all. The others may hold anything.
    """
    count, shift, centred = centre(moments.count, moments.shift, rows, valid)
    return Moments(
        count=count,
        shift=shift,
        total=add(moments.total, centred.sum(axis=0)),
        scatter=add(moments.scatter, product(centred.T, centred)),
    )


def update_joint(
    moments: Moments, rows: jax.Array, latents: jax.Array, valid: jax.Array
) -> Moments:
    """An `Update`: moments of rows and latents side by side, D + d numbers."""
    return update_moments(moments, jnp.concatenate([rows, latents], axis=1), valid)


def merge_moments(left: Moments, right: Moments) -> Moments:
    """Moments of two disjoint sets of rows; the order matters only to rounding."""
    shift = jnp.where(left.count == 0, right.shift, left.shift)
    merged = dataclasses.replace(init_moments(shift.shape[0], shift.dtype), shift=shift)
    for part in (left, right):
        step = part.shift - shift
        number = part.count.astype(shift.dtype)
        cross = step[:, None] * (part.total[0] + part.total[1])[None, :]
        moved = cross + cross.T + number * step[:, None] * step[None, :]
        merged = Moments(
            count=merged.count + part.count,
            shift=shift,
            total=add(_add_pair(merged.total, part.total), number * step),
            scatter=add(_add_pair(merged.scatter, part.scatter), moved),
        )
    return merged


def covariance(moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and covariance [D, D], divisor n - 1, in float64 on the host.

    Raises:
        ValueError: for fewer than two rows, or values that are not finite.
    """
    count = int(moments.count)
    if count < 2:
        raise ValueError(f"moments: {count} rows seen; at least 2 are needed")
    total = whole(moments.total)
    mean = np.asarray(moments.shift, np.float64) + total / count
    scatter = whole(moments.scatter)
    scatter -= np.outer(total, total / count)
    if not np.isfinite(scatter).all():
        raise ValueError("moments: the rows held values that are not finite")
    return mean, scatter / (count - 1)


def spread(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Standard deviation [K] along vectors [K, D], under a covariance [D, D]."""
    along = np.einsum("kd,de,ke->k", vectors, matrix, vectors, optimize=True)
    return np.sqrt(np.maximum(along, 0))


def least_squares(gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """argmin_M ||A M - Z|| of least norm from A^T A [K, K] and A^T Z [K, d]; host."""
    return np.linalg.lstsq(gram, cross, rcond=None)[0]


def regress(
    moments: Moments, weights: np.ndarray, *, intercept: bool = True
) -> np.ndarray:
    """Linear regression of latents on weighted sums of columns; on the host.

    Args:
        moments: of the columns [D] and, beside them, the latents [d].
        weights: [K, D]; coordinate k of a row is <weights_k, row - mean>. Those of a
            principal component are its vector over its standard deviation.
        intercept: centre coordinates and latents. Without, the columns and latents are
            taken as they are, as the original does in its second pass.

    Returns:
        [K, d], what one unit of each coordinate changes in the latent.
    """
    mean, matrix = covariance(moments)
    if not intercept:
        count = int(moments.count)
        matrix = matrix * (1 - 1 / count) + np.outer(mean, mean)
    size = weights.shape[1]
    gram = weights @ matrix[:size, :size] @ weights.T
    return least_squares(gram, weights @ matrix[:size, size:])


def centre(
    count: jax.Array, shift: jax.Array, rows: jax.Array, valid: jax.Array | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The new count, the shift (the first rows' mean) and the centred rows."""
    if valid is None:
        valid = jnp.ones(rows.shape[0], bool)
    added = jnp.sum(valid, dtype=jnp.int32)
    kept = jnp.where(valid[:, None], rows, 0)
    mean = kept.sum(axis=0) / jnp.maximum(added, 1).astype(rows.dtype)
    shift = jnp.where(count == 0, mean, shift)
    return count + added, shift, jnp.where(valid[:, None], rows - shift[None], 0)


def product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Matrix product at full precision, whatever the device's default."""
    return jnp.matmul(left, right, precision="highest")


def add(pair: jax.Array, value: jax.Array) -> jax.Array:
    """Add to a sum of two floats: the second collects what the first rounds away."""
    high, low = pair[0], pair[1]
    whole = high + value
    taken = whole - high
    lost = (high - (whole - taken)) + (value - taken)
    return jnp.stack([whole, low + lost])


def whole(pair: jax.Array) -> np.ndarray:
    """A sum of two floats in float64, on the host."""
    return np.asarray(pair[0], np.float64) + np.asarray(pair[1], np.float64)


def _add_pair(pair: jax.Array, other: jax.Array) -> jax.Array:
    return add(add(pair, other[0]), other[1])
