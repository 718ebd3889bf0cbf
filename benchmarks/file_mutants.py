"""Files that nobody wrote: seeded mutants of sound ones.

Every function of a mutation takes a NumPy generator first, and what it changes is drawn
from it alone, so a mutant is known by its seed and its number.
"""

import copy
import io
import itertools
import json
import pickletools
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from converters.containers import safetensors
from converters.containers.limits import Unread
from converters.containers.numpy_format import MAGIC as NPY_MAGIC
from converters.containers.torch_legacy import MAGIC as LEGACY_MAGIC

Random = np.random.Generator
Mutation = Callable[[Random, bytes], bytes]

NUMBERS = (0, 1, -1, 2, 255, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, 2**64, 10**30)
TEXTS = (
    *(
        "",
        "\x00",
        "\x1b[31mred",
        "a\nb",
        "ü",
        "../../x",
        "w+",
        "z",
        "NaN",
        "0",
        "x" * 5000,
    ),
    *("9999999999", "blocks.9999999999.weight", "-1", "__class__", "\ud800", "a.b.c"),
    "x" * 5000,
)
GLOBALS = (
    *("collections OrderedDict", "easydict EasyDict", "posix system", "torch Size"),
    *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"),
    *("torch FloatStorage", "torch LongStorage", "torch ComplexFloatStorage"),
    *("numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"),
    *("torch_utils.persistence _reconstruct_persistent_obj", "builtins set"),
    *("argparse Namespace", "torch.nn.modules.conv Conv2d", "_codecs encode"),
)


def pick(random: Random, choices: Any) -> Any:
    """One of a sequence."""
    return choices[int(random.integers(len(choices)))]


def several(random: Random, most: int = 4) -> range:
    """One to `most` times."""
    return range(int(random.integers(1, most + 1)))


# bytes


def flip(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in several(random, 8):
        changed[int(random.integers(len(changed)))] = int(random.integers(256))
    return bytes(changed)


def cut(random: Random, data: bytes) -> bytes:
    return data[: int(random.integers(len(data)))]


def splice(random: Random, data: bytes) -> bytes:
    start, stop = sorted(int(random.integers(len(data) + 1)) for _ in range(2))
    to = int(random.integers(len(data) + 1))
    chunk = data[start : min(stop, start + 4096)]
    over = len(chunk) if random.random() < 0.5 else 0
    return data[:to] + chunk + data[to + over :]


def leave_out(random: Random, data: bytes) -> bytes:
    start = int(random.integers(len(data)))
    return data[:start] + data[start + int(random.integers(1, 64)) :]


def lie(random: Random, data: bytes) -> bytes:
    """An extreme number over four or eight bytes, mostly near an end of the file."""
    size = 4 if random.random() < 0.6 else 8
    number = int(pick(random, NUMBERS)) % 2 ** (8 * size)
    near = int(random.integers(min(len(data), 2048)))
    start = near if random.random() < 0.5 else len(data) - near
    return data[:start] + number.to_bytes(size, "little") + data[start + size :]


BYTES: tuple[Mutation, ...] = (flip, flip, cut, splice, leave_out, lie)


# pickles


def pickle_of(data: bytes) -> tuple[int, int] | None:
    """Where the bytes hold the pickle of the object."""
    stream = io.BytesIO(data)
    count = 4 if data.startswith(LEGACY_MAGIC) else 1
    start = 0
    if data.startswith(NPY_MAGIC):
        start = 10 + int.from_bytes(data[8:10], "little")
        stream.seek(start)
    try:
        for _ in range(count):
            start = stream.tell()
            for _ in pickletools.genops(stream):
                pass
    except (ValueError, IndexError):
        return None
    return start, stream.tell()


def mutate_opcodes(random: Random, data: bytes) -> bytes:
    """A pickle with other opcodes, or other arguments of the same ones."""
    positions = [place for _, _, place in pickletools.genops(data)] + [len(data)]
    spans = itertools.pairwise(positions)
    parts = [data[start:stop] for start, stop in spans]
    for _ in several(random):
        at = int(random.integers(1, max(2, len(parts) - 1))) % len(parts)
        match int(random.integers(6)):
            case 0:
                del parts[at]
            case 1:
                parts.insert(at, pick(random, parts))
            case 2:
                parts[at] = pick(random, parts)
            case 3:
                other = int(random.integers(len(parts)))
                parts[at], parts[other] = parts[other], parts[at]
            case 4:
                parts[at] = _another_argument(random, parts)
            case _:
                name = pick(random, GLOBALS).replace(" ", "\n")
                named = [i for i, part in enumerate(parts) if part[:1] == b"c"]
                where = pick(random, named) if named else at
                parts[where] = f"c{name}\n".encode()
    return b"".join(parts)


def _another_argument(random: Random, parts: list[bytes]) -> bytes:
    """An opcode that pushes an extreme number, a text or a container."""
    match int(random.integers(4)):
        case 0:
            number = int(pick(random, NUMBERS))
            raw = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(raw)]) + raw
        case 1:
            text = pick(random, TEXTS).encode("utf-8", "surrogatepass")
            return b"X" + struct.pack("<I", len(text)) + text
        case 2:
            return pick(random, (b"N", b"]", b"}", b")", b"\x88", b"G" + b"\x7f" * 8))
        case _:
            return b"h" + bytes([int(random.integers(256))]) if parts else b"N"


