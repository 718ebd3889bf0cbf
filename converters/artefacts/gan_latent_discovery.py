"""Deformators of GANLatentDiscovery (Voynov and Babenko), out of files and into them.

`deformator_{step}.pt` is a state dict, and so is "deformator" of a training's
`checkpoint.pt`. Which of two deformators a linear layer is, and whose codes it moves,
the file does not tell; `args.json` beside it, or beside the folder `models` in which it
lies, does, and `human_annotation.txt` there names directions. "random" and "id" have
nothing in their files: the former's directions are lost, the latter's are the axes.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from converters.artefacts.contents import member
from converters.artefacts.direction_shapes import Asked, guess_space
from converters.artefacts.file_names import Origin
from converters.checkpoints import Checkpoint, CheckpointFile
from converters.containers.writing import torch_zip
from jaxlatent.edits.annotations import annotated
from jaxlatent.edits.base import Edit
from jaxlatent.edits.deformation import Deformation, deformation
from jaxlatent.edits.directions import Directions, linear
from jaxlatent.guesses import Guess, Other
from jaxlatent.types import CheckpointError

METHOD = "unsupervised discovery"
ENTRY = "deformator"
ARGS, ANNOTATIONS = "args.json", "human_annotation.txt"
DEFORMATORS = {
    "id": "identity",
    "linear": "linear",
    "proj": "projective",
    "ortho": "orthonormal",
    "fc": "fc",
    "random": "random",
}
"""Ours by the originals' names."""
WIDTHS = {
    "BigGAN": 120,
    "ProgGAN": 512,
    "SN_MNIST": 128,
    "SN_Anime": 128,
    "StyleGAN2": 512,
}
"""Numbers of a code, by what args.json calls the generator."""

_FILE = re.compile(r"deformator_(\d+)\.pt")
_MOST_BYTES = 1 << 20
_LINEAR, _ROTATION = "linear.weight", "log_mat_half"
_NORM = ("weight", "bias", "running_mean", "running_var")


def deformator_file(file: CheckpointFile) -> CheckpointFile:
    """The deformator of the most steps, of a released or a training's folder.

    Anything but a folder with such files is returned as it is.
    """
    if isinstance(file, Checkpoint) or not os.path.isdir(file):
        return file
    for folder in (Path(file) / "models", Path(file)):
        steps = {
            int(found[1]): path
            for path in folder.glob("deformator_*.pt")
            if (found := _FILE.fullmatch(path.name))
        }
        if steps:
            return steps[max(steps)]
    checkpoint = Path(file) / "checkpoint.pt"
    return checkpoint if checkpoint.is_file() else file


def is_deformator(checkpoint: Checkpoint) -> bool:
    """Whether a file is meant as a deformator of any type."""
    found = _state(checkpoint)
    if not isinstance(found, Mapping):
        return False
    if not found:
        named = _FILE.fullmatch(checkpoint.path.name) is not None
        return named or found is not checkpoint.tensors
    return bool({_LINEAR, _ROTATION} & found.keys()) or (
        "fc1.weight" in found and "bn1.running_mean" in found
    )


def read_deformator(
    checkpoint: Checkpoint, asked: Asked
) -> tuple[Directions | Deformation, tuple[Guess, ...]]:
    """The edit that a deformator is, and what was guessed.

    Args:
        checkpoint: a file of which `is_deformator` is true.
        asked: what the caller says.

    Raises:
        CheckpointError: names what is missing or does not fit.
        ValueError: names the argument that does not fit.
    """
    path = checkpoint.path
    args = _args(path)
    state = replace(checkpoint, tensors=_state(checkpoint))
    kind, guess = _kind(state, args, asked)
    count, size, params = _params(state, kind, args, asked)
    known = _origin(args)
    space, guessed = asked.space, None
    if space is None:
        space, guessed = guess_space(
            np.zeros((count, size)), asked, known, file=str(path)
        )
    size = _size(path, size, args, asked, space)
    told: Any = {"space": space, "method": METHOD}
    try:
        edit: Any = deformation(kind, params, count, size, **told)
        text = _beside(path, ANNOTATIONS)
        edit = edit if text is None else annotated(edit, text)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return edit, tuple(one for one in (guess, guessed) if one is not None)


