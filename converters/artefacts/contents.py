"""What a file of codes or directions holds, and checks that every kind shares."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from converters.checkpoints import Checkpoint
from converters.containers.limits import shown
from jaxlatent.types import CheckpointError

TOLERANCE = 1e-3
"""How far a length may be from one before it is worth a warning."""

_NAMES_SHOWN = 12


def find_array(
    checkpoint: Checkpoint, names: Sequence[str], accepted: str
) -> tuple[str | None, np.ndarray]:
    """The one array of a file, or the one under the first of `names` it has.

    Args:
        checkpoint: the file; dicts in it are looked into.
        names: what the array may be called where there are several.
        accepted: what a message offers instead.

    Returns:
        Its name, None for an array that stands alone; and the array, floating.

    Raises:
        CheckpointError: if there is no such array.
    """
    path, found, name = checkpoint.path, checkpoint.tensors, None
    while isinstance(found, dict):
        known = [key for key in names if key in found]
        arrays = [key for key, v in found.items() if isinstance(v, np.ndarray)]
        if not known and len(arrays) != 1:
            raise CheckpointError(
                f"{path}: {names_of(found)} found; accepted are {accepted}"
            )
        name = (known or arrays)[0]
        found = found[name]
    if not is_real(found):
        kind = found.dtype if isinstance(found, np.ndarray) else type(found).__name__
        raise CheckpointError(
            f"{path}: no array of real numbers: {kind} found; accepted are {accepted}"
        )
    return name, found


def names_of(found: Mapping[Any, Any]) -> str:
    """The keys of a file's dict, as a message quotes them."""
    keys = sorted(shown(key) for key in found)
    more = ["..."] if len(keys) > _NAMES_SHOWN else []
    return f"[{', '.join(keys[:_NAMES_SHOWN] + more)}]"


def member(checkpoint: Checkpoint, name: str, *shape: int | None) -> np.ndarray:
    """One array of a file's dict, which must have a shape; None for any length.

    Returns:
        The array, floating and finite in single precision.

    Raises:
        CheckpointError: names the array that is missing or does not fit.
    """
    path, found = checkpoint.path, checkpoint.tensors
    value = found.get(name)
    if not is_real(value):
        reason = "no array of real numbers" if name in found else "missing"
        raise CheckpointError(f"{path}: {name}: {reason}; {names_of(found)} found")
    fits = value.ndim == len(shape) and all(
        wanted in (None, size) for size, wanted in zip(value.shape, shape, strict=True)
    )
    if not (fits and value.size):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise CheckpointError(
            f"{path}: {name}: shape {value.shape} found; ({wanted}) is needed"
        )
    check_finite(path, name, value)
    return value


def check_finite(path: str | os.PathLike[str], name: str, value: np.ndarray) -> None:
    """Raise CheckpointError unless all numbers are finite in single precision."""
    with np.errstate(over="ignore"):
        if not np.isfinite(value.astype(np.float32)).all():
            raise CheckpointError(f"{path}: {name}: numbers that are not finite")


def unit_vectors(path: str | os.PathLike[str], vectors: np.ndarray) -> np.ndarray:
    """Directions of length one, with a warning if they were not.

    Args:
        path: the file, for messages.
        vectors: [K, D]; or [K, L, D], where the rows of a direction keep their
            proportions: either each of them has length one, or all of them together.

    Returns:
        The same shape, float32; signs are kept.

    Raises:
        CheckpointError: if a direction is zero.
    """
    vectors = vectors.astype(np.float64)
    rows = np.linalg.norm(vectors, axis=-1, keepdims=True)
    lengths = rows
    if vectors.ndim == 3 and not near_one(rows):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise CheckpointError(f"{path}: a direction of length zero")
    if not near_one(lengths):
        warnings.warn(
            f"{path}: directions of length {lengths.min():.3g} to {lengths.max():.3g} "
            "were scaled to one",
            stacklevel=2,
        )
    return (vectors / lengths).astype(np.float32)


def near_one(lengths: ArrayLike) -> bool:
    """Whether lengths are one, but for rounding."""
    return bool(np.abs(np.asarray(lengths) - 1).max() <= TOLERANCE)


def is_real(value: object) -> TypeGuard[np.ndarray]:
    """Whether a value of a file is an array of floating numbers."""
    return isinstance(value, np.ndarray) and jnp.issubdtype(value.dtype, jnp.floating)
