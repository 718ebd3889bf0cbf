"""From a text to columns of numbers: separators, headers, what counts rows, what names.

Cells are separated by tabs, semicolons, commas or spaces, and may be quoted. What is no
number in a column of numbers, missing, or may belong to a decimal comma is refused with
its line. True and false are 1 and 0. Left out, and said to be, are

- columns of text, one of which may name the pictures that rows belong to;
- a first column that counts the rows from 0 or 1: under a name that says so, or without
  any in three rows or more;
- a first line that tells how many follow, as in CelebA's lists.
"""

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxlatent.data.pictures import ENDINGS

_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", " ": "spaces"}
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")
_PART_OF_ONE = re.compile(r"0[0-9]+")
_TRUTHS = {"true": "1", "false": "0"}
_MISSING = ("", "nan", "na", "n/a", "null", "none", "?", "-", "inf", "-inf", "+inf")
_COUNTERS = (
    *("", "#", "id", "idx", "index", "key", "no", "no.", "nr", "number", "row"),
    *("image", "image_id", "img", "picture", "file", "sample", "unnamed: 0"),
)
_PROVEN = 3
"""Rows from which 0, 1, 2, ... can do nothing but count them."""


class Columns(NamedTuple):
    """The numbers of a text.

    Attributes:
        values: [N, A] finite.
        names: of the columns, each once; None without a header.
        pictures: [N] of a column of text that can name pictures, None if none can.
        decisions: what was told from the text, in words.
    """

    values: np.ndarray
    names: tuple[str, ...] | None
    pictures: tuple[str, ...] | None
    decisions: tuple[str, ...]


class _Row(NamedTuple):
    line: int
    cells: list[str]


class _Column(NamedTuple):
    name: str
    lines: Sequence[int]
    cells: Sequence[str]

    @property
    def is_numbers(self) -> bool:
        """Whether any of its cells is a number."""
        return any(_NUMBER.fullmatch(cell) for cell in self.cells)

    @property
    def names_files(self) -> bool:
        """Whether all of its cells look like names of pictures."""
        return all(cell.lower().endswith(ENDINGS) for cell in self.cells)


def read_columns(text: str) -> Columns:
    """The numbers of a text, a row for each line.

    Raises:
        ValueError: for a text that holds no such table, or not a whole one; names the
            line.
    """
    comments, rows, separator = _split(text)
    told = [f"separated by {_SEPARATORS[separator]}"] if separator else []
    if (
        len(rows) > 1
        and len(rows[0].cells) == 1 < len(rows[1].cells)
        and (re.fullmatch("[0-9]{1,18}", rows[0].cells[0]))
    ):
        told.append(_count_line(rows.pop(0), len(rows)))
    names, rows = _header(comments, rows)
    told.append("without a header" if names is None else "with a header")
    width = len(rows[0].cells)
    for row in rows:
        if len(row.cells) != width:
            raise ValueError(
                f"line {row.line} has {len(row.cells)} cells, line {rows[0].line} "
                f"{width}"
            )
    columns = [
        _Column(
            str(at) if names is None else names[at],
            [row.line for row in rows],
            [row.cells[at] for row in rows],
        )
        for at in range(width)
    ]
    pictures = _pictures(columns)
    numbers: list[_Column] = []
    for at, column in enumerate(columns):
        if column.is_numbers:
            _check_numbers(column, separator if at else "")
            numbers.append(column)
        else:
            told.append(f"{_quoted(column)} {_left_out(column, pictures)}")
    if len(numbers) > 1 and numbers[0] is columns[0]:
        counts = _counts_rows(columns[0], names is not None)
        if counts:
            told.append(f"{_quoted(columns[0])} counts rows and is left out")
            numbers = numbers[1:]
    if not numbers:
        raise ValueError("it holds no column of numbers")
    values = np.asarray([[float(cell) for cell in one.cells] for one in numbers]).T
    for row, numbers_of_row in zip(rows, values, strict=True):
        if not np.isfinite(numbers_of_row).all():
            raise ValueError(f"line {row.line} holds a number that is not finite")
    return Columns(
        values,
        None if names is None else _distinct([one.name for one in numbers]),
        None if pictures is None else tuple(pictures.cells),
        tuple(told),
    )


def _split(text: str) -> tuple[list[_Row], list[_Row], str]:
    """Comments, rows, and what separates cells ("" if there is one in each line)."""
    lines = [
        (number, line)
        for number, line in enumerate(io.StringIO(text, newline=None), start=1)
        if line.strip()
    ]
    body = [(number, line) for number, line in lines if not _is_comment(line)]
    if not body:
        raise ValueError("it holds comments alone")
    bare = [re.sub('"[^"]*"', "x", line) for _, line in body]
    separator = next((one for one in "\t;," if any(one in line for line in bare)), "")
    if not separator and len(bare[-1].split()) > 1:
        separator = " "
    comments = [
        _Row(number, line.strip("# \n").split(separator.strip() or None))
        for number, line in lines
        if _is_comment(line)
    ]
    rows = [_Row(number, _cells(line, separator, number)) for number, line in body]
    return comments, rows, separator


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _cells(line: str, separator: str, number: int) -> list[str]:
    """The cells of a line, without quotes and without spaces around them."""
    if separator == " " and '"' not in line:
        cells = line.split()
    else:
        stream = io.StringIO(line.strip(" \n"))
        options = {"delimiter": separator or "\t", "skipinitialspace": True}
        try:
            [cells] = csv.reader(stream, strict=True, **options)
        except (csv.Error, ValueError) as error:
            raise ValueError(f"line {number} is quoted wrongly: {error}") from None
    return [_TRUTHS.get(cell.strip().lower(), cell.strip()) for cell in cells]


