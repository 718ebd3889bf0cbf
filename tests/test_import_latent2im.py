"""Latent2im's pickled walks as edits."""

import numpy as np
import pytest
import writer
from artefact_files import broken, normal, same
from helpers import golden, ok

from converters import import_edit, load_codes
from jaxlatent import cli, load_edit
from jaxlatent.edits.directions import Directions
from jaxlatent.types import CheckpointError

CASE = golden("latent2im_a")
W, PLUS, ALPHA = CASE["w"], CASE["w_plus"], CASE["alpha"][:, 0]
ROWS = PLUS.shape[1]
NAME = "model_w_49_final_walk_module.ckpt"


def parameters(name):
    """The arrays of a recorded walk, as the module holds them."""
    start = f"{name}/w/"
    return {
        key.removeprefix(start): array
        for key, array in CASE.items()
        if key.startswith(start)
    }


def module(path, own=(), modules=(), **attributes):
    """A module as `torch.save(module)` pickles it."""
    state = {
        "training": True,
        "_parameters": writer.ordered(
            {name: writer.parameter(value) for name, value in dict(own).items()}
        ),
        "_buffers": writer.ordered({}),
        "_modules": writer.ordered(dict(modules)),
    }
    return writer.call(path, state=state | attributes, opcode=b"\x81")


def walk(class_name, arrays, package="graphs.pggan.transform_base"):
    """A walk with its arrays under dotted names."""
    tree: dict = {}
    for name, value in arrays.items():
        *path, kind = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[kind] = value

    def built(path, tree):
        own = {key: one for key, one in tree.items() if not isinstance(one, dict)}
        inner = {
            key: built("torch.nn.modules.linear.Linear", one)
            for key, one in tree.items()
            if isinstance(one, dict)
        }
        if any(key.isdecimal() for key in inner):
            path = "torch.nn.modules.container.Sequential"
        return module(path, own, inner)

    return built(f"{package}.{class_name}", tree)


@pytest.fixture
def save(tmp_path):
    def write(value, name=NAME, encode=writer.torch_zip):
        path = tmp_path / name
        path.write_bytes(encode(value))
        return path

    return write


@pytest.mark.parametrize(
    ("class_name", "recorded"),
    [
        ("WalkLinearZ", "pggan_linear_dependent"),
        ("WalkLinearZ_free", "pggan_linear_free"),
        ("WalkMlpZ", "pggan_mlp"),
        ("WalkMlpZ2", "pggan_mlp2"),
        ("WalkMlpZ3", "pggan_mlp3"),
        ("WalkMlpMultiW", "stylegan_mlp"),
        ("WalkLinearMultiW", "stylegan_linear"),
    ],
)
@pytest.mark.parametrize("encode", [writer.torch_zip, writer.torch_legacy])
def test_walks_move_codes_as_recorded(save, class_name, recorded, encode):
    edit = import_edit(save(walk(class_name, parameters(recorded)), encode=encode))
    of_rows = class_name.endswith("MultiW")
    assert (edit.space, edit.method) == ("w+" if of_rows else "z", "enjoy")
    codes = np.repeat(W[:, None], ROWS, axis=1) if of_rows else W
    moved = np.asarray(edit.shift(codes, 0, ALPHA))
    scale = np.abs(CASE[f"{recorded}/out"]).max()
    assert np.abs(moved - CASE[f"{recorded}/out"]).max() <= 1e-6 * scale


def test_every_attribute_is_a_direction(save):
    vectors = normal(0, 3, ROWS, 6).astype(np.float32)
    edit = import_edit(save(walk("WalkLinearMultiW", {"w": vectors})))
    assert isinstance(edit, Directions)
    assert edit.names == ("attribute 0", "attribute 1", "attribute 2")
    same(edit.report["length"], np.linalg.norm(vectors.reshape(3, -1), axis=1))
    moved = edit.shift(PLUS, 2, 0.5)
    np.testing.assert_allclose(moved, PLUS + 0.5 * vectors[2], rtol=1e-5, atol=1e-6)
    chosen = import_edit(save(walk("WalkLinearMultiW", {"w": vectors})), layers="1-2")
    assert chosen.layers == (1, 2)


def test_single_attributes_are_joined(save, workplace):
    vectors = normal(1, 2, ROWS, 6).astype(np.float32)
    files = [
        save(walk("WalkLinearMultiW", {"w": one[None]}), name=f"{number}.ckpt")
        for number, one in enumerate(vectors)
    ]
    ok("import", files[0], "all.npz", "--join", files[1])
    edit = load_edit(workplace / "all.npz")
    assert edit.names == ("attribute 0", "attribute 1")
    for index in (0, 1):
        np.testing.assert_allclose(
            edit.shift(PLUS, index, 1.0), PLUS + vectors[index], rtol=1e-5, atol=1e-6
        )


def test_only_directions_are_joined(save, workplace, capsys):
    file = save(walk("WalkMlpZ3", parameters("pggan_mlp3")))
    words = ["import", file, "all.npz", "--join"]
    assert cli.main([str(word) for word in [*words, file]]) == 2
    assert "join: a NeuralWalk given; linear" in capsys.readouterr().err
    assert cli.main([str(word) for word in [*words, "none.ckpt"]]) == 2
    assert "join: none.ckpt is not a file" in capsys.readouterr().err


LINEAR = parameters("stylegan_linear")
NETWORK = parameters("pggan_mlp3")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (walk("Net", LINEAR), "a pickled module 'Net' found; of modules Latent2im's"),
        (walk("WalkNonLinearW", parameters("stylegan_nn")), "'WalkNonLinearW' found"),
        (walk("WalkLinearMultiW", {"w": broken(LINEAR["w"])}), "w: numbers that are"),
        (walk("WalkLinearMultiW", {"w": 0 * LINEAR["w"]}), "a direction of length ze"),
        (walk("WalkLinearMultiW", {"w": LINEAR["w"][0]}), r"w: shape \(6, 6\) found;"),
        (walk("WalkLinearMultiW", {"v": LINEAR["w"]}), "'v': not expected in a Walk"),
        (
            walk("WalkMlpZ3", {k: v for k, v in NETWORK.items() if "2.b" not in k}),
            "linear.2.bias: missing",
        ),
        (
            walk("WalkMlpZ3", NETWORK | {"linear.2.bias": np.ones(3, np.float32)}),
            r"linear.2.bias: shape \(3,\) found; \(12\) is needed",
        ),
    ],
)
def test_what_does_not_fit_is_refused(save, value, message):
    with pytest.raises(CheckpointError, match=message):
        import_edit(save(value))


def test_layers_that_do_not_follow_each_other_are_refused(save):
    wrong = NETWORK | {"linear.2.weight": np.ones((12, 5), np.float32)}
    with pytest.raises(CheckpointError, match="ckpt: forward: weight of layer 1"):
        import_edit(save(walk("WalkMlpZ3", wrong)))


def test_codes_of_its_inversion_are_rows(tmp_path):
    np.save(tmp_path / "0_w.npy", PLUS[:1])
    np.testing.assert_array_equal(load_codes(tmp_path / "0_w.npy"), PLUS[:1])
