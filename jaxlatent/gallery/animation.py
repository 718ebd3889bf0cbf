"""An animated GIF that plays an edit forth and back."""

import io
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxlatent.files import atomic_write
from jaxlatent.gallery.raster import as_pillow, over_white, to_uint8

if TYPE_CHECKING:
    from PIL import Image

_SAMPLED_PIXELS = 1 << 17  # enough to choose 256 colours well, in about a second
_DITHER = 8  # 8-bit levels between the lightest and the darkest threshold


def save_gif(
    path: str | os.PathLike[str], frames: ArrayLike, *, seconds: float = 3.0
) -> None:
    """Write frames as an endless GIF that plays forth and back.

    S frames become 2 S - 2: first to last, then back without showing either end twice.
    One palette serves all frames and the dither pattern stands still, so nothing
    flickers that the edit does not change; frames that have at most 256 colours between
    them, such as gray ones, are kept exactly. Frames with alpha are shown over white,
    since a GIF knows no half-transparent pixels. The same frames always give the same
    bytes.

    Args:
        path: the file to write.
        frames: [S, H, W, C] images or pictures, in the order of the strengths.
        seconds: length of one round trip. A frame is shown for a whole number of
            hundredths of a second, at least two: browsers slow down shorter ones.

    Raises:
        ValueError: see `to_uint8`; a wrong rank, or `seconds` is not positive.
        OSError: the file cannot be written.
    """
    pictures = over_white(to_uint8(frames, name="frames"))
    if pictures.ndim != 4:
        raise ValueError(f"frames must be [S, H, W, C], got shape {pictures.shape}")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"seconds must be a positive number, got {seconds}")

    forth = _indexed(pictures)
    loop = forth + forth[-2:0:-1]
    duration = 10 * max(2, round(100 * seconds / len(loop)))  # Pillow counts in ms
    buffer = io.BytesIO()
    loop[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=loop[1:],
        duration=duration,
        loop=0,
        optimize=False,
    )
    atomic_write(path, buffer.getvalue())


def _indexed(pictures: np.ndarray) -> "list[Image.Image]":
    """Map pictures [S, H, W, C] to one palette they share."""
    from PIL import Image

    if pictures.shape[-1] == 1:
        return [as_pillow(picture) for picture in pictures]
    number, height, width, _ = pictures.shape
    tall = as_pillow(pictures.reshape(number * height, width, 3))
    if tall.getcolors(256) is not None:
        palette = tall.quantize(256, Image.Quantize.MEDIANCUT)
    else:
        stride = max(1, round((number * height * width / _SAMPLED_PIXELS) ** 0.5))
        sample = pictures[:, ::stride, ::stride]
        sample = sample.reshape(-1, sample.shape[2], 3)
        settled = len(sample) * sample.shape[1] // 256  # pixels that still move
        palette = as_pillow(sample).quantize(
            256, Image.Quantize.MEDIANCUT, kmeans=settled
        )
        offset = np.tile(_thresholds(), (height // 8 + 1, width // 8 + 1))
        offset = offset[:height, :width, None]
        pictures = np.clip(pictures + offset, 0, 255).astype(np.uint8)
    return [
        as_pillow(picture).quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in pictures
    ]


def _thresholds() -> np.ndarray:
    """The 8 x 8 ordered-dither matrix, centred, in 8-bit levels."""
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block(
            [[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]]
        )
    return np.round(((matrix + 0.5) / 64 - 0.5) * _DITHER).astype(int)
