"""TensorFlow's checkpoints of version 2: tensors by name, in two files.

``PREFIX.index`` is a table of names in the manner of LevelDB: blocks of entries, whose
keys share their beginnings, an index of the blocks, and a footer that tells where that
is. An entry's value says what a tensor is and where in ``PREFIX.data-00000-of-00001``
its bytes are, little-endian and in C order.
"""

import struct
from collections.abc import Iterator

import numpy as np

from converters.containers.limits import Budget, shown
from jaxlatent.types import CheckpointError

INDEX = ".index"
DATA = ".data-00000-of-00001"

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_MOST_VARINT_BYTES = 10
_MOST_SUMMED = 1 << 20
"""Bytes of the largest tensor whose checksum is looked at: Python sums slowly."""

_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}


def is_index(data: bytes) -> bool:
    """Whether bytes are those of an index."""
    return len(data) >= _FOOTER_BYTES and data[-8:] == struct.pack("<Q", _MAGIC)


def read(index: bytes, data: bytes, budget: Budget) -> dict[str, np.ndarray]:
    """Reads the tensors of a bundle of one shard, by name.

    Those of other types than float32, float64, int32 and int64 are left out.

    Args:
        index: the whole index.
        data: the whole data file, of which the tensors are views.
        budget: counts the bytes of the tensors.

    Raises:
        CheckpointError: if a file is anything but a sound one.
    """
    if not is_index(index):
        raise CheckpointError("a damaged index: it does not end as one does")
    footer = index[-_FOOTER_BYTES:]
    _, place = _handle(footer, 0)
    root, _ = _handle(footer, place)
    found: dict[str, np.ndarray] = {}
    for _, handle in _entries(_block(index, *root)):
        block, _ = _handle(handle, 0)
        for key, value in _entries(_block(index, *block)):
            budget.spend_operation()
            name = key.decode(errors="replace")
            if not key:
                _check_header(value)
            elif name in found:
                raise CheckpointError(f"a damaged index: {shown(name)} stands twice")
            elif (tensor := _tensor(name, value, data, budget)) is not None:
                found[name] = tensor
    return found


def _tensor(name: str, value: bytes, data: bytes, budget: Budget) -> np.ndarray | None:
    fields = _fields(value)
    dtype = _DTYPES.get(_number(fields, 1))
    if dtype is None:
        return None
    if _number(fields, 3) or 7 in fields:
        raise CheckpointError(f"{shown(name)}: in several parts, which are not read")
    shape = []
    for message in fields.get(2, []):
        for axis in _fields(_bytes(message)).get(2, []):
            shape.append(_number(_fields(_bytes(axis)), 1))
    start, size = _number(fields, 4), _number(fields, 5)
    count = 1
    for length in shape:
        count *= length
    if count * np.dtype(dtype).itemsize != size or start + size > len(data):
        raise CheckpointError(
            f"{shown(name)}: {size} bytes at {start} announced for {shape}; the data "
            f"has {len(data)}"
        )
    budget.spend_array(size)
    contents = memoryview(data)[start : start + size]
    if size <= _MOST_SUMMED and 6 in fields:
        _check_sum(contents, _number(fields, 6), shown(name))
    return np.frombuffer(contents, dtype).reshape(shape)


def _check_header(value: bytes) -> None:
    fields = _fields(value)
    if _number(fields, 1) != 1 or _number(fields, 2):
        raise CheckpointError(
            "tensors in several files, or big-endian ones, which are not read"
        )


def _block(index: bytes, start: int, size: int) -> bytes:
    """The content of a block, of which a kind and a checksum stand behind it."""
    stop = start + size
    if stop + _TRAILER_BYTES > len(index):
        raise CheckpointError("a damaged index: a block lies beyond its end")
    if index[stop]:
        raise CheckpointError("a compressed index, which is not read")
    (checksum,) = struct.unpack_from("<I", index, stop + 1)
    _check_sum(index[start : stop + 1], checksum, "the index")
    return index[start:stop]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block, behind which its restarts are counted."""
    if len(block) < 4:
        raise CheckpointError("a damaged index: a block of nothing")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise CheckpointError("a damaged index: more restarts than bytes")
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        size, place = _varint(block, place)
        if shared > len(key) or place + own + size > end:
            raise CheckpointError("a damaged index: an entry lies beyond its block")
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + size]
        place += size


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Where a block is and how long, and the place behind."""
    start, place = _varint(data, place)
    size, place = _varint(data, place)
    return (start, size), place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits to a byte, and the place behind."""
    value = 0
    for count in range(_MOST_VARINT_BYTES):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place
    raise CheckpointError("a damaged index: a number without an end")


def _fields(message: bytes) -> dict[int, list[int | bytes]]:
    """The fields of a protocol buffer by number."""
    found: dict[int, list[int | bytes]] = {}
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        match tag & 7:
            case 0:
                value, place = _varint(message, place)
            case 1 | 5 as kind:
                size = 8 if kind == 1 else 4
                value = int.from_bytes(message[place : place + size], "little")
                place += size
            case 2:
                size, place = _varint(message, place)
                value = message[place : place + size]
                place += size
            case _:
                raise CheckpointError("a damaged index: a field of no known kind")
        if place > len(message):
            raise CheckpointError("a damaged index: a field lies beyond its message")
        found.setdefault(tag >> 3, []).append(value)
    return found


def _number(fields: dict[int, list[int | bytes]], field: int) -> int:
    """The last number of a field, 0 if there is none."""
    value = fields.get(field, [0])[-1]
    if not isinstance(value, int):
        raise CheckpointError("a damaged index: bytes in place of a number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise CheckpointError("a damaged index: a number in place of bytes")
    return value


def _check_sum(data: bytes | memoryview, announced: int, name: str) -> None:
    """Raise CheckpointError unless bytes have the masked CRC-32C that is announced."""
    checksum = 0xFFFFFFFF
    for byte in data:
        checksum = _CRC[(checksum ^ byte) & 0xFF] ^ (checksum >> 8)
    checksum ^= 0xFFFFFFFF
    masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
    if masked != announced:
        raise CheckpointError(f"{name}: damaged, as its checksum tells")


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC = [_crc_of(byte) for byte in range(256)]
