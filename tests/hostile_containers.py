"""Hostile containers: damaged zip archives, torch streams and safetensors headers.

Each generator yields a name, the bytes of a file and what its refusal must say.
"""

import gzip
import io
import pickletools
import re
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import writer
from writer import View, call, pickled, zip_bytes

_ARRAY = np.arange(6, dtype=np.float32)
_TREE = {"x": _ARRAY, "y": np.arange(3)}
_ONE = writer.storage_id(np.dtype("f4"), "0", 1)

# Fields of a zip's central directory entry: offset and format.
_NEEDED, _FLAGS, _METHOD, _CRC = (6, "<H"), (8, "<H"), (10, "<H"), (16, "<I")
_PACKED, _SIZE, _OFFSET = (20, "<I"), (24, "<I"), (42, "<I")


def zips():
    """Archives that torch.save never wrote."""
    sound = writer.torch_zip(_TREE)
    damaged, foreign = "a damaged zip archive", "that torch.save did not write"
    flipped = sound.replace(_ARRAY.tobytes(), b"\xff" + _ARRAY.tobytes()[1:])
    yield "flipped bit", flipped, damaged
    yield "wrong checksum", _patched(sound, _CRC, 1), damaged
    yield "encrypted", _patched(sound, _FLAGS, 1), "is encrypted"
    yield "lzma", _patched(sound, _METHOD, 14), "compressed in an unusual way"
    yield "future version", _patched(sound, _NEEDED, 99), damaged
    yield "two sizes", _patched(sound, _SIZE, 2**31), "declares two sizes"
    long = _patched(_patched(sound, _SIZE, 2**31), _PACKED, 2**31)
    yield "size beyond the file", long, "overlaps with what follows"
    yield "overlapping members", _patched(sound, _OFFSET, 10), "overlaps with what foll"
    yield "offset beyond the file", _patched(sound, _OFFSET, 2**31), "overlaps with"
    end = sound.rindex(b"PK\x05\x06")
    directory = struct.pack("<II", 2**31, 2**31)
    yield "huge directory", sound[: end + 12] + directory + sound[end + 20 :], damaged
    yield "broken directory", sound.replace(b"PK\x01\x02", b"PK\x01\x00", 1), damaged
    yield (
        "other name",
        sound.replace(b"archive/data.pkl", b"archive/data.pkx", 1),
        damaged,
    )
    yield "empty archive", zip_bytes({}), foreign

    def members(content, **others):
        return zip_bytes({"a/data.pkl": content, **others})

    pickle = pickled({"x": writer.tensor(_ONE, 0, (1,), (1,))})
    yield "storage missing", members(pickle), "missing or is not 4 bytes"
    yield "storage short", members(pickle, **{"a/data/0": b"12"}), "is not 4 bytes"
    yield "storage long", members(pickle, **{"a/data/0": b"12345678"}), "not 4 bytes"
    climbing = pickled(writer.storage_id(np.dtype("f4"), "../../x", 1))
    yield "path traversal", members(climbing, **{"x": b"1234"}), "missing or is not"
    huge = pickled(writer.storage_id(np.dtype("f4"), "0", 2**40))
    yield "huge storage", members(huge, **{"a/data/0": b"1234"}), "is missing or is not"
    order = {"a/byteorder": b"big"}
    yield "big-endian", members(pickle, **order), "not written by a little-endian"
    yield "empty pickle", members(b""), "a damaged pickle"
    yield "stacked pickles", members(pickled({}) * 2), "bytes after the pickle's end"
    yield "zip as pickle", members(sound), "a damaged pickle"
    yield "no pickle", zip_bytes({"a/data/0": b"1234"}), foreign
    yield "pickle at the root", zip_bytes({"data.pkl": pickled({})}), foreign
    yield "pickle too deep", zip_bytes({"a/b/data.pkl": pickled({})}), foreign
    two = {"a/data.pkl": pickled({}), "b/data.pkl": pickled({})}
    yield "two folders", zip_bytes(two), foreign
    yield "zip in zip", zip_bytes({"model.pt": sound}), foreign
    yield "npz", zip_bytes({"x.npy": b"\x93NUMPY"}), foreign
    script = {"a/code/x.py": b"", "a/constants.pkl": pickled(())}
    yield "TorchScript", members(pickled({}), **script), "a TorchScript archive"
    with warnings.catch_warnings(action="ignore"):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/data.pkl", pickled({}))
            archive.writestr("a/data.pkl", pickled({"other": 1}))
    yield "duplicate member", file.getvalue(), "two members of one name"


