"""One score for every edit, whatever its kind: does it find the factors, one by one?

All scores come from `effects.Effects`, codes moved along K directions and their F
factors, so that neither the sign, the scale nor the order of directions counts. With
s(k, f) the selectivity of direction k for factor f, its share in the change of all:

* coverage of a factor, max_k s(k, f): whether any direction is its own;
* purity of a direction, max_f s(k, f): whether it changes one factor alone;
* diversity, how many different things the directions do: the effective rank of their
  signed effects, rows brought to unit length, from 0 where all do the same to 1 where
  they are at right angles as far as K and F allow (Roy and Vetterli, 2007).

Each is corrected for what random directions of the same space reach,

    score = (value - chance) / (ceiling - chance),

where `chance` is the mean of the value over random edits of as many directions, and
`ceiling` that of the true directions if they are known, else 1, the most that a share
can be. So *the truth scores 1*: where K lets it have a direction for every factor, its
value is the ceiling. And *random scores 0 in expectation*: the chance is the
expectation of its value, a sample mean over many random directions, and the score is
linear in the value. For purity the sample mean is over all of the P random directions,
for diversity over all K of them in a row; the coverage is averaged over all ways to
choose K of P, in closed form: the i-th smallest of P selectivities is the largest of
C(i - 1, K - 1) among C(P, K) choices. What is left is the error of these means, which
falls with 1 / sqrt(P). Where truth and chance are equal (a single factor) there is
nothing to find, and the score is NaN.

Scores that a random direction of a linear generator fulfils as well as the truth are
not corrected, for there is no chance to correct for: monotonicity (1/2 for none, 1 the
most), steepness (deviations of the factor per deviation of the prior), drift (how far
the other factors went, in deviations, when the factor has gone a given way) and leak
(`evaluation.leak`: the share of the change outside the parts that the factor owns).
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxlatent.evaluation.effects import Effects
from jaxlatent.evaluation.preservation import edited_changes

SCORES = (
    "coverage",
    "purity",
    "diversity",
    "monotonicity",
    "steepness",
    "drift",
    "leak",
)
DRIFT_AT = 0.5
"""Deviations that a factor has gone where the drift of the others is measured."""


@dataclasses.dataclass(frozen=True, eq=False)
class EditScores:
    """How well an edit finds factors, one by one.

    Attributes:
        directions: names of the K that were scored.
        factors: F names.
        best: [F] the direction of each factor: its target, or the most selective; -1
            where there is none.
        coverage: [F], corrected; NaN where no direction is to be found.
        purity: [K], corrected; NaN for a direction that changes nothing.
        diversity: corrected; NaN for a single direction.
        monotonicity: [F] of each factor along its direction.
        steepness: [F] likewise.
        drift: [F] mean absolute change of the other factors, in deviations, where the
            factor has gone `DRIFT_AT`; NaN where it never does.
        reached: [F] the share of codes whose factor goes so far at all.
        leak: [F] the share of the change of pictures outside the parts that the factor
            owns, in [0, 1]; NaN where they are not known.
        raw: the means of coverage, purity and diversity before they were corrected.
        chance: those of random directions.
        ceiling: those of the truth, or 1.
    """

    directions: tuple[str, ...]
    factors: tuple[str, ...]
    best: np.ndarray
    coverage: np.ndarray
    purity: np.ndarray
    diversity: float
    monotonicity: np.ndarray
    steepness: np.ndarray
    drift: np.ndarray
    reached: np.ndarray
    leak: np.ndarray
    raw: dict[str, float]
    chance: dict[str, float]
    ceiling: dict[str, float]

    @property
    def summary(self) -> dict[str, float]:
        """Of `SCORES`: means over factors, of the purity over directions."""
        return {name: _mean(np.atleast_1d(getattr(self, name))) for name in SCORES}

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values, by score, by factor and by direction."""
        by_factor = [one for one in SCORES if one not in ("purity", "diversity")]
        factors = {
            name: {
                "direction": int(self.best[number]),
                **{one: float(getattr(self, one)[number]) for one in by_factor},
                "reached": float(self.reached[number]),
            }
            for number, name in enumerate(self.factors)
        }
        rows = zip(self.directions, self.purity.tolist(), strict=True)
        return {
            "scores": self.summary,
            "raw": self.raw,
            "chance": self.chance,
            "ceiling": self.ceiling,
            "factors": factors,
            "directions": [{"name": name, "purity": one} for name, one in rows],
        }


