"""Storages and tensors as checkpoints describe them, and the arrays they become.

A pickle names storages (flat memory of one dtype) and tensors (strided views of them).
Both stay descriptions until the container has supplied the storages' bytes, which in
old files come after the pickle. Every number is checked before an array is made.
"""

import math
from dataclasses import dataclass
from typing import Literal

import ml_dtypes
import numpy as np

from converters.containers.limits import Budget, Unread, is_size, shown
from converters.containers.placeholders import Foreign, Placeholder, unread
from jaxlatent.types import CheckpointError

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

STORAGE_TYPES = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.BFloat16Storage": BFLOAT16,
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
    "torch.storage.UntypedStorage": np.dtype("u1"),
}

DENSE = "only dense, strided ones of real numbers are read"

_MAX_RANK = 32


@dataclass(frozen=True)
class UnreadType:
    """An element type that NumPy or this reader has not: its size, and the words."""

    dtype: np.dtype
    unread: Unread


def _unread_types() -> dict[str, UnreadType]:
    sizes = {
        "complex": {"ComplexFloatStorage": 8, "ComplexDoubleStorage": 16},
        "quantized": {"QInt8Storage": 1, "QUInt8Storage": 1, "QInt32Storage": 4},
    }
    return {
        f"torch.{name}": UnreadType(
            np.dtype(f"V{size}"),
            unread(f"torch.{name}", f"{kind} tensors are not supported: {DENSE}"),
        )
        for kind, storages in sizes.items()
        for name, size in storages.items()
    }


UNREAD_TYPES = _unread_types()
"""Storages whose bytes are skipped, by name: a tensor over one is not read."""


