"""Runs of the methods, and what they found, held against what is there."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np

from jaxlatent.comparison.entries import (
    ENTRIES,
    Found,
    Task,
    told_targets,
)
from jaxlatent.edits.base import Edit
from jaxlatent.evaluation.edit_scores import EditScores, random_baseline, score_edit
from jaxlatent.evaluation.effects import Effects, known_effects
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents

TRUTH = "truth"
"""The row of the true directions, or paths."""

ROWS = (*ENTRIES, TRUTH)
"""Of a table: random directions first, the truth last."""


@dataclass(frozen=True, eq=False)
class Compared:
    """What a method found.

    Attributes:
        name: one of `ROWS`.
        found: its edits, of one space.
        effects: what their directions do to the factors, side by side.
        scores: what that is worth.
    """

    name: str
    found: Found
    effects: Effects
    scores: EditScores


SIZE = 24
"""Height and width of the pictures that methods look at."""


def sized(generator: Generator, size: int) -> Generator:
    """An oracle that draws pictures of another size."""
    config = dataclasses.replace(generator.config, size=size)
    return dataclasses.replace(generator, config=config)


class Judge:
    """Holds edits of an oracle against chance and the truth, on the same codes."""

    def __init__(
        self, oracle: Generator, *, key: jax.Array, codes: int = 256, random: int = 64
    ) -> None:
        """What edits are judged by.

        Args:
            oracle: of the family `rendered`; its pictures are not drawn.
            key: of the codes and of the random directions.
            codes: how many are moved.
            random: directions that stand for chance.
        """
        self.oracle, self.key, self.random = oracle, key, random
        self.latents = Latents(oracle.sample(jax.random.fold_in(key, 0), codes), "z")
        self._chance: dict[tuple[str, int], Effects] = {}

    @cached_property
    def truth(self) -> Effects:
        """Of the true directions, or paths, where methods look for theirs."""
        space = self.oracle.latent_space
        return self.effects((rendered.truth(self.oracle, space),))

    def effects(self, found: Found) -> Effects:
        """What the directions of edits do to the factors, side by side."""
        parts = [known_effects(self.oracle, edit, self.latents) for edit in found]
        return dataclasses.replace(
            parts[0],
            values=np.concatenate([part.values for part in parts], axis=1),
            directions=tuple(name for part in parts for name in part.directions),
            units=np.concatenate([part.units for part in parts]),
        )

    def score(
        self, effects: Effects, edit: Edit, targets: Sequence[str | None] | None = None
    ) -> EditScores:
        """What effects are worth, of as many directions as there are factors.

        Args:
            effects: of edits of one space.
            edit: one of them.
            targets: as for `score_edit`.
        """
        place = edit.space, edit.dimension
        if place not in self._chance:
            key = jax.random.fold_in(self.key, 1)
            baseline = random_baseline(edit, key=key, num=self.random)
            self._chance[place] = self.effects((baseline,))
        return score_edit(
            effects,
            self._chance[place],
            self.truth,
            num=len(effects.factors),
            targets=targets,
        )


def compare(name: str, task: Task, judge: Judge) -> Compared | None:
    """Run a method and score what it found.

    Args:
        name: one of `ROWS`.
        task: what it is given.
        judge: of the same oracle.

    Returns:
        None for a method that cannot be told what it needs, or that finds nothing.

    Raises:
        KeyError: for another name.
    """
    if name == TRUTH:
        found: Found = (rendered.truth(task.generator, task.space),)
    elif ENTRIES[name].fits(task):
        found = ENTRIES[name].discover(task)
    else:
        return None
    if not found:
        return None
    effects = judge.effects(found)
    targets = told_targets(name, effects.directions, task)
    return Compared(name, found, effects, judge.score(effects, found[0], targets))
