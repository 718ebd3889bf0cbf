"""Scores of what a generator draws, none of it kept, or of pictures of one's own."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import NoiseInput, per_image
from jaxlatent.latents import Latents, Truncation, prior, to_images
from jaxlatent.types import Model, Noise, as_model


def score_latents(
    generator: Generator,
    scorers: Mapping[str, Model],
    latents: Latents,
    *,
    truncation: Truncation | None = None,
    noise: NoiseInput = Noise.FIXED,
    chunk: int = 32,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Draw latents and score the pictures, `chunk` at a time; none is kept.

    Args:
        generator: what draws.
        scorers: models of images by name, `images [N, H, W, C] -> [N]` or `[N, A]`;
            see `types.as_model` for plain functions.
        latents: N codes, which each chunk carries to the synthesis network.
        truncation: on the way, None for none.
        noise: "fixed", "none", or [N] keys.
        chunk: pictures per compiled call; bounds memory.
        mesh: devices among which the pictures of a call are split, None for one.
        progress: called with the number of pictures just scored.

    Returns:
        Scores [N] or [N, A] of each scorer, on the host.

    Raises:
        ValueError: if a scorer returns anything but one row per picture; or names the
            argument that does not fit.
    """
    parts = in_chunks(
        _score,
        (latents, per_image(noise, len(latents))),
        len(latents),
        chunk,
        progress,
        whole=(generator, _as_models(scorers), truncation),
        mesh=mesh,
    )
    return _joined(parts)


def score_shapes(
    generator: Generator, scorers: Mapping[str, Model], label: Any = None
) -> dict[str, tuple[int, ...]]:
    """The shapes of each scorer's scores of one picture; none is drawn.

    Args:
        generator: what would draw.
        scorers: as for `score_latents`.
        label: the classes of codes, as `latents.prior` takes them.

    Raises:
        ValueError: as `score_latents`.
    """
    models = _as_models(scorers)

    def one(key: jax.Array) -> dict[str, jax.Array]:
        latents = prior(generator, label=label)(key[None])
        return _score(generator, models, None, latents, Noise.FIXED)

    found = jax.eval_shape(one, jax.random.key(0))
    return {name: scores.shape for name, scores in found.items()}


def score_images(
    scorers: Mapping[str, Model],
    images: np.ndarray | jax.Array,
    *,
    chunk: int = 32,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Score pictures [N, H, W, C] in [-1, 1]; see `score_latents`."""
    models = _as_models(scorers)
    parts = in_chunks(
        _score_images, (images,), len(images), chunk, progress, whole=(models,)
    )
    return _joined(parts)


def _as_models(scorers: Mapping[str, Model]) -> dict[str, Model]:
    return {name: as_model(scorer) for name, scorer in scorers.items()}


def _joined(chunks: Iterator[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    parts = list(chunks)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@jax.jit
def _score(
    generator: Generator,
    scorers: dict[str, Model],
    truncation: Truncation | None,
    latents: Latents,
    noise: Noise | jax.Array,
) -> dict[str, jax.Array]:
    images = to_images(generator, latents, truncation, noise=noise)
    return apply_scorers(scorers, images)


@jax.jit
def _score_images(scorers: dict[str, Model], images: jax.Array) -> dict[str, jax.Array]:
    return apply_scorers(scorers, images)


def apply_scorers(
    scorers: Mapping[str, Model], images: jax.Array
) -> dict[str, jax.Array]:
    """The scores of images by every scorer, [N] or [N, A].

    Raises:
        ValueError: for a scorer that returns anything else.
    """
    found = {name: scorer(images) for name, scorer in scorers.items()}
    for name, scores in found.items():
        if scores.ndim not in (1, 2) or len(scores) != len(images):
            raise ValueError(
                f"scorers: {name} returned {scores.shape}; [N] or [N, A] is accepted"
            )
    return found
