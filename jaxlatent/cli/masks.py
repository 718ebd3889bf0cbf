"""Regions of a picture, as the command line names them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from jaxlatent.cli.options import Regions
from jaxlatent.data import regions
from jaxlatent.files import read_arrays

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def region_masks(where: Regions, size: int | tuple[int, int]) -> dict[str, np.ndarray]:
    """Masks of regions by what the user called them.

    Raises:
        ValueError: for a region that does not exist or does not fit the picture.
    """
    if where.labels is not None and not where.mask:
        raise ValueError("labels: given without a mask")
    found: dict[str, np.ndarray] = {}
    for name in where.region:
        found[name] = regions.named_mask(name, size)
    for text in where.rectangle:
        words = text.split(",")
        if not all(word.strip().lstrip("-").isdecimal() for word in words):
            raise ValueError(
                f"rectangle: {text!r} given; four integers such as 120,128,20,115"
            )
        numbers = [int(word) for word in words]
        found[text] = regions.rectangle_mask(numbers, size)
    for text in where.mask:
        found[text] = _file_mask(Path(text), where.labels, size)
    return found


def one_region(where: Regions, size: int | tuple[int, int]) -> tuple[str, np.ndarray]:
    """The one region that is named, and its mask."""
    masks = region_masks(where, size)
    if len(masks) != 1:
        raise ValueError(
            f"region: {len(masks)} regions given; one region, rectangle or mask is "
            "accepted"
        )
    return next(iter(masks.items()))


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 3] uint8."""
    from PIL import Image

    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"))


def _file_mask(
    path: Path, labels: str | None, size: int | tuple[int, int]
) -> np.ndarray:
    """A mask file, or the chosen labels of a segmentation."""
    if not path.is_file():
        raise ValueError(f"mask: {path} is not a file")
    if path.suffix in (".npy", ".npz"):
        array = read_arrays(path)
        if isinstance(array, dict):
            raise ValueError(f"mask: {path} holds {sorted(array)}; one array is read")
    else:
        from PIL import Image

        with Image.open(path) as file:
            # a palette's numbers are the labels
            array = np.asarray(
                file if labels and file.mode == "P" else file.convert("L")
            )
    if labels is not None:
        words = [word.strip() for word in labels.split(",")]
        chosen = [int(word) if word.isdecimal() else word for word in words]
        array = regions.label_mask(array, chosen)
    return regions.picture_mask(array, size, resize=True)


def digest(array: Any) -> str:
    """Sixteen hex digits of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
