"""The commands on files of edits."""

import numpy as np
import pytest
from helpers import GOLDEN, ok

import converters
import jaxlatent
from jaxlatent import cli
from jaxlatent.edits.directions import directions
from jaxlatent.methods.ganspace_presets import presets

pytestmark = pytest.mark.usefixtures("workplace")

D = 6
VECTORS = np.random.default_rng(0).normal(size=(3, D)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def files(workplace):
    """Three edits: faces.npz, and age.npz and smile.npz on other rows."""
    edit = directions(
        VECTORS,
        space="w",
        scale=[1.0, 2.0, 3.0],
        mean=np.ones(D, np.float32),
        names=["age", "smile", "pose"],
        method="interfacegan",
    )
    jaxlatent.save_edit("faces.npz", edit)
    jaxlatent.save_edit("age.npz", edit.select([0]).replace(layers=(0, 1)))
    jaxlatent.save_edit("smile.npz", edit.select([1]).replace(layers=(3,)))


def refused(capsys, *words):
    """The one line that a command is refused with."""
    assert cli.main([str(word) for word in words]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told.removeprefix("jaxlatent: ")


def test_condition_projects_on_what_others_leave(capsys):
    jaxlatent.save_edit("one.npz", jaxlatent.load_edit("faces.npz").select([0]))
    ok("condition", "one.npz", "--on", "faces.npz:1,2", "--out", "free.npz")
    found = jaxlatent.load_edit("free.npz")
    np.testing.assert_allclose(VECTORS[1:] @ found.vectors[0], 0, atol=1e-6)
    told = capsys.readouterr().out
    assert f"age: cosine {float(found.report['cosine'][0]):.4f}" in told
    ok("condition", "one.npz", "--on", "smile.npz", "faces.npz:2", "--out", "two.npz")
    two = jaxlatent.load_edit("two.npz")
    np.testing.assert_allclose(two.vectors, found.vectors, atol=1e-6)
    told = refused(
        capsys, "condition", "one.npz", "--on", "age.npz", "--out", "lost.npz"
    )
    assert told.startswith("boundaries: ['age'] lie in the span")


def test_combine_adds_up_weighted_directions():
    ok("combine", "faces.npz:0:1.5", "faces.npz:2:-0.5", "--out", "sum.npz")
    found = jaxlatent.load_edit("sum.npz")
    expected = 1.5 * VECTORS[0] - 0.5 * 3 * VECTORS[2]
    np.testing.assert_allclose(found.vectors[0], expected, atol=1e-6)
    assert found.names == ("+1.5 age -0.5 pose",)
    ok(
        *("combine", "age.npz", "smile.npz:0:2", "--num-layers", 4, "--name", "both"),
        *("--out", "rows.npz"),
    )
    rows = jaxlatent.load_edit("rows.npz")
    assert (rows.names, rows.vectors.shape) == (("both",), (1, 4, D))
    np.testing.assert_allclose(rows.vectors[0, 3], 4 * VECTORS[1], atol=1e-6)
    np.testing.assert_array_equal(rows.vectors[0, 2], 0)


def test_import_takes_what_the_file_tells_or_the_user(capsys):
    np.save("stylegan_ffhq_age_w_boundary.npy", VECTORS[:1].astype(np.float64))
    ok("import", "stylegan_ffhq_age_w_boundary.npy", "age_w.npz")
    edit = jaxlatent.load_edit("age_w.npz")
    assert (edit.space, edit.names, edit.method) == ("w", ("age",), "interfacegan")
    assert "1 direction of interfacegan in w" in capsys.readouterr().out
    np.save("rows.npy", VECTORS)
    ok("import", "rows.npy", "rows.npz", "--space", "z")
    assert jaxlatent.load_edit("rows.npz").space == "z"
    ok("import", "rows.npy", "one.npz", "--per-layer", "--layers", "1-2")
    one = jaxlatent.load_edit("one.npz")
    assert (one.vectors.shape, one.layers) == ((1, 3, D), (1, 2))
    named = GOLDEN / "ganspace_named_direction.pkl"
    ok("import", named, "named.npz")
    assert jaxlatent.load_edit("named.npz").method == "ganspace"
    ok("inspect", named)
    assert "another tool's directions" in capsys.readouterr().out


def test_what_is_exported_comes_back(capsys):
    ok("export", "faces.npz", "faces.safetensors", "--layout", "safetensors")
    back = converters.import_edit("faces.safetensors")
    np.testing.assert_array_equal(back.vectors, VECTORS)
    assert back.names == ("age", "smile", "pose")
    ok("export", "faces.npz", "pca.pt", "--layout", "pca-pt")
    back = converters.import_edit("pca.pt")
    np.testing.assert_allclose(back.scale, [1, 2, 3])
    ok("export", "faces.npz", "b.npy", "--layout", "interfacegan", "--index", 1)
    np.testing.assert_allclose(np.load("b.npy")[0], VECTORS[1], atol=1e-7)
    capsys.readouterr()
    told = refused(capsys, "export", "faces.npz", "c.npy", "--layout", "resefa")
    assert told.startswith("index: ")
    told = refused(capsys, "export", "gone.npz", "c.npy", "--layout", "npy")
    assert told.startswith("EDIT: gone.npz is not a file")


def test_name_renames_in_the_file(capsys):
    ok("name", "faces.npz", 1, "big smile")
    edit = jaxlatent.load_edit("faces.npz")
    assert edit.names == ("age", "big smile", "pose")
    np.testing.assert_array_equal(edit.vectors, VECTORS)
    assert "before 'smile', is 'big smile'" in capsys.readouterr().out
    told = refused(capsys, "name", "faces.npz", 3, "x")
    assert told.startswith("INDEX: 3 given; there are directions 0 to 2")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("condition faces.npz --on gone.npz --out a.npz", "on: gone.npz is not a"),
        ("condition faces.npz --on faces.npz:7 --out a.npz", "on: 7 given; there"),
        ("condition age.npz --on smile.npz --out a.npy", "OUT: a.npy given; a file"),
        ("combine faces.npz:9 --out a.npz", "PART: 9 given; there are directions"),
        ("combine faces.npz:0:much --out a.npz", "PART: 'faces.npz:0:much' given"),
        ("combine age.npz smile.npz --out a.npz", "num_layers: missing; one number"),
        ("import gone.npy a.npz", "FILE: gone.npy is not a file"),
        ("import faces.npz a.npz", "faces.npz: an edit of this library"),
        ("presets --model StyleGAN9", "model: no presets; there are some of"),
        ("presets --data ffhq9", "data: no presets; there are some of"),
    ],
)
def test_what_does_not_fit_is_named(words, expected, capsys, workplace):
    before = {file.name for file in workplace.iterdir()}
    assert refused(capsys, *words.split()).startswith(expected)
    assert {file.name for file in workplace.iterdir()} == before


