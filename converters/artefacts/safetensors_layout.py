"""Directions as safetensors: everything that `Directions` holds, for any program.

The tensors are "vectors", "scale", "mean" and "bias" if there are any, and "report."
with the name of each entry; the header's texts are "format", "space", "layers", "names"
and "facts" (JSON), "method" and "generator".
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.artefacts.contents import check_finite
from converters.checkpoints import Checkpoint
from converters.containers.limits import shown
from converters.containers.safetensors import encode
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.types import CheckpointError

FORMAT = "jaxlatent directions 2"

_FIELDS = ("vectors", "scale", "mean", "bias")
_REPORT = "report."


def is_directions(checkpoint: Checkpoint) -> bool:
    """Whether the texts of a safetensors header are those of directions."""
    return checkpoint.metadata.get("format") == FORMAT


def encode_directions(edit: Directions) -> bytes:
    """The file of an edit.

    Raises:
        ValueError: for an entry of `report` whose numbers the format does not have.
    """
    arrays = {name: getattr(edit, name) for name in _FIELDS}
    arrays |= {f"{_REPORT}{name}": value for name, value in edit.report.items()}
    texts = {
        "format": FORMAT,
        "space": edit.space,
        "layers": json.dumps(edit.layers),
        "names": json.dumps(edit.names),
        "facts": json.dumps(edit.facts, default=dict),
        "method": edit.method,
        "generator": edit.generator,
    }
    kept = {
        name: np.asarray(value) for name, value in arrays.items() if value is not None
    }
    try:
        return encode(kept, texts)
    except TypeError as error:
        raise ValueError(f"edit: {error}") from None


def decode_directions(checkpoint: Checkpoint) -> Directions:
    """The edit of a file.

    Raises:
        CheckpointError: if something is missing or does not fit.
    """
    path, found = checkpoint.path, checkpoint.tensors
    texts = checkpoint.metadata
    fields = {name: found[name] for name in _FIELDS if name in found}
    for name, value in fields.items():
        check_finite(path, name, value)
    try:
        if not found["vectors"].size:
            raise ValueError("vectors: none found")
        return directions(
            found["vectors"],
            scale=found["scale"],
            mean=fields.get("mean"),
            bias=fields.get("bias"),
            report={
                name.removeprefix(_REPORT): value
                for name, value in found.items()
                if name.startswith(_REPORT)
            },
            space=texts["space"],
            layers=_decoded(texts, "layers", int, type(None)),
            names=_decoded(texts, "names", str),
            facts=_decoded_facts(texts["facts"]),
            method=texts["method"],
            generator=texts["generator"],
        )
    except KeyError as error:
        raise CheckpointError(f"{path}: {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _decoded_facts(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = ...
    if not isinstance(value, dict):
        raise ValueError(f"facts: {shown(text)} found; an object is needed")
    return value


def _decoded(texts: Mapping[str, str], name: str, kind: type, *others: type) -> Any:
    """A JSON list of one kind of value, or something of the `others`."""
    text = texts[name]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = ...
    is_list = isinstance(value, list) and all(type(item) is kind for item in value)
    if not (is_list or isinstance(value, others)):
        raise ValueError(
            f"{name}: {shown(text)} found; a list of {kind.__name__} is needed"
        )
    return value
