"""What the directions of an edit do to factors: every change along every direction.

A unit of strength means something else to every kind of edit. So that edits can be
compared, strengths here are counted in deviations of the prior: by a strength of one, a
direction moves codes as far as codes of the prior deviate from their mean along the way
that it moves them. Neither the sign nor the scale of a direction matters then, and what
the factors do is counted in their own deviations over unedited codes.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Unpack

import jax
import numpy as np

from jaxlatent.batching import in_chunks
from jaxlatent.editing import check_traversal, feature_of, stages
from jaxlatent.edits.base import Edit, bare
from jaxlatent.evaluation.ranking import (
    CurveOptions,
    Ranking,
    rank_scores,
    score_directions,
)
from jaxlatent.generators.base import Generator
from jaxlatent.latents import (
    Latents,
    Truncation,
    last_space,
    to_space,
    to_synthesis,
)
from jaxlatent.types import Model

STRENGTHS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""In deviations of the prior; how far edits are followed if nothing else is asked."""

AT_REST = 1e-3
"""A direction that changes all factors together by less than this many deviations, by a
strength of one, changes none: what is left is rounding."""

_FEW = 32
"""Codes whose ways are held against the prior, in the calibration of a direction."""


@dataclasses.dataclass(frozen=True, eq=False)
class Effects:
    """Factors of codes that are moved along directions.

    Attributes:
        strengths: [S] in ascending order, in deviations of the prior.
        values: [N, K, S, F] of N codes.
        directions: K names.
        factors: F names.
        units: [K], the edit's own strength that is one deviation of the prior.
    """

    strengths: np.ndarray
    values: np.ndarray
    directions: tuple[str, ...]
    factors: tuple[str, ...]
    units: np.ndarray

    def select(self, indices: Sequence[int]) -> "Effects":
        """Those of some of the directions, in that order."""
        chosen = list(indices)
        return dataclasses.replace(
            self,
            values=self.values[:, chosen],
            directions=tuple(self.directions[index] for index in chosen),
            units=self.units[chosen],
        )

    def choose(self, factors: Sequence[int | str]) -> "Effects":
        """Those on some of the factors, among which the selectivity is then measured.

        Raises:
            ValueError: for a factor that there is not.
        """
        names = self.ranking.choose(factors).attributes
        columns = [self.factors.index(name) for name in names]
        return dataclasses.replace(
            self, values=self.values[..., columns], factors=names
        )

    def order(self) -> np.ndarray:
        """[K] directions by the factor that each changes most, the purest first.

        A table of good directions in this order is all but diagonal; those that change
        nothing come last.
        """
        share = np.nan_to_num(self.selectivity)
        return np.lexsort((-share.max(axis=1), share.argmax(axis=1), self.rests))

    @cached_property
    def spread(self) -> np.ndarray:
        """[F] deviations of the factors over unedited codes; 1 where all are alike."""
        start = self.values[:, 0, np.argmin(np.abs(self.strengths))]
        found = start.std(axis=0)
        return np.where(found > 0, found, 1)

    @cached_property
    def ranking(self) -> Ranking:
        """The same as `ranking.rank_scores` measures it."""
        return rank_scores(
            self.values,
            self.strengths.tolist(),
            directions=self.directions,
            attributes=self.factors,
        )

    @property
    def slope(self) -> np.ndarray:
        """[K, F] mean change of a factor per unit of strength, with its sign.

        In deviations of the factor per deviation of the prior.
        """
        return self.ranking.slope / self.spread[None]

    @cached_property
    def change(self) -> np.ndarray:
        """[K, F] mean size of the change of a factor per unit of strength.

        As `slope`, but the sizes of the codes' own slopes are averaged, so that what
        rises for some codes and falls for others has changed all the same. The jitter
        of a scorer hardly counts.
        """
        centred = self.strengths - self.strengths.mean()
        slopes = np.einsum("nksf,s->nkf", self.values, centred) / np.sum(centred**2)
        return np.abs(slopes).mean(axis=0) / self.spread[None]

    @cached_property
    def selectivity(self) -> np.ndarray:
        """[K, F] the share of each factor in `change`; NaN where all rest."""
        total = self.change.sum(axis=1, keepdims=True)
        return np.where(
            self.rests[:, None], np.nan, self.change / np.where(total > 0, total, 1)
        )

    @property
    def rests(self) -> np.ndarray:
        """[K] whether a direction changes nothing; see `AT_REST`."""
        return self.change.sum(axis=1) < AT_REST

    @cached_property
    def monotonicity(self) -> np.ndarray:
        """[K, F] the share of codes x steps in which a factor moves on in one sense.

        Counted are steps that change the factor at all, by their signs; the sense is
        the direction's main one, the same for all codes, so that 1/2 is none and 1 is
        the most. NaN where no step changes the factor.
        """
        moves = np.abs(self._steps) > 1e-5
        up = np.sum(moves & (self._steps > 0), axis=(0, 2))
        total = np.sum(moves, axis=(0, 2))
        nothing = np.full(total.shape, np.nan)
        most = np.maximum(up, total - up)
        return np.divide(most, total, out=nothing, where=total > 0)

    @property
    def _steps(self) -> np.ndarray:
        """[N, K, S - 1, F] changes from each strength to the next, in deviations."""
        return np.diff(self.values, axis=2) / self.spread[None, None, None]


