"""Latent2im's walks ("Enjoy your editing"): `model_w_{step}_walk_module.ckpt`.

The files are pickled modules, which are read as records and never unpickled. Their
classes tell how their numbers move codes: "w" [A, L, D] holds directions of each row of
w+, "w" [A, D] factors of z, and "linear" the dense layers of a network, with leaky
rectifiers between them, whose step is of length 3 in some. What a file changes it does
not tell; directions are numbered.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from converters.artefacts.contents import member
from converters.checkpoints import Checkpoint
from converters.containers.limits import shown
from converters.containers.nvidia import is_record, tensors
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.walks import NeuralWalk, neural_walk
from jaxlatent.types import CheckpointError

METHOD = "enjoy"
SLOPE = 0.2
"""Of the rectifiers below zero."""


class _Walk(NamedTuple):
    """What the numbers of a class are.

    Attributes:
        space: of the codes that move.
        layers: how many dense layers there are; none for "w".
        length: of a network's step, None for its own.
        unused: modules that nothing reads.
    """

    space: str
    layers: int = 0
    length: float | None = None
    unused: tuple[str, ...] = ()


WALKS = {
    "WalkLinearMultiW": _Walk("w+"),
    "WalkMlpMultiW": _Walk("w+", 3),
    "WalkLinearZ_free": _Walk("z"),
    "WalkLinearZ": _Walk("z", 1, 3.0),
    "WalkMlpZ": _Walk("z", 4, 3.0, ("embed",)),
    "WalkMlpZ2": _Walk("z", 3, 3.0),
    "WalkMlpZ3": _Walk("z", 3),
}
"""By the name of the class."""


def is_module(checkpoint: Checkpoint) -> bool:
    """Whether a file is a pickled module, of any class."""
    return is_record(checkpoint.tensors)


def latent2im_walk(checkpoint: Checkpoint) -> Directions | NeuralWalk:
    """The edit that a pickled walk is; one of strength is one of the attribute.

    Args:
        checkpoint: a file of which `is_module` is true.

    Raises:
        CheckpointError: for another module, or arrays that are missing or do not fit.
    """
    record, path = checkpoint.tensors, checkpoint.path
    name = record["class_name"]
    if name not in WALKS:
        raise CheckpointError(
            f"{path}: a pickled module {shown(name)} found; of modules Latent2im's "
            f"{', '.join(WALKS)} are accepted"
        )
    walk = WALKS[name]
    found = replace(checkpoint, tensors=tensors(record))
    wanted = set(_names(walk))
    extra = [
        key
        for key in found.tensors
        if key not in wanted and key.partition(".")[0] not in walk.unused
    ]
    if extra:
        raise CheckpointError(f"{path}: {shown(extra[0])}: not expected in a {name}")
    if walk.layers:
        layers = [_layer(found, key) for key in _names(walk)[::2]]
        try:
            return neural_walk(
                layers,
                slope=SLOPE,
                length=walk.length,
                space=walk.space,
                names=["attribute 0"],
                method=METHOD,
            )
        except ValueError as error:
            raise CheckpointError(f"{path}: {error}") from error
    vectors = member(found, "w", *(None,) * (3 if walk.space == "w+" else 2))
    vectors = np.array(vectors, np.float32)
    lengths = np.linalg.norm(vectors.reshape(len(vectors), -1), axis=1)
    if not lengths.all():
        raise CheckpointError(f"{path}: a direction of length zero")
    names = [f"attribute {number}" for number in range(len(vectors))]
    if walk.space == "z":
        square = np.stack([np.diag(row) for row in vectors])
        layers = [{"weight": square, "bias": np.zeros_like(vectors)}]
        return neural_walk(layers, space="z", names=names, method=METHOD)
    return directions(
        vectors / lengths[:, None, None],
        scale=lengths,
        space="w+",
        names=names,
        report={"length": lengths},
        method=METHOD,
    )


def _names(walk: _Walk) -> list[str]:
    """Of the arrays, weights and biases in turns."""
    if not walk.layers:
        return ["w"]
    # rectifiers take the odd numbers; a layer that is alone has none
    numbers = [f".{2 * n}" for n in range(walk.layers)] if walk.layers > 1 else [""]
    return [f"linear{n}.{kind}" for n in numbers for kind in ("weight", "bias")]


def _layer(found: Checkpoint, weight: str) -> dict[str, np.ndarray]:
    """One dense layer, inputs first, of the one direction."""
    matrix = member(found, weight, None, None)
    bias = member(found, weight.replace("weight", "bias"), len(matrix))
    return {
        "weight": np.array(matrix.T[None], np.float32, order="C"),
        "bias": np.array(bias[None], np.float32),
    }
