"""Modules as records, whoever wrote them.

A pickled module is a class of somebody's and a state; StyleGAN2-ADA and StyleGAN3 store
the source text of the class as well, which the original loader executes. Here a module
is a *record*, ``{"class_name": str, "state": {...}}``, whatever container holds it: the
class is a name, the text is dropped, and the tensors are all in the state.
"""

from collections.abc import Iterator, Mapping
from typing import TypeGuard

import numpy as np

from converters.containers.limits import Unread
from jaxlatent.types import CheckpointError

Record = Mapping[str, object]


def is_record(value: object) -> TypeGuard[Record]:
    """Whether a value of a file stands for a network object."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("class_name"), str)
        and isinstance(value.get("state"), Mapping)
    )


def module(record: Record, path: str = "") -> Record:
    """Finds a nested module.

    Args:
        record: the record of a network.
        path: dotted names of modules, such as "synthesis.b4"; empty for the network.

    Returns:
        The record of that module.

    Raises:
        CheckpointError: if there is none.
    """
    for name in filter(None, path.split(".")):
        found = _part(record, "_modules").get(name)
        if not isinstance(found, Mapping):
            raise CheckpointError(f"the network has no module {path!r}")
        record = found
    return record


def tensors(record: Record) -> dict[str, np.ndarray]:
    """Gathers what PyTorch calls the state dict of a network.

    Args:
        record: the record of a network.

    Returns:
        Parameters, persistent buffers and those of nested modules in their original
        order, by dotted name. What the network lacks (a bias that is None) is left out.

    Raises:
        CheckpointError: if the record is not one of a network.
    """
    parts = _parts(record)
    return {name: value for name, value in parts if isinstance(value, np.ndarray)}


def unread(record: Record) -> dict[str, Unread]:
    """Gathers what would be in that state dict, were it read.

    Args:
        record: the record of a network.

    Returns:
        What stands for tensors and modules, by dotted name.

    Raises:
        CheckpointError: if the record is not one of a network.
    """
    parts = _parts(record)
    return {name: value for name, value in parts if isinstance(value, Unread)}


def _parts(record: Record) -> Iterator[tuple[str, object]]:
    """What a module holds and what the modules in it hold, by dotted name."""
    hidden = _state(record).get("_non_persistent_buffers_set") or ()
    buffers = _part(record, "_buffers")
    if isinstance(hidden, set):
        buffers = {name: item for name, item in buffers.items() if name not in hidden}
    for name, value in (_part(record, "_parameters") | buffers).items():
        yield str(name), value
    for prefix, child in _part(record, "_modules").items():
        if isinstance(child, Mapping):
            yield from ((f"{prefix}.{name}", value) for name, value in _parts(child))
        else:
            yield str(prefix), child


def attributes(record: Record, path: str = "") -> dict[str, object]:
    """Gathers the plain attributes that a module's constructor set.

    Args:
        record: the record of a network.
        path: dotted names of a nested module, such as "synthesis.b4.conv1".

    Returns:
        Every public attribute, such as ``resolution`` or ``conv_clamp``; PyTorch's own
        bookkeeping has private names.

    Raises:
        CheckpointError: if there is no such module.
    """
    state = _state(module(record, path))
    return {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and not name.startswith("_")
    }


def options(record: Record, path: str = "") -> dict[str, object]:
    """Gathers the keyword arguments that a module's constructor was called with.

    Args:
        record: the record of a network.
        path: dotted names of a nested module, such as "synthesis".

    Raises:
        CheckpointError: if there is no such module.
    """
    found = _state(module(record, path)).get("_init_kwargs")
    return dict(found) if isinstance(found, Mapping) else {}


def _state(record: Record) -> dict:
    state = record.get("state")
    if not isinstance(state, dict):
        raise CheckpointError("a network's record without a state")
    return state


def _part(record: Record, name: str) -> dict:
    part = _state(record).get(name)
    return part if isinstance(part, dict) else {}
