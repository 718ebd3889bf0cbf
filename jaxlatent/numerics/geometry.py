"""Second-order tools of a latent space: what a function's Jacobian says of distances.

A function f from latents to pictures (or features of them) pulls the Euclidean metric
of its output back to the latent: a small step v at z changes the output by
sqrt(v^T G v), where G = J^T J is `metric`. Source: Arvanitidis, Hansen and Hauberg,
"Latent Space Oddity" (2018); Shao, Kumar and Fletcher, "The Riemannian Geometry of Deep
Generative Models" (2018).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.typing import ArrayLike

from jaxlatent.numerics.jacobian import Function
from jaxlatent.numerics.jacobian import gram as metric
from jaxlatent.numerics.spectral import symmetric_spectrum

__all__ = [
    "Geodesic",
    "Homogeneity",
    "effective_rank",
    "energy_dimension",
    "geodesic",
    "grassmann_distance",
    "homogeneity",
    "metric",
    "path_length",
    "principal_angles",
]


def path_length(f: Function, path: jax.Array) -> jax.Array:
    """Length in the output of a path [T, *latent] of T points: a sum of chords.

    Chords are never longer than the curve; the error falls with the square of their
    number.
    """
    return jnp.sum(jnp.sqrt(jnp.maximum(_chords(f, path), 0)))


def effective_rank(gram: jax.Array) -> jax.Array:
    """exp of the entropy of the eigenvalues' shares; [..., D, D] -> [...].

    Between 1, where all change is along one direction, and D, where every direction
    changes the output as much. Source: Roy and Vetterli, "The effective rank" (2007),
    of the squared singular values.
    """
    values = jnp.maximum(jnp.linalg.eigvalsh(gram), 0)
    share = values / values.sum(axis=-1, keepdims=True)
    return jnp.exp(jnp.sum(jax.scipy.special.entr(share), axis=-1))


def energy_dimension(values: ArrayLike, share: float = 0.99) -> np.ndarray:
    """How many of the largest eigenvalues make up a share of their sum.

    Args:
        values: [..., D] eigenvalues, in any order; those below zero count as zero.
        share: above 0 and up to 1.

    Returns:
        [...], whole numbers.

    Raises:
        ValueError: for another share.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share: {share} given; above 0 and up to 1 is accepted")
    largest = np.sort(np.maximum(np.asarray(values, np.float64), 0))[..., ::-1]
    total = largest.sum(axis=-1, keepdims=True)
    rounding = largest.shape[-1] * np.finfo(np.float64).eps * total
    before = np.cumsum(largest, axis=-1) - largest
    return np.sum(before < share * total - rounding, axis=-1)


class Homogeneity(NamedTuple):
    """How alike the metrics at several latents are.

    Attributes:
        linear: [N, N], entry (i, j) the correlation, over the eigenvectors v of metric
            i in their order, of v^T G_j v with the eigenvalues of G_j; 1 on the
            diagonal.
        log: [N, N], likewise of their logarithms.
    """

    linear: np.ndarray
    log: np.ndarray

    def mean(self) -> tuple[float, float]:
        """Means of both, the diagonals left out."""
        apart = ~np.eye(len(self.linear), dtype=bool)
        return float(self.linear[apart].mean()), float(self.log[apart].mean())


def homogeneity(metrics: ArrayLike, *, floor: float = 1e-6) -> Homogeneity:
    """How well the metric at one latent tells that at another. Runs on the host.

    Source: Wang and Ponce, "A Geometric Analysis of Deep Generative Image Models and
    Its Applications" (2021), and their code.

    Args:
        metrics: [N, D, D], two or more.
        floor: share of a metric's largest eigenvalue up to which values are taken for
            rounding: the logarithms leave them out.

    Raises:
        ValueError: for another shape.
    """
    metrics = np.asarray(metrics, np.float64)
    if metrics.ndim != 3 or len(metrics) < 2:
        raise ValueError(
            f"metrics: shape {metrics.shape} given; [N, D, D] of two or more is "
            "accepted"
        )
    spectra = [symmetric_spectrum(one) for one in metrics]
    linear, log = np.ones((2, len(metrics), len(metrics)))
    for i, one in enumerate(spectra):
        for j, other in enumerate(spectra):
            if i == j:
                continue
            acts = np.sum((one.vectors @ metrics[j]) * one.vectors, axis=1)
            linear[i, j] = _correlation(acts, other.values)
            counted = np.minimum(acts, other.values) > floor * other.values[0]
            log[i, j] = _correlation(
                np.log(acts[counted]), np.log(other.values[counted])
            )
    return Homogeneity(linear, log)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """1 for the same numbers, even if they do not vary; else NaN for such."""
    if np.allclose(first, second, rtol=1e-5, atol=0):
        return 1.0
    one, two = first - first.mean(), second - second.mean()
    lengths = np.linalg.norm(one) * np.linalg.norm(two)
    return float(one @ two / lengths) if lengths else float("nan")