def encode_deformator(edit: Edit) -> bytes:
    """The file of the deformator that makes the same steps.

    Linear directions are of the type `linear`, with a bias of zeros.

    Raises:
        TypeError: for an edit that is neither linear nor a deformation.
        ValueError: for directions with rows, or a choice of those of `fc`.
    """
    if not isinstance(edit, Deformation):
        found = linear(edit, "edit")
        if found.vectors.ndim == 3 or found.layers is not None:
            raise ValueError(
                "edit: directions of single rows of w+ given; a deformator moves whole "
                "codes"
            )
        vectors = np.asarray(found.vectors * found.scale[:, None], np.float32)
        bias = np.zeros(found.dimension, np.float32)
        return torch_zip({_LINEAR: vectors.T, "linear.bias": bias})
    if edit.deformator != "fc":
        bias = np.asarray(edit.weights["bias"], np.float32)
        vectors = np.asarray(edit.vectors, np.float32)
        return torch_zip({_LINEAR: vectors.T, "linear.bias": bias})
    width = edit.vectors.shape[-1]
    if not np.array_equal(edit.vectors, np.eye(width)):
        raise ValueError(
            f"edit: {len(edit)} directions of a network of {width} given; all of them, "
            "in their order, are accepted"
        )
    arrays: dict[str, np.ndarray] = {}
    for layer, leaves in edit.weights.items():
        for name, leaf in leaves.items():
            named = "weight" if name == "scale" else name
            arrays[f"{layer}.{named}"] = np.asarray(leaf, np.float32).T
        if layer.startswith("bn"):
            arrays[f"{layer}.num_batches_tracked"] = np.zeros((), np.int64)
    return torch_zip(arrays)


def _state(checkpoint: Checkpoint) -> Any:
    """A deformator's state dict, alone or in a training's checkpoint."""
    found = checkpoint.tensors
    if isinstance(found, Mapping) and isinstance(found.get(ENTRY), Mapping):
        return found[ENTRY]
    return found


def _beside(path: Path, name: str) -> str | None:
    """A text beside a file or beside the folder that it lies in; None if there is none.

    Raises:
        CheckpointError: for one that is no text, or too long.
    """
    for folder in (path.parent, path.parent.parent):
        file = folder / name
        if not file.is_file():
            continue
        if file.stat().st_size > _MOST_BYTES:
            raise CheckpointError(f"{file}: longer than {_MOST_BYTES} bytes")
        try:
            return file.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{file}: no text of UTF-8") from error
    return None


def _args(path: Path) -> Mapping[str, Any]:
    """The options of a training, by name; {} if they are nowhere."""
    text = _beside(path, ARGS)
    try:
        found = {} if text is None else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the {ARGS} beside it is no JSON") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: the {ARGS} beside it holds no JSON object")
    return found


def _count(args: Mapping[str, Any], *names: str) -> int | None:
    """The first of several options that is there and a number of directions."""
    for name in names:
        value = args.get(name)
        if type(value) is int and 0 < value <= 1 << 16:
            return value
    return None


