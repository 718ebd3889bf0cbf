"""What no command can do is refused in one line, before any work and any writing."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers import GOLDEN, ok, run_file

from benchmarks import fuzz_commands
from jaxlatent import cli
from jaxlatent.cli import fitting, session
from jaxlatent.evaluation import tables
from jaxlatent.files import check_place
from jaxlatent.gallery import page
from jaxlatent.runs import Run

pytestmark = pytest.mark.usefixtures("workplace")

PLAIN = str(GOLDEN / "stylegan2_ada_a.pkl")
LINEAR = "test_cli:linear"
SCORE = f"score {LINEAR} --out q --scorer brightness"
LEARN = f"discover interfacegan {LINEAR} --out q --scorer brightness --samples 100"
GANALYZE = f"discover ganalyze {LINEAR} --out q --scorer brightness"
PAIRED = f"discover ganalyze {LINEAR} --out q"
RESEFA = f"discover resefa {LINEAR} --out q --region left_side"
OWN = """\
import jax.numpy as jnp
import jaxlatent

def draw(params, z):
    return z @ z @ z

def make():
    return jaxlatent.Generator.from_functions(draw, z_dim=4)

def leaves():
    raise SystemExit(3)

def score(images):
    raise KeyError("nose")

def pair(images):
    return images.reshape(len(images), -1)[:, :2]
