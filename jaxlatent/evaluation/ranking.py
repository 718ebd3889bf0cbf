"""Which direction of an edit changes which attribute: how steeply, how selectively.

Tzelepis, Tzimiropoulos and Patras, "WarpedGANSpace: Finding non-linear RBF paths in GAN
latent space" (2021), section 4.2, rank their paths so; any edit and any scorers will
do.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
from jax.sharding import Mesh

from jaxlatent.edits.base import Edit, default_names
from jaxlatent.evaluation import tables
from jaxlatent.evaluation.curves import score_curves
from jaxlatent.generators.base import Generator
from jaxlatent.generators.inputs import NoiseInput
from jaxlatent.latents import Latents, Truncation
from jaxlatent.types import Model

MEASURES = ("steepness", "selectivity", "correlation")


@dataclass(frozen=True, eq=False)
class Ranking:
    """What each of K directions does to each of A attributes.

    Attributes:
        directions: their K names.
        attributes: their A names.
        slope: [K, A] mean change of the attribute per unit of strength.
        steepness: [K, A], from 0: how far the attribute goes with one deviation of the
            strengths, in the unit of `rank_scores`; the mean over codes, whose signs
            count.
        correlation: [K, A] from 0 to 1: of attribute and strength, the mean over codes
            likewise; NaN where the attribute of a code never changes.
    """

    directions: tuple[str, ...]
    attributes: tuple[str, ...]
    slope: np.ndarray
    steepness: np.ndarray
    correlation: np.ndarray

    @property
    def selectivity(self) -> np.ndarray:
        """[K, A]: the attribute's share in the steepness of all; NaN where all rest."""
        total = self.steepness.sum(axis=1, keepdims=True)
        return np.divide(
            self.steepness,
            total,
            out=np.full_like(self.steepness, np.nan),
            where=total > 0,
        )

    def order(self, attribute: int | str, by: str = "steepness") -> np.ndarray:
        """[K] directions by what they do to an attribute, the best first.

        Args:
            attribute: by number or name.
            by: one of `MEASURES`; what is not a number comes last.

        Raises:
            ValueError: for an attribute or a measure that there is not.
        """
        if by not in MEASURES:
            raise ValueError(f"by: {by!r} given; one of {MEASURES} is accepted")
        return _descending(getattr(self, by)[:, self._column(attribute)])

    def choose(self, attributes: Sequence[int | str]) -> "Ranking":
        """Some of the attributes, among which the selectivity is then measured.

        Raises:
            ValueError: for an attribute that there is not.
        """
        columns = [self._column(one) for one in attributes]
        arrays = {
            name: getattr(self, name)[:, columns]
            for name in ("slope", "steepness", "correlation")
        }
        names = tuple(self.attributes[column] for column in columns)
        return replace(self, attributes=names, **arrays)

    def best(
        self,
        group: Sequence[int | str],
        by: str = "selectivity",
        *,
        targets: int = 1,
    ) -> np.ndarray:
        """[K] directions by what they do to the targets of a group, the best first.

        The paper's groups are an attribute and those that should rest when it changes:
        the selectivity is the target's share in the steepness of the group alone.

        Args:
            group: attributes by number or name, targets first.
            by: one of `MEASURES`.
            targets: how many of the group are; the measure of several is their sum.

        Raises:
            ValueError: for an attribute or a measure that there is not, the same one
                twice, or another number of targets.
        """
        columns = [self._column(one) for one in group]
        if len(set(columns)) < len(columns) or not 1 <= targets <= len(columns):
            raise ValueError(
                f"group, targets: {[*group]}, {targets} given; different attributes "
                "and from 1 to as many targets are accepted"
            )
        chosen = self.choose(group)
        if by not in MEASURES:
            raise ValueError(f"by: {by!r} given; one of {MEASURES} is accepted")
        return _descending(getattr(chosen, by)[:, :targets].sum(axis=1))

    def to_csv(self) -> str:
        """A line for each attribute and direction, the steepest of each first."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        figures = ("slope", *MEASURES)
        writer.writerow(("attribute", "rank", "direction", "name", *figures))
        for column, attribute in enumerate(self.attributes):
            for rank, row in enumerate(self.order(column)):
                numbers = [f"{getattr(self, one)[row, column]:.6g}" for one in figures]
                name = self.directions[row]
                writer.writerow((attribute, rank + 1, int(row), name, *numbers))
        return text.getvalue()

    def _column(self, attribute: int | str) -> int:
        if isinstance(attribute, str) and attribute in self.attributes:
            return self.attributes.index(attribute)
        if not isinstance(attribute, str) and 0 <= attribute < len(self.attributes):
            return int(attribute)
        raise ValueError(
            f"attribute: {attribute!r} given; 0 to {len(self.attributes) - 1}, or one "
            f"of {', '.join(self.attributes)}, is accepted"
        )


def _descending(values: np.ndarray) -> np.ndarray:
    """The order from the largest down; what is not a number comes last."""
    return np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")


def rank_scores(
    scores: np.ndarray,
    strengths: Sequence[float],
    *,
    directions: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    folded: Sequence[str] = (),
) -> Ranking:
    """Rank directions by the scores of edited pictures.

    Args:
        scores: [N, K, S, A] of N codes, moved along K directions by S strengths.
        strengths: [S], two or more, all different.
        directions: K names; "direction 0", ... if left out.
        attributes: A names; "0", ... if left out.
        ranges: by attribute, which values count as -1 and as 1; what lies beyond is
            clipped. The unit of others is their deviation over the codes at the
            strength nearest to zero.
        folded: attributes that change alike to either side of strength zero, such as a
            similarity to the picture that was not edited: they are held against the
            size of the strength.

    Returns:
        The ranking. The steepness is the paper's: the covariance of attribute and
        strength over the deviation of the strengths.

    Raises:
        ValueError: for other shapes, or a name that is no attribute.
    """
    scores, amounts = np.asarray(scores, np.float64), np.asarray(strengths, np.float64)
    shape = scores.shape
    fits = scores.ndim == 4 and amounts.shape == shape[2:3] and scores.size
    if not fits or len(np.unique(amounts)) < max(2, len(amounts)):
        raise ValueError(
            f"scores, strengths: {shape}, {amounts.shape} given; [N, K, S, A] and "
            "[S] of two or more different ones are accepted"
        )
    directions = tuple(directions or default_names(shape[1]))
    attributes = tuple(attributes or map(str, range(shape[3])))
    if (len(directions), len(attributes)) != (shape[1], shape[3]):
        raise ValueError(
            f"directions, attributes: {len(directions)}, {len(attributes)} names "
            f"given; {shape[1]} and {shape[3]} are accepted"
        )
    for label, names in (("ranges", ranges or {}), ("folded", folded)):
        if unknown := sorted(set(names) - set(attributes)):
            raise ValueError(
                f"{label}: {unknown[0]!r} given; one of {', '.join(attributes)} is "
                "accepted"
            )
    start = scores[:, :, np.argmin(np.abs(amounts))]
    spread = start[:, :1].std(axis=0)[0]
    unit = np.where(spread > 0, spread, 1)
    scaled = scores / unit
    for name, (low, high) in (ranges or {}).items():
        column = attributes.index(name)
        share = (scores[..., column] - low) / (high - low)
        scaled[..., column] = 2 * np.clip(share, 0, 1) - 1
    along = np.stack(
        [np.abs(amounts) if name in folded else amounts for name in attributes], axis=1
    )
    along = along - along.mean(axis=0)
    deviation = along.std(axis=0, ddof=1)

    def covariance(values: np.ndarray) -> np.ndarray:
        return np.einsum("nksa,sa->nka", values, along) / (len(amounts) - 1)

    # of what rests, rounding would make something
    moves = np.ptp(scaled, axis=2) > 0
    steep = np.where(moves, covariance(scaled) / deviation, 0)
    close = np.divide(
        steep,
        scaled.std(axis=2, ddof=1),
        out=np.full_like(steep, np.nan),
        where=moves,
    )
    return Ranking(
        directions,
        attributes,
        (covariance(scores) / deviation**2).mean(axis=0),
        np.abs(steep.mean(axis=0)),
        np.abs(close.mean(axis=0)),
    )


class CurveOptions(TypedDict, total=False):
    """What is handed on to `score_curves`, which explains it."""

    truncation: Truncation | None
    noise: NoiseInput
    chunk: int
    mesh: Mesh | None


def score_directions(
    generator: Generator,
    edit: Edit,
    scorers: Mapping[str, Model],
    latents: Latents,
    strengths: Sequence[float] | np.ndarray,
    *,
    odds: bool = False,
    progress: Callable[[int], None] | None = None,
    **options: Unpack[CurveOptions],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Scores of codes moved along every direction of an edit, for `rank_scores`.

    Args:
        generator: what draws.
        edit: of any kind, K directions.
        scorers: as for `score_curves`.
        latents: N codes.
        strengths: [S], or [K, S] where every direction has its own.
        odds: whether scores of several classes become log-odds.
        progress: called with the number of directions just done.
        **options: as for `score_curves`.

    Returns:
        [N, K, S, A] by ascending strength, and the names of the scores.
    """
    found, names = [], ()
    amounts = np.asarray(strengths, np.float64)
    if amounts.ndim == 1:
        amounts = np.tile(amounts, (len(edit), 1))
    if amounts.ndim != 2 or len(amounts) != len(edit):
        raise ValueError(
            f"strengths: shape {amounts.shape} given; [S] or [{len(edit)}, S] is "
            "accepted"
        )
    for index, own in enumerate(amounts):
        curves = score_curves(
            generator, edit, scorers, latents, index, own.tolist(), **options
        )
        rows = {
            name: curve.scores.reshape(-1, *curve.scores.shape[2:])
            for name, curve in curves.items()
        }
        values, names = tables.columns(rows, odds=odds)
        found.append(values.reshape(len(latents), amounts.shape[1], -1))
        if progress is not None:
            progress(1)
    return np.stack(found, axis=1), names
