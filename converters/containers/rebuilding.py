"""The globals that a pickle may name, and the harmless objects that stand for them.

Nothing of torch, argparse or dnnlib is imported, and of NumPy only arrays are made:
each entry of ``GLOBALS`` is a function of this package or a tag without behaviour.
"""

from collections.abc import Callable, Iterable

from converters.containers.limits import is_size
from converters.containers.numpy_pickles import (
    NumpyArray,
    NumpyDType,
    as_bytes,
    rebuild_from_buffer,
    rebuild_scalar,
)
from converters.containers.placeholders import (
    Constructor,
    Foreign,
    Placeholder,
    Refusal,
    Stateful,
    as_key,
    made_by,
    set_item,
)
from converters.containers.tensors import (
    DENSE,
    STORAGE_TYPES,
    UNREAD_TYPES,
    check_known,
    rebuild_tensor,
)
from jaxlatent.types import CheckpointError

RECONSTRUCT_NAME = "_reconstruct_persistent_obj"

_NDARRAY = object()
"""The class of an array, which is only ever an argument of ``_reconstruct``."""


class _Namespace(dict, Stateful):
    """``argparse.Namespace`` as a dict of its attributes."""

    def __init__(self) -> None:
        super().__init__()

    def set_state(self, state: object) -> None:
        if not isinstance(state, dict):
            raise CheckpointError("a namespace whose attributes are not a dict")
        self.update(state)


def _rebuild_parameter(data: object, *_: object) -> object:
    return data


def _rebuild_encoded(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise CheckpointError("only latin-1 text is turned into bytes")
    return as_bytes(text)


def _rebuild_bytes() -> bytes:
    return b""


def _rebuild_with_attributes(
    rebuild: object, kind: object, arguments: object, *_: object
) -> object:
    """A tensor with attributes of its own, which are dropped."""
    if isinstance(rebuild, Foreign):
        return made_by(rebuild)
    match rebuild, kind, arguments:
        case Constructor(name=name) as known, Foreign(), tuple() if (
            name in _TENSOR_REBUILDERS
        ):
            tensor = known.build(*arguments)
            # a subclass may mean something else by the same elements
            return tensor if kind.name in _TENSOR_CLASSES else made_by(kind)
    raise CheckpointError("a tensor that is rebuilt in an unknown way")


def _rebuild_size(sizes: tuple) -> tuple:
    sizes = tuple(sizes)
    check_known(sizes, "a torch.Size")
    if not all(map(is_size, sizes)):
        raise CheckpointError("a torch.Size that is no tuple of sizes")
    return sizes


def _rebuild_set(members: Iterable = ()) -> set:
    return set(map(as_key, members))


def _rebuild_dict(pairs: Iterable = ()) -> dict:
    result = {}
    for key, value in pairs:
        set_item(result, key, value)
    return result


def _rebuild_record(meta: object) -> dict:
    if isinstance(meta, Placeholder):
        meta = meta.items
    match meta:
        case {"type": "class", "class_name": str() as class_name, "state": dict(state)}:
            return {"class_name": class_name, "state": state}
    raise CheckpointError("a persistent object without a class name and a state")


def _rebuild_device(kind: object, index: object = None) -> str:
    if not isinstance(kind, str) or not (index is None or isinstance(index, int)):
        raise CheckpointError("a device that is no name and number")
    return kind if index is None else f"{kind}:{index}"


def _unread_tensors() -> dict[str, Foreign]:
    kinds = {
        "_rebuild_sparse_tensor": "sparse",
        "_rebuild_sparse_csr_tensor": "sparse",
        "_rebuild_nested_tensor": "nested",
        "_rebuild_qtensor": "quantized",
        "_rebuild_meta_tensor_no_storage": "meta",
    }
    return {
        f"torch._utils.{name}": Foreign(
            f"torch._utils.{name}", f"{kind} tensors are not supported: {DENSE}"
        )
        for name, kind in kinds.items()
    }


_REFUSALS = {
    "dnnlib.tflib.network.Network": Refusal(
        "a TensorFlow-era network pickle holds no tensors: convert it with the "
        "legacy script of stylegan2-ada-pytorch or stylegan3 first"
    )
}

_TENSOR_CLASSES = {"torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Buffer"}
_TENSOR_REBUILDERS = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}

_CONSTRUCTORS: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_with_attributes,
    f"torch_utils.persistence.{RECONSTRUCT_NAME}": _rebuild_record,
    "torch.Size": _rebuild_size,
    "torch.device": _rebuild_device,
    "collections.OrderedDict": _rebuild_dict,
    "builtins.set": _rebuild_set,
    "builtins.bytes": _rebuild_bytes,
    "_codecs.encode": _rebuild_encoded,
    "argparse.Namespace": _Namespace,
    "dnnlib.util.EasyDict": _rebuild_dict,
    "numpy.dtype": NumpyDType,
    "numpy.core.multiarray._reconstruct": NumpyArray,
    "numpy.core.multiarray.scalar": rebuild_scalar,
    "numpy.core.numeric._frombuffer": rebuild_from_buffer,
}

GLOBALS: dict[str, object] = {
    **_CONSTRUCTORS,
    **STORAGE_TYPES,
    **UNREAD_TYPES,
    **_unread_tensors(),
    **_REFUSALS,
    "numpy.ndarray": _NDARRAY,
}
