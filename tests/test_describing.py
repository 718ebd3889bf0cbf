"""What a file is, as JSON values."""

import json

import numpy as np
import pytest
from helpers import GOLDEN

import jaxlatent
from jaxlatent.checkpoint import file_hash
from jaxlatent.describing import describe
from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.tables import ScoreTable, save_table

FILE = GOLDEN / "stylegan2_ada_a.pkl"


def test_checkpoints_folders_edits_and_scores(tmp_path):
    facts = describe(FILE)
    part = facts["parts"]["generator"]
    assert (facts["container"], facts["sha256"]) == ("nvidia", file_hash(FILE))
    assert (part["family"], part["missing"], part["extra"]) == ("stylegan2", [], [])
    jaxlatent.save_generator(tmp_path / "folder", jaxlatent.load(FILE))
    folder = describe(tmp_path / "folder")
    assert folder["container"] == "converted folder"
    assert folder["parts"]["generator"]["config"] == part["config"]
    edit = directions(np.eye(2, dtype=np.float32), space="w", layers=(1,), method="m")
    jaxlatent.save_edit(tmp_path / "edit.npz", edit)
    told = describe(str(tmp_path / "edit.npz"))
    assert (told["container"], told["layers"], told["method"]) == ("edit", (1,), "m")
    np.save(tmp_path / "other.npy", np.eye(2, dtype=np.float32))
    assert describe(tmp_path / "other.npy")["container"] == "another tool's directions"
    save_table(tmp_path / "t.npz", ScoreTable(np.ones((3, 1)), ("a",), seed=5))
    scores = describe(tmp_path / "t.npz")
    assert (scores["pictures"], scores["scores"], scores["seed"]) == (3, ["a"], 5)
    for one in (facts, folder, told, scores):
        json.dumps(one)


def test_values_replace_what_is_assumed():
    file = GOLDEN / "rosinality_stylegan2_a.pt"
    part = describe(file)["parts"]["generator"]
    assert "mapping_rate" in part["assumed"]
    changed = describe(file, family="stylegan2", config={"mapping_rate": 0.1})
    part = changed["parts"]["generator"]
    assert part["config"]["mapping_rate"] == 0.1
    assert "mapping_rate" not in part["assumed"]


def test_a_file_that_no_layout_fits_shows_its_tensors():
    facts = describe(FILE, family="lenet")
    assert "no layout of lenet" in facts["problem"]
    assert facts["parts"] == {}
    assert any(name.startswith("G_ema") for name in facts["tensors"])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gone", {}, "path: .*gone does not exist"),
        (".", {}, "path: .* is a folder, but not a converted generator"),
        ("edit.npz", {"family": "stylegan2"}, "family: given, but .* no checkpoint"),
        ("edit.npz", {"config": {"a": 1}}, "config: given, but .* no checkpoint"),
    ],
)
def test_what_cannot_be_described_is_named(name, options, message, tmp_path):
    edit = directions(np.eye(2, dtype=np.float32), space="w")
    jaxlatent.save_edit(tmp_path / "edit.npz", edit)
    with pytest.raises(ValueError, match=f"^{message}"):
        describe(tmp_path / name, **options)