def zip_bombs():
    """Archives that inflate to far more than they hold."""
    zeros = {"a/data.pkl": pickled({}), "a/data/0": bytes(32 << 20)}
    bomb = zip_bytes(zeros, method=zipfile.ZIP_DEFLATED)
    yield "inflating member", bomb, "over 8 times its size"
    inflating = {"a/data.pkl": pickled(_ONE), "a/data/0": bytes(32 << 20)}
    bomb = zip_bytes(inflating, method=zipfile.ZIP_DEFLATED)
    lying = _patched(bomb, _SIZE, 4, member=1)
    yield "inflating member that lies", lying, "a damaged zip archive"
    flat = np.zeros(10_000, np.float32)
    views = {index: View(flat, 0, (10_000,), (1,)) for index in range(1000)}
    yield "shared storage", writer.torch_zip(views), "over 8 times the file's size"


def legacies():
    """Pre-1.6 streams that torch.save never wrote."""
    sound = writer.torch_legacy(_TREE)
    tensor = {"x": writer.tensor(_ONE, 0, (1,), (1,))}
    content = [(1, b"1234")]
    yield "trailing bytes", sound + b"\0", "1 bytes after the last storage"
    yield "stacked", sound + pickled({}), "bytes after the last storage"
    big = writer.MACHINE | {"little_endian": False}
    yield "big-endian", writer.torch_legacy(_TREE, machine=big), "little-endian machine"
    yield "no machine", writer.torch_legacy(_TREE, machine=[]), "little-endian machine"
    other = sound.replace(b"\x8a\x02\xe9\x03.", b"\x8a\x02\xe8\x03.", 1)
    yield "protocol 1000", other, "protocol 1000 is not 1001"
    write = writer.legacy_bytes
    yield "keys missing", write(tensor, []), "storage is missing from the file"
    yield "key unknown", write(tensor, ["1"], content), "storage '1' belongs to no"
    yield "key number", write(tensor, [0], content), "storage 0 belongs to no"
    twice = write(tensor, ["0", "0"], content * 2)
    yield "key twice", twice, "storage '0' belongs to no tensor or is stored twice"
    keys = pickled("0").join(write(tensor).rsplit(pickled([]), 1))
    yield "keys text", keys, "the list of storages is not a list"
    yield "count", write(tensor, ["0"], [(2, b"1234")]), "2 elements instead of 1"
    yield "count negative", write(tensor, ["0"], [(-1, b"1234")]), "-1 elements instead"
    huge = writer.storage_id(np.dtype("f4"), "0", 2**40)
    yield "huge storage", write(huge, ["0"], [(2**40, b"")]), "ends inside storage"
    flat = np.zeros(10_000, np.float32)
    views = {index: View(flat, 0, (10_000,), (1,)) for index in range(1000)}
    yield "shared storage", writer.torch_legacy(views), "over 8 times the file's size"


def legacy_pickles(value):
    """Streams with a value in each pickle but the fourth, which is the object's."""
    yield "as machine", writer.torch_legacy(_TREE, machine=value)
    parts = writer.legacy_bytes({}).split(pickled(1001))
    yield "as protocol", pickled(value).join(parts)
    yield "as keys", writer.legacy_bytes({}).removesuffix(pickled([])) + pickled(value)


def nested_streams():
    """Plain pickles whose embedded streams are not one bare storage."""
    sound, magic = writer.embedded(_ARRAY), "without its magic number"

    def holding(stream):
        return pickled({"x": call("torch.storage._load_from_bytes", stream)}, 3)

    yield "pickle", holding(pickled({})), magic
    yield "torch zip", holding(writer.torch_zip(_TREE)), magic
    yield "zip of zip", holding(zip_bytes({"a": writer.torch_zip(_TREE)})), magic
    yield "empty", holding(b""), magic
    yield "number", holding(7), "a int where bytes belong"
    yield "wide text", holding("€"), "text where bytes belong"
    yield "tensor", holding(writer.torch_legacy(_ARRAY)), "that is no bare storage"
    again = writer.legacy_bytes(call("torch.storage._load_from_bytes", sound))
    refused = "global torch.storage._load_from_bytes is not allowed"
    yield "stream in stream", holding(again), refused
    yield "trailing bytes", holding(sound + b"x"), "1 bytes after the last storage"
    record = writer.legacy_bytes(writer.record("Generator", {}))
    yield "network", holding(record), "that is no bare storage"
    persistent = pickled({"x": _ONE}, 3)
    yield "persistent id outside", persistent, "persistent ids are not allowed here"


