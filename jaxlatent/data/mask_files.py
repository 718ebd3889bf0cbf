"""Masks and segmentations as people keep them: pictures or arrays, by their meaning."""

import warnings
from pathlib import Path

import numpy as np

from jaxlatent.data.pictures import (
    DARK,
    LEVEL_STEPS,
    depth_of,
    opened,
    read_straight,
    upright,
)
from jaxlatent.files import holds_arrays, read_arrays

_NEARLY_GREY = 16
"""Levels by which channels of a grey picture may differ, as in a JPEG."""
_ONE_PAINT = 8
"""Levels by which the visible pixels of one colour may differ."""
_FULL = 250


def read_mask(file: Path) -> np.ndarray:
    """A mask that was drawn: a picture that is bright inside the region, or an array.

    Where a picture is painted in one colour on transparency, its alpha is the mask. A
    picture of one colour and black is a mask of that colour, which is warned of.

    Returns:
        [H, W] uint8 from 0 to 255; or an `.npy` array as it is.

    Raises:
        ValueError: for what is neither, or can be read in two ways; names the file.
    """
    if _is_array(file):
        return _one_array(file)
    pixels, alpha, notes = read_straight(file, argument="mask")
    if DARK in notes:
        raise ValueError(f"mask: {file} has {DARK}; 8 bits, or all of 16, are accepted")
    if alpha is not None and alpha.min() < alpha.max():
        return _by_alpha(file, pixels, alpha)
    if alpha is not None and alpha.max() == 0:
        raise ValueError(f"mask: {file} is transparent everywhere")
    grey = pixels.max(axis=-1)
    if pixels.shape[-1] == 1 or np.ptp(pixels, axis=-1).max() <= _NEARLY_GREY:
        levels = np.unique(grey)
        if len(levels) > 1 and 1 < levels[-1] < _FULL:
            warnings.warn(
                f"mask: {file} is {levels[-1]} of 255 where it is brightest, so that "
                f"its region weighs {levels[-1] / 255:.2f} at most",
                stacklevel=3,
            )
        return grey
    colours = np.unique(pixels.reshape(-1, 3), axis=0)
    if len(colours) == 2 and not colours[0].any():
        warnings.warn(
            f"mask: {file} is painted in colour; what is not black is inside",
            stacklevel=3,
        )
        return np.where(grey > 0, 255, 0).astype(np.uint8)
    raise ValueError(
        f"mask: {file} holds {len(colours)} colours; grey that is bright inside the "
        "region is accepted, or a segmentation with labels"
    )


def read_segmentation(file: Path) -> np.ndarray:
    """The labels of a segmentation: numbers of a palette, or grey as it is; no colours.

    Returns:
        [H, W] integers; or an `.npy` array as it is.

    Raises:
        ValueError: for a picture whose pixels are no numbers; names the file.
    """
    if _is_array(file):
        return _one_array(file)
    labels, lossy = _whole_numbers(file)
    if lossy:
        warnings.warn(
            f"mask: {file} is a JPEG, which changes labels at edges", stacklevel=3
        )
    return labels


def _whole_numbers(file: Path) -> tuple[np.ndarray, bool]:
    """The labels of a picture, and whether its format may have changed them."""
    with opened(file, "mask") as picture:
        lossy = picture.format == "JPEG"
        # PIL spreads grey of 2 or 4 bits over 0 to 255
        step = LEVEL_STEPS.get(depth_of(picture), 1)
        picture = upright(picture)
        mode, pixels = picture.mode, np.asarray(picture)
    if mode in ("LA", "PA", "RGBA"):
        if pixels[..., -1].min() < 255:
            raise ValueError(
                f"mask: {file} is transparent in parts; opaque labels are accepted"
            )
        pixels = pixels[..., :-1]
    elif mode != "RGB" and pixels.ndim > 2:
        raise ValueError(f"mask: {file} is {mode}; a palette or grey is accepted")
    if pixels.ndim == 3:
        if np.ptp(pixels, axis=-1).any():
            raise ValueError(
                f"mask: {file} holds colours, which are no labels; a palette or grey "
                "is accepted"
            )
        pixels = pixels[..., 0]
    whole = pixels.astype(np.int64)
    if not np.array_equal(whole, pixels):
        raise ValueError(
            f"mask: {file} holds numbers that are not whole; whole ones are accepted"
        )
    return whole // step, lossy


def _by_alpha(file: Path, pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    visible = pixels[alpha > 0].astype(np.int64)
    if np.ptp(visible, axis=0).max() > _ONE_PAINT:
        raise ValueError(
            f"mask: {file} has colours and transparent pixels, and either could be the "
            "mask; grey without transparency, or one colour on it, is accepted"
        )
    return alpha


def _is_array(file: Path) -> bool:
    if not file.is_file():
        raise ValueError(f"mask: {file} is not a file")
    return file.suffix.lower() in (".npy", ".npz") or holds_arrays(file)


def _one_array(file: Path) -> np.ndarray:
    try:
        found = read_arrays(file)
    except ValueError as error:
        raise ValueError(f"mask: {file}: {error}") from error
    if not isinstance(found, dict):
        return found
    if len(found) != 1:
        raise ValueError(f"mask: {file} holds {sorted(found)}; one array is read")
    return next(iter(found.values()))
