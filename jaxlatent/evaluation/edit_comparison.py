"""Edits of any kinds and methods, scored alike: the same codes, chance and truth."""

import csv
import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.base import Edit
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.random import random_directions
from jaxlatent.evaluation.edit_scores import EditScores, score_edit
from jaxlatent.evaluation.effects import (
    STRENGTHS,
    Effects,
    check_oracle,
    known_effects,
)
from jaxlatent.evaluation.leak import part_leaks
from jaxlatent.evaluation.ranking import CurveOptions
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents

Leaks = Callable[[Effects, Sequence[int]], np.ndarray]
"""Effects and the direction of each factor -> the leak [F], as `leak.part_leaks`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Compared:
    """What one method found, scored.

    Attributes:
        edits: its first K directions, side by side.
        effects: what they do.
        scores: what that is worth.
    """

    edits: tuple[Edit, ...]
    effects: Effects
    scores: EditScores

    def single(self, index: int) -> Edit:
        """The edit along one of the K directions alone."""
        for edit in self.edits:
            if index < len(edit):
                return edit.select([index])
            index -= len(edit)
        raise IndexError(f"index: {index} beyond the last direction")


class Judge:
    """Scores edits against chance and, where it is known, the truth.

    These are measured when they are first needed, chance once for each space and rows.
    """

    def __init__(
        self,
        measure: Callable[[Edit], Effects],
        *,
        key: jax.Array,
        num: int | None = None,
        random: int = 64,
        truth: Edit | None = None,
        factors: Sequence[int | str] | None = None,
        leaks: Leaks | None = None,
    ) -> None:
        """What edits are judged by.

        Args:
            measure: what tells the effects of an edit, on the same codes for all:
                `known_effects` or `scored_effects` with all but the edit filled in.
            key: of the random directions.
            num: K, as for `score_edit`; only so many directions are measured.
            random: directions that stand for chance.
            truth: the true directions, None if they are unknown.
            factors: which count, by name or number; None for all.
            leaks: what tells how far changes leak out of factors' parts; None for
                nothing.

        Raises:
            ValueError: for a `num` below one.
        """
        if num is not None and num < 1:
            raise ValueError(f"num: {num} given; 1 or more is accepted")
        self.measure, self.key, self.num, self.random = measure, key, num, random
        self.factors, self.leaks = factors, leaks
        self._truth = truth
        self._chance: dict[Any, Effects] = {}

    def effects(self, edit: Edit) -> Effects:
        """What an edit does to the factors that count."""
        found = self.measure(edit)
        return found if self.factors is None else found.choose(self.factors)

    @cached_property
    def truth(self) -> Effects | None:
        """The effects of the truth."""
        return None if self._truth is None else self.effects(self._truth)

    def chance(self, edit: Edit) -> Effects:
        """The effects of random directions of an edit's space and rows."""
        place = _place(edit)
        if place not in self._chance:
            baseline = random_baseline(edit, key=self.key, num=self.random)
            self._chance[place] = self.effects(baseline)
        return self._chance[place]

    def keep(self, edits: Edit | Sequence[Edit]) -> tuple[Edit, ...]:
        """The first K directions of edits side by side; refuses what has no chance.

        Raises:
            ValueError: for no edit, edits of several spaces or rows, or fewer random
                directions.
        """
        parts = edits if isinstance(edits, Sequence) else (edits,)
        if len({*map(_place, parts)}) != 1:
            raise ValueError(
                f"edits: {len(parts)} given, of several spaces or rows; one or more of "
                "one are accepted"
                if parts
                else "edits: none given; one or more is accepted"
            )
        total = sum(map(len, parts))
        left = total if self.num is None else min(total, self.num)
        if self.random < left:
            raise ValueError(
                f"random: {self.random} given; {left}, as many as an edit has "
                "directions, or more are accepted"
            )
        kept = []
        for edit in parts:
            chosen = range(min(left, len(edit)))
            left -= len(chosen)
            if chosen:
                kept.append(edit.select(chosen))
        return tuple(kept)

    def compare(
        self, edits: Edit | Sequence[Edit], *, supervised: bool = False
    ) -> Compared:
        """Measure and score what a method found.

        Args:
            edits: one, or several of one space and rows that stand side by side.
            supervised: whether the method was told what to find: a direction that
                bears a factor's name is then scored on that factor alone.

        Raises:
            ValueError: as `keep` and `score_edit`.
        """
        kept = self.keep(edits)
        effects = side_by_side([self.effects(edit) for edit in kept])
        targets = None
        if supervised:
            known = effects.factors
            targets = [one if one in known else None for one in effects.directions]
        scores = score_edit(effects, self.chance(kept[0]), self.truth, targets=targets)
        if self.leaks is not None:
            leak = self.leaks(effects, scores.best.tolist())
            scores = dataclasses.replace(scores, leak=leak)
        return Compared(kept, effects, scores)


