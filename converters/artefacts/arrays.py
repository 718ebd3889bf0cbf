"""Directions as one bare array: most projects' layout.

InterFaceGAN's boundaries, the directions of LowRankGAN and ReSeFa, rows that GANSpace's
notebook saves; the "eigvec" matrix of the closed-form
factorisation in rosinality's repository, whose columns are the directions; and the
dicts of HiGAN and idinvert, `{"boundary", "meta_data": {"manipulate_layers"}}`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from converters.artefacts.codes import OWN_NAMES
from converters.artefacts.contents import (
    check_finite,
    find_array,
    is_real,
    near_one,
    unit_vectors,
)
from converters.artefacts.direction_shapes import (
    Asked,
    arrange_directions,
    guess_layers,
    guess_space,
)
from converters.artefacts.file_names import origin
from converters.artefacts.ganspace_named import MOST_ROWS
from converters.checkpoints import Checkpoint
from converters.containers.limits import shown
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.guesses import Guess
from jaxlatent.types import CheckpointError, parse_layers

EIGENVECTORS = "eigvec"

NAMES = (EIGENVECTORS, "boundary", "direction", "directions", "coef_")
OFFSETS = ("bias", "intercept", "intercept_")
SETTINGS, ROWS = "meta_data", "manipulate_layers"

ACCEPTED = (
    "one array of directions [D], [K, D], [L, D] or [K, L, D], or an 'eigvec' matrix "
    "(.npy, .npz, .pt, .pkl, .safetensors); a 'boundary' with its 'bias', or with its "
    "layers in 'meta_data'; GANSpace's component cache (.npz), its named direction "
    "(.pkl), its mean, comp and std (.pt); GANalyze's 'w' (.pth); Latent2im's walk "
    "modules (.ckpt); a walk of steerability (.index, .pkl); GANLatentDiscovery's "
    "deformators (.pt); what export_edit wrote"
)


def read_array(
    checkpoint: Checkpoint, asked: Asked
) -> tuple[Directions, tuple[Guess, ...]]:
    """Directions from what a file with one array holds, and what was guessed.

    Args:
        checkpoint: the file; its name may tell the method, the space and the layers.
            It holds an array, alone or in a dict; see `arrange_directions`.
        asked: what the caller says.

    Raises:
        CheckpointError: if there is no such array.
        ValueError: names the argument that does not fit it.
    """
    path, found = checkpoint.path, checkpoint.tensors
    _refuse_styles(checkpoint)
    name, array = find_array(checkpoint, NAMES, ACCEPTED)
    check_finite(path, "directions", array)
    known, file = origin(path), str(path)
    if name == EIGENVECTORS:
        array, asked = array.T, replace(asked, per_layer=False)
    rows = _rows(checkpoint, asked)
    if rows is not None and array.ndim < 3:
        # a number of rows is there for the selection, and counts none of the array
        asked = replace(asked, num_layers=None)
    vectors, layout = arrange_directions(array, asked, file=file)
    if name in OWN_NAMES and not near_one(np.linalg.norm(vectors, axis=-1)):
        raise CheckpointError(
            f"{path}: codes called {name!r}; directions have length one, and codes are "
            "read where codes are asked for"
        )
    units = unit_vectors(path, vectors)
    content = found if isinstance(found, Mapping) else {}
    space, layers, guesses = asked.space, rows, [layout]
    if units.ndim == 3:
        space = "w+"
    elif (space is None and name == EIGENVECTORS) or rows is not None:
        space = space or "w"
    elif space is None:
        space, guess = guess_space(units, asked, known, file=file)
        guesses.append(guess)
    if units.ndim == 2 and rows is None and asked.layers is None:
        layers, guess = guess_layers(space, asked, known, file=file)
        guesses.append(guess)
    count = len(units)
    edit = directions(
        units,
        bias=_bias(checkpoint, content, vectors, units),
        space=space,
        layers=layers,
        names=[known.name]
        if count == 1
        else [f"{known.name} {i}" for i in range(count)],
        method=known.method,
    )
    return edit, tuple(guess for guess in guesses if guess is not None)


def _rows(checkpoint: Checkpoint, asked: Asked) -> tuple[int, ...] | None:
    """The rows of w+ that HiGAN's settings name; None for all, or without settings."""
    found = checkpoint.tensors
    settings = found.get(SETTINGS) if isinstance(found, Mapping) else None
    value = settings.get(ROWS) if isinstance(settings, Mapping) else None
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if value is None or value == [] or value == "":
        return None
    try:
        return parse_layers(value, asked.rows or MOST_ROWS)
    except (TypeError, ValueError):
        raise CheckpointError(
            f"{checkpoint.path}: {ROWS}: {shown(value)} found; rows such as '6-11' or "
            f"[0, 1], from 0 to {(asked.rows or MOST_ROWS) - 1}, are accepted"
        ) from None


def _bias(
    checkpoint: Checkpoint,
    content: Mapping[Any, Any],
    vectors: np.ndarray,
    units: np.ndarray,
) -> np.ndarray | None:
    """A hyperplane's offset in its direction's units: coordinate 0 lies on it."""
    name = next((name for name in OFFSETS if name in content), None)
    if name is None:
        return None
    value = np.asarray(content[name], np.float64).reshape(-1)
    if value.shape != (len(units),) or not np.isfinite(value).all():
        raise CheckpointError(
            f"{checkpoint.path}: {name}: shape {np.shape(content[name])} found; one "
            f"finite number for each of {len(units)} directions is accepted"
        )
    flat, one = (a.reshape(len(units), -1).astype(np.float64) for a in (vectors, units))
    along = (flat * one).sum(1) / (flat**2).sum(1) / (one**2).sum(1)
    return (value * along).astype(np.float32)


def _refuse_styles(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError for style vectors by layer, which are of several widths."""
    found = checkpoint.tensors
    parts = list(found.values()) if isinstance(found, Mapping) else found
    if not isinstance(parts, list | tuple) or (
        isinstance(found, Mapping) and set(NAMES) & found.keys()
    ):
        return
    arrays = [part for part in parts if is_real(part) and part.ndim]
    widths = {array.shape[-1] for array in arrays}
    if len(arrays) == len(parts) > 2 and len(widths) > 1:
        raise CheckpointError(
            f"{checkpoint.path}: {len(arrays)} vectors of {min(widths)} to "
            f"{max(widths)} numbers, as the styles of StyleSpace and StyleCLIP are; "
            "directions of z, w or w+ are accepted"
        )
