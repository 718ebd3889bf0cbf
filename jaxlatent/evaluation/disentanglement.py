"""Scores of representations: does each code stand for one factor, and which one?

All metrics of "Challenging common assumptions in the unsupervised learning of
disentangled representations" (Locatello et al., 2019) as one call on a table of codes
and factors. A number alone says little, as the metrics differ in what unrelated codes
get, from 0 to 0.7; so each comes with its chance and its ceiling:

- **chance** is what codes of the same laws get that tell nothing, neither of factors
  nor of each other. It is measured, on tables in which each code's rows have an order
  of their own; but for the explicitness, where it is exactly a half.
- **ceiling** is 1, but for these: of SAP with linear machines it is measured, as what
  the factors themselves get for codes; of the unsupervised scores, which are better the
  lower they are, it is that of codes that determine each other.

`disentanglement_sampling` has BetaVAE and FactorVAE of a sampler and an encoder,
`disentanglement_across_models` UDR, which compares several models, and
`direction_codes` codes of pictures along the directions of an edit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxlatent.evaluation.disentanglement_bench import Settings, prepare
from jaxlatent.evaluation.disentanglement_metrics import METRICS, STUDY, Metric
from jaxlatent.files import read_arrays


@dataclass(frozen=True)
class Score:
    """One figure, and what it is to be held against.

    Attributes:
        value: of the codes.
        chance: of unrelated codes; NaN if it was not measured.
        ceiling: the largest there is.
        error: standard error of the chance: 0 of a formula, NaN of a single table.
    """

    value: float
    chance: float
    ceiling: float
    error: float


def disentanglement_scores(
    codes: np.ndarray,
    factors: np.ndarray,
    metrics: Sequence[str] = STUDY,
    settings: Settings = Settings(),
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Score]:
    """Score codes against the factors of the same pictures.

    The signs and the order of codes make no difference, and neither do their units,
    unless `Settings.raw` leaves them as they are. At the study's sizes
    trees take minutes: a hundred for each value of each factor, and as many for each
    table of `Settings.refits`.

    Args:
        codes: [N, C] numbers; the study takes 15,000 rows.
        factors: [N, F] numbers; see `disentanglement_bench.prepare`.
        metrics: names in `disentanglement_metrics.METRICS`.
        settings: how.
        seed: of all that is drawn and fitted; the same one gives the same figures.
        progress: called with 1 after each of `steps_of(metrics, settings)` steps.

    Returns:
        By name, in the order of `metrics`; a metric may have several figures.

    Raises:
        ValueError: names the argument that does not fit.
    """
    check_metrics(metrics)
    bench = prepare(codes, factors, settings, seed=seed)
    tables = range(max(settings.repeats, settings.refits))
    unrelated = [bench.unrelated(number) for number in tables]
    scores: dict[str, Score] = {}
    for metric in (METRICS[name] for name in metrics):
        values = [metric.measure(bench)]
        _tell(progress)
        for other in unrelated[: _tables(metric, settings)]:
            values.append(metric.measure(other))
            _tell(progress)
        ceilings = metric.ceiling(bench) if metric.ceiling else {}
        for name, value in values[0].items():
            chance, error = _chance(metric, [one[name] for one in values[1:]])
            scores[name] = Score(value, chance, ceilings.get(name, 1.0), error)
    return scores


def steps_of(metrics: Sequence[str], settings: Settings = Settings()) -> int:
    """How often `disentanglement_scores` calls its `progress`."""
    return sum(1 + _tables(METRICS[name], settings) for name in metrics)


def check_metrics(metrics: Sequence[str]) -> None:
    """Refuse names of metrics that there are not, and none at all.

    Raises:
        ValueError: names them.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown or not metrics:
        raise ValueError(
            f"metrics: {', '.join(unknown) or 'none'} given; {', '.join(METRICS)} are "
            "accepted"
        )


def _tables(metric: Metric, settings: Settings) -> int:
    """On how many tables a metric's chance is measured."""
    if metric.chance is not None:
        return 0
    return settings.refits if metric.slow else settings.repeats


def _chance(metric: Metric, values: Sequence[float]) -> tuple[float, float]:
    """The chance of a figure, and its standard error."""
    if metric.chance is not None:
        return metric.chance, 0.0
    if not values:
        return float("nan"), float("nan")
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return float(np.mean(values)), float(spread / np.sqrt(len(values)))


def _tell(progress: Callable[[int], None] | None) -> None:
    if progress is not None:
        progress(1)


class Representation(NamedTuple):
    """What a file of codes and factors holds.

    Attributes:
        codes: [N, C].
        factors: [N, F].
    """

    codes: np.ndarray
    factors: np.ndarray


def read_representation(path: str | Path) -> Representation:
    """Read an `.npz` with `codes` [N, C] and `factors` [N, F].

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or lacks one of them; names the file.
    """
    found = read_table(path, codes="[N, C]", factors="[N, F]")
    return Representation(found["codes"], found["factors"])


def read_table(path: str | Path, **needed: str) -> dict[str, np.ndarray]:
    """Read an `.npz` that has arrays of the names and, in words, the shapes needed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or lacks one of them; names the file.
    """
    try:
        found: Any = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    names = sorted(found) if isinstance(found, dict) else ["a single array"]
    if {*needed} - {*names}:
        words = " and ".join(f"{name} {shape}" for name, shape in needed.items())
        raise ValueError(
            f"{path}: {', '.join(names) or 'nothing'} given; an .npz with {words} is "
            "accepted"
        )
    return found


def score_table(scores: Mapping[str, Score]) -> list[str]:
    """Lines of a table of scores, for a person to read."""
    width = max(map(len, ("metric", *scores)))
    lines = [f"{'metric':{width}}    value   chance  ceiling"]
    for name, score in scores.items():
        figures = (score.value, score.chance, score.ceiling)
        lines.append(f"{name:{width}} " + " ".join(f"{one:8.4f}" for one in figures))
    return lines


def scores_to_json(scores: Mapping[str, Score]) -> dict[str, dict[str, float | None]]:
    """Scores as JSON values: what is not finite as null."""
    return {
        name: {
            field: value if np.isfinite(value) else None
            for field, value in asdict(score).items()
        }
        for name, score in scores.items()
    }
