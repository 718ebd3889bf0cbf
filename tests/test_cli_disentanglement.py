import json

import numpy as np
import pytest
from helpers import ok, run_file
from known_codes import uniform

from jaxlatent import cli
from jaxlatent.evaluation.disentanglement import disentanglement_scores
from jaxlatent.evaluation.disentanglement_across_models import agreement
from jaxlatent.evaluation.disentanglement_bench import Settings

pytestmark = pytest.mark.usefixtures("workplace")

FACTORS = uniform(np.random.default_rng(0), 120, (3, 4))
CODES = np.c_[-2.0 * FACTORS, np.ones(120)]
FEW = ("--train", 60, "--test", 30, "--repeats", 2)


@pytest.fixture
def table(workplace):
    np.savez(workplace / "table.npz", codes=CODES, factors=FACTORS)
    np.savez(workplace / "half.npz", codes=CODES)
    np.savez(workplace / "nan.npz", codes=CODES * np.nan, factors=FACTORS)
    return workplace


def test_a_table_of_scores_is_printed_and_written(table, capsys):
    names = "mig,sap-continuous,explicitness"
    ok("disentanglement", "table.npz", "--out", "q", "--metrics", names, *FEW)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "3 codes, 2 of them not constant; factors of 3, 4 values"
    assert told[1].split() == ["metric", "value", "chance", "ceiling"]
    settings = Settings(train=60, test=30, repeats=2)
    expected = disentanglement_scores(CODES, FACTORS, names.split(","), settings)
    assert told[2].split() == ["mig", *(f"{one:.4f}" for one in mig(expected))]
    assert len(told) == 6
    found = json.loads((table / "q" / "disentanglement.json").read_text())
    assert {**found, "scores": 0} == {
        "rows": 120,
        "codes": 3,
        "active_codes": 2,
        "factor_values": [3, 4],
        "scores": 0,
    }
    assert found["scores"]["mig"]["value"] == expected["mig"].value
    assert [*found["scores"]] == ["mig", "sap continuous", "explicitness"]
    record = run_file(table / "q")
    assert record["inputs"].keys() == {"table.npz"}
    assert record["files"].keys() == {"disentanglement.json"}
    assert record["arguments"]["settings"]["train"] == 60


def mig(scores):
    return scores["mig"].value, scores["mig"].chance, scores["mig"].ceiling


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("table.npz --metrics mig,mog", "metrics: mog given; beta-vae, factor-vae"),
        ("nowhere.npz", "nowhere.npz: No such file"),
        ("half.npz", "half.npz: codes given; an .npz with codes"),
        ("nan.npz", "codes: nan in row 0, column 0 given; finite numbers"),
        ("table.npz --prune 1", "prune: 1.0 given; a share is accepted"),
        ("table.npz --bins 1", "bins: 1 given; 2 or more is accepted"),
        ("table.npz --seed -1", "seed: -1 given; 0 to"),
        ("table.npz --trees x", "--trees: 'x' given"),
    ],
)
def test_what_cannot_be_scored_is_one_line_and_writes_nothing(
    words, expected, table, capsys
):
    assert cli.main(["disentanglement", *words.split(), "--out", "q"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert expected in told.err
    assert told.err.count("\n") == 1
    assert not (table / "q").exists()


@pytest.fixture
def models(workplace):
    """Two models with the same codes in another order, and one of mixtures."""
    rng = np.random.default_rng(1)
    codes = rng.normal(size=(200, 3))
    turned = codes @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    np.savez(workplace / "one.npz", codes=codes)
    np.savez(workplace / "two.npz", codes=-codes[:, ::-1])
    np.savez(workplace / "turned.npz", codes=turned)
    np.savez(workplace / "short.npz", codes=codes[:9])
    np.savez(workplace / "told.npz", codes=codes, divergence=np.ones(3))
    return codes, turned


@pytest.mark.parametrize("by", ["lasso", "spearman"])
def test_models_are_compared_without_factors(models, workplace, capsys, by):
    codes, turned = models
    files = ["one.npz", "two.npz", "turned.npz"]
    ok("udr", *files, "--out", "u", "--by", by)
    expected = agreement(np.stack([codes, -codes[:, ::-1], turned]), by=by)
    told = [line.split() for line in capsys.readouterr().out.splitlines()[:3]]
    wanted = zip(expected.score, files, strict=True)
    assert told == [[f"{score:.4f}", name] for score, name in wanted]
    found = json.loads((workplace / "u" / "udr.json").read_text())
    assert [*found["scores"].values()] == expected.score.tolist()
    assert found["pairwise"][0][0] is None
    assert found["pairwise"][1][2] == expected.pairwise[1, 2]
    assert run_file(workplace / "u")["inputs"].keys() == {*files}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("one.npz", "codes: shape (1, 200, 3) given; [M, N, C] of two models or more"),
        (
            "one.npz short.npz",
            "short.npz: codes (9, 3) given; codes (200, 3) is",
        ),
        ("one.npz told.npz", "told.npz: codes (200, 3), divergence (3,) given; codes"),
        ("", "files: none given; one of each model"),
        ("one.npz nowhere.npz", "nowhere.npz: No such file"),
    ],
)
def test_models_that_cannot_be_compared(words, expected, models, workplace, capsys):
    assert cli.main(["udr", *words.split(), "--out", "u"]) == 2
    assert expected in capsys.readouterr().err
    assert not (workplace / "u").exists()