@dataclass(eq=False)
class Storage:
    """Flat memory.

    Attributes:
        dtype: the element type.
        size: the number of elements.
        unread: the words for elements that are not read, None for others.
        contents: the bytes, None until the container has supplied them.
    """

    dtype: np.dtype
    size: int
    unread: Unread | None = None
    contents: bytes | memoryview | None = None

    @property
    def nbytes(self) -> int:
        """The number of bytes that ``contents`` must have."""
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class Tensor:
    """A strided view of a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, budget: Budget) -> np.ndarray:
        """Makes the array: a read-only view of the storage's bytes.

        Args:
            budget: counts the bytes of the array, also where they are shared.

        Returns:
            The array, with the tensor's own strides.

        Raises:
            CheckpointError: if the file does not hold the storage.
        """
        storage, itemsize = self.storage, self.storage.dtype.itemsize
        if storage.contents is None:
            raise CheckpointError("a tensor's storage is missing from the file")
        budget.spend_array(math.prod(self.shape) * itemsize)
        if 0 in self.shape:
            return np.empty(self.shape, storage.dtype)
        return _checked_bool(
            np.ndarray(
                self.shape,
                storage.dtype,
                storage.contents,
                self.offset * itemsize,
                tuple(stride * itemsize for stride in self.strides),
            )
        )


def rebuild_tensor(
    storage: object,
    offset: object,
    shape: object,
    strides: object,
    requires_grad: object = False,
    hooks: object = None,
    metadata: object = None,
    *_: object,
) -> Tensor | Placeholder:
    """Stands for ``torch._utils._rebuild_tensor`` and ``_rebuild_tensor_v2``.

    A view may show elements more than once: the byte budget bounds what it expands to.

    Args:
        storage: the storage that the tensor views.
        offset: the index of its first element.
        shape: the sizes of its axes.
        strides: the distances between neighbours along each axis, in elements.
        requires_grad: ignored.
        hooks: ignored.
        metadata: what is still to be done to the elements, if anything is.

    Returns:
        The description of the tensor; a placeholder if its elements are not final.

    Raises:
        CheckpointError: if the arguments do not describe a view of that storage.
    """
    for value in (storage, offset, shape, strides):
        check_known(value, "a tensor")
    if not isinstance(storage, Storage):
        raise CheckpointError(f"a tensor over a {type(storage).__name__}")
    shape = checked_shape(shape, storage.dtype)
    if not (is_size(offset) and isinstance(strides, tuple)):
        raise CheckpointError("a tensor with a bad offset or bad strides")
    if len(strides) != len(shape) or not all(map(is_size, strides)):
        raise CheckpointError(f"a tensor with shape {shape} has bad strides")
    # Along an axis of length one any stride is legal and none is used.
    strides = tuple(
        step if size > 1 else 0 for size, step in zip(shape, strides, strict=True)
    )
    steps = sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if math.prod(shape) and offset + steps >= storage.size:
        raise CheckpointError(
            f"a tensor with shape {shape}, strides {strides} and offset {offset} needs "
            f"more than its storage of {storage.size} elements"
        )
    if metadata:
        return Placeholder(unread("a tensor that is negated when it is used", DENSE))
    return Tensor(storage, offset, shape, strides)


def check_known(value: object, what: str) -> None:
    """Raises CheckpointError for what a tensor must not be made of.

    Args:
        value: an argument; the members of a tuple are looked at too.
        what: is made of it, in words.
    """
    for part in (value, *(value if isinstance(value, tuple) else ())):
        if isinstance(part, Foreign | Placeholder):
            raise CheckpointError(f"{what} needs {shown(part.unread)} to be built")


class Storages(dict[str, Storage]):
    """The storages that the persistent ids of one pickle name, by key."""

    def from_persistent_id(self, identity: object) -> Storage | Foreign:
        """Gives the storage for ``("storage", type, key, location, size[, None])``.

        Before version 1.6, classes of modules were named by such an id as well, beside
        the text of their source: ``("module", class, file, text)``.

        Args:
            identity: the unpickled persistent id.

        Returns:
            The storage of that key, still without contents if it is a new one; or the
            class, which is a name.

        Raises:
            CheckpointError: if the id is malformed or contradicts an earlier one.
        """
        match identity:
            case (
                "storage",
                np.dtype() | UnreadType() as kind,
                str() | int() as key,
                str(),
                size,
                *more,
            ) if is_size(size) and more in ([], [None]):
                pass
            case ("module", Foreign(), str() | None, str() | None):
                return identity[1]
            case ("storage", _, _, _, _, tuple()):
                raise CheckpointError("views of storages are not supported")
            case _:
                raise CheckpointError("a persistent id that names no storage")
        named = (
            Storage(kind.dtype, size, kind.unread)
            if isinstance(kind, UnreadType)
            else Storage(kind, size)
        )
        storage = self.setdefault(str(key), named)
        if (storage.dtype, storage.size) != (named.dtype, size):
            raise CheckpointError(f"storage {shown(key)} is described in two ways")
        return storage


def checked_shape(shape: object, dtype: np.dtype) -> tuple[int, ...]:
    """Checks a shape that a file gives.

    Args:
        shape: the shape; must be a tuple of sizes.
        dtype: the element type.

    Returns:
        The same shape.

    Raises:
        CheckpointError: if NumPy could not represent an array of that shape.
    """
    check_known(shape, "a shape")
    if not (isinstance(shape, tuple) and all(map(is_size, shape))):
        raise CheckpointError("a shape that is no tuple of sizes")
    # NumPy limits the product of the non-empty axes even if another one is empty.
    extent = math.prod(size or 1 for size in shape)
    if len(shape) > _MAX_RANK or extent * dtype.itemsize >= 2**63:
        raise CheckpointError("a shape that is too large")
    return shape


def dense_array(
    contents: bytes | memoryview,
    dtype: np.dtype,
    shape: object,
    order: Literal["C", "F"] = "C",
) -> np.ndarray:
    """Makes a read-only contiguous array of bytes that must fit it exactly.

    Args:
        contents: the elements' bytes.
        dtype: the element type.
        shape: the shape as the file gives it.
        order: "C" for row-major, "F" for column-major.

    Returns:
        The array, a view of ``contents`` if they lie where its elements may.

    Raises:
        CheckpointError: if shape and contents contradict each other.
    """
    shape = checked_shape(shape, dtype)
    count = math.prod(shape)
    if count * dtype.itemsize != len(contents):
        raise CheckpointError(
            f"an array with shape {shape} and dtype {dtype} does not fit its "
            f"{len(contents)} bytes"
        )
    contents = aligned(contents, dtype)
    array = np.frombuffer(contents, dtype) if count else np.empty(0, dtype)
    return _checked_bool(array.reshape(shape, order=order))


def aligned(contents: bytes | memoryview, dtype: np.dtype) -> bytes | memoryview:
    """The same bytes, copied if they begin where no element of the type may lie."""
    address = np.frombuffer(contents, np.uint8).ctypes.data if len(contents) else 0
    return bytes(contents) if address % dtype.alignment else contents


def _checked_bool(array: np.ndarray) -> np.ndarray:
    """Refuses booleans whose bytes are neither 0 nor 1: NumPy leaves them undefined."""
    if array.dtype == np.bool_ and (array.view(np.uint8) > 1).any():
        raise CheckpointError("a boolean that is neither 0 nor 1")
    return array
