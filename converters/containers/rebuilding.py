"""The globals that a pickle may name, and the harmless objects that stand for them.

Nothing of torch, argparse or dnnlib is imported, and of NumPy only arrays are made:
each entry of ``GLOBALS`` is a function of this package or a tag without behaviour.
"""

from collections.abc import Callable, Iterable

import numpy as np

from converters.containers.limits import Budget, shown
from converters.containers.pickles import Refusal, Stateful, check_key, set_item
from converters.containers.tensors import (
    STORAGE_TYPES,
    Storage,
    Tensor,
    dense_array,
    rebuild_tensor,
)
from jaxlatent.types import CheckpointError

_NUMPY_CODES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


def plain(value: object, budget: Budget, depth: int = 0) -> object:
    """Replaces everything that a pickle built by arrays and plain Python values.

    Args:
        value: an unpickled object whose storages have their contents.
        budget: counts values, depth and bytes.
        depth: how many containers hold the value.

    Returns:
        The same tree of dicts, lists, tuples, sets, numbers, text, bytes, None and
        NumPy arrays.

    Raises:
        CheckpointError: if the tree holds anything that is not data, or is too large.
    """
    budget.spend_value(depth)
    if isinstance(value, str | bytes):
        budget.spend_bytes(len(value))
        return value
    if value is None or isinstance(value, bool | int | float | set):
        return value
    if isinstance(value, dict):
        return {key: plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, budget, depth + 1) for item in value]
    if isinstance(value, tuple):
        return tuple([plain(item, budget, depth + 1) for item in value])
    if isinstance(value, Storage):
        value = Tensor(value, 0, (value.size,), (1,))
    if isinstance(value, Tensor):
        return value.array(budget)
    if isinstance(value, _NumpyArray):
        budget.spend_bytes(value.array.nbytes)
        return value.array
    raise CheckpointError(f"a {type(value).__name__} is stored where data belongs")


class _Namespace(dict, Stateful):
    """``argparse.Namespace`` as a dict of its attributes."""

    def __init__(self) -> None:
        super().__init__()

    def set_state(self, state: object) -> None:
        if not isinstance(state, dict):
            raise CheckpointError("a namespace whose attributes are not a dict")
        self.update(state)


class _NumpyDType(Stateful):
    """``numpy.dtype``: first its code, then its byte order."""

    def __init__(self, code: object, *_: object) -> None:
        if code not in _NUMPY_CODES:
            raise CheckpointError(
                f"NumPy dtype {shown(code)} is not allowed: only "
                f"{', '.join(_NUMPY_CODES)} are read"
            )
        self.dtype = np.dtype(f"<{code}")

    def set_state(self, state: object) -> None:
        match state:
            case (_, "<" | "|", None, None, None, *_):
                pass
            case (_, ">", *_):
                raise CheckpointError("big-endian NumPy data is not supported")
            case _:
                raise CheckpointError("a NumPy dtype with fields is not allowed")


class _NumpyArray(Stateful):
    """``numpy.ndarray``: an empty array until its state arrives."""

    def __init__(self, *_: object) -> None:
        self.array = np.empty(0, np.uint8)

    def set_state(self, state: object) -> None:
        match state:
            case (int(), shape, _NumpyDType(dtype=dtype), fortran, contents):
                order = "F" if fortran is True or fortran == 1 else "C"
                self.array = dense_array(as_bytes(contents), dtype, shape, order)
            case _:
                raise CheckpointError("a NumPy array whose state is not a plain array")


def as_bytes(value: object) -> bytes:
    """Gives the bytes of a byte string, which Python 2 stored as latin-1 text.

    Args:
        value: bytes or text.

    Returns:
        The bytes.

    Raises:
        CheckpointError: if the value is neither.
    """
    if isinstance(value, str):
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError:
            raise CheckpointError("text where bytes belong") from None
    if not isinstance(value, bytes):
        raise CheckpointError(f"a {type(value).__name__} where bytes belong")
    return value


def _rebuild_from_buffer(
    contents: object, dtype: object, shape: object, order: object
) -> _NumpyArray:
    if not isinstance(dtype, _NumpyDType) or order not in ("C", "F"):
        raise CheckpointError("a NumPy buffer that is not a plain array")
    result = _NumpyArray()
    result.set_state((1, shape, dtype, order == "F", contents))
    return result


def _rebuild_scalar(dtype: object, contents: object) -> object:
    if not isinstance(dtype, _NumpyDType):
        raise CheckpointError("a NumPy scalar without a dtype")
    return dense_array(as_bytes(contents), dtype.dtype, ()).item()


def _rebuild_parameter(data: object, *_: object) -> object:
    return data


def _rebuild_encoded(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise CheckpointError("only latin-1 text is turned into bytes")
    return as_bytes(text)


def _rebuild_bytes() -> bytes:
    return b""


def _rebuild_size(sizes: tuple) -> tuple:
    return tuple(sizes)


def _rebuild_set(members: Iterable = ()) -> set:
    for member in members:
        check_key(member)
    return set(members)


def _rebuild_dict(pairs: Iterable = ()) -> dict:
    result = {}
    for key, value in pairs:
        set_item(result, key, value)
    return result


def _rebuild_device(kind: object, index: object = None) -> str:
    if not isinstance(kind, str) or not (index is None or isinstance(index, int)):
        raise CheckpointError("a device that is no name and number")
    return kind if index is None else f"{kind}:{index}"


def _refusals() -> dict[str, Refusal]:
    dense = "tensors are not supported: only dense, strided ones are read"
    reasons = {
        "torch._utils._rebuild_sparse_tensor": f"sparse {dense}",
        "torch._utils._rebuild_sparse_csr_tensor": f"sparse {dense}",
        "torch._utils._rebuild_nested_tensor": f"nested {dense}",
        "torch._utils._rebuild_qtensor": f"quantized {dense}",
        "torch._utils._rebuild_meta_tensor_no_storage": f"meta {dense}",
        "torch.ComplexFloatStorage": f"complex {dense}",
        "torch.ComplexDoubleStorage": f"complex {dense}",
        "dnnlib.tflib.network.Network": (
            "a TensorFlow-era network pickle holds no tensors: convert it with the "
            "legacy script of stylegan2-ada-pytorch or stylegan3 first"
        ),
    }
    return {name: Refusal(reason) for name, reason in reasons.items()}


_CONSTRUCTORS: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": _rebuild_size,
    "torch.device": _rebuild_device,
    "collections.OrderedDict": _rebuild_dict,
    "builtins.set": _rebuild_set,
    "builtins.bytes": _rebuild_bytes,
    "_codecs.encode": _rebuild_encoded,
    "argparse.Namespace": _Namespace,
    "dnnlib.util.EasyDict": _rebuild_dict,
    "numpy.dtype": _NumpyDType,
    "numpy.core.multiarray._reconstruct": _NumpyArray,
    "numpy.core.multiarray.scalar": _rebuild_scalar,
    "numpy.core.numeric._frombuffer": _rebuild_from_buffer,
}

# The class of an array is only ever an argument of `_reconstruct`.
GLOBALS: dict[str, object] = (
    _CONSTRUCTORS | STORAGE_TYPES | _refusals() | {"numpy.ndarray": object()}
)
