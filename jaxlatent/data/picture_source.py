"""Pictures of any sizes as rows of one shape, read when they are needed.

A folder of pictures, or an array file, becomes a `training.sources.Source` of
{"image": [N, H, W, C], "number": [N]}. Pictures of a folder that fit into an eighth of
the memory are kept once they were read; an `.npy` file is mapped, never read whole.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxlatent.data.image_folder import find_pictures
from jaxlatent.data.photographs import fit_pixels, read_fitted
from jaxlatent.data.pictures import ENDINGS, read_header
from jaxlatent.data.regions import Fit, fitted_spans
from jaxlatent.files import memory_bytes, read_arrays

ARRAYS = (".npz", ".npy")
"""What the names of array files end with."""


@dataclass(frozen=True, eq=False)
class PictureSource:
    """Pictures by number, brought to one shape.

    Attributes:
        names: of the pictures.
        shape: (H, W, C) that they are brought to.
        noted: the names of pictures of which something was done that not everybody
            would do, by what it was; grows as they are read.
    """

    names: tuple[str, ...]
    shape: tuple[int, int, int]
    noted: dict[str, set[str]] = field(default_factory=dict)
    _read: Callable[[int], tuple[np.ndarray, tuple[str, ...]]] = field(kw_only=True)
    _kept: dict[int, np.ndarray] | None = field(kw_only=True)

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, numbers: np.ndarray) -> Any:
        """{"image": [N, H, W, C] uint8, or float32 in [-1, 1], "number": int32 [N]}."""
        wanted = [int(number) for number in numbers]
        kept = {} if self._kept is None else self._kept
        missing = [number for number in dict.fromkeys(wanted) if number not in kept]
        found = {number: kept[number] for number in wanted if number in kept}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            read = pool.map(self._read, missing)
            for number, (pixels, notes) in zip(missing, read, strict=True):
                found[number] = pixels
                for note in notes:
                    self.noted.setdefault(note, set()).add(self.names[number])
        kept |= {number: found[number] for number in missing}
        return {
            "image": np.stack([found[number] for number in wanted]),
            "number": np.asarray(wanted, np.int32),
        }


def open_pictures(
    path: Path,
    side: int | None = None,
    channels: int | None = None,
    *,
    fit: Fit = "crop",
    background: str = "white",
) -> PictureSource:
    """Find pictures, and look at the beginning of each.

    Args:
        path: a folder of pictures, those of subfolders left out; or an array file
            [N, H, W], [N, H, W, 1] or [N, H, W, 3], uint8 or floats in [-1, 1]: `.npy`,
            or `.npz` with one such array, or one of the name "images".
        side: of the square that pictures are brought to; None for `default_side`.
        channels: 1 or 3; None for 1 where all pictures are grey, else 3. Grey ones get
            equal colours; the colours of files, not of arrays, are made grey.
        fit: how other proportions are met; what is cut off lies around the centre.
        background: what transparent pixels are laid on, one of `pictures.BACKGROUNDS`.

    Raises:
        ValueError: without pictures, for a picture whose beginning is damaged, or an
            argument that does not fit.
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"channels: {channels} given; 1 or 3 is accepted")
    if path.is_file() and path.suffix.lower() in ARRAYS:
        return _of_array(path, side, channels, fit)
    files = tuple(find_pictures(path)) if path.is_dir() else ()
    if not files:
        raise ValueError(
            f"pictures: {path} given; a folder that holds pictures "
            f"({', '.join(ENDINGS)}), or an array file ({', '.join(ARRAYS)}), is "
            "accepted"
        )
    headers = [read_header(file, argument="pictures") for file in files]
    side = default_side([header.size for header in headers]) if side is None else side
    grey = all(header.grey for header in headers)
    shape = (side, side, channels or (1 if grey else 3))

    def read(number: int) -> tuple[np.ndarray, tuple[str, ...]]:
        return read_fitted(files[number], shape, fit=fit, background=background)

    for size, file in {
        header.size: file for header, file in zip(headers, files, strict=True)
    }.items():
        fit_pixels(
            np.zeros((*size, 1), np.uint8), (side, side), fit, f"pictures: {file}"
        )
    small = len(files) * side * side * shape[2] <= memory_bytes() // 8
    names = tuple(file.name for file in files)
    return PictureSource(names, shape, _read=read, _kept={} if small else None)


def default_side(sizes: list[tuple[int, int]]) -> int:
    """8, 16, 32 or 64, whichever first reaches the shortest side of all pictures."""
    shortest = min(min(size) for size in sizes)
    return next((side for side in (8, 16, 32) if side >= shortest), 64)


def _of_array(
    path: Path, side: int | None, channels: int | None, fit: Fit
) -> PictureSource:
    images = _images(path)
    side = default_side([images.shape[1:3]]) if side is None else side
    shape = (side, side, channels or images.shape[-1])
    if images.shape[-1] > shape[-1]:
        raise ValueError(f"channels: 1 given, but {path} has colours; 3 is accepted")
    fitted_spans(images.shape[1:3], (side, side), fit, f"pictures: {path}")

    def read(number: int) -> tuple[np.ndarray, tuple[str, ...]]:
        pixels = np.asarray(images[number])
        if pixels.dtype != np.uint8:
            pixels = pixels.astype(np.float32)
            if not np.abs(pixels).max() <= 1:
                raise ValueError(
                    f"pictures: number {number} of {path} has values to "
                    f"{np.abs(pixels).max():.4g}; -1 to 1 is accepted, or uint8"
                )
        pixels = fit_pixels(pixels, (side, side), fit, f"pictures: {path}")
        if pixels.dtype != np.uint8:
            pixels = pixels.clip(-1, 1)  # Lanczos leaves the range
        return np.broadcast_to(pixels, shape), ()

    names = tuple(f"number {number}" for number in range(len(images)))
    return PictureSource(names, shape, _read=read, _kept=None)


def _images(path: Path) -> np.ndarray:
    """The pictures of an array file, [N, H, W, 1 or 3]."""
    try:
        if path.suffix.lower() == ".npy":
            found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            found = read_arrays(path)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"pictures: {path}: {error}") from error
    if isinstance(found, dict):
        named = {
            name: array
            for name, array in found.items()
            if array.ndim in (3, 4) and (name == "images" or "images" not in found)
        }
        if len(named) != 1:
            raise ValueError(
                f"pictures: {path} holds {', '.join(found) or 'nothing'}; one array of "
                'pictures, or one that is called "images", is accepted'
            )
        (found,) = named.values()
    if found.ndim == 3:
        found = found[..., None]
    sound = found.ndim == 4 and found.shape[-1] in (1, 3) and found.size
    if not sound or not (found.dtype == np.uint8 or found.dtype.kind == "f"):
        raise ValueError(
            f"pictures: {path}: {found.dtype} {found.shape} there; [N, H, W], "
            "[N, H, W, 1] or [N, H, W, 3], uint8 or floats in [-1, 1], are accepted"
        )
    return found
