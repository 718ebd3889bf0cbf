"""`jaxlatent.load`: generators and networks, wherever they come from."""

import jax
import numpy as np
import pytest
from helpers import GOLDEN

import jaxlatent
from jaxlatent import loading
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Discriminator, Generator, fingerprint
from jaxlatent.networks.base import Network
from jaxlatent.types import CheckpointError

FILE = GOLDEN / "stylegan2_ada_a.pkl"


def synthesize(params, latent):
    return (latent @ params["matrix"]).reshape(-1, 2, 2, 1)


def make():
    params = {"matrix": np.eye(4, dtype=np.float32)}
    return Generator.from_functions(synthesize, z_dim=4, params=params)


def test_files_and_folders_hold_the_same_generator(tmp_path):
    from_file = jaxlatent.load(FILE)
    jaxlatent.save_generator(tmp_path / "folder", from_file)
    from_folder = jaxlatent.load(str(tmp_path / "folder"))
    assert fingerprint(from_folder) == fingerprint(from_file)
    assert from_folder.config == from_file.config


def test_a_part_of_a_file_is_asked_for():
    assert isinstance(jaxlatent.load(FILE, part="discriminator"), Discriminator)
    network = jaxlatent.load(GOLDEN / "torchvision_vgg16_a.pth", part="network")
    assert isinstance(network, Network)


def test_what_a_file_left_open_stays_with_what_is_loaded():
    found = jaxlatent.load(GOLDEN / "rosinality_stylegan2_a.pt")
    assert found.origin.assumed == {"mapping_rate": 0.01}
    assert (found.origin.file, found.origin.entry) == (
        "rosinality_stylegan2_a.pt",
        "g_ema",
    )
    assert "argument entry takes another" in found.origin.guesses[0]
    plain = jaxlatent.load(GOLDEN / "rosinality_stylegan2_a.pt", entry="g")
    assert (plain.origin.entry, plain.origin.guesses) == ("g", ())
    scorer = jaxlatent.load(GOLDEN / "torchvision_vgg16_a.pth", part="network")
    assert set(scorer.origin.assumed) == {"mean", "std", "resize"}
    judge = jaxlatent.load(FILE, part="discriminator")
    assert judge.origin.licence.startswith("NVIDIA")
    with pytest.raises(ValueError, match=r"^entry: given, but faces is no checkpoint"):
        jaxlatent.load("faces", entry="g")


def test_values_replace_what_a_file_does_not_tell():
    file = GOLDEN / "rosinality_stylegan2_a.pt"
    changed = jaxlatent.load(file, family="stylegan2", config={"mapping_rate": 0.1})
    assert changed.config.mapping_rate == 0.1
    with pytest.raises(ValueError, match=r"^family: 'vqgan' given"):
        jaxlatent.load(file, family="vqgan")
    with pytest.raises(CheckpointError, match="no layout of lenet"):
        jaxlatent.load(file, family="lenet")


def test_faces_come_with_the_library():
    assert isinstance(jaxlatent.load("faces").config, rendered.Config)


def test_functions_are_imported_and_called(tmp_path, monkeypatch):
    assert jaxlatent.load("test_load:make").config.z_dim == 4
    # modules of the current folder come first, and leave no trace
    (tmp_path / "mine_alone.py").write_text(
        "from test_load import make as other\ndef make():\n    return other()\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(loading.sys.path)
    assert isinstance(jaxlatent.load("mine_alone:make"), Generator)
    assert loading.sys.path == before


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nowhere", {}, "source: nowhere does not exist; a converted folder"),
        (".", {}, "source: . is an empty folder"),
        ("nowhere:make", {}, "source: nowhere:make: No module"),
        ("test_load:nothing", {}, "source: test_load:nothing: test_load has no"),
        ("os:getcwd", {}, "source: os:getcwd is a str; a generator is asked for"),
        ("faces", {"part": "network"}, "source: faces is a Generator; a network"),
        ("faces", {"family": "stylegan2"}, "family: given, but faces is no checkpoint"),
        ("test_load:make", {"config": {"a": 1}}, "config: given, but test_load:make"),
    ],
)
def test_what_cannot_be_loaded_is_named(
    source, options, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"^{message}"):
        jaxlatent.load(source, **options)


# codes and scores of files


def test_codes_keep_the_space_that_a_file_names(tmp_path):
    model = jaxlatent.load(FILE)
    codes = np.ones((2, 32), np.float32)
    file = tmp_path / "codes.npz"
    np.savez(file, z=codes, **{"w+": np.ones((2, 8, 32), np.float32)})
    found = loading.load_latents(file, model)
    assert (found.space, found.codes.shape) == ("w+", (2, 8, 32))
    assert loading.load_latents(file, model, space="z").space == "z"
    np.save(tmp_path / "codes.npy", codes)
    assert loading.load_latents(tmp_path / "codes.npy", model, default="w").space == "w"
    with pytest.raises(ValueError, match=r"^space: missing for"):
        loading.load_latents(tmp_path / "codes.npy", model)
    with pytest.raises(ValueError, match=r"finite \[N, 160\] for s is accepted"):
        loading.load_latents(tmp_path / "codes.npy", model, space="s")
    np.save(tmp_path / "codes.npy", codes[:, :5])
    with pytest.raises(ValueError, match=r"^codes: \[2, 5\] found in"):
        loading.load_latents(tmp_path / "codes.npy", model, space="z")


def test_codes_beside_pictures(tmp_path):
    assert loading.codes_beside(tmp_path) == {}
    np.save(tmp_path / "z.npy", np.ones((2, 3), np.float32))
    np.save(tmp_path / "wp.npy", np.ones((2, 4, 3), np.float32))
    found = loading.codes_beside(tmp_path)
    assert {space: one.shape for space, one in found.items()} == {
        "z": (2, 3),
        "w+": (2, 4, 3),
    }
    # a run's own codes come before those of another tool
    np.savez(tmp_path / "codes.npz", w=np.ones((2, 3)), label=np.ones(2))
    assert set(loading.codes_beside(tmp_path)) == {"w"}


def test_codes_of_a_file_need_a_space(tmp_path):
    np.save(tmp_path / "codes.npy", np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match=r"^space: missing for"):
        loading.codes_of_file(tmp_path / "codes.npy", None)
    assert set(loading.codes_of_file(tmp_path / "codes.npy", "w")) == {"w"}
    np.save(tmp_path / "rows.npy", np.ones((2, 4, 3), np.float32))
    assert set(loading.codes_of_file(tmp_path / "rows.npy", None)) == {"w+"}


def test_titles_are_short(tmp_path):
    assert loading.short_name(str(tmp_path)) == tmp_path.name
    assert loading.short_name("module:function") == "module:function"


def test_loading_leaves_values_as_they_are():
    z = jax.numpy.eye(4)
    images = jaxlatent.load("test_load:make").synthesize(z)
    np.testing.assert_array_equal(images.reshape(4, 4), z)
