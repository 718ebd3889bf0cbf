"""Segmentation and naturalness as commands, on discs whose masks are known."""

import csv

import discs
import jax
import numpy as np
import pytest
from helpers import ok, run_file
from PIL import Image
from test_segmentation import SMALL
from test_unet import small_state
from writer import torch_zip

from jaxlatent import cli, load, save_edit
from jaxlatent.cli import naturalness as commands
from jaxlatent.describing import describe
from jaxlatent.evaluation.naturalness import Naturalness
from jaxlatent.gallery import save_png
from jaxlatent.methods import segmentation
from jaxlatent.network_files import load_network, read_facts
from jaxlatent.networks.unet import UNet
from jaxlatent.training import fit as driver

TRAIN = [
    *("train", "segmentation", "discs:make", "discs.npz"),
    *("--direction", "0", "--out", "net"),
]


def pixels(file):
    with Image.open(file) as picture:
        return np.asarray(picture)


@pytest.fixture
def place(workplace, monkeypatch):
    """An edit, pictures with their masks, and a preset that is learned in seconds."""
    monkeypatch.setitem(segmentation.PRESETS, "quick", SMALL)
    # convolutions in a loop are slow on CPUs where nothing is optimised
    monkeypatch.setattr(driver, "suitable_block", lambda *_: 1)
    save_edit("discs.npz", discs.edit())
    z = np.random.default_rng(0).normal(size=(9, discs.Z)).astype(np.float32)
    images = np.asarray(discs.make().synthesize(jax.numpy.asarray(z)))
    for folder in ("photos", "truth"):
        (workplace / folder).mkdir()
    for number, mask in enumerate(discs.true_masks(z)):
        save_png(f"photos/p{number}.png", images[number])
        save_png(f"truth/p{number}.png", 255 * mask[..., None].astype(np.uint8))
    return workplace


def test_a_network_is_trained_kept_and_used(place, capsys):
    ok(*TRAIN, "--steps", "4")
    record = run_file(place / "net")
    assert {"segmentation.npz", "sheet.png", "losses.csv"} == set(record["files"])
    assert "Of 12 unseen pictures" in capsys.readouterr().out
    assert set(record["held_out"]) == {"mae", "iou", "accuracy"}
    network = load("net/segmentation.npz", part="network")
    assert network.module == UNet(image_channels=1, channels=(4, 8), resolution=16)
    facts = read_facts("net/segmentation.npz")
    assert facts["direction"] == "white"
    assert facts["masks"]["strength"] == 26
    assert describe("net/segmentation.npz")["container"] == "network"
    # a large picture, in colour and with another name
    large = np.kron(pixels("photos/p3.png"), np.ones((2, 3), np.uint8))
    Image.fromarray(large).convert("RGB").save("big.webp")
    words = ["photos", "big.webp", "net/segmentation.npz", "--out", "cut"]
    ok("segment", *words)
    record = run_file(place / "cut")
    assert len(record["files"]) == 2 * 10 + 1
    assert "big.webp: coloured, taken as grey" in capsys.readouterr().out
    cut = pixels("cut/p7_cutout.png")
    np.testing.assert_array_equal(cut[..., 1], pixels("cut/p7_mask.png"))
    np.testing.assert_array_equal(cut[..., 0], pixels("photos/p7.png"))
    assert pixels("cut/big_mask.png").shape == (32, 48)
    ok("segment", "photos", "net/segmentation.npz", "--out", "cut", "--masks", "truth")
    with open("cut/errors.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    told = run_file(place / "cut")["errors"]["mae"]
    assert told == pytest.approx(np.mean([float(row["mae"]) for row in rows]), 1e-4)
    damaged = (place / "net/segmentation.npz").read_bytes()
    (place / "broken.npz").write_bytes(damaged[:2000] + b"x" + damaged[2001:])
    with pytest.raises(ValueError, match=r"broken\.npz: not a network, or damaged"):
        load_network("broken.npz")


def test_files_of_other_programs_segment_too(place, capsys):
    _, state = small_state()
    (place / "three.pth").write_bytes(torch_zip(state))
    words = ["segment", "photos/p1.png", "three.pth", "--out", "cut"]
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert "three.pth is a UNet of 3 outputs; a UNet of 2 outputs is accepted" in told
    for kind in ("weight", "bias"):
        state[f"outc.conv.{kind}"] = state[f"outc.conv.{kind}"][:2]
    (place / "two.pth").write_bytes(torch_zip(state))
    ok(
        "segment",
        "photos/p1.png",
        "two.pth",
        "--out",
        "cut",
        "--config",
        "resolution=8",
    )
    assert set(run_file(place / "cut")["files"]) == {
        *("p1_mask.png", "p1_cutout.png", "sheet.png")
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([*TRAIN[:4], "--direction", "2", *TRAIN[6:]], "direction: 2 given; there are"),
        ([*TRAIN, "--area", "0.9,0.1"], "area: (0.9, 0.1) given; two shares"),
        ([*TRAIN, "--codes", "discs.npz"], "codes: given, but codes are drawn anew"),
        (
            [*TRAIN[:4], "--direction", "1", *TRAIN[6:], "--tries", "1"],
            "index: none of 12 codes has a foreground",
        ),
        (["segment", "photos", "--out", "a"], "words: photos given; pictures, then"),
        (
            ["segment", "photos", "discs.npz", "--out", "a", "--masks", "none"],
            "masks: none is not a folder",
        ),
        (
            [
                "naturalness",
                "discs:make",
                "discs.npz",
                "--pictures",
                "no",
                "--out",
                "a",
            ],
            "pictures: no is not a folder",
        ),
    ],
)
def test_what_does_not_fit_is_named_before_the_work(words, expected, place, capsys):
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"jaxlatent: {expected}")
    assert not (place / "net").exists()
    assert not (place / "a").exists()


def test_naturalness_is_told_and_written(place, capsys, monkeypatch):
    asked = []

    def measured(drawn, edit, index, real, settings, **options):
        asked.append((drawn.space, len(real), settings.steps))
        assert real.batch(np.arange(2)).shape == (2, discs.SIDE, discs.SIDE, 1)
        return Naturalness(0.75, 0.5, 0.25 + index / 2)

    monkeypatch.setattr(commands, "naturalness", measured)
    words = "naturalness discs:make discs.npz --pictures photos --out dvn --steps 7"
    ok(*words.split())
    assert asked == [("z", 9, 7)] * 2
    told = capsys.readouterr().out
    assert "white: generated 0.750, pseudo labelled 0.500, dvn 0.250" in told
    with open("dvn/naturalness.csv") as file:
        rows = [(row["direction"], row["dvn"]) for row in csv.DictReader(file)]
    assert rows == [("0", "0.25"), ("1", "0.75")]
    record = run_file(place / "dvn")
    assert (record["mean"], record["settings"]["strength"]) == (0.5, 10)
