"""Codes and directions that other tools left behind."""

import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from converters.containers.reading import read_object
from jaxlatent.types import CheckpointError, Directions, directions

CODE_NAMES = ("w+", "wp", "w", "z", "codes", "latents", "latent_codes")


def load_codes(path: str | os.PathLike[str]) -> np.ndarray:
    """Read codes: `.npy`, `.npz` or a torch file with one array.

    Accepted are z or w as [D] or [N, D], w+ as [N, L, D] (an encoder's or projector's
    result, SeFa's released codes), alone or under one of `CODE_NAMES`.

    Returns:
        [N, D] or [N, L, D], floating.

    Raises:
        CheckpointError: if there is no such array in the file.
    """
    array = _array(path, CODE_NAMES)
    array = array[None] if array.ndim == 1 else array
    if array.ndim not in (2, 3):
        raise CheckpointError(
            f"{path}: an array of shape {array.shape}; [N, D] or [N, L, D] is accepted"
        )
    return array


def import_directions(
    path: str | os.PathLike[str],
    *,
    space: str = "w",
    layers: Sequence[int] | None = None,
    generator: str = "",
) -> Directions:
    """Read directions that another tool wrote.

    Accepted are `.npy` files of shape [D], [K, D] or [1, L, D] (InterFaceGAN,
    LowRankGAN, ReSeFa), and torch files with an "eigvec" matrix [D, D] (closed-form
    factorisation in rosinality's repository), whose columns are the directions. Signs
    are kept; lengths are brought to one, with a warning if they were not.

    Args:
        path: the file.
        space: the space they live in; the files do not tell.
        layers: rows of w+ they are meant for, None for all.
        generator: fingerprint of the generator they belong to, if known.

    Raises:
        CheckpointError: if the file holds no such array.
    """
    vectors = _array(path, ("eigvec",))
    if Path(path).suffix != ".npy":
        vectors = vectors.T
    vectors = vectors[None] if vectors.ndim == 1 else vectors
    if vectors.ndim not in (2, 3) or not np.isfinite(vectors).all():
        raise CheckpointError(
            f"{path}: an array of shape {vectors.shape}; finite [K, D] or [K, L, D] is "
            "accepted"
        )
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if (norms == 0).any():
        raise CheckpointError(f"{path}: a direction of length zero")
    if np.abs(norms - 1).max() > 1e-3:
        warnings.warn(
            f"{path}: directions of length {norms.min():.3g} to {norms.max():.3g} were "
            "scaled to one",
            stacklevel=2,
        )
    stem = Path(path).stem
    count = len(vectors)
    return directions(
        (vectors / norms).astype(np.float32),
        space="w+" if vectors.ndim == 3 else space,
        layers=layers,
        names=[stem] if count == 1 else [f"{stem} {i}" for i in range(count)],
        method="imported",
        generator=generator,
    )


def _array(path: str | os.PathLike[str], names: Sequence[str]) -> np.ndarray:
    """The one array of a file, or the one under the first of `names` it has."""
    if Path(path).suffix in (".npy", ".npz"):
        try:
            found = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{path}: not an array file: {error}") from error
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                found = {name: found[name] for name in found.files}
    else:
        found = read_object(path)
    while isinstance(found, dict):
        members = [found[name] for name in names if name in found]
        members = members or [v for v in found.values() if isinstance(v, np.ndarray)]
        if len(members) != 1 and not any(name in found for name in names):
            raise CheckpointError(
                f"{path}: {sorted(map(str, found))} found; one array, or one of "
                f"{tuple(names)}, is accepted"
            )
        found = members[0]
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise CheckpointError(f"{path}: no array of real numbers")
    return found
