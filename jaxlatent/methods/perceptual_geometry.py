"""Perceptual geometry: the metric that a distance of pictures gives the latent space.

Binxu Wang and Carlos R. Ponce, "A Geometric Analysis of Deep Generative Image Models
and Its Applications", ICLR 2021.

With a distance d of pictures, the metric H at z is half the Hessian of d(G(z), G(y)) by
y at y = z: a small step v changes the picture by v^T H v. Its eigenvectors, the largest
eigenvalue first, are the axes along which pictures change most. The paper finds that
few of them hold nearly all of the change, and that they are much the same everywhere,
which `numerics.geometry.homogeneity` measures.

The paper takes LPIPS and differentiates it twice: a backward pass through a backward
pass for each direction, or for each step of Lanczos' method. But LPIPS is a squared
distance of points e (`Lpips.embedding`), as are those of `networks.distances`, and the
Hessian of |e(G(z)) - e(G(y))|^2 at y = z is 2 J^T J, with the Jacobian J of e(G(.)):
a Gram matrix of first derivatives. The authors' code keeps the Hessian itself, whose
eigenvalues are twice those here.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Unpack

import flax.struct
import jax
import numpy as np

from jaxlatent.edits.base import as_facts
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import (
    AS_IT_IS,
    Picture,
    Told,
    View,
    host_gram,
    pictures_at,
    recorded,
)
from jaxlatent.latents import Latents, Truncation
from jaxlatent.networks.distances import PixelDistance
from jaxlatent.numerics.geometry import energy_dimension, homogeneity
from jaxlatent.numerics.jacobian_sketches import Leading, leading_singular_vectors
from jaxlatent.numerics.spectral import symmetric_spectrum

SHARE = 0.99
"""Of the eigenvalues' sum, that an effective dimension is counted for."""


class Embedding(Protocol):
    """A distance of pictures that is a squared distance of points."""

    def embedding(self, x: jax.Array) -> jax.Array:
        """Pictures [N, H, W, C] -> points [N, P]."""
        ...


@flax.struct.dataclass(eq=False)
class Seen:
    """A picture as a distance sees it, as a function of a shift of its latent.

    Attributes:
        picture: see `jacobians.picture`.
        distance: an `Embedding`.
    """

    picture: Picture
    distance: Any

    def __call__(self, shift: jax.Array) -> jax.Array:
        """Shift -> a point [P]."""
        return self.distance.embedding(self.picture(shift)[None])[0]

    @property
    def origin(self) -> jax.Array:
        """The shift that changes nothing."""
        return self.picture.origin

    @property
    def recompute(self) -> bool:
        """As of the picture, unless a network looks at it."""
        return self.picture.recompute and isinstance(self.distance, PixelDistance)


def perceptual_metric(
    picture: Picture,
    distance: Embedding,
    **options: Any,
) -> np.ndarray:
    """The metric at one latent: half the Hessian of the distance there.

    Compiled; neither another latent nor other weights compile it again.

    Args:
        picture: see `jacobians.picture`; prepare its generator first.
        distance: what tells pictures apart.
        **options: of `jacobians.host_gram`: `chunk`, `mesh`, `store`, `precision`.

    Returns:
        [D, D] float64, symmetric; D is the number of entries of a shift.

    Raises:
        ValueError: for a distance without an embedding, or a metric that is not finite.
    """
    _check_distance(distance)
    matrix = host_gram(Seen(picture, distance), **options)
    if not np.isfinite(matrix).all():
        raise ValueError("distance: its metric is not finite at this latent")
    return matrix


def perceptual_axes(
    picture: Picture,
    distance: Embedding,
    k: int,
    *,
    key: jax.Array,
    precision: str = "highest",
    **options: Any,
) -> Leading:
    """The leading axes at one latent, without the matrix, for latents of many entries.

    Args:
        picture: as for `perceptual_metric`.
        distance: likewise.
        k: how many.
        key: of the random block that the search starts from.
        precision: of products, as for `jax.default_matmul_precision`.
        **options: of `numerics.jacobian_sketches.leading_singular_vectors`.

    Returns:
        Eigenvalues [k], descending, axes [k, D] and residuals [k].

    Raises:
        ValueError: for a distance without an embedding, or k outside 1 to D.
    """
    _check_distance(distance)
    with jax.default_matmul_precision(precision):
        return _leading(Seen(picture, distance), key, k=k, **options)


