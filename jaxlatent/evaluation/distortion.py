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

from jaxlatent.generators.base import Generator
from jaxlatent.latents import class_choices, prior, sample_keys
from jaxlatent.numerics.geometry import grassmann_distance
from jaxlatent.numerics.local_bases import local_bases
from jaxlatent.types import Model

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
        ValueError: for codes of other shapes, a rank above that of the Jacobians, or a
            Jacobian that is zero or not finite.
    """
    if codes.ndim != 2 or codes.shape != near.shape or len(codes) < 2:
        raise ValueError(
            f"codes, near: {codes.shape} and {near.shape} given; [N, D] of two or more "
            "is accepted, twice"
        )
    values, bases, _ = local_bases(f, codes, chunk=chunk)
    if not values[:, 0].all():
        raise ValueError("f: its Jacobian is zero at a code, and has no tangent space")
    others = local_bases(f, near, chunk=chunk).outputs
    if rank is None:
        parts = values**2 / np.sum(values**2, axis=1, keepdims=True)
        logs = np.log(parts, out=np.zeros_like(parts), where=parts > 0)
        rank = max(1, round(float(np.median(np.exp(-np.sum(parts * logs, axis=1))))))
    if not 1 <= rank <= values.shape[1]:
        raise ValueError(
            f"rank: {rank} given; 1 to {values.shape[1]}, that of the Jacobians, is "
            "accepted"
        )
    bases, others = (np.swapaxes(some[:, :rank], 1, 2) for some in (bases, others))
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
    w = mapping_of(generator, label)
    latents = prior(generator, label=label)(sample_keys(key, np.arange(num)))
    way = jax.random.normal(jax.random.fold_in(key, num), latents.codes.shape)
    way = way / jnp.linalg.norm(way, axis=1, keepdims=True)
    near = latents.codes + step * way
    layers = getattr(generator.config, "mapping_layers", 1)
    spaces = {
        f"layer {depth}": mapping_of(generator, label, depth=depth)
        for depth in range(1, layers)
    }
    return {
        name: distortion(f, latents.codes, near, rank=rank, chunk=chunk)
        for name, f in (spaces | {"w": w}).items()
    }


def mapping_of(
    generator: Generator, label: Any = None, *, depth: int | None = None
) -> jax.tree_util.Partial:
    """A mapping network as a function of z alone: z [N, D] -> w [N, ...].

    Args:
        generator: one with a mapping network.
        label: the class of all codes, as `latents.prior` takes it; a single one.
        depth: how many of its layers; None for all.

    Raises:
        ValueError: for a generator without a mapping network, a label that is missing
            or unwanted, or several.
    """
    if "w" not in generator.code_spaces:
        raise ValueError(
            "generator: one without a mapping network given; one with w is accepted"
        )
    chosen = class_choices(label, generator.config.label_dim)
    if chosen is not None:
        if chosen.ndim == 1 and jnp.issubdtype(chosen.dtype, jnp.floating):
            chosen = chosen[None]
        if len(chosen) != 1:
            raise ValueError(f"label: {len(chosen)} classes given; one is accepted")
    if depth is not None:
        # a StyleGAN whose rows have a w each makes them of the last layer alone
        whole = {"repeat_w": True} if hasattr(generator.config, "repeat_w") else {}
        config = dataclasses.replace(generator.config, mapping_layers=depth, **whole)
        generator = dataclasses.replace(generator, config=config)
    return jax.tree_util.Partial(_mapped, generator, chosen)


def _mapped(generator: Generator, label: jax.Array | None, z: jax.Array) -> jax.Array:
    if label is not None:
        label = jnp.broadcast_to(label, (len(z), *label.shape[1:]))
    return generator.map(z, label)
