"""Checkpoints of two files: tensors, and beside them a JSON file that describes them.

Huggingface's models are a folder of `pytorch_model.bin` and `config.json`; caches put
the model's name before both.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converters.containers.reading import read
from jaxlatent.types import CheckpointError

TENSORS = "pytorch_model.bin"
DESCRIPTION = "config.json"

_MAX_BYTES = 1 << 20


class Described(dict[str, Any]):
    """A file's tensors, with what the JSON file beside it says.

    Attributes:
        description: the JSON object.
    """

    description: Mapping[str, Any]

    def __init__(
        self, tensors: Mapping[str, Any], description: Mapping[str, Any]
    ) -> None:
        super().__init__(tensors)
        self.description = description


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder of tensors and their description."""
    return all((Path(path) / name).is_file() for name in (TENSORS, DESCRIPTION))


def tensor_file(path: str | os.PathLike[str]) -> Path:
    """The file that holds the tensors: that of a folder, or `path` itself."""
    return Path(path) / TENSORS if is_folder(path) else Path(path)


def read_described(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint file, or a folder of one and its description.

    Args:
        path: the folder; or a file, which is `Described` if it is called
            `pytorch_model.bin`, or ends so, and its `config.json` lies beside it.

    Raises:
        CheckpointError: for a file that is unsound, or a description that is no JSON
            object.
    """
    file = tensor_file(path)
    tensors = read(file)
    beside = file.with_name(file.name.removesuffix(TENSORS) + DESCRIPTION)
    if not file.name.endswith(TENSORS) or not beside.is_file():
        return tensors
    return Described(tensors, _read_json(beside))


def _read_json(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _MAX_BYTES:
        raise CheckpointError(f"{file}: over {_MAX_BYTES} bytes of description")
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{file}: {type(found).__name__}, not a JSON object")
    return found
