"""The files of GANSpace and of the editors that build on it.

A component cache (`.npz`) holds the components of a layer and the latent directions
behind them; a named direction (`.pkl`) one of these with its layers and its strength;
`*_pca.pt` the latent directions alone. Activations are [C, H, W] there and [H, W, C]
here.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converters.artefacts.contents import member, unit_vectors
from converters.containers.limits import shown
from jaxlatent.types import CheckpointError, Directions, directions

MOST_ROWS = 100
"""More than any generator has; an end beyond it stands for the last row."""

INFO = {
    "act_stdev": "stdev",
    "var_ratio": "variance_ratio",
    "random_stdevs": "random_stdev",
}
"""Arrays of a cache, and what the method's `info` calls them."""

_W_NAME = re.compile(r"_n\d+_w(_seed\d+)?$")
_LAYER_NAME = re.compile(r"^[^-]+-(.+)_(ipca|pca-full|fbpca|ica|spca)_c\d+")
_LARGEST = float(np.finfo(np.float32).max)
_NUMBERS = {
    "sigma_range": np.float32,
    "component_index": np.int32,
    "truncation": np.float32,
    "example_seed": np.int32,
    "act_stdev": np.float32,
}


def is_cache(found: Mapping[Any, Any]) -> bool:
    """Whether a file's dict is meant as a component cache."""
    return "lat_comp" in found or "act_comp" in found


def is_named_direction(found: Mapping[Any, Any]) -> bool:
    """Whether a file's dict is meant as a named direction."""
    return is_cache(found) and bool(found.keys() & {"edit_start", "sigma_range"})


def is_pca(found: Mapping[Any, Any]) -> bool:
    """Whether a file's dict is meant as the latent directions alone."""
    return "comp" in found and bool(found.keys() & {"mean", "std"})


def read_cache(
    path: str | os.PathLike[str],
    found: Mapping[Any, Any],
    *,
    part: str = "latent",
    layer: str | None = None,
) -> Directions:
    """Directions from the content of a component cache.

    Args:
        path: the file, whose name may tell the space.
        found: its arrays.
        part: "latent" or "activation".
        layer: our name of the decomposed layer, for activations.

    Returns:
        K directions, one unit of strength being one standard deviation; `info` as
        `INFO` says, and "latent_stdev" for directions of w behind another layer.

    Raises:
        CheckpointError: names the array that is missing or does not fit.
        ValueError: if `layer` is needed and missing.
    """
    name = Path(path).stem
    if part == "activation":
        hint = _LAYER_NAME.match(name)
        space = _feature_space(layer, hint[1] if hint else None)
        components = _flat(path, found, "act_comp", None, 1)
        mean = _flat(path, found, "act_mean", 1, like=found["act_comp"].shape[2:])[0]
        scale = member(path, found, "act_stdev", len(components))
        extra = {}
    else:
        components = member(path, found, "lat_comp", None, 1, None)[:, 0]
        mean = member(path, found, "lat_mean", 1, components.shape[1])[0]
        scale = member(path, found, "lat_stdev", len(components))
        regressed = not _same(found.get("act_comp"), found["lat_comp"])
        # the original writes ones where z comes first
        of_z = regressed and bool((scale == 1).all())
        space = "z" if of_z and not _W_NAME.search(name) else "w"
        extra = {"latent_stdev": scale} if regressed and space == "w" else {}
    info = extra | {
        ours: member(path, found, theirs, len(components))
        for theirs, ours in INFO.items()
        if theirs in found
    }
    return directions(
        unit_vectors(path, components),
        space=space,
        scale=scale.astype(np.float32),
        mean=mean.astype(np.float32),
        info={name: value.astype(np.float32) for name, value in info.items()},
        method="ganspace",
    )


