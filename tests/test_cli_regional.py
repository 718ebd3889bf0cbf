"""The commands about regions, on a generator whose parts move by known entries."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ok, run_file
from PIL import Image

import jaxlatent
from jaxlatent import cli

pytestmark = pytest.mark.usefixtures("workplace")

LINEAR = "test_cli_regional:linear"
FEW = ("--seeds", "0", "--strengths", "0,1")
RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(4, 8, 8, 3)).astype(np.float32)
MATRIX[0, 4:] = 0  # moves the upper half alone
MATRIX[2:, :4] = 0  # move the lower half alone


def synthesize(params, latent):
    return jnp.tensordot(latent, params["matrix"], 1)


def linear():
    """z [N, 4] -> 8 x 8 pictures in colour."""
    params = {"matrix": jnp.asarray(MATRIX)}
    return jaxlatent.Generator.from_functions(synthesize, z_dim=4, params=params)


def gram(rows):
    """Of some rows of the picture."""
    flat = MATRIX[:, rows].reshape(4, -1).astype(np.float64)
    return flat @ flat.T / flat.shape[1]


UPPER, LOWER = gram(slice(0, 4)), gram(slice(4, 8))


def refused(capsys, *words):
    """The one line that a command is refused with."""
    assert cli.main([str(word) for word in words]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told.removeprefix("jaxlatent: ")


def test_grams_are_kept_and_continued(workplace, capsys):
    words = ("jacobian", LINEAR, "--out", "grams", "--region", "top_side")
    ok(*words, "--seeds", "0-1", "--chunk", "3")
    kept = (workplace / "grams/00000.npz").read_bytes()
    with np.load(workplace / "grams/00001.npz") as file:
        np.testing.assert_allclose(file["regions"], [[UPPER, LOWER]], rtol=1e-5)
        np.testing.assert_allclose(file["gram"], (UPPER + LOWER) / 2, rtol=1e-5)
        assert "jacobian" not in file
    (workplace / "grams/00001.npz").unlink()
    ok(*words, "--seeds", "0-1", "--chunk", "3")
    assert (workplace / "grams/00000.npz").read_bytes() == kept
    assert run_file(workplace / "grams")["regions"] == ["top_side"]
    told = refused(capsys, *words, "--seeds", "0-1", "--channels", "sum")
    assert "channels" in told
    ok("discover", "resefa", LINEAR, "--out", "found", "--region", "top_side", *FEW,
       "--grams", "grams", "--at", "0", "--tau", "0.001")  # fmt: skip
    told = refused(capsys, "discover", "resefa", LINEAR, "--out", "other", "--region",
                   "left_side", *FEW, "--grams", "grams")  # fmt: skip
    assert "grams: grams has not this region; it has top_side" in told
    assert not (workplace / "other").exists()


def test_the_full_jacobian_is_written_when_asked(workplace):
    ok("jacobian", LINEAR, "--out", "full", "--full", "--channels", "mean")
    with np.load(workplace / "full/00000.npz") as file:
        expected = np.moveaxis(MATRIX.mean(axis=-1), 0, -1)
        np.testing.assert_allclose(file["jacobian"], expected, rtol=1e-5)


def test_a_direction_of_the_upper_half(workplace, capsys):
    ok("discover", "lowrankgan", LINEAR, "--out", "found", "--rectangle",
       "64,128,128,256", "--rank", "tol", "--at", "3", "--devices", "2",
       *FEW)  # fmt: skip
    edit = jaxlatent.load_edit(workplace / "found/lowrankgan.npz")
    np.testing.assert_allclose(edit.vectors[0], [1, 0, 0, 0], atol=1e-5)
    assert edit.report["leak"][0] < 1e-10
    np.testing.assert_allclose(edit.report["gain"][0], UPPER[0, 0], rtol=1e-5)
    lines = (workplace / "found/locality.csv").read_text().splitlines()
    assert lines[0] == "direction,gain,leak,residual,leak over gain"
    assert lines[-1].startswith("random,,,,")
    assert capsys.readouterr().out.endswith(lines[-1] + "\n")
    page = (workplace / "found/index.html").read_text()
    assert "random directions" in page
    with Image.open(workplace / "found/direction_000.png") as picture:
        colours = {colour for _, colour in picture.getcolors(100000)}
    assert (255, 64, 96) in colours


def test_masks_of_files_and_labels(workplace):
    upper = np.zeros((16, 16), np.uint8)
    upper[:8] = 255
    Image.fromarray(upper).save(workplace / "upper.png")
    np.save(workplace / "labels.npy", upper // 255 * 13)
    for words in (
        ("--mask", "upper.png"),
        ("--mask", "labels.npy", "--labels", "hair"),
    ):
        ok("jacobian", LINEAR, "--out", words[1][:5], *words)
        with np.load(workplace / words[1][:5] / "00000.npz") as file:
            np.testing.assert_allclose(file["regions"], [[UPPER, LOWER]], rtol=1e-5)


def test_regions_are_drawn(workplace, capsys):
    image = np.full((16, 16, 3), 200, np.uint8)
    Image.fromarray(image).save(workplace / "grey.png")
    ok("regions", "grey.png", "--out", "shown", "--region", "top_side")
    assert "top_side: rows 0-7, columns 0-15, 128 pixels" in capsys.readouterr().out
    with Image.open(workplace / "shown/top_side.png") as picture:
        shown = np.asarray(picture)
    assert (shown[8:] == 50).all()
    assert (shown[1:7, 1:15] == 200).all()
    assert (shown[0] == (255, 64, 96)).all()
    for words in (("--seeds", "1"), ("--family", "a")):
        told = refused(capsys, "regions", "grey.png", "--out", "x", *words)
        assert told.startswith(f"{words[0][2:]}: given, but PICTURE is an image file")
    assert not (workplace / "x").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--region", "knee"), "region: 'knee' given; one of"),
        ((), "region: 0 regions given"),
        (("--rectangle", "1,2,3"), "rectangle: "),
        (("--rectangle", "900,900,9,9"), "covers no pixel"),
        (("--mask", "none.png"), "mask: none.png is not a file"),
        (("--region", "eyes", "--labels", "4"), "labels: given without a mask"),
        (("--region", "top_side", "--rank", "best"), "rank: 'best' given"),
        (("--region", "top_side", "--layers", "3"), "layers: '3' given, but this"),
        (("--region", "top_side", "--size", "9"), "size: 9 given; 1 to 8"),
        (
            ("--region", "top_side", "--grams", ".", "--at", "1"),
            "at: given together with grams",
        ),
        (
            ("--region", "top_side", "--grams", "."),
            "grams: . is no folder of jacobian",
        ),
        (
            ("--region", "top_side", "--grams", "none"),
            "grams: none is not a folder",
        ),
    ],
)
def test_what_does_not_fit_is_named(words, message, workplace, capsys):
    told = refused(capsys, "discover", "lowrankgan", LINEAR, "--out", "x", *words, *FEW)
    assert message in told
    assert not (workplace / "x").exists()
