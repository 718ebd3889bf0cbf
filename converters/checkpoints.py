"""A checkpoint file, opened, hashed and read once; and what lies beside it.

Huggingface's models are a folder of `model.safetensors` or `pytorch_model.bin`, and
`config.json`; caches put the model's name before both.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converters.containers import tensor_bundle
from converters.containers.limits import Budget
from converters.containers.reading import HEAD_BYTES, container_of, decode
from jaxlatent.types import CheckpointError

TENSORS = ("model.safetensors", "pytorch_model.bin")
"""What the tensors of a folder may be called, the preferred name first."""

DESCRIPTION = "config.json"

_SHARD = re.compile(r".+-\d+-of-0*(?:[2-9]|[1-9]\d+)\.(?:safetensors|bin)")

_MAX_DESCRIPTION_BYTES = 1 << 20
_UNFORESEEN = "damaged in a way that no reader foresees"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The content of one checkpoint file. One made by hand needs `tensors` alone.

    Attributes:
        tensors: what the file holds, nearly always tensors by dotted name, or dicts of
            such; a tree of dicts, lists, tuples, sets, numbers, text, bytes, None and
            NumPy arrays. The arrays are read-only and may be strided or share memory;
            bfloat16 has the dtype of ml_dtypes. Modules, NVIDIA's and others', are
            records (see `converters.containers.nvidia`); namespaces, and instances of
            subclasses of dict and list, are dicts and lists. In place of any other
            object is an `Unread` (see `converters.containers.limits`).
        container: "torch-zip" (`torch.save` since 1.6), "torch-legacy" (before),
            "nvidia" (a pickle of network objects), "pickle" (any other plain pickle),
            "safetensors", "npy", "npz" or "tensor-bundle".
        sha256: of the bytes that `tensors` were read from, in hex.
        description: the JSON object in `config.json` beside the file, None if there is
            none.
        metadata: the texts in the header of a safetensors file, by name.
        path: the file, whose name some tools tell things by, and messages quote.
    """

    tensors: Any
    container: str = ""
    sha256: str = ""
    description: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    path: Path = Path("checkpoint")


CheckpointFile = str | os.PathLike[str] | Checkpoint
"""A file to read, or one that was read."""


def read(
    path: str | os.PathLike[str],
    *,
    max_bytes: int | None = None,
    numpy_files: bool = False,
) -> Checkpoint:
    """Read a checkpoint file, told by its content and never by its name.

    The file is opened once and its bytes are read once; the hash is that of the bytes
    that are parsed. Nothing in it is executed, imported or called: tensors and plain
    values are read, other objects beside them are left out, and no tensor can be built
    of one. What the file announces is held against its size before anything is
    allocated: it may expand to 8 times that, or to 16 MiB.

    Args:
        path: the file; or a folder that holds `model.safetensors` or
            `pytorch_model.bin`, and as a rule `config.json`; or, with `numpy_files`,
            the index of a checkpoint of TensorFlow's, its one file of data, or what
            both names begin with.
        max_bytes: a cap on the bytes of all arrays and texts together.
        numpy_files: whether `.npy` and `.npz` files are read too; objects in them as
            those in any pickle are.

    Raises:
        CheckpointError: if the file is not a sound checkpoint or exceeds a limit, holds
            no array beside objects that are not read, or names what runs code or opens
            files; or its description is no JSON object.
        FileNotFoundError: there is no such file.
    """
    file = _tensor_file(path)
    if numpy_files and (prefix := _bundle(file)) is not None:
        return _read_bundle(prefix, max_bytes)
    with _naming(file):
        data = _bytes(file)
        found = decode(data, max_bytes=max_bytes, numpy_files=numpy_files)
    return Checkpoint(
        tensors=found.value,
        container=found.container,
        sha256=hashlib.sha256(data).hexdigest(),
        description=_description(file),
        metadata=found.metadata,
        path=file,
    )


def _bundle(file: Path) -> str | None:
    """What the names of a bundle's two files begin with; None if it is none."""
    text = str(file)
    for ending in (tensor_bundle.INDEX, tensor_bundle.DATA):
        if text.endswith(ending) and file.is_file():
            prefix = text.removesuffix(ending)
            return prefix if Path(prefix + tensor_bundle.INDEX).is_file() else None
    alone = not file.exists() and Path(text + tensor_bundle.INDEX).is_file()
    return text if alone else None


def _read_bundle(prefix: str, max_bytes: int | None) -> Checkpoint:
    """Tensors by name, of a bundle's index and its data."""
    index, data = Path(prefix + tensor_bundle.INDEX), Path(prefix + tensor_bundle.DATA)
    if not data.is_file():
        raise CheckpointError(f"{index}: {data.name} is not beside it")
    with _naming(index):
        parts = index.read_bytes(), data.read_bytes()
        budget = Budget(sum(map(len, parts)), max_bytes)
        tensors = tensor_bundle.read(*parts, budget)
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    return Checkpoint(tensors, "tensor-bundle", digest, path=index)


def opened(file: CheckpointFile, *, numpy_files: bool = False) -> Checkpoint:
    """What was read already, or else is read now, as `read` does."""
    if isinstance(file, Checkpoint):
        return file
    return read(file, numpy_files=numpy_files)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder of tensors, in one file or in shards."""
    return any(
        (Path(path) / name).is_file() for name in (*TENSORS, *map(_index, TENSORS))
    )


def _tensor_file(path: str | os.PathLike[str]) -> Path:
    """The file that holds the tensors: that of a folder, or `path` itself.

    Raises:
        CheckpointError: if they are in shards.
    """
    folder = Path(path)
    for name in TENSORS:
        if (folder / name).is_file():
            return folder / name
    for index in map(_index, TENSORS):
        if (folder / index).is_file():
            raise CheckpointError(f"{folder}: {_sharded(index)}")
    if _SHARD.fullmatch(folder.name) and folder.is_file():
        raise CheckpointError(f"{folder}: {_sharded('one of several files')}")
    return folder


def _index(name: str) -> str:
    return f"{name}.index.json"


def _sharded(found: str) -> str:
    return (
        f"tensors in shards ({found}), which are not read; save them as one file "
        f"called {TENSORS[0]}, for instance by save_pretrained with a large "
        "max_shard_size"
    )


def _bytes(file: Path) -> bytes:
    """A regular file's content, unless its beginning tells that nothing reads it."""
    if file.exists() and not file.is_file():
        raise CheckpointError("a folder or a device, not a file")
    with file.open("rb") as stream:
        container_of(stream.read(HEAD_BYTES))
        stream.seek(0)
        # not to the end, which a file that somebody writes to need not have
        return stream.read(os.fstat(stream.fileno()).st_size)


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Puts the file's name in front of every message about its content."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{file}: {error}") from None
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as e:
        # the readers foresee what bytes can do; callers must not depend on that
        raise CheckpointError(f"{file}: {_UNFORESEEN} ({type(e).__name__})") from e


def _description(file: Path) -> dict[str, Any] | None:
    """What the `config.json` beside a file of such a name says."""
    ending = next((name for name in TENSORS if file.name.endswith(name)), None)
    if ending is None:
        return None
    beside = file.with_name(file.name.removesuffix(ending) + DESCRIPTION)
    if not beside.is_file():
        return None
    with beside.open("rb") as stream:
        text = stream.read(_MAX_DESCRIPTION_BYTES + 1)
    if len(text) > _MAX_DESCRIPTION_BYTES:
        raise CheckpointError(
            f"{beside}: over {_MAX_DESCRIPTION_BYTES} bytes of description"
        )
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{beside}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{beside}: {type(found).__name__}, not a JSON object")
    return found