def nvidias():
    """Plain pickles that hold no networks."""
    yield "stacked", pickled({}) * 2, "bytes after the pickle's end"
    yield "trailing bytes", pickled({}, 4) + b"\0", "1 bytes after the pickle's end"
    reconstruct = "torch_utils.persistence._reconstruct_persistent_obj"
    for name, meta in {
        "no class": {"type": "class", "state": {}},
        "no state": {"type": "class", "class_name": "G", "state": None},
        "other type": {"type": "module", "class_name": "G", "state": {}},
        "no dict": [],
    }.items():
        data = pickled({"G": call(reconstruct, meta)})
        yield name, data, "without a class name and a state"
    yield "TensorFlow tuple", pickled(({}, {}, {}), 4), "TensorFlow-era"
    network = call("dnnlib.tflib.network.Network", opcode=b"\x81")
    yield "TensorFlow network", pickled((network,) * 3), "TensorFlow-era network"


def headers():
    """Safetensors files with a faulty header."""

    def entry(dtype="F32", shape=(2,), offsets=(0, 8), **more):
        fields = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        return fields | more

    def file(*entries, data=bytes(8)):
        named = {f"t{index}": item for index, item in enumerate(entries)}
        return writer.header_bytes(named) + data

    def text(header, data=bytes(8)):
        return writer.header_bytes(header) + data

    malformed, json_fault = "malformed header entry", "is not sound JSON"
    yield "length 2^40", struct.pack("<Q", 2**40) + b"{}", "is too long"
    yield "length 2^64 - 1", b"\xff" * 8 + b"{}", "is too long"
    yield "length beyond", struct.pack("<Q", 9) + b"{}      ", "is too long"
    yield "length of half", struct.pack("<Q", 1) + b"{}", json_fault
    yield "overlap", file(entry(), entry(offsets=(4, 12)), data=bytes(12)), "overlap at"
    yield "same range", file(entry(), entry()), "tensors overlap at byte 0"
    yield "hole", file(entry(), entry(offsets=(12, 20)), data=bytes(20)), "a hole at"
    yield "hole in front", file(entry(offsets=(4, 12)), data=bytes(12)), "leave a hole"
    yield "out of range", file(entry(offsets=(0, 16))), "take 16 bytes but the file"
    yield "trailing bytes", file(entry(), data=bytes(9)), "but the file holds 9"
    yield "data without tensors", file(), "take 0 bytes but the file holds 8"
    yield "shape mismatch", file(entry(shape=(3,))), "does not fit its 8 bytes"
    yield "misaligned size", file(entry(offsets=(0, 7)), data=bytes(7)), "does not fit"
    yield "negative size", file(entry(shape=(-1, -2))), "no tuple of sizes"
    yield "boolean size", file(entry(shape=(True, 2))), "no tuple of sizes"
    yield "float size", file(entry(shape=(2.0,))), "no tuple of sizes"
    yield "overflowing shape", file(entry(shape=(2**40, 2**40))), "too large"
    yield (
        "empty overflow",
        file(entry(shape=(0, 2**62, 8), offsets=(0, 0)), data=b""),
        ("too large"),
    )
    yield "rank", file(entry(shape=(1,) * 99 + (2,))), "too large"
    yield "negative offsets", file(entry(offsets=(-8, 0))), malformed
    yield "reversed offsets", file(entry(offsets=(8, 0))), malformed
    yield "offset overflow", file(entry(offsets=(0, 2**64))), malformed
    yield "float offsets", file(entry(offsets=(0.0, 8.0))), malformed
    yield "three offsets", file(entry(offsets=(0, 4, 8))), malformed
    yield "shape number", file(entry(shape=2)), malformed
    yield "unknown field", file(entry(device="cuda")), malformed
    yield "entry number", file(3), malformed
    yield (
        "missing dtype",
        text({"t": {"shape": [2], "data_offsets": [0, 8]}}),
        malformed,
    )
    yield "float8", file(entry("F8_E4M3", (8,))), "dtype 'F8_E4M3': only F64"
    yield "unknown dtype", file(entry("C64", (1,))), "has dtype 'C64'"
    yield "dtype list", file(entry(["F32"])), "has dtype list"
    yield "boolean seven", file(entry("BOOL", (8,)), data=b"\7" * 8), "neither 0 nor 1"
    one = b'"t": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'
    yield "duplicate name", text(b"{" + one + b", " + one + b"}"), "holds a key twice"
    field = one.replace(b"[0, 8]", b'[0, 8], "shape": [1]')
    yield "duplicate field", text(b"{" + field + b"}"), "holds a key twice"
    yield "bad JSON", text(b'{"t": '), json_fault
    yield "trailing comma", text(b"{" + one + b",}"), json_fault
    yield "not UTF-8", text(b'{"\xff": 1}'), json_fault
    yield "deep JSON", text(b'{"t": ' + b"[" * 10**5 + b"]" * 10**5 + b"}"), json_fault
    yield "digits", text(b'{"t": ' + b"9" * 10**5 + b"}"), json_fault
    yield "NaN", text(b'{"t": NaN}'), "the safetensors header holds NaN"
    yield (
        "metadata number",
        text({"__metadata__": {"format": 1}}, b""),
        "table of texts",
    )
    yield "metadata list", text({"__metadata__": []}, b""), "is not a table of texts"


