"""Sound checkpoints of every container come back bit for bit."""

import io
import pathlib
import re

import jax
import ml_dtypes
import numpy as np
import pytest
import writer
from artefact_files import npy_bytes, npz_bytes
from writer import View, call, ordered

from converters import inspect, load
from converters.checkpoints import Checkpoint, read
from converters.containers import nvidia
from converters.containers.limits import Unread
from jaxlatent.types import CheckpointError

GOLDEN = pathlib.Path(__file__).parent / "golden"
STATE_DICT_CONTAINERS = {
    "torch-zip": writer.torch_zip,
    "torch-legacy": writer.torch_legacy,
    "pickle": writer.plain_pickle,
}
ALL_CONTAINERS = STATE_DICT_CONTAINERS | {"safetensors": writer.safetensors}
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


@pytest.fixture
def save(tmp_path):
    def write(data):
        # The suffix lies on purpose: only the content may matter.
        path = tmp_path / "checkpoint.txt"
        path.write_bytes(data)
        return path

    return write


def numbers(dtype, shape):
    count = int(np.prod(shape))
    if dtype == np.bool_:
        return (np.arange(count) % 3 == 0).reshape(shape)
    if dtype.kind == "f" or dtype == BFLOAT16:
        return np.linspace(-3, 3, count).astype(dtype).reshape(shape)
    bits = np.random.default_rng(0).integers(0, 256, count * dtype.itemsize, np.uint8)
    return bits.view(dtype).reshape(shape)


def assert_same(actual, expected):
    assert isinstance(actual, np.ndarray)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    assert actual.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", writer.STORAGES.values(), ids=writer.STORAGES)
@pytest.mark.parametrize("name", ALL_CONTAINERS)
def test_every_dtype_in_every_container(name, dtype, save):
    arrays = {
        "weight": numbers(dtype, (3, 2, 5)),
        "scalar": numbers(dtype, ()),
        "empty": numbers(dtype, (0, 4)),
        "odd": numbers(dtype, (3,)),
    }
    path = save(ALL_CONTAINERS[name](arrays))
    found = read(path)
    assert found.container == name
    loaded = found.tensors
    assert list(loaded) == list(arrays)
    for key, array in arrays.items():
        assert_same(loaded[key], array)
        assert loaded[key].flags.aligned


@pytest.mark.parametrize("dtype", ["u2", "u4", "u8"])
def test_unsigned_dtypes_that_only_safetensors_has(dtype, save):
    array = numbers(np.dtype(dtype), (4, 3))
    assert_same(read(save(writer.safetensors({"x": array}))).tensors["x"], array)


@pytest.mark.parametrize("name", STATE_DICT_CONTAINERS)
def test_strides_offsets_and_shared_storages(name, save):
    flat = np.arange(60, dtype=np.float32)
    tree = {
        "channels_last": View(flat, 0, (2, 3, 2, 5), (30, 1, 15, 3)),
        "transposed": View(flat, 0, (6, 10), (1, 6)),
        "slice": View(flat, 7, (3, 4), (20, 2)),
        "expanded": View(flat, 5, (4, 2), (0, 1)),
        "row_of_one": View(flat, 59, (1, 1), (10**15, 10**15)),
        "none": View(flat, 60, (0, 3), (3, 1)),
        "first": View(flat, 0, (60,), (1,), rebuild="_rebuild_tensor"),
    }
    loaded = read(save(STATE_DICT_CONTAINERS[name](tree))).tensors
    for key, view in tree.items():
        steps = [4 * step if step < 60 else 0 for step in view.strides]
        start = flat[view.offset :]
        expected = np.lib.stride_tricks.as_strided(start, view.shape, steps)
        assert_same(loaded[key], expected)
    assert loaded["channels_last"].strides == (120, 4, 60, 12)
    if name != "pickle":
        assert np.shares_memory(loaded["first"], loaded["slice"])


