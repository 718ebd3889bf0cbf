"""What a pickle built -> arrays and plain values, with ``Unread`` for the rest."""

from converters.containers.limits import Budget, Unread
from converters.containers.numpy_pickles import NumpyArray, NumpyDType
from converters.containers.placeholders import (
    Constructor,
    Foreign,
    Placeholder,
    unread,
    unread_key,
)
from converters.containers.tensors import Storage, Tensor, UnreadType
from jaxlatent.types import CheckpointError

_MODULE_PARTS = frozenset({"_parameters", "_buffers", "_modules"})


def content(value: object, budget: Budget) -> object:
    """What a file holds, once it is read.

    Args:
        value: an unpickled object whose storages have their contents.
        budget: counts values, depth and bytes.

    Returns:
        The same tree of dicts, lists, tuples, sets, numbers, text, bytes, None and
        NumPy arrays; a record (see ``nvidia``) for each module; and ``Unread`` in
        place of anything else.

    Raises:
        CheckpointError: if the tree is too large, or has no array beside what is not
            read.
    """
    found = _plain(value, budget)
    if budget.unread and not budget.arrays:
        raise CheckpointError(budget.unread.message)
    return found


def _plain(
    value: object, budget: Budget, depth: int = 0, *, is_attribute: bool = False
) -> object:
    """One value of the result. Modules among a module's attributes, which may lead back
    to where they are, are not read.
    """
    budget.spend_value(depth)
    if isinstance(value, str | bytes):
        budget.spend_bytes(len(value))
        return value
    if value is None or isinstance(value, bool | int | float):
        return value

    def inner(item: object) -> object:
        return _plain(item, budget, depth + 1, is_attribute=is_attribute)

    if isinstance(value, Placeholder):
        if value.items is not None:
            value = value.items
        elif value.elements is not None:
            value = value.elements
        elif value.is_module and not is_attribute:
            return _record(value, budget, depth)
    if isinstance(value, dict | set) and (key := unread_key(value)):
        return budget.leave_out(key)
    if isinstance(value, set):
        return value
    if isinstance(value, dict):
        return {key: inner(item) for key, item in value.items()}
    if isinstance(value, list):
        return [inner(item) for item in value]
    if isinstance(value, tuple):
        return tuple([inner(item) for item in value])
    if isinstance(value, Storage):
        value = Tensor(value, 0, (value.size,), (1,))
    if isinstance(value, Tensor) and value.storage.unread is None:
        return value.array(budget)
    if isinstance(value, NumpyArray) and value.objects is not None:
        return inner(value.objects)
    if isinstance(value, NumpyArray):
        budget.spend_array(value.array.nbytes)
        return value.array
    return budget.leave_out(words(value))


def _record(module: Placeholder, budget: Budget, depth: int) -> dict:
    """A module, as NVIDIA's networks are given: the tensors are all in its state."""
    budget.spend_value(depth + 1)
    state = module.state if isinstance(module.state, dict) else {}
    read = {
        name: _plain(part, budget, depth + 2, is_attribute=name not in _MODULE_PARTS)
        for name, part in state.items()
        if isinstance(name, str)
    }
    return {"class_name": module.class_name, "state": read}


def words(value: object) -> Unread:
    """The words for what is not read."""
    match value:
        case Placeholder() | Foreign() | UnreadType():
            return value.unread
        case Tensor(storage=Storage(unread=Unread() as found)):
            return found
        case NumpyDType(unread=Unread() as found):
            return found
        case Constructor():
            what = f"global {value.name}"
        case NumpyDType():
            what = "global numpy.dtype"
        case _:
            what = "a value that is no data"
    return unread(what, "it is stored where data belongs")
