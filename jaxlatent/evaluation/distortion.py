"""How bent a latent space is: whether its tangent spaces agree, without any label.

Choi, Hwang, Cho and Kang, "Analyzing the Latent Space of GAN through Local Dimension
Estimation" (arXiv 2205.13182, 2023). The codes w = f(z) of a mapping network lie on a
manifold whose tangent space at w is spanned by the leading left singular vectors of the
Jacobian of f. If the space is not warped, a direction means the same everywhere, and
the tangent spaces of codes at random are hardly further apart on the Grassmannian than
those of neighbours. Their ratio is the distortion,

    mean over random pairs of d(T_i, T_j) / mean over near pairs of d(T_i, T_j),

1 for a flat space, and the larger the worse do global directions suit it. The layers of
the mapping network are spaces of their own.

Here all tangent spaces have one dimension k, by default the median effective rank of
the Jacobians, where the paper tests singular values against noise.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.batching import in_chunks
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior, sample_keys
from jaxlatent.numerics.geometry import grassmann_distance
from jaxlatent.types import Model, as_model

FLAT = 1e-3
"""Radians; tangent spaces nearer than this are told apart by rounding alone."""


@dataclasses.dataclass(frozen=True)
class Distortion:
    """How far apart tangent spaces are.

    Attributes:
        rank: k, their dimension.
        random: mean distance of random pairs, over the square root of k: the root of
            the mean square of the angles, in radians.
        near: likewise of near pairs.
    """

    rank: int
    random: float
    near: float

    @property
    def ratio(self) -> float:
        """The distortion; 1 where all tangent spaces are the same."""
        if self.random < FLAT:
            return 1.0
        return self.random / self.near if self.near else float("inf")


def distortion(
    f: Model,
    codes: jax.Array,
    near: jax.Array,
    *,
    rank: int | None = None,
    chunk: int = 8,
) -> Distortion:
    """The distortion of the image of a function.

    Args:
        f: z [N, D] -> [N, ...], each row by itself.
        codes: [N, D], two or more; each makes a random pair with the next.
        near: [N, D], a neighbour of each.
        rank: k; None for the median effective rank of the Jacobians at `codes`.
        chunk: Jacobians per compiled call.

    Raises:
        ValueError: for codes of other shapes, or a rank above that of the Jacobians.
    """
    if codes.ndim != 2 or codes.shape != near.shape or len(codes) < 2:
        raise ValueError(
            f"codes, near: {codes.shape} and {near.shape} given; [N, D] of two or more "
            "is accepted, twice"
        )
    bases, values = _tangent_bases(f, codes, chunk)
    others, _ = _tangent_bases(f, near, chunk)
    if rank is None:
        parts = values**2 / np.sum(values**2, axis=1, keepdims=True)
        logs = np.log(parts, out=np.zeros_like(parts), where=parts > 0)
        rank = max(1, round(float(np.median(np.exp(-np.sum(parts * logs, axis=1))))))
    if not 1 <= rank <= values.shape[1]:
        raise ValueError(
            f"rank: {rank} given; 1 to {values.shape[1]}, that of the Jacobians, is "
            "accepted"
        )
    bases, others = bases[:, :, :rank], others[:, :, :rank]
    random = grassmann_distance(bases, np.roll(bases, -1, axis=0)).mean()
    close = grassmann_distance(bases, others).mean()
    return Distortion(rank, float(random / rank**0.5), float(close / rank**0.5))


def mapping_distortion(
    generator: Generator,
    *,
    key: jax.Array,
    num: int = 50,
    step: float = 0.1,
    rank: int | None = None,
    label: Any = None,
    chunk: int = 8,
) -> dict[str, Distortion]:
    """The distortion of w, and of every layer of the mapping network before it.

    Args:
        generator: one with a mapping network.
        key: of the codes.
        num: how many codes; two Jacobians each, and a singular value decomposition.
        step: distance of a neighbour in z.
        rank: as for `distortion`.
        label: the class of all codes, as `latents.prior` takes it; a single one.
        chunk: Jacobians per compiled call.

    Returns:
        By layer, "layer 1" to the last but one, where the network has layers; and "w".

    Raises:
        ValueError: for a generator without a mapping network, or as `distortion`.
    """
    if "w" not in generator.code_spaces:
        raise ValueError(
            "generator: one without a mapping network given; one with w is accepted"
        )
    latents = prior(generator, label=label)(sample_keys(key, np.arange(num)))
    way = jax.random.normal(jax.random.fold_in(key, num), latents.codes.shape)
    way = way / jnp.linalg.norm(way, axis=1, keepdims=True)
    near = latents.codes + step * way
    one = None if latents.label is None else latents.label[:1]
    depths = {"w": generator}
    layers = getattr(generator.config, "mapping_layers", 1)
    for depth in reversed(range(1, layers)):
        cut = dataclasses.replace(generator.config, mapping_layers=depth)
        shorter = dataclasses.replace(generator, config=cut)
        depths = {f"layer {depth}": shorter, **depths}
    return {
        name: distortion(
            jax.tree_util.Partial(_mapped, some, one),
            latents.codes,
            near,
            rank=rank,
            chunk=chunk,
        )
        for name, some in depths.items()
    }


def _mapped(generator: Generator, label: jax.Array | None, z: jax.Array) -> jax.Array:
    if label is not None:
        label = jnp.broadcast_to(label, (len(z), *label.shape[1:]))
    return generator.map(z, label)


def _tangent_bases(
    f: Model, codes: jax.Array, chunk: int
) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors [N, M, R] of the Jacobians, and their values [N, R]."""
    bases, values = [], []
    for part in in_chunks(
        _jacobians, (codes,), len(codes), chunk, whole=(as_model(f),)
    ):
        left, found, _ = np.linalg.svd(part.astype(np.float64), full_matrices=False)
        bases.append(left)
        values.append(found)
    return np.concatenate(bases), np.concatenate(values)


@jax.jit
def _jacobians(f: Model, codes: jax.Array) -> jax.Array:
    """[N, M, D], at the highest precision."""

    def one(code: jax.Array) -> jax.Array:
        return f(code[None])[0].ravel()

    with jax.default_matmul_precision("highest"):
        return jax.vmap(jax.jacfwd(one))(codes)