@pytest.mark.parametrize("name", STATE_DICT_CONTAINERS)
def test_plain_metadata_passes_through(name, save):
    metadata = {
        "epoch": 3,
        "negative": -(2**40),
        "loss": 0.25,
        "done": True,
        "note": "grüße",
        "blob": b"\x00\xff",
        "nothing": b"",
        "none": None,
        "betas": (0.0, 0.99),
        "layers": [1, [2, {"deep": "er"}]],
        "names": {"a", "b"},
        7: "a number as key",
    }
    tree = metadata | {
        "size": call("torch.Size", (2, 3)),
        "device": call("torch.device", "cuda", 1),
        "args": call("argparse.Namespace", state={"lr": 0.002}, opcode=b"\x81"),
    }
    loaded = read(save(STATE_DICT_CONTAINERS[name](tree))).tensors
    assert loaded == metadata | {
        "size": (2, 3),
        "device": "cuda:1",
        "args": {"lr": 0.002},
    }
    assert all(type(loaded[key]) is type(metadata[key]) for key in metadata)
    assert type(loaded["args"]) is dict


@pytest.mark.parametrize("name", STATE_DICT_CONTAINERS)
def test_a_bare_state_dict_is_a_plain_dict(name, save):
    weight = numbers(np.dtype("f4"), (2, 2))
    versions = {"_metadata": ordered({"": {"version": 1}})}
    tree = ordered({"layer.weight": weight, "alias": weight}, versions)
    loaded = read(save(STATE_DICT_CONTAINERS[name](tree))).tensors
    assert type(loaded) is dict
    assert list(loaded) == ["layer.weight", "alias"]
    assert_same(loaded["alias"], weight)


@pytest.mark.parametrize("name", STATE_DICT_CONTAINERS)
def test_what_is_no_dict_is_read_but_not_loaded(name, save):
    latent = numbers(np.dtype("f4"), (1, 18, 8))
    path = save(STATE_DICT_CONTAINERS[name](latent))
    assert_same(read(path).tensors, latent)
    for function in (load, inspect):
        with pytest.raises(CheckpointError, match="no known layout"):
            function(path)


def test_spellings_of_old_and_new_torch_files(save):
    array = numbers(np.dtype("f4"), (3,))
    for data in (
        writer.torch_zip({"x": array}, first_key=94213484114048, byteorder=False),
        writer.torch_zip({"x": array}, method=writer.zipfile.ZIP_DEFLATED),
        writer.torch_legacy({"x": array}, entries=5),
        writer.torch_legacy({"x": writer.parameter(array)}),
        writer.torch_legacy({"x": array}, python2=True),
        writer.plain_pickle({"x": array}, 2, python2=True),
    ):
        assert_same(read(save(data)).tensors["x"], array)


def test_a_storage_by_itself_is_a_flat_array(save):
    flat = numbers(np.dtype("f2"), (5,))
    assert_same(read(save(writer.embedded(flat))).tensors, flat)


def test_untyped_storages_are_bytes(save):
    kind = writer.Name("torch.storage", "UntypedStorage")
    identity = writer.Persistent(("storage", kind, "0", "cpu", 3))
    members = {"a/data.pkl": writer.pickled({"x": identity}), "a/data/0": b"abc"}
    loaded = read(save(writer.zip_bytes(members))).tensors
    assert_same(loaded["x"], np.frombuffer(b"abc", np.uint8))


def test_nan_and_infinity_load_as_stored(save):
    array = np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)
    for write in ALL_CONTAINERS.values():
        assert_same(read(save(write({"x": array}))).tensors["x"], array)


def test_arrays_are_read_only(save):
    array = numbers(np.dtype("f4"), (2, 3))
    for write in ALL_CONTAINERS.values():
        loaded = read(save(write({"x": array}))).tensors
        with pytest.raises(ValueError, match="read-only"):
            loaded["x"][0, 0] = 1


def test_safetensors_metadata_is_kept_apart(save):
    array = numbers(np.dtype("f4"), (2,))
    found = read(save(writer.safetensors({"x": array}, {"format": "pt"})))
    assert (list(found.tensors), found.metadata) == (["x"], {"format": "pt"})
    found = read(save(writer.safetensors({})))
    assert (found.tensors, found.metadata) == ({}, {})


