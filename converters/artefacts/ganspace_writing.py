"""Directions in the layouts of GANSpace, which `ganspace` reads."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.artefacts.ganspace import REPORT
from converters.artefacts.units import (
    check_one_direction,
    check_space_and_shape,
    unit_and_scale,
)
from converters.containers.writing import numpy_array, pickled, torch_zip
from jaxlatent.edits.directions import Directions
from jaxlatent.files import encode_arrays

FACTS = (
    *("model_name", "output_class", "decomposition", "edit_type"),
    *("component_index", "truncation", "example_seed"),
)
"""Entries of a named direction that a caller may give."""

ROUNDING = 1e-5

_UNKNOWN_DECOMPOSITION = {
    **dict.fromkeys(("name", "layer", "class_name"), ""),
    **dict.fromkeys(("components", "samples"), 0),
}


def encode_cache(
    edit: Directions,
    *,
    activations: Directions | None = None,
    feature_shape: tuple[int, int, int] | None = None,
) -> bytes:
    """The eight arrays of a component cache, as `export_edit` describes them."""
    check_space_and_shape(edit, "ganspace", ("z", "w"))
    vectors, scale = unit_and_scale(edit)
    if edit.space == "z":
        if np.abs(scale - 1).max() > ROUNDING:
            raise ValueError(
                "edit: directions of 'z' with other scales than one given, which the "
                "layout 'ganspace' does not tell from 'w'"
            )
        scale = np.ones_like(scale)
    components, stdev = _activations(edit, activations, feature_shape, scale)
    arrays = {
        "act_comp": components[:, None],
        "act_mean": _features(_mean(activations or edit, "ganspace"), feature_shape),
        "act_stdev": stdev,
        "lat_comp": vectors[:, None],
        "lat_mean": _mean(edit, "ganspace"),
        "lat_stdev": scale,
        "var_ratio": _spread(edit, REPORT["var_ratio"]),
        "random_stdevs": _spread(edit, REPORT["random_stdevs"]),
    }
    return encode_arrays(
        {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    )


def encode_named_direction(
    edit: Directions,
    *,
    index: int = 0,
    strength: float | None = None,
    activations: Directions | None = None,
    feature_shape: tuple[int, int, int] | None = None,
    facts: Mapping[str, object] | None = None,
) -> bytes:
    """The pickle of one named direction, as `export_edit` describes it.

    Protocol 3, plain values and float32 arrays under the names of NumPy 1, so that
    every version of Python 3 and NumPy reads it.
    """
    check_space_and_shape(edit, "ganspace-direction", ("z", "w"))
    check_one_direction(edit, "ganspace-direction")
    facts = dict(facts or {})
    unknown = sorted(facts.keys() - set(FACTS))
    if unknown:
        raise ValueError(f"facts: {unknown} given; {FACTS} are accepted")
    known: dict[str, Any] = {
        name: edit.facts[name]
        for name in ("sigma_range", "component_index", "truncation", "example_seed")
        if name in edit.facts
    }
    if strength is None and "sigma_range" not in known:
        raise ValueError("strength: missing; a named direction keeps one")
    vectors, scale = unit_and_scale(edit)
    components, stdev = _activations(edit, activations, feature_shape, scale)
    start, end = _range(edit.layers)
    entries = {
        "model_name": "",
        "output_class": "",
        "decomposition": dict(_UNKNOWN_DECOMPOSITION),
        "edit_type": "latent",
        "component_index": index,
        "truncation": 1.0,
        "example_seed": 0,
        **known,
        **facts,
        "name": edit.names[0],
        "sigma_range": float(known["sigma_range"] if strength is None else strength),
        "act_comp": numpy_array(components.astype(np.float32)),
        "lat_comp": numpy_array(vectors.astype(np.float32)),
        "latent_space": edit.space.upper(),
        "act_stdev": float(stdev[0]),
        "lat_stdev": float(scale[0]),
        "edit_start": start,
        "edit_end": end,
    }
    try:
        return pickled(entries, 3)
    except TypeError as error:
        raise ValueError(f"facts: {error}") from None


def encode_pca(edit: Directions) -> bytes:
    """The torch file of mean, components and spreads that inversion projects read."""
    check_space_and_shape(edit, "pca-pt", ("w",))
    vectors, scale = unit_and_scale(edit)
    arrays = {
        "mean": _mean(edit, "pca-pt"),
        "comp": vectors[:, None],
        "std": scale,
    }
    return torch_zip({name: np.asarray(a, np.float32) for name, a in arrays.items()})


def _mean(edit: Directions, layout: str) -> np.ndarray:
    """[1, D]."""
    if edit.mean is None:
        raise ValueError(f"edit: without a mean, which the layout {layout!r} needs")
    return np.asarray(edit.mean)[None]


def _spread(edit: Directions, name: str) -> np.ndarray:
    """An entry of the report, or a fact about all directions, [K]."""
    if name not in edit.report and name not in edit.facts:
        raise ValueError(
            f"edit: its report has no {name!r}, which the layout 'ganspace' needs"
        )
    value: Any = edit.report.get(name, edit.facts.get(name))
    return np.broadcast_to(np.asarray(value), (len(edit),))


def _activations(
    edit: Directions,
    activations: Directions | None,
    feature_shape: tuple[int, int, int] | None,
    scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Components of the decomposed layer, [K, *feature], and their spreads [K]."""
    if activations is None:
        if edit.space == "z" or "latent_stdev" in edit.report:
            raise ValueError(
                "activations: missing; these directions belong to components of a "
                "layer, which the layout holds too"
            )
        if feature_shape is not None:
            raise ValueError("feature_shape: given without activations")
        stdev = np.asarray(edit.report.get("stdev", scale))
        return unit_and_scale(edit)[0], np.broadcast_to(stdev, (len(edit),))
    if len(activations) != len(edit) or not activations.space.startswith("feature:"):
        raise ValueError(
            f"activations: {len(activations)} directions of {activations.space!r} "
            f"given; {len(edit)} of a feature are needed"
        )
    vectors, stdev = unit_and_scale(activations)
    return _features(vectors, feature_shape), stdev


def _features(
    values: np.ndarray, feature_shape: tuple[int, int, int] | None
) -> np.ndarray:
    """[N, D] of ours as [N, C, H, W], or as they are."""
    if feature_shape is None:
        return values
    if np.prod(feature_shape) != values.shape[1]:
        raise ValueError(
            f"feature_shape: {feature_shape} given for activations of dimension "
            f"{values.shape[1]}"
        )
    return np.moveaxis(values.reshape(-1, *feature_shape), -1, 1)


def _range(layers: tuple[int, ...] | None) -> tuple[int, int]:
    """[edit_start, edit_end), -1 for the last row and all."""
    if layers is None:
        return 0, -1
    if layers != tuple(range(layers[0], layers[-1] + 1)):
        raise ValueError(
            f"edit: layers {layers} given; the layout 'ganspace-direction' holds a "
            "range without gaps"
        )
    return layers[0], layers[-1] + 1