class Geodesic(NamedTuple):
    """A shortest path between two latents.

    Attributes:
        path: [T, *latent], evenly spaced in the output.
        length: its `path_length`.
        gradient: norm of the energy's gradient at the end; small once converged.
    """

    path: jax.Array
    length: jax.Array
    gradient: jax.Array


def geodesic(
    f: Function,
    start: jax.Array,
    stop: jax.Array,
    *,
    num: int = 16,
    steps: int = 100,
) -> Geodesic:
    """The curve of least energy in the output between two latents, by L-BFGS.

    Minimises the sum of squared chords over the inner points, from the straight line
    on; its minimum has least length and even spacing.

    Args:
        f: the function of one latent.
        start: first point, of any shape.
        stop: last point.
        num: points, ends included; 3 or more.
        steps: of the optimiser, each a few runs of `f` on all points.

    Raises:
        ValueError: for too few points or ends of different shapes.
    """
    if num < 3 or start.shape != stop.shape:
        raise ValueError(
            f"num: {num} given for ends of shapes {start.shape} and {stop.shape}; 3 or "
            "more and equal shapes are accepted"
        )
    along = jnp.linspace(0, 1, num, dtype=start.dtype)[1:-1]
    along = along.reshape(-1, *(1,) * start.ndim)
    inner = start[None] + along * (stop - start)[None]

    def whole(inner: jax.Array) -> jax.Array:
        return jnp.concatenate([start[None], inner, stop[None]])

    def energy(inner: jax.Array) -> jax.Array:
        return jnp.sum(_chords(f, whole(inner))) * (num - 1) / 2

    optimizer: Any = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(energy)

    def step(state: Any, _: None) -> tuple[Any, None]:
        inner, memory = state
        value, gradient = value_and_grad(inner, state=memory)
        update, memory = optimizer.update(
            gradient, memory, inner, value=value, grad=gradient, value_fn=energy
        )
        return (optax.apply_updates(inner, update), memory), None

    (inner, _), _ = lax.scan(step, (inner, optimizer.init(inner)), length=steps)
    path = whole(inner)
    return Geodesic(
        path, path_length(f, path), jnp.linalg.norm(jax.grad(energy)(inner))
    )


def _chords(f: Function, path: jax.Array) -> jax.Array:
    """Squared distances in the output between neighbours, [T - 1]."""
    outputs = jax.vmap(f)(path)
    steps = (outputs[1:] - outputs[:-1]).reshape(path.shape[0] - 1, -1)
    return jnp.sum(jnp.square(steps), axis=1)


def principal_angles(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Angles between two subspaces of one dimension, [..., k], the smallest first.

    In double precision on the host. Small angles are read off their sines, which the
    cosines would lose (Björck and Golub, "Numerical Methods for Computing Angles
    Between Linear Subspaces", 1973).

    Args:
        first: [..., D, k], orthonormal columns.
        second: [..., D, k], likewise.

    Returns:
        Radians, from 0 to pi / 2.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    shared = np.swapaxes(one, -1, -2) @ two
    cosines = np.linalg.svd(shared, compute_uv=False)
    sines = np.linalg.svd(two - one @ shared, compute_uv=False)[..., ::-1]
    # the largest cosine belongs to the smallest sine
    small = cosines**2 > 0.5
    return np.where(
        small,
        np.arcsin(np.clip(sines, 0, 1)),
        np.arccos(np.clip(cosines, 0, 1)),
    )


def grassmann_distance(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Geodesic distance between subspaces on the Grassmannian: the angles' norm, [...].

    Args:
        first: as for `principal_angles`.
        second: likewise.
    """
    return np.linalg.norm(principal_angles(first, second), axis=-1)
