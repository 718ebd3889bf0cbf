"""GANSpace: Discovering Interpretable GAN Controls.

Erik Härkönen, Aaron Hertzmann, Jaakko Lehtinen, Sylvain Paris, NeurIPS 2020,
arXiv 2004.02546.

Principal components v_k, with standard deviations s_k, of y = F(z): of w itself where a
mapping network makes one, else of the activations of a layer. An edit moves w by
s_k v_k per unit of strength, in chosen rows of w+ only: E(v_k, a-b). Components of
activations are carried to the latent by least squares on the scaled coordinates
a_k = <v_k, y - mean> / s_k: u = argmin sum_j ||U a_j - z_j||^2, each u_k brought to
unit length.

One unit of strength is one standard deviation: s_k for w and for activations,
sqrt(u_k^T Cov(w) u_k) for w behind a regression, 1 for z, as the original.

Estimators: "exact" (streamed mean and covariance), "randomized" (features too wide for
a covariance, `passes` over the codes), and scikit-learn's "incremental" (the original's
default), "ica" and "sparse" (which hold all features in memory).

Where this differs from the original code, and why:

- The exact covariance is the default: the incremental estimator forgets all but K
  directions between blocks, which bends the last ones, and costs far more.
- Estimators that hold all features get those alone. The original hands them a matrix
  whose unfilled rows are zero, which moves the mean and the components.
- Exactly `num` codes are used. Code i depends on the key and i alone, so that no chunk
  size changes a draw; the original seeds each batch.
- The regression is solved from moments gathered in the same pass; `resample=True` draws
  max(10 000, num) fresh codes and leaves the intercept out, as the original.
- `report["regression_norm"]` keeps the length of u_k, which the original throws away:
  the least-squares step is that much shorter than one unit of strength.
- Spreads of w come from all codes, the original's from 5 000 more.
- The largest entry of every component is positive, for all estimators.

Set-to-target edits are `Directions.move_to`; `set_to_target` measures the first row of
w+ alone, as the original. Defaults of the original: incremental, 80 components, 300 000
codes (1 000 000 in the paper), blocks of max(batch, 2000, 3 K) rows.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxlatent.edits.directions import Directions, directions, linear
from jaxlatent.generators.base import Generator, fingerprint
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
from jaxlatent.types import parse_layers

ESTIMATORS = ("exact", "incremental", "randomized", "ica", "sparse")

COMPONENTS = 80  # of the original
EXACT_LIMIT = 8192
"""Widest features whose covariance is kept; 1 GiB on the device at this width."""

OWN_DRAW = np.uint32(2**32 - 1)
"""What the method's own draw is folded with; codes are numbered below 2**31."""

CHUNK_ENTRIES = 2**23  # numbers in the features of one chunk by default: 32 MiB