def perceptual_geometry(
    metrics: np.ndarray,
    *,
    k: int | None = None,
    share: float = SHARE,
    **told: Unpack[Told],
) -> Directions:
    """The axes of the mean of some metrics. Runs on the host.

    Args:
        metrics: [N, D, D], at N latents.
        k: how many axes; None for the effective dimension.
        share: of the eigenvalues' sum, that the effective dimension makes up.
        **told: what to record: `space` ("w" if left out), `layers`, `names`,
            `generator`.

    Returns:
        Orthonormal directions [K, D], the largest eigenvalue first. `report` holds the
        "eigenvalues" of the mean and their "share"; `facts` the effective "dimension"
        of the mean, its mean over the latents "dimension_each" and, of two or more
        latents, the "homogeneity" and "log_homogeneity" of their metrics.

    Raises:
        ValueError: names the argument that does not fit.
    """
    metrics = np.asarray(metrics, np.float64)
    if metrics.ndim != 3 or not len(metrics) or metrics.shape[1] != metrics.shape[2]:
        raise ValueError(f"metrics: shape {metrics.shape} given; [N, D, D] is accepted")
    spectrum = symmetric_spectrum(metrics.mean(axis=0))
    if not spectrum.rank:
        raise ValueError("metrics: zero everywhere; a distance that changes is needed")
    dimension = int(energy_dimension(spectrum.values, share))
    _check_count(k, len(spectrum.values))
    count = dimension if k is None else k
    each = energy_dimension(np.linalg.eigvalsh(metrics), share)
    facts: dict[str, Any] = {
        "dimension": dimension,
        "dimension_each": float(each.mean()),
        "share": share,
        "latents": len(metrics),
    }
    if len(metrics) > 1:
        linear, log = homogeneity(metrics).mean()
        facts |= {"homogeneity": linear, "log_homogeneity": log}
    values = spectrum.values[:count]
    record: dict[str, Any] = {"space": "w", **told}
    return directions(
        spectrum.vectors[:count].astype(np.float32),
        **record,
        report={
            "eigenvalues": values.astype(np.float32),
            "share": (values / spectrum.values.sum()).astype(np.float32),
        },
        facts=facts,
        method="perceptual_geometry",
    )


def discover(
    generator: Generator,
    latents: Latents,
    distance: Embedding | None = None,
    view: View = AS_IT_IS,
    *,
    truncation: Truncation | None = None,
    k: int | None = None,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Directions:
    """The perceptual axes of a generator, from the mean metric at some codes.

    Args:
        generator: the generator; prepare it first.
        latents: the codes to differentiate at, one for its own axes; z is carried to w
            where there is one.
        distance: what tells pictures apart, such as an `Lpips`; None for the mean
            squared difference of pixels, which needs no weights and sees as much in the
            backdrop as in a face.
        view: which rows of w+ move together, and how pictures are seen: 256 pixels at
            most unless it says otherwise, as LPIPS was made for.
        truncation: on the way to w+; None for none.
        k: as for `perceptual_geometry`.
        progress: called with 1 after each code.
        **options: of `perceptual_metric`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    distance = PixelDistance() if distance is None else distance
    pictures = pictures_at(generator, latents, view, truncation)
    _check_count(k, pictures[0].origin.size)
    metrics = metrics_at(pictures, distance, progress=progress, **options)
    found = perceptual_geometry(metrics, k=k, **recorded(generator, pictures[0]))
    told = {**found.facts, "distance": type(distance).__name__}
    return dataclasses.replace(found, facts=as_facts(told))


def metrics_at(
    pictures: Sequence[Picture],
    distance: Embedding,
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> np.ndarray:
    """`perceptual_metric` of each picture, [N, D, D].

    Args:
        pictures: see `jacobians.pictures_at`.
        distance: as for `perceptual_metric`.
        progress: called with 1 after each.
        **options: of `perceptual_metric`.
    """
    found = []
    for picture in pictures:
        found.append(perceptual_metric(picture, distance, **options))
        if progress is not None:
            progress(1)
    return np.stack(found)


def _check_distance(distance: Any) -> None:
    if not callable(getattr(distance, "embedding", None)):
        raise ValueError(
            f"distance: a {type(distance).__name__} given; LPIPS, or another with an "
            "embedding, is accepted"
        )


def _check_count(k: int | None, size: int) -> None:
    if k is not None and not 1 <= k <= size:
        raise ValueError(f"k: {k} given; 1 to {size} is accepted")


def _seen_leading(seen: Seen, key: jax.Array, **options: Any) -> Leading:
    return leading_singular_vectors(seen, seen.origin, key=key, **options)


_leading = jax.jit(
    _seen_leading, static_argnames=("k", "oversample", "depth", "chunk", "mesh")
)
