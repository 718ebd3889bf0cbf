"""GANalyze's trained transformers: a direction of z that raises an assessor's score.

PyTorch's `pytorch_model_{step}.pth` holds "w" [1, d], one direction for all classes; or
"NN_output.weight" [d, C] and "NN_output.bias" [d], a linear layer from one-hot classes
to directions. TensorFlow's checkpoints call the former "w_ganalyze"; they are read from
an array of that name in a NumPy or safetensors file. A step of one is a score's unit.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from converters.artefacts.contents import member
from converters.artefacts.file_names import origin
from converters.checkpoints import Checkpoint
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.types import CheckpointError

ONE_DIRECTION = "w"
TENSORFLOW = "w_ganalyze"
CLASS_WEIGHT, CLASS_BIAS = "NN_output.weight", "NN_output.bias"


def is_ganalyze(checkpoint: Checkpoint) -> bool:
    """Whether a file is meant as a transformer of GANalyze."""
    found = _named(checkpoint).tensors
    if not isinstance(found, Mapping):
        return False
    return CLASS_WEIGHT in found or _direction_name(checkpoint) is not None


def read_ganalyze(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """The arrays of a transformer, inputs first.

    Args:
        checkpoint: a file of which `is_ganalyze` is true.

    Returns:
        "direction" [1, d]; or "weight" [C, d] and "bias" [d], so that class c moves
        along `weight[c] + bias`. All in single precision, of the length that moves the
        score by one.

    Raises:
        CheckpointError: names the array that is missing or does not fit.
    """
    name = _direction_name(checkpoint)
    checkpoint = _named(checkpoint)
    if name is not None:
        direction = member(checkpoint, name, 1, None)
        return {"direction": np.array(direction, np.float32)}
    weight = member(checkpoint, CLASS_WEIGHT, None, None)
    bias = member(checkpoint, CLASS_BIAS, len(weight))
    return {
        "weight": np.array(weight.T, np.float32, order="C"),
        "bias": np.array(bias, np.float32),
    }


def ganalyze_directions(checkpoint: Checkpoint) -> Directions:
    """The direction of z of a transformer that has one for all classes.

    Returns:
        One direction of length one; `scale` is the length it was trained to, so that
        one unit of strength is one of the assessor's score.

    Raises:
        CheckpointError: if there is no such direction, or its length is zero.
    """
    found = read_ganalyze(checkpoint)
    if "direction" not in found:
        raise CheckpointError(
            f"{checkpoint.path}: a direction for each class found; one for all classes "
            "is accepted"
        )
    vector = found["direction"].astype(np.float64)
    length = np.linalg.norm(vector)
    if not length:
        raise CheckpointError(f"{checkpoint.path}: a direction of length zero")
    return directions(
        (vector / length).astype(np.float32),
        space="z",
        scale=np.asarray([length], np.float32),
        names=[origin(checkpoint.path).name],
        method="ganalyze",
    )


def _named(checkpoint: Checkpoint) -> Checkpoint:
    """The file, with a bare array under the name of its file."""
    if not isinstance(checkpoint.tensors, np.ndarray):
        return checkpoint
    named = {checkpoint.path.stem: checkpoint.tensors}
    return dataclasses.replace(checkpoint, tensors=named)


def _direction_name(checkpoint: Checkpoint) -> str | None:
    """The name of the one direction, None if there is none."""
    found = _named(checkpoint).tensors
    for name in found:
        # TensorFlow puts the scope before a variable's name, and an output behind it
        if isinstance(name, str) and name.split("/")[-1].split(":")[0] == TENSORFLOW:
            return name
    # a "w" among other arrays, or in a file of NumPy's, is a code
    alone = found.keys() == {ONE_DIRECTION} and np.ndim(found[ONE_DIRECTION]) == 2
    is_numpy = checkpoint.container in ("npy", "npz")
    return ONE_DIRECTION if alone and not is_numpy else None