@pytest.mark.parametrize("name", ALL_CONTAINERS)
def test_max_bytes_is_a_cap_on_the_arrays(name, save):
    arrays = {"a": numbers(np.dtype("f4"), (10,)), "b": numbers(np.dtype("i8"), (5,))}
    path = save(ALL_CONTAINERS[name](arrays))
    assert len(read(path, max_bytes=80).tensors) == 2
    with pytest.raises(CheckpointError, match="more than max_bytes=79"):
        read(path, max_bytes=79)


def numpy_dtype(code, order="<"):
    state = (3, order, None, None, None, -1, -1, 0)
    return call("numpy.dtype", code, False, True, state=state)


def numpy_array(array, prefix, code, fortran=False):
    start = call(
        f"{prefix}.multiarray._reconstruct", writer.Name("numpy", "ndarray"), (0,), b"b"
    )
    order = "F" if fortran else "C"
    data = array.tobytes(order)
    start.state = (1, array.shape, numpy_dtype(code), fortran, data)
    return start


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("prefix", ["numpy.core", "numpy._core"])
def test_numpy_values_in_pickles(prefix, protocol, save):
    gain = call(f"{prefix}.multiarray.scalar", numpy_dtype("f8"), b"\0" * 6 + b"\xf0?")
    sizes = np.arange(6, dtype=np.int64).reshape(2, 3)
    buffer = call(
        f"{prefix}.numeric._frombuffer",
        bytearray(sizes.tobytes()) if protocol == 5 else sizes.tobytes(),
        numpy_dtype("i8"),
        sizes.shape,
        "C",
    )
    tree = {
        "gain": gain,
        "size": numpy_array(sizes, prefix, "i8"),
        "fortran": numpy_array(sizes, prefix, "i8", fortran=True),
        "buffer": buffer,
    }
    loaded = read(save(writer.pickled(tree, protocol))).tensors
    assert loaded["gain"] == 1.0
    assert type(loaded["gain"]) is float
    for key in ("size", "fortran", "buffer"):
        assert_same(loaded[key], sizes)


