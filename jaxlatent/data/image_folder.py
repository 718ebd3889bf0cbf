"""Pictures in a folder, in the order of the codes that belong to them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
SHEET = "sheet.png"
RECORD = "run.json"
BLOCK = 1024
"""Pictures that are held at a time."""


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder: as a run of `sample` recorded them, or by their names.

    Raises:
        ValueError: without pictures, or for a damaged record.
    """
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in ENDINGS and file.name != SHEET
    )
    try:
        record = json.loads((folder / RECORD).read_text())
        if record["command"] == "sample":
            files = [folder / name for name in record["pictures"]]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{folder / RECORD}: no record of a run: {error}") from error
    if not files:
        raise ValueError(f"folder: {folder} holds no pictures ({', '.join(ENDINGS)})")
    return files


def read_pictures(files: Sequence[Path]) -> Iterator[np.ndarray]:
    """Pictures of one size, [N, H, W, C] in [-1, 1], `BLOCK` at a time.

    Raises:
        ValueError: for pictures of several sizes.
    """
    for start in range(0, len(files), BLOCK):
        block = [read_picture(file) for file in files[start : start + BLOCK]]
        for file, image in zip(files[start:], block, strict=False):
            if image.shape != block[0].shape:
                raise ValueError(
                    f"folder: {file} is {image.shape}, {files[start]} {block[0].shape}"
                )
        yield np.stack(block).astype(np.float32) / 127.5 - 1


def read_picture(file: Path) -> np.ndarray:
    """A picture as it is: [H, W, C] uint8, grey or in colour."""
    from PIL import Image

    with Image.open(file) as picture:
        mode = "L" if picture.mode in ("L", "1", "I;16") else "RGB"
        pixels = np.asarray(picture.convert(mode))
    return pixels.reshape(*pixels.shape[:2], -1)
