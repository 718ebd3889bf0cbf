"""Runs of the methods, and what they found, held against what is there."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from jaxlatent.comparison.entries import (
    ENTRIES,
    Found,
    Task,
    shown_factors,
    told_targets,
)
from jaxlatent.evaluation.edit_scores import EditScores, random_baseline, score_edit
from jaxlatent.evaluation.effects import Effects, known_effects
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, to_images

TRUTH = "truth"
"""The row of the true directions, or paths."""

ROWS = (*ENTRIES, TRUTH)
"""Of a table: random directions first, the truth last."""

REGION_CODES = 64
"""Whose parts' masks are averaged to regions."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What a method found.

    Attributes:
        name: one of `ROWS`.
        found: its edits, of one space.
        effects: what their directions do to the factors, side by side.
        scores: what that is worth.
        seconds: of processor time that the method took, compilation included.
    """

    name: str
    found: Found
    effects: Effects
    scores: EditScores
    seconds: float


SIZE, REGION_SIZE = 16, 32
"""Sides of the pictures that methods look at, and of those whose parts are told."""


def size_of(name: str) -> int:
    """The side of the pictures that a row's method looks at."""
    regional = name in ENTRIES and ENTRIES[name].told == "regions"
    return REGION_SIZE if regional else SIZE


def sized(generator: Generator, size: int) -> Generator:
    """An oracle that draws pictures of another size."""
    config = dataclasses.replace(generator.config, size=size)
    return dataclasses.replace(generator, config=config)


def task_of(generator: Generator, *, key: jax.Array, samples: int) -> Task:
    """What methods are given of an oracle.

    Args:
        generator: of the family `rendered`, which shows pictures.
        key: of all that methods draw.
        samples: pictures that a run of a method may look at.
    """
    config = generator.config
    exact = dataclasses.replace(
        generator, config=dataclasses.replace(config, shows="factors")
    )
    codes = generator.sample(jax.random.fold_in(key, 2), REGION_CODES)
    values = shown_factors(to_images(exact, Latents(codes, "z")))
    masks = config.painted.masks(values, size=config.size)
    regions = {name: np.asarray(mask).mean(axis=0) for name, mask in masks.items()}
    return Task(generator, exact, tuple(config.factor_names), regions, key, samples)


def joined(parts: Sequence[Effects]) -> Effects:
    """The effects of several edits, whose directions stand side by side."""
    return dataclasses.replace(
        parts[0],
        values=np.concatenate([part.values for part in parts], axis=1),
        directions=tuple(name for part in parts for name in part.directions),
        units=np.concatenate([part.units for part in parts]),
    )


def compare(
    name: str, task: Task, *, codes: int = 256, random: int = 256
) -> Compared | None:
    """Run a method and score what it found.

    Args:
        name: one of `ROWS`.
        task: what it is given.
        codes: unseen ones that are moved.
        random: directions that stand for chance.

    Returns:
        None for a method that cannot be told what it needs.

    Raises:
        KeyError: for another name.
    """
    start = time.process_time()
    if name == TRUTH:
        found: Found = (rendered.truth(task.generator),)
    elif ENTRIES[name].fits(task):
        found = ENTRIES[name].discover(task)
    else:
        return None
    seconds = time.process_time() - start
    key = jax.random.fold_in(task.key, 3)
    latents = Latents(task.generator.sample(key, codes), "z")

    def measured(found: Found) -> Effects:
        return joined([known_effects(task.exact, edit, latents) for edit in found])

    effects = measured(found)
    baseline = random_baseline(
        found[0], key=jax.random.fold_in(task.key, 4), num=random
    )
    scores = score_edit(
        effects,
        measured((baseline,)),
        measured((rendered.truth(task.generator),)),
        num=task.count,
        targets=told_targets(name, effects.directions, task),
    )
    return Compared(name, found, effects, scores, seconds)