def _place(edit: Edit) -> Any:
    """Where an edit acts: its space, its rows and its dimension."""
    return edit.space, getattr(edit, "layers", None), edit.dimension


def oracle_judge(
    oracle: Generator,
    latents: Latents,
    strengths: Sequence[float] = STRENGTHS,
    *,
    key: jax.Array,
    num: int | None = None,
    random: int = 64,
    factors: Sequence[int | str] | None = None,
    parts: Mapping[str, Sequence[str]] | None = None,
    **options: Unpack[CurveOptions],
) -> Judge:
    """Judges edits of an oracle by its exact factors and its own directions.

    Args:
        oracle: of the family `rendered`; its pictures are not drawn.
        latents: the codes that are moved.
        strengths: how far, in deviations of the prior.
        key: of the random directions.
        num: K; as many as there are factors if left out.
        random: as for `Judge`.
        factors: likewise.
        parts: what each factor owns of the pictures, from `leak.owned_parts`, to tell
            leaks, too, where all factors count; None for no leaks.
        **options: as for `known_effects`.

    Raises:
        ValueError: for a generator that knows no factors, or as `Judge`.
    """
    check_oracle(oracle)
    world = oracle.config.painted
    leaks = None
    if parts and factors is None:
        leaks = partial(part_leaks, world, parts=parts)
    return Judge(
        partial(known_effects, oracle, latents=latents, strengths=strengths, **options),
        key=key,
        num=len(world.names) if num is None else num,
        random=random,
        truth=rendered.truth(oracle, oracle.latent_space),
        factors=factors,
        leaks=leaks,
    )


def random_baseline(edit: Edit, *, key: jax.Array, num: int = 64) -> Directions:
    """Random directions of the space and the rows of an edit of any kind.

    Args:
        edit: the edit.
        key: of the directions.
        num: how many, P; four times as many as the edit has, or more, make the
            correction of scores accurate.
    """
    like = directions(
        jnp.ones((num, edit.dimension)),
        space=edit.space,
        layers=getattr(edit, "layers", None),
    )
    return random_directions(like, key=key)


def side_by_side(parts: Sequence[Effects]) -> Effects:
    """The effects of several edits on the same codes as those of one."""
    return dataclasses.replace(
        parts[0],
        values=np.concatenate([part.values for part in parts], axis=1),
        directions=tuple(name for part in parts for name in part.directions),
        units=np.concatenate([part.units for part in parts]),
    )


def effects_csv(compared: Mapping[str, Compared]) -> str:
    """A line for each direction: its unit, its purity, its change of each factor."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    factors = next(iter(compared.values())).effects.factors
    writer.writerow(("edit", "direction", "name", "unit", "purity", *factors))
    for name, one in compared.items():
        for index, words in enumerate(one.effects.directions):
            figures = (
                one.effects.units[index],
                one.scores.purity[index],
                *one.effects.slope[index],
            )
            writer.writerow((name, index, words, *(f"{x:.6g}" for x in figures)))
    return text.getvalue()
