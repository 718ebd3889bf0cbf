"""Regions of a picture: what an edit should change, as masks [H, W].

Rectangles are (row centre, column centre, height, width) on a picture of 256 x 256:
rows from centre - height // 2 on. They are scaled to the picture's height and to its
width, so that 256 is all of either, and clipped to it; a pixel belongs to a rectangle
that holds the pixel's centre. `REGIONS` are those of LowRankGAN's and ReSeFa's code:
for aligned faces (FFHQ, MetFaces) up to "point_mouth", for unaligned ones from "eyesr2"
on, for BigGAN from "center0" on.

Every mask is float32 with 1 inside, 0 outside. None is empty and none is full, since a
region needs something to change and a rest to keep.

Where this differs from the original code:

- A rectangle that starts outside the picture is clipped; the original's is then empty.
- Labels are a list; the original reads a text one character at a time, so that "13"
  means 1 and 3.
- "eyebrow" is the original's, which lies to the right over the eyes: its row and column
  are very probably swapped. "eyebrow_fixed" swaps them back.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from jaxlatent.data.mask_files import read_mask, read_segmentation

Fit = Literal["same", "scale", "crop", "stretch"]
"""How a mask of another size is laid on a picture: not at all; scaled, where the sides
have the same proportions; cut at its edges to those; or squeezed into them."""

REGIONS = {
    "left_eye": (120, 95, 20, 38),
    "right_eye": (120, 159, 20, 38),
    "eyes": (120, 128, 20, 115),
    "nose": (142, 131, 40, 46),
    "mouth": (184, 127, 30, 70),
    "chin": (217, 130, 42, 110),
    "eyebrow": (126, 105, 15, 118),
    "eyebrow_fixed": (105, 126, 15, 118),
    "left_region": (128, 74, 128, 64),
    "point_eye": (120, 95, 2, 2),
    "point_mouth": (184, 127, 2, 2),
    "eyesr2": (134, 116, 30, 115),
    "eyesr3": (64, 128, 26, 115),
    "eyest0": (70, 88, 30, 115),
    "eyest3": (108, 142, 26, 115),
    "center0": (120, 120, 80, 80),
    "center1": (120, 120, 130, 130),
    "center2": (120, 120, 200, 200),
    "left_side": (128, 64, 256, 128),
    "top_side": (64, 128, 128, 256),
    "head0": (89, 115, 49, 70),
    "head1": (93, 110, 48, 70),
}
"""Row centre, column centre, height and width of named regions, at 256 x 256."""

LABELS = (
    "background",
    "skin",
    "nose",
    "eyeglasses",
    "left eye",
    "right eye",
    "left brow",
    "right brow",
    "left ear",
    "right ear",
    "mouth",
    "upper lip",
    "lower lip",
    "hair",
    "hat",
    "earring",
    "necklace",
    "neck",
    "cloth",
)
"""What the integers 0 to 18 of a CelebAMask-HQ segmentation mean."""


def named_mask(region: str, size: int | tuple[int, int]) -> np.ndarray:
    """The mask of one of `REGIONS`.

    Args:
        region: its name.
        size: of the picture: a side, or (height, width).

    Raises:
        ValueError: for an unknown name, or a picture too small to show the region.
    """
    if region not in REGIONS:
        raise ValueError(
            f"region: {region!r} given; one of {sorted(REGIONS)} is accepted"
        )
    return rectangle_mask(REGIONS[region], size)


def rectangle_mask(
    rectangle: Sequence[int], size: int | tuple[int, int], *, drawn_on: int = 256
) -> np.ndarray:
    """The mask of a rectangle.

    Args:
        rectangle: row centre, column centre, height, width.
        size: of the picture: a side, or (height, width).
        drawn_on: side of the square picture that the rectangle is measured on.

    Raises:
        ValueError: for a rectangle that is malformed or covers no pixel or all of them.
    """
    numbers = np.asarray(rectangle)
    whole = np.issubdtype(numbers.dtype, np.integer)
    if numbers.shape != (4,) or not whole or numbers[2:].min() < 1:
        raise ValueError(
            f"rectangle: {rectangle} given; integers (row centre, column centre, "
            "height, width) with a positive height and width are accepted"
        )
    mask = np.zeros(_sides(size), np.float32)
    spans = []
    for centre, length, side in zip(numbers[:2], numbers[2:], mask.shape, strict=True):
        first = int(centre) - int(length) // 2
        edges = (
            _first_centre(edge, side, drawn_on) for edge in (first, first + length)
        )
        spans.append(slice(*(min(max(edge, 0), side) for edge in edges)))
    mask[tuple(spans)] = 1
    return _usable(mask, f"rectangle: {tuple(numbers.tolist())}")


def label_mask(segmentation: np.ndarray, labels: Sequence[int | str]) -> np.ndarray:
    """Where a segmentation holds any of the labels.

    Args:
        segmentation: [H, W] integers.
        labels: integers, or names out of `LABELS`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    segmentation = np.asarray(segmentation)
    if segmentation.ndim != 2 or not np.issubdtype(segmentation.dtype, np.integer):
        raise ValueError(
            f"segmentation: {segmentation.dtype} {segmentation.shape} given; integers "
            "[H, W] are accepted"
        )
    accepted = f"a list of integers or of names out of {LABELS} is accepted"
    if isinstance(labels, str) or len(labels) == 0:
        raise ValueError(f"labels: {labels!r} given; {accepted}")
    numbers = []
    for label in labels:
        if isinstance(label, str) and label in LABELS:
            numbers.append(LABELS.index(label))
        elif isinstance(label, int | np.integer) and not isinstance(label, bool):
            numbers.append(int(label))
        else:
            raise ValueError(f"labels: {label!r} given; {accepted}")
    mask = np.isin(segmentation, numbers).astype(np.float32)
    if not mask.any():
        held = ", ".join(str(one) for one in np.unique(segmentation)[:32])
        raise ValueError(
            f"labels: {list(labels)} cover no pixel of the segmentation, which holds "
            f"{held}"
        )
    return _usable(mask, f"labels: {list(labels)}")


