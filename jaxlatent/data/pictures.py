"""A picture file as an array: one door for pictures, masks and segmentations.

What a viewer shows is what is read: turned upright as EXIF says, transparent pixels on
a background that is told, 16 bits scaled to 8 (of colours, PIL reads the high byte).
What could be read in two ways is refused.
"""

import contextlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp"),
    *(".bmp", ".tif", ".tiff", ".ppm", ".pgm"),
)
"""What the names of pictures end with, in any case."""

DARK = "16 bits, of which the lowest 8 alone are used"

BACKGROUNDS = {"white": 255, "grey": 128, "black": 0}
"""Levels that transparent pixels can be laid on."""

# formats whose readers run no other program; a picture is told by its content
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")

_GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
LEVEL_STEPS = {"L;2": 85, "L;4": 17}
"""By which grey of 2 and 4 bits comes spread over 0 to 255."""
_UNSOUND = (
    *(OSError, SyntaxError, EOFError, struct.error, zlib.error),
    *(LookupError, TypeError, AttributeError, OverflowError, MemoryError),
)


class Header(NamedTuple):
    """What the beginning of a picture file tells.

    Attributes:
        size: height and width, before it is turned upright.
        grey: whether it has no colours.
    """

    size: tuple[int, int]
    grey: bool


class Straight(NamedTuple):
    """A picture whose transparency is still apart.

    Attributes:
        pixels: [H, W, 1] if it is grey, else [H, W, 3], uint8, upright.
        alpha: [H, W] uint8, 0 where nothing shows; None if all of it does.
        notes: what was done that not everybody would do.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    notes: tuple[str, ...]


class Opened(NamedTuple):
    """A picture as a viewer shows it.

    Attributes:
        pixels: [H, W, 1] if it is grey, else [H, W, 3], uint8.
        notes: what was done that not everybody would do.
    """

    pixels: np.ndarray
    notes: tuple[str, ...]


def read_header(file: Path, *, argument: str = "picture") -> Header:
    """What the beginning of a picture file tells; see `read_picture` for errors."""
    with opened(file, argument) as picture:
        return Header(picture.size[::-1], picture.mode in _GREY)


def read_picture(
    file: Path, *, background: str = "white", argument: str = "picture"
) -> Opened:
    """A picture as a viewer shows it.

    Args:
        file: PNG, JPEG, WebP, BMP, TIFF, PPM or GIF, told by its content.
        background: what transparent pixels are laid on, one of `BACKGROUNDS`.
        argument: what messages call the file.

    Raises:
        ValueError: for what is no sound picture, is one of several in its file, or has
            values without a known range.
    """
    if background not in BACKGROUNDS:
        raise ValueError(
            f"background: {background!r} given; {', '.join(BACKGROUNDS)} are accepted"
        )
    pixels, alpha, notes = read_straight(file, argument=argument)
    if alpha is None:
        return Opened(pixels, notes)
    share = alpha[..., None].astype(np.float32) / 255
    laid = pixels * share + BACKGROUNDS[background] * (1 - share)
    note = f"transparent, laid on {background} (see background)"
    return Opened(np.rint(laid).astype(np.uint8), (*notes, note))


def read_straight(file: Path, *, argument: str = "picture") -> Straight:
    """A picture with its transparency apart; see `read_picture`."""
    with opened(file, argument) as picture:
        # before the pixels are read: afterwards these are gone
        depth = depth_of(picture)
        seen_through = picture.info.get("transparency")
        if depth in LEVEL_STEPS and isinstance(seen_through, int):
            picture.info["transparency"] = seen_through * LEVEL_STEPS[depth]
        if isinstance(seen_through, tuple) and max(seen_through) > 255:
            raise ValueError("has a transparent colour of 16 bits; 8 are accepted")
        if picture.mode == "I" and picture.format == "TIFF":
            raise ValueError("holds 32-bit integers, whose range is not known")
        picture = upright(picture)
        if picture.mode in ("I", "F", *_SIXTEEN_BITS):
            pixels, alpha, notes = _wide(picture)
            return Straight(pixels, _unless_opaque(alpha), notes)
        notes = ("CMYK, without its colour profile",) * (picture.mode == "CMYK")
        grey = picture.mode in _GREY
        if not picture.has_transparency_data:
            pixels = np.asarray(picture.convert("L" if grey else "RGB"))
            return Straight(pixels.reshape(*pixels.shape[:2], -1), None, notes)
        channels = np.asarray(picture.convert("RGBA"))
        pixels = channels[..., : 1 if grey else 3]
        return Straight(pixels, _unless_opaque(channels[..., 3]), notes)


@contextlib.contextmanager
def opened(file: Path, argument: str) -> Iterator[Any]:
    """A file as PIL opens it, whose every failure is a ValueError that names it."""
    from PIL import Image

    too_large = (Image.DecompressionBombWarning, Image.DecompressionBombError)
    if not file.is_file():
        raise ValueError(f"{argument}: {file} is not a file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", too_large[0])
            with Image.open(file, formats=_FORMATS) as picture:
                frames = getattr(picture, "n_frames", 1)
                # cameras keep previews behind the picture in an MPO
                if frames > 1 and picture.format != "MPO":
                    raise ValueError(f"holds {frames} pictures; one is accepted")
                if 0 in picture.size:
                    raise ValueError(f"is {picture.size[1]} x {picture.size[0]} pixels")
                yield picture
    except too_large:
        raise ValueError(
            f"{argument}: {file} has more than {Image.MAX_IMAGE_PIXELS} pixels; fewer "
            "are accepted"
        ) from None
    except Image.UnidentifiedImageError:
        raise ValueError(
            f"{argument}: {file} is damaged or no picture; PNG, JPEG, WebP, BMP, TIFF, "
            "PPM and GIF are accepted"
        ) from None
    except ValueError as error:
        raise ValueError(f"{argument}: {file} {error}") from None
    except _UNSOUND as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(f"{argument}: {file} is damaged: {reason}") from None


def depth_of(picture: Any) -> str:
    """How the file packs its values, such as "L;2"; "" where that does not matter."""
    tile = picture.tile[0] if picture.tile else None
    how = tile[3] if tile is not None else ""
    return how if isinstance(how, str) else ""


def upright(picture: Any) -> Any:
    """A picture turned as its EXIF orientation says."""
    from PIL import ImageOps

    picture.load()
    turned = ImageOps.exif_transpose(picture)
    return picture if turned is None else turned


def _wide(picture: Any) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Grey of more than 8 bits, scaled to 8; its alpha, and notes."""
    values = np.asarray(picture)
    seen_through = picture.info.get("transparency")
    alpha = np.where(values == seen_through, 0, 255).astype(np.uint8)
    if picture.mode == "F":
        if not (values.min() >= 0 and values.max() <= 1):
            raise ValueError(
                f"holds numbers from {values.min():.4g} to {values.max():.4g}; 0 to 1 "
                "are accepted"
            )
        scaled = values.astype(np.float64) * 255
    else:
        scaled = values.astype(np.float64) / 257
    narrow = bool(picture.mode != "F" and 0 < values.max() <= 255)
    pixels = np.rint(scaled).astype(np.uint8)[..., None]
    return pixels, alpha, (DARK,) * narrow


def _unless_opaque(alpha: np.ndarray) -> np.ndarray | None:
    return None if (alpha == 255).all() else alpha
