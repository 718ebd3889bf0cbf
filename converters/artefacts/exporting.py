"""One way out: directions in the layouts that other programs read."""

import io
import os
from collections.abc import Callable, Mapping

import numpy as np

from converters.artefacts.gan_latent_discovery import encode_deformator
from converters.artefacts.ganspace_writing import (
    encode_cache,
    encode_named_direction,
    encode_pca,
)
from converters.artefacts.safetensors_layout import encode_directions
from converters.artefacts.units import (
    check_one_direction,
    check_space_and_shape,
    unit_and_scale,
)
from converters.artefacts.warped_ganspace import encode_support_sets
from jaxlatent.edits.annotations import annotations
from jaxlatent.edits.base import Edit
from jaxlatent.edits.directions import Directions, linear
from jaxlatent.files import atomic_write

LINEAR_LAYOUTS = (
    *("npy", "interfacegan", "lowrankgan", "resefa"),
    *("ganspace", "ganspace-direction", "pca-pt", "safetensors"),
)
"""Those that hold linear directions and nothing else."""

LAYOUTS = (*LINEAR_LAYOUTS, "deformator", "annotations", "support-sets")

_OPTIONS = {
    "ganspace": ("activations", "feature_shape"),
    "ganspace-direction": ("strength", "activations", "feature_shape", "facts"),
}


def export_edit(
    edit: Edit,
    path: str | os.PathLike[str],
    *,
    layout: str,
    index: int | None = None,
    strength: float | None = None,
    activations: Directions | None = None,
    feature_shape: tuple[int, int, int] | None = None,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Write directions for another program, whole or not at all.

    | layout | file | holds |
    |---|---|---|
    | "npy" | `.npy` | the vectors as they are, [K, D] or [K, L, D] |
    | "interfacegan" | `.npy` | one direction of z or w, [1, D], float64, unit length |
    | "lowrankgan" | `.npy` | one direction of w, [1, D], float64, unit length |
    | "resefa" | `.npy` | one direction of w, [1, D], float32, unit length |
    | "ganspace" | `.npz` | a component cache: directions of z or w, mean, spreads |
    | "ganspace-direction" | `.pkl` | one direction of z or w, layers, strength |
    | "pca-pt" | `.pt` | directions of w, mean, scale |
    | "safetensors" | `.safetensors` | everything |
    | "deformator" | `.pt` | GANLatentDiscovery's deformator: directions of z or w |
    | "annotations" | `.txt` | the names that are not the default ones |
    | "support-sets" | `.pt` | paths of radial basis functions, for WarpedGANSpace |

    All but the last three hold linear directions alone, "deformator" a `Deformation`
    as well; to GANLatentDiscovery, linear ones are of the type `linear`.

    What a layout has no place for (layers and names, say) is left out. Lengths other
    than one go into the scale where there is a place for it.

    Args:
        edit: the directions.
        path: the file, replaced if it exists.
        layout: one of `LAYOUTS`.
        index: write this direction alone. The layouts of one direction need it if
            there are several.
        strength: of "ganspace-direction": the strength to keep, in units of `scale`;
            None for `facts["sigma_range"]`, which imported ones have.
        activations: of GANSpace's layouts: the same components as directions of the
            decomposed layer; needed if that is not the latent itself.
        feature_shape: (H, W, C) of the activations, None if they are flat.
        facts: of "ganspace-direction": what an edit does not know, under the layout's
            own names "model_name", "output_class", "decomposition", "edit_type",
            "component_index", "truncation" and "example_seed". GANSpace offers a
            direction only for the model and the class that it names.

    Raises:
        TypeError: for an edit of a kind that the layout cannot hold.
        ValueError: names the argument that the layout cannot hold, or needs.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout: {layout!r} given; {LAYOUTS} are accepted")
    if layout in LINEAR_LAYOUTS:
        edit = linear(edit, "edit")
    if activations is not None:
        activations = linear(activations, "activations")
    options = {
        "strength": strength,
        "activations": activations,
        "feature_shape": feature_shape,
        "facts": facts,
    }
    options = {name: value for name, value in options.items() if value is not None}
    for name in options.keys() - _OPTIONS.get(layout, ()):
        raise ValueError(
            f"{name}: given, but the layout {layout!r} has no place for it"
        )
    if index is not None:
        edit = edit.select([index])
        if activations is not None:
            options["activations"] = activations.select([index])
    if layout == "ganspace-direction":
        options["index"] = index or 0
    atomic_write(path, _ENCODERS[layout](edit, **options))


def _encode_vectors(edit: Directions) -> bytes:
    vectors = np.asarray(edit.vectors)
    # NumPy's format knows neither bfloat16 nor its like
    return _npy(vectors.astype(np.float32) if vectors.dtype.kind == "V" else vectors)


def _one_unit(edit: Directions, layout: str, spaces: tuple[str, ...]) -> np.ndarray:
    check_space_and_shape(edit, layout, spaces)
    check_one_direction(edit, layout)
    return unit_and_scale(edit)[0]


def _encode_interfacegan(edit: Directions) -> bytes:
    return _npy(_one_unit(edit, "interfacegan", ("z", "w", "w+")))


def _encode_lowrankgan(edit: Directions) -> bytes:
    return _npy(_one_unit(edit, "lowrankgan", ("w", "w+")))


def _encode_resefa(edit: Directions) -> bytes:
    return _npy(_one_unit(edit, "resefa", ("w", "w+")).astype(np.float32))


def _encode_annotations(edit: Edit) -> bytes:
    return annotations(edit).encode()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    contiguous = np.ascontiguousarray(array)
    np.lib.format.write_array(buffer, contiguous, (1, 0), allow_pickle=False)
    return buffer.getvalue()


_ENCODERS: dict[str, Callable[..., bytes]] = {
    "npy": _encode_vectors,
    "interfacegan": _encode_interfacegan,
    "lowrankgan": _encode_lowrankgan,
    "resefa": _encode_resefa,
    "ganspace": encode_cache,
    "ganspace-direction": encode_named_direction,
    "pca-pt": encode_pca,
    "safetensors": encode_directions,
    "deformator": encode_deformator,
    "annotations": _encode_annotations,
    "support-sets": encode_support_sets,
}
