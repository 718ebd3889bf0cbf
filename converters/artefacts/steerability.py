"""Walks of steerability (Jahanian, Chai and Isola, 2020), in the units they learned in.

TensorFlow's checkpoints hold a linear "walk" [1, d, sliders] of z, or of the flattened
rows of w+ [1, L * 512, sliders], or the four dense layers of a walk of networks in z;
`opt.yml` beside them says what was taught. GANSpace keeps linear walks as pickles
`{"w_zoom": [1, d, 1]}`, and as arrays [L, 512] in folders called steerability.

One unit of strength is, of a zoom, one of log alpha (above 0 zooms out); of a shift 128
pixels for BigGAN and 50 for StyleGAN; of a rotation 45 degrees; of a colour one; and of
networks one step.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from converters.artefacts.contents import check_finite, member
from converters.artefacts.direction_shapes import (
    USUAL_ROWS,
    USUAL_WIDTH,
    Asked,
    arrange_directions,
    guess_space,
)
from converters.artefacts.file_names import origin
from converters.checkpoints import Checkpoint
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.walks import NeuralWalk, neural_walk
from jaxlatent.guesses import Guess
from jaxlatent.types import CheckpointError

WALK = "walk"
LAYERS = ("dense", "dense_1", "dense_2_1", "dense_3_1")
STEPS = 20
"""How far networks go on; 4 or 5 steps each way were taught."""

FOLDER, OPTIONS = "steerability", "opt.yml"
_PICKLED = re.compile(r"w_(zoom|shift[xy]|rotate[23]d|color(?:lab)?)")
_TRANSFORM = re.compile(r"^transform:\s*['\"]?(\w+)", re.MULTILINE)
_MOST_OPTIONS_BYTES = 1 << 16


def is_walk(checkpoint: Checkpoint) -> bool:
    """Whether a file holds a walk of steerability."""
    return _is_network(checkpoint) or _linear_name(checkpoint) is not None


def read_walk(
    checkpoint: Checkpoint, asked: Asked
) -> tuple[Directions | NeuralWalk, tuple[Guess, ...]]:
    """The walk of a file of which `is_walk` is true, and what was guessed.

    Args:
        checkpoint: the file.
        asked: what the caller says; the rows of w+ part a flattened walk.

    Returns:
        A direction for each slider, whose unit of strength is as long as it was
        learned; or a walk of networks that keeps the length of z.

    Raises:
        CheckpointError: names the array that does not fit.
        ValueError: names the argument that does not fit it.
    """
    if _is_network(checkpoint):
        return _network(checkpoint), ()
    return _linear(checkpoint, asked)


def _network(checkpoint: Checkpoint) -> NeuralWalk:
    width = member(checkpoint, f"{LAYERS[0]}/kernel", None, None).shape[0]
    layers = [
        {
            "weight": _single(member(checkpoint, f"{name}/kernel", width, width)),
            "bias": _single(member(checkpoint, f"{name}/bias", width)),
        }
        for name in LAYERS
    ]
    return neural_walk(
        layers[:2],
        layers[2:],
        steps=STEPS,
        norm="sample",
        space="z",
        names=[_name(checkpoint)],
        method="steerability",
    )


def _single(array: np.ndarray) -> np.ndarray:
    """An array as that of the first of one walk."""
    return np.array(array[None], np.float32)


def _linear(
    checkpoint: Checkpoint, asked: Asked
) -> tuple[Directions, tuple[Guess, ...]]:
    name = _linear_name(checkpoint)
    path, found = checkpoint.path, checkpoint.tensors
    walk = found if isinstance(found, np.ndarray) else found[name]
    check_finite(path, name or WALK, walk)
    file, guesses = str(path), []
    if walk.ndim == 3:
        if walk.shape[0] != 1 or not walk.size:
            raise CheckpointError(
                f"{path}: {name}: shape {walk.shape} found; (1, any, sliders) is needed"
            )
        walk = walk[0].T
        rows = walk.shape[1] // USUAL_WIDTH
        usual = walk.shape[1] % USUAL_WIDTH == 0 and rows in USUAL_ROWS
        if asked.rows is None and asked.space in (None, "w+") and usual:
            asked = dataclasses.replace(asked, num_layers=rows)
        # rows are those of sliders, unless they are flattened ones of w+
        per_layer = bool(asked.rows) and walk.shape[1] not in asked.widths
        per_layer &= asked.space in (None, "w+") and asked.per_layer is not False
        if per_layer and walk.shape[1] % (asked.rows or 1) == 0:
            walk = walk.reshape(len(walk), asked.rows, -1)
    else:
        if asked.per_layer is None and asked.space in (None, "w+"):
            asked = dataclasses.replace(asked, per_layer=True)
        walk, guess = arrange_directions(walk, asked, file=file)
        guesses.append(guess)
    axes = tuple(range(1, walk.ndim))
    length = np.sqrt((walk.astype(np.float64) ** 2).sum(axes))
    if not length.all():
        raise CheckpointError(f"{path}: a direction of length zero")
    units = (walk / length.reshape(-1, *(1,) * len(axes))).astype(np.float32)
    if units.ndim == 3:
        space = "w+"
    else:
        known = dataclasses.replace(
            origin(path), space="z", why="as the walks of BigGAN are"
        )
        space, guess = asked.space, None
        if space is None:
            space, guess = guess_space(units, asked, known, file=file)
        guesses.append(guess)
    about, count = _name(checkpoint), len(units)
    names = [about] if count == 1 else [f"{about} {n}" for n in range(count)]
    if about.startswith("color") and count == 3:
        names = ["red", "green", "blue"]
    edit = directions(
        units,
        scale=length.astype(np.float32),
        report={"length": length.astype(np.float32)},
        space=space,
        names=names,
        method="steerability",
    )
    return edit, tuple(guess for guess in guesses if guess is not None)


def _is_network(checkpoint: Checkpoint) -> bool:
    found = checkpoint.tensors
    return isinstance(found, Mapping) and f"{LAYERS[2]}/kernel" in found


def _linear_name(checkpoint: Checkpoint) -> str | None:
    """The name of a linear walk, that of its file for a bare array; None for none."""
    found = checkpoint.tensors
    if isinstance(found, np.ndarray):
        beside = Path(checkpoint.path).absolute().parts[-3:-1]
        is_known = FOLDER in beside and found.ndim == 2
        return checkpoint.path.stem if is_known else None
    if not isinstance(found, Mapping):
        return None
    for name, value in found.items():
        is_walk = isinstance(value, np.ndarray) and value.ndim == 3
        known = name == WALK and checkpoint.container == "tensor-bundle"
        pickled = len(found) == 1 and _PICKLED.fullmatch(str(name))
        if is_walk and (known or pickled):
            return name
    return None


def _name(checkpoint: Checkpoint) -> str:
    """What a walk changes, as far as its file or the options beside it tell."""
    found = checkpoint.tensors
    if isinstance(found, Mapping):
        for name in found:
            if pickled := _PICKLED.fullmatch(str(name)):
                return pickled[1]
    options = checkpoint.path.with_name(OPTIONS)
    if options.is_file():
        with options.open("rb") as stream:
            text = stream.read(_MOST_OPTIONS_BYTES).decode(errors="replace")
        if told := _TRANSFORM.search(text):
            return told[1]
    return checkpoint.path.name.partition(".")[0]
