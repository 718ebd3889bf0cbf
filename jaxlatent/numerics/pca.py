"""Principal components of rows that are streamed and never stored.

`principal_components` is exact, from moments. Rows too wide for a scatter matrix go
through `randomized_components`: subspace iteration over one or more passes (Halko,
Martinsson, Tropp 2011), whose single pass is the stable Nystrom approximation (Tropp,
Yurtsever, Udell, Cevher 2017). Its accumulators are pure pairs `init_...`/`update_...`
that run on the device, under jit, scan or a mesh.

What decides a rank or an order runs on the host in float64, and signs are canonical:
the largest entry of a component is positive.
"""

import dataclasses
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.numerics.moments import (
    Moments,
    Sweep,
    Update,
    add,
    centre,
    covariance,
    init_moments,
    product,
    regress,
    update_joint,
    update_moments,
    whole,
)
from jaxlatent.numerics.spectral import canonical_sign, symmetric_spectrum


class Components(NamedTuple):
    """Components of a set of rows; float64 on the host.

    Attributes:
        mean: [D].
        vectors: [K, D] unit rows, largest standard deviation first, largest entry of
            each positive.
        stdev: [K] standard deviation of the rows along each vector.
        variance_ratio: [K] share of the total variance.
        total_variance: sum of the variances of all columns.
        rank: how many components rise above rounding, as far as they were looked for.
        mixing: [K, D] columns of the mixing matrix of independent components: what one
            standard deviation of a source adds to a row. None for all others.
    """

    mean: np.ndarray
    vectors: np.ndarray
    stdev: np.ndarray
    variance_ratio: np.ndarray
    total_variance: float
    rank: int
    mixing: np.ndarray | None = None


@flax.struct.dataclass(eq=False)
class Sketch:
    """Scatter times a thin basis, for rows too wide for their scatter.

    Attributes:
        basis: [D, L] orthonormal columns.
        count: int32, rows so far.
        shift: [D] origin of the sums, the first chunk's mean.
        total: [2, D] sum of the centred rows.
        square: [2] sum of their squared lengths.
        product: [2, D, L + d] scatter times basis, and the cross scatter with latents.
        latent: moments of the latents [d].
    """

    basis: jax.Array
    count: jax.Array
    shift: jax.Array
    total: jax.Array
    square: jax.Array
    product: jax.Array
    latent: Moments


@flax.struct.dataclass(eq=False)
class Projection:
    """Moments of coordinates in a basis, and of the latents behind them.

    Attributes:
        centre: [D] origin of the coordinates.
        basis: [D, L].
        moments: of [(row - centre) @ basis, latent], L + d numbers.
    """

    centre: jax.Array
    basis: jax.Array
    moments: Moments


def principal_components(
    moments: Moments, k: int | None = None, *, size: int | None = None
) -> Components:
    """Exact principal components from moments; on the host, in float64.

    Args:
        moments: as `update_moments` left them.
        k: how many; None for as many as the rank, at most `size`.
        size: columns to decompose, the first ones; None for all. The others are the
            latents of `update_joint`.

    Raises:
        ValueError: for k out of range.

    Warns:
        UserWarning: if k exceeds the rank. The components beyond it have no spread and
            an arbitrary direction.
    """
    mean, matrix = covariance(moments)
    size = len(mean) if size is None else size
    check_k(k, size)
    mean, matrix = mean[:size], matrix[:size, :size]
    spectrum = symmetric_spectrum(matrix)
    values = np.maximum(spectrum.values, 0)
    rank = numerical_rank(values, size, moments.shift.dtype)
    return _truncate(mean, spectrum.vectors, values, float(values.sum()), rank, k)


def leading(components: Components, k: int) -> Components:
    """The first k of them, or all if there are fewer."""
    return components._replace(
        vectors=components.vectors[:k],
        stdev=components.stdev[:k],
        variance_ratio=components.variance_ratio[:k],
        mixing=None if components.mixing is None else components.mixing[:k],
    )


def scaled_weights(components: Components) -> np.ndarray:
    """Vectors over standard deviations [K, D]; zero where there is no spread."""
    seen = components.stdev > 0
    scale = np.where(seen, components.stdev, 1)
    return components.vectors * (seen / scale)[:, None]


def init_sketch(
    basis: jax.Array, latent_dim: int = 0, dtype: Any = jnp.float32
) -> Sketch:
    """A sketch of no rows, for an orthonormal basis [D, L]."""
    dim, width = basis.shape
    return Sketch(
        basis=jnp.asarray(basis, dtype),
        count=jnp.zeros((), jnp.int32),
        shift=jnp.zeros(dim, dtype),
        total=jnp.zeros((2, dim), dtype),
        square=jnp.zeros(2, dtype),
        product=jnp.zeros((2, dim, width + latent_dim), dtype),
        latent=init_moments(latent_dim, dtype),
    )


