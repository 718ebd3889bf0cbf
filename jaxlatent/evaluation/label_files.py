"""Labels and scores in texts: spreadsheets, pandas, CelebA's lists, StyleGAN's json."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from jaxlatent.evaluation.text_tables import Columns, read_columns

ENDINGS = (".csv", ".tsv", ".txt", ".tab", ".dat", ".json")
"""What the names of such files end with, in any case."""

ACCEPTED = (
    "accepted are what score wrote; one array of numbers [N] or [N, A] as .npy, .npz, "
    ".pt, .pth, .pkl or .safetensors; a text with a line of numbers for each picture "
    "as .csv, .tsv or .txt; and StyleGAN's dataset.json"
)


@dataclass(frozen=True, eq=False)
class LabelFile:
    """Numbers of a text, a row for each picture.

    Attributes:
        values: [N, A].
        names: of the columns, None if the text has none.
        pictures: [N] what the rows belong to, None if the text does not tell.
        reading: how the text was understood, in words.
    """

    values: np.ndarray
    names: tuple[str, ...] | None
    pictures: tuple[str, ...] | None
    reading: str

    def ordered(self, pictures: Sequence[str]) -> "LabelFile":
        """The rows of these pictures, in their order.

        Names are compared without folders; without endings too, where they differ.

        Raises:
            ValueError: if the text names no pictures, or not all of these once.
        """
        if self.pictures is None:
            raise ValueError("no column names pictures, so that none can be matched")
        rows, wanted = _matching(self.pictures, pictures)
        counts = Counter(rows)
        for name in wanted:
            if counts[name] != 1:
                raise ValueError(f"picture {name} stands there {counts[name]} times")
        numbers = {name: row for row, name in enumerate(rows)}
        chosen = [numbers[name] for name in wanted]
        return replace(
            self,
            values=self.values[chosen],
            pictures=tuple(pictures),
            reading=f"{self.reading}; rows put in the order of {len(chosen)} pictures",
        )


def is_label_file(path: Path) -> bool:
    """Whether a file is a text of labels by its name."""
    return path.suffix.lower() in ENDINGS


def read_label_file(path: Path) -> LabelFile:
    """Read a text of labels or scores; see `text_tables` for what is told from it.

    Raises:
        ValueError: for anything that is no whole table of finite numbers; names the
            line, and what is accepted, but not the file.
    """
    try:
        text = _decoded(path.read_bytes())
        if path.suffix.lower() == ".json":
            return _described(json.loads(text))
        found = read_columns(text)
        return LabelFile(found.values, found.names, found.pictures, _told(found))
    except (ValueError, csv.Error, RecursionError, OverflowError) as error:
        raise ValueError(f"{error}; {ACCEPTED}") from None


def _decoded(data: bytes) -> str:
    """A text without the mark of its byte order."""
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("no text in UTF-8") from None
    if not text.strip():
        raise ValueError("it is empty")
    if "\0" in text:
        raise ValueError("no text")
    return text


def _told(found: Columns) -> str:
    return f"{_size(found.values)}, {', '.join(found.decisions)}"


def _size(values: np.ndarray) -> str:
    rows, columns = values.shape
    return f"{rows} row{'s'[rows == 1 :]} of {columns} number{'s'[columns == 1 :]}"


def _described(found: object) -> LabelFile:
    """StyleGAN's dataset.json: {"labels": [[picture, class or numbers], ...]}."""
    labels = found.get("labels") if isinstance(found, dict) else None
    if not isinstance(labels, list) or not labels:
        raise ValueError("no labels in it")
    pictures, rows = [], []
    for at, entry in enumerate(labels):
        pair = isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)
        if not pair:
            raise ValueError(f"label {at} is no pair of a picture and its label")
        numbers = entry[1] if isinstance(entry[1], list) else [entry[1]]
        if not numbers or not all(isinstance(one, int | float) for one in numbers):
            raise ValueError(f"label {at} is no number or list of such")
        pictures.append(entry[0])
        rows.append([float(one) for one in numbers])
    if len({len(row) for row in rows}) > 1:
        raise ValueError("its labels are lists of several lengths")
    values = np.asarray(rows)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(wrong):
        raise ValueError(f"label {wrong[0]} is not finite")
    return LabelFile(values, None, tuple(pictures), f"{_size(values)}, with pictures")


def _matching(ours: Sequence[str], theirs: Sequence[str]) -> tuple[list[str], ...]:
    """Names of both without folders; without endings where those are not the same."""
    paths = [
        [PurePosixPath(name.replace("\\", "/")) for name in names]
        for names in (ours, theirs)
    ]
    whole = [[path.name for path in some] for some in paths]
    if set(whole[1]) <= set(whole[0]):
        return whole[0], whole[1]
    return [path.stem for path in paths[0]], [path.stem for path in paths[1]]
