"""Writes checkpoint files of every container byte by byte, without torch.

Pickles are assembled opcode by opcode, so that they may name modules that are not
installed and be wrong in any way a test wants.
"""

import io
import json
import struct
import zipfile
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from converters.containers.safetensors import encode as safetensors
from converters.containers.writing import (
    Assembler,
    Call,
    Name,
    Persistent,
    call,
    ordered,
    storage_id,
    tensor,
)

__all__ = ["Persistent", "safetensors"]

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
MACHINE = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}

STORAGES = {
    "FloatStorage": np.dtype("f4"),
    "DoubleStorage": np.dtype("f8"),
    "HalfStorage": np.dtype("f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("i8"),
    "IntStorage": np.dtype("i4"),
    "ShortStorage": np.dtype("i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


@dataclass
class Raw:
    """Opcodes written as they are."""

    opcodes: bytes


@dataclass(eq=False)
class View:
    """A tensor over ``flat``; views of one ``flat`` share their storage."""

    flat: np.ndarray
    offset: int
    shape: tuple
    strides: tuple
    rebuild: str = "_rebuild_tensor_v2"


class Writer(Assembler):
    def __init__(self, protocol, python2):
        self.protocol = protocol
        self.python2 = python2
        self.memo = {}

    def text(self, value):
        if self.python2:
            data = value.encode("latin-1")
            return b"T" + struct.pack("<i", len(data)) + data
        if value in self.memo:
            return b"j" + struct.pack("<I", self.memo[value])
        data = value.encode("utf-8")
        index = self.memo[value] = len(self.memo)
        memoise = b"\x94" if self.protocol >= 4 else b"r" + struct.pack("<I", index)
        return b"X" + struct.pack("<I", len(data)) + data + memoise

    def byte_string(self, value):
        if self.python2:
            return self.text(value.decode("latin-1"))
        if self.protocol < 3:
            if not value:
                return self(call("__builtin__.bytes"))
            return self(call("_codecs.encode", value.decode("latin-1"), "latin1"))
        return b"B" + struct.pack("<I", len(value)) + value

    def __call__(self, value):
        match value:
            case Raw():
                return value.opcodes
            case bytearray():
                return b"\x96" + struct.pack("<Q", len(value)) + bytes(value)
            case list():
                return b"](" + b"".join(map(self, value)) + b"e"
            case set() if self.protocol >= 4:
                return b"\x8f(" + b"".join(map(self, sorted(value))) + b"\x90"
            case set():
                module = "builtins" if self.protocol == 3 else "__builtin__"
                return self(call(f"{module}.set", sorted(value)))
            case Name() if self.protocol >= 4:
                return self(value.module) + self(value.name) + b"\x93"
        return super().__call__(value)


def pickled(value, protocol=2, *, python2=False):
    header = bytes([0x80, protocol])
    body = Writer(protocol, python2)(value) + b"."
    if protocol >= 4:
        header += b"\x95" + struct.pack("<Q", len(body))
    return header + body


def described(tree, storage_of):
    """Replaces every array and view of a tree by the description of a tensor."""
    if isinstance(tree, np.ndarray):
        strides = np.zeros(tree.shape, np.uint8).strides
        tree = View(tree.reshape(-1), 0, tree.shape, strides)
    match tree:
        case View():
            storage = storage_of(tree.flat)
            return tensor(storage, tree.offset, tree.shape, tree.strides, tree.rebuild)
        case dict():
            return {key: described(item, storage_of) for key, item in tree.items()}
        case list() | tuple():
            return type(tree)(described(item, storage_of) for item in tree)
        case Call():
            arguments = described(tree.arguments, storage_of)
            items = tree.items and described(tree.items, storage_of)
            state = tree.state and described(tree.state, storage_of)
            return Call(tree.function, arguments, items, state, tree.opcode)
    return tree


def with_keys(tree, first_key, *more):
    """Describes a tree by persistent ids and gives the flat arrays by storage key."""
    flats = {}

    def storage_of(flat):
        known = [key for key, other in flats.items() if other is flat]
        key = known[0] if known else str(first_key + len(flats))
        flats[key] = flat
        return storage_id(flat.dtype, key, flat.size, *more)

    return described(tree, storage_of), flats


def zip_bytes(members, *, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def torch_zip(tree, *, first_key=0, byteorder=True, **options):
    """Writes what ``torch.save`` writes since 1.6."""
    description, flats = with_keys(tree, first_key)
    members = {"archive/data.pkl": pickled(description)}
    members |= {"archive/byteorder": b"little"} if byteorder else {}
    for key, flat in flats.items():
        members[f"archive/data/{key}"] = flat.tobytes()
    members["archive/version"] = b"3\n"
    return zip_bytes(members, **options)


def legacy_bytes(
    description, keys=(), contents=(), *, machine=MACHINE, magic=MAGIC_NUMBER, **options
):
    """Writes the pre-1.6 container of a description and (count, bytes) per key."""
    pickles = [magic, 1001, machine, description, list(keys)]
    storages = [struct.pack("<q", count) + data for count, data in contents]
    return b"".join([*(pickled(item, **options) for item in pickles), *storages])


def torch_legacy(tree, *, entries=6, **options):
    """Writes what ``torch.save`` wrote before 1.6."""
    more = (None,) if entries == 6 else ()
    description, flats = with_keys(tree, 94000, *more)
    contents = [(flat.size, flat.tobytes()) for flat in flats.values()]
    return legacy_bytes(description, flats, contents, **options)


def embedded(flat, **options):
    """The stream of one bare storage, as plain pickles of tensors embed it."""
    identity = storage_id(flat.dtype, "94000", flat.size, None)
    return legacy_bytes(identity, ["94000"], [(flat.size, flat.tobytes())], **options)


def plain_pickle(tree, protocol=3, *, python2=False):
    """Writes a pickle of tensors outside any torch container."""

    def storage_of(flat):
        stream = embedded(flat, python2=python2)
        return call("torch.storage._load_from_bytes", stream)

    return pickled(described(tree, storage_of), protocol, python2=python2)


def record(class_name, state):
    """A network object as NVIDIA's persistence stores it."""
    meta = {
        "type": "class",
        "version": 6,
        "module_src": "raise SystemExit('the embedded source ran')\n",
        "class_name": class_name,
        "state": state,
    }
    meta = call("dnnlib.util.EasyDict", items=meta, opcode=b"\x81")
    return call("torch_utils.persistence._reconstruct_persistent_obj", meta)


def parameter(array):
    return call("torch._utils._rebuild_parameter", array, True, ordered({}))


def module(class_name, parameters=(), buffers=(), modules=(), **attributes):
    state = {
        "training": False,
        "_parameters": ordered(
            {
                k: None if v is None else parameter(v)
                for k, v in dict(parameters).items()
            }
        ),
        "_buffers": ordered(dict(buffers)),
        "_non_persistent_buffers_set": {"scratch"},
        "_backward_hooks": ordered({}),
        "_modules": ordered(dict(modules)),
    }
    return record(class_name, state | attributes)


def header_bytes(entries):
    """A safetensors file's length field and header."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
