"""Codes and directions of other tools on the command line, and what it says of them."""

import numpy as np
import pytest
from artefact_files import normal, unit, write
from helpers import GOLDEN, golden, ok, run_file

import jaxlatent
from jaxlatent import cli
from jaxlatent.latents import numpy_codes

pytestmark = pytest.mark.usefixtures("workplace")

FILE = GOLDEN / "rosinality_stylegan2_a.pt"
PLAIN = GOLDEN / "stylegan2_ada_a.pkl"
LABELLED = GOLDEN / "stylegan2_ada_b.pkl"
DEEP = GOLDEN / "hf_biggan_deep_a"
L, D = 8, 32
CODES = golden("rosinality_stylegan2_a")["ws_plus"]
ROWS = normal(0, L, D).astype(np.float32)
ROWS /= np.linalg.norm(ROWS)
NOISE = [np.zeros((1, 1, 4, 4), np.float32)]


def refused(capsys, *words):
    """The one line that a command is refused with."""
    assert cli.main([str(word) for word in words]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told.removeprefix("jaxlatent: ")


def guesses_of(folder):
    """What a run's record says of its inputs, but for that of the generator's file."""
    told = run_file(folder)["guesses"]
    return [line for line in told if "the argument entry" not in line]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        # NVIDIA's projector, and several of its files together
        ("projected_w.npz", {"w": CODES[:1]}, CODES[:1]),
        ("combined.npz", {"w": CODES}, CODES),
        ("one.npy", CODES[0], CODES[:1]),
        ("flat.npy", CODES.reshape(len(CODES), -1), CODES),
        ("latents.pt", CODES, CODES),
        (
            "projector.pt",
            {"face.png": {"img": ROWS, "latent": CODES[1], "noise": NOISE}},
            CODES[1:2],
        ),
        ("list.pt", list(CODES), CODES),
    ],
)
def test_sample_draws_the_codes_of_inverters(capsys, tmp_path, name, value, expected):
    write(tmp_path, name, value)
    ok("sample", FILE, "--out", "out", "--codes", name)
    np.testing.assert_array_equal(np.load("out/codes.npz")["w+"], expected)
    (line,) = (x for x in capsys.readouterr().out.splitlines() if "taken for" in x)
    number = f"{len(expected)} code{'s'[len(expected) == 1 :]} of w+"
    assert line.startswith(f"{name}: taken for {number}, ")
    assert guesses_of(tmp_path / "out") == [line]
    assert ("--space w for 8 codes of w" in line) == (name == "one.npy")


def test_space_takes_the_other_reading(tmp_path, capsys):
    np.save("rows.npy", CODES[0])
    ok("sample", FILE, "--out", "w", "--codes", "rows.npy", "--space", "w")
    drawn = np.load("w/codes.npz")
    np.testing.assert_array_equal(drawn["w"], CODES[0])
    assert drawn["w+"].shape == (L, L, D)
    assert guesses_of(tmp_path / "w") == []
    np.savez("projected.npz", w=np.repeat(CODES[:1, :1], L, 1))
    ok("sample", FILE, "--out", "e", "--codes", "projected.npz", "--space", "w")
    np.testing.assert_array_equal(np.load("e/codes.npz")["w"], CODES[:1, 0])
    told = refused(capsys, "sample", "faces", "--out", "q", "--codes", "projected.npz")
    assert "are codes of w+, which this generator does not have" in told