def picture_mask(
    mask: np.ndarray, size: int | tuple[int, int], *, fit: Fit = "same"
) -> np.ndarray:
    """A mask that was drawn.

    Args:
        mask: [H, W]: bool, floating in [0, 1], or uint8 from 0 to 255 (0 and 1 alone
            count as false and true).
        size: of the picture: a side, or (height, width).
        fit: how a mask of another size is laid on the picture, taking its nearest
            pixels; see `Fit`.

    Raises:
        ValueError: for another type, other values, or a size that `fit` refuses.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"mask: shape {mask.shape} given; [H, W] is accepted")
    if mask.dtype == np.uint8:
        values = mask / np.float32(255 if mask.max() > 1 else 1)
    elif mask.dtype == bool or np.issubdtype(mask.dtype, np.floating):
        values = mask.astype(np.float32)
    else:
        raise ValueError(
            f"mask: {mask.dtype} given; bool, uint8 or a floating type is accepted"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("mask: holds values outside of 0 to 1")
    return _usable(_fitted(values, _sides(size), fit), "mask: the one given")


def _fitted(values: np.ndarray, sides: tuple[int, int], fit: Fit) -> np.ndarray:
    """A mask on a picture of these sides."""
    own = (values.shape[0], values.shape[1])
    rows, columns = (
        (length - span) // 2 + (2 * np.arange(side) + 1) * span // (2 * side)
        for side, span, length in zip(
            sides, fitted_spans(own, sides, fit), own, strict=True
        )
    )
    return values[np.ix_(rows, columns)]


def fitted_spans(
    own: tuple[int, int], sides: tuple[int, int], fit: Fit, what: str = "mask"
) -> tuple[int, int]:
    """How much of something of its own size, around its centre, is laid on a picture.

    Args:
        own: height and width.
        sides: those of the picture.
        fit: how; see `Fit`.
        what: it is called in messages.

    Raises:
        ValueError: for a size that `fit` does not allow.
    """
    if fit not in get_args(Fit):
        raise ValueError(
            f"fit: {fit!r} given; one of {', '.join(get_args(Fit))} is accepted"
        )
    if own == sides:
        return own
    if fit == "same":
        raise ValueError(
            f"{what}: {own} given for pictures of {sides}; the same size is accepted, "
            "others as fit tells: scale, crop or stretch"
        )
    if fit == "scale" and not _alike(own, sides):
        raise ValueError(
            f"{what}: {own} given for pictures of {sides}, whose sides have other "
            "proportions; fit crop cuts it to theirs, fit stretch squeezes it"
        )
    if fit != "crop":
        return own
    shrink = max(side / length for side, length in zip(sides, own, strict=True))
    height, width = (
        min(max(round(side / shrink), 1), length)
        for side, length in zip(sides, own, strict=True)
    )
    return height, width


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one size is the other scaled, but for half a pixel of the smaller."""
    small, large = sorted((one, other))
    return any(
        all(
            2 * abs(to - side * scale) < scale
            for side, to in zip(small, large, strict=True)
        )
        for scale in (large[0] / small[0], large[1] / small[1])
    )


def file_mask(
    path: Path,
    size: int | tuple[int, int],
    *,
    labels: Sequence[int | str] | None = None,
    fit: Fit = "scale",
) -> np.ndarray:
    """The mask of a file, or of some labels of a segmentation.

    Args:
        path: a picture, or an array as `.npy`, that is bright inside the region; or a
            picture that is painted in one colour on transparency.
        size: of the mask, height and width.
        labels: the file holds labels, in a palette picture those of its palette; take
            these, by number or name.
        fit: how a mask of another size is laid on the picture; see `Fit`.

    Raises:
        ValueError: if there is no such file, nothing in it to take, or several things.
    """
    if labels is None:
        return picture_mask(read_mask(path), size, fit=fit)
    words = [one.strip() if isinstance(one, str) else one for one in labels]
    numbers = [int(w) if str(w).isdecimal() else w for w in words]
    return picture_mask(label_mask(read_segmentation(path), numbers), size, fit=fit)


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int | np.integer) else tuple(size)
    if len(sides) != 2 or min(sides) < 1:
        raise ValueError(f"size: {size} given; a side or (height, width) is accepted")
    return int(sides[0]), int(sides[1])


def _first_centre(edge: int, side: int, drawn_on: int) -> int:
    """The first pixel of `side` whose centre is at or behind an edge of `drawn_on`."""
    return -((drawn_on - 2 * int(edge) * side) // (2 * drawn_on))


def _usable(mask: np.ndarray, what: str) -> np.ndarray:
    """The mask, if it has an inside and an outside."""
    for extreme, word in ((0, "no pixel"), (1, "every pixel")):
        if (mask == extreme).all():
            raise ValueError(
                f"{what} covers {word} of a picture of {mask.shape}; a region needs "
                "some pixels inside and some outside"
            )
    return mask