def known_effects(
    oracle: Generator,
    edit: Edit,
    latents: Latents,
    strengths: Sequence[float] = STRENGTHS,
    **options: Unpack[CurveOptions],
) -> Effects:
    """The exact effects of an edit of a generator that knows its pictures' factors.

    No picture is drawn, so that hundreds of directions take seconds.

    Args:
        oracle: of the family `rendered`.
        edit: of any kind, K directions.
        latents: N codes.
        strengths: S of them, in deviations of the prior.
        **options: as for `score_curves`; codes by the thousand fit into a `chunk`.

    Raises:
        ValueError: for a generator that knows no factors, or as `score_curves`.
    """
    check_oracle(oracle)
    shown = dataclasses.replace(oracle.config, shows="factors")
    return scored_effects(
        dataclasses.replace(oracle, config=shown),
        edit,
        {"factors": _shown_factors},
        latents,
        strengths,
        factors=oracle.config.factor_names,
        **{"chunk": 4096, **options},
    )


def is_oracle(generator: Generator) -> bool:
    """Whether a generator knows the factors of its pictures."""
    return hasattr(generator.config, "factor_names")


def check_oracle(oracle: Generator) -> None:
    """Refuse a generator that knows no factors.

    Raises:
        ValueError: names the argument.
    """
    if not is_oracle(oracle):
        raise ValueError(
            "oracle: a generator that knows no factors given; one of the family "
            "rendered is accepted"
        )


def _shown_factors(images: jax.Array) -> jax.Array:
    """[N, 1, 1, F] -> [N, F]."""
    return images[:, 0, 0]


def scored_effects(
    generator: Generator,
    edit: Edit,
    scorers: Mapping[str, Model],
    latents: Latents,
    strengths: Sequence[float] = STRENGTHS,
    *,
    factors: Sequence[str] | None = None,
    odds: bool = False,
    progress: Callable[[int], None] | None = None,
    **options: Unpack[CurveOptions],
) -> Effects:
    """The effects of an edit on what scorers see in the pictures.

    Args:
        generator: what draws.
        edit: of any kind, K directions.
        scorers: as for `score_curves`; every score is a factor.
        latents: N codes.
        strengths: S of them, in deviations of the prior.
        factors: what to call the scores; their own names if left out.
        odds: as for `score_directions`.
        progress: likewise.
        **options: as for `score_curves`.

    Raises:
        ValueError: as `score_curves`.
    """
    amounts = np.sort(np.asarray(strengths, np.float64))
    units = prior_units(generator, edit, latents, options.get("truncation"))
    values, names = score_directions(
        generator,
        edit,
        scorers,
        latents,
        units[:, None] * amounts[None],
        odds=odds,
        progress=progress,
        **options,
    )
    return Effects(
        amounts,
        values.astype(np.float64),
        edit.rename({}).names,
        names if factors is None else tuple(factors),
        units,
    )


def prior_units(
    generator: Generator,
    edit: Edit,
    latents: Latents,
    truncation: Truncation | None = None,
) -> np.ndarray:
    """How strong an edit must be to move codes by one deviation of the prior, [K].

    The way that a code is moved, from where a strength of zero leaves it, is a vector
    in the space of the edit, all of its rows together; its length is counted in the
    deviation of the codes along it, and the mean of that over codes is brought to one.
    For linear directions this is exact; for others, whose ways need not be proportional
    to the strength, three rounds of the rule of three.

    Args:
        generator: the generator.
        edit: of any kind.
        latents: N codes of the prior; their number decides the accuracy, 1 / sqrt(2 N).
        truncation: as for `traverse_images`.

    Returns:
        Strengths; 1 for a direction that does not move codes.
    """
    check_traversal(generator, (edit,), latents, truncation)
    codes = _codes_of(generator, edit, latents, truncation)
    few = codes[:_FEW]
    flat = codes.reshape(len(codes), -1).astype(np.float64)
    centred = flat - flat.mean(axis=0)
    units = np.ones(len(edit))
    moving = bare(edit)
    for index in range(len(edit)):
        # some kinds move codes by a strength of zero, too
        start = np.asarray(_shifted(moving, few, index, np.float32(0)))
        for _ in range(3):
            moved = np.asarray(_shifted(moving, few, index, np.float32(units[index])))
            way = (moved - start).reshape(len(few), -1).astype(np.float64)
            length = np.linalg.norm(way, axis=1)
            along = centred @ (way / np.where(length > 0, length, 1)[:, None]).T
            deviation = along.std(axis=0)
            relative = length / np.where(deviation > 0, deviation, np.inf)
            mean = relative.mean()
            units[index] /= mean if mean > 0 else 1
            if abs(mean - 1) < 1e-4:
                break
    return units


def _codes_of(
    generator: Generator,
    edit: Edit,
    latents: Latents,
    truncation: Truncation | None,
) -> np.ndarray:
    """Codes where an edit moves them: [N, D], [N, L, D] or flat features."""
    before = truncation if truncation is None or truncation.when == "before" else None
    space = "s" if "s" in (edit.space, latents.space) else last_space(generator)
    feature = feature_of(edit)
    if feature is None and stages(generator, (edit,))[1]:
        space, before = "z", None
    parts = in_chunks(
        partial(_reached, space=space, feature=feature),
        (latents,),
        len(latents),
        32,
        whole=(generator, before),
    )
    return np.concatenate(list(parts))


@partial(jax.jit, static_argnames=("space", "feature"))
def _reached(
    generator: Generator,
    truncation: Truncation | None,
    latents: Latents,
    *,
    space: str,
    feature: str | None,
) -> jax.Array:
    if feature is None:
        return to_space(generator, latents, space, truncation).codes
    ready = to_synthesis(generator, latents, truncation)
    found = generator.features(ready, latents.label, names=(feature,))[feature]
    return found.reshape(len(found), -1)


@jax.jit
def _shifted(edit: Edit, codes: jax.Array, index: Any, strength: Any) -> jax.Array:
    return edit.shift(codes, index, strength)
