"""Edits of GANalyze: what its transformers do to a code; see `methods.ganalyze`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlatent.edits.base import Edit
from jaxlatent.edits.directions import directions
from jaxlatent.edits.walks import NeuralWalk, neural_walk
from jaxlatent.methods.ganalyze_settings import NORMALIZE


def repeated(edit: NeuralWalk, alpha: float, times: int) -> NeuralWalk:
    """The original's "iterative" test: steps of alpha, one after another, each way.

    The walk itself is its "bigger step", one step of any length. Codes whose length is
    kept then follow a great circle, `times` steps far, before they go straight on.
    """
    return dataclasses.replace(edit, step=float(alpha), steps=int(times))


def constant_steps(
    table: jax.Array, normalize: str, *, space: str, names: Sequence[str]
) -> Edit:
    """Steps [K, D] that are the same for every code."""
    about: Any = dict(space=space, names=names, method="ganalyze")
    length = jnp.linalg.norm(table, axis=1)
    if norm_of(normalize) == "sample":
        layers = [{"bias": table}]
        return neural_walk(layers, norm="sample", report={"length": length}, **about)
    scale = jnp.where(length > 0, length, 1)
    report = {"length": length}
    return directions(table / scale[:, None], scale=scale, report=report, **about)


def norm_of(normalize: str) -> str:
    """What `NeuralWalk` calls it; a batch of one is a sample."""
    if normalize not in NORMALIZE:
        raise ValueError(
            f"normalize: {normalize!r} given; one of {NORMALIZE} is accepted"
        )
    return "none" if normalize == "none" else "sample"


def names_of(count: int, by_class: bool) -> list[str]:
    """Of one direction for each class, or of a shared one."""
    return [f"class {n}" for n in range(count)] if by_class else ["score"]
