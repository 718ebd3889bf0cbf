"""A region of a picture, shown: its outline, or everything else darkened."""

import numpy as np
from numpy.typing import ArrayLike

from jaxlatent.gallery.raster import over_white

COLOR = (255, 64, 96)


def outline(images: ArrayLike, mask: ArrayLike) -> np.ndarray:
    """Draw a line along the inner edge of a region.

    Args:
        images: [..., H, W, C] images or pictures.
        mask: [h, w] weights; the region is where they are at least half the largest.
            Brought to H x W by repeating or leaving out pixels.

    Returns:
        [..., H, W, 3] uint8; what is transparent shows white.

    Raises:
        ValueError: see `to_uint8`; or an empty mask.
    """
    pictures = _in_color(images)
    inside = _inside(mask, pictures.shape[-3:-1])
    core = np.pad(inside, 1)
    for _ in range(max(1, min(inside.shape) // 128)):
        narrower = core.copy()
        for axis in (0, 1):
            for step in (-1, 1):
                narrower &= np.roll(core, step, axis)
        core = narrower
    edge = inside & ~core[1:-1, 1:-1]
    return np.where(edge[..., None], np.asarray(COLOR, np.uint8), pictures)


def spotlight(images: ArrayLike, mask: ArrayLike) -> np.ndarray:
    """Darken everything outside a region; see `outline`."""
    pictures = _in_color(images)
    inside = _inside(mask, pictures.shape[-3:-1])
    return np.where(inside[..., None], pictures, pictures // 4)


def _in_color(images: ArrayLike) -> np.ndarray:
    pictures = over_white(images)
    return np.broadcast_to(pictures, (*pictures.shape[:-1], 3))


def _inside(mask: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    weights = np.asarray(mask)
    if weights.ndim != 2 or not weights.size or not weights.max() > 0:
        raise ValueError(
            f"mask: shape {weights.shape} given; a region that is not empty"
        )
    rows, columns = (
        np.arange(length) * size // length
        for length, size in zip(shape, weights.shape, strict=True)
    )
    return weights[rows][:, columns] >= weights.max() / 2
