"""Paths of edits as points: all of them at once, and how far they are from straight.

WarpedGANSpace (Tzelepis et al., ICCV 2021) follows every path from every code to both
sides; any edit will do. The measures of straightness are ours.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec
from jax.typing import ArrayLike

from jaxlatent.batching import in_chunks
from jaxlatent.edits.base import Edit, bare


def path_strengths(step: float, steps: int, *, leap: int = 1) -> np.ndarray:
    """Strengths from one end of a path to the other, zero among them.

    Args:
        step: between two points.
        steps: to either side.
        leap: keep every so-manieth point, counted from the first; zero is kept if
            `steps` is a multiple of it.

    Raises:
        ValueError: for a number below one.
    """
    for name, number in (("steps", steps), ("leap", leap)):
        if number < 1:
            raise ValueError(f"{name}: {number} given; 1 or more is accepted")
    return (step * np.arange(-steps, steps + 1, leap)).astype(np.float32)


def follow_paths(
    edit: Edit,
    codes: ArrayLike,
    strengths: ArrayLike,
    *,
    chunk: int = 64,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Points of all paths of an edit through all codes.

    Path k from code n is `edit.traverse(codes[n : n + 1], k, strengths)`; it is
    integrated once for all strengths, both ways. Compiled once for all weights, codes
    and strengths of the same shapes.

    Args:
        edit: of any kind, K directions.
        codes: [N, D], or [N, L, D] in w+.
        strengths: [S], such as `path_strengths` gives.
        chunk: paths per compiled call; bounds memory.
        mesh: devices among which the paths of a call are split, None for one.
        progress: called with the number of paths just followed.

    Returns:
        [K, N, S, ...] on the host.

    Raises:
        ValueError: as `edit.traverse` does.
    """
    parts = in_chunks(
        partial(_followed, mesh=mesh),
        (np.arange(len(edit), dtype=np.int32),),
        len(edit),
        chunk,
        progress,
        whole=(bare(edit), jnp.asarray(codes), np.asarray(strengths)),
        mesh=mesh,
    )
    return np.concatenate(list(parts))


@partial(jax.jit, static_argnames="mesh")
def _followed(
    edit: Any,
    codes: jax.Array,
    strengths: jax.Array,
    numbers: jax.Array,
    *,
    mesh: Mesh | None,
) -> jax.Array:
    """[P, N, S, ...] along the paths of these numbers."""

    def follow(number: jax.Array, edit: Any, codes: Any, strengths: Any) -> jax.Array:
        return jnp.moveaxis(edit.traverse(codes, number, strengths), 0, 1)

    def run(edit: Any, codes: Any, strengths: Any, numbers: jax.Array) -> jax.Array:
        # one after the other, what a path needs stays in the cache of a CPU
        alone = jax.default_backend() == "cpu"
        one = partial(follow, edit=edit, codes=codes, strengths=strengths)
        return lax.map(one, numbers) if alone else jax.vmap(one)(numbers)

    if mesh is None:
        return run(edit, codes, strengths, numbers)
    rows = PartitionSpec(mesh.axis_names)
    share = jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(), rows),
        out_specs=rows,
        check_vma=False,  # what is made of the codes alone is the same everywhere
    )
    return share(edit, codes, strengths, numbers)


def overshoot(points: ArrayLike, *, axis: int = -2) -> np.ndarray:
    """The codes whose pictures the published code of WarpedGANSpace shows.

    It adds the last shift a second time, so that every picture is one step farther out
    than the code that is saved with it, and the neighbours of the middle two steps.

    Args:
        points: all points of paths, an odd number with the start in the middle.
        axis: along which they lie.

    Returns:
        Of the same shape.
    """
    points = np.moveaxis(np.asarray(points), axis, 0)
    middle = len(points) // 2
    found = points.copy()
    found[:middle] += points[:middle] - points[1 : middle + 1]
    found[middle + 1 :] += points[middle + 1 :] - points[middle:-1]
    return np.moveaxis(found, 0, axis)


def straightness(points: ArrayLike) -> np.ndarray:
    """The distance between the ends of a path over its length: 1 for a straight one.

    Args:
        points: [..., S, D] of the points of paths, in order.

    Returns:
        [...]; NaN for a path of length zero.
    """
    points = np.asarray(points, np.float64)
    length = np.linalg.norm(np.diff(points, axis=-2), axis=-1).sum(axis=-1)
    chord = np.linalg.norm(points[..., -1, :] - points[..., 0, :], axis=-1)
    return np.divide(chord, length, out=np.full_like(chord, np.nan), where=length > 0)


def turning(points: ArrayLike) -> np.ndarray:
    """The mean angle between a step of a path and the next, in degrees.

    Args:
        points: [..., S, D] of the points of paths, three or more, in order.

    Returns:
        [...]; NaN where a step has no length.
    """
    steps = np.diff(np.asarray(points, np.float64), axis=-2)
    if steps.shape[-2] < 2:
        raise ValueError(
            f"points: shape {np.shape(points)} given; [..., S, D] of three or more is "
            "accepted"
        )
    lengths = np.linalg.norm(steps, axis=-1, keepdims=True)
    nowhere = np.full_like(steps, np.nan)
    units = np.divide(steps, lengths, out=nowhere, where=lengths > 0)
    # of half the angle, whose digits near zero an arccosine would lose
    apart = np.linalg.norm(units[..., 1:, :] - units[..., :-1, :], axis=-1)
    return np.degrees(2 * np.arcsin(np.minimum(apart / 2, 1))).mean(axis=-1)


def project_paths(points: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Paths in the plane that shows most of them: PCA of their points.

    Args:
        points: [K, S, D], of K paths from one code.

    Returns:
        [K, S, 2] places, and [2] the share of the variance along each axis.
    """
    points = np.asarray(points, np.float64)
    flat = points.reshape(-1, points.shape[-1])
    flat = flat - flat.mean(axis=0)
    _, values, axes = np.linalg.svd(flat, full_matrices=False)
    total = max(np.sum(values**2), np.finfo(float).tiny)
    return (flat @ axes[:2].T).reshape(*points.shape[:2], 2), values[:2] ** 2 / total
