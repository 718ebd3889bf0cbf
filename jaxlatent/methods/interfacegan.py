"""InterFaceGAN: Interpreting the Latent Space of GANs for Semantic Face Editing.

Yujun Shen, Jinjin Gu, Xiaoou Tang, Bolei Zhou, CVPR 2020, arXiv 1907.10786;
journal version arXiv 2005.09635.

For a binary attribute there is a hyperplane in latent space whose signed distance
n^T z tracks the attribute's score (section 3.1). It is found as the boundary of a
linear SVM between the codes of highest and of lowest score; moving along n changes the
attribute. A boundary that should leave other attributes alone is projected on the
complement of theirs (section 3.2, "conditional manipulation").

Where this differs from the original code, and why:

- The bias is kept, so that `Directions.coordinate` is the distance to the boundary
  itself; the original's is to the parallel hyperplane through the origin.
- Any number of conditions, through an orthonormal basis of their span; the original has
  a formula for two with a 1e-8 in its denominator, which leaves a residue.
- Shuffles come from an explicit key instead of NumPy's global state.
- Scores that are not finite are refused (NaN would sort as the highest), and splits
  with almost no samples are warned of.
- Where the cut falls among equal scores, all of those are taken, so that of labels 0
  and 1 every code is used; the original takes a few of the equal ones, those that its
  sort leaves first. Sides of different sizes weigh the same, as `class_weight` of
  libsvm's "balanced" does; sides of one size give the original's boundary.
- Codes in w+ are flattened for the fit, giving one row per layer.

Defaults of the original: the extreme 2 % of scores on each side, 70 % of them for
training, C = 1; strengths -3 to 3, absolute in z and w (`Directions.move_to`), relative
in w+ (`Directions.shift`).
"""

import dataclasses
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxlatent.edits.directions import Directions, directions, linear
from jaxlatent.evaluation.tables import ScoreTable
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.numerics.svm import Hyperplane, fit_hyperplane, project_out
from jaxlatent.types import parse_layers


@dataclasses.dataclass(frozen=True)
class Boundary:
    """How a boundary is fitted to scores."""

    top_fraction: float = 0.02
    """Share of the codes on each side, or their number if above 1."""
    train_fraction: float = 0.7
    """Share of them that trains; the others validate."""
    C: float = 1.0
    """Of the support vector machine: the less, the wider its margin."""
    tolerance: float = 1e-3
    """Of the machine's solver."""
    invalid: float | None = None
    """Leave out codes of exactly this score."""

    def check(self) -> None:
        """Refuse values that no boundary can be fitted with.

        Raises:
            ValueError: names the field.
        """
        train_count(side_count(2**62, self.top_fraction), self.train_fraction)
        for name in ("C", "tolerance"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; above 0 is accepted"
                )


DEFAULT = Boundary()


class Extremes(NamedTuple):
    """Rows of the codes with the highest scores, the lowest, and those between.

    Attributes:
        positive: [n] rows of high score, highest first.
        negative: [m] rows of low score, lowest last; n of them unless scores are equal.
        middle: the other rows, in descending order.
    """

    positive: np.ndarray
    negative: np.ndarray
    middle: np.ndarray


