"""The container of ``torch.save`` before version 1.6: five pickles, then raw storages.

A magic number, the protocol version, facts about the writing machine, the object, and
the storages' keys; then for each key an element count and the elements.
"""

from converters.containers.contents import content
from converters.containers.limits import Budget, shown
from converters.containers.pickles import load
from converters.containers.rebuilding import GLOBALS
from converters.containers.tensors import Storage, Storages, aligned
from jaxlatent.types import CheckpointError

MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


def read(data: bytes, budget: Budget) -> object:
    """Reads a pre-1.6 torch file.

    Args:
        data: the whole file.
        budget: counts what the file makes us spend.

    Returns:
        The saved object with NumPy arrays for tensors.

    Raises:
        CheckpointError: if the file is anything but a sound one.
    """
    return content(_load_object(data, budget), budget)


def read_storage(data: bytes, budget: Budget) -> Storage:
    """Reads a stream that holds one bare storage, as plain pickles of tensors embed it.

    Args:
        data: the stream.
        budget: counts what the stream makes us spend.

    Returns:
        The storage with its contents.

    Raises:
        CheckpointError: if the stream holds anything else.
    """
    storage = _load_object(data, budget)
    if not isinstance(storage, Storage):
        # which names what is there if it is nothing that is read at all
        content(storage, budget)
        raise CheckpointError("an embedded torch stream that is no bare storage")
    return storage


def _load_object(data: bytes, budget: Budget) -> object:
    if not data.startswith(MAGIC):
        raise CheckpointError("an embedded torch stream without its magic number")
    storages = Storages()
    magic, position = load(data, 0, {}, budget)
    protocol, position = load(data, position, {}, budget)
    if (magic, protocol) != (_MAGIC_NUMBER, _PROTOCOL):
        raise CheckpointError(f"torch stream protocol {shown(protocol)} is not 1001")
    machine, position = load(data, position, {}, budget)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise CheckpointError("the file was not written by a little-endian machine")
    value, position = load(data, position, GLOBALS, budget, storages.from_persistent_id)
    keys, position = load(data, position, {}, budget)
    _fill(storages, keys, data, position)
    return value


def _fill(storages: Storages, keys: object, data: bytes, position: int) -> None:
    """Gives each storage its bytes, which follow one another in the order of keys."""
    if not isinstance(keys, list):
        raise CheckpointError("the list of storages is not a list")
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        if storage is None or storage.contents is not None:
            raise CheckpointError(
                f"storage {shown(key)} belongs to no tensor or is stored twice"
            )
        start = position + 8
        stop = start + storage.nbytes
        count = int.from_bytes(data[position:start], "little", signed=True)
        if stop > len(data):
            raise CheckpointError(f"the file ends inside storage {shown(key)}")
        if count != storage.size:
            raise CheckpointError(
                f"storage {shown(key)} has {count} elements instead of {storage.size}"
            )
        storage.contents = aligned(memoryview(data)[start:stop], storage.dtype)
        position = stop
    if position != len(data):
        raise CheckpointError(f"{len(data) - position} bytes after the last storage")