class Decomposition(NamedTuple):
    """What GANSpace finds; float64 on the host.

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


class Options(TypedDict, total=False):
    """How to decompose; `decompose` tells what each option does."""

    k: int | None
    estimator: str | None
    resample: bool
    passes: int
    chunk: int | None
    mesh: Mesh | None
    progress: Progress | None


def ganspace(
    features: Callable[[jax.Array], jax.Array],
    sample: Callable[[jax.Array, int], jax.Array],
    *,
    num: int,
    key: jax.Array,
    space: str = "w",
    regressed: bool = False,
    **options: Unpack[Options],
) -> Directions:
    """GANSpace of any function of any latents.

    The two functions are compiled and found again by identity: define them once.

    Args:
        features: latents [N, d] -> [N, ...]; the identity for PCA of the latent.
        sample: `(key, num) -> latents [num, d]`; called for one code at a time.
        num: codes to use.
        key: of all draws; code i depends on the key and i alone.
        space: that of the result: of the features, or, if `regressed`, of the latents.
        regressed: return directions of the latent instead of the features.
        **options: as for `decompose`.

    Returns:
        Directions of unit vectors in `space`; `report` as `feature_directions` says.

    Raises:
        ValueError: names the argument that does not fit.
    """
    source = function_source(features, sample)
    found = decompose(source, num=num, key=key, regressed=regressed, **options)
    build = latent_directions if regressed else feature_directions
    return build(found, space=space)


def discover(
    generator: Generator,
    *,
    layer: str | None = None,
    regress: str | None = None,
    layers: Sequence[int] | str | None = None,
    label: ArrayLike | None = None,
    num: int | None = None,
    key: jax.Array,
    **options: Unpack[Options],
) -> Directions:
    """GANSpace of a generator.

    For a latent edit and an activation edit of the same components, run `decompose` on
    `generator_source` once, then `latent_directions` and `feature_directions`.

    Args:
        generator: the generator.
        layer: what to decompose: "w", or one of `Generator.feature_names`; None for w.
        regress: the latent to carry components of a layer to: "w" or "z". None for
            directions of the layer itself, in space "feature:LAYER".
        layers: rows of w+ to edit: indices or a selection such as "0-1"; None for all.
        label: the class of every code, an index or weights [C], for class-conditional
            generators.
        num: codes; None for 1 000 000 of w and 20 000 of features.
        key: of all draws.
        **options: as for `decompose`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    source = generator_source(generator, layer=layer, regress=regress, label=label)
    regressed = regress is not None and (layer or "w") != regress
    rows = parse_layers(layers, generator.config.num_layers)
    space = _space(layer, regress)
    if rows is not None and space != generator.latent_space:
        raise ValueError(
            f"layers: {layers!r} given for directions in {space!r}; rows are chosen in "
            f"{generator.latent_space!r} alone"
        )
    num = num or default_num(layer)
    found = decompose(source, num=num, key=key, regressed=regressed, **options)
    build = latent_directions if regressed else feature_directions
    return build(found, space=space, layers=rows, generator=fingerprint(generator))


def default_num(layer: str | None) -> int:
    """Codes to use: 1 000 000 of w, as the paper, 20 000 of features."""
    return 1_000_000 if layer in (None, "w") else 20_000


def function_source(
    features: Callable[[jax.Array], jax.Array],
    sample: Callable[[jax.Array, int], jax.Array],
) -> Source:
    """The codes and features that `ganspace` sees."""
    return Source((), _Sample(sample), _Features(features))


def generator_source(
    generator: Generator,
    *,
    layer: str | None = None,
    regress: str | None = None,
    label: ArrayLike | None = None,
) -> Source:
    """The codes and features of a generator; see `discover` for the arguments."""
    spaces = generator.config.spaces
    layer = layer or "w"
    if layer == "w" and "w" not in spaces:
        raise ValueError(
            "layer: this generator has no w; the name of one of its features is needed"
        )
    if regress not in (None, "z", "w") or (regress == "w" and "w" not in spaces):
        accepted = [space for space in ("z", "w") if space in spaces]
        raise ValueError(f"regress: {regress!r} given; one of {accepted} is accepted")
    latent = regress or generator.latent_space
    if label is not None:
        label = jnp.asarray(label)
        if label.ndim == 0:
            label = jax.nn.one_hot(label, generator.config.label_dim)
    return Source(
        (generator, label), _GeneratorSample(latent), _GeneratorFeatures(latent, layer)
    )