def _count_line(row: _Row, count: int) -> str:
    """Check a first line that tells how many follow, a header among them or not."""
    [cell] = row.cells
    if int(cell) not in (count, count - 1):
        raise ValueError(f"line {row.line} announces {cell} rows; {count} follow")
    return f"line {row.line} counts them"


def _header(
    comments: Sequence[_Row], rows: list[_Row]
) -> tuple[list[str] | None, list[_Row]]:
    """The names of the columns, None for none, and the rows behind them."""
    first, body = rows[0].cells, rows[1:]
    if body:
        width = len(body[0].cells)
        names = first
        if len(first) == width - 1 and _are_row_names([row.cells[0] for row in body]):
            names = ["", *first]
        if len(names) == width and _is_header(names, body):
            return names, body
    if comments and len(comments[-1].cells) == len(first):
        names = [cell.strip() for cell in comments[-1].cells]
        if not any(_NUMBER.fullmatch(name) for name in names):
            return names, rows
    return None, rows


def _are_row_names(cells: Sequence[str]) -> bool:
    """Whether a column without a name may name or count rows, as R writes it."""
    if not any(_NUMBER.fullmatch(cell) for cell in cells):
        return True
    counted = [[str(at + start) for at in range(len(cells))] for start in (0, 1)]
    return list(cells) in counted


def _is_header(names: Sequence[str], body: Sequence[_Row]) -> bool:
    """Whether a first line differs from those behind it in kind."""
    for at, name in enumerate(names):
        cells = [row.cells[at] for row in body if len(row.cells) == len(names)]
        column = _Column(name, (), cells)
        number = _NUMBER.fullmatch(name)
        if column.is_numbers and not number and name.lower() not in _MISSING:
            return True
        if cells and column.names_files and not name.lower().endswith(ENDINGS):
            return True
    # pandas numbers columns, and leaves the place above its index empty
    return names[0] == "" and list(names[1:]) == [
        str(at) for at in range(len(names) - 1)
    ]


def _check_numbers(column: _Column, separator: str) -> None:
    """Raise ValueError unless all cells of a column are numbers.

    Args:
        column: the column.
        separator: in front of it, "" for none.
    """
    for line, cell in zip(column.lines, column.cells, strict=True):
        # without quotes, 0,05 is two cells, of which the second tells
        part = separator == "," and _PART_OF_ONE.fullmatch(cell)
        if part or _DECIMAL_COMMA.fullmatch(cell):
            raise ValueError(
                f"line {line}: {cell!a} belongs to a decimal comma; points are accepted"
            )
        if _NUMBER.fullmatch(cell):
            continue
        what = "is missing" if cell.lower() in _MISSING else "is no number"
        raise ValueError(f"line {line}, {_quoted(column)}: {cell[:40]!a} {what}")


def _left_out(column: _Column, pictures: _Column | None) -> str:
    """What is said of a column without numbers."""
    for line, cell in zip(column.lines, column.cells, strict=True):
        if _DECIMAL_COMMA.fullmatch(cell):
            raise ValueError(
                f"line {line}: {cell!a} has a decimal comma; points are accepted"
            )
        if len(cell.split()) > 1 and all(map(_NUMBER.fullmatch, cell.split())):
            raise ValueError(
                f"line {line}: {cell!a} is more than a number; one separator of cells, "
                "and points in numbers, are accepted"
            )
    if column is pictures:
        return "names pictures"
    if not any(column.cells):
        return "is empty and left out"
    if all(cell.lower() in _MISSING for cell in column.cells):
        raise ValueError(f"{_quoted(column)} holds no number")
    return "is text and left out"


def _pictures(columns: Sequence[_Column]) -> _Column | None:
    """The column of text that names pictures, if any can."""
    texts = [one for one in columns if not one.is_numbers and any(one.cells)]
    files = [one for one in texts if one.names_files]
    singles = [one for one in texts if len(set(one.cells)) == len(one.cells)]
    return next(iter([*files, *singles]), None)


def _counts_rows(column: _Column, named: bool) -> bool:
    """Whether a first column counts the rows, from 0 or 1.

    Raises:
        ValueError: if it numbers them in another order.
    """
    if named and column.name.lower() not in _COUNTERS:
        return False
    if not named and len(column.cells) < _PROVEN:
        return False
    values = [float(cell) for cell in column.cells]
    for start in (0, 1):
        counted = list(range(start, start + len(values)))
        if values == counted:
            return True
        if sorted(values) == counted and len(values) >= _PROVEN:
            raise ValueError(
                f"{_quoted(column)} numbers the rows in another order; rows that are "
                "sorted by it are accepted"
            )
    return False


def _quoted(column: _Column) -> str:
    return f"column {column.name[:40]!a}"


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names of which none is empty or there twice, and all can be printed."""
    found: list[str] = []
    for at, name in enumerate(names):
        shown = "".join(one for one in name if one.isprintable()) or str(at)
        while shown in found:
            shown += "'"
        found.append(shown)
    return tuple(found)
