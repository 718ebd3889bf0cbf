"""GANSpace's named directions: one component, its layers and its strength."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.artefacts.contents import member, unit_vectors
from converters.artefacts.ganspace import (
    REPORT,
    feature_space,
    flat_activations,
    is_cache,
)
from converters.checkpoints import Checkpoint
from converters.containers.limits import shown
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.types import CheckpointError

MOST_ROWS = 100
"""More than any generator has; an end beyond it stands for the last row."""

_LARGEST = float(np.finfo(np.float32).max)
_NUMBERS = {
    "sigma_range": np.float32,
    "component_index": np.int32,
    "truncation": np.float32,
    "example_seed": np.int32,
    "act_stdev": np.float32,
}


def is_named_direction(found: Mapping[Any, Any]) -> bool:
    """Whether a file's dict is meant as a named direction."""
    return is_cache(found) and bool(found.keys() & {"edit_start", "sigma_range"})


def read_named_direction(
    checkpoint: Checkpoint,
    *,
    part: str | None = None,
    layer: str | None = None,
    num_layers: int | None = None,
) -> Directions:
    """One direction from the content of a named direction.

    Args:
        checkpoint: the file; entries that are unknown are ignored.
        part: "latent" or "activation"; None for what its authors edit.
        layer: our name of the decomposed layer, for activations.
        num_layers: how many rows w+ has, for a range that is open at its end.

    Returns:
        One direction; `report` holds "stdev", the activation's, and `facts` hold
        "sigma_range" (the strength that its authors chose), "component_index",
        "truncation" and "example_seed", each if the file has it.

    Raises:
        CheckpointError: names the entry that is missing or does not fit.
        ValueError: if `layer` or `num_layers` is needed and missing.
    """
    path, found = checkpoint.path, checkpoint.tensors
    if part is None:
        part = "activation" if found.get("edit_type") == "activation" else "latent"
    numbers = {
        name: _number(checkpoint, name, dtype)
        for name, dtype in _NUMBERS.items()
        if name in found
    }
    report = {
        ours: np.asarray([numbers.pop(theirs)], np.float32)
        for theirs, ours in REPORT.items()
        if theirs in numbers
    }
    name = found.get("name")
    if not isinstance(name, str):
        raise CheckpointError(f"{path}: name: {shown(name)} found; a text is needed")
    layers = None
    if part == "activation":
        details = found.get("decomposition")
        hint = details.get("layer") if isinstance(details, dict) else None
        space = feature_space(layer, hint if isinstance(hint, str) else None)
        vectors = flat_activations(checkpoint, "act_comp", 1)
        scale = _number(checkpoint, "act_stdev", np.float32)
    else:
        vectors = member(checkpoint, "lat_comp", 1, None)
        scale = _number(checkpoint, "lat_stdev", np.float32)
        space = found.get("latent_space")
        if space not in ("W", "Z"):
            raise CheckpointError(
                f"{path}: latent_space: {shown(space)} found; 'W' or 'Z' is accepted"
            )
        space = space.lower()
        layers = _rows(checkpoint, num_layers)
    return directions(
        unit_vectors(path, vectors),
        space=space,
        scale=np.asarray([scale], np.float32),
        report=report,
        facts=numbers,
        layers=layers,
        names=[name],
        method="ganspace",
    )


def _rows(checkpoint: Checkpoint, num_layers: int | None) -> tuple[int, ...] | None:
    """The rows [edit_start, edit_end) of w+, where -1 stands for the last and all."""
    path = checkpoint.path
    start, end = (
        int(_number(checkpoint, name, np.int32)) for name in ("edit_start", "edit_end")
    )
    is_open = end == -1 or end > (num_layers or MOST_ROWS)
    if start == 0 and (is_open or end == num_layers):
        return None
    if is_open and num_layers is None:
        raise ValueError(
            f"num_layers: missing; {path} edits the rows from {start} to the last"
        )
    rows = tuple(range(start, num_layers or 0) if is_open else range(start, end))
    if start < 0 or not rows:
        limit = "" if num_layers is None else f" of {num_layers}"
        raise CheckpointError(
            f"{path}: edit_start, edit_end: rows {start} to {end}{limit} found; at "
            "least one row from 0 up is needed"
        )
    return rows


def _number(
    checkpoint: Checkpoint,
    name: str,
    dtype: type[np.int32] | type[np.float32],
) -> int | float:
    value = checkpoint.tensors.get(name)
    whole = dtype is np.int32
    kinds = int if whole else (int, float)
    limit = 2**31 - 1 if whole else _LARGEST
    is_bool = isinstance(value, bool)
    # a NaN is not within any limit either
    if is_bool or not isinstance(value, kinds) or not abs(value) <= limit:
        wanted = "an integer" if whole else "a number"
        raise CheckpointError(
            f"{checkpoint.path}: {name}: {shown(value)} found; {wanted} is needed"
        )
    return value