def mutate_pickle(random: Random, data: bytes) -> bytes:
    """A torch file, a plain pickle or an array of objects with another pickle in it."""
    if data.startswith(b"PK"):
        members = members_of(data)
        name = next((name for name in members if name.endswith("data.pkl")), None)
        if name is None:
            return flip(random, data)
        return zipped(members | {name: mutate_opcodes(random, members[name])})
    span = pickle_of(data)
    if span is None:
        return flip(random, data)
    start, stop = span
    return data[:start] + mutate_opcodes(random, data[start:stop]) + data[stop:]


# archives, arrays and JSON


def members_of(data: bytes) -> dict[str, bytes]:
    """The members of a zip archive by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip archive of members as they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            # a fixed date, for a mutant is the same at any time
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def npy(array: Any) -> bytes:
    """An array as NumPy writes it, pickled if it must be."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def mutate_members(random: Random, data: bytes) -> bytes:
    """An `.npz` file with other members, arrays or headers in JSON."""
    members = members_of(data)
    arrays = {
        name: np.load(io.BytesIO(content), allow_pickle=True)
        for name, content in members.items()
    }
    for _ in several(random, 3):
        name = pick(random, list(arrays))
        array = arrays[name]
        is_text = array.dtype == np.uint8 and array[:1].tobytes() == b"{"
        match int(random.integers(6)):
            case 0 if len(members) > 1:
                members.pop(name, None)
            case 1:
                text = pick(random, TEXTS)[:80].replace("\ud800", "")
                members[f"{text}.npy"] = members.pop(name, npy(array))
            case 2:
                members[name] = pick(random, BYTES)(random, npy(array))
            case 3 if not is_text:
                members[name] = npy(arrays[pick(random, list(arrays))])
            case _ if is_text:
                text = mutate_json(random, array.tobytes())
                members[name] = npy(np.frombuffer(text, np.uint8))
            case _:
                members[name] = npy(another_array(random, array))
    return zipped(members)


def mutate_json(random: Random, text: bytes) -> bytes:
    """A JSON text with another value somewhere; sometimes no JSON any more."""
    if random.random() < 0.1:
        return pick(random, BYTES)(random, text)
    value = json.loads(text)
    for _ in several(random, 3):
        holder, key = _place(random, value)
        if holder is None:
            value = another_json(random)
        elif random.random() < 0.2:
            del holder[key]
        elif isinstance(holder, dict) and random.random() < 0.25:
            holder[pick(random, TEXTS)] = holder.pop(key)
        else:
            holder[key] = another_json(random)
    return json.dumps(value).encode()


def _place(random: Random, value: Any) -> tuple[Any, Any]:
    """A container within a JSON value and a key of it."""
    holder, key = None, None
    while isinstance(value, dict | list) and value and random.random() < 0.8:
        holder = value
        key = pick(
            random, list(value) if isinstance(value, dict) else range(len(value))
        )
        value = holder[key]
    return holder, key


def another_json(random: Random) -> Any:
    """A value that no header has there."""
    values = (None, True, {}, [], [[]], {"a": {"b": []}}, 0.5, 1e308, float("nan"))
    match int(random.integers(6)):
        case 0:
            return int(pick(random, NUMBERS))
        case 1:
            return pick(random, TEXTS)
        case 2:
            nested: Any = 1
            for _ in range(int(pick(random, (3, 60, 400)))):
                nested = [nested]
            return nested
        case _:
            return copy.deepcopy(pick(random, values))


def mutate_header(random: Random, data: bytes) -> bytes:
    """A safetensors file with another header."""
    length = int.from_bytes(data[:8], "little")
    text = mutate_json(random, data[8 : 8 + length])
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


# trees of tensors