@pytest.mark.filterwarnings("ignore:.*scaled to one")
@pytest.mark.parametrize("how", ["per_layer", "edit_space", None])
def test_edit_says_how_it_took_rows(capsys, tmp_path, how):
    np.save("smile.npy", ROWS)
    np.save("codes.npy", CODES[:1])
    words = ("edit", FILE, "smile.npy", "--codes", "codes.npy", "--strengths", "0,2")
    words += {"per_layer": ("--per-layer",), "edit_space": ("--edit-space", "w")}.get(
        how, ()
    )
    ok(*words, "--out", "out")
    edit = jaxlatent.load_edit("out/edit.npz")
    guesses = guesses_of(tmp_path / "out")
    said = [line for line in guesses if line.startswith("smile.npy")]
    assert set(guesses) <= set(capsys.readouterr().out.splitlines())
    if how == "edit_space":
        assert (edit.space, edit.vectors.shape, said) == ("w", (L, D), [])
        return
    assert (edit.space, edit.vectors.shape) == ("w+", (1, L, D))
    np.testing.assert_allclose(
        edit.shift(CODES[:1], 0, 2.0), CODES[:1] + 2 * ROWS, atol=1e-6
    )
    expected = (
        "smile.npy: taken for 1 direction with a row for each of the 8 of w+, as the "
        "generator has 8 rows; --edit-space w for 8 directions of w"
    )
    assert said == ([] if how else [expected])


def test_edit_says_space_and_rows(tmp_path, capsys):
    one = unit(normal(1, 1, D))
    write(tmp_path, "boundary.npy", one)
    write(tmp_path, "directions/ffhq/stylegan2/age.npy", one)
    write(tmp_path, "age.npy", unit(normal(2, 1, L * D)))
    words = ("--strengths", "0,1", "--seeds", 0, "--out", "out")
    ok("edit", PLAIN, "boundary.npy", *words)
    assert run_file(tmp_path / "out")["edited"] == "before the mapping network"
    (line,) = guesses_of(tmp_path / "out")
    assert line.endswith("mostly of z; --edit-space w for 1 direction of w")
    ok("edit", PLAIN, "directions/ffhq/stylegan2/age.npy", *words)
    assert jaxlatent.load_edit("out/edit.npz").layers == (4, 5, 6, 7)
    space, rows = guesses_of(tmp_path / "out")
    assert "1 direction of w, as ReSeFa's authors do" in space
    assert rows.endswith("directions/ffhq/stylegan2; --layers all for all rows")
    ok("edit", PLAIN, "directions/ffhq/stylegan2/age.npy", *words, "--layers", "all")
    assert jaxlatent.load_edit("out/edit.npz").layers is None
    assert guesses_of(tmp_path / "out") == [space]
    ok("edit", PLAIN, "age.npy", *words)
    edit = jaxlatent.load_edit("out/edit.npz")
    assert (edit.space, edit.vectors.shape) == ("w+", (1, L, D))


def test_import_says_what_it_took(capsys, tmp_path):
    np.save("rows.npy", ROWS)
    ok("import", "rows.npy", "rows.npz")
    told = capsys.readouterr().out
    assert "as the length of all rows together is one; --space w for 8" in told
    flat = unit(normal(3, 1, L * D))
    np.save("age.npy", flat)
    ok("import", "age.npy", "age.npz", "--num-layers", L)
    found = jaxlatent.load_edit("age.npz")
    assert found.space == "w+"
    np.testing.assert_allclose(found.vectors, flat.reshape(1, L, D), atol=1e-7)
    assert "taken for 1 direction of w+, flattened" in capsys.readouterr().out
    ok("import", "age.npy", "age.npz", "--space", "w")
    assert jaxlatent.load_edit("age.npz").vectors.shape == (1, L * D)
    assert "taken for" not in capsys.readouterr().out


def test_inspect_says_what_a_file_would_be_taken_for(capsys):
    np.save("rows.npy", ROWS)
    ok("inspect", "rows.npy")
    told = capsys.readouterr().out
    assert "taken for 1 direction with a row for each" in told
    assert "--space w for 8 directions of w" in told
    np.savez("projected_w.npz", w=CODES[:1])
    ok("inspect", "projected_w.npz")
    told = capsys.readouterr().out
    assert "codes, for --codes" in told
    assert "shape: 1, 8, 32" in told


