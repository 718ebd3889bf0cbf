"""StyleSpace's locally active channels: which region of the picture a channel changes.

Wu et al., CVPR 2021, section 4; see `jaxlatent.methods.stylespace`.

Where this differs from the original code, and why:

- It runs one backward pass for every layer and every number of a picture shrunk to 32
  pixels, and the picture again for each. Here columns of the Jacobian, which is exact
  as well, are pushed forward through the picture linearised once.
- Beside the paper's count of pictures in which a region overlaps most with a channel's
  gradient, each region's share of a channel's squared derivative is told, which depends
  on no threshold.
- The original's segmentation has a name for every pixel. Here some may have none, and a
  region is passed over where more of the gradient's largest cells lie in these than in
  it: a small region would else win over all the rest.
- A cell belongs to a region that has more than half of it, and regions may overlap; in
  the original it belongs to the one region that has most of it.
- To-RGB layers count; the original leaves them out.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypedDict

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxlatent.collectives import gather
from jaxlatent.generators.base import Generator
from jaxlatent.generators.style_space import split_styles, style_sizes
from jaxlatent.jacobians import Picture, View, pictures_at, size_of
from jaxlatent.latents import Latents, Truncation, to_space
from jaxlatent.numerics.entries import reduced_columns
from jaxlatent.numerics.shrinking import shrink
from jaxlatent.numerics.tangents import LARGE_OUTPUT
from jaxlatent.parallel import place

CELLS = 32
"""Longer side of the gradient maps that are held against regions, the original's."""

MOST_OF_PICTURES = 0.5
LEAD = 0.25
"""A channel is local to a region that overlaps with it most in more than this share of
the pictures, and in this share more than any other region does."""


class Derivation(TypedDict, total=False):
    """How pictures are differentiated; see `local`."""

    size: int | None
    truncation: Truncation | None
    chunk: int
    mesh: Mesh | None
    progress: Callable[[int], None] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Local:
    """What each of S channels changes, in R regions and in the rest.

    Attributes:
        change: [S] the squared norm of the channel's column of the Jacobian, its mean
            over the codes.
        share: [R, S] the region's part of it, from 0 to 1; 0 where nothing changes.
        most: [R + 1, S] the share of the pictures that have a region in which it
            overlaps most with the channel's gradient; the last is for none.
    """

    change: np.ndarray
    share: np.ndarray
    most: np.ndarray

    @property
    def region(self) -> np.ndarray:
        """[S]: the number of the region that each channel is local to, or -1."""
        order = np.sort(self.most, axis=0)
        first, second = order[-1], order[-2]
        chosen = (first > MOST_OF_PICTURES) & (first - second > LEAD)
        best = self.most.argmax(axis=0)
        return np.where(chosen & (best < len(self.share)), best, -1)

    def order(self, region: int) -> np.ndarray:
        """[S] channels, the most local to a region first.

        First those that the paper's rule takes, by the share of the pictures; then the
        region's share of the change tells.
        """
        local = self.region == region
        most = np.where(local, self.most[region], 0)
        return np.lexsort([-self.share[region], -most, ~local])


