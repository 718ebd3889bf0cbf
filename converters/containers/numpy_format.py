"""NumPy's own files: ``.npy`` holds an array, ``.npz`` is a zip archive of such.

Arrays of Python objects are pickles after the header, and read as such: they become the
lists of what they hold, or the one value of an array without axes.
"""

import io

import numpy as np

from converters.containers import plain_pickle
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
    # differs in names of fields alone, which are not read
    (3, 0): np.lib.format.read_array_header_2_0,
}
_MOST_HEADER_BYTES = 1 << 16


def is_npz(archive: Archive) -> bool:
    """Whether an archive consists of ``.npy`` files."""
    return all(name.endswith(_SUFFIX) for name in archive.members)


def read_npz(archive: Archive, budget: Budget) -> dict[str, object]:
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


def read_npy(data: bytes | memoryview, budget: Budget) -> object:
    """Reads the array of an ``.npy`` file, or what is in an array of objects.

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
    contents = memoryview(data)[stream.tell() :]
    if dtype.kind == "O":
        return plain_pickle.read(bytes(contents), budget)
    if dtype.hasobject or not dtype.itemsize:
        raise CheckpointError(f"an array of {shown(str(dtype))}, which is not read")
    budget.spend_array(len(contents))
    return dense_array(contents, dtype, shape, "F" if is_fortran else "C")