def another_array(random: Random, array: np.ndarray) -> Any:
    """An array of another shape, type or content."""
    array = np.asarray(array)
    match int(random.integers(10)):
        case 0:
            return array.reshape(-1)
        case 1:
            return array.T
        case 2:
            return array[None]
        case 3:
            return array[..., None]
        case 4:
            return array[:0] if array.ndim else np.empty(0, array.dtype)
        case 5:
            return (
                np.concatenate([array, array]) if array.ndim else np.stack([array] * 2)
            )
        case 6:
            return array.reshape(-1)[0] if array.size else array
        case 7:
            kinds = ("f2", "f8", "i4", "u1", "?", "c8", "U3")
            return np.zeros(array.shape, pick(random, kinds))
        case 8 if array.dtype.kind == "f":
            return np.full_like(array, pick(random, (np.nan, np.inf, 0, 1e30)))
        case _:
            sizes = [int(random.integers(0, 6)) for _ in range(random.integers(0, 6))]
            return np.ones(sizes, np.float32)


def mutate_tree(random: Random, tree: Any) -> Any:
    """What a file holds, with other names, entries and arrays."""
    tree = _copied(tree)
    for _ in several(random):
        holders = [holder for holder in _dicts(tree) if holder]
        if not holders:
            break
        holder = pick(random, holders)
        key = pick(random, list(holder))
        match int(random.integers(8)):
            case 0:
                del holder[key]
            case 1:
                holder[_another_name(random, key)] = holder.pop(key)
            case 2:
                holder[_another_name(random, key)] = holder[key]
            case 3:
                holder[key] = holder[pick(random, list(holder))]
            case 4:
                holder[key] = _no_array(random, holder)
            case 5:
                tree = {_another_name(random, "state_dict"): tree}
            case _ if isinstance(holder[key], np.ndarray):
                holder[key] = another_array(random, holder[key])
            case _:
                holder[key] = another_json(random)
    return tree


def _copied(tree: Any) -> Any:
    """The same arrays in containers of their own."""
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    return [_copied(value) for value in tree] if isinstance(tree, list) else tree


def _dicts(tree: Any) -> list[dict]:
    found = [tree] if isinstance(tree, dict) else []
    parts = tree.values() if isinstance(tree, dict) else tree
    nested = parts if isinstance(tree, dict | list) else ()
    return found + [inner for part in nested for inner in _dicts(part)]


def _another_name(random: Random, key: Any) -> Any:
    if not isinstance(key, str) or random.random() < 0.15:
        return pick(random, (0, None, 1.5, b"x", ("a", 1), True, *TEXTS))
    parts = key.split(".")
    at = int(random.integers(len(parts)))
    match int(random.integers(6)):
        case 0:
            parts[at] = pick(random, TEXTS)
        case 1:
            parts[at] = str(int(pick(random, NUMBERS)))
        case 2:
            numbers = [i for i, part in enumerate(parts) if any(map(str.isdigit, part))]
            at = pick(random, numbers) if numbers else at
            digits = str(int(pick(random, (0, 1, 7, 64, 100, 1024, 9999999999))))
            parts[at] = parts[at].rstrip("0123456789") + digits
        case 3:
            del parts[at]
        case 4:
            parts.insert(at, pick(random, ("module", "model", "0", "weight")))
        case _:
            parts[at] = parts[at] + pick(random, ("_orig", "_v", "2", " "))
    return ".".join(parts)


def _no_array(random: Random, holder: dict) -> Any:
    values = (None, 1, 0.5, "text", b"bytes", [], {}, [1, 2], (), {1}, True)
    more = (
        Unread("global a.b", "global a.b is not allowed"),
        dict(holder),
        [dict(holder)],
    )
    return pick(random, values + more)


def mutations_of(data: bytes) -> tuple[Mutation, ...]:
    """The mutations that know the container of a sound file."""
    if data.startswith(b"PK"):
        names = list(members_of(data))
        if all(name.endswith(".npy") for name in names):
            return (*BYTES[:3], lie, *[mutate_members] * 6)
        return (*BYTES[:3], lie, *[mutate_pickle] * 6)
    if data[8:9] == b"{":
        return (*BYTES, *[mutate_header] * 6)
    if data[:1] == b"\x80" or b"dtype('O')" in data[:128] or b"'|O'" in data[:128]:
        return (*BYTES, *[mutate_pickle] * 6)
    return BYTES


def as_safetensors(tree: Mapping[str, Any]) -> bytes:
    """The arrays of a state dict in that container."""
    return safetensors.encode(
        {
            k: np.ascontiguousarray(v)
            for k, v in tree.items()
            if isinstance(v, np.ndarray)
        }
    )
