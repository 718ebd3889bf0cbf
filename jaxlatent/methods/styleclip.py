"""StyleCLIP's global directions, for any network that looks at pictures.

Patashnik, Wu, Shechtman, Cohen-Or, Lischinski, "StyleCLIP: Text-Driven Manipulation of
StyleGAN Imagery", ICCV 2021, arXiv 2103.17249, section 6.

`relevance` measures in which direction of a feature space each style channel moves
pictures; `toward` takes the channels whose direction is most like a target, which is
the difference of two texts in CLIP, or any other vector: a score's own axis, the
difference of two groups of pictures.

Where this differs from the original code: the network and the target are the caller's;
all channels may count, those of to-RGB layers too.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxlatent.batching import in_chunks
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.generators.style_space import check_channels, check_styles, style_sizes
from jaxlatent.latents import Latents, to_images, to_space
from jaxlatent.types import Model, as_model

STRENGTH = 5.0
"""How far channels are moved to either side, in deviations; the original's."""


def relevance(
    generator: Generator,
    features: Model,
    latents: Latents,
    styles: ArrayLike,
    *,
    channels: Sequence[int] | np.ndarray | None = None,
    chunk: int = 8,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """In which direction of a feature space each channel moves the picture.

    A channel is set to its mean plus and minus `STRENGTH` deviations in each of N
    pictures; the difference of their features, each of unit length, is brought to unit
    length, averaged over the pictures and brought to unit length again.

    Args:
        generator: with a space s; prepare it first.
        features: images [M, H, W, C] -> [M, F], F two or more.
        latents: N codes in any space, 100 in the original.
        styles: [P, S] of a population; see `stylespace.population`.
        channels: [K] of those of s; None for all.
        chunk: pairs of pictures per compiled call.
        mesh: devices that pictures are split over, None for one.
        progress: called with the number of pairs just done.

    Returns:
        [K, F]; zero where a channel changes nothing.

    Raises:
        ValueError: for styles, channels or features that do not fit.
    """
    start = to_space(generator, latents, "s")
    size = start.codes.shape[1]
    whole, chosen = check_styles(styles, size), check_channels(channels, size)
    model = as_model(features)
    image = jax.ShapeDtypeStruct((1, *generator.image_shape), start.codes.dtype)
    shape = jax.eval_shape(lambda model, image: model(image), model, image).shape
    if len(shape) != 2 or shape[1] < 2:
        raise ValueError(
            f"features: {shape} made of one picture; [1, F], F two or more, is accepted"
        )
    mean, spread = (
        np.asarray(one, np.float32)[chosen] for one in (whole.mean(0), whole.std(0))
    )
    count = len(start)
    code = np.tile(np.arange(count), len(chosen))
    inputs = (
        jax.tree.map(lambda rows: rows[code], start),
        np.repeat(chosen, count),
        np.repeat(mean, count),
        np.repeat(STRENGTH * spread, count),
    )
    parts = in_chunks(
        _changes,
        inputs,
        len(code),
        chunk,
        progress,
        whole=(generator, model),
        mesh=mesh,
    )
    changes = np.concatenate(list(parts)).astype(np.float64)
    return _unit(changes.reshape(len(chosen), count, -1).mean(axis=1))


@jax.jit
def _changes(
    generator: Generator,
    features: Model,
    latents: Latents,
    channel: jax.Array,
    mean: jax.Array,
    step: jax.Array,
) -> jax.Array:
    """[M, F]: of which unit length features change between both ends of a channel."""

    def moved(values: jax.Array) -> jax.Array:
        rows = jnp.arange(len(latents))
        codes = latents.codes.at[rows, channel].set(values)
        images = to_images(generator, latents.replace(codes=codes))  # pyright: ignore
        return _unit(features(images))

    return _unit(moved(mean + step) - moved(mean - step))


def toward(
    generator: Generator,
    relevances: ArrayLike,
    target: ArrayLike,
    styles: ArrayLike,
    *,
    channels: Sequence[int] | np.ndarray | None = None,
    threshold: float = 0.1,
    name: str = "target",
) -> Directions:
    """One direction of s that moves features towards a target (equation 4).

    Each channel counts by the cosine of its relevance and the target, in deviations of
    the population; those whose cosine is below the threshold rest, and the largest
    moves by one deviation per unit of strength.

    Args:
        generator: whose channels they are.
        relevances: [K, F]; see `relevance`.
        target: [F], of any length.
        styles: [P, S] of the population that they were measured with.
        channels: the K channels; None where they are all.
        threshold: the original's beta; more channels move where it is lower.
        name: of the direction.

    Raises:
        ValueError: for what does not fit, or where no channel that varies is like the
            target.
    """
    rows, way = np.asarray(relevances, np.float64), np.asarray(target, np.float64)
    size = sum(style_sizes(generator).values())
    spread = check_styles(styles, size).std(axis=0)
    chosen = check_channels(channels, size)
    if rows.ndim != 2 or way.shape != rows.shape[1:] or len(chosen) != len(rows):
        raise ValueError(
            f"relevances, target: shapes {rows.shape}, {way.shape} given for "
            f"{len(chosen)} channels; [K, F] and [F] are accepted"
        )
    # a channel that does not vary cannot be moved by its deviation
    cosine = np.where(spread[chosen] > 0, rows @ _unit(way), 0)
    kept = np.where(np.abs(cosine) >= threshold, cosine, 0)
    if not kept.any():
        raise ValueError(
            f"threshold: {threshold} given; the largest cosine of a channel that "
            f"varies is {np.abs(cosine).max():.3g}"
        )
    vector = np.zeros((1, len(spread)), np.float32)
    vector[0, chosen] = kept / np.abs(kept).max() * spread[chosen]
    return directions(
        vector,
        space="s",
        names=[name],
        method="styleclip",
        generator=fingerprint(generator),
        facts={"threshold": threshold, "channels": int(np.count_nonzero(kept))},
    )


def _unit(rows: Any) -> Any:
    """Rows [..., F] of unit length, zeros where they are zero."""
    xp = jnp if isinstance(rows, jax.Array) else np
    length = xp.sqrt(xp.sum(xp.square(rows), axis=-1, keepdims=True))
    return rows / xp.where(length > 0, length, 1)