def _kind(
    state: Checkpoint, args: Mapping[str, Any], asked: Asked
) -> tuple[str, Guess | None]:
    """Which deformator the arrays are of."""
    found, path = state.tensors, state.path
    told = args.get(ENTRY)
    named = DEFORMATORS.get(told) if isinstance(told, str) else None
    if not found:
        if named == "identity":
            return named, None
        reason = (
            "'random', whose directions no file holds"
            if named == "random"
            else f"no arrays, as of 'id' and 'random', and no {ARGS} tells which"
        )
        raise CheckpointError(f"{path}: a deformator of {reason}")
    if _ROTATION in found:
        return "orthonormal", None
    if _LINEAR not in found:
        return "fc", None
    if asked.deformator is not None:
        if asked.deformator not in ("linear", "projective"):
            raise ValueError(
                f"deformator: {asked.deformator!r} given; 'linear' or 'projective' is "
                "accepted"
            )
        return asked.deformator, None
    if named in ("linear", "projective"):
        return named, None
    other = Other("deformator", "projective", "a projective one")
    return "linear", Guess(str(path), "a linear deformator", "by its arrays", (other,))


def _params(
    state: Checkpoint, kind: str, args: Mapping[str, Any], asked: Asked
) -> tuple[int, int, dict[str, Any]]:
    """K, the numbers of a step, and the arrays as `deformation` takes them."""
    if kind == "identity":
        named = args.get("gan_type")
        width = WIDTHS.get(named) if isinstance(named, str) else None
        widths = asked.widths or {width}
        count = _count(args, "directions_count", "max_latent_ind", "max_latent_dim")
        size = next(iter(widths)) or count
        if size is None:
            raise CheckpointError(
                f"{state.path}: a deformator 'id' whose number of directions nothing "
                "tells"
            )
        return min(count or size, size), size, {}
    if kind == "orthonormal":
        width = len(member(state, _ROTATION, None, None))
        half = member(state, _ROTATION, width, width)
        return width, width, {"logarithm": np.array(half, np.float32)}
    if kind == "fc":
        return _network(state)
    weight = member(state, _LINEAR, None, None)
    params = {"vectors": np.array(weight.T, np.float32, order="C")}
    if "linear.bias" in state.tensors:
        bias = member(state, "linear.bias", len(weight))
        params["bias"] = np.array(bias, np.float32)
    return weight.shape[1], weight.shape[0], params


def _network(state: Checkpoint) -> tuple[int, int, dict[str, Any]]:
    """The layers of "fc"."""
    hidden, width = member(state, "fc1.weight", None, None).shape
    params: dict[str, Any] = {}
    for number in range(1, 5):
        name = f"fc{number}"
        fan_in, out = width if number == 1 else hidden, width if number == 4 else hidden
        weight = member(state, f"{name}.weight", out, fan_in)
        bias = member(state, f"{name}.bias", out)
        params[name] = {
            "weight": np.array(weight.T, np.float32, order="C"),
            "bias": np.array(bias, np.float32),
        }
    for number in range(1, 4):
        name = f"bn{number}"
        leaves = {
            part: np.array(member(state, f"{name}.{part}", hidden), np.float32)
            for part in _NORM
        }
        params[name] = {"scale": leaves.pop("weight"), **leaves}
    return width, width, params


def _origin(args: Mapping[str, Any]) -> Origin:
    """Whose codes move, by the options."""
    named = args.get("gan_type")
    if not isinstance(named, str) or named not in WIDTHS:
        return Origin(METHOD, None, None, "direction")
    # the original's loader takes w for what does not say otherwise
    in_w = named == "StyleGAN2" and args.get("w_shift") is not False
    why = f"as {ARGS} tells of {named}"
    return Origin(METHOD, "w" if in_w else "z", None, "direction", why, True)


def _size(
    path: Path, width: int, args: Mapping[str, Any], asked: Asked, space: str
) -> int:
    """The numbers of a code, to which steps of `width` are brought."""
    named = args.get("gan_type")
    size = WIDTHS.get(named) if isinstance(named, str) else None
    if space in asked.shapes:
        size = asked.shapes[space][-1]
    if size is None:
        return width
    if width > size and _count(args, "max_latent_dim") != width:
        raise CheckpointError(
            f"{path}: steps of {width} numbers found; codes of {size} are moved, and "
            f"no max_latent_dim in {ARGS} says that the rest is cut"
        )
    return size
