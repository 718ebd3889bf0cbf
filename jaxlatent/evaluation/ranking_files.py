"""Files that tell which path is the best of which attribute.

WarpedGANSpace publishes `interpretable_paths.json`, which has a dict of attributes for
each measure, of lists of paths with the best first; and `attr_idx_{measure}*.csv`,
tables of a measure with a row for each path and a column for each attribute.
`Ranking.to_csv` has a line for each attribute and direction.
"""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PUBLISHED = {"corr": "steepness", "corr_l1": "selectivity"}
"""The published measures by our names, of `ranking.MEASURES`."""

_MOST_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class Orders:
    """Directions in the order of what they do to attributes.

    Attributes:
        orders: by measure and attribute, numbers of directions, the best first.
        values: by measure and attribute, the measure of each of those; {} if the file
            has none.
    """

    orders: Mapping[str, Mapping[str, np.ndarray]]
    values: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def names(self, count: int, by: str | None = None) -> dict[int, str]:
        """Names for the best direction of each attribute, for `edit.rename`.

        Args:
            count: how many directions the edit has.
            by: the measure; the first of the file if left out.

        Raises:
            ValueError: for a measure or directions that there are not.
        """
        by = next(iter(self.orders)) if by is None else by
        if by not in self.orders:
            raise ValueError(
                f"by: {by!r} given; one of {', '.join(self.orders)} is accepted"
            )
        found: dict[int, list[str]] = {}
        for attribute, order in self.orders[by].items():
            if order.max() >= count:
                raise ValueError(
                    f"ranking: path {order.max()} found; 0 to {count - 1} are there"
                )
            found.setdefault(int(order[0]), []).append(attribute)
        return {number: ", ".join(told) for number, told in found.items()}


def load_orders(path: str | os.PathLike[str]) -> Orders:
    """Read a ranking, published or of `Ranking.to_csv`.

    Raises:
        ValueError: names the file, and what is accepted.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"ranking: {path} is not a file")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"over {_MOST_BYTES} bytes")
        text = path.read_text()
        if path.suffix == ".json":
            return _of_json(json.loads(text))
        rows = list(csv.reader(text.splitlines()))
        if rows and rows[0][:3] == ["attribute", "rank", "direction"]:
            return _of_own(rows)
        return _of_table(rows, "corr_l1" if "corr_l1" in path.stem else "corr")
    except (ValueError, KeyError, IndexError, RecursionError) as error:
        raise ValueError(
            f"ranking: {path}: {error}; interpretable_paths.json, attr_idx_*.csv or "
            "ranking.csv is accepted"
        ) from error


def _of_json(found: Any) -> Orders:
    if not isinstance(found, dict) or not found:
        raise ValueError("no object of measures")
    orders = {}
    for measure, attributes in found.items():
        if not isinstance(attributes, dict) or not attributes:
            raise ValueError(f"{measure}: no object of attributes")
        orders[PUBLISHED.get(measure, measure)] = {
            name: _numbers(order) for name, order in attributes.items()
        }
    return Orders(orders)


def _numbers(order: Any) -> np.ndarray:
    if (
        not isinstance(order, list)
        or not order
        or not all(type(one) is int and one >= 0 for one in order)
        or len(set(order)) < len(order)
    ):
        raise ValueError("a list of different numbers of paths is needed")
    return np.asarray(order)


def _of_table(rows: Sequence[Sequence[str]], measure: str) -> Orders:
    """A row for each path: its number, then a column for each attribute."""
    (_, *attributes), *lines = rows
    numbers = np.asarray(_numbers([int(line[0]) for line in lines]))
    table = np.asarray([[float(one) for one in line[1:]] for line in lines])
    if not attributes or table.shape != (len(numbers), len(attributes)):
        raise ValueError("lines of several lengths")
    columns = dict(zip(attributes, table.T, strict=True))
    best = {
        name: np.argsort(-column, kind="stable") for name, column in columns.items()
    }
    measure = PUBLISHED[measure]
    return Orders(
        {measure: {name: numbers[order] for name, order in best.items()}},
        {measure: {name: columns[name][order] for name, order in best.items()}},
    )


def _of_own(rows: Sequence[Sequence[str]]) -> Orders:
    """A line for each attribute and direction, with every measure."""
    names, *lines = rows
    measures = [name for name in names if name in ("steepness", "selectivity")]
    orders: dict[str, dict[str, np.ndarray]] = {}
    values: dict[str, dict[str, np.ndarray]] = {}
    for measure in measures:
        place = names.index(measure)
        for attribute in dict.fromkeys(line[0] for line in lines):
            own = [line for line in lines if line[0] == attribute]
            numbers = _numbers([int(line[2]) for line in own])
            column = np.asarray([float(line[place]) for line in own])
            order = np.argsort(
                np.where(np.isnan(column), np.inf, -column), kind="stable"
            )
            orders.setdefault(measure, {})[attribute] = numbers[order]
            values.setdefault(measure, {})[attribute] = column[order]
    if not orders:
        raise ValueError("no measure found")
    return Orders(orders, values)