def score_edit(
    effects: Effects,
    chance: Effects,
    truth: Effects | None = None,
    *,
    num: int | None = None,
    targets: Sequence[str | None] | None = None,
    change: float = DRIFT_AT,
) -> EditScores:
    """Score an edit by what it does to factors.

    Args:
        effects: of the edit.
        chance: of random directions, on the same codes; see
            `edit_comparison.random_baseline`.
        truth: of the true directions, on the same codes; None if they are unknown.
        num: K, the same for all edits that are to be compared. The first K directions
            of an edit with more are scored, in their own order; one with fewer is
            scored on what there is, against as few random directions. None for all.
            Where it is below the number of factors no edit can cover them all.
        targets: of an edit that was told what to find, the factor of each of its
            directions, None for none. A factor's direction is then its target's, held
            against one random direction, and no other factor counts as missed.
        change: where the drift is measured, in deviations of the factor.

    Raises:
        ValueError: for other factors, too few random directions, or a target that is no
            factor.
    """
    effects = effects.select(_first(len(effects.directions), num))
    others = (chance, *(() if truth is None else (truth,)))
    if any(one.factors != effects.factors for one in others):
        raise ValueError(
            "chance, truth: of other factors given; those of effects are accepted"
        )
    count = len(effects.directions)
    if count > len(chance.directions):
        raise ValueError(
            f"chance: {len(chance.directions)} directions given; {count} or more are "
            "accepted"
        )
    share = np.nan_to_num(effects.selectivity)
    best, draws = share.argmax(axis=0), count
    if targets is not None:
        best, draws = _aimed(targets, effects.factors, count), 1
    aimed = best >= 0
    rows, columns = best, np.arange(len(best))
    found = np.where(aimed, share[rows, columns], np.nan)
    least = _expected_best(np.nan_to_num(chance.selectivity), draws)
    most = np.ones(len(best))
    if truth is not None:
        most = np.nan_to_num(truth.selectivity).max(axis=0)

    pure = _purity(effects)
    raw = {"coverage": _mean(found), "purity": _mean(pure)}
    raw["diversity"] = diversity(_signed(effects))
    low = {"coverage": _mean(least[aimed]), "purity": _mean(_purity(chance))}
    drawn = _signed(chance)
    turns = [np.roll(drawn, -start, axis=0) for start in range(len(drawn))]
    low["diversity"] = _mean([diversity(rows[:count]) for rows in turns])
    high = dict.fromkeys(raw, 1.0)
    if truth is not None:
        high = {"coverage": _mean(most[aimed]), "purity": _mean(_purity(truth))}
        high["diversity"] = diversity(_signed(truth)[:count])

    def along(values: np.ndarray) -> np.ndarray:
        return np.where(aimed, values[rows, columns], np.nan)

    drift, reached = np.full((2, len(best)), np.nan)
    for factor, direction in enumerate(best.tolist()):
        if direction >= 0:
            found_at = _drift(effects, direction, factor, change)
            drift[factor], reached[factor] = found_at
    return EditScores(
        effects.directions,
        effects.factors,
        best,
        _corrected(found, least, most),
        _corrected(pure, low["purity"], high["purity"]),
        float(_corrected(raw["diversity"], low["diversity"], high["diversity"])),
        along(effects.monotonicity),
        along(effects.change),
        drift,
        reached,
        np.full(len(best), np.nan),
        raw,
        low,
        high,
    )


def diversity(slope: np.ndarray) -> float:
    """How many different things directions do, from 0 to 1; NaN for a single one.

    (r - 1) / (min(K, F) - 1), where r is the effective rank of the signed effects
    [K, F] with rows of unit length; rows of zeros are left out.
    """
    lengths = np.linalg.norm(slope, axis=1)
    rows = slope[lengths > 0] / lengths[lengths > 0][:, None]
    most = min(slope.shape)
    if most < 2 or not len(rows):
        return math.nan
    values = np.linalg.svd(rows, compute_uv=False) ** 2
    parts = values[values > 0] / values.sum()
    return float((np.exp(-np.sum(parts * np.log(parts))) - 1) / (most - 1))


def _first(count: int, num: int | None) -> range:
    """The first `num` of `count`, as far as there are as many; all for None."""
    if num is not None and num < 1:
        raise ValueError(f"num: {num} given; 1 or more is accepted")
    return range(count)[:num]


def _signed(effects: Effects) -> np.ndarray:
    """[K, F] the slopes; zero of directions that rest."""
    return np.where(effects.rests[:, None], 0, effects.slope)


def _purity(effects: Effects) -> np.ndarray:
    """[K] the largest share of each direction; NaN where it changes nothing."""
    return effects.selectivity.max(axis=1)


def _expected_best(share: np.ndarray, draws: int) -> np.ndarray:
    """[F] the expected largest of `draws` of the P rows of [P, F]."""
    total = len(share)
    below = [math.comb(index, draws - 1) for index in range(total)]
    weights = np.asarray([one / math.comb(total, draws) for one in below])
    return weights @ np.sort(share, axis=0)


def _corrected(value: Any, chance: Any, ceiling: Any) -> np.ndarray:
    room = np.asarray(ceiling, np.float64) - chance
    nothing = np.full(np.broadcast(value, room).shape, np.nan)
    return np.divide(np.subtract(value, chance), room, out=nothing, where=room > 1e-6)


def _aimed(
    targets: Sequence[str | None], factors: Sequence[str], count: int
) -> np.ndarray:
    """[F] the direction that is to find each factor, -1 for none."""
    unknown = [name for name in targets if name is not None and name not in factors]
    if unknown or len(targets) < count:
        raise ValueError(
            f"targets: {[*targets]} given; {count} of {', '.join(factors)} or None "
            "are accepted"
        )
    named = [name for name in targets[:count] if name is not None]
    return np.asarray(
        [targets.index(one) if one in named else -1 for one in factors], np.int64
    )


def _drift(
    effects: Effects, direction: int, factor: int, change: float
) -> tuple[float, float]:
    """How far other factors went when one has gone a given way; share of the codes."""
    scaled = effects.values[:, direction] / effects.spread[None, None]
    found = edited_changes(effects.strengths, scaled, factor)
    # up and down alike, so that the sign of a direction does not count
    ways = [found.at(change), found.at(-change)]
    return _mean([way.others for way in ways]), _mean([way.share for way in ways])


def _mean(values: Any) -> float:
    """Of what is a number; NaN of nothing."""
    kept = np.asarray(values, np.float64)
    kept = kept[np.isfinite(kept)]
    return float(kept.mean()) if kept.size else math.nan