def side_count(valid: int, top_fraction: float) -> int:
    """How many of some valid scores are the highest; as many are the lowest.

    Args:
        valid: how many scores there are.
        top_fraction: a share of them up to 1, or a number above 1.

    Raises:
        ValueError: if none are chosen.
    """
    if not 0 < top_fraction < math.inf:
        raise ValueError(
            f"top_fraction: {top_fraction} given; a share or a number above 0"
        )
    wanted = valid * top_fraction if top_fraction <= 1 else top_fraction
    count = min(int(wanted), valid // 2)
    if count == 0:
        raise ValueError(
            f"top_fraction: {top_fraction} of {valid} valid scores leaves no sample"
        )
    return count


def train_count(count: int, train_fraction: float) -> int:
    """How many of the samples on a side train; the others validate.

    Raises:
        ValueError: unless at least one does, and at most all do.
    """
    train = int(count * train_fraction) if math.isfinite(train_fraction) else 0
    if not 1 <= train <= count:
        raise ValueError(
            f"train_fraction: {train_fraction} of {count} samples trains on {train}; "
            "at least one and at most all are needed"
        )
    return train


def select_extremes(
    scores: np.ndarray, *, top_fraction: float = 0.02, invalid: float | None = None
) -> Extremes:
    """Choose the codes of extreme score.

    Args:
        scores: [N].
        top_fraction: how many on each side: a share of N up to 1, or a number above 1;
            never more than half of the valid rows. Scores that equal the last one
            chosen are all taken; where that one is the same on both sides, they go to
            the side that would be empty, and to neither if none would.
        invalid: rows of exactly this score are left out.

    Raises:
        ValueError: for scores that are not finite, not [N] or all equal, or if none
            are chosen.
    """
    scores = np.asarray(scores)
    if scores.ndim != 1:
        raise ValueError(f"scores: shape {scores.shape} given; [N] is accepted")
    rows = np.arange(len(scores))
    if invalid is not None:
        rows = rows[scores != invalid]
    if not np.isfinite(scores[rows]).all():
        raise ValueError("scores: hold values that are not finite")
    order = rows[np.argsort(scores[rows], kind="stable")[::-1]]
    ranked = scores[order]
    if len(rows) and ranked[0] == ranked[-1]:
        raise ValueError(f"scores: all {len(rows)} are {ranked[0]}; no two sides")
    # of two values alone, the run at either end is a side, however small the share
    small = len(np.unique(ranked)) == 2 and 0 < top_fraction * len(rows) < 1
    count = 1 if small else side_count(len(rows), top_fraction)
    low, high = ranked[-count], ranked[count - 1]
    if low == high:
        # the middle is one run: it belongs to the side that has nothing else, if any
        above, below = ranked[0] > high, ranked[-1] < low
        tops = np.count_nonzero(ranked > high if above else ranked >= high)
        bottoms = np.count_nonzero(ranked < low if below else ranked <= low)
    else:
        tops = np.count_nonzero(ranked >= high)
        bottoms = np.count_nonzero(ranked <= low)
    if (tops, bottoms) != (count, count):
        warnings.warn(
            f"scores: the cut falls among equal ones, which stay together: {tops} high "
            f"and {bottoms} low are taken, where top_fraction asks for {count} each",
            stacklevel=3,
        )
    last = len(order) - bottoms
    return Extremes(order[:tops], order[last:], order[tops:last])


def fit_boundary(
    codes: np.ndarray,
    scores: np.ndarray,
    extremes: Extremes,
    order: tuple[np.ndarray, np.ndarray],
    boundary: Boundary = DEFAULT,
) -> tuple[Hyperplane, dict[str, float]]:
    """Fit one boundary and measure it on the three splits. Runs on the host.

    Args:
        codes: [N, D].
        scores: [N].
        extremes: as `select_extremes` returns them.
        order: shuffles of the positives [n] and of the negatives [m].
        boundary: how it is fitted.

    Returns:
        The boundary and its "accuracy_training", "accuracy_validation" and
        "accuracy_remaining", NaN for an empty split. What remains counts as positive
        from the middle between the lowest and the highest score on.
    """
    sides = [extremes.positive[order[0]], extremes.negative[order[1]]]
    trains = [train_count(len(side), boundary.train_fraction) for side in sides]
    rows, labels = _joined(side[:n] for side, n in zip(sides, trains, strict=True))
    plane = fit_hyperplane(
        codes[rows], labels, penalty=boundary.C, tolerance=boundary.tolerance
    )
    valid = np.concatenate(extremes)
    threshold = (scores[valid].max() + scores[valid].min()) / 2
    middle = extremes.middle
    splits = {
        "training": (rows, labels),
        "validation": _joined(side[n:] for side, n in zip(sides, trains, strict=True)),
        "remaining": (middle, scores[middle] >= threshold),
    }
    return plane, {
        f"accuracy_{name}": _accuracy(plane, codes[chosen], truth)
        for name, (chosen, truth) in splits.items()
    }


def _joined(sides: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both sides, and whether each is of the first."""
    first, second = sides
    labels = np.repeat([True, False], [len(first), len(second)])
    return np.concatenate([first, second]), labels


def _accuracy(plane: Hyperplane, codes: np.ndarray, truth: np.ndarray) -> float:
    if len(truth) == 0:
        return float("nan")
    return float(np.mean((plane.distance(codes) > 0) == truth))


def interfacegan(
    codes: np.ndarray | jax.Array,
    scores: np.ndarray | jax.Array,
    boundary: Boundary = DEFAULT,
    *,
    key: jax.Array,
    space: str = "z",
    names: Sequence[str] | None = None,
) -> Directions:
    """Find one boundary per attribute from codes and their scores. Runs on the host.

    Args:
        codes: [N, D], or [N, L, D] in w+.
        scores: [N], or [N, A] for A attributes of the same codes; high where the
            attribute is present.
        boundary: how the boundaries are fitted.
        key: shuffles the extremes before they are split.
        space: the space of the codes.
        names: of the attributes.

    Returns:
        Unit normals [A, D] or [A, L, D] towards high scores, with their bias: one unit
        of strength is one unit of distance. `report` holds the accuracies on the
        training, validation and remaining splits.

    Raises:
        ValueError: names the argument that does not fit.
    """
    codes, scores = np.asarray(codes), np.asarray(scores)
    if codes.ndim not in (2, 3) or not np.isfinite(codes).all():
        raise ValueError(
            f"codes: shape {codes.shape} given; finite [N, D] or [N, L, D] is accepted"
        )
    if scores.dtype.kind in "biu":
        scores = scores.astype(np.float64)
    if scores.ndim == 1:
        scores = scores[:, None]
    if scores.ndim != 2 or len(scores) != len(codes):
        raise ValueError(
            f"scores: shape {scores.shape} given for {len(codes)} codes; [N] or [N, A]"
        )
    boundary.check()
    flat = codes.reshape(len(codes), -1)
    planes, reports = [], []
    for attribute in range(scores.shape[1]):
        column = scores[:, attribute]
        extremes = select_extremes(
            column, top_fraction=boundary.top_fraction, invalid=boundary.invalid
        )
        counts = len(extremes.positive), len(extremes.negative)
        if min(counts) < 10:
            warnings.warn(
                f"scores: only {min(counts)} samples on a side; boundaries need "
                "hundreds",
                stacklevel=2,
            )
        own = jax.random.fold_in(key, attribute)
        order = tuple(
            np.asarray(jax.random.permutation(jax.random.fold_in(own, side), count))
            for side, count in enumerate(counts)
        )
        plane, report = fit_boundary(
            flat,
            column,
            extremes,
            (order[0], order[1]),
            boundary,
        )
        planes.append(plane)
        reports.append(report)
    normals = np.stack([plane.normal for plane in planes])
    return directions(
        normals.reshape(-1, *codes.shape[1:]).astype(np.float32),
        space=space,
        bias=np.asarray([plane.bias for plane in planes], np.float32),
        report={
            name: np.asarray([report[name] for report in reports], np.float32)
            for name in reports[0]
        },
        names=names,
        method="interfacegan",
    )


def discover(
    generator: Generator,
    scores: ScoreTable,
    boundary: Boundary = DEFAULT,
    *,
    key: jax.Array,
    space: str | None = None,
    layers: Sequence[int] | str | None = None,
) -> Directions:
    """InterFaceGAN of a generator.

    Args:
        generator: the generator.
        scores: of its pictures, as `evaluation.tables.score_generator` makes them, or
            of others whose codes are known.
        boundary: how the boundaries are fitted.
        key: shuffles the extremes before they are split.
        space: where to put the boundaries; None for w if there is one, else z.
        layers: rows of w+ to edit, as `types.parse_layers` takes them; None for all.

    Returns:
        One direction for each score; see `interfacegan`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    rows = parse_layers(layers, generator.config.num_layers)
    where = space or generator.latent_space
    if where not in generator.code_spaces:
        raise ValueError(
            f"space: {where!r} given; one of {list(generator.code_spaces)} is accepted"
        )
    found = interfacegan(
        scores.latents(generator, where),
        scores.values,
        boundary,
        key=key,
        space=where,
        names=scores.names,
    )
    return dataclasses.replace(found, layers=rows, generator=fingerprint(generator))


def condition(
    boundaries: Directions, others: Sequence[Directions], *, rank: float = 1e-3
) -> Directions:
    """Project boundaries so that moving along them keeps other coordinates.

    Args:
        boundaries: [K, D] to project.
        others: conditions, every direction of each; their order, scale and sign do not
            matter.
        rank: shortest acceptable rest of a unit boundary.

    Returns:
        Unit boundaries orthogonal to every condition. Their bias is dropped, since the
        hyperplane they belonged to is another one; `report` holds the "cosine" with
        the original.

    Raises:
        TypeError: for edits that are not linear.
        ValueError: if spaces or shapes differ, or a boundary lies in the conditions'
            span.
    """
    boundaries = linear(boundaries, "boundaries")
    others = [linear(other, "others") for other in others]
    for other in others:
        if other.space != boundaries.space:
            raise ValueError(
                f"others: of space {other.space}, the boundaries of {boundaries.space}"
            )
        if other.vectors.shape[1:] != boundaries.vectors.shape[1:]:
            raise ValueError(
                f"others: vectors {other.vectors.shape} do not suit "
                f"{boundaries.vectors.shape}"
            )
    shape = boundaries.vectors.shape
    primal = np.asarray(boundaries.vectors, np.float64).reshape(shape[0], -1)
    primal = primal / np.linalg.norm(primal, axis=1, keepdims=True)
    spans = [np.asarray(other.vectors).reshape(len(other), -1) for other in others]
    rest = project_out(primal, np.concatenate(spans)) if spans else primal
    lengths = np.linalg.norm(rest, axis=1)
    if (lengths < rank).any():
        lost = [boundaries.names[i] for i in np.flatnonzero(lengths < rank)]
        raise ValueError(f"boundaries: {lost} lie in the span of the conditions")
    unit = rest / lengths[:, None]
    return directions(
        unit.reshape(shape).astype(np.float32),
        space=boundaries.space,
        layers=boundaries.layers,
        report={"cosine": np.sum(unit * primal, axis=1).astype(np.float32)},
        names=boundaries.names,
        method=boundaries.method,
        generator=boundaries.generator,
    )
