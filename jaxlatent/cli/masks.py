"""Regions of a picture, as the command line names them."""

from pathlib import Path

import numpy as np

from jaxlatent.cli.options import Regions
from jaxlatent.data import regions


def region_masks(where: Regions, size: int | tuple[int, int]) -> dict[str, np.ndarray]:
    """Masks of regions by what the user called them.

    Raises:
        ValueError: for a region that does not exist or does not fit the picture.
    """
    if where.labels is not None and not where.mask:
        raise ValueError("labels: given without a mask")
    if where.fit != "scale" and not where.mask:
        raise ValueError(f"fit: {where.fit} given without a mask")
    labels = None if where.labels is None else where.labels.split(",")
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
        found[text] = regions.file_mask(Path(text), size, labels=labels, fit=where.fit)
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
