"""Walks of steerability: TensorFlow's bundles, pickles and arrays."""

import struct

import numpy as np
import pytest
from helpers import GOLDEN, error, golden, ok

from converters import guess_edit, import_edit, read
from converters.artefacts.direction_shapes import Asked
from converters.containers import tensor_bundle
from converters.containers.limits import Budget
from jaxlatent.checkpoint import load_edit
from jaxlatent.edits.directions import Directions
from jaxlatent.edits.walks import NeuralWalk
from jaxlatent.types import CheckpointError

WALKS = GOLDEN / "steerability_walks"
RECORDED = golden("steerability_walks_a")
BOTH = (tensor_bundle.INDEX, tensor_bundle.DATA)


def bundle(name):
    return WALKS / f"{name}.ckpt.index"


def unpacked(index, data):
    return tensor_bundle.read(index, data, Budget(len(index) + len(data)))


def parts(name):
    return [(WALKS / f"{name}.ckpt{ending}").read_bytes() for ending in BOTH]


def test_bundles_hold_what_tensorflow_wrote():
    for name, key in (("linear_z", "walk_z"), ("linear_w_color", "walk_w_color")):
        found = unpacked(*parts(name))
        assert found.keys() == {"walk"}
        np.testing.assert_array_equal(found["walk"], RECORDED[key])
    found = unpacked(*parts("nn_z"))
    wanted = {key for key in RECORDED if key.startswith("nn_dense")}
    assert {f"nn_{name.replace('/', '__')}" for name in found} == wanted
    for name, array in found.items():
        recorded = RECORDED[f"nn_{name.replace('/', '__')}"]
        np.testing.assert_array_equal(array, recorded)


def test_a_linear_walk_keeps_its_length(recwarn):
    edit = import_edit(bundle("linear_z"), space="z")
    assert isinstance(edit, Directions)
    assert (edit.space, edit.method, edit.names) == ("z", "steerability", ("linear_z",))
    moved = edit.shift(RECORDED["z"], 0, RECORDED["alpha_z"][:, 0])
    assert error(moved, RECORDED["z_new"].astype(np.float32)) <= 1e-6
    assert not recwarn
    for part in ("linear_z.ckpt", f"linear_z.ckpt{tensor_bundle.DATA}"):
        again = import_edit(WALKS / part, space="z")
        np.testing.assert_array_equal(again.vectors, edit.vectors)


def test_a_flattened_walk_has_a_row_for_each_of_w_plus():
    edit = import_edit(bundle("linear_w_color"), num_layers=4)
    assert edit.vectors.shape == (3, 4, 14)
    w = RECORDED["w"].reshape(-1, 4, 14)
    for slider in range(3):
        w = edit.shift(w, slider, RECORDED["alpha_w"][:, slider])
    wanted = RECORDED["w_new"].astype(np.float32)
    assert error(np.reshape(w, wanted.shape), wanted) <= 1e-6


def test_a_walk_of_networks_takes_the_recorded_steps():
    edit = import_edit(bundle("nn_z"))
    assert isinstance(edit, NeuralWalk)
    count = int(RECORDED["nn_steps"])
    moved = edit.traverse(RECORDED["z"], 0, np.arange(-count, count + 1))
    assert error(moved, RECORDED["nn_stack"].astype(np.float32)) <= 1e-5


def test_pickles_and_arrays(tmp_path):
    edit, _ = guess_edit(WALKS / "linear_zoom.pkl", Asked())
    assert (edit.space, edit.names) == ("z", ("zoom",))
    raw = read(WALKS / "linear_zoom.pkl").tensors["w_zoom"]
    moved = edit.vectors[0] * edit.scale[0]
    np.testing.assert_allclose(moved, raw[0, :, 0], rtol=1e-6)
    folder = tmp_path / "steerability" / "stylegan_cars"
    folder.mkdir(parents=True)
    rows = np.random.default_rng(0).normal(size=(16, 512)).astype(np.float32)
    np.save(folder / "shifty.npy", rows)
    edit = import_edit(folder / "shifty.npy")
    assert (edit.space, edit.names) == ("w+", ("shifty",))
    walk = edit.vectors[0] * edit.scale[0]
    np.testing.assert_allclose(walk, rows, rtol=1e-5, atol=1e-7)


def test_released_widths_tell_their_rows(tmp_path):
    for rows in (14, 16, 18):
        np.save(tmp_path / "walk.npy", np.ones((1, rows * 512, 3), np.float32))
        tensors = {"walk": np.load(tmp_path / "walk.npy")}
        checkpoint = read(bundle("linear_z"), numpy_files=True)
        object.__setattr__(checkpoint, "tensors", tensors)
        edit, guesses = guess_edit(checkpoint, Asked())
        assert edit.vectors.shape == (3, rows, 512)
        assert edit.space == "w+"
        assert not guesses


def test_the_options_beside_it_name_a_walk(tmp_path):
    for ending, content in zip(BOTH, parts("nn_z"), strict=True):
        (tmp_path / f"model.ckpt{ending}").write_bytes(content)
    (tmp_path / "opt.yml").write_text("model: biggan\ntransform: shiftx\nnn:\n  eps: 5")
    assert import_edit(tmp_path / "model.ckpt.index").names == ("shiftx",)
    ok("import", tmp_path / "model.ckpt.index", tmp_path / "walk.npz")
    assert load_edit(tmp_path / "walk.npz").names == ("shiftx",)
    (tmp_path / f"model.ckpt{tensor_bundle.DATA}").unlink()
    with pytest.raises(CheckpointError, match="is not beside it"):
        import_edit(tmp_path / "model.ckpt.index")


def test_damage_is_refused_or_changes_nothing(tmp_path):
    index, data = parts("nn_z")
    whole = unpacked(index, data)
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(400):
        pieces = [bytearray(index), bytearray(data)]
        which = int(rng.integers(2))
        place = int(rng.integers(len(pieces[which])))
        if rng.integers(2):
            pieces[which][place] ^= 1 << int(rng.integers(8))
        else:
            del pieces[which][place:]
        try:
            found = unpacked(*map(bytes, pieces))
        except CheckpointError:
            refused += 1
        else:
            # what nothing depends on: padding, or what checksums do not cover
            assert all(np.array_equal(found[name], whole[name]) for name in found)
    assert refused > 350


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index, data: (index[:40], data), "does not end as one does"),
        (lambda index, data: (index, data[:40]), "announced for"),
        (lambda index, data: (index, b"\1" + data[1:]), "as its checksum tells"),
        (lambda index, data: (b"\xff" * 9 + index[-48:], data), "lies beyond its end"),
        (lambda index, data: (b"\xff" * 999 + index[-48:], data), "compressed index"),
    ],
)
def test_each_kind_of_damage_has_words(change, message):
    with pytest.raises(CheckpointError, match=message):
        unpacked(*change(*parts("linear_z")))


def test_a_hostile_number_of_restarts_or_bytes_allocates_nothing():
    entry = b"\0\1\2a" + b"\x08\x01"
    for block in (entry + struct.pack("<I", 2**32 - 1), b"\0\0"):
        with pytest.raises(CheckpointError, match="a damaged index"):
            list(tensor_bundle._entries(block))
    huge = b"\x08\x01\x12\x0a\x12\x08\x08" + b"\xff" * 6 + b"\x01"
    with pytest.raises(CheckpointError, match="announced for"):
        tensor_bundle._tensor("walk", huge, b"", Budget(10))
