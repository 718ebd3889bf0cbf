"""StyleSpace's locally active channels: which region of the picture a channel changes.

Wu et al., CVPR 2021, section 4; see `jaxlatent.methods.stylespace`.

Where this differs from the original code, and why:

- It runs one backward pass for every layer and every number of a picture shrunk to 32
  pixels, and the picture again for each. Here the Jacobian is exact as well, but the
  picture is linearised once, and the shorter side of the Jacobian is walked: columns,
  or rows where the picture's numbers are fewer than the channels.
- Beside the paper's count of pictures in which a region overlaps most with a channel's
  gradient, each region's share of a channel's squared derivative is told, which depends
  on no threshold.
- What no region names is one more region, so that a channel that changes the rest more
  is local to none. The original's segmentation has a name for every pixel.
- To-RGB layers count; the original leaves them out.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxlatent.collectives import gather
from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import Picture, View, pictures_at, shrink, size_of
from jaxlatent.latents import Latents, Truncation, to_space
from jaxlatent.numerics.entries import reduced_columns, rows
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
            overlaps most with the channel's gradient; what no region has is the last.
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
    is their overlap, in which small regions count more.

    Args:
        generator: with a space s; prepare it first.
        latents: N codes, in any space.
        masks: [R, H, W] weights from 0 to 1, or [N, R, H, W] where each picture has its
            own, of the generator's pictures or of those that are differentiated.
        size: longer side to which pictures are shrunk, by averages, before they are
            differentiated; the paper's if left out, None for `jacobians.DRAWN_AT`.
        truncation: of w on the way, None for none.
        chunk: columns or rows of the Jacobian at a time.
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
    for inputs in zip(pictures, weights, members, strict=True):
        inputs = inputs if mesh is None else place(inputs, mesh)
        with jax.default_matmul_precision("highest"):
            found = _local(*inputs, cells=cells, chunk=chunk, mesh=mesh)
        found = found if mesh is None else gather(found)
        energy, overlap = (np.asarray(one, np.float64) for one in found)
        energies.append(energy)
        overlaps.append(overlap)
        if progress is not None:
            progress(1)
    *inside, change = np.mean(energies, axis=0).T
    overlap = np.stack(overlaps)  # [N, S, R + 1]
    first = (overlap == overlap.max(axis=2, keepdims=True)) & (overlap > 0)
    there = members.any(axis=(2, 3)).sum(axis=0)  # regions that a picture lacks
    most = first.sum(axis=0) / np.maximum(there, 1)[None]
    return Local(change, np.stack(inside) / np.where(change > 0, change, 1), most.T)


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
    if given.min() < 0 or given.max() > 1:
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
    given: Picture,
    weights: jax.Array,
    members: jax.Array,
    *,
    cells: tuple[int, int],
    chunk: int,
    mesh: Mesh | None,
) -> tuple[jax.Array, jax.Array]:
    """Squared derivatives [S, R + 1] in regions and in all, overlaps [S, R + 1]."""
    reduce = partial(_reduced, cells=cells)
    options = {"chunk": chunk, "mesh": mesh}
    if jax.eval_shape(given, given.origin).size >= given.base.size:
        return reduced_columns(given, given.origin, reduce, weights, members, **options)
    columns = jnp.moveaxis(rows(given, given.origin, **options), -1, 0)
    return jax.lax.map(
        lambda column: reduce(column, weights, members), columns, batch_size=256
    )


def _reduced(
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
    both = jnp.sum(largest & members, axis=1)
    return energy, both / jnp.maximum(jnp.square(counts), 1)
