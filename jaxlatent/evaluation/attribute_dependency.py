"""Attribute dependency: what else changes when an edit changes one attribute.

Source: Wu et al., "StyleSpace Analysis: Disentangled Controls for StyleGAN Image
Generation", CVPR 2021, section 6: the mean-AD and max-AD of an edit are the mean and
the largest change of all other attributes, each in deviations of its score over
pictures that are not edited; they are told beside the change of the target, in its own
deviations, since an edit that goes further changes more.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from jaxlatent.edits.base import Edit
from jaxlatent.evaluation.ranking import CurveOptions, score_directions
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents
from jaxlatent.types import Model


@dataclasses.dataclass(frozen=True, eq=False)
class Dependency:
    """What each of M edited pictures tells, in deviations of the scores.

    Attributes:
        change: [M] size of the change of the target.
        mean: [M] mean size of the changes of the other attributes.
        largest: [M] the largest of these.
    """

    change: np.ndarray
    mean: np.ndarray
    largest: np.ndarray

    def curve(self, edges: Sequence[float] | np.ndarray) -> "Dependency":
        """Means over the pictures whose target changes alike.

        Args:
            edges: [B + 1], ascending, of B intervals of the change; each holds its
                lower edge.

        Returns:
            One entry for each interval, NaN where there is no picture.

        Raises:
            ValueError: for fewer than two edges, or others than ascending ones.
        """
        edges = np.asarray(edges, np.float64)
        if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise ValueError(
                f"edges: {np.array2string(edges, threshold=6)} given; two or more, "
                "ascending, are accepted"
            )
        which = np.digitize(self.change, edges) - 1
        rows = [np.flatnonzero(which == one) for one in range(len(edges) - 1)]

        def means(values: np.ndarray) -> np.ndarray:
            return np.array(
                [values[own].mean() if len(own) else np.nan for own in rows]
            )

        return Dependency(means(self.change), means(self.mean), means(self.largest))


def attribute_dependency(
    before: ArrayLike, after: ArrayLike, target: int, spread: ArrayLike | None = None
) -> Dependency:
    """The dependency of an edit from the scores of pictures before it and after it.

    Args:
        before: [N, A] scores, logits rather than probabilities, of two attributes or
            more.
        after: [N, ..., A] of the same pictures, edited.
        target: the attribute that is to change.
        spread: [A] deviation of each score over a population; of `before` if left out.

    Returns:
        One entry for each edited picture.

    Raises:
        ValueError: for other shapes, scores that are not finite, or that are alike in
            all pictures.
    """
    start, end = np.asarray(before, np.float64), np.asarray(after, np.float64)
    shape = start.shape
    fits = len(shape) == 2 and end.ndim > 1 and end.shape[0] == shape[0]
    if not fits or end.shape[-1] != shape[1] or shape[1] < 2:
        raise ValueError(
            f"before, after: shapes {shape}, {end.shape} given; [N, A] of two "
            "attributes or more and [N, ..., A] are accepted"
        )
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        raise ValueError("before, after: scores that are not finite given")
    if not 0 <= target < shape[1]:
        raise ValueError(f"target: {target} given; 0 to {shape[1] - 1} is accepted")
    unit = start.std(axis=0) if spread is None else np.asarray(spread, np.float64)
    if unit.shape != shape[1:] or not (unit > 0).all():
        raise ValueError(f"spread: {unit} given; {shape[1]} numbers above 0 are needed")
    start = start.reshape(shape[0], *(1,) * (end.ndim - 2), shape[1])
    moved = (np.abs(end - start) / unit).reshape(-1, shape[1])
    others = np.delete(moved, target, axis=1)
    return Dependency(moved[:, target], others.mean(axis=1), others.max(axis=1))


def edit_dependency(
    generator: Generator,
    edit: Edit,
    scorers: Mapping[str, Model],
    latents: Latents,
    strengths: Sequence[float],
    *,
    targets: Mapping[int, int | str],
    spread: ArrayLike | None = None,
    **options: Unpack[CurveOptions],
) -> dict[int, Dependency]:
    """The dependency of directions that are each to change an attribute.

    Args:
        generator: what draws.
        edit: of any kind.
        scorers: as for `ranking.score_directions`.
        latents: N codes.
        strengths: S of them, other than zero.
        targets: by direction, the attribute that it is to change, by number or name.
        spread: [A] deviation of each score over a population; that of the N pictures
            if left out.
        **options: as for `ranking.score_directions`.

    Returns:
        By direction, one entry for each of the N pictures at each strength.

    Raises:
        ValueError: for no targets, no strengths but zero, an attribute that there is
            not, or as `attribute_dependency`.
    """
    if not targets:
        raise ValueError("targets: none given; one or more is accepted")
    amounts = sorted({0.0, *map(float, strengths)})
    if len(amounts) < 2:
        raise ValueError(f"strengths: {[*strengths]} given; others than 0 are needed")
    chosen = edit.select([*targets])
    values, names = score_directions(
        generator, chosen, scorers, latents, amounts, **options
    )
    rest = amounts.index(0.0)
    found = {}
    for row, (index, target) in enumerate(targets.items()):
        if isinstance(target, str) and target not in names:
            raise ValueError(
                f"targets: {target!r} given; one of {', '.join(names)} is accepted"
            )
        column = names.index(target) if isinstance(target, str) else target
        moved = np.delete(values[:, row], rest, axis=1)
        found[index] = attribute_dependency(values[:, row, rest], moved, column, spread)
    return found
