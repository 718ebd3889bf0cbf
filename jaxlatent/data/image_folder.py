"""Pictures in a folder, in the order of the codes that belong to them."""

import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from jaxlatent.data.pictures import ENDINGS, read_header, read_picture

SHEET = "sheet.png"
RECORD = "run.json"
BLOCK = 1024
"""Pictures that are held at a time."""

Order = Literal["natural", "text"]
"""Of names: natural has 2.png before 10.png, text has 10.png first."""


@dataclass(frozen=True)
class PictureFolder:
    """Pictures of a folder, found and in order, of which none is held.

    Attributes:
        folder: where they are.
        files: the pictures.
        order: what orders them: "run", the record of the run that drew them; or an
            `Order` of names.
        channels: 3, or 1 if all of them are grey; grey ones among others get 3.
        background: what transparent pixels are laid on.
    """

    folder: Path
    files: tuple[Path, ...]
    order: str
    channels: int
    background: str

    def __len__(self) -> int:
        return len(self.files)

    @property
    def names(self) -> tuple[str, ...]:
        """What the pictures are called."""
        return tuple(file.name for file in self.files)

    def __str__(self) -> str:
        ordered = "in the order of the run that drew them"
        if self.order != "run":
            ordered = f"in {self.order} order of their names (see order)"
        ends = f"the first {self.names[0]}, the last {self.names[-1]}"
        return f"{len(self)} picture{'s'[len(self) == 1 :]} {ordered}, {ends}"

    def read(self) -> Iterator[np.ndarray]:
        """The pictures, [N, H, W, C] in [-1, 1], `BLOCK` at a time.

        What was done to some of them is warned of at the end, once for all.

        Raises:
            ValueError: for a damaged picture, or pictures of several sizes.
        """
        noted: dict[str, list[str]] = {}
        shape = None
        for start in range(0, len(self), BLOCK):
            block = []
            for file in self.files[start : start + BLOCK]:
                pixels, notes = read_picture(
                    file, background=self.background, argument="folder"
                )
                if pixels.shape[-1] < self.channels:
                    pixels = pixels.repeat(self.channels, axis=-1)
                    notes = (*notes, "grey among coloured ones, with equal colours")
                shape = shape or pixels.shape
                if pixels.shape != shape:
                    raise ValueError(
                        f"folder: {file} is {pixels.shape}, {self.files[0]} {shape}"
                    )
                block.append(pixels)
                for note in notes:
                    noted.setdefault(note, []).append(file.name)
            yield np.stack(block).astype(np.float32) / 127.5 - 1
        for note, names in noted.items():
            warnings.warn(
                f"folder: {len(names)} of {len(self)} pictures (the first {names[0]}) "
                f"are {note}",
                stacklevel=2,
            )


def open_folder(
    folder: Path, *, order: Order | None = None, background: str = "white"
) -> PictureFolder:
    """Find the pictures of a folder, and look at the beginning of each.

    Hidden files and subfolders are passed over.

    Args:
        folder: where they are.
        order: of their names; None for that of the run of `sample` that drew them, or
            else "natural".
        background: what transparent pixels are laid on, one of `pictures.BACKGROUNDS`.

    Raises:
        ValueError: without pictures, for a damaged record or picture, or for pictures
            that cannot have one size.
    """
    if order not in (None, *get_args(Order)):
        raise ValueError(
            f"order: {order!r} given; {' or '.join(get_args(Order))} is accepted"
        )
    recorded = _recorded(folder) if order is None else None
    files = recorded or find_pictures(folder, order or "natural")
    if not files:
        raise ValueError(
            f"folder: {folder} holds no pictures ({', '.join(ENDINGS)}); those of "
            "subfolders are not read"
        )
    headers = [read_header(file, argument="folder") for file in files]
    sides = [sorted(header.size) for header in headers]
    for file, own, header in zip(files, sides, headers, strict=True):
        if own != sides[0]:
            raise ValueError(
                f"folder: {file} is {header.size}, {files[0]} {headers[0].size}"
            )
    return PictureFolder(
        folder,
        tuple(files),
        (order or "natural") if recorded is None else "run",
        1 if all(header.grey for header in headers) else 3,
        background,
    )


def natural(name: str) -> tuple[Any, ...]:
    """What sorts names as people number them: seed2, seed10; 9, 010; a, b10, b9x."""
    stem, _, ending = name.rpartition(".")
    parts = re.split(r"([0-9]+)", stem.casefold())
    numbers = [int(one) if at % 2 else one for at, one in enumerate(parts)]
    return (tuple(numbers), ending.casefold(), name)


def find_pictures(folder: Path, order: Order = "natural") -> list[Path]:
    """The pictures of a folder by their names; hidden files are passed over."""
    # a sheet is no picture of its own where a run drew it
    apart = {SHEET} if (folder / RECORD).is_file() else set()
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in ENDINGS
        and not file.name.startswith(".")
        and not file.is_dir()
        and file.name not in apart
    ]
    if order == "text":
        return sorted(files)
    return sorted(files, key=lambda file: natural(file.name))


def _recorded(folder: Path) -> Sequence[Path] | None:
    """The pictures that a run of `sample` recorded; None if none did."""
    try:
        record = json.loads((folder / RECORD).read_text())
        if record["command"] != "sample":
            return None
        names = record["pictures"]
        if not isinstance(names, list) or not names:
            raise ValueError("pictures: a list of names is accepted")
        if any(Path(name).name != name for name in names):
            raise ValueError("pictures: names of files in the folder are accepted")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder / RECORD}: no record of a run: {error}") from error
    return [folder / name for name in names]
