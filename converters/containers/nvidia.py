"""NVIDIA's network pickles, and other plain pickles that hold tensors.

StyleGAN2-ADA and StyleGAN3 store each network object as the source text of its class, a
class name and a state. The original loader executes the text. Here an object becomes a
*record*, ``{"class_name": str, "state": {...}}``, and the text is dropped. Tensors lie
in the pickle as byte strings, each a complete pre-1.6 torch stream of one storage.
"""

from collections.abc import Mapping

import numpy as np

from converters.containers.limits import Budget
from converters.containers.pickles import load
from converters.containers.rebuilding import GLOBALS, as_bytes, plain
from converters.containers.tensors import Storage
from converters.containers.torch_legacy import read_storage
from jaxlatent.types import CheckpointError

Record = Mapping[str, object]

RECONSTRUCT_NAME = b"_reconstruct_persistent_obj"


def read(data: bytes, budget: Budget) -> object:
    """Reads a plain pickle, such as NVIDIA's.

    Args:
        data: the whole file.
        budget: counts what the file makes us spend.

    Returns:
        The pickled object with NumPy arrays for tensors and records for networks.

    Raises:
        CheckpointError: if the file is anything but a sound pickle of such objects.
    """

    def load_from_bytes(stream: object) -> Storage:
        return read_storage(as_bytes(stream), budget)

    allowed = GLOBALS | {
        f"torch_utils.persistence.{RECONSTRUCT_NAME.decode()}": _rebuild_record,
        "torch.storage._load_from_bytes": load_from_bytes,
    }
    value, end = load(data, 0, allowed, budget)
    if end != len(data):
        raise CheckpointError(f"{len(data) - end} bytes after the pickle's end")
    if isinstance(value, tuple) and len(value) == 3:
        raise CheckpointError(
            "a tuple of three networks, as TensorFlow-era pickles hold: convert it "
            "with the legacy script of stylegan2-ada-pytorch or stylegan3 first"
        )
    return plain(value, budget)


def is_record(value: object) -> bool:
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
    state = _state(record)
    hidden = state.get("_non_persistent_buffers_set") or ()
    own = _part(record, "_parameters") | {
        name: value
        for name, value in _part(record, "_buffers").items()
        if not (isinstance(hidden, set) and name in hidden)
    }
    result = {
        str(name): value for name, value in own.items() if isinstance(value, np.ndarray)
    }
    for prefix, child in _part(record, "_modules").items():
        if isinstance(child, Mapping):
            nested = tensors(child)
            result |= {f"{prefix}.{name}": value for name, value in nested.items()}
    return result


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


def _rebuild_record(meta: object) -> dict:
    match meta:
        case {"type": "class", "class_name": str() as class_name, "state": dict(state)}:
            return {"class_name": class_name, "state": state}
    raise CheckpointError("a persistent object without a class name and a state")


def _state(record: Record) -> dict:
    state = record.get("state")
    if not isinstance(state, dict):
        raise CheckpointError("a network's record without a state")
    return state


def _part(record: Record, name: str) -> dict:
    part = _state(record).get(name)
    return part if isinstance(part, dict) else {}
