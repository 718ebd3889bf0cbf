import json

import numpy as np
import pytest
from helpers import ok, run_file
from known_codes import uniform

from jaxlatent import cli
from jaxlatent.evaluation.disentanglement import disentanglement_scores
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
