"""From the bytes of a file to NumPy arrays, executing nothing.

Every reader runs on bytes that nobody vouches for. None imports torch, calls anything
that the file names, writes to disk, or allocates more than a small multiple of the
file's size; whatever is wrong with a file comes out as one ``CheckpointError``. Values
are not judged: NaN and infinity load as they are stored.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from converters.containers import (
    numpy_format,
    plain_pickle,
    safetensors,
    torch_legacy,
    torch_zip,
    zips,
)
from converters.containers.limits import Budget
from converters.containers.rebuilding import RECONSTRUCT_NAME
from jaxlatent.types import CheckpointError

HEAD_BYTES = 512
"""How many first bytes tell what a file is."""

# First bytes of files that people mistake for checkpoints.
_FOREIGN = {
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"\x89HDF\r\n": "an HDF5 file (Keras?), which is not supported",
    b"version https://git-lfs": "a Git LFS pointer: fetch the real file first",
    b"model_checkpoint_path": "TensorFlow's list of checkpoints, which are not read",
    b"{": "JSON, not a checkpoint: give the file of tensors that it describes",
    b"<": "a web page or XML, not a checkpoint: download the file itself",
}

# format version, then the name of what wrote the graph
_ONNX = re.compile(rb"\x08.\x12.(?:pytorch|\w{0,8}onnx)", re.DOTALL)


class Decoded(NamedTuple):
    """What a file holds.

    Attributes:
        value: a tree of dicts, lists, tuples, sets, numbers, text, bytes, None and
            NumPy arrays; records for modules; ``Unread`` in place of other objects.
        container: what kind of file it is.
        metadata: the texts that a safetensors file keeps in its header, by name.
    """

    value: object
    container: str
    metadata: Mapping[str, str]


def decode(
    data: bytes, *, max_bytes: int | None = None, numpy_files: bool = False
) -> Decoded:
    """Reads the content of a file, whatever its top-level object is.

    Args:
        data: the whole file. Arrays are views of it where they can be.
        max_bytes: a cap on the bytes of all arrays and texts together.
        numpy_files: whether NumPy's own files are read too.

    Raises:
        CheckpointError: if the content is not sound or exceeds a limit.
    """
    kind = container_of(data[:HEAD_BYTES])
    budget = Budget(len(data), max_bytes)
    metadata: Mapping[str, str] = {}
    match kind:
        case "torch-legacy":
            value = torch_legacy.read(data, budget)
        case "safetensors":
            value, metadata = safetensors.read(data, budget)
        case "npy":
            if not numpy_files:
                raise CheckpointError("a NumPy array file, not a checkpoint")
            value = numpy_format.read_npy(data, budget)
        case "zip":
            with zips.opened(data, budget) as archive:
                is_npz = numpy_files and numpy_format.is_npz(archive)
                kind = "npz" if is_npz else "torch-zip"
                reader = numpy_format.read_npz if is_npz else torch_zip.read
                value = reader(archive, budget)
        case _:
            kind = "nvidia" if RECONSTRUCT_NAME.encode() in data else "pickle"
            value = plain_pickle.read(data, budget)
    return Decoded(value, kind, metadata)


def container_of(head: bytes) -> str:
    """Tells by its first bytes what a file is.

    Args:
        head: the first ``HEAD_BYTES``.

    Returns:
        "torch-legacy", "zip", "pickle", "safetensors" or "npy".

    Raises:
        CheckpointError: if it is none of these.
    """
    if not head:
        raise CheckpointError("the file is empty")
    if head.startswith(torch_legacy.MAGIC):
        return "torch-legacy"
    if head.startswith(zips.MAGIC):
        return "zip"
    if head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "pickle"
    if head.startswith(numpy_format.MAGIC):
        return "npy"
    if head[8:9] == b"{":
        return "safetensors"
    if head[257:262] == b"ustar":
        raise CheckpointError("a tar archive that contains such files: unpack it first")
    if _ONNX.match(head):
        raise CheckpointError(
            "an ONNX graph, which is not read: give the checkpoint that it is of"
        )
    for beginning, description in _FOREIGN.items():
        if head.startswith(beginning):
            raise CheckpointError(description)
    raise CheckpointError(
        "not a checkpoint: neither a torch file, nor an NVIDIA pickle, nor safetensors"
    )