def test_scored_codes_are_read_alike(capsys, tmp_path):
    rows = np.concatenate([CODES] * 20).astype(np.float32)
    rows = rows + normal(4, *rows.shape).astype(np.float32)
    write_rows = {f"{i}.png": row for i, row in enumerate(rows)}
    write(tmp_path, "codes.pkl", write_rows)
    np.save("scores.npy", rows[:, 0, 0])
    words = ("discover", "interfacegan", FILE, "--scores", "scores.npy")
    words += ("--scored-codes", "codes.pkl", "--boundary-space", "w+")
    words += ("--top-fraction", 0.3)
    ok(*words, "--seeds", 0, "--strengths", "0,1", "--out", "out")
    assert f"codes.pkl: taken for {len(rows)} codes of w+" in capsys.readouterr().out


# seeds


def test_numpy_seeds_draw_what_other_tools_draw(tmp_path):
    ok("sample", PLAIN, "--out", "out", "--numpy-seeds", "85,265")
    expected = [np.random.RandomState(seed).randn(1, D)[0] for seed in (85, 265)]
    drawn = np.load("out/codes.npz")
    np.testing.assert_allclose(drawn["z"], expected, rtol=1e-6)
    record = run_file(tmp_path / "out")
    assert record["codes"] == ["numpy seed 85", "numpy seed 265"]
    assert record["seeds"] is None
    assert (tmp_path / "out" / "numpy_seed_85.png").is_file()
    ok("sample", PLAIN, "--out", "jax", "--seeds", "85")
    assert abs(np.load("jax/codes.npz")["z"] - expected[:1]).max() > 0.1


def test_numpy_seeds_have_classes_and_mix(tmp_path):
    words = ("--numpy-seeds", "3,4", "--label", "0,4")
    ok("sample", LABELLED, "--out", "out", *words)
    record = run_file(tmp_path / "out")
    assert record["codes"] == ["numpy seed 3, class 0", "numpy seed 4, class 4"]
    model = jaxlatent.load(LABELLED)
    np.testing.assert_array_equal(
        np.load("out/codes.npz")["z"], numpy_codes([3, 4], model.config.z_dim)
    )
    words = ("--numpy-seeds", "3", "--mix", "85", "--layers", "0-3")
    ok("sample", PLAIN, "--out", "mixed", *words)
    assert (tmp_path / "mixed" / "numpy_seed_3_mix_85.png").is_file()
    model = jaxlatent.load(PLAIN)
    w = model.broadcast(model.map(numpy_codes([3, 85], D)))
    mixed = np.load("mixed/codes.npz")["w+"][1]
    np.testing.assert_allclose(mixed[:4], w[1, :4], atol=1e-5)
    np.testing.assert_allclose(mixed[4:], w[0, 4:], atol=1e-5)


def test_numpy_seeds_of_a_truncated_prior():
    size = jaxlatent.load(DEEP).config.z_dim
    words = ("sample", DEEP, "--label", "0", "--numpy-seeds", "7", "--out")
    ok(*words, "plain")
    plain = np.load("plain/codes.npz")["z"]
    expected = np.random.RandomState(7).randn(1, size)
    np.testing.assert_allclose(plain, expected, rtol=1e-6)
    ok(*words, "bent", "--truncation", 0.4)
    bent = np.load("bent/codes.npz")["z"]
    np.testing.assert_array_equal(bent, numpy_codes([7], size, truncation=0.4))


def own_prior():
    """A generator whose z is not normal."""
    return jaxlatent.Generator.from_functions(
        lambda params, z: z.reshape(-1, 2, 2, 1), z_dim=4, sample=lambda key: key
    )


def test_numpy_seeds_need_a_normal_prior(capsys):
    words = ("sample", "test_cli_inputs:own_prior", "--out", "q", "--numpy-seeds", 1)
    told = refused(capsys, *words)
    assert told.startswith("numpy_seeds: given, but this generator's z is its own")