def decompose(
    source: Source,
    *,
    num: int,
    k: int | None = None,
    estimator: str | None = None,
    key: jax.Array,
    regressed: bool = False,
    resample: bool = False,
    passes: int = 2,
    chunk: int | None = None,
    mesh: Mesh | None = None,
    progress: Progress | None = None,
) -> Decomposition:
    """Components of features and, if `regressed`, of the latents behind them.

    Memory does not grow with `num`, except for "ica" and "sparse". Orders and ranks are
    decided on the host.

    Args:
        source: codes and what to decompose.
        num: codes to use.
        k: components; None for 80, or as many as there are.
        estimator: "exact", "randomized", "incremental", "ica" or "sparse"; None for the
            first of them, or the second beyond `EXACT_LIMIT` dimensions.
        key: of all draws; code i depends on the key and i alone.
        regressed: carry the components to the latents.
        resample: regress on fresh codes without intercept, as the original.
        passes: over the codes, for "randomized".
        chunk: codes per compiled call, None for as many as fill 32 MiB of features.
        mesh: devices among which each chunk is split.
        progress: called with the number of codes just finished.

    Raises:
        ValueError: names the argument that does not fit.
    """
    if estimator is not None and estimator not in ESTIMATORS:
        raise ValueError(f"estimator: {estimator!r} given; {ESTIMATORS} are accepted")
    for name, value, least in (("num", num, 2), ("chunk", chunk, 1)):
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
    if estimator != "exact" and count > num:
        raise ValueError(f"num: {num} given; at least k = {count} are needed")
    stream = open_stream(
        source,
        key=key,
        keep=regressed,
        chunk=min(chunk or min(max(CHUNK_ENTRIES // size, 1), 8192), num),
        mesh=mesh,
        progress=progress,
    )
    sweep = functools.partial(stream.sweep, num=num)
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
            sweep, size, count, key=draw, passes=passes, latent_dim=dim, dtype=row.dtype
        )
    else:
        components = _by_scikit(estimator, stream, num, count, size)
    if not regressed:
        return Decomposition(components)
    if resample or state is None:
        start, stop = (num, num + max(10_000, num)) if resample else (0, num)
        weights = pca.scaled_weights(components)
        projection = pca.init_projection(components.mean, weights.T, dim, row.dtype)
        projection = stream.sweep(pca.update_projection, projection, stop, start)
        latents = projection.moments
        solution = regress(latents, np.eye(count), intercept=not resample)
    else:
        solution, latents = pca.latent_regression(state, components)
    mean, matrix = covariance(latents)
    norms = np.linalg.norm(solution, axis=1)
    vectors = solution / np.where(norms == 0, 1, norms)[:, None]
    deviations = spread(matrix[-dim:, -dim:], vectors)
    return Decomposition(components, vectors, norms, mean[-dim:], deviations)


def feature_directions(
    found: Decomposition,
    *,
    space: str,
    layers: Sequence[int] | None = None,
    generator: str = "",
) -> Directions:
    """The components themselves as directions of the (flattened) features.

    `report` holds "stdev" and "variance_ratio", `facts` the "total_variance",
    "random_stdev" (the spread to expect along a random direction) and the "rank".
    """
    return directions(
        _single(found.components.vectors),
        space=space,
        scale=_single(found.components.stdev),
        mean=_single(found.components.mean),
        report=_report(found.components),
        facts=_facts(found.components),
        layers=layers,
        method="ganspace",
        generator=generator,
    )


def latent_directions(
    found: Decomposition,
    *,
    space: str,
    layers: Sequence[int] | None = None,
    generator: str = "",
) -> Directions:
    """The components as directions of the latent they were regressed to.

    `report` holds what `feature_directions` has, "regression_norm" and "latent_stdev".

    Raises:
        ValueError: if the decomposition was made without `regressed`.
    """
    if found.latents is None:
        raise ValueError("found: decomposed without latents; regressed=True finds them")
    assert found.latent_stdev is not None
    stdev = found.latent_stdev
    extra = {"regression_norm": _single(found.norms), "latent_stdev": _single(stdev)}
    return directions(
        _single(found.latents),
        space=space,
        scale=_single(np.ones_like(stdev) if space == "z" else stdev),
        mean=_single(found.latent_mean),
        report=_report(found.components) | extra,
        facts=_facts(found.components),
        layers=layers,
        method="ganspace",
        generator=generator,
    )


def set_to_target(
    edit: Directions,
    latent: jax.Array,
    index: ArrayLike,
    value: ArrayLike,
    *,
    mirror: bool = False,
) -> jax.Array:
    """Move latents to a coordinate that is measured on the first row of w+.

    `Directions.move_to` measures the rows that it shifts instead; the two agree where
    all rows are equal.

    Args:
        edit: the directions.
        latent: [N, D] or [N, L, D].
        index: direction, scalar or [N].
        value: the coordinate to reach, in units of strength, scalar or [N].
        mirror: go to the side opposite to the present one, at distance `value`.

    Raises:
        TypeError: for an edit that is not linear.
    """
    edit = linear(edit, "edit")
    first = latent[:, 0] if latent.ndim == 3 else latent
    now = dataclasses.replace(edit, layers=None).coordinate(first, index)
    value = jnp.asarray(value, latent.dtype)
    target = -jnp.sign(now) * value if mirror else value
    return edit.shift(latent, index, target - now)


@dataclasses.dataclass(frozen=True)
class _Sample:
    function: Callable[[jax.Array, int], jax.Array]

    def __call__(self, model: Any, key: jax.Array) -> jax.Array:
        return self.function(key, 1)[0]


@dataclasses.dataclass(frozen=True)
class _Features:
    function: Callable[[jax.Array], jax.Array]

    def __call__(self, model: Any, latents: jax.Array) -> jax.Array:
        return self.function(latents)


@dataclasses.dataclass(frozen=True)
class _GeneratorSample:
    latent: str

    def __call__(self, model: Any, key: jax.Array) -> jax.Array:
        generator, label = model
        # the original draws BigGAN's z within two deviations
        prior = 1.0 if generator.truncates_prior else None
        z = generator.sample(key, 1, truncation=prior)
        if self.latent == "w":
            z = generator.map(z, _repeat(label, 1))
        return z[0]


@dataclasses.dataclass(frozen=True)
class _GeneratorFeatures:
    latent: str
    layer: str

    def __call__(self, model: Any, latents: jax.Array) -> jax.Array:
        generator, label = model
        labels = _repeat(label, latents.shape[0])
        if self.latent == "z" and "w" in generator.config.spaces:
            latents = generator.map(latents, labels)
        if self.layer == "w":
            return latents
        return generator.features(latents, labels, names=(self.layer,))[self.layer]


def _by_scikit(
    estimator: str, stream: Stream, num: int, k: int, size: int
) -> Components:
    if estimator == "incremental":
        block = max(stream.chunk, 2000, 3 * k)
        blocks = estimators.blocks_of(stream.rows(num), block, num, k)
        return estimators.incremental_components(blocks, k)
    estimators.check_stored(num, size)
    rows = np.concatenate(list(stream.rows(num)))
    seed = int(jax.random.bits(jax.random.fold_in(stream.key, OWN_DRAW))) >> 1
    if estimator == "ica":
        return estimators.independent_components(rows, k, seed=seed)
    return estimators.sparse_components(rows, k, seed=seed)


def _repeat(label: jax.Array | None, num: int) -> jax.Array | None:
    return None if label is None else jnp.broadcast_to(label[None], (num, *label.shape))


def _space(layer: str | None, regress: str | None) -> str:
    if regress is not None:
        return regress
    return "w" if layer in (None, "w") else f"feature:{layer}"


def _single(array: Any) -> np.ndarray:
    return np.asarray(array, np.float32)


def _report(components: Components) -> dict[str, np.ndarray]:
    return {
        "stdev": _single(components.stdev),
        "variance_ratio": _single(components.variance_ratio),
    }


def _facts(components: Components) -> dict[str, Any]:
    return {
        "total_variance": float(components.total_variance),
        "random_stdev": float(
            np.sqrt(components.total_variance / len(components.mean))
        ),
        "rank": int(components.rank),
    }
