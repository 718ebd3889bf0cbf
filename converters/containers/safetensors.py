"""The safetensors container: a JSON header and one block of bytes.

The header is untrusted: sizes, ranges and names are all checked, and the tensors must
cover the block exactly, without holes, overlaps or bytes to spare.
"""

import json
import struct
from collections.abc import Iterable, Mapping

import numpy as np

from converters.containers.limits import Budget, is_size, shown
from converters.containers.tensors import BFLOAT16, dense_array
from jaxlatent.types import CheckpointError

_DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}

# Parsed JSON can take twenty times its text. Real headers stay below 1 MB.
_MAX_HEADER_BYTES = 10_000_000


def read(data: bytes, budget: Budget) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Reads a safetensors file.

    Args:
        data: the whole file, of which the arrays are views if they can be.
        budget: counts the bytes of the arrays.

    Returns:
        The arrays by name, and the texts of the header's ``__metadata__``.

    Raises:
        CheckpointError: if the file is anything but a sound one.
    """
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, _MAX_HEADER_BYTES):
        raise CheckpointError(f"a safetensors header of {length} bytes is too long")
    entries = _parse(data[8 : 8 + length])
    metadata = entries.pop("__metadata__", {})
    _check_metadata(metadata)
    ranges = {name: _range(name, entry) for name, entry in entries.items()}
    _check_cover(ranges.values(), len(data) - 8 - length)
    result = {}
    for name, entry in entries.items():
        dtype = _dtype(name, entry["dtype"])
        start, stop = (8 + length + offset for offset in ranges[name])
        budget.spend_bytes(stop - start)
        try:
            shape = tuple(entry["shape"])
            result[name] = dense_array(memoryview(data)[start:stop], dtype, shape)
        except CheckpointError as error:
            raise CheckpointError(f"tensor {shown(name)}: {error}") from None
    return result, metadata


def encode(
    arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> bytes:
    """What the safetensors library writes.

    Args:
        arrays: the tensors by name.
        metadata: texts to keep in the header.

    Raises:
        TypeError: for an element type that the format does not have.
    """
    codes = {dtype: code for code, dtype in _DTYPES.items()}
    entries: dict[str, object] = {}
    if metadata is not None:
        entries["__metadata__"] = dict(metadata)
    position, contents = 0, []
    for name, array in arrays.items():
        if array.dtype not in codes:
            raise TypeError(f"{name}: arrays of {array.dtype} cannot be written")
        stop = position + array.nbytes
        entries[name] = {
            "dtype": codes[array.dtype],
            "shape": array.shape,
            "data_offsets": [position, stop],
        }
        contents.append(array.tobytes())
        position = stop
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + b"".join(contents)


def _parse(header: bytes) -> dict:
    try:
        entries = json.loads(
            header.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
        )
    except CheckpointError:
        raise
    except (ValueError, RecursionError):
        raise CheckpointError("the safetensors header is not sound JSON") from None
    if not isinstance(entries, dict):
        raise CheckpointError("the safetensors header is not a JSON object")
    return entries


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise CheckpointError("the safetensors header holds a key twice")
    return result


def _refuse_constant(name: str) -> None:
    raise CheckpointError(f"the safetensors header holds {name}")


def _check_metadata(metadata: object) -> None:
    texts = metadata.values() if isinstance(metadata, dict) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise CheckpointError("the safetensors metadata is not a table of texts")


def _range(name: str, entry: object) -> tuple[int, int]:
    """Checks the form of one entry and gives its first byte and the one past it."""
    match entry:
        case {"dtype": _, "shape": list(), "data_offsets": [start, stop], **others} if (
            not others and is_size(start) and is_size(stop) and start <= stop
        ):
            return start, stop
    raise CheckpointError(f"tensor {shown(name)} has a malformed header entry")


def _check_cover(ranges: Iterable[tuple[int, int]], size: int) -> None:
    position = 0
    for start, stop in sorted(ranges):
        if start != position:
            fault = "overlap" if start < position else "leave a hole"
            raise CheckpointError(f"tensors {fault} at byte {start}")
        position = stop
    if position != size:
        raise CheckpointError(
            f"the tensors take {position} bytes but the file holds {size}"
        )


def _dtype(name: str, code: object) -> np.dtype:
    dtype = _DTYPES.get(code) if isinstance(code, str) else None
    if dtype is None:
        raise CheckpointError(
            f"tensor {shown(name)} has dtype {shown(code)}: only "
            f"{', '.join(_DTYPES)} are read"
        )
    return dtype
