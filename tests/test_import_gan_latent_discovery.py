"""Deformators of GANLatentDiscovery as edits, and edits as deformators."""

import json

import numpy as np
import pytest
import toy
import writer
from helpers import error, golden, ok

import converters
from converters import export_edit, import_edit
from jaxlatent import cli, load_edit, save_edit
from jaxlatent.edits.deformation import Deformation
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.guesses import GuessWarning
from jaxlatent.types import CheckpointError

CASE, LENET = golden("voynov_deformator_a"), golden("voynov_lenet_a")
D = 7
CODES = np.random.default_rng(0).normal(size=(5, D)).astype(np.float32)
TYPES = {
    "linear_identity": "linear",
    "linear_nobias": "linear",
    "proj_random": "proj",
    "ortho_random": "ortho",
    "fc": "fc",
}


def state(name):
    start = f"{name}/w/"
    found = {k.removeprefix(start): v for k, v in CASE.items() if k.startswith(start)}
    return writer.ordered(found)


def recorded(edit, name):
    moved = edit.shift(CODES, CASE["in_index"], CASE["in_eps"])
    return error(moved - CODES, CASE[f"{name}/eval/onehot"])


@pytest.fixture
def save(tmp_path):
    """A released folder: models/deformator_STEP.pt, args.json, annotations."""

    def write(value, args=None, annotations=None, name="models/deformator_90.pt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(writer.torch_zip(value))
        if args is not None:
            (tmp_path / "args.json").write_text(json.dumps(args))
        if annotations is not None:
            (tmp_path / "human_annotation.txt").write_text(annotations)
        return path

    return write


@pytest.mark.parametrize("name", TYPES)
def test_released_deformators_move_codes_as_recorded(save, name):
    save(state("fc"), name="models/deformator_8.pt")
    args = {"deformator": TYPES[name], "max_latent_ind": D, "gan_weights": "G.pt"}
    path = save(state(name), args, "3: red light\n5: red light\n")
    for file in (path, path.parent.parent):
        edit = import_edit(file, space="z")
        assert recorded(edit, name) <= 2e-6
        assert (edit.method, edit.space) == ("unsupervised discovery", "z")
        assert (edit.names[2:4], edit.names[5]) == (
            ("direction 2", "red_light"),
            "red_light (1)",
        )
    assert isinstance(edit, Directions) == (name in ("linear_nobias", "ortho_random"))


def test_a_training_holds_deformator_and_reconstructor(save):
    prefix = "w/"
    seen = {k.removeprefix(prefix): v for k, v in LENET.items() if prefix in k[:2]}
    whole = {
        "step": 70,
        "deformator": state("ortho_random"),
        "shift_predictor": writer.ordered(seen),
    }
    path = save(whole, name="checkpoint.pt")
    assert recorded(import_edit(path.parent, space="z"), "ortho_random") <= 2e-6
    network = converters.load(path, part="network")
    assert network.module.directions == 7


def test_the_options_tell_the_space_and_the_width(save):
    args = {"gan_type": "StyleGAN2", "deformator": "ortho"}
    edit = import_edit(save(state("ortho_padded"), args))
    assert (edit.space, edit.dimension, len(edit)) == ("w", 512, 4)
    np.testing.assert_array_equal(np.asarray(edit.vectors)[:, 4:], 0)
    assert (
        import_edit(save(state("ortho_padded"), args | {"w_shift": False})).space == "z"
    )
    other = {"gan_type": "BigGAN", "deformator": "ortho"}
    assert import_edit(save(state("ortho_padded"), other)).dimension == 120
    generator = toy.make(z_dim=D)
    edit = import_edit(save(state("ortho_padded"), args), generator=generator)
    moved = edit.shift(np.zeros((5, D), np.float32), np.arange(4).repeat(2)[:5], 1.0)
    assert moved.shape == (5, D)
    assert np.abs(np.asarray(moved)[:, 4:]).max() == 0


def test_axes_are_built_in_words(save):
    args = {"deformator": "id", "gan_type": "SN_MNIST", "directions_count": 9}
    edit = import_edit(save(writer.ordered({}), args))
    np.testing.assert_array_equal(edit.vectors, np.eye(9, 128))
    with pytest.raises(CheckpointError, match="a deformator 'id' whose number of dir"):
        import_edit(save(writer.ordered({}), {"deformator": "id"}))
    with pytest.raises(CheckpointError, match="of 'random', whose directions no file"):
        import_edit(save(writer.ordered({}), {"deformator": "random"}))
    with pytest.raises(CheckpointError, match="no arrays, as of 'id' and 'random'"):
        import_edit(save(writer.ordered({}), {}))


def test_a_linear_layer_is_told_or_guessed(save):
    path = save(state("proj_random"))
    with pytest.warns(GuessWarning, match="taken for a linear deformator.*projective"):
        edit = import_edit(path, space="z")
    assert isinstance(edit, Deformation)
    assert edit.deformator == "linear"
    edit = import_edit(path, space="z", deformator="projective")
    assert recorded(edit, "proj_random") <= 2e-6
    with pytest.raises(ValueError, match=r"^deformator: 'fc' given; 'linear' or"):
        import_edit(path, space="z", deformator="fc")


def test_more_directions_than_numbers_and_longer_steps(save):
    edit = import_edit(
        save(state("linear_overcomplete"), {"deformator": "linear"}), space="z"
    )
    assert (len(edit), edit.dimension) == (D + 4, D)
    path = save(state("proj_truncated"), {"deformator": "proj"})
    generator = toy.make(z_dim=D)
    with pytest.raises(CheckpointError, match="steps of 9 numbers found; codes of 7"):
        import_edit(path, space="z", generator=generator)
    save(state("proj_truncated"), {"deformator": "proj", "max_latent_dim": 9})
    edit = import_edit(path, space="z", generator=generator)
    assert (edit.dimension, edit.vectors.shape) == (D, (D, 9))


def test_damaged_files_are_refused(save):
    def broken(name, key, value):
        found = dict(state(name).items)
        found[key] = value
        return writer.ordered(found)

    narrow = broken("fc", "fc4.bias", np.zeros(3, np.float32))
    with pytest.raises(CheckpointError, match=r"fc4.bias: shape \(3,\) found"):
        import_edit(save(narrow), space="z")
    below = broken("fc", "bn2.running_var", np.full(10, -1, np.float32))
    with pytest.raises(CheckpointError, match="running_var of bn2 is below zero"):
        import_edit(save(below), space="z")
    path = save(state("ortho_small"), annotations="7: x")
    with pytest.raises(CheckpointError, match=r"annotations: '7: x' given; .* 0 to 6"):
        import_edit(path, space="z")
    path.parent.parent.joinpath("args.json").write_text("[")
    with pytest.raises(CheckpointError, match=r"the args.json beside it is no JSON"):
        import_edit(path, space="z")
    path.parent.parent.joinpath("args.json").write_text("[1]")
    with pytest.raises(CheckpointError, match=r"args.json beside it holds no JSON obj"):
        import_edit(path, space="z")


@pytest.mark.parametrize("name", TYPES)
def test_what_is_exported_is_a_deformator(save, tmp_path, name):
    args = {"deformator": TYPES[name]}
    edit = import_edit(save(state(name), args), space="z")
    out = tmp_path / "out" / "deformator_0.pt"
    out.parent.mkdir()
    export_edit(edit, out, layout="deformator")
    layer = "projective" if TYPES[name] == "proj" else "linear"
    told = {} if name == "fc" else {"deformator": layer}
    again = import_edit(out, space="z", **told)
    assert recorded(again, name) <= 2e-6
    if not isinstance(edit, Directions):
        found = converters.read(out).tensors
        assert found.keys() == state(name).items.keys()
        for key, value in state(name).items.items():
            np.testing.assert_array_equal(found[key], value)


def test_what_no_deformator_holds(save, tmp_path):
    rows = directions(np.ones((2, 3, D), np.float32), space="w+")
    with pytest.raises(ValueError, match="directions of single rows of w"):
        export_edit(rows, tmp_path / "a", layout="deformator")
    edit = import_edit(save(state("fc"), {"deformator": "fc"}), space="z")
    with pytest.raises(ValueError, match="2 directions of a network of 7 given"):
        export_edit(edit.select([1, 0]), tmp_path / "a", layout="deformator")


def test_commands(save, workplace, capsys):
    path = save(state("ortho_random"), {"deformator": "ortho", "gan_type": "ProgGAN"})
    ok("import", path.parent.parent, "a.npz")
    assert "7 directions of unsupervised discovery in z" in capsys.readouterr().out
    (workplace / "names.txt").write_text("0: hair\n4: hair\n")
    ok("name", "a.npz", "--annotations", "names.txt")
    assert "direction 4, before 'direction 4', is 'hair (1)'" in capsys.readouterr().out
    ok("name", "a.npz", 1, "tan")
    ok("export", "a.npz", "b.txt", "--layout", "annotations")
    assert (workplace / "b.txt").read_text() == "0: hair\n1: tan\n4: hair (1)\n"
    save_edit(workplace / "c.npz", load_edit("a.npz"))
    assert cli.main(["name", "a.npz", "1"]) == 2
    assert "INDEX, NAME, annotations: a direction" in capsys.readouterr().err
    (workplace / "names.txt").write_bytes(b"\xff\xfe")
    assert cli.main(["name", "a.npz", "--annotations", "names.txt"]) == 2
    assert "a text of UTF-8 is accepted" in capsys.readouterr().err
