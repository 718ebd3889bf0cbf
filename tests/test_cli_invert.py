"""Inversion as a command: pictures in, codes, reconstructions and generators out."""

import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from families import fresh
from helpers import ok, run_file
from PIL import Image
from writer import torch_zip

from jaxlatent import cli, load_generator, save_generator
from jaxlatent.generators import sequential
from jaxlatent.generators.base import Generator
from jaxlatent.generators.sequential_layers import Activation, Unflatten
from jaxlatent.generators.sequential_weighted import Linear
from jaxlatent.loading import load_latents

LAYERS = (Linear("0", 72), Activation("1", "tanh"), Unflatten("2", (6, 4, 3)))
FAST = ("--steps", "40", "--batch", "8")


@pytest.fixture
def here(workplace):
    """A generator in a folder, two pictures of its own, and one that it cannot make."""
    config = sequential.Config(LAYERS, 5)
    weights = np.random.default_rng(0).normal(size=(5, 72)).astype(np.float32)
    params = {"0": {"weight": jnp.asarray(weights), "bias": jnp.zeros(72)}}
    save_generator("plain", Generator(params, config))
    ok("sample", "plain", "--out", "own", "--seeds", "3,4")
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (6, 4, 3), dtype=np.uint8)
    Image.fromarray(noise).save("odd.png")
    return workplace


def test_pictures_become_codes_that_other_commands_take(here, capsys):
    ok("invert", "own", "odd.png", "plain", "--out", "found", "--steps", "300")
    record = run_file(here / "found")
    assert record["pictures"] == ["seed_3.png", "seed_4.png", "odd.png"]
    names = {"latents.npz", "reconstructions.png", "inversion_losses.csv"}
    assert set(record["files"]) == names
    errors = record["errors"]["inversion"]
    assert min(errors["psnr"][:2]) > 40 > errors["psnr"][2]
    assert "odd.png: " in capsys.readouterr().out
    latents = load_latents("found/latents.npz", load_generator("plain"))
    assert (latents.space, latents.codes.shape) == ("z", (3, 5))
    assert "odd.png" in record["inputs"]
    ok("discover", "sefa", "plain", "--out", "sefa", "--k", "1", "--seeds", "0")
    found = ("--codes", "found/latents.npz", "--strengths=-1,1")
    ok("edit", "plain", "sefa/sefa.npz", "--out", "edited", *found)


def test_a_tuned_generator_makes_the_picture_and_takes_edits(here, capsys):
    words = ("odd.png", "plain", "--out", "found", *FAST, "--tune")
    ok("invert", *words, "--tuning-rate", "0.01")
    errors = run_file(here / "found")["errors"]
    assert errors["tuning"]["mse"][0] < errors["inversion"]["mse"][0] / 5
    tuned = load_generator("found/generator")
    latents = load_latents("found/latents.npz", tuned)
    picture = np.asarray(Image.open("odd.png")) / 127.5 - 1
    made = tuned.synthesize(latents.codes)[0]
    square = np.mean((made - picture) ** 2)
    assert square == pytest.approx(errors["tuning"]["mse"][0], rel=1e-3)
    ok("discover", "sefa", "plain", "--out", "sefa", "--k", "1", "--seeds", "0")
    capsys.readouterr()
    found = ("--codes", "found/latents.npz", "--strengths=-1,1")
    ok("edit", "found/generator", "sefa/sefa.npz", "--out", "edited", *found)
    shown = capsys.readouterr()
    assert "which GENERATOR was tuned from" in shown.out
    assert "another generator" not in shown.err


def test_an_interrupted_run_goes_on(here, capsys):
    words = ["invert", "odd.png", "plain", "--tune", *FAST]
    ok(*words, "--out", "whole")
    ok(*words, "--out", "parts")
    for name in ("run.json", "training/tuning"):
        path = here / "parts" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert cli.main([*words, "--out", "parts"]) == 2
    assert "resume: not given, but parts holds" in capsys.readouterr().err
    ok(*words, "--out", "parts", "--resume")
    whole, parts = (
        np.asarray(load_generator(f"{name}/generator").params["0"]["weight"])
        for name in ("whole", "parts")
    )
    np.testing.assert_array_equal(whole, parts)


def test_files_of_encoders_are_starts_and_ours_are_files_of_projectors(here):
    save_generator("style", fresh("stylegan2"))
    generator = load_generator("style")
    ok("sample", "style", "--out", "drawn", "--seeds", "1,2")
    shape = generator.code_shapes["w+"]
    codes = np.load("drawn/codes.npz")["w+"]
    # an encoder's tensor, and NVIDIA's archive of one picture
    (here / "latents.pt").write_bytes(torch_zip(codes))
    np.savez("projected_w.npz", w=codes[:1])
    (here / "drawn/sheet.png").unlink()
    words = ("--steps", "2", "--learning-rate", "0", "--starts", "1")
    ok("invert", "drawn", "style", "--out", "a", *words, "--codes", "latents.pt")
    np.testing.assert_array_equal(np.load("a/latents.npz")["w+"], codes)
    one = "drawn/seed_1.png"
    ok("invert", one, "style", "--out", "b", *words, "--codes", "projected_w.npz")
    with np.load("b/seed_1_projected_w.npz") as file:
        assert file["w"].shape == (1, *shape)
        np.testing.assert_array_equal(file["w"], codes[:1])
    again = load_latents("b/seed_1_projected_w.npz", generator)
    assert again.space == "w+"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("odd.png", "words: odd.png given; pictures, then a generator"),
        ("nowhere.png plain", "pictures: nowhere.png is not there"),
        ("odd.png nowhere", "nowhere"),
        ("letter.png plain", "letter.png is damaged or no picture"),
        ("large.png plain", "large.png: (9, 9) given for pictures of (6, 4)"),
        ("odd.png plain --preset projector", "lpips: missing, but perceptual is 1"),
        ("odd.png plain --tune --perceptual 1 --preset quick", "lpips: missing"),
        ("odd.png plain --lpips nowhere.pth", "lpips: nowhere.pth is not a file"),
        ("odd.png plain --learned-space w", "space: 'w' given"),
        ("odd.png plain --seeds 3", "seeds: given, but codes are sought"),
        ("odd.png plain --tuning-steps 3", "tuning_steps: given without tune"),
        ("odd.png plain --starts 0", "starts: 0 given"),
        ("odd.png plain --label 3", "label: given"),
        ("own plain --mask odd.png --mask a --mask b", "mask: a is not a file"),
        ("own plain --codes odd.png", "codes: odd.png"),
    ],
)
def test_what_cannot_be_done_is_one_line_before_the_work(here, capsys, words, said):
    (here / "letter.png").write_text("a letter")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save("large.png")
    assert cli.main(["invert", *words.split(), "--out", "found"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (here / "found").exists()