"""


@pytest.fixture(autouse=True)
def here(workplace):
    """Places and files that lead nowhere."""
    os.symlink("nothing", "dangling")
    os.symlink("looping", "looping")
    Path("file").write_text("a letter")
    Path("deep.json").write_text("[" * 100_000)
    Path("list.json").write_text("[1]")
    Path("listed").mkdir()
    Path("listed/job.json").write_text("[1]")
    Path("own.py").write_text(OWN)
    Path("strange.py").write_text("def make(:\n")
    Path("needs.py").write_text("import torch_of_another_age\n")
    return workplace


def refused(words, capsys):
    """The line that a command ends with, which must leave everything as it was."""
    before = {str(path): os.lstat(path).st_mtime_ns for path in Path().rglob("*")}
    words = words.split() if isinstance(words, str) else words
    assert cli.main([one.replace("␣", " ") for one in words]) == 2
    told = capsys.readouterr()
    after = {str(path): os.lstat(path).st_mtime_ns for path in Path().rglob("*")}
    kept = {name: when for name, when in after.items() if "__pycache__" not in name}
    assert kept.items() <= before.items()
    assert told.err.startswith("jaxlatent: ")
    assert told.err.count("\n") == 1
    assert "unexpected" not in told.err
    assert told.err[:-1].isprintable()
    return told.err[len("jaxlatent: ") :]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (f"{LEARN} --strengths nan", "strengths: 'nan' given"),
        (f"{LEARN} --strengths 0:inf:3", "strengths: '0:inf:3' given"),
        (f"{LEARN} --seeds 4-2", "seeds: '4-2' given"),
        (f"{LEARN} --codes nowhere.npy", "codes: nowhere.npy is not a file"),
        (f"{LEARN} --space w", "space: given without codes"),
        (f"{LEARN} --chunk 0", "chunk: 0 given"),
        (f"{LEARN} --chunk 99999999999", "chunk: 99999999999 given; 10000000 at most"),
        (f"{LEARN} --top-fraction inf", "top_fraction: inf given; a finite number"),
        (f"{LEARN} --top-fraction 0", "top_fraction: 0.0 given"),
        (f"{LEARN} --train-fraction 0.001", "train_fraction: 0.001 of 2 samples"),
        (f"{LEARN} --train-fraction nan", "train_fraction: nan given"),
        (f"{LEARN} --C=-1", "C: -1.0 given"),
        (f"{LEARN} --attribute 3", "columns: 3 given"),
        (f"{LEARN} --attribute nose", "attribute: 'nose' given"),
        (f"{LEARN} --odds", "odds: given, but no scorer"),
        (f"{LEARN} --layers 0", "layers: '0' given"),
        (f"{LEARN} --truncation nan", "truncation: nan given; a finite number"),
        (f"{LEARN} --label 1", "label: given, but"),
        (f"{LEARN} --seed=-1", "seed: -1 given"),
        (f"{GANALYZE} --move to", "move: to given, but a NeuralWalk knows no"),
        (f"{PAIRED} --scorer own:pair", "attribute: missing; pair returns 2 scores"),
        (f"{GANALYZE} --held-out 0", "held_out: 0 given"),
        (f"{GANALYZE} --alpha nan,1", "alpha: 'nan,1' given"),
        (f"{SCORE} --samples 1000000000", "samples: 1000000000 given; 10000000 at"),
        (f"{SCORE} --attribute 7", "columns: 7 given"),
        (f"{SCORE} --scorer nothing", "scorer: 'nothing' given"),
        (f"sample {LINEAR} --out q --num 1000000000", "num: 1000000000 given; 100000"),
        (f"sample {LINEAR} --out q --truncation inf", "truncation: inf given"),
        (f"sample {LINEAR} --out dangling", "out: dangling is a link to nothing"),
        (f"sample {LINEAR} --out dangling/q", "out: dangling is a link to nothing"),
        (f"sample {LINEAR} --out looping", "out: looping: Too many levels"),
        (f"sample {LINEAR} --out file", "out: file is not a folder"),
        (f"sample {LINEAR} --out file/q", "out: file is not a folder"),
        (f"sample {LINEAR} --out /proc/q", "out: /proc/q: "),
        (f"sample {LINEAR} --out {'x' * 300}", "out: xxx"),
        (
            f"{RESEFA} --grams listed",
            "grams: listed is no folder of jacobian: job",
        ),
        (f"{RESEFA} --grams nowhere", "grams: nowhere is not a folder"),
        (f"{RESEFA} --tau nan", "tau: nan given; a finite number"),
        (f"{RESEFA} --tau=-1", "tau: -1 given"),
        (f"{RESEFA} --at 1-0", "at: '1-0' given"),
        (f"{RESEFA} --strengths x", "strengths: 'x' given"),
        (f"{RESEFA} --mask nowhere.png", "mask: nowhere.png is not a file"),
        ("discover lowrankgan test_cli:linear --out q --energy 2", "energy: 2.0 given"),
        ("discover lowrankgan test_cli:linear --out q --relax=-1", "relax: -1 given"),
        (f"convert {PLAIN} q --config @deep.json", "config: deep.json is not JSON"),
        (f"convert {PLAIN} q --config @list.json", "config: list.json holds no JSON"),
        (f"convert {PLAIN} q --config @dangling", "config: dangling is not a file"),
        (f"convert {PLAIN} q --config clamp=NaN", "config: 'NaN' given: NaN is no"),
        (f"convert {PLAIN} q --config a={'[' * 9999}", "config: '[[[["),
        (f"convert {PLAIN} dangling", "out: dangling is a link to nothing"),
        (f"combine {PLAIN} --out nowhere/a.npz", "out: there is no folder nowhere"),
        (f"combine {PLAIN} --out listed", "out: listed is a folder, not a file"),
        ("sample \udcff\udcfe --out q", r"source: \udcff\udcfe does not exist"),
        (f"sample {LINEAR} --out q --seeds \x1b[31m", r"seeds: '\x1b[31m' given"),
        (f"sample {LINEAR} --out q --num \udcff", "--num: "),
        (
            "sample own:leaves --out q",
            "own.py, line 11, in leaves: ended itself",
        ),
        ("sample own:make --out q", "own.py, line 5, in draw: "),
        ("sample strange:make --out q", "strange.py, line 1: SyntaxError: "),
        ("sample needs:make --out q", "needs.py, line 1, in <module>: ModuleNotFound"),
        (
            f"score {LINEAR} --out q --scorer own:score",
            "own.py, line 14, in score: K",
        ),
    ],
)
def test_refusals_come_before_the_work(words, expected, capsys, monkeypatch):
    def work(*args, **kwargs):
        raise AssertionError("the work began")

    monkeypatch.setattr(tables, "score_latents", work)
    monkeypatch.setattr("jaxlatent.cli.regional.mean_region_grams", work)
    monkeypatch.setattr(session, "draw_edits", work)
    monkeypatch.setattr(fitting, "fit", work)
    assert expected in refused(words, capsys)


def test_codes_that_an_edit_cannot_move_are_refused_before_it_is_found(
    capsys, monkeypatch
):
    np.save("w.npy", np.ones((1, 32), np.float32))
    monkeypatch.setattr(tables, "score_latents", None)
    words = f"discover interfacegan {PLAIN} --out q --scorer brightness --space w"
    said = refused(f"{words} --boundary-space z --codes w.npy", capsys)
    assert said.startswith("latents: codes in w given for an edit in z")


def test_a_place_where_nothing_can_be_written(monkeypatch, tmp_path):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    check_place(tmp_path / "a" / "b", folder=True)
    check_place(tmp_path / "a.npz", folder=False)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OSError, match=r"^out: .*b: No space left on device$"):
        check_place(tmp_path / "a" / "b", folder=True)


def test_a_record_is_json_whatever_was_measured(tmp_path):
    run = Run(tmp_path / "q", "test", {"psi": float("nan")})
    run.file("a").write_text("")
    run.finish(None, found=[float("inf"), {"x": float("nan")}, 1.5])

    def no_number(word):
        raise AssertionError(word)

    text = (tmp_path / "q" / "run.json").read_text()
    record = json.loads(text, parse_constant=no_number)
    assert record["found"] == [None, {"x": None}, 1.5]
    assert record["arguments"] == {"psi": None}


@pytest.mark.parametrize(
    "text", ["[" * 100_000, f'{{"files": {{"{"x" * 300}": "0"}}}}']
)
def test_a_record_of_a_stranger_stops_nobody(text):
    Path("q").mkdir()
    Path("q/run.json").write_text(text)
    ok("sample", LINEAR, "--out", "q", "--num", "1")
    assert run_file(Path("q"))["command"] == "sample"


def test_names_of_strangers_do_not_steer_the_terminal(capsys, tmp_path):
    from jaxlatent import save_edit
    from jaxlatent.edits import directions

    name = "\x1b[2Jgone\n<script>\u202e"
    save_edit("e.npz", directions(np.ones((1, 4), np.float32), space="z", names=[name]))
    ok("inspect", "e.npz")
    told = capsys.readouterr().out
    assert r"\x1b[2Jgone\n<script>\u202e" in told
    assert "\x1b" not in told
    assert page._text(name) == r"\x1b[2Jgone\n&lt;script&gt;\u202e"


def test_command_lines_drawn_at_random_end_as_they_should():
    report = fuzz_commands.fuzz(40, 7, workers=1, limit=120)
    assert report["kinds"] == {}
    assert set(report["statuses"]) == {"0", "2"}