def update_sketch(
    sketch: Sketch, rows: jax.Array, latents: jax.Array, valid: jax.Array
) -> Sketch:
    """An `Update`: add rows [N, D] and their latents [N, d], d = 0 for none."""
    count, shift, centred = centre(sketch.count, sketch.shift, rows, valid)
    latent = update_moments(sketch.latent, latents, valid)
    other = jnp.where(valid[:, None], latents - latent.shift[None], 0)
    right = jnp.concatenate([product(centred, sketch.basis), other], axis=1)
    return Sketch(
        basis=sketch.basis,
        count=count,
        shift=shift,
        total=add(sketch.total, centred.sum(axis=0)),
        square=add(sketch.square, jnp.sum(centred * centred)),
        product=add(sketch.product, product(centred.T, right)),
        latent=latent,
    )


def update_sketch_alone(
    sketch: Sketch, rows: jax.Array, latents: jax.Array, valid: jax.Array
) -> Sketch:
    """An `Update` that leaves the latents out: a later pass takes them."""
    return update_sketch(sketch, rows, latents[:, :0], valid)


def init_projection(
    centre: np.ndarray,
    basis: np.ndarray,
    latent_dim: int = 0,
    dtype: Any = jnp.float32,
) -> Projection:
    """A projection of no rows: centre [D], basis [D, L]."""
    return Projection(
        centre=jnp.asarray(centre, dtype),
        basis=jnp.asarray(basis, dtype),
        moments=init_moments(basis.shape[1] + latent_dim, dtype),
    )


def update_projection(
    projection: Projection, rows: jax.Array, latents: jax.Array, valid: jax.Array
) -> Projection:
    """An `Update`: moments of the rows' coordinates, and of their latents."""
    coordinates = product(rows - projection.centre[None], projection.basis)
    moments = update_joint(projection.moments, coordinates, latents, valid)
    return dataclasses.replace(projection, moments=moments)


def random_columns(dim: int, width: int, *, key: jax.Array) -> np.ndarray:
    """Orthonormal columns [dim, width] of a uniformly random subspace; host."""
    normal = np.asarray(jax.random.normal(key, (dim, width)), np.float64)
    basis, upper = np.linalg.qr(normal)
    return basis * np.where(np.diag(upper) < 0, -1, 1)


def range_basis(sketch: Sketch) -> np.ndarray:
    """Orthonormal [D, L] whose span holds the scatter times the sketch's basis."""
    basis, _ = np.linalg.qr(_sketched(sketch)[1])
    return basis


def sketch_totals(sketch: Sketch) -> tuple[np.ndarray, float]:
    """Mean [D] and total variance (divisor n - 1) of the rows of a sketch."""
    count = int(sketch.count)
    if count < 2:
        raise ValueError(f"sketch: {count} rows seen; at least 2 are needed")
    total = whole(sketch.total)
    variance = (float(whole(sketch.square)) - total @ total / count) / (count - 1)
    if not np.isfinite(variance):
        raise ValueError("sketch: the rows held values that are not finite")
    mean = np.asarray(sketch.shift, np.float64) + total / count
    return mean, float(variance)


def nystrom_components(sketch: Sketch, k: int | None = None) -> Components:
    """Components from one pass: the stable Nystrom approximation; on the host.

    The spread of the last components is underestimated where the spectrum falls slowly;
    a second pass repairs that.

    Raises:
        ValueError: for k out of range.
    """
    basis, product = _sketched(sketch)
    width = basis.shape[1]
    check_k(k, width)
    mean, variance = sketch_totals(sketch)
    # a multiple of the identity that hides the rounding of the products
    nudge = float(np.finfo(sketch.shift.dtype).eps * np.linalg.norm(product))
    product = product + nudge * basis
    core = symmetric_spectrum(basis.T @ product)
    root = core.vectors.T / np.sqrt(np.maximum(core.values, nudge))
    left, values, _ = np.linalg.svd(product @ root, full_matrices=False)
    values = np.maximum(values**2 - nudge, 0) / (int(sketch.count) - 1)
    rank = numerical_rank(values, width, sketch.shift.dtype)
    return _truncate(mean, canonical_sign(left.T), values, variance, rank, k)


def latent_regression(
    state: Moments | Sketch | Projection, components: Components
) -> tuple[np.ndarray, Moments]:
    """Regression of latents on scaled coordinates, without another pass; host.

    Args:
        state: the accumulator from which the components were taken: joint moments, or
            what `randomized_components` returned.
        components: the components. After a sketch, their coordinates are taken to be
            uncorrelated.

    Returns:
        [K, d], what one standard deviation along each component changes in the latent,
        and moments whose last d columns are the latents'.
    """
    weights = scaled_weights(components)
    if isinstance(state, Moments):
        return regress(state, weights), state
    if isinstance(state, Projection):
        basis = np.asarray(state.basis, np.float64)
        return regress(state.moments, weights @ basis), state.moments
    count, width = int(state.count), state.basis.shape[1]
    total, other = whole(state.total), whole(state.latent.total)
    cross = whole(state.product)[:, width:] - np.outer(total, other / count)
    return weights @ cross / (count - 1), state.latent


