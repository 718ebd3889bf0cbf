"""Codes and directions that other tools left behind."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from converters.containers.reading import read_object
from jaxlatent.checkpoint import UNREADABLE
from jaxlatent.types import CheckpointError, Directions, directions

CODE_NAMES = ("w+", "wp", "w", "z", "codes", "latents", "latent_codes")
EIGENVECTORS = "eigvec"


def load_codes(path: str | os.PathLike[str]) -> np.ndarray:
    """Read codes: `.npy`, `.npz` or a torch file with one array.

    Accepted are z or w as [D] or [N, D], w+ as [N, L, D] (an encoder's or projector's
    result, SeFa's released codes), alone or under one of `CODE_NAMES`.

    Returns:
        [N, D] or [N, L, D], floating.

    Raises:
        CheckpointError: if there is no such array in the file.
    """
    _, array = _array(path, CODE_NAMES)
    array = array[None] if array.ndim == 1 else array
    if array.ndim not in (2, 3) or not array.size or not _finite(array):
        raise CheckpointError(
            f"{path}: an array of shape {array.shape}; finite [N, D] or [N, L, D] is "
            "accepted"
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
    LowRankGAN, ReSeFa), the same in a torch file, and an "eigvec" matrix [D, K]
    (closed-form factorisation in rosinality's repository), whose columns are the
    directions. Signs are kept; lengths are brought to one, with a warning if they were
    not.

    Args:
        path: the file.
        space: the space they live in; the files do not tell.
        layers: rows of w+ they are meant for, None for all.
        generator: fingerprint of the generator they belong to, if known.

    Raises:
        CheckpointError: if the file holds no such array.
    """
    name, vectors = _array(path, (EIGENVECTORS,))
    if name == EIGENVECTORS:
        vectors = vectors.T
    vectors = vectors[None] if vectors.ndim == 1 else vectors
    if vectors.ndim not in (2, 3) or not vectors.size or not _finite(vectors):
        raise CheckpointError(
            f"{path}: an array of shape {vectors.shape}; finite [K, D] or [K, L, D] is "
            "accepted"
        )
    vectors = vectors.astype(np.float64)
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


def _array(
    path: str | os.PathLike[str], names: Sequence[str]
) -> tuple[str | None, np.ndarray]:
    """The one array of a file, or the one under the first of `names` it has.

    Returns:
        Its name, None for an array that stands alone; and the array.
    """
    name = None
    found = _numpy_file(path) if _is_numpy(path) else read_object(path)
    while isinstance(found, dict):
        known = [key for key in names if key in found]
        arrays = [key for key, v in found.items() if isinstance(v, np.ndarray)]
        if not known and len(arrays) != 1:
            raise CheckpointError(
                f"{path}: {sorted(map(str, found))} found; one array, or one of "
                f"{tuple(names)}, is accepted"
            )
        name = (known or arrays)[0]
        found = found[name]
    if not isinstance(found, np.ndarray) or not jnp.issubdtype(
        found.dtype, jnp.floating
    ):
        raise CheckpointError(f"{path}: no array of real numbers")
    return name, found


def _is_numpy(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix in (".npy", ".npz")


def _numpy_file(path: str | os.PathLike[str]) -> Any:
    """The array of an `.npy` file, or the arrays of an `.npz` file by name."""
    # opened here, for np.load leaves broken files open
    with open(path, "rb") as stream:
        try:
            found = np.load(stream, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return found
            return {name: found[name] for name in found.files}
        except UNREADABLE as error:
            raise CheckpointError(f"{path}: not an array file: {error}") from error


def _finite(array: np.ndarray) -> bool:
    return bool(np.isfinite(array).all())
