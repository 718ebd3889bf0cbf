"""Principal components of streamed rows, and the latents that they are regressed to."""

import functools
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxlatent.numerics import estimators, pca
from jaxlatent.numerics.moments import (
    Moments,
    covariance,
    init_moments,
    regress,
    spread,
    update_joint,
)
from jaxlatent.numerics.pca import Components
from jaxlatent.numerics.stream import Progress, Source, Stream, draw_codes, open_stream

Estimator = Literal["exact", "randomized", "incremental", "ica", "sparse"]
ESTIMATORS = get_args(Estimator)

COMPONENTS = 80  # of the original
EXACT_LIMIT = 8192
"""Widest features whose covariance is kept; 1 GiB on the device at this width."""

OWN_DRAW = np.uint32(2**32 - 1)
"""What the method's own draw is folded with; codes are numbered below 2**31."""

CHUNK_ENTRIES = 2**23  # numbers in the features of one chunk by default: 32 MiB


class Decomposition(NamedTuple):
    """What `decompose` finds; float64 on the host.

    Attributes:
        components: of the features.
        latents: [K, d] unit directions of the latent behind them; None if the latent
            was not asked for.
        norms: [K] length of a regressed direction before it was brought to one.
        latent_mean: [d].
        latent_stdev: [K] standard deviation of the latent along its direction.
    """

    components: Components
    latents: np.ndarray | None = None
    norms: np.ndarray | None = None
    latent_mean: np.ndarray | None = None
    latent_stdev: np.ndarray | None = None


@dataclass(frozen=True)
class Estimation:
    """How components are estimated."""

    k: int | None = None
    """Components to keep; 80 at most if left out, or as many as there are."""
    estimator: Estimator | None = None
    """Exact, or randomized beyond 8192 dimensions, if left out."""
    passes: int = 2
    """Over the codes, for the randomized estimator."""
    resample: bool = False
    """Regress on fresh codes without intercept, as the original."""


DEFAULT = Estimation()


def decompose(
    source: Source,
    *,
    samples: int,
    key: jax.Array,
    regressed: bool = False,
    estimation: Estimation = DEFAULT,
    chunk: int | None = None,
    mesh: Mesh | None = None,
    progress: Progress | None = None,
) -> Decomposition:
    """Components of features and, if `regressed`, of the latents behind them.

    Memory does not grow with `samples`, except for "ica" and "sparse". Orders and ranks
    are decided on the host.

    Args:
        source: codes and what to decompose.
        samples: codes to use.
        key: of all draws; code i depends on the key and i alone.
        regressed: carry the components to the latents.
        estimation: how many components, and how they are found.
        chunk: codes per compiled call, None for as many as fill 32 MiB of features.
        mesh: devices among which each chunk is split.
        progress: called with the number of codes just finished.

    Raises:
        ValueError: names the argument that does not fit.
    """
    k, estimator = estimation.k, estimation.estimator
    if estimator is not None and estimator not in ESTIMATORS:
        raise ValueError(f"estimator: {estimator!r} given; {ESTIMATORS} are accepted")
    if estimation.resample and not regressed:
        raise ValueError("resample: given, but nothing is regressed to latents")
    for name, value, least in (("samples", samples, 2), ("chunk", chunk, 1)):
        if value is not None and value < least:
            raise ValueError(f"{name}: {value} given; {least} or more is accepted")
    latent, row = jax.eval_shape(draw_codes, source, key, jnp.zeros(1, jnp.int32))
    size, dim = row.shape[1], latent.shape[1] if regressed else 0
    pca.check_k(k, size)
    count = min(COMPONENTS, size) if k is None else k
    estimator = estimator or ("exact" if size <= EXACT_LIMIT else "randomized")
    if estimator == "exact" and size > EXACT_LIMIT:
        raise ValueError(
            f"estimator: 'exact' keeps a covariance of {size} x {size}; use "
            f"'randomized' beyond {EXACT_LIMIT} dimensions"
        )
    if estimator != "exact" and count > samples:
        raise ValueError(f"samples: {samples} given; at least k = {count} are needed")
    stream = open_stream(
        source,
        key=key,
        keep=regressed,
        chunk=min(chunk or min(max(CHUNK_ENTRIES // size, 1), 8192), samples),
        mesh=mesh,
        progress=progress,
    )
    sweep = functools.partial(stream.sweep, num=samples)
    state: Moments | pca.Sketch | pca.Projection | None = None
    if estimator == "exact":
        state = moments = sweep(update_joint, init_moments(size + dim, row.dtype))
        components = pca.principal_components(moments, k, size=size)
        # without a k, directions that the codes do not span are not worth a warning
        components = components if k else pca.leading(components, count)
        count = len(components.stdev)
    elif estimator == "randomized":
        draw = jax.random.fold_in(key, OWN_DRAW)
        components, state = pca.randomized_components(
            sweep,
            size,
            count,
            key=draw,
            passes=estimation.passes,
            latent_dim=dim,
            dtype=row.dtype,
        )
    else:
        components = _by_scikit(estimator, stream, samples, count, size)
    if not regressed:
        return Decomposition(components)
    if estimation.resample or state is None:
        fresh = samples + max(10_000, samples)
        start, stop = (samples, fresh) if estimation.resample else (0, samples)
        weights = pca.scaled_weights(components)
        projection = pca.init_projection(components.mean, weights.T, dim, row.dtype)
        projection = stream.sweep(pca.update_projection, projection, stop, start)
        latents = projection.moments
        solution = regress(latents, np.eye(count), intercept=not estimation.resample)
    else:
        solution, latents = pca.latent_regression(state, components)
    mean, matrix = covariance(latents)
    norms = np.linalg.norm(solution, axis=1)
    vectors = solution / np.where(norms == 0, 1, norms)[:, None]
    deviations = spread(matrix[-dim:, -dim:], vectors)
    return Decomposition(components, vectors, norms, mean[-dim:], deviations)


def _by_scikit(
    estimator: str, stream: Stream, samples: int, k: int, size: int
) -> Components:
    if estimator == "incremental":
        block = max(stream.chunk, 2000, 3 * k)
        blocks = estimators.blocks_of(stream.rows(samples), block, samples, k)
        return estimators.incremental_components(blocks, k)
    estimators.check_stored(samples, size)
    rows = np.concatenate(list(stream.rows(samples)))
    seed = int(jax.random.bits(jax.random.fold_in(stream.key, OWN_DRAW))) >> 1
    if estimator == "ica":
        return estimators.independent_components(rows, k, seed=seed)
    return estimators.sparse_components(rows, k, seed=seed)