def test_presets_are_listed_and_drawn(capsys, workplace):
    ok("presets")
    assert len(capsys.readouterr().out.splitlines()) == len(presets())
    ok("presets", "--model", "stylegan2", "--data", "horse")
    told = capsys.readouterr().out
    assert "StyleGAN2/horse/Add rider: component 3, layers 3-4, -2.9 sigma" in told
    components = directions(
        np.eye(64, 32, dtype=np.float32), space="w", scale=np.full(64, 0.1, np.float32)
    )
    jaxlatent.save_edit("components.npz", components)
    plain = GOLDEN / "stylegan2_ada_a.pkl"
    words = ("edit", plain, "components.npz", "--seeds", 0, "--strengths", "0,1")
    ok(*words, "--preset", "Add rider", "--out", "strip")
    edit = jaxlatent.load_edit("strip/edit.npz")
    assert (edit.names, edit.vectors.shape) == (("Add rider",), (1, 8, 32))
    np.testing.assert_allclose(edit.scale, -0.29, rtol=1e-6)
    mixed = ("--preset", "Add rider", "--preset", "boyishness", "--out", "x")
    told = refused(capsys, *words, *mixed)
    assert told.startswith("preset: strips and targets cannot be drawn together")
    ok(*words, "--preset", "boyishness", "--out", "target")
    page = (workplace / "target" / "index.html").read_text()
    assert "coordinates to reach" in page


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("frown", "preset: no preset 'frown'"),
        ("Add grass", "preset: 'Add grass' is a preset of several models"),
        ("ffhq/Bald", "preset: 'ffhq/Bald' given; NAME or MODEL/DATA/NAME"),
        ("Big smile", "components: 3 in w given; 'Big smile' needs number 19"),
    ],
)
def test_presets_that_do_not_fit_are_named(preset, expected, capsys):
    wide = directions(np.eye(3, 32, dtype=np.float32), space="w")
    jaxlatent.save_edit("wide.npz", wide)
    plain = GOLDEN / "stylegan2_ada_a.pkl"
    words = ("edit", plain, "wide.npz", "--out", "out", "--preset", preset)
    assert refused(capsys, *words).startswith(expected)
