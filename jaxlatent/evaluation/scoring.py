"""Scoring what a generator draws, without keeping the pictures."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxlatent.generators.base import Generator, NoiseInput, in_chunks, per_image
from jaxlatent.networks.base import Network
from jaxlatent.types import Noise, Scorer


def score_latents(
    generator: Generator,
    scorers: Mapping[str, Scorer],
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
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
        noise: "fixed", "none", or [N] keys.
        chunk: pictures per compiled call; bounds memory.
        progress: called with the number of pictures just scored.

    Returns:
        Scores [N] or [N, A] of each scorer, on the host.

    Raises:
        ValueError: if a scorer returns anything but one row per picture.
    """
    networks = {k: v for k, v in scorers.items() if isinstance(v, Network)}
    functions = tuple((k, v) for k, v in scorers.items() if k not in networks)
    call = partial(_score, generator, networks, functions)
    inputs = (latent, label, per_image(noise, latent.shape[0]))
    parts = list(in_chunks(call, inputs, latent.shape[0], chunk, progress))
    found = {name: np.concatenate([part[name] for part in parts]) for name in scorers}
    for name, scores in found.items():
        if scores.ndim not in (1, 2):
            raise ValueError(
                f"scorers: {name} returned {scores.shape}; [N] or [N, A] is accepted"
            )
    return found


@partial(jax.jit, static_argnums=2)
def _score(
    generator: Generator,
    networks: dict[str, Network],
    functions: tuple[tuple[str, Scorer], ...],
    latent: Any,
    label: jax.Array | None,
    noise: Any,
) -> dict[str, jax.Array]:
    images = generator.synthesize(latent, label, noise=noise)
    return {name: scorer(images) for name, scorer in (*networks.items(), *functions)}
