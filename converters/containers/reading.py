"""Reads PyTorch, NVIDIA and safetensors files into NumPy arrays, executing nothing.

Every reader runs on bytes that nobody vouches for. None imports torch, calls anything
that the file names, writes to disk, or allocates more than a small multiple of the
file's size; whatever is wrong with a file comes out as one ``CheckpointError``. Values
are not judged: NaN and infinity load as they are stored.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from converters.containers import nvidia, safetensors, torch_legacy, torch_zip
from converters.containers.limits import Budget
from jaxlatent.types import CheckpointError

_READERS = {
    "torch-zip": torch_zip.read,
    "torch-legacy": torch_legacy.read,
    "nvidia": nvidia.read,
    "pickle": nvidia.read,
    "safetensors": safetensors.read,
}

_HEAD_BYTES = 512
_UNFORESEEN = "damaged in a way that no reader foresees"

# First bytes of files that people mistake for checkpoints.
_FOREIGN = {
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"\x93NUMPY": "a NumPy array file, not a checkpoint",
    b"\x89HDF\r\n": "an HDF5 file (Keras?), which is not supported",
    b"version https://git-lfs": "a Git LFS pointer: fetch the real file first",
    b"<": "a web page or XML, not a checkpoint: download the file itself",
}


def container(path: str | os.PathLike[str]) -> str:
    """Tells by its content, never by its name, what kind of file a checkpoint is.

    Args:
        path: the file.

    Returns:
        "torch-zip" (``torch.save`` since 1.6), "torch-legacy" (before), "nvidia" (a
        pickle of network objects), "pickle" (any other plain pickle) or "safetensors".

    Raises:
        CheckpointError: if it is none of these.
    """
    with _naming(path) as file:
        return _container(file)


def read_object(
    path: str | os.PathLike[str], *, max_bytes: int | None = None
) -> object:
    """Reads a checkpoint whatever its top-level object is, say one bare tensor.

    Args:
        path: the file.
        max_bytes: a cap on the bytes of all arrays and texts together.

    Returns:
        A tree of dicts, lists, tuples, sets, numbers, text, bytes, None and NumPy
        arrays. The arrays are read-only and may be strided or share memory;
        bfloat16 has the dtype of ml_dtypes. Network objects of NVIDIA pickles are
        records (see ``converters.containers.nvidia``), namespaces are dicts.

    Raises:
        CheckpointError: if the file is not a sound checkpoint or exceeds a limit.
    """
    with _naming(path) as file:
        budget = Budget(file.stat().st_size, max_bytes)
        return _READERS[_container(file)](file, budget)


def read(path: str | os.PathLike[str], *, max_bytes: int | None = None) -> dict:
    """Reads a checkpoint whose top-level object is a dict, as nearly all are.

    Args:
        path: the file.
        max_bytes: a cap on the bytes of all arrays and texts together.

    Returns:
        The dict, as ``read_object`` describes it.

    Raises:
        CheckpointError: if the file is not a sound checkpoint of that kind or exceeds
            a limit.
    """
    value = read_object(path, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{path}: the file holds a {type(value).__name__}, not a dict of tensors"
        )
    return value


def read_texts(path: str | os.PathLike[str]) -> dict[str, str]:
    """Reads the texts that a safetensors file keeps in its header.

    Args:
        path: the file.

    Returns:
        The texts by name; none for a file of another kind.

    Raises:
        CheckpointError: if the file is a damaged safetensors file.
    """
    with _naming(path) as file:
        try:
            kind = _container(file)
        except CheckpointError:
            return {}
        if kind != "safetensors":
            return {}
        budget = Budget(file.stat().st_size)
        return safetensors.read_with_metadata(file, budget)[1]


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Puts the file's name in front of every message about its content."""
    file = Path(path)
    try:
        if file.exists() and not file.is_file():
            raise CheckpointError("a folder or a device, not a file")
        yield file
    except CheckpointError as error:
        raise CheckpointError(f"{file}: {error}") from None
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as e:
        # The readers foresee what bytes can do; callers must not depend on that.
        raise CheckpointError(f"{file}: {_UNFORESEEN} ({type(e).__name__})") from e


def _container(file: Path) -> str:
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if not head:
        raise CheckpointError("the file is empty")
    if head.startswith(torch_legacy.MAGIC):
        return "torch-legacy"
    if head.startswith(torch_zip.MAGIC):
        torch_zip.check(file, Budget(file.stat().st_size))
        return "torch-zip"
    if head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        is_nvidia = nvidia.RECONSTRUCT_NAME in file.read_bytes()
        return "nvidia" if is_nvidia else "pickle"
    if head[8:9] == b"{":
        return "safetensors"
    if head[257:262] == b"ustar":
        raise CheckpointError("a tar archive that contains such files: unpack it first")
    for beginning, description in _FOREIGN.items():
        if head.startswith(beginning):
            raise CheckpointError(description)
    raise CheckpointError(
        "not a checkpoint: neither a torch file, nor an NVIDIA pickle, nor safetensors"
    )
