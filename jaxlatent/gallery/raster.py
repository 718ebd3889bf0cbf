"""From a generator's images to pictures: 8 bits, integer enlargement, grids, PNG.

An *image* is an array of floats in [-1, 1], as generators return it; a *picture* is
the same array in uint8, as screens show it. Every function of this room takes either
and passes it through `to_uint8`, the one place where anything is clipped.

Both are [..., H, W, C] of any height and width, with 1 channel (grey), 2 (grey and
alpha), 3 (red, green, blue) or 4 (colours and alpha). An alpha of -1, or 0 in a
picture, is transparent, 1 or 255 opaque; colours are not multiplied by it.
"""

import io
import math
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxlatent.files import atomic_write

if TYPE_CHECKING:
    from PIL import Image


CHANNELS = "1 (grey), 2 (grey and alpha), 3 (colours) or 4 (colours and alpha)"
"""How many channels pictures have, in words."""


def to_uint8(images: ArrayLike, *, name: str = "images") -> np.ndarray:
    """Turn images in [-1, 1] into 8-bit pictures.

    A value x becomes `x * 127.5 + 128`, clipped to [0, 255] and truncated, the rule of
    the NVIDIA generators: -1 gives 0, 0 gives 128, 1 gives 255. Pictures that are uint8
    already are returned as they are.

    Args:
        images: [..., H, W, C] floats, or uint8; C is 1, 2, 3 or 4.
        name: what to call the argument in an error.

    Returns:
        [..., H, W, C] uint8.

    Raises:
        ValueError: fewer than three axes, an empty array, another number of channels,
            or a NaN.
        TypeError: neither floats nor uint8.
    """
    array = np.asarray(images)
    if array.ndim < 3 or array.shape[-1] not in (1, 2, 3, 4) or array.size == 0:
        raise ValueError(
            f"{name} must be [..., H, W, C], not empty, and have {CHANNELS} channels, "
            f"got shape {array.shape}"
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind in "biucmMOSU":
        raise TypeError(
            f"{name} must be floats in [-1, 1] or uint8 pictures, got {array.dtype}"
        )
    if array.dtype != np.float64:  # half precision cannot hold 256 levels
        array = array.astype(np.float32)
    if np.isnan(array).any():
        raise ValueError(f"{name} holds {np.isnan(array).sum()} NaN values")
    return np.clip(array * 127.5 + 128, 0, 255).astype(np.uint8)


def has_alpha(images: ArrayLike) -> bool:
    """Whether the last channel of images or pictures is an alpha."""
    return np.shape(images)[-1] in (2, 4)


def over_white(images: ArrayLike) -> np.ndarray:
    """Pictures without alpha: [..., H, W, 1] or [..., H, W, 3] uint8.

    What is transparent shows white; pictures without alpha come back unchanged.
    """
    pictures = to_uint8(images)
    if not has_alpha(pictures):
        return pictures
    shade, alpha = pictures[..., :-1].astype(np.uint16), pictures[..., -1:]
    mixed = shade * alpha + np.uint16(255) * (255 - alpha)  # at most 255 * 255
    return ((mixed + 127) // 255).astype(np.uint8)


def enlarge(images: ArrayLike, *, least: int = 128) -> np.ndarray:
    """Repeat pixels until the shorter side has at least `least` of them.

    The factor is a whole number, so every pixel stays a square of one colour. Pictures
    that are large enough come back unchanged.

    Args:
        images: [..., H, W, C] images or pictures.
        least: smallest acceptable length of the shorter side, in pixels.

    Returns:
        [..., f H, f W, C] uint8 with the smallest whole f that is enough.

    Raises:
        ValueError: see `to_uint8`; or `least` is below 1.
    """
    pictures = to_uint8(images)
    if least < 1:
        raise ValueError(f"least must be at least 1 pixel, got {least}")
    factor = math.ceil(least / min(pictures.shape[-3:-1]))
    return pictures.repeat(factor, axis=-3).repeat(factor, axis=-2)


def shrink(images: ArrayLike, *, most: int) -> np.ndarray:
    """Resample large pictures (Lanczos) until the longer side fits; keep the aspect.

    Args:
        images: [..., H, W, C] images or pictures.
        most: largest acceptable length of the longer side, in pixels.

    Returns:
        [..., H', W', C] uint8; the input's pixels where they fit already.

    Raises:
        ValueError: see `to_uint8`; or `most` is below 1.
    """
    from PIL import Image

    pictures = to_uint8(images)
    if most < 1:
        raise ValueError(f"most must be at least 1 pixel, got {most}")
    *lead, height, width, channels = pictures.shape
    if max(height, width) <= most:
        return pictures
    scale = most / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.stack(
        [
            np.asarray(as_pillow(picture).resize(size, Image.Resampling.LANCZOS))
            for picture in pictures.reshape(-1, height, width, channels)
        ]
    )
    return small.reshape(*lead, size[1], size[0], channels)


def grid(images: ArrayLike, *, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Lay pictures out in rows and columns, white between them.

    Args:
        images: [N, H, W, C], filled row by row, or [R, S, H, W, C] with R rows of S.
        columns: pictures in a row, for [N, H, W, C] only; default the ceiling of
            the square root of N.
        gap: white pixels between neighbours; none around the outside.

    Returns:
        [H', W', 3] uint8, or [H', W', 4] of pictures with alpha. Gaps and places left
        over in the last row are white.

    Raises:
        ValueError: see `to_uint8`; a wrong rank, `columns` with [R, S, H, W, C] or
            below 1, a negative `gap`.
    """
    pictures = to_uint8(images)
    if pictures.ndim not in (4, 5):
        raise ValueError(
            "images must be [N, H, W, C] or [R, S, H, W, C], "
            f"got shape {pictures.shape}"
        )
    if gap < 0:
        raise ValueError(f"gap must not be negative, got {gap}")
    if columns is not None and pictures.ndim == 5:
        raise ValueError("columns must be None for images [R, S, H, W, C]")
    if columns is not None and columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")

    if pictures.ndim == 5:
        across = int(pictures.shape[1])
    else:
        across = columns or math.ceil(math.sqrt(len(pictures)))
    pictures = pictures.reshape(-1, *pictures.shape[-3:])
    number, height, width, channels = pictures.shape
    rows = math.ceil(number / across)
    if channels == 2:
        pictures = pictures[..., [0, 0, 0, 1]]
    depth = 4 if has_alpha(pictures) else 3
    shape = (rows * (height + gap) - gap, across * (width + gap) - gap, depth)
    sheet = np.full(shape, 255, np.uint8)
    for place, picture in enumerate(pictures):
        top = place // across * (height + gap)
        left = place % across * (width + gap)
        sheet[top : top + height, left : left + width] = picture  # gray broadcasts
    return sheet


def save_png(path: str | os.PathLike[str], picture: ArrayLike) -> None:
    """Write one picture as PNG, whole or not at all.

    Args:
        path: the file to write.
        picture: [H, W, C] image or picture.

    Raises:
        ValueError: see `to_uint8`; or more than one picture.
        OSError: the file cannot be written.
    """
    pixels = to_uint8(picture, name="picture")
    if pixels.ndim != 3:
        raise ValueError(
            f"picture must be one picture [H, W, C], got shape {pixels.shape}"
        )
    buffer = io.BytesIO()
    as_pillow(pixels).save(buffer, "PNG", optimize=True)
    atomic_write(path, buffer.getvalue())


def as_pillow(picture: np.ndarray) -> "Image.Image":
    """Wrap one uint8 picture [H, W, C] for Pillow: of mode L, LA, RGB or RGBA."""
    from PIL import Image

    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