def networks(protocol, flat):
    kernel = View(flat, 0, (2, 3, 1, 2), (6, 1, 6, 3))
    conv = writer.module(
        "Conv2dLayer",
        {"weight": kernel, "bias": None},
        {"filter": flat[:4], "scratch": flat[:2]},
        conv_clamp=256,
        gain=call("numpy.core.multiarray.scalar", numpy_dtype("f4"), b"\0\0\0?"),
    )
    synthesis = writer.module("Synthesis", modules={"b4": conv, "gone": None})
    network = writer.module(
        "Generator",
        {"const": flat[:3]},
        modules={"synthesis": synthesis},
        z_dim=512,
        _init_kwargs={"z_dim": 512},
    )
    tree = {"G": None, "G_ema": network, "training_set_kwargs": {"use_labels": False}}
    return writer.plain_pickle(tree, protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nvidia_networks_become_records(protocol, save):
    flat = np.arange(12, dtype=np.float32)
    path = save(networks(protocol, flat))
    found = read(path)
    assert found.container == "nvidia"
    loaded = found.tensors
    record = loaded["G_ema"]
    assert set(record) == {"class_name", "state"}
    assert record["class_name"] == "Generator"
    assert record["state"]["_init_kwargs"] == {"z_dim": 512}
    assert b"embedded source" not in repr(loaded).encode()

    arrays = nvidia.tensors(record)
    weight = np.lib.stride_tricks.as_strided(flat, (2, 3, 1, 2), (24, 4, 0, 12))
    assert list(arrays) == ["const", "synthesis.b4.weight", "synthesis.b4.filter"]
    assert_same(arrays["synthesis.b4.weight"], weight)
    assert arrays["synthesis.b4.weight"].strides == weight.strides
    assert_same(arrays["const"], flat[:3])

    assert nvidia.attributes(record) == {"training": False, "z_dim": 512}
    assert nvidia.attributes(record, "synthesis.b4") == {
        "training": False,
        "conv_clamp": 256,
        "gain": 0.5,
    }
    assert nvidia.module(record, "synthesis")["class_name"] == "Synthesis"
    with pytest.raises(CheckpointError, match=r"no module 'synthesis\.gone'"):
        nvidia.attributes(record, "synthesis.gone")
    with pytest.raises(CheckpointError, match="without a state"):
        nvidia.tensors({})


def test_files_that_the_system_does_not_open(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.pt")
    with pytest.raises(CheckpointError, match="a folder or a device"):
        read(tmp_path)
    with pytest.raises(CheckpointError, match="a folder or a device"):
        read("/dev/zero")


TORCH_DTYPES = [
    *("float64", "float32", "float16", "bfloat16", "bool"),
    *("uint8", "int8", "int16", "int32", "int64"),
]


@pytest.mark.torch
@pytest.mark.parametrize("new_format", [True, False])
def test_files_that_torch_wrote(new_format, tmp_path):
    import argparse

    import torch

    base = torch.arange(48) % 5
    tree = {name: base.to(getattr(torch, name)) for name in TORCH_DTYPES}
    tree |= {
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "slice": tree["float32"][3:40:4],
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(3, 0),
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "conv": torch.nn.Conv2d(2, 3, 1).state_dict(),
    }
    path = tmp_path / "tree.pt"
    options = {"_use_new_zipfile_serialization": new_format}
    torch.save(tree | {"args": argparse.Namespace(lr=0.1)}, path, **options)
    found = read(path)
    assert found.container == ("torch-zip" if new_format else "torch-legacy")

    loaded = found.tensors
    assert loaded.pop("args") == {"lr": 0.1}
    conv, expected_conv = loaded.pop("conv"), tree.pop("conv")
    for arrays, expected in ((loaded, tree), (conv, expected_conv)):
        assert list(arrays) == list(expected)
        for key, value in expected.items():
            value = value.detach()
            if value.dtype == torch.bfloat16:
                value = value.view(torch.uint16).numpy().view(BFLOAT16)
            assert_same(arrays[key], np.asarray(value))
    strides = [4 * step for step in tree["channels_last"].stride()]
    assert list(loaded["channels_last"].strides) == strides
    assert np.shares_memory(loaded["slice"], loaded["float32"])


@pytest.mark.torch
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_that_pickle_wrote(protocol, tmp_path):
    import pickle

    import torch

    module = torch.nn.Conv2d(2, 3, 1)
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(module.state_dict(), protocol))
    loaded = read(path).tensors
    for key, value in module.state_dict().items():
        assert_same(loaded[key], value.numpy())


def made(path, *arguments, **options):
    """An object of somebody's class."""
    return call(path, *arguments, opcode=b"\x81", **options)


def key_of(opcodes):
    """A dict whose one key is what the opcodes make."""
    return writer.Raw(b"}" + opcodes + b"K\x01s")


ENUM = call("train.Phase", 1)
OBJECTS = {
    "path": (call("pathlib.PosixPath", "/", "data"), "pathlib.PosixPath"),
    "dtype": (writer.Name("torch", "float16"), "torch.float16"),
    "class": (writer.Name("torch.optim.adam", "Adam"), "torch.optim.adam.Adam"),
    "known class": (writer.Name("collections", "OrderedDict"), "collections.Ordered"),
    "date": (call("datetime.datetime", b"\x07\xe5\x05\x01\0\0\0\0\0\0"), "datetime.da"),
    "counter": (call("collections.Counter", {1000: 1}), "collections.Counter"),
    "enum": (ENUM, "train.Phase"),
    "complex": (call("builtins.complex", 1.0, 2.0), "builtins.complex"),
    "random state": (
        call("numpy.random._pickle.__randomstate_ctor", "MT19937", state={"a": 1}),
        "__randomstate_ctor",
    ),
    "partial": (
        call(
            *("functools.partial", writer.Name("train", "f")),
            state=(writer.Name("train", "f"), (), {}, None),
        ),
        "functools.partial",
    ),
    "optimiser": (
        made("torch.optim.adam.Adam", state={"param_groups": [1], "state": {}}),
        "torch.optim.adam.Adam",
    ),
    "keyword arguments": (
        writer.Raw(b"ctrain\nOptions\n)}\x92"),
        "train.Options",
    ),
    "attribute of a class": (
        call("builtins.getattr", writer.Name("train", "Phase"), "RED"),
        "builtins.getattr",
    ),
    "key of somebody's": (key_of(b"ctrain\nPhase\n(K\x01tR"), "train.Phase"),
    "class as key": (key_of(b"clightning\nModelCheckpoint\n"), "lightning.ModelCheckp"),
    "nested key": (key_of(b"K\x01\x85\x85"), "keys are no text"),
    "set of dtypes": (writer.Raw(b"\x8f(ctorch\nfloat16\n\x90"), "torch.float16"),
    "frozenset": (writer.Raw(b"(K\x01\x91"), "FROZENSET"),
    "large integer": (2**200, "201 bits"),
    "sparse": (call("torch._utils._rebuild_sparse_tensor", 1), "sparse_tensor"),
    "text in NumPy": (call("numpy.dtype", "U9", False, True), "NumPy dtype 'U9'"),
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("container", STATE_DICT_CONTAINERS)
def test_objects_that_no_tensor_needs_are_left_out(container, name, save):
    value, words = OBJECTS[name]
    weight = numbers(np.dtype("f4"), (2, 3))
    tree = {"g_ema": {"weight": weight}, "args": {"value": value, "epoch": 3}}
    found = read(save(STATE_DICT_CONTAINERS[container](tree))).tensors
    assert_same(found["g_ema"]["weight"], weight)
    assert found["args"]["epoch"] == 3
    left_out = found["args"]["value"]
    assert isinstance(left_out, Unread)
    assert words in left_out.what
    with pytest.raises(CheckpointError, match=r"is not allowed|not supported"):
        read(save(STATE_DICT_CONTAINERS[container]({"args": value})))


@pytest.mark.parametrize("container", STATE_DICT_CONTAINERS)
def test_what_behaves_as_a_dict_or_a_list_is_read_as_one(container, save):
    weight = numbers(np.dtype("f4"), (2, 3))
    own = b"cmine\nAttrDict\n)\x81r\x00\x09\x00\x00K\x01K\x02sj\x00\x09\x00\x00b"
    tree = {
        "state": call("mine.OrderedDict", items={"w": weight}, state={"_metadata": 1}),
        "losses": call("collections.defaultdict", writer.Name("builtins", "list")),
        "own attributes": writer.Raw(own),
        "options": made("easydict.EasyDict", items={"lr": 0.1}, state={"lr": 0.1}),
        ("conv", 1): "a tuple as key",
    }
    tree["losses"].items = {"g": [1.0]}
    found = read(save(STATE_DICT_CONTAINERS[container](tree))).tensors
    assert_same(found.pop("state")["w"], weight)
    assert found == {
        "losses": {"g": [1.0]},
        "own attributes": {1: 2},
        "options": {"lr": 0.1},
        ("conv", 1): "a tuple as key",
    }
    queue = writer.Raw(b"ccollections\ndeque\n)R(K\x01K\x02e")
    assert read(save(writer.pickled({"x": queue}))).tensors == {"x": [1, 2]}


def module(path, parameters=(), buffers=(), modules=(), **attributes):
    """A module as `torch.save(module)` pickles it."""
    state = {
        "_parameters": ordered(
            {name: writer.parameter(value) for name, value in dict(parameters).items()}
        ),
        "_buffers": ordered(dict(buffers)),
        "_non_persistent_buffers_set": {"scratch"},
        "_modules": ordered(dict(modules)),
        "_forward_hooks": ordered({0: writer.Name("train", "hook")}),
    }
    return made(path, state=state | attributes)


@pytest.mark.parametrize("container", STATE_DICT_CONTAINERS)
def test_whole_modules_become_records(container, save):
    flat = np.arange(12, dtype=np.float32)
    conv = module(
        "torch.nn.modules.conv.Conv2d",
        {"weight": flat.reshape(2, 6), "bias": flat[:2]},
        {"scratch": flat},
        kernel_size=(1, 1),
    )
    parent = module("train.Trainer", {"lost": flat}, {}, {})
    network = module(
        "train.Generator",
        {"const": flat[:3]},
        {"mean": flat[:4]},
        {"conv": conv, "gone": None},
        z_dim=512,
        parent=[parent],
        activation=writer.Name("torch.nn.functional", "relu"),
    )
    found = read(save(STATE_DICT_CONTAINERS[container]({"G": network})))
    assert found.container == container
    record = found.tensors["G"]
    assert record["class_name"] == "Generator"
    arrays = nvidia.tensors(record)
    assert list(arrays) == ["const", "mean", "conv.weight", "conv.bias"]
    assert_same(arrays["conv.weight"], flat.reshape(2, 6))
    attributes = nvidia.attributes(record)
    assert attributes.pop("activation").what == "global torch.nn.functional.relu"
    # which may lead back to the module
    assert attributes.pop("parent")[0].what == "global train.Trainer"
    assert attributes == {"z_dim": 512}
    assert nvidia.attributes(record, "conv") == {"kernel_size": (1, 1)}


def test_a_module_that_is_its_own_attribute(save):
    state = {"_parameters": {"w": np.ones(2, np.float32)}, "_modules": {}}
    description, flats = writer.with_keys(state, 0)
    asm = writer.Writer(2, False)
    items = asm.items(description) + b"".join((asm("me"), b"j\x00\x09\x00\x00", b"s"))
    opcodes = b"cmine\nNet\n)\x81r\x00\x09\x00\x00}" + items + b"b"
    members = {"a/data.pkl": b"\x80\x02" + opcodes + b"."}
    members |= {f"a/data/{key}": flat.tobytes() for key, flat in flats.items()}
    record = read(save(writer.zip_bytes(members))).tensors
    assert nvidia.tensors(record)["w"].tolist() == [1, 1]
    assert nvidia.attributes(record)["me"].what == "global mine.Net"


def test_classes_of_modules_in_old_files(save):
    named = ("module", writer.Name("train", "Net"), "train.py", "raise SystemExit")
    state = {"_parameters": {"w": np.ones(2, np.float32)}, "_modules": {}}
    network = writer.Call(writer.Persistent(named), state=state, opcode=b"\x81")
    record = read(save(writer.torch_legacy(network))).tensors
    assert (record["class_name"], list(nvidia.tensors(record))) == ("Net", ["w"])


def test_a_parameter_that_is_not_read_is_named(save):
    sparse = call("torch._utils._rebuild_sparse_tensor", 1)
    state = {"_parameters": {"w": sparse, "v": np.ones(2)}, "_modules": {}}
    record = read(save(writer.torch_zip(made("train.Net", state=state)))).tensors
    assert list(nvidia.tensors(record)) == ["v"]
    assert (
        nvidia.unread(record)["w"].what == "global torch._utils._rebuild_sparse_tensor"
    )


def rewritten(value):
    """Records as persistent objects, at another place than NVIDIA's own."""
    if isinstance(value, dict) and set(value) == {"class_name", "state"}:
        record = writer.record(value["class_name"], rewritten(value["state"]))
        record.function = writer.Name(
            "models.torch_utils.persistence", "_reconstruct_persistent_obj"
        )
        return record
    if isinstance(value, dict):
        return {name: rewritten(item) for name, item in value.items()}
    return value


@pytest.mark.parametrize("write", [writer.torch_zip, writer.torch_legacy])
@pytest.mark.parametrize("entry", [None, "G_ema"])
def test_networks_of_nvidia_in_files_of_torch(entry, write, save):
    path = GOLDEN / "stylegan2_ada_a.pkl"
    network = rewritten(read(path).tensors["G_ema"])
    # sets are written by a call, which only the bytes of a pickle tell apart
    copy = save(write({entry: network} if entry else network))
    assert read(copy).container == write.__name__.replace("_", "-")
    ours, theirs = load(copy), load(path)
    assert ours.config == theirs.config
    for got, want in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
        assert_same(np.asarray(got), np.asarray(want))


@pytest.mark.parametrize("name", STATE_DICT_CONTAINERS)
def test_repeated_rows_are_read_within_the_budget(name, save):
    flat = np.arange(8, dtype=np.float32)
    code = View(flat, 0, (1, 18, 8), (8, 0, 1))
    one = View(flat, 3, (2**20,), (0,))
    loaded = read(save(STATE_DICT_CONTAINERS[name]({"w": code, "one": one}))).tensors
    assert_same(loaded["w"], np.broadcast_to(flat, (1, 18, 8)))
    assert (loaded["one"] == 3).all()
    for count in (2**23, 2**40, 2**60):
        path = save(STATE_DICT_CONTAINERS[name]({"x": View(flat, 3, (count,), (0,))}))
        with pytest.raises(CheckpointError, match="over 8 times the file's size"):
            read(path)


def test_a_lazily_negated_tensor_is_not_taken_as_it_lies(save):
    flat = np.arange(3, dtype=np.float32)
    tensor = writer.tensor(writer.storage_id(flat.dtype, "0", 3), 0, (3,), (1,))
    tensor.arguments = (*tensor.arguments, {"neg": True})
    members = {"a/data.pkl": writer.pickled(tensor), "a/data/0": flat.tobytes()}
    with pytest.raises(CheckpointError, match="negated when it is used"):
        read(save(writer.zip_bytes(members)))


def npy(value, **options):
    return npy_bytes(np.array(value, **options), allow_pickle=True)


def test_objects_in_numpy_files(save):
    arrays = {"boundary": np.eye(1, 3), "meta_data": {"manipulate_layers": "6-11"}}
    found = read(save(npy(arrays)), numpy_files=True)
    assert found.container == "npy"
    assert_same(found.tensors["boundary"], arrays["boundary"])
    assert found.tensors["meta_data"] == {"manipulate_layers": "6-11"}
    with pytest.raises(CheckpointError, match="a NumPy array file, not a checkpoint"):
        read(save(npy(arrays)))

    ragged = np.empty(2, object)
    ragged[:] = [np.ones(2), np.zeros((3, 1))]
    table = np.array([["smile", 1.5], ["age", None]], object)
    path = save(npz_bytes(ragged=ragged, table=table, none=np.array([], object)))
    loaded = read(path, numpy_files=True).tensors
    assert [part.shape for part in loaded["ragged"]] == [(2,), (3, 1)]
    assert loaded["table"] == [["smile", 1.5], ["age", None]]
    assert loaded["none"] == []


def test_compressed_arrays_may_be_much_larger_than_their_file(save):
    path = save(npz_bytes(x=np.zeros((1000, 2000))))
    assert path.stat().st_size < 30_000
    assert read(path, numpy_files=True).tensors["x"].shape == (1000, 2000)


def test_other_versions_of_numpy_files(save):
    array = numbers(np.dtype("f4"), (3, 2))
    for version in ((1, 0), (2, 0), (3, 0)):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, version)
        assert_same(read(save(buffer.getvalue()), numpy_files=True).tensors, array)


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}],
    ids=["zip", "legacy", "protocol 4"],
)
def test_what_training_scripts_save_beside_their_tensors(options, tmp_path):
    import collections
    import datetime
    import random

    import torch

    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(1, 1, 4, 4)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5])
    tagged = torch.nn.Parameter(torch.ones(2))
    tagged.lr_mul = 0.01
    beside = [
        *(
            pathlib.PosixPath("/data"),
            torch.float16,
            torch.strided,
            collections.deque(),
        ),
        *(datetime.datetime.now(), datetime.timedelta(3), np.random.default_rng(0)),
        *(random.getstate(), np.random.get_state(), torch.get_rng_state(), 1 + 2j),
        *(np.float32, np.dtype("f4"), np.datetime64("2020-01-01"), slice(1, 2), len),
        *(np.array(["a"]), np.ma.array([1.0]), np.arange(2.0), collections.deque()),
        *(optimizer, optimizer.state_dict(), optimizer.state, schedule.state_dict()),
        *(torch.eye(2).to_sparse(), torch.ones(2, dtype=torch.complex64)),
        *(torch.ones(2, device="meta"), torch.ones(2, dtype=torch.uint16)),
        *(torch.Size([1]), torch.device("cpu"), frozenset({1}), {torch.float16: 1}),
        *(torch.nn.functional.relu, network.forward, ValueError("x"), bytearray(b"x")),
    ]
    file = tmp_path / "checkpoint.pt"
    for value in beside:
        torch.save({"g": network.state_dict(), "args": [value]}, file, **options)
        state = read(file).tensors["g"]
        assert_same(state["0.weight"], network[0].weight.detach().numpy())
    torch.save({"G": torch.nn.DataParallel(network), "tagged": tagged}, file, **options)
    found = read(file).tensors
    arrays = nvidia.tensors(found["G"])
    expected = {f"module.{name}": v.numpy() for name, v in network.state_dict().items()}
    assert list(arrays) == list(expected)
    for name, value in expected.items():
        assert_same(arrays[name], value)
    assert_same(found["tagged"], np.ones(2, np.float32))


