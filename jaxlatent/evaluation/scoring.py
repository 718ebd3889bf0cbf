"""Scores of what a generator draws, none of it kept, or of pictures of one's own."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.batching import in_chunks
from jaxlatent.editing import last_space, to_space
from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import NoiseInput, per_image
from jaxlatent.networks.base import Network
from jaxlatent.types import Noise, Scorer


def score_latents(
    generator: Generator,
    scorers: Mapping[str, Scorer],
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    space: str | None = None,
    psi: float | None = None,
    cutoff: int | None = None,
    noise: NoiseInput = Noise.FIXED,
    chunk: int = 32,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Draw latents and score the pictures, `chunk` at a time; none is kept.

    Args:
        generator: what draws.
        scorers: functions of images or `Network`s, by name. Functions are compared by
            identity: define them once, so that compiled code is found again.
        latent: [N, D] or [N, L, D].
        label: [N] or [N, C], for a class-conditional generator.
        space: the space of the latents, from which each chunk is carried to the
            synthesis network; None for what `Generator.synthesize` takes.
        psi: truncation on the way, None for none.
        cutoff: rows that are truncated, None for all.
        noise: "fixed", "none", or [N] keys.
        chunk: pictures per compiled call; bounds memory.
        progress: called with the number of pictures just scored.

    Returns:
        Scores [N] or [N, A] of each scorer, on the host.

    Raises:
        ValueError: if a scorer returns anything but one row per picture; or names the
            argument that does not fit.
    """
    if space is None and psi is not None:
        raise ValueError("space: missing; truncation needs to know it")
    networks, functions = _sort(scorers)
    way = (space, psi, cutoff)
    call = partial(_score, generator, networks, functions, way)
    inputs = (latent, label, per_image(noise, latent.shape[0]))
    return _gather(scorers, in_chunks(call, inputs, latent.shape[0], chunk, progress))


def score_images(
    scorers: Mapping[str, Scorer],
    images: np.ndarray | jax.Array,
    *,
    chunk: int = 32,
    progress: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Score pictures [N, H, W, C] in [-1, 1]; see `score_latents`."""
    networks, functions = _sort(scorers)
    call = partial(_score_images, networks, functions)
    return _gather(scorers, in_chunks(call, (images,), len(images), chunk, progress))


def log_odds(scores: jax.Array) -> jax.Array:
    """A classifier's outputs as the odds of each class against all others.

    A log-probability cannot tell sure from very sure, since it ends at zero; log-odds
    can, and rank the extremes that a boundary is fitted to.

    Args:
        scores: [N, A] logits or log-probabilities, of two classes or more.

    Returns:
        [N, A], log p / (1 - p).
    """
    count = scores.shape[1]
    if count < 2:
        raise ValueError(f"scores: shape {scores.shape} given; two classes are needed")
    own = jnp.eye(count, dtype=bool)[None]
    others = jnp.where(own, -jnp.inf, scores[:, None, :])
    return scores - jax.nn.logsumexp(others, axis=2)


def _sort(scorers: Mapping[str, Scorer]) -> tuple[dict[str, Network], Any]:
    """Networks are arguments of compiled code, functions are a part of it."""
    networks = {k: v for k, v in scorers.items() if isinstance(v, Network)}
    return networks, tuple((k, v) for k, v in scorers.items() if k not in networks)


def _gather(
    scorers: Mapping[str, Scorer], chunks: Iterator[dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    parts = list(chunks)
    found = {name: np.concatenate([part[name] for part in parts]) for name in scorers}
    for name, scores in found.items():
        if scores.ndim not in (1, 2):
            raise ValueError(
                f"scorers: {name} returned {scores.shape}; [N] or [N, A] is accepted"
            )
    return found


@partial(jax.jit, static_argnums=(2, 3))
def _score(
    generator: Generator,
    networks: dict[str, Network],
    functions: tuple[tuple[str, Scorer], ...],
    way: tuple[str | None, float | None, int | None],
    latent: Any,
    label: jax.Array | None,
    noise: Any,
) -> dict[str, jax.Array]:
    space, psi, cutoff = way
    if space is not None:
        last = last_space(generator)
        latent = to_space(
            generator, latent, space, last, psi=psi, cutoff=cutoff, label=label
        )
    images = generator.synthesize(latent, label, noise=noise)
    return _apply(networks, functions, images)


@partial(jax.jit, static_argnums=1)
def _score_images(
    networks: dict[str, Network],
    functions: tuple[tuple[str, Scorer], ...],
    images: jax.Array,
) -> dict[str, jax.Array]:
    return _apply(networks, functions, images)


def _apply(
    networks: dict[str, Network],
    functions: tuple[tuple[str, Scorer], ...],
    images: jax.Array,
) -> dict[str, jax.Array]:
    return {name: scorer(images) for name, scorer in (*networks.items(), *functions)}