def read_named_direction(
    path: str | os.PathLike[str],
    found: Mapping[Any, Any],
    *,
    part: str | None = None,
    layer: str | None = None,
    num_layers: int | None = None,
) -> Directions:
    """One direction from the content of a named direction.

    Args:
        path: the file, for messages.
        found: its entries; unknown ones are ignored.
        part: "latent" or "activation"; None for what its authors edit.
        layer: our name of the decomposed layer, for activations.
        num_layers: how many rows w+ has, for a range that is open at its end.

    Returns:
        One direction; `info` holds those of "sigma_range" (the strength that its
        authors chose), "component_index", "truncation", "example_seed" and "stdev" (of
        the activation) that the file has, [1] each.

    Raises:
        CheckpointError: names the entry that is missing or does not fit.
        ValueError: if `layer` or `num_layers` is needed and missing.
    """
    if part is None:
        part = "activation" if found.get("edit_type") == "activation" else "latent"
    info = {
        INFO.get(name, name): np.asarray([_number(path, found, name, dtype)], dtype)
        for name, dtype in _NUMBERS.items()
        if name in found
    }
    name = found.get("name")
    if not isinstance(name, str):
        raise CheckpointError(f"{path}: name: {shown(name)} found; a text is needed")
    layers = None
    if part == "activation":
        details = found.get("decomposition")
        hint = details.get("layer") if isinstance(details, dict) else None
        space = _feature_space(layer, hint if isinstance(hint, str) else None)
        vectors = _flat(path, found, "act_comp", 1)
        scale = _number(path, found, "act_stdev", np.float32)
    else:
        vectors = member(path, found, "lat_comp", 1, None)
        scale = _number(path, found, "lat_stdev", np.float32)
        space = found.get("latent_space")
        if space not in ("W", "Z"):
            raise CheckpointError(
                f"{path}: latent_space: {shown(space)} found; 'W' or 'Z' is accepted"
            )
        space = space.lower()
        layers = _rows(path, found, num_layers)
    return directions(
        unit_vectors(path, vectors),
        space=space,
        scale=np.asarray([scale], np.float32),
        info=info,
        layers=layers,
        names=[name],
        method="ganspace",
    )


def read_pca(path: str | os.PathLike[str], found: Mapping[Any, Any]) -> Directions:
    """Directions of w from `comp` [K, 1, D], `mean` [1, D] and `std` [K].

    Raises:
        CheckpointError: names the array that is missing or does not fit.
    """
    components = member(path, found, "comp", None, 1, None)[:, 0]
    count, dimension = components.shape
    return directions(
        unit_vectors(path, components),
        space="w",
        scale=member(path, found, "std", count).astype(np.float32),
        mean=member(path, found, "mean", 1, dimension)[0].astype(np.float32),
        method="ganspace",
    )


def _rows(
    path: str | os.PathLike[str], found: Mapping[Any, Any], num_layers: int | None
) -> tuple[int, ...] | None:
    """The rows [edit_start, edit_end) of w+, where -1 stands for the last and all."""
    start, end = (
        int(_number(path, found, name, np.int32)) for name in ("edit_start", "edit_end")
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
    path: str | os.PathLike[str],
    found: Mapping[Any, Any],
    name: str,
    dtype: type[np.int32] | type[np.float32],
) -> int | float:
    value = found.get(name)
    whole = dtype is np.int32
    kinds = int if whole else (int, float)
    limit = 2**31 - 1 if whole else _LARGEST
    is_bool = isinstance(value, bool)
    # a NaN is not within any limit either
    if is_bool or not isinstance(value, kinds) or not abs(value) <= limit:
        wanted = "an integer" if whole else "a number"
        raise CheckpointError(
            f"{path}: {name}: {shown(value)} found; {wanted} is needed"
        )
    return value


def _flat(
    path: str | os.PathLike[str],
    found: Mapping[Any, Any],
    name: str,
    *lead: int | None,
    like: tuple[int, ...] = (),
) -> np.ndarray:
    """Activations [*lead, C] or [*lead, C, H, W] as [N, D], in our order."""
    value = found.get(name)
    is_map = isinstance(value, np.ndarray) and value.ndim == len(lead) + 3
    feature = like or ((None,) * 3 if is_map else (None,))
    value = member(path, found, name, *lead, *feature)
    value = value.reshape(-1, *value.shape[len(lead) :])
    if is_map:
        value = np.moveaxis(value, 1, -1)
    return value.reshape(len(value), -1)


def _feature_space(layer: str | None, hint: str | None) -> str:
    if layer is None:
        theirs = f" {hint[:60]!a}" if hint else ""
        raise ValueError(
            f"layer: missing; the original's layer{theirs} has another name here, such "
            'as "b8.conv1"'
        )
    return f"feature:{layer}"


def _same(activations: object, latents: np.ndarray) -> bool:
    """Whether a cache decomposed the latent itself; one without activations did."""
    return activations is None or np.array_equal(np.asarray(activations), latents)
