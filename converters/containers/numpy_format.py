"""NumPy's own files: ``.npy`` holds an array, ``.npz`` is a zip archive of such.

Arrays of Python objects, which NumPy pickles, are refused.
"""

import io

import numpy as np

from converters.containers.limits import Budget, shown
from converters.containers.tensors import dense_array
from converters.containers.zips import Archive
from jaxlatent.files import UNREADABLE
from jaxlatent.types import CheckpointError

MAGIC = b"\x93NUMPY"

_SUFFIX = ".npy"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_MOST_HEADER_BYTES = 1 << 16


def is_npz(archive: Archive) -> bool:
    """Whether an archive consists of ``.npy`` files."""
    return all(name.endswith(_SUFFIX) for name in archive.members)


def read_npz(archive: Archive, budget: Budget) -> dict[str, np.ndarray]:
    """Reads the arrays of an ``.npz`` file, by name.

    Args:
        archive: the file.
        budget: counts the bytes of the arrays.

    Raises:
        CheckpointError: if the file is anything but a sound one.
    """
    found = {}
    for name in archive.members:
        try:
            array = read_npy(archive.contents(name), budget)
        except CheckpointError as error:
            raise CheckpointError(f"{shown(name)}: {error}") from None
        found[name.removesuffix(_SUFFIX)] = array
    return found


def read_npy(data: bytes | memoryview, budget: Budget) -> np.ndarray:
    """Reads the array of an ``.npy`` file.

    Args:
        data: the whole file, of which the array is a view if it can be.
        budget: counts the bytes of the array.

    Raises:
        CheckpointError: if the file is anything but a sound one.
    """
    stream = io.BytesIO(data[:_MOST_HEADER_BYTES])
    try:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"version {version} is not read")
        shape, is_fortran, dtype = _HEADERS[version](stream)
    except UNREADABLE as error:
        reason = shown(str(error))
        raise CheckpointError(f"a damaged NumPy header: {reason}") from None
    if dtype.hasobject or not dtype.itemsize:
        raise CheckpointError(f"an array of {shown(str(dtype))}, which is not read")
    contents = memoryview(data)[stream.tell() :]
    budget.spend_bytes(len(contents))
    return dense_array(contents, dtype, shape, "F" if is_fortran else "C")
