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
from jaxlatent.edits.walks import NeuralWalk, neural_walk
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


def ganalyze_walk(checkpoint: Checkpoint) -> NeuralWalk:
    """The walk of z of a transformer, which keeps the length of z.

    The original's PyTorch code keeps that of a batch, which for a batch of one is the
    same.

    Returns:
        One direction, or one for each class; a unit of strength is one of the
        assessor's score.

    Raises:
        CheckpointError: if the arrays do not fit, or a direction's length is zero.
    """
    found = read_ganalyze(checkpoint)
    if "direction" in found:
        table, names = found["direction"], [origin(checkpoint.path).name]
    else:
        table = found["weight"] + found["bias"]
        names = [f"class {number}" for number in range(len(table))]
    lengths = np.linalg.norm(table, axis=1)
    if not lengths.all():
        raise CheckpointError(f"{checkpoint.path}: a direction of length zero")
    return neural_walk(
        [{"bias": table}],
        norm="sample",
        space="z",
        names=names,
        report={"length": lengths},
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
