"""Pickles and torch files for other programs, assembled without torch.

Python's pickler writes a global only after it has imported it, and NumPy 2 arrays under
module names that NumPy 1 does not have. Here a global is a name and nothing else.
"""

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from converters.containers.tensors import STORAGE_TYPES


@dataclass(frozen=True)
class Name:
    """A global, as ``module`` and ``name``."""

    module: str
    name: str


@dataclass
class Call:
    """A call of a global, then optionally dict items and a BUILD state."""

    function: Any
    arguments: tuple = ()
    items: dict | None = None
    state: Any = None
    opcode: bytes = b"R"


@dataclass
class Persistent:
    """A persistent id."""

    identity: Any


def call(path: str, *arguments: object, **options: Any) -> Call:
    """The call of a global by its dotted name; ``options`` are fields of ``Call``."""
    return Call(Name(*path.rsplit(".", 1)), arguments, **options)


class Assembler:
    """Writes values as the opcodes of protocol 2 or, with bytes among them, 3."""

    def text(self, value: str) -> bytes:
        """The opcodes of a text."""
        data = value.encode("utf-8")
        return b"X" + struct.pack("<I", len(data)) + data

    def byte_string(self, value: bytes) -> bytes:
        """The opcodes of a byte string."""
        return b"B" + struct.pack("<I", len(value)) + value

    def __call__(self, value: object) -> bytes:
        """The opcodes of any value.

        Raises:
            TypeError: for a value that no pickle of ours needs.
        """
        match value:
            case None:
                return b"N"
            case bool():
                return b"\x88" if value else b"\x89"
            case int():
                data = value.to_bytes(
                    value.bit_length() // 8 + 1, "little", signed=True
                )
                return b"\x8a" + struct.pack("B", len(data)) + data
            case float():
                return b"G" + struct.pack(">d", value)
            case str():
                return self.text(value)
            case bytes():
                return self.byte_string(value)
            case tuple():
                return b"(" + b"".join(map(self, value)) + b"t"
            case dict():
                return b"}" + self.items(value)
            case Name():
                return f"c{value.module}\n{value.name}\n".encode()
            case Persistent():
                return self(value.identity) + b"Q"
            case Call():
                code = self(value.function) + self(value.arguments) + value.opcode
                code += self.items(value.items) if value.items is not None else b""
                return code + (self(value.state) + b"b" if value.state else b"")
        raise TypeError(f"a {type(value).__name__} cannot be written")

    def items(self, items: Mapping) -> bytes:
        """The opcodes that store the items of the dict on top of the stack."""
        pairs = (self(key) + self(value) for key, value in items.items())
        return b"(" + b"".join(pairs) + b"u"


def pickled(value: object, protocol: int = 2) -> bytes:
    """One whole pickle.

    Args:
        value: a tree of dicts, tuples, leaves and the classes of this module.
        protocol: 2, or 3 where there are byte strings.

    Raises:
        TypeError: for another value in the tree.
    """
    return bytes([0x80, protocol]) + Assembler()(value) + b"."


def numpy_array(array: np.ndarray) -> Call:
    """An array as every version of NumPy unpickles it."""
    dtype = array.dtype.newbyteorder("<")
    described = call(
        *("numpy.dtype", f"{dtype.kind}{dtype.itemsize}", 0, 1),
        state=(3, "<", None, None, None, -1, -1, 0),
    )
    contents = array.astype(dtype).tobytes()
    return call(
        *("numpy.core.multiarray._reconstruct", Name("numpy", "ndarray"), (0,), b"b"),
        state=(1, array.shape, described, False, contents),
    )


def storage_id(dtype: np.dtype, key: str, size: int, *more: object) -> Persistent:
    """The persistent id by which a torch pickle names a storage of ``size`` elements.

    Raises:
        TypeError: for an element type that torch does not have.
    """
    for name, known in STORAGE_TYPES.items():
        if known == dtype:
            kind = Name(*name.rsplit(".", 1))
            return Persistent(("storage", kind, key, "cpu", size, *more))
    raise TypeError(f"arrays of {dtype} cannot be written as tensors")


def tensor(
    storage: object,
    offset: int,
    shape: tuple,
    strides: tuple,
    rebuild: str = "_rebuild_tensor_v2",
) -> Call:
    """A strided view of a storage, counted in elements."""
    extra = () if rebuild == "_rebuild_tensor" else (False, ordered({}))
    return call(f"torch._utils.{rebuild}", storage, offset, shape, strides, *extra)


def ordered(items: dict, state: object = None) -> Call:
    """An ordered dict."""
    return call("collections.OrderedDict", items=items, state=state)


def torch_zip(arrays: Mapping[str, np.ndarray] | np.ndarray) -> bytes:
    """What ``torch.save`` writes since 1.6 for a dict of tensors, or for one.

    Raises:
        TypeError: for an element type that torch does not have.
    """
    tensors, members = {}, {}
    named = {"": arrays} if isinstance(arrays, np.ndarray) else arrays
    for key, (name, array) in enumerate(named.items()):
        dense = np.asarray(array, order="C")
        strides = tuple(step // dense.itemsize for step in dense.strides)
        storage = storage_id(dense.dtype, str(key), dense.size)
        tensors[name] = tensor(storage, 0, dense.shape, strides)
        members[f"data/{key}"] = dense.tobytes()
    members = {
        "data.pkl": pickled(tensors if named is arrays else tensors[""]),
        "byteorder": b"little",
        **members,
        "version": b"3\n",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"archive/{name}", content)
    return file.getvalue()
