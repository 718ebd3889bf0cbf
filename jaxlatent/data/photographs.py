"""Pictures of any size and kind as a generator would have drawn them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxlatent.data.pictures import Opened, read_picture, read_straight
from jaxlatent.data.regions import Fit, fitted_spans


def read_photographs(
    files: Sequence[Path],
    shape: tuple[int, ...],
    *,
    fit: Fit = "scale",
    background: str = "white",
) -> tuple[np.ndarray, dict[str, list[str]]]:
    """Read pictures, upright, and bring them to one shape.

    Args:
        files: the pictures, as `pictures.read_picture` takes them.
        shape: (H, W, C); of 2 and 4 channels the last is an alpha.
        fit: how pictures of other sizes are brought to that; what is cut off lies
            around the centre that is kept.
        background: what transparent pixels are laid on, where there is no alpha.

    Returns:
        [P, H, W, C] float32 in [-1, 1]; and the names of the pictures of which
        something was done that not everybody would do, by what it was.

    Raises:
        ValueError: for a picture that cannot be read or does not fit; names the file.
    """
    found, noted = [], {}
    for file in files:
        pixels, notes = read_fitted(file, shape, fit=fit, background=background)
        found.append(pixels)
        for note in notes:
            noted.setdefault(note, []).append(file.name)
    return np.stack(found).astype(np.float32) / 127.5 - 1, noted


def read_fitted(
    file: Path, shape: tuple[int, ...], *, fit: Fit, background: str
) -> Opened:
    """One picture of [H, W, C] uint8; see `read_photographs`."""
    pixels, notes = read_photograph(file, shape[-1], background=background)
    fitted = fit_pixels(pixels, (shape[0], shape[1]), fit, f"pictures: {file}")
    return Opened(fitted, tuple(notes))


def fit_pixels(
    pixels: np.ndarray, sides: tuple[int, int], fit: Fit, what: str
) -> np.ndarray:
    """The middle of a picture [H, W, C], resampled (Lanczos) to other sides.

    Args:
        pixels: uint8, or float32.
        sides: height and width.
        fit: how other proportions are met.
        what: it is called in messages.

    Raises:
        ValueError: for a size that `fit` does not allow.
    """
    spans = fitted_spans((pixels.shape[0], pixels.shape[1]), sides, fit, what)
    return _resized(pixels, spans, sides)


def read_photograph(
    file: Path, channels: int, *, background: str = "white"
) -> tuple[np.ndarray, Sequence[str]]:
    """Read one picture, upright, of whatever size.

    Args:
        file: as `pictures.read_picture` takes it.
        channels: C; of 2 and 4 the last is an alpha.
        background: what transparent pixels are laid on, where there is no alpha.

    Returns:
        [H, W, C] uint8; and what was done to it that not everybody would do.

    Raises:
        ValueError: for a picture that cannot be read; names the file.
    """
    from PIL import Image

    alpha = None
    if channels in (2, 4):
        pixels, alpha, notes = read_straight(file, argument="pictures")
    else:
        pixels, notes = read_picture(file, background=background, argument="pictures")
    colours = 1 if channels < 3 else 3
    if pixels.shape[-1] > colours:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
        notes = (*notes, "coloured, taken as grey")
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], colours))
    if channels == colours:
        return pixels, notes
    if alpha is None:
        alpha = np.full(pixels.shape[:2], 255, np.uint8)
    return np.concatenate([pixels, alpha[..., None]], axis=-1), notes


def _resized(
    pixels: np.ndarray, spans: tuple[int, int], sides: tuple[int, int]
) -> np.ndarray:
    """The middle of a picture, resampled (Lanczos) to these sides."""
    from PIL import Image

    height, width = pixels.shape[:2]
    top, left = (height - spans[0]) // 2, (width - spans[1]) // 2
    box = (left, top, left + spans[1], top + spans[0])
    if spans == sides:
        return pixels[box[1] : box[3], box[0] : box[2]]
    size, how = (sides[1], sides[0]), Image.Resampling.LANCZOS
    channels = [
        np.asarray(Image.fromarray(one).resize(size, how, box=box))
        for one in np.moveaxis(pixels, -1, 0)
    ]
    return np.stack(channels, axis=-1)
