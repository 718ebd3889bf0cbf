"""Gram matrices of many pictures in a folder, which a killed run goes on filling."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxlatent.files import UNREADABLE, read_arrays
from jaxlatent.generators.base import fingerprint
from jaxlatent.jacobians import Picture, full_jacobian, size_of, weighted_grams
from jaxlatent.jobs import JOB_FILE, run_job
from jaxlatent.texts import printable, shown

_MOST_WORDS = 300


def write_grams(
    folder: Path | str,
    pictures: Sequence[Picture],
    masks: Mapping[str, np.ndarray],
    *,
    full: bool = False,
    chunk: int = 8,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Path]:
    """Gram matrices of whole pictures and of regions; see `jobs.run_job`.

    Args:
        folder: where to; what it holds already is not computed again.
        pictures: of one generator and one view, see `jacobians.pictures_at`.
        masks: [H, W] weights of each region, from 0 to 1, by its name.
        full: keep the Jacobians as well.
        chunk: tangents at a time.
        mesh: devices among which the columns are divided, None for one.
        progress: called with the number of pictures just finished.

    Returns:
        A file for each picture, with "latent", "gram" [D, D] of the whole, "regions"
        [R, 2, D, D] of every region and of its rest, and perhaps "jacobian".

    Raises:
        ValueError: if the folder holds others, or an argument does not fit.
    """
    weights = np.concatenate(
        [np.ones((1, *size_of(pictures[0])), np.float32)]
        + [np.stack([mask, 1 - mask]) for mask in masks.values()]
    )

    def compute(index: int) -> dict[str, np.ndarray]:
        given = pictures[index]
        grams = weighted_grams(given, weights, chunk=chunk, mesh=mesh)
        found = {"latent": np.asarray(given.base), "gram": grams[0]}
        if masks:
            found["regions"] = grams[1:].reshape(len(masks), 2, *grams.shape[1:])
        if full:
            found["jacobian"] = full_jacobian(given, chunk=chunk)
        return found

    config = {
        **_described(pictures[0]),
        "codes": [_digest(given.base) for given in pictures],
        "space": pictures[0].space,
        "regions": {name: _digest(mask) for name, mask in masks.items()},
        "full": full,
    }
    return run_job(Path(folder), config, len(pictures), compute, progress=progress)


def read_region_grams(
    folder: Path | str, given: Picture, mask: np.ndarray
) -> tuple[int, np.ndarray, np.ndarray]:
    """The mean Gram matrices of a region and of its rest, from a folder.

    Args:
        folder: what `write_grams` filled.
        given: a picture of the same generator and view.
        mask: the region, one of those that were written.

    Returns:
        How many pictures there are; region and rest, [D, D] float64 each.

    Raises:
        ValueError: if the folder holds nothing of this generator, view and region.
    """
    folder = Path(folder)
    config = _read_record(folder)
    for key, wanted in _described(given).items():
        if config.get(key) != wanted:
            raise ValueError(
                f"grams: {folder} was computed with {key} {shown(config.get(key))}, "
                f"but {wanted} is asked for"
            )
    held = list(config["regions"].values())
    if _digest(mask) not in held:
        named = printable(", ".join(config["regions"]) or "none", _MOST_WORDS)
        raise ValueError(f"grams: {folder} has not this region; it has {named}")
    index, dimension = held.index(_digest(mask)), np.shape(given.origin)[-1]
    files = sorted(folder.glob("[0-9]*.npz"))
    if not files:
        raise ValueError(f"grams: {folder} holds no Gram matrices yet")
    shape = (len(held), 2, dimension, dimension)
    total = np.zeros(shape[1:])
    for file in files:
        total += _read_regions(file, shape)[index]
    region, rest = total / len(files)
    return len(files), region, rest


def _read_record(folder: Path) -> dict[str, Any]:
    """What a folder's Gram matrices were computed with."""
    try:
        config = json.loads((folder / JOB_FILE).read_bytes())
    except UNREADABLE as error:
        raise ValueError(
            f"grams: {folder} is no folder of jacobian: {error}"
        ) from error
    regions = config.get("regions") if isinstance(config, dict) else None
    if not isinstance(regions, dict):
        raise ValueError(
            f"grams: {folder} is no folder of jacobian: {JOB_FILE} tells no regions"
        )
    return config


def _read_regions(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The Gram matrices of one picture's regions and rests, float64."""
    try:
        arrays = read_arrays(file)
    except ValueError as error:
        raise ValueError(f"grams: {file}: {error}") from error
    found = arrays.get("regions") if isinstance(arrays, dict) else None
    if found is None or found.shape != shape or found.dtype.kind != "f":
        there = "nothing" if found is None else f"{found.dtype} {found.shape}"
        raise ValueError(f"grams: {file}: regions: {there} there; floating {shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"grams: {file}: regions: NaN or infinity there")
    return found.astype(np.float64)


def _described(given: Picture) -> dict[str, Any]:
    """What Gram matrices depend on, beside codes and regions."""
    return {
        "generator": fingerprint(given.generator),
        "layers": None if given.layers is None else list(given.layers),
        "size": list(size_of(given)),
        "channels": given.channels,
        "resize": given.resize,
    }


def _digest(array: Any) -> str:
    """Sixteen hex digits of an array's values."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]