def truncations():
    """Sound files cut at the boundaries of their structure, by container."""
    archive = writer.torch_zip(_TREE)
    stream = writer.torch_legacy(_TREE)
    network = writer.plain_pickle({"G": writer.module("G", {"w": _ARRAY})}, 4)
    header = writer.safetensors(_TREE)
    for cut in _positions(archive, b"PK"):
        yield "zip", f"at {cut}", archive[:cut]
    file, ends = io.BytesIO(stream), []
    for _ in range(5):
        ends += [position for *_, position in pickletools.genops(file)][-1:]
    for cut in [*ends, *(end + 1 for end in ends), len(stream) - 32, len(stream) - 1]:
        yield "legacy", f"at {cut}", stream[:cut]
    inner = writer.embedded(_ARRAY)
    for cut in [*range(15, len(inner), 40), len(inner) - 1]:
        cut_stream = call("torch.storage._load_from_bytes", inner[:cut])
        yield "nested", f"at {cut}", pickled({"x": cut_stream}, 3)
    for cut in (2, 3, 11, len(network) // 2, len(network) - 1):
        yield "nvidia", f"at {cut}", network[:cut]
    length = len(header) - 48
    for cut in (9, 20, length, length + 4, len(header) - 1):
        yield "safetensors", f"at {cut}", header[:cut]


def foreign_files():
    """What people hand to a checkpoint reader by mistake."""
    unknown = "not a checkpoint: neither"
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pth"), io.BytesIO())
    yield "empty", b"", "the file is empty"
    yield "one byte", b"\x80", unknown
    yield "text", b"hello world", unknown
    yield "zeros", bytes(100), unknown
    yield "random", np.random.default_rng(0).bytes(1000), unknown
    yield "tar", file.getvalue(), "a tar archive that contains such files"
    yield "gzip", gzip.compress(b"x"), "a gzip file: unpack it first"
    yield "npy", b"\x93NUMPY\x01\x00", "a NumPy array file"
    yield "ONNX", b"\x08\x06\x12\x07pytorch\x1a\x051.9.0" + bytes(64), "an ONNX graph"
    yield "JSON", b'{"model_type": "biggan"}', "JSON, not a checkpoint"
    index = b'model_checkpoint_path: "model.ckpt-1"\n'
    yield "TensorFlow's list", index, "TensorFlow's list of checkpoints"
    yield "HDF5", b"\x89HDF\r\n\x1a\n", "an HDF5 file"
    yield "web page", b"<!DOCTYPE html>", "a web page"
    yield "LFS pointer", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS"
    yield "old pickle", b"cposix\nsystem\n(S'true'\ntR.", unknown
    yield "half a zip", b"PK\x03\x04", "a damaged zip archive"


def _patched(archive, field, value, member=None):
    """Overwrites a field of all central directory entries, or of one."""
    result = bytearray(archive)
    positions = _positions(archive, b"PK\x01\x02")
    for position in positions if member is None else [positions[member]]:
        struct.pack_into(field[1], result, position + field[0], value)
    return bytes(result)


def _positions(data, signature):
    return [match.start() for match in re.finditer(re.escape(signature), data)]