def local(
    generator: Generator,
    latents: Latents,
    masks: ArrayLike,
    *,
    size: int | None = CELLS,
    truncation: Truncation | None = None,
    chunk: int = 8,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> Local:
    """Which region each style channel changes, from exact derivatives at some codes.

    A channel's gradient map is the absolute derivative of the picture, averaged over
    colours; as many of its largest cells as a region M has are G, and |G & M| / |M|^2
    is their overlap, in which small regions count more; it is none where G has more
    cells in no region than in M.

    Args:
        generator: with a space s; prepare it first.
        latents: N codes, in any space.
        masks: [R, H, W] weights from 0 to 1, or [N, R, H, W] where each picture has its
            own, of the generator's pictures or of those that are differentiated.
        size: longer side to which pictures are shrunk, by averages, before they are
            differentiated; the paper's if left out, None for `jacobians.DRAWN_AT`.
        truncation: of w on the way, None for none.
        chunk: columns of the Jacobian at a time.
        mesh: devices among which they are divided, None for one.
        progress: called with the number of codes just finished.

    Raises:
        ValueError: names the argument that does not fit.
    """
    styles = to_space(generator, latents, "s", truncation)
    side = max(generator.image_shape[:2])
    view = View(size=None if size is None else min(size, side))
    pictures = pictures_at(generator, styles, view)
    sides = size_of(pictures[0])
    weights = _weights(masks, generator.image_shape[:2], sides, len(pictures))
    scale = min(1, CELLS / max(sides))
    cells = (max(1, round(sides[0] * scale)), max(1, round(sides[1] * scale)))
    members = np.stack([_members(own, cells) for own in weights])
    energies, overlaps = [], []
    sizes = style_sizes(generator)
    groups = layer_groups(generator)
    layers = [name for group in groups for name in group]
    order = np.argsort(np.concatenate([_entries(sizes, name) for name in layers]))
    for given, *held in zip(pictures, weights, members, strict=True):
        styles = split_styles(given.base[None], sizes)
        parts: list[list[np.ndarray]] = []
        for group in groups:
            inputs = (Channels(given, styles, group), *held)
            inputs = inputs if mesh is None else place(inputs, mesh)
            with jax.default_matmul_precision("highest"):
                found = _local(*inputs, cells=cells, chunk=chunk, mesh=mesh)
            found = found if mesh is None else gather(found)
            parts.append([np.asarray(one, np.float64) for one in found])
        energy, overlap = map(np.concatenate, zip(*parts, strict=True))
        if not np.isfinite(energy).all():
            raise ValueError(
                f"latents: the picture of code {len(energies)} has derivatives that "
                "are not finite"
            )
        energies.append(energy[order])
        overlaps.append(overlap[order])
        if progress is not None:
            progress(1)
    *inside, change = np.mean(energies, axis=0).T
    overlap = np.stack(overlaps)  # [N, S, R + 1]
    first = (overlap == overlap.max(axis=2, keepdims=True)) & (overlap > 0)
    there = members.any(axis=(2, 3)).sum(axis=0)  # pictures that have the region
    there[-1] = len(pictures)
    most = first.sum(axis=0) / np.maximum(there, 1)[None]
    return Local(change, np.stack(inside) / np.where(change > 0, change, 1), most.T)


@flax.struct.dataclass(eq=False)
class Channels:
    """One picture as a function of a shift of some layers' styles.

    What lies before these layers is no part of its derivative.

    Attributes:
        picture: how the picture is seen.
        styles: [1, C] by layer.
        layers: those that the shift moves, one after the other.
    """

    picture: Picture
    styles: dict[str, jax.Array]
    layers: tuple[str, ...] = flax.struct.field(pytree_node=False)

    @property
    def origin(self) -> jax.Array:
        """The shift that changes nothing."""
        moved = [self.styles[name] for name in self.layers]
        return jnp.zeros_like(jnp.concatenate(moved, axis=1)[0])

    def __call__(self, shift: jax.Array) -> jax.Array:
        """Shift -> [H, W, C]."""
        sizes = {name: self.styles[name].shape[1] for name in self.layers}
        moved = split_styles(shift[None], sizes)
        styles = {
            name: style + moved[name] if name in moved else style
            for name, style in self.styles.items()
        }
        return self.picture.draw(styles)


def layer_groups(generator: Generator) -> list[tuple[str, ...]]:
    """Layers whose channels are pushed by one program, in the network's order.

    Those of to-RGB layers pass through no convolution, and need not be pushed as if.
    """
    rgb = {one.name for one in generator.affines() if one.rgb}
    names = list(style_sizes(generator))
    groups = [
        tuple(name for name in names if (name in rgb) is wanted)
        for wanted in (False, True)
    ]
    return [group for group in groups if group]


def _entries(sizes: Mapping[str, int], layer: str) -> np.ndarray:
    """Which entries of s are a layer's."""
    names = list(sizes)
    start = sum(sizes[name] for name in names[: names.index(layer)])
    return np.arange(start, start + sizes[layer])


def _weights(
    masks: ArrayLike, full: tuple[int, ...], sides: tuple[int, int], count: int
) -> np.ndarray:
    """Masks [N, R, h, w] of the pictures that are differentiated.

    Raises:
        ValueError: for masks of other sizes, or none.
    """
    given = np.asarray(masks, np.float32)
    fits = given.ndim in (3, 4) and given.shape[-2:] in (tuple(full), sides)
    if given.ndim == 3:
        given = np.broadcast_to(given, (count, *given.shape))
    if not fits or len(given) != count or not given.size:
        height, width = full
        raise ValueError(
            f"masks: shape {np.shape(masks)} given; [R, {height}, {width}] or "
            f"[{count}, R, {height}, {width}] is accepted"
        )
    if not (given.min() >= 0 and given.max() <= 1):
        raise ValueError(
            f"masks: {given.min():g} to {given.max():g} given; 0 to 1 is accepted"
        )
    return _shrunk(given, sides)


def _shrunk(masks: np.ndarray, sides: tuple[int, int]) -> np.ndarray:
    flat = masks.reshape(-1, *masks.shape[-2:])
    small = shrink(jnp.moveaxis(jnp.asarray(flat), 0, -1), sides)
    return np.moveaxis(np.asarray(small), -1, 0).reshape(*masks.shape[:-2], *sides)


def _members(masks: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Which cells belong to each region, and to the rest: [R + 1, h, w]."""
    small = _shrunk(masks, cells)
    rest = 1 - small.sum(axis=0, keepdims=True)
    every = np.concatenate([small, rest])
    # regions may overlap; the rest is what none of them has
    members = every > 0.5
    members[-1] &= ~members[:-1].any(axis=0)
    return members


@partial(jax.jit, static_argnames=("cells", "chunk", "mesh"))
def _local(
    given: Channels,
    weights: jax.Array,
    members: jax.Array,
    *,
    cells: tuple[int, int],
    chunk: int,
    mesh: Mesh | None,
) -> tuple[jax.Array, jax.Array]:
    """Squared derivatives [S, R + 1] in regions and in all, overlaps [S, R + 1]."""
    return reduced_columns(
        given,
        given.origin,
        partial(kept, cells=cells),
        weights,
        members,
        chunk=chunk,
        mesh=mesh,
        large=math.prod(given.picture.generator.image_shape) >= LARGE_OUTPUT,
    )


def kept(
    column: jax.Array,
    weights: jax.Array,
    members: jax.Array,
    *,
    cells: tuple[int, int],
) -> tuple[jax.Array, jax.Array]:
    """What is kept of one channel's derivative [H, W, C]."""
    squares = jnp.square(column).sum(axis=-1)
    energy = jnp.append(jnp.sum(weights * squares[None], axis=(1, 2)), squares.sum())
    gradient = jnp.abs(shrink(column, cells)).mean(axis=-1).reshape(-1)
    members = members.reshape(len(members), -1)
    counts = members.sum(axis=1)
    falling = jnp.append(-jnp.sort(-gradient), -jnp.inf)
    # as many cells as the region has are above what comes next
    largest = gradient[None] > falling[counts][:, None]
    inside = jnp.sum(largest & members, axis=1)[:-1]
    beside = jnp.sum(largest & members[-1:], axis=1)[:-1]
    overlap = inside / jnp.maximum(jnp.square(counts[:-1]), 1)
    overlap = jnp.where(inside >= beside, overlap, 0)
    none = ~(overlap > 0).any() & (gradient > 0).any()
    return energy, jnp.append(overlap, none.astype(overlap.dtype))
