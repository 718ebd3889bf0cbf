"""The command that scores edits against each other."""

import csv
import importlib
import json
import re
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ok, run_file

import jaxlatent
from jaxlatent import cli
from jaxlatent.cli import evaluate, judging
from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.disentanglement import Score
from jaxlatent.evaluation.factor_reading import Reader
from jaxlatent.generators import rendered

OWN = """
import jax
import jax.numpy as jnp
from jaxlatent import Generator
from jaxlatent.data.worlds import Factor, Painting, World, register_world
from jaxlatent.generators import rendered

def draw(params, z):
    return jnp.tanh(z[:, :4] * params["gain"]).reshape(-1, 2, 2, 1)

def make():
    gain = jnp.full((1, 1), 0.01)
    return Generator.from_functions(draw, z_dim=4, params={"gain": gain})

def corners(images):
    return images.reshape(-1, 4)

def paint(values, size, parts):
    left = jnp.tile(1.0 * (jnp.arange(size) < size // 2), (size, 1))
    picture = left * values["one"] + (1 - left) * values["two"]
    return Painting(picture[..., None], {"left": left, "right": 1 - left})

NAMES = ("one", "two")
register_world(World("halves", tuple(Factor(name, "", "") for name in NAMES), paint))

def red(values, size, parts):
    return Painting(jnp.full((size, size, 3), values["one"]), {})

register_world(World("red", (Factor("one", "", ""),), red))

def oracle(**kind):
    return rendered.oracle("halves", key=jax.random.key(0), z_dim=4, size=8, **kind)

def mapped():
    return oracle(mapped=True)
"""


@pytest.fixture
def place(workplace):
    (workplace / "corner.py").write_text(OWN)
    half = np.sqrt(0.5)
    vectors = np.float32([[0, 0, 3, 0], [-1, 0, 0, 0], [0, half, 0, half]])
    names = ["2", "direction 1", "both"]
    jaxlatent.save_edit("axes.npz", directions(vectors, space="z", names=names))
    jaxlatent.save_edit("one.npz", directions(vectors[:1], space="z", names=["2"]))
    yield workplace
    sys.modules.pop("corner", None)


WORDS = ["evaluate", "corner:make", "axes.npz", "one.npz", "--scorer", "corner:corners"]
FACTOR_SCORES = ("coverage", "monotonicity", "steepness", "drift", "leak")
FEW = ["--samples", "16", "--random", "12", "--seeds", "3", "--strengths=-1:1:3"]


def test_edits_are_scored_side_by_side(place, capsys):
    ok(*WORDS, *FEW, "--out", "r", "--supervised", "one")
    told = capsys.readouterr().out
    assert re.search(r"\naxes +3 +0\.\d\d ", f"\n{told}")
    found = json.loads((place / "r" / "evaluation.json").read_text())
    axes, one = found["axes"], found["one"]
    assert axes["raw"]["purity"] == pytest.approx((1 + 1 + 0.5) / 3, abs=0.05)
    assert axes["factors"]["0"]["direction"] == 1
    assert axes["factors"]["2"]["coverage"] == pytest.approx(1, abs=1e-3)
    assert axes["scores"]["diversity"] > 0.9
    assert axes["scores"]["drift"] == pytest.approx(0.08, abs=0.05)
    # told to change the third, and so not asked for the others
    assert one["scores"]["coverage"] == pytest.approx(1, abs=1e-3)
    assert one["factors"]["0"] == {
        "direction": -1,
        **dict.fromkeys((*FACTOR_SCORES, "reached")),
    }
    rows = list(csv.DictReader((place / "r" / "effects.csv").read_text().splitlines()))
    assert [row["edit"] for row in rows] == ["axes"] * 3 + ["one"]
    # by one deviation of the prior, of both
    assert float(rows[0]["2"]) == pytest.approx(1, abs=1e-3)
    assert float(rows[1]["0"]) == pytest.approx(-1, abs=1e-3)
    assert float(rows[0]["0"]) == 0
    page = (place / "r" / "index.html").read_text()
    names = re.findall(r'class="name" .*?>(.*?)</h2>', page)
    # by the factor that each changes most
    assert names[0] == "axes · direction 1"
    assert names[3] == "one · 2"
    assert page.count('class="plot heat"') == 2
    record = run_file(place / "r")
    assert {*record["files"]} == {"evaluation.json", "effects.csv", "index.html"}
    assert record["factors"] == ["0", "1", "2", "3"]


