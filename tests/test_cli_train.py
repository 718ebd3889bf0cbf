"""GLO as a command: from a folder of pictures to a generator that is edited."""

import numpy as np
import pytest
from helpers import ok, run_file
from PIL import Image

from jaxlatent import cli
from jaxlatent.checkpoint import load_generator

SMALL = [
    "--z-dim",
    "4",
    "--width",
    "2",
    "--levels",
    "1",
    "--batch",
    "6",
    "--chunk",
    "8",
]


@pytest.fixture
def pictures(workplace):
    """Twelve blobs as PNG, JPEG and WebP, of several sizes."""
    folder = workplace / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        rows, columns = np.mgrid[: 9 + number, :10]
        place = rng.uniform(3, 7, 2)
        level = 255 * np.exp(-((rows - place[0]) ** 2 + (columns - place[1]) ** 2) / 4)
        ending = ("png", "jpg", "webp")[number % 3]
        picture = Image.fromarray(level.astype(np.uint8))
        picture.convert("L" if ending != "webp" else "RGB").save(
            folder / f"{number}.{ending}"
        )
    return workplace


def refused(capsys, *words):
    assert cli.main(["train", "glo", *map(str, words)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_pictures_become_a_generator_with_codes_that_are_edited(pictures, capsys):
    words = [
        "--side",
        "8",
        "--channels",
        "1",
        "--steps",
        "4",
        "--arithmetic",
        "0,1:2:3",
    ]
    ok("train", "glo", "pictures", "--out", "g", *SMALL, *words)
    printed = capsys.readouterr().out
    assert "4 pictures are coloured, taken as grey, the first 11.webp" in printed
    assert "12 pictures of 8 pixels, 4 steps: laplacian" in printed
    record = run_file(pictures / "g")
    sheets = {"reconstructions", "samples", "interpolation", "arithmetic"}
    files = {
        "latents.npz",
        "reconstructions.npz",
        "losses.csv",
        *(f"{name}.png" for name in sheets),
    }
    assert set(record["files"]) == files
    assert record["pictures"] == {"count": 12, "shape": [8, 8, 1]}
    assert {"laplacian", "squared", "psnr"} == set(record["errors"])
    generator = load_generator(pictures / "g" / "generator")
    assert generator.image_shape == (8, 8, 1)
    assert generator.has_own_prior
    codes = np.load(pictures / "g" / "latents.npz")["z"]
    assert codes.shape == (12, 4)
    sheet = np.asarray(Image.open(pictures / "g" / "reconstructions.png"))
    assert sheet.shape == (2 * 66 - 2, 8 * 66 - 2, 3)
    # the way on, then what was found is edited like any other
    ok("train", "glo", "pictures", "--out", "g", *SMALL, *words[:4], "--resume")
    lines = (pictures / "g" / "losses.csv").read_text().splitlines()
    assert len(lines) == 1 + 40  # twenty epochs of two steps
    assert not (pictures / "g" / "arithmetic.png").exists()
    look = ["--codes", "g/reconstructions.npz", "--strengths=-1,1"]
    ok("discover", "sefa", "g/generator", "--out", "e", "--k", "1", *look)
    assert (pictures / "e" / "index.html").is_file()
    # drawing from a standard normal would be another prior
    assert cli.main(["sample", "g/generator", "--out", "s", "--numpy-seeds", "0"]) == 2
    assert "numpy_seeds: given, but this generator's z is its own" in (
        capsys.readouterr().err
    )


def test_what_cannot_be_done_is_refused_in_one_line_before_the_work(pictures, capsys):
    out = ["--out", "g"]
    (pictures / "empty").mkdir()
    assert "empty given; a folder that holds pictures" in refused(capsys, "empty", *out)
    line = refused(capsys, "pictures", *out, "--side", "12")
    assert "side: 12 given; 8, 16, 32" in line
    line = refused(capsys, "pictures", *out, "--arithmetic", "0:1:12")
    assert "arithmetic: '0:1:12' given; pictures 0 to 11 are accepted" in line
    line = refused(capsys, "pictures", *out, "--arithmetic", "0,1")
    assert "arithmetic: '0,1' given; such as" in line
    line = refused(capsys, "pictures", *out, "--epochs", "0")
    assert "epochs: 0 given; 1 or more" in line
    line = refused(capsys, "pictures", *out, "--code-rate=-1")
    assert "code_rate: -1.0 given" in line
    (pictures / "pictures" / "99.png").write_bytes(b"none")
    assert "99.png is damaged" in refused(capsys, "pictures", *out)
    assert not (pictures / "g").exists()
