"""What stands for NumPy's dtypes, arrays and scalars while a pickle builds them."""

import math

import numpy as np

from converters.containers.limits import Unread, shown
from converters.containers.placeholders import Foreign, Placeholder, Stateful, unread
from converters.containers.tensors import check_known, checked_shape, dense_array
from jaxlatent.types import CheckpointError

_CODES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")


class NumpyDType(Stateful):
    """``numpy.dtype``: first its code, then its byte order."""

    def __init__(self, code: object, *_: object) -> None:
        self.dtype = np.dtype(np.uint8)
        self.is_object = code in ("O", "O8")
        self.unread: Unread | None = None
        check_known(code, "a NumPy dtype")
        if code in _CODES:
            self.dtype = np.dtype(f"<{code}")
        else:
            why = f"only {', '.join(_CODES)} are read"
            self.unread = unread(f"NumPy dtype {shown(code)}", why)

    def set_state(self, state: object) -> None:
        """Takes the version, the byte order, and what plain dtypes have not."""
        match state:
            case (_, "<" | "|", None, None, None, *_):
                return
            case (_, ">", *_):
                found = unread("big-endian NumPy data", "only little-endian is read")
            case _:
                found = unread("a NumPy dtype with fields", "only plain ones are read")
        self.unread, self.is_object = self.unread or found, False


class NumpyArray(Stateful):
    """``numpy.ndarray``: an empty array until its state arrives.

    An array of objects becomes what is in it: lists, or the one value of a scalar.
    """

    def __init__(self, kind: object = None, *_: object) -> None:
        if isinstance(kind, Placeholder):
            check_known(kind, "a NumPy array")
        self.kind = kind
        self.array = np.empty(0, np.uint8)
        self.objects: object = None

    def set_state(self, state: object) -> None:
        """Takes the version, shape, dtype, order and elements."""
        match state:
            case (int(), shape, NumpyDType() as kind, fortran, contents):
                order = "F" if fortran is True or fortran == 1 else "C"
            case _:
                raise CheckpointError("a NumPy array whose state is not a plain array")
        if isinstance(self.kind, Foreign):
            # another class may mean something else by the same elements
            self.objects = Placeholder(self.kind.unread)
        elif kind.is_object:
            self.objects = _nested(contents, shape, order)
        elif kind.unread:
            self.objects = Placeholder(kind.unread)
        else:
            self.array = dense_array(as_bytes(contents), kind.dtype, shape, order)


def _nested(contents: object, shape: object, order: str) -> object:
    """The objects of an array, as lists of lists."""
    shape = checked_shape(shape, np.dtype(object))
    if not isinstance(contents, list) or len(contents) != math.prod(shape):
        raise CheckpointError("a NumPy array of objects that does not fit its shape")
    if not contents:
        return []
    if order == "F" and len(shape) > 1:
        return Placeholder(unread("a NumPy array of objects in column-major order"))
    for size in reversed(shape[1:]):
        contents = [contents[i : i + size] for i in range(0, len(contents), size)]
    return contents if shape else contents[0]


def rebuild_from_buffer(
    contents: object, dtype: object, shape: object, order: object
) -> NumpyArray:
    """Stands for ``numpy.core.numeric._frombuffer``."""
    if not isinstance(dtype, NumpyDType) or order not in ("C", "F"):
        raise CheckpointError("a NumPy buffer that is not a plain array")
    result = NumpyArray()
    result.set_state((1, shape, dtype, order == "F", contents))
    return result


def rebuild_scalar(dtype: object, contents: object) -> object:
    """Stands for ``numpy.core.multiarray.scalar``."""
    if not isinstance(dtype, NumpyDType):
        raise CheckpointError("a NumPy scalar without a dtype")
    if dtype.unread:
        return Placeholder(dtype.unread)
    return dense_array(as_bytes(contents), dtype.dtype, ()).item()


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