def test_an_oracle_needs_no_scorer(place, capsys, monkeypatch):
    monkeypatch.syspath_prepend(place)
    generator = importlib.import_module("corner").oracle()
    jaxlatent.save_edit("truth.npz", rendered.truth(generator))
    words = ["evaluate", "corner:oracle", "axes.npz", "truth.npz", "--out", "o", *FEW]
    ok(*words, "--num", "2")
    assert "leak" in capsys.readouterr().out
    found = json.loads((place / "o" / "evaluation.json").read_text())
    assert [*found["truth"]["factors"]] == ["one", "two"]
    for score in ("coverage", "purity", "diversity"):
        assert found["truth"]["scores"][score] == pytest.approx(1)
        assert found["axes"]["scores"][score] < 1
    assert found["truth"]["scores"]["leak"] < 1e-3
    assert found["axes"]["scores"]["leak"] > 0.1
    assert len(found["axes"]["directions"]) == 2
    ok(*words, "--attribute", "one")
    assert "leak" not in capsys.readouterr().out


def test_codes_of_an_encoder_are_scored_too(place, capsys, monkeypatch):
    asked = []

    def scored(prior, edit, settings, factors, *, key, num, mesh):
        asked.append((prior.generator.image_shape, prior.space, len(edit), factors))
        assert settings.steps == 7
        return {"mig": Score(0.75, 0.02, 1.0, 0.0)}

    monkeypatch.setattr(evaluate, "score_codes", scored)
    words = ["evaluate", "corner:oracle", "axes.npz", "one.npz", "--out", "c", *FEW]
    ok(*words, "--encoder", "7")
    assert re.search(r"\naxes +0.75 \(0.02\)\none +0.75", capsys.readouterr().out)
    # the oracle's pictures in another size, and its own factors
    assert asked == [((32, 32, 1), "z", 3, None), ((32, 32, 1), "z", 1, None)]
    assert run_file(place / "c")["encoder"]["one"]["mig"]["value"] == 0.75
    for more, expected in (
        (["--attribute", "one"], "attribute: given, but codes are scored on all"),
        (["--scorer", "corner:corners"], "encoder: 7 given; a world, or a gener"),
    ):
        assert cli.main([*words, "--encoder", "7", *more]) == 2
        assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--num", "0"], "num: 0 given; 1 or more"),
        (["--random", "2"], "random: 2 given; 3, as many as an edit has"),
        (["--supervised", "two"], "supervised: two given; one of axes, one"),
        (["--strengths", "1,2,3"], "strengths: 1,2,3 given; three different ones"),
        (["--attribute", "7"], "columns: 7 given; 0 to 3"),
        (["--encoder", "0"], "encoder: 0 given; 1 or more"),
        (["--samples", "0"], "samples: 0 given; 1 or more"),
        (["--distortion", "9"], "distortion: 9 given; 2 or more are accepted, of a"),
        (["--world", "halves"], "scorer: given, but a world has its own scorer"),
        (["--edit-space", "w"], "edit_space: w given, but axes.npz tells its own"),
    ],
)
def test_refusals(place, capsys, words, expected):
    assert cli.main([*WORDS, "--out", "r", "--seeds", "3", *words]) == 2
    assert expected in capsys.readouterr().err
    assert not (place / "r").exists()


def test_a_network_reads_the_factors_of_a_world(place, capsys, monkeypatch):
    def halves(images):
        return jnp.stack([images[:, 0, 0, 0], images[:, 0, -1, 0]], axis=1)

    def learned(world, size, *, key, mesh):
        assert (world.names, size) == (("one", "two"), 8)
        return Reader(halves, np.asarray([0.95, 0.9]))

    monkeypatch.setattr(judging, "learn_to_read", learned)
    words = ["evaluate", "corner:mapped", "axes.npz", "--out", "w", *FEW]
    ok(*words, "--world", "halves", "--distortion", "3")
    told = capsys.readouterr().out
    assert "R2 on unseen pictures" in told
    assert re.search(r"\nw +\d+ ", told)
    record = run_file(place / "w")
    assert record["accuracy"] == {"one": 0.95, "two": 0.9}
    assert record["distortion"]["w"]["random"] > record["distortion"]["w"]["near"] > 0
    assert record["factors"] == ["one", "two"]


def test_who_knows_its_factors_is_not_asked_for_a_scorers_settings(place, capsys):
    words = ["evaluate", "corner:oracle", "axes.npz", "--out", "r"]
    assert cli.main([*words, "--odds"]) == 2
    assert "odds: given, but this generator knows" in capsys.readouterr().err
    assert cli.main([*WORDS[:4], "--out", "r"]) == 2
    assert "scorer: missing" in capsys.readouterr().err
    for world, expected in (
        ("wholes", "world: 'wholes' given; "),
        ("red", "world: red given, whose pictures are (8, 8, 3); those of GENER"),
    ):
        assert cli.main([*words, "--world", world]) == 2
        assert expected in capsys.readouterr().err