def lift(
    components: Components, centre: np.ndarray, basis: np.ndarray, variance: float
) -> Components:
    """Components of coordinates in a basis [D, L] as components of the rows."""
    return components._replace(
        mean=centre + basis @ components.mean,
        vectors=canonical_sign(components.vectors @ basis.T),
        variance_ratio=components.stdev**2 / (variance or 1),
        total_variance=variance,
    )


def randomized_components(
    sweep: Sweep,
    dim: int,
    k: int,
    *,
    key: jax.Array,
    passes: int = 2,
    oversample: int | None = None,
    latent_dim: int = 0,
    dtype: Any = jnp.float32,
) -> tuple[Components, Sketch | Projection]:
    """Components of wide rows by subspace iteration, in O(D (K + oversample)) memory.

    One pass gives the Nystrom approximation; with more, the last one solves exactly
    inside the subspace that those before it found.

    Args:
        sweep: runs one pass over the data; `sweep_batches` makes one of arrays.
        dim: D.
        k: components.
        key: of the random subspace to start from.
        passes: over the data, from 1.
        oversample: columns beyond k; None for 2 k of them, at least 20.
        latent_dim: d of the latents that come with the rows.
        dtype: of the rows.

    Returns:
        The components, and the last accumulator, for `latent_regression`.

    Raises:
        ValueError: for `passes` or k out of range.
    """
    if passes < 1:
        raise ValueError(f"passes: {passes} given; 1 or more are accepted")
    check_k(k, dim)
    width = min(dim, k + (max(2 * k, 20) if oversample is None else oversample))
    basis = random_columns(dim, width, key=key)
    if passes == 1:
        sketch = init_sketch(jnp.asarray(basis), latent_dim, dtype)
        sketch = sweep(update_sketch, sketch)
        return nystrom_components(sketch, k), sketch
    sketch = sweep(update_sketch_alone, init_sketch(jnp.asarray(basis), dtype=dtype))
    for _ in range(passes - 2):
        basis = jnp.asarray(range_basis(sketch))
        sketch = sweep(update_sketch_alone, init_sketch(basis, dtype=dtype))
    centre, variance = sketch_totals(sketch)
    basis = range_basis(sketch)
    del sketch
    projection = init_projection(centre, basis, latent_dim, dtype)
    projection = sweep(update_projection, projection)
    inner = principal_components(projection.moments, k, size=width)
    return lift(inner, centre, basis, variance), projection


def sweep_batches(batches: Callable[[], Iterable[jax.Array]]) -> Sweep:
    """A `Sweep` over arrays [N, D] without latents; `batches` begins a new pass."""

    def sweep(update: Update, state: Any) -> Any:
        for rows in batches():
            none = jnp.zeros((rows.shape[0], 0), rows.dtype)
            state = _step(state, rows, none, update=update)
        return state

    return sweep


def _update_all(
    state: Any, rows: jax.Array, latents: jax.Array, *, update: Update
) -> Any:
    return update(state, rows, latents, jnp.ones(rows.shape[0], bool))


_step = jax.jit(_update_all, static_argnames="update")


def check_k(k: int | None, limit: int) -> None:
    """Raise ValueError unless 1 <= k <= limit; None passes."""
    if k is not None and not 1 <= k <= limit:
        raise ValueError(f"k: {k} given; 1 to {limit} components exist")


def numerical_rank(values: np.ndarray, size: int, dtype: Any) -> int:
    """Eigenvalues that exceed the rounding of products of `dtype`."""
    threshold = values.max() * 2 * np.sqrt(size) * np.finfo(dtype).eps
    return int(np.sum(values > threshold))


def _sketched(sketch: Sketch) -> tuple[np.ndarray, np.ndarray]:
    """The basis and the centred scatter times it, [D, L] each, in float64."""
    basis = np.asarray(sketch.basis, np.float64)
    total = whole(sketch.total)
    product = whole(sketch.product[:, :, : basis.shape[1]])
    return basis, product - np.outer(total, total @ basis / int(sketch.count))


def _truncate(
    mean: np.ndarray,
    vectors: np.ndarray,
    values: np.ndarray,
    total: float,
    rank: int,
    k: int | None,
) -> Components:
    count = max(rank, 1) if k is None else k
    if count > rank:
        warnings.warn(
            f"k: {count} given, but the rows have only {rank} directions of spread",
            UserWarning,
            stacklevel=3,
        )
    return Components(
        mean=mean,
        vectors=vectors[:count],
        stdev=np.sqrt(values[:count]),
        variance_ratio=values[:count] / (total or 1),
        total_variance=total,
        rank=rank,
    )
