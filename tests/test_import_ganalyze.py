"""GANalyze's trained transformers as directions."""

import numpy as np
import pytest
from artefact_files import broken, normal, same, write
from helpers import GOLDEN, golden

from converters import import_edit, read
from converters.artefacts.ganalyze import is_ganalyze, read_ganalyze
from converters.checkpoints import Checkpoint
from jaxlatent.types import CheckpointError

ONE = GOLDEN / "ganalyze_onedirection.pth"
BY_CLASS = GOLDEN / "ganalyze_classdependent.pth"
RECORDED = golden("ganalyze_directions_a")
D, C = 9, 6
W = normal(0, 1, D).astype(np.float32)


def on_the_sphere(moved):
    """Back to the norm of all codes together, as GANalyze's PyTorch does."""
    return moved * np.linalg.norm(RECORDED["z"]) / np.linalg.norm(moved)


def test_one_direction_for_all_classes():
    checkpoint = read(ONE)
    assert is_ganalyze(checkpoint)
    found = read_ganalyze(checkpoint)
    assert set(found) == {"direction"}
    np.testing.assert_array_equal(found["direction"], RECORDED["w"])


def test_a_direction_for_each_class_moves_codes_as_the_original_does():
    checkpoint = read(BY_CLASS)
    assert is_ganalyze(checkpoint)
    found = read_ganalyze(checkpoint)
    assert {name: array.shape for name, array in found.items()} == {
        "weight": (C, D),
        "bias": (D,),
    }
    steps = found["weight"][RECORDED["y_index"]] + found["bias"]
    moved = RECORDED["z"] + RECORDED["alpha"][:, None] * steps
    same(on_the_sphere(moved), RECORDED["class_dependent_torch"])


def test_one_unit_of_strength_is_one_of_the_score(recwarn):
    edit = import_edit(ONE)
    assert (edit.space, edit.method, edit.layers) == ("z", "ganalyze", None)
    assert edit.names == (ONE.stem,)
    same(edit.report["length"], [np.linalg.norm(RECORDED["w"])])
    z, alpha = RECORDED["z"], RECORDED["alpha"].astype(np.float32)
    moved = np.asarray(edit.shift(z, 0, alpha))
    same(np.linalg.norm(moved, axis=1), np.linalg.norm(z, axis=1))
    # the recording brought back the length of the batch instead of each sample's
    same(unit(moved), unit(RECORDED["one_direction_torch"]))
    assert not recwarn


def test_every_class_has_a_direction_of_its_own():
    edit = import_edit(BY_CLASS)
    assert edit.names == tuple(f"class {number}" for number in range(C))
    z, alpha = RECORDED["z"], RECORDED["alpha"].astype(np.float32)
    moved = np.asarray(edit.shift(z, RECORDED["y_index"], alpha))
    same(np.linalg.norm(moved, axis=1), np.linalg.norm(z, axis=1))
    same(unit(moved), unit(RECORDED["class_dependent_torch"]))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def test_the_folders_tell_the_assessor(tmp_path):
    folder = "checkpoints/biggan256_None/emonet/OneDirection_None/0a1b2c"
    edit = import_edit(write(tmp_path, f"{folder}/pytorch_model_100000.pt", {"w": W}))
    assert edit.names == ("emonet",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("w_ganalyze.npy", W),
        ("a.npz", {"w_ganalyze": W}),
        ("a.safetensors", {"parameters_to_train/w_ganalyze:0": W, "other": W}),
        ("a.pt", {"w": W}),
        ("legacy.pt", {"w": W}),
    ],
)
def test_where_the_direction_may_lie(tmp_path, name, value):
    edit = import_edit(write(tmp_path, name, value))
    assert (edit.space, edit.method) == ("z", "ganalyze")
    same(edit.forward["0"]["bias"], W)


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint({"w": W}, "npz"),
        Checkpoint({"w": W, "z": W}),
        Checkpoint({"w": W[None]}),
        Checkpoint({"direction": W}),
        Checkpoint(W),
        Checkpoint([W]),
        Checkpoint({}),
    ],
)
def test_what_is_another_file(checkpoint):
    assert not is_ganalyze(checkpoint)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"w": broken(W)}, "w: numbers that are not finite"),
        ({"w": np.concatenate([W, W])}, r"w: shape \(2, 9\) found; \(1, any\)"),
        ({"w": W.astype(int)}, "w: no array of real numbers"),
        ({"w": W * 0}, "a direction of length zero"),
        ({"NN_output.weight": normal(0, D, C)}, "NN_output.bias: missing"),
        (
            {"NN_output.weight": normal(0, D, C), "NN_output.bias": normal(0, C)},
            r"NN_output.bias: shape \(6,\) found; \(9\) is needed",
        ),
        ({"NN_output.weight": 1}, "NN_output.weight: no array of real numbers"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, value, message):
    with pytest.raises(CheckpointError, match=rf"a\.pt: {message}"):
        import_edit(write(tmp_path, "a.pt", value))