def as_modules(state, name="Generator"):
    """A state dict as the modules that it is of."""
    own = {key: value for key, value in state.items() if "." not in key}
    inner = {}
    for key, value in state.items():
        first, _, rest = key.partition(".")
        if rest:
            inner.setdefault(first, {})[rest] = value
    children = {key: as_modules(part, key) for key, part in inner.items()}
    return module(f"model.{name}", own, {}, children)


@pytest.fixture(scope="module")
def state():
    return read(GOLDEN / "rosinality_stylegan2_a.pt").tensors["g_ema"]


@pytest.mark.parametrize("container", STATE_DICT_CONTAINERS)
def test_a_generator_saved_whole_or_in_foreign_dicts(container, state, save):
    want = load(Checkpoint({"g_ema": state}))
    network = as_modules(state)
    args = call("argparse.Namespace", state={"path": call("pathlib.PosixPath", "x")})
    for tree in (
        network,
        {"g_ema": network, "args": args},
        module("torch.nn.parallel.DataParallel", modules={"module": network}),
        made("easydict.EasyDict", items={"g_ema": call("mine.State", items=state)}),
    ):
        got = load(save(STATE_DICT_CONTAINERS[container](tree)))
        assert got.config == want.config
        for ours, theirs in zip(*map(jax.tree.leaves, (got, want)), strict=True):
            assert_same(np.asarray(ours), np.asarray(theirs))


def test_weights_that_depend_on_what_is_not_read_are_refused_by_its_name(state, save):
    weight = "convs.0.conv.weight"
    sparse = call("torch._utils._rebuild_sparse_tensor", 1)
    for tree, words in (
        ({"g_ema": state | {weight: sparse}}, "global torch._utils._rebuild_sparse_te"),
        (state | {weight: made("mine.Tensor")}, f"{weight} is global mine.Tensor"),
        (
            {"epoch": np.ones(1), "g_ema": made("mine.Averager", state={"w": state})},
            "g_ema is global mine.Averager, which is not read",
        ),
        ({"g_ema": made("mine.Averager", state={"w": state})}, "global mine.Averager"),
        (
            as_modules(state | {weight: sparse}),
            f"{weight} is global torch._utils._rebuild_sparse_te",
        ),
    ):
        path = save(writer.torch_zip(tree))
        with pytest.raises(CheckpointError, match=re.escape(words)):
            load(path)
