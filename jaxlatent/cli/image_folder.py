"""Pictures in a folder, and the codes that belong to them."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxlatent import checkpoint
from jaxlatent.cli.options import Codes, Scoring
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.runs import RUN_FILE
from jaxlatent.cli.scores import open_scorers
from jaxlatent.evaluation.scoring import score_images
from jaxlatent.evaluation.tables import ScoreTable, columns
from jaxlatent.files import read_arrays
from jaxlatent.loading import is_checkpoint

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
SHEET = "sheet.png"
CODE_FILES = {"z": "z.npy", "w": "w.npy", "w+": "wp.npy"}
"""What InterFaceGAN's data tool calls the codes beside its pictures."""
BLOCK = 1024


def is_folder(text: str) -> bool:
    """Whether this is a folder of pictures, not one of a generator."""
    generator = checkpoint.is_generator(text) or is_checkpoint(text)
    return Path(text).is_dir() and not generator


def score_folder(
    folder: Path, scoring: Scoring, start: Codes, *, chunk: int
) -> ScoreTable:
    """Score every picture of a folder, in the order of their codes.

    Args:
        folder: of a run of `sample`, or with pictures whose names sort as their codes.
        scoring: what scores them.
        start: a file of codes and their space, none for those in the folder, if any.
        chunk: pictures per compiled call.

    Raises:
        ValueError: without pictures, for pictures of several sizes, or for codes of
            another number.
    """
    found = open_scorers(scoring.scorer)
    files = _files(folder)
    parts: list[dict[str, np.ndarray]] = []
    with progress_bar("scoring", len(files)) as progress:
        # so many at a time that a large folder is never held whole
        for first in range(0, len(files), BLOCK):
            images = _read(files[first : first + BLOCK])
            parts.append(score_images(found, images, chunk=chunk, progress=progress))
    scores = {name: np.concatenate([part[name] for part in parts]) for name in found}
    values, names = columns(scores, odds=scoring.odds)
    own = _codes(folder)
    if start.codes is not None:
        own = _codes_of_file(start.codes, start.space)
    for one in own.values():
        if len(one) != len(files):
            raise ValueError(
                f"codes: {len(one)} codes for {len(files)} pictures of {folder}"
            )
    return ScoreTable(values, names, own)


def _files(folder: Path) -> list[Path]:
    """The pictures, in the order of their codes."""
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in ENDINGS and file.name != SHEET
    )
    try:
        record = json.loads((folder / RUN_FILE).read_text())
        if record["command"] == "sample":
            files = [folder / name for name in record["pictures"]]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{folder / RUN_FILE}: no record of a run: {error}") from error
    if not files:
        raise ValueError(f"FOLDER: {folder} holds no pictures ({', '.join(ENDINGS)})")
    return files


def _read(files: Sequence[Path]) -> np.ndarray:
    """Pictures of one size, [N, H, W, C] in [-1, 1]."""
    from PIL import Image

    images = []
    for file in files:
        with Image.open(file) as picture:
            mode = "L" if picture.mode in ("L", "1", "I;16") else "RGB"
            pixels = np.asarray(picture.convert(mode))
        images.append(pixels.reshape(*pixels.shape[:2], -1))
        if images[-1].shape != images[0].shape:
            raise ValueError(
                f"FOLDER: {file} is {images[-1].shape}, {files[0]} {images[0].shape}"
            )
    return np.stack(images).astype(np.float32) / 127.5 - 1


def _codes(folder: Path) -> dict[str, np.ndarray]:
    """The codes beside the pictures, by space."""
    from converters import load_codes

    if (folder / "codes.npz").is_file():
        found = read_arrays(folder / "codes.npz")
        assert isinstance(found, dict)
        return {space: found[space] for space in CODE_FILES if space in found}
    return {
        space: load_codes(folder / name)
        for space, name in CODE_FILES.items()
        if (folder / name).is_file()
    }


def _codes_of_file(path: Path, space: str | None) -> dict[str, np.ndarray]:
    from converters import load_codes

    codes = load_codes(path)
    space = space or ("w+" if codes.ndim == 3 else None)
    if space is None:
        raise ValueError(f"space: missing for {path}; one of z, w, w+ is accepted")
    return {space: codes}
