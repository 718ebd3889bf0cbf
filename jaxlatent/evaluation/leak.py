"""What an edit changes outside the region of the picture that it is made for.

The region is any mask, or the parts of a world that a factor owns. Where a part itself
moves, its place before and its place after both count as the region.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxlatent.batching import in_chunks
from jaxlatent.data.worlds import World
from jaxlatent.evaluation.effects import Effects

STEP = 0.2
"""Of a factor to either side, where the parts are looked for that it owns."""

SHARE = 0.95
"""Of what a factor changes in pictures; the parts that hold it are the factor's own."""


def outside_share(images: ArrayLike, masks: ArrayLike, start: int) -> float:
    """The share of the change of pictures that lies outside a region.

    Args:
        images: [N, S, H, W, C] of N codes at S strengths.
        masks: [N, S, H, W] in [0, 1], 1 inside; or what broadcasts to that, such as
            [H, W] or [N, 1, H, W] where the region stays where it is.
        start: the place among the S of the pictures that were not edited.

    Returns:
        Absolute changes of the pixels outside over those of all, each summed over all
        codes and strengths, so that codes that hardly change hardly count; NaN where
        nothing changes.

    Raises:
        ValueError: for masks that do not fit the images.
    """
    shown = np.asarray(images, np.float64)
    try:
        inside = np.broadcast_to(np.asarray(masks, np.float64), shown.shape[:4])
    except ValueError:
        raise ValueError(
            f"masks: shape {np.shape(masks)} given; {shown.shape[:4]} is accepted"
        ) from None
    change = np.abs(shown - shown[:, start, None]).sum(axis=-1)
    region = np.maximum(inside, inside[:, start, None])
    whole = float(change.sum())
    return float((change * (1 - region)).sum()) / whole if whole else float("nan")


def owned_parts(
    world: World,
    *,
    key: jax.Array,
    size: int = 64,
    num: int = 32,
    share: float = SHARE,
) -> dict[str, tuple[str, ...]]:
    """The parts of its pictures that each factor of a world changes.

    All factors are drawn, and the one goes a little to both sides: if it went far, a
    part would leave its place, and what lies behind it would count as changed. Its own
    are the fewest parts that hold a share of the change of all pixels.

    Args:
        world: the world.
        key: of the other factors.
        size: of the pictures.
        num: how many.
        share: of the change.

    Returns:
        Names of parts by factor, those that change most first; {} for a world that
        tells no parts apart.
    """
    drawn = np.asarray(world.sample(key, num))
    shapes = jax.eval_shape(lambda: world.masks(jnp.asarray(drawn), size=size))
    found: dict[str, tuple[str, ...]] = {}
    if not shapes:
        return found
    for column, name in enumerate(world.names):
        ends = np.stack([drawn, drawn], axis=1)
        ends[:, :, column] += (-STEP, STEP)
        images, masks = painted(world, ends, size)
        outside = partial(outside_share, images, start=0)
        single = {part: outside(mask) for part, mask in masks.items()}
        kept: list[str] = []
        for part in sorted(single, key=single.__getitem__):
            kept.append(part)
            if outside(sum(masks[one] for one in kept)) <= 1 - share:
                break
        found[name] = tuple(kept)
    return found


def part_leaks(
    world: World,
    effects: Effects,
    best: Sequence[int],
    parts: Mapping[str, Sequence[str]],
    *,
    size: int = 64,
    num: int = 16,
) -> np.ndarray:
    """The leak of each factor's direction out of the parts that the factor owns.

    Args:
        world: of the factors.
        effects: exact ones, on all factors of the world.
        best: [F] the direction of each factor; -1 for none.
        parts: by factor; see `owned_parts`.
        size: of the pictures, which are painted by the factors that the edit reached.
        num: codes, the first ones.

    Returns:
        [F] the `outside_share` of each; NaN where there is no direction.
    """
    start = int(np.argmin(np.abs(effects.strengths)))
    leaks = np.full(len(effects.factors), np.nan)
    for number, (name, direction) in enumerate(zip(effects.factors, best, strict=True)):
        if direction >= 0 and name in parts:
            images, masks = painted(world, effects.values[:num, direction], size)
            region = sum(masks[part] for part in parts[name])
            leaks[number] = outside_share(images, region, start)
    return leaks


def painted(
    world: World, factors: np.ndarray, size: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pictures [N, S, H, W, C] and masks [N, S, H, W] by part of factors [N, S, F]."""
    rows = jnp.asarray(factors.reshape(-1, factors.shape[-1]), jnp.float32)
    done = list(
        in_chunks(partial(_painted, world=world, size=size), (rows,), len(rows), 64)
    )

    def joined(*arrays: np.ndarray) -> np.ndarray:
        whole = np.concatenate(arrays)
        return whole.reshape(*factors.shape[:2], *whole.shape[1:])

    return jax.tree.map(joined, *done)


@partial(jax.jit, static_argnames=("world", "size"))
def _painted(
    factors: jax.Array, *, world: World, size: int
) -> tuple[jax.Array, dict[str, jax.Array]]:
    images = world.render(factors, size=size)
    return images, world.masks(factors, size=size)
