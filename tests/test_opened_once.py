"""A file is opened once, whatever is made of it, and hashed as it was read."""

import dataclasses
import hashlib
import os
import shutil
import sys
import tracemalloc

import numpy as np
import pytest
import writer
from artefact_files import cache, named_direction, normal, npy_bytes, npz_bytes, write
from helpers import GOLDEN

import converters
from converters import checkpoints
from converters.artefacts.exporting import export_edit
from jaxlatent.edits.directions import directions
from jaxlatent.types import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore::jaxlatent.GuessWarning")

RECORDERS = []


def record(event, arguments):
    if event == "open" and RECORDERS and isinstance(arguments[0], str | os.PathLike):
        RECORDERS[-1].append(os.path.basename(os.fspath(arguments[0])))


# Python's own record of what is opened, by whichever function; it cannot be removed
sys.addaudithook(record)


def opened(call, *arguments):
    """The names of all files opened by a call."""
    RECORDERS.append([])
    try:
        call(*arguments)
    finally:
        names = RECORDERS.pop()
    return names


def test_the_record_is_complete(tmp_path):
    def call():
        path = tmp_path / "a"
        path.write_bytes(b"")
        open(path).close()
        os.close(os.open(path, os.O_RDONLY))

    assert opened(call) == ["a"] * 3


MODELS = [
    *("rosinality_stylegan2_a.pt", "genforce_stylegan2_a.pth", "stylegan2_ada_a.pkl"),
    *("sngan_a.pt", "ajbrock_biggan_a.pth"),
]


def convert(path):
    converters.convert(path, path.with_name("out"), overwrite=True)


@pytest.mark.parametrize("call", [converters.load, converters.inspect, convert])
@pytest.mark.parametrize("name", MODELS)
def test_checkpoints(tmp_path, name, call):
    path = shutil.copy(GOLDEN / name, tmp_path / name)
    assert opened(call, path).count(name) == 1


@pytest.mark.parametrize("call", [converters.load, converters.inspect, convert])
def test_a_folder_and_its_description(tmp_path, call):
    path = shutil.copytree(GOLDEN / "hf_biggan_deep_a", tmp_path / "folder")
    names = opened(call, path)
    assert names.count("pytorch_model.bin") == names.count("config.json") == 1


EDIT = directions(normal(0, 3, 8).astype(np.float32), space="w")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.npy", normal(0, 3, 8)),
        ("a.npz", cache()),
        ("a.pkl", named_direction()),
        ("a.pt", {"eigvec": normal(0, 8, 8)}),
        ("legacy.pt", normal(0, 3, 8)),
        ("a.safetensors", {"x": normal(0, 3, 8)}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*scaled to one")
def test_directions_and_codes(tmp_path, name, value):
    path = write(tmp_path, name, value)
    assert opened(converters.import_edit, path).count(name) == 1
    if name not in ("a.npz", "a.pkl"):
        assert opened(converters.load_codes, path).count(name) == 1


def test_our_own_layout(tmp_path):
    export_edit(EDIT, tmp_path / "own.safetensors", layout="safetensors")
    names = opened(converters.import_edit, tmp_path / "own.safetensors")
    assert names.count("own.safetensors") == 1


def test_what_was_read_is_not_opened_again(tmp_path):
    model = converters.read(GOLDEN / MODELS[0])
    edit = converters.read(write(tmp_path, "a.npy", np.eye(8)), numpy_files=True)

    def call():
        converters.load(model)
        converters.inspect(model)
        converters.import_edit(edit)
        converters.load_codes(edit)

    names = opened(call)
    assert MODELS[0] not in names
    assert "a.npy" not in names


SOUND = {
    "torch-zip": writer.torch_zip({"x": np.arange(5, dtype=np.float32)}),
    "torch-legacy": writer.torch_legacy({"x": np.arange(5, dtype=np.float32)}),
    "pickle": writer.plain_pickle({"x": np.arange(5, dtype=np.float32)}),
    "safetensors": writer.safetensors({"x": np.arange(5, dtype=np.float32)}),
    "npz": npz_bytes(x=np.arange(5, dtype=np.float32)),
}


@pytest.mark.parametrize("container", SOUND)
def test_the_hash_is_of_the_bytes_that_were_parsed(tmp_path, monkeypatch, container):
    path = tmp_path / "a"
    path.write_bytes(SOUND[container])
    decode = checkpoints.decode

    def changing(data, **options):
        path.write_bytes(b"something else")
        return decode(data, **options)

    monkeypatch.setattr(checkpoints, "decode", changing)
    found = converters.read(path, numpy_files=True)
    assert found.sha256 == hashlib.sha256(SOUND[container]).hexdigest()
    assert found.container == container
    np.testing.assert_array_equal(found.tensors["x"], np.arange(5))
    assert path.read_bytes() == b"something else"


LARGE = {"x": np.zeros((1 << 20, 8), np.uint8)}
WIDE = {"x": np.zeros((1 << 20, 2), np.float32)}


@pytest.mark.parametrize(
    ("name", "data", "times"),
    [
        ("torch-zip", writer.torch_zip(LARGE), 1),
        ("torch-legacy", writer.torch_legacy(LARGE), 1),
        ("safetensors", writer.safetensors(WIDE), 1),
        ("npy", npy_bytes(WIDE["x"]), 1),
        # nothing in these promises that elements lie where a processor wants them
        ("unaligned", writer.torch_legacy(WIDE), 2),
        # Python decodes a pickle's byte strings by copying them
        ("pickle", writer.plain_pickle(LARGE), 2),
    ],
)
def test_large_files_are_held_once(tmp_path, name, data, times):
    path = tmp_path / name
    path.write_bytes(data)
    tracemalloc.start()
    try:
        converters.read(path, numpy_files=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (times + 0.1) * len(data)


def test_a_description_that_is_too_long(tmp_path):
    shutil.copytree(GOLDEN / "hf_biggan_deep_a", tmp_path / "a")
    (tmp_path / "a" / "config.json").write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(CheckpointError, match=r"config\.json: over 1048576 bytes"):
        converters.read(tmp_path / "a")


def test_a_checkpoint_may_be_made_by_hand():
    model = converters.read(GOLDEN / MODELS[0])
    by_hand = converters.Checkpoint(model.tensors)
    assert converters.load(by_hand).config == converters.load(model).config
    with pytest.raises(dataclasses.FrozenInstanceError):
        by_hand.path = model.path
