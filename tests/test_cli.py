import itertools
import json
import os
import re
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import hostile
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, ok, run_file
from PIL import Image

import jaxlatent
from jaxlatent import cli, describing, parallel
from jaxlatent.checkpoint import file_hash
from jaxlatent.cli import arguments, inputs, progress
from jaxlatent.cli.options import Codes
from jaxlatent.cli.usage import one_line
from jaxlatent.evaluation.disentanglement_bench import Settings as Sizes
from jaxlatent.runs import Run

pytestmark = pytest.mark.usefixtures("workplace")

ROOT = Path(__file__).parents[1]
PLAIN = str(GOLDEN / "stylegan2_ada_a.pkl")
LABELLED = str(GOLDEN / "stylegan2_ada_b.pkl")
ASSUMING = str(GOLDEN / "rosinality_stylegan2_a.pt")
LINEAR = "test_cli:linear"
DRAW = "--label --truncation --cutoff"
CODES = f"--seeds --numpy-seeds --codes --space {DRAW}"
DEVICES = "--devices --coordinator --processes --process-id"
READING = "--family --config --entry --debug"
MOVES = "--strengths --move --truncate"
SCORING = "--scorer --scorer-config --attribute --odds --samples --seed"
REGIONS = "--region --rectangle --mask --labels --fit"
VIEW = "--layers --size --channels --resize"
OPTIONS = {
    "": "--debug demo convert inspect families sample score regions jacobian discover "
    "edit presets condition combine import export name",
    "demo": "--out --samples --seed --debug",
    "convert": f"SOURCE OUT --overwrite {READING}",
    "inspect": f"FILE --tensors --json {READING}",
    "families": "--debug",
    "sample": "GENERATOR --out --num --mix --layers --interpolate --path --chunk "
    f"{CODES} {READING} {DEVICES}",
    "score": "GENERATOR folder --out --seeds-only --order --background --chunk "
    f"{SCORING} {CODES} {READING} {DEVICES}",
    "regions": f"PICTURE --out --background {REGIONS} {CODES} {READING}",
    "jacobian": "GENERATOR --out --num --full --chunk "
    f"{REGIONS} {VIEW} {CODES} {READING} {DEVICES}",
    "discover": "sefa ganspace interfacegan lowrankgan resefa ganalyze --debug",
    "discover sefa": "GENERATOR --out --layers --k --no-normalize --order --chunk "
    f"{MOVES} {CODES} {READING} {DEVICES}",
    "discover ganspace": "GENERATOR --out --layer --edit --regress --samples --seed "
    "--k --estimator --passes --resample --batch --num --chunk --layers "
    f"{MOVES} {CODES} {READING} {DEVICES}",
    "discover interfacegan": "GENERATOR --out --scores --scored-codes --boundary-space "
    "--scored-pictures "
    "--top-fraction --train-fraction --invalid --C --tolerance --layers --chunk "
    f"{SCORING} {MOVES} {CODES} {READING} {DEVICES}",
    "discover lowrankgan": "GENERATOR --out --relax --rank --energy --tolerance "
    "--penalty --max-iterations --at --grams --num --chunk "
    f"{REGIONS} {VIEW} {MOVES} {CODES} {READING} {DEVICES}",
    "discover resefa": "GENERATOR --out --tau --at --grams --num --chunk "
    f"{REGIONS} {VIEW} {MOVES} {CODES} {READING} {DEVICES}",
    "discover stylespace": "GENERATOR --out --k --at --size --exemplars --samples "
    f"--seed --chunk {REGIONS} {MOVES} {CODES} {READING} {DEVICES}",
    "discover ganalyze": "GENERATOR --out --preset --transformer --normalize --chunk "
    "--alpha --score-range --learning-rate --learned-space --held-out --scorer "
    "--scorer-config "
    "--attribute --outputs --steps --batch --seed --save-every --resume "
    f"{MOVES} {CODES} {READING} {DEVICES}",
    "edit": "GENERATOR EDIT --out --index --preset --layers --edit-space --per-layer "
    "--chunk "
    f"{MOVES} {CODES} {READING} {DEVICES}",
    "disentanglement": "FILE --out --metrics --train --test --batch --variance --prune "
    "--bins --factor-bins --quantile --trees --C --downstream --raw --repeats --refits "
    "--seed --debug",
    "udr": "FILE --out --by --seed --debug",
    "evaluate": "GENERATOR EDIT --out --num --random --supervised --layers "
    "--edit-space --world --strengths --distortion --encoder --chunk "
    f"{SCORING} {CODES} {READING} {DEVICES}",
    "presets": "--model --data --debug",
    "condition": "BOUNDARY --on --out --debug",
    "combine": "PART --out --name --num-layers --debug",
    "import": "FILE OUT --join --space --layers --part --layer --num-layers "
    "--per-layer --deformator --ranking --debug",
    "export": "EDIT OUT --layout --index --strength --activations --debug",
    "name": "EDIT INDEX NAME --annotations --debug",
}


def synthesize(params, latent):
    images = jnp.tanh(latent @ params["matrix"])
    return images.reshape(-1, 6, 6, 1)


def linear():
    """A generator of functions: z [N, 4] -> 6 x 6 pictures."""
    matrix = np.random.default_rng(0).normal(size=(4, 36)).astype(np.float32)
    return jaxlatent.Generator.from_functions(
        synthesize, z_dim=4, params={"matrix": jnp.asarray(matrix)}
    )


def broken():
    raise RuntimeError("the disk\nis on fire")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """StyleGAN2 as a converted folder, SeFa's edit of it, and a plain .npy."""
    folder = tmp_path_factory.mktemp("converted")
    generator = folder / "generator"
    assert cli.main(["convert", PLAIN, str(generator)]) == 0
    found = jaxlatent.methods.sefa.discover(
        jaxlatent.load_generator(generator), layers="0-1", k=3
    )
    jaxlatent.save_edit(folder / "edit.npz", found)
    np.save(folder / "other.npy", np.eye(32, dtype=np.float32)[:2])
    np.save(folder / "rows.npy", np.eye(5, dtype=np.float32)[:3])
    np.save(folder / "narrow.npy", np.eye(5, dtype=np.float32)[:2])
    return folder


def size(path):
    with Image.open(path) as picture:
        return picture.size


# help and usage


@pytest.mark.parametrize("command", OPTIONS)
def test_help_mentions_every_option_and_reads_like_english(
    command, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "100")
    ok(*command.split(), "--help")
    text = capsys.readouterr().out
    words = OPTIONS[command].split()
    for option in words:
        assert option in text, option
    found = set(re.findall(r"^[│ ] ?(--[a-zA-Z][\w-]*)", text, re.M))
    accepted = {word for word in words if word.startswith("--")} | {"--debug"}
    assert found == accepted
    for leak in ("None", "True", "False", "INT", "FLOAT", "STR", "PATH"):
        assert not re.search(rf"\b{leak}\b", text), leak
    # every option says what it does, beside it or below
    lines = [line.strip("│ ") for line in text.splitlines()]
    for line, below in itertools.pairwise(lines):
        if re.match(r"--[a-zA-Z]", line):
            assert "  " in line or re.match(r"[A-Z]", below), line


def test_help_shows_the_settings_of_the_library_as_groups(capsys):
    ok("discover", "interfacegan", "--help")
    text = capsys.readouterr().out
    for said in (
        "boundary options",
        "Share of the codes on each side, or their number if above 1.",
        "(default: 0.02)",
        "--C X",
        "score options",
        "page options",
        "(default: to)",
    ):
        assert said in text, said
    ok("discover", "sefa", "--help")
    assert "without scaling style channels" in capsys.readouterr().out


def test_positional_arguments_stand_where_they_are_read(capsys):
    ok("edit", "--help")
    assert re.search(r"usage:.* GENERATOR EDIT\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "Expected one of {demo"),
        ("smaple", "smaple"),
        ("sample", "Missing: GENERATOR --out DIR"),
        ("sample faces --out q --num many", "--num: 'many' given; a number"),
        ("sample faces --out q --truncation low", "--truncation: 'low' given"),
        ("sample faces --out q --space x", "--space"),
        ("sample faces --out q --bogus", "--bogus"),
        ("discover sefa faces --out q --order up", "--order"),
        ("discover", "Expected one of {sefa"),
    ],
)
def test_words_that_no_command_accepts(words, expected, capsys, workplace):
    assert cli.main(words.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert expected in told.err
    assert told.err.count("\n") == 1
    assert "--help tells more" in told.err
    assert not list(workplace.iterdir())


FRAMED = """\
╭─ Value error ─────────────╮
│ Error parsing --num: no   │
│ such type.                │
│                           │
│ - details                 │
│ ───────────────────────── │
│ jaxlatent sample --help   │
╰───────────────────────────╯
"""
PLAINLY = """\
 Required options
 ----------------
  Missing from jaxlatent sample:
      GENERATOR
          What draws.
  --------------
  For full helptext, run:
      jaxlatent sample --help
"""


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (FRAMED, "--num: no such type; jaxlatent sample --help tells more"),
        (PLAINLY, "Missing: GENERATOR; jaxlatent sample --help tells more"),
        ("A sentence.", "A sentence; jaxlatent --help tells more"),
    ],
)
def test_boxes_of_either_alphabet_become_one_line(box, expected):
    assert one_line(box) == expected


# errors of every argument


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("inspect nowhere.pt", "path: nowhere.pt does not exist"),
        ("inspect .", "path: . is a folder"),
        ("convert nowhere.pt out", "SOURCE: nowhere.pt is not a file"),
        (f"convert {PLAIN} CONVERTED/generator", "OUT: CONVERTED/generator exists"),
        (f"convert {PLAIN} q --family vqgan", "family: 'vqgan' given"),
        (f"convert {PLAIN} q --config sise=1", "config: ['sise'] given"),
        (f"convert {PLAIN} q --config clamp=low", "config: clamp = 'low' given"),
        (f"convert {PLAIN} q --config z_dim=true", "config: z_dim = True given"),
        (f"convert {PLAIN} q --config clamp", "config: 'clamp' given; KEY=VALUE"),
        (
            f"convert {PLAIN} q --config @nowhere.json",
            "config: nowhere.json is not a file",
        ),
        (f"sample {PLAIN} --out CONVERTED/other.npy", "out: CONVERTED/other.npy"),
        ("sample nowhere --out q", "source: nowhere does not exist"),
        ("sample . --out q", "source: . is an empty folder"),
        ("sample nowhere:x --out q", "source: nowhere:x: No module"),
        ("sample json:nothing --out q", "source: json:nothing"),
        ("sample os:getcwd --out q", "source: os:getcwd is a str; a generator"),
        ("sample test_cli:broken --out q", "RuntimeError: the disk is on fire"),
        (f"sample {LINEAR} --out q --config a=1", "config: given, but"),
        (f"sample {LINEAR} --out q --family a", "family: given, but"),
        (f"sample {LINEAR} --out q --seeds 4-", "seeds: '4-' given"),
        (f"sample {LINEAR} --out q --seeds 4-2", "seeds: '4-2' given"),
        (f"sample {LINEAR} --out q --seeds 0-999999999", "seeds: '0-999999999'"),
        (f"sample {LINEAR} --out q --seeds 99999999999", "seeds: 99999999999 given"),
        (f"sample {LINEAR} --out q --num 0", "num: 0 given"),
        (f"sample {LINEAR} --out q --chunk 0", "chunk: 0 given"),
        (f"sample {LINEAR} --out q --label 1", "label: given"),
        (f"sample {LINEAR} --out q --truncation 0.5", "truncation: given"),
        (f"sample {LINEAR} --out q --space z", "space: given without codes"),
        (f"sample {LINEAR} --out q --codes nowhere.npy", "codes: nowhere.npy"),
        (f"sample {LINEAR} --out q --codes CONVERTED/other.npy", "codes: [2, 32]"),
        (
            f"sample {LINEAR} --out q --seeds 1 --codes CONVERTED/other.npy",
            "seeds: given together with codes",
        ),
        (
            f"sample {LINEAR} --out q --numpy-seeds 1 --seeds 1",
            "seeds: given together with numpy_seeds",
        ),
        (
            f"sample {LINEAR} --out q --numpy-seeds 1 --num 2",
            "num: given together with numpy_seeds",
        ),
        (f"sample {LINEAR} --out q --numpy-seeds 4-", "numpy_seeds: '4-' given"),
        (
            f"sample {LINEAR} --out q --numpy-seeds 4294967296",
            "numpy_seeds: 4294967296 given; 4294967295 is the largest",
        ),
        (
            f"score {LINEAR} --out q --numpy-seeds 4",
            "numpy_seeds: given, but GENERATOR",
        ),
        (
            f"edit {PLAIN} CONVERTED/edit.npz --out q --per-layer",
            "per_layer: True given, but",
        ),
        (
            f"sample {LINEAR} --out q --space w --codes CONVERTED/other.npy",
            "space: w given",
        ),
        (f"sample {PLAIN} --out q --codes CONVERTED/other.npy", "space: missing"),
        (f"sample {PLAIN} --out q --cutoff 2", "cutoff: given without"),
        (f"sample {PLAIN} --out q --cutoff 9 --truncation 1", "cutoff: 9 given"),
        (f"sample {LABELLED} --out q", "label: missing"),
        (f"sample {LABELLED} --out q --label 5", "label: '5' given; classes 0 to 4"),
        (f"sample {LABELLED} --out q --label cat", "label: 'cat' given"),
        (f"sample {LABELLED} --out q --label 0.5,0.5", "label: '0.5,0.5' given; class"),
        (
            f"sample {LABELLED} --out q --label CONVERTED/rows.npy",
            "label: 3 labels given for 8",
        ),
        (f"sample {LABELLED} --out q --label {LABELLED}", "label: "),
        (f"sample {LABELLED} --out q --label 1,2", "label: 2 labels given for 8"),
        (f"discover sefa {PLAIN} --out q --layers 0-99", "layers: '0-99' given"),
        (f"discover sefa {PLAIN} --out q --layers a", "layers: 'a' given"),
        (f"discover sefa {PLAIN} --out q --k 33", "k: 33 given"),
        (f"discover sefa {PLAIN} --out q --k 0", "k: 0 given"),
        (f"discover sefa {PLAIN} --out q --strengths -3:3", "strengths: '-3:3'"),
        (f"discover sefa {PLAIN} --out q --strengths 0:1:0", "strengths: '0:1:0'"),
        (f"discover sefa {PLAIN} --out q --strengths nan", "strengths: 'nan'"),
        (f"discover sefa {PLAIN} --out q --chunk 0", "chunk: 0 given"),
        (f"discover sefa {LINEAR} --out q", "affines: none given"),
        (f"discover sefa {LINEAR} --out q --layers 0", "affines: none given"),
        ("edit CONVERTED/generator nowhere.npz --out q", "EDIT: nowhere.npz is not"),
        (f"edit {LINEAR} CONVERTED/edit.npz --out q", "edit: of space 'w'"),
        (
            f"edit {LINEAR} CONVERTED/narrow.npy --out q",
            "edit: of dimension 5",
        ),
        (
            f"edit {PLAIN} CONVERTED/narrow.npy --out q",
            "edit: of dimension 5",
        ),
        (f"edit {PLAIN} CONVERTED/edit.npz --out q --index 3", "index: 3 given"),
        (
            f"edit {PLAIN} CONVERTED/edit.npz --out q --index 0 --preset bald",
            "index: given together with preset",
        ),
        ("inspect CONVERTED/edit.npz --family lenet", "family: given, but"),
        ("inspect CONVERTED/generator --config a=1", "config: given, but"),
        (f"edit {PLAIN} CONVERTED/edit.npz --out q --index x", "index: 'x' given"),
        (f"edit {PLAIN} CONVERTED/edit.npz --out q --layers 8", "layers: '8' given"),
        (f"edit {PLAIN} CONVERTED/edit.npz --out q --edit-space w", "edit_space: w"),
        (
            f"edit {PLAIN} CONVERTED/other.npy --out q --edit-space z --layers 1",
            "layers: 1 given, but EDIT acts in z",
        ),
        (
            f"edit {PLAIN} CONVERTED/other.npy --out q --edit-space z --space w "
            "--codes CONVERTED/other.npy",
            "latents: codes in w given for an edit in z",
        ),
    ],
)
def test_an_error_is_one_line_that_names_the_argument(
    words, expected, converted, capsys, workplace
):
    here = str(converted)
    assert cli.main(words.replace("CONVERTED", here).split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert expected.replace("CONVERTED", here) in told.err
    assert told.err.startswith("jaxlatent: ")
    assert told.err.count("\n") == 1
    assert not list(workplace.iterdir())


def test_debug_raises_what_happened():
    with pytest.raises(RuntimeError, match="on fire"):
        cli.main(["sample", "test_cli:broken", "--out", "q", "--debug"])
    with pytest.raises(ValueError, match="path"):
        cli.main(["--debug", "inspect", "nowhere"])


def test_interruption_and_closed_pipes(monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(describing, "describe", interrupted)
    assert cli.main(["inspect", PLAIN]) == 130
    assert capsys.readouterr().err == "jaxlatent: interrupted\n"


def test_a_reader_who_leaves_early_is_no_error():
    command = f"{sys.executable} -m jaxlatent inspect {PLAIN} --tensors | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
    )
    first, status = done.stdout.splitlines()
    assert first == PLAIN
    assert status in ("0", "141")  # 0 if everything fitted into the pipe
    # a slow machine shows the clock of the reading there
    assert not {"Error", "Traceback", "jaxlatent:"} & set(done.stderr.split())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.pt"), "a.pt: No such"),
        (KeyError("name"), "name"),
        (ValueError("x: 1"), "x: 1"),
        (ZeroDivisionError("x"), "ZeroDivisionError: x (unexpected; --debug"),
        (ValueError(), "ValueError:  (unexpected"),
    ],
)
def test_errors_in_words(error, expected):
    assert cli._describe(error).startswith(expected)


# values of options


def test_numbers_strengths_and_config(tmp_path):
    assert arguments.parse_seeds("0, 4-6,5") == (0, 4, 5, 6)
    assert arguments.parse_strengths("-3:3:7") == (-3, -2, -1, 0, 1, 2, 3)
    assert arguments.parse_strengths("-1.5,2e1") == (-1.5, 20)
    (tmp_path / "values.json").write_text('{"a": [1, 2]}')
    given = (f"@{tmp_path}/values.json", "b=null", "c=text=more", "d=0.5")
    expected = {"a": [1, 2], "b": None, "c": "text=more", "d": 0.5}
    assert arguments.parse_config(given) == expected
    for text, words in (("[1]", "no JSON object"), ("{", "is not JSON")):
        (tmp_path / "values.json").write_text(text)
        with pytest.raises(ValueError, match=words):
            arguments.parse_config(given)


def test_codes_keep_the_space_that_their_file_names(tmp_path):
    model = jaxlatent.load(PLAIN)
    codes = np.ones((2, 32), np.float32)
    np.savez(tmp_path / "codes.npz", z=codes, **{"w+": np.ones((2, 8, 32), np.float32)})
    start = inputs.draw_samples(Codes(codes=tmp_path / "codes.npz"), model)
    assert (start.latents.space, start.latents.codes.shape) == ("w+", (2, 8, 32))
    assert start.seeds is None
    start = inputs.draw_samples(Codes(codes=tmp_path / "codes.npz", space="z"), model)
    assert (start.latents.space, start.names) == ("z", ("code 0", "code 1"))
    np.savez(tmp_path / "codes.npz", w=codes)
    assert (
        inputs.draw_samples(Codes(codes=tmp_path / "codes.npz"), model).latents.space
        == "w"
    )
    np.save(tmp_path / "z.npy", codes[:, :4])
    assert (
        inputs.draw_samples(Codes(codes=tmp_path / "z.npy"), linear()).latents.space
        == "z"
    )
    whole = (tmp_path / "codes.npz").read_bytes()
    for damaged in (b"nothing", whole[: len(whole) // 2]):
        (tmp_path / "codes.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"^codes: "):
            inputs.draw_samples(Codes(codes=tmp_path / "codes.npz"), model)


# commands


def test_inspect_tells_what_fits_what_is_assumed_and_how_to_change_it(capsys):
    ok("inspect", ASSUMING, "--tensors")
    text = capsys.readouterr().out
    for line in (
        "container: torch-legacy",
        f"sha256: {file_hash(ASSUMING)}",
        "generator: stylegan2, rosinality layout",
        "mapping_rate = 0.01  (assumed)",
        "--config NAME=VALUE overrides it",
        "72 tensors, every one fits",
        "discriminator: stylegan2",
        "style.1.weight float32 [32, 32]",
    ):
        assert line in text, line
    ok("inspect", ASSUMING, "--json", "--config", "mapping_rate=0.1")
    part = json.loads(capsys.readouterr().out)["parts"]["generator"]
    assert part["config"]["mapping_rate"] == 0.1
    assert "mapping_rate" not in part["assumed"]
    assert part["missing"] == part["extra"] == part["misshapen"] == []


def test_inspect_lists_what_does_not_fit(capsys):
    ok("inspect", PLAIN, "--config", "mapping_layers=4", "--config", "w_dim=30")
    text = capsys.readouterr().out
    assert "missing (2): mapping.fc3.weight, mapping.fc3.bias" in text
    assert re.search(r"misshapen \(\d+\): .*is \(32, 32\), not \(32, 30\)", text) or (
        "misshapen" in text
    )


def test_inspect_shows_the_tensors_of_a_file_that_no_layout_fits(capsys):
    ok("inspect", PLAIN)
    capsys.readouterr()
    assert cli.main(["inspect", PLAIN, "--family", "lenet"]) == 2
    told = capsys.readouterr()
    assert "G_ema" in told.out
    assert "float32 [" in told.out
    assert "no layout of lenet" in told.err


def test_inspect_verifies_folders_and_reads_edits(converted, capsys, tmp_path):
    ok("inspect", converted / "generator")
    text = capsys.readouterr().out
    assert "every file is as it was written" in text
    assert "file stylegan2_ada_a.pkl" in text
    assert "generator: stylegan2" in text
    ok("inspect", converted / "generator", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert facts["origin"]["sha256"] == file_hash(PLAIN)
    ok("inspect", converted / "edit.npz")
    text = capsys.readouterr().out
    assert "method: sefa" in text
    assert "layers: 0, 1" in text
    assert "direction 0, direction 1, direction 2" in text

    ok("convert", PLAIN, "copy")
    header = tmp_path / "copy" / "generator.json"
    header.write_text(header.read_text().replace("32", "64", 1))
    capsys.readouterr()
    assert cli.main(["inspect", "copy"]) == 2
    assert "generator.json" in capsys.readouterr().err


def test_families_are_listed_with_what_they_assume(capsys):
    ok("families")
    told = capsys.readouterr().out
    assert "\nbiggan_deep\n  BigGAN-deep as huggingface's" in told
    assert "    may assume: upsamples, eps, output_eps\n" in told


def test_convert_says_what_it_assumed(capsys):
    ok("convert", ASSUMING, "out")
    text = capsys.readouterr().out
    assert "a stylegan2 generator in rosinality layout" in text
    assert "assumed: mapping_rate = 0.01" in text
    ok("convert", ASSUMING, "out", "--overwrite", "--config", "mapping_rate=0.1")
    assert "mapping_rate" not in capsys.readouterr().out
    assert jaxlatent.load_generator("out").config.mapping_rate == 0.1


def test_sample_writes_pictures_codes_and_the_record(capsys, tmp_path):
    ok("sample", LABELLED, "--out", "a", "--seeds", "3,5", "--label", "0,4")
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "a" / "sheet.png")
    out = tmp_path / "a"
    record = run_file(out)
    assert record["seeds"] == [3, 5]
    assert record["codes"] == ["seed 3, class 0", "seed 5, class 4"]
    assert record["inputs"] == {LABELLED: file_hash(LABELLED)}
    assert record["arguments"]["job"]["start"]["label"] == "0,4"
    assert record["arguments"]["job"]["chunk"] == 8
    assert record["versions"]["jaxlatent"]
    names = {"sheet.png", "seed_3_class_0.png", "seed_5_class_4.png", "codes.npz"}
    assert set(record["files"]) == names
    assert {file.name for file in out.iterdir()} == names | {"run.json"}
    assert all(file_hash(out / name) == record["files"][name] for name in names)
    with np.load(out / "codes.npz") as codes:
        assert {name: codes[name].shape for name in codes.files} == {
            "z": (2, 24),
            "w+": (2, 8, 32),
            "label": (2,),
        }

    # the codes it wrote draw the same pictures again
    ok("sample", LABELLED, "--out", "b", "--codes", "a/codes.npz", "--label", "0,4")
    assert file_hash("b/sheet.png") == file_hash("a/sheet.png")
    again = run_file(tmp_path / "b")
    assert again["seeds"] is None
    assert again["inputs"]["a/codes.npz"] == file_hash("a/codes.npz")


def test_every_class_is_drawn_in_turn(tmp_path):
    ok("sample", LABELLED, "--out", "a", "--num", 7, "--label", "every")
    names = run_file(tmp_path / "a")["codes"]
    assert [int(name[-1]) for name in names] == [0, 1, 2, 3, 4, 0, 1]
    assert np.load("a/codes.npz")["label"].tolist() == [0, 1, 2, 3, 4, 0, 1]


def test_labels_of_a_file_are_drawn(capsys, tmp_path):
    """Against the library, on weights that no class number stands for."""
    rows = np.float32([[0.5, 0.5, 0, 0, 0], [0, -1, 0, 2, 0]])
    np.save("rows.npy", rows)
    Path("rows.csv").write_text("\n".join(",".join(map(str, r)) for r in rows.tolist()))
    for out, file in (("a", "rows.npy"), ("b", "rows.csv")):
        ok("sample", LABELLED, "--out", out, "--seeds", "3,5", "--label", file)
        assert f"{file}: 2 rows of 5 numbers" in capsys.readouterr().out
        with np.load(f"{out}/codes.npz") as codes:
            np.testing.assert_array_equal(codes["label"], rows)
            model = jaxlatent.load(LABELLED)
            w = model.broadcast(model.map(codes["z"], rows))
            np.testing.assert_allclose(codes["w+"], w, atol=1e-5)
    record = run_file(tmp_path / "a")
    assert record["codes"] == ["seed 3, label 0", "seed 5, label 1"]
    assert record["inputs"]["rows.npy"] == file_hash("rows.npy")
    # one row serves all codes
    np.save("row.npy", rows[1])
    ok("sample", LABELLED, "--out", "c", "--seeds", "3,5", "--label", "row.npy")
    with np.load("c/codes.npz") as codes:
        np.testing.assert_array_equal(codes["label"], rows[[1, 1]])
    assert run_file(tmp_path / "c")["codes"] == ["seed 3", "seed 5"]
    words = ("--seeds", "3,5", "--label", "row.npy", "--interpolate", 2)
    ok("sample", LABELLED, "--out", "e", *words)
    with np.load("e/codes.npz") as codes:
        np.testing.assert_array_equal(codes["label"], rows[[1, 1, 1]])
    # codes to learn from get one of the rows each
    words = ("score", LABELLED, "--label", "rows.npy", "--scorer", "brightness")
    ok(*words, "--samples", 24, "--out", "d")
    label = np.load("d/scores.npz")["label"]
    assert {tuple(row) for row in label.tolist()} == {tuple(r) for r in rows.tolist()}


def test_sample_mixes_styles(tmp_path):
    words = ("sample", PLAIN, "--seeds", "0,1", "--mix", "5", "--layers", "0-3")
    ok(*words, "--out", "mixed")
    drawn = ["seed_0.png", "seed_0_mix_5.png", "seed_1.png", "seed_1_mix_5.png"]
    assert run_file(tmp_path / "mixed")["pictures"] == drawn
    assert size("mixed/sheet.png") == (66, 66)
    codes = np.load("mixed/codes.npz")["w+"]
    ok("sample", PLAIN, "--seeds", "5", "--out", "lender")
    lender = np.load("lender/codes.npz")["w+"]
    np.testing.assert_array_equal(codes[1, :4], lender[0, :4])
    np.testing.assert_array_equal(codes[1, 4:], codes[0, 4:])


def test_sample_interpolates(tmp_path):
    words = ("sample", PLAIN, "--seeds", "0,1", "--interpolate", 2)
    ok(*words, "--out", "z")
    ok(*words, "--path", "w", "--out", "w")
    assert set(run_file(tmp_path / "z")["files"]) == {
        *(f"step_000{index}.png" for index in range(3)),
        *("codes.npz", "interpolation.gif", "sheet.png"),
    }
    z, w = np.load("z/codes.npz"), np.load("w/codes.npz")
    np.testing.assert_allclose(w["w"][1], (w["w"][0] + w["w"][2]) / 2, atol=1e-6)
    np.testing.assert_allclose(z["w+"][::2], w["w+"][::2], atol=1e-5)
    lengths = np.linalg.norm(z["z"], axis=1)
    assert lengths.min() <= lengths[1] * 1.05


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((PLAIN, "--mix", "1"), "layers: missing; mix takes"),
        ((PLAIN, "--layers", "1"), "layers: given without mix"),
        ((PLAIN, "--mix", "1", "--interpolate", "2"), "mix: given together with"),
        ((PLAIN, "--interpolate", "0"), "interpolate: 0 given"),
        ((PLAIN, "--interpolate", "2", "--num", "1"), "interpolate: two codes"),
        ((LINEAR, "--mix", "1", "--layers", "0"), "layers: '0' given, but this"),
        ((PLAIN, "--path", "w"), "path: given without interpolate"),
        ((PLAIN, "--num", "2", "--seeds", "1"), "num: given together with seeds"),
        (
            (LABELLED, "--interpolate", "2", "--num", "2", "--label", "0,1"),
            "label: several given",
        ),
    ],
)
def test_sample_names_what_does_not_fit(words, expected, capsys, tmp_path):
    assert cli.main(["sample", *words, "--out", "out"]) == 2
    assert capsys.readouterr().err.startswith(f"jaxlatent: {expected}")
    assert not (tmp_path / "out").exists()


def test_sample_draws_functions_of_a_user(tmp_path):
    ok("sample", LINEAR, "--out", "out", "--num", "3", "--chunk", "2")
    assert size("out/seed_2.png") == (6, 6)
    assert run_file(tmp_path / "out")["generator"]["family"] == "functions"


def test_a_run_replaces_what_an_earlier_one_left(tmp_path):
    ok("sample", LINEAR, "--out", "out", "--num", "4")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "out" / "seed_3.png").write_bytes(b"painted over")
    ok("sample", LINEAR, "--out", "out", "--num", "1")
    left = sorted(file.name for file in (tmp_path / "out").iterdir())
    kept = ["notes.txt", "run.json", "seed_0.png", "seed_3.png", "sheet.png"]
    assert left == ["codes.npz", *kept]
    assert set(run_file(tmp_path / "out")["files"]) == {
        "codes.npz",
        "seed_0.png",
        "sheet.png",
    }


@pytest.mark.parametrize("text", ["", "[]", '{"files": 1}', '{"files": {"../x": "y"}}'])
def test_a_record_that_is_not_ours_removes_nothing(text, tmp_path):
    (tmp_path / "x").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text(text.replace("y", file_hash("x")))
    Run(tmp_path / "out", "sample", {}).file("new")
    assert (tmp_path / "x").exists()


def test_a_run_that_breaks_has_no_record(tmp_path, monkeypatch):
    words = ["discover", "sefa", PLAIN, "--out", "out", "--k", "1", "--seeds", "0"]
    words += ["--strengths", "-1,0,1"]
    ok(*words)
    assert (tmp_path / "out" / "run.json").exists()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device", "index.html")

    monkeypatch.setattr("jaxlatent.gallery.drawing.write_page", full)
    assert cli.main(words) == 2
    assert not (tmp_path / "out" / "run.json").exists()


SEFA = ["discover", "sefa", PLAIN, "--layers", "0-1", "--k", "2", "--seeds", "0,7"]


def test_discover_writes_edit_pictures_and_page(tmp_path, capsys):
    ok(*SEFA, "--out", "a", "--strengths", "-3:3:3", "--truncation", "0.7")
    page = capsys.readouterr().out.splitlines()[-1]
    assert page == (tmp_path / "a" / "index.html").as_uri()
    record = run_file(tmp_path / "a")
    assert set(record["files"]) == {
        "sefa.npz",
        "index.html",
        *(f"direction_{i:03d}.{kind}" for i in (0, 1) for kind in ("png", "gif")),
    }
    assert record["command"] == "discover sefa"
    assert record["arguments"]["layers"] == "0-1"
    reading = {"family": None, "config": [], "entry": None}
    assert record["arguments"]["job"]["reading"] == reading
    assert record["strengths"] == [-3, 0, 3]
    assert record["seeds"] == [0, 7]
    assert record["edited"] == "after truncation (psi 0.7)"
    edit = jaxlatent.load_edit(tmp_path / "a" / "sefa.npz")
    assert (edit.layers, len(edit), edit.method) == ((0, 1), 2, "sefa")
    # 2 codes x 3 strengths of 32 px and 2 px between them
    assert size("a/direction_000.png") == (100, 66)
    with Image.open("a/direction_000.gif") as animation:
        assert animation.n_frames > 1
    text = (tmp_path / "a" / "index.html").read_text()
    for fact in (
        "SeFa directions of stylegan2_ada_a.pkl",
        "0-1",
        "after truncation (psi 0.7)",
    ):
        assert fact in text, fact
    assert f"{float(edit.report['eigenvalues'][1]):.4g}" in text

    # once more, to the same bytes; chunks and the other spelling change nothing
    ok(*SEFA, "--out", "b", "--strengths=-3:3:3", "--truncation", "0.7")
    assert run_file(tmp_path / "b")["files"] == record["files"]


def test_edit_takes_the_layers_of_the_file_or_others(converted, tmp_path):
    words = ["edit", converted / "generator", converted / "edit.npz", "--seeds", "1"]
    words += ["--strengths", "-2,0,2"]
    ok(*words, "--out", "own", "--index", "0,2")
    record = run_file(tmp_path / "own")
    assert record["directions"] == ["direction 0", "direction 2"]
    assert record["edited"] == "in w"
    assert record["inputs"] == {
        str(converted / "edit.npz"): file_hash(converted / "edit.npz")
    }
    assert jaxlatent.load_edit("own/edit.npz").layers == (0, 1)
    ok(*words, "--out", "others", "--layers", "5-6")
    assert jaxlatent.load_edit("others/edit.npz").layers == (5, 6)
    ok(*words, "--out", "all", "--layers", "all")
    assert jaxlatent.load_edit("all/edit.npz").layers is None
    pictures = {
        file_hash(f"{out}/direction_000.png") for out in ("own", "others", "all")
    }
    assert len(pictures) == 3
    assert "all 8" in (tmp_path / "all" / "index.html").read_text()


def test_edit_applies_what_other_tools_wrote(converted, tmp_path):
    words = [
        "edit",
        PLAIN,
        converted / "other.npy",
        "--seeds",
        "1",
        "--strengths",
        "-1,0,1",
    ]
    ok(*words, "--out", "w", "--index", "all")
    edit = jaxlatent.load_edit("w/edit.npz")
    assert (edit.space, len(edit), edit.method) == ("w", 2, "imported")
    ok(*words, "--out", "z", "--edit-space", "z", "--truncation", "0.5")
    assert run_file(tmp_path / "z")["edited"] == "before the mapping network"
    page = (tmp_path / "z" / "index.html").read_text()
    facts = {"Truncation": "0.5", "Edited": "before the mapping network"}
    for label, value in facts.items():
        pair = f'<dt dir="auto">{label}</dt><dd dir="auto">{value}</dd>'
        assert pair in page
    np.save("four.npy", np.eye(4, dtype=np.float32)[0])
    ok("edit", LINEAR, "four.npy", "--out", "four", "--strengths", "0,1")
    assert run_file(tmp_path / "four")["edited"] == "at the network's input"


def test_edits_of_other_tools_tell_their_space(tmp_path):
    model = jaxlatent.load(PLAIN)
    rows = np.eye(3, 32, dtype=np.float32)
    np.save(tmp_path / "stylegan_ffhq_age_boundary.npy", rows[:1])
    file = tmp_path / "stylegan_ffhq_age_boundary.npy"
    edit, (told,) = inputs.open_edit(file, model)
    assert told.endswith("say; --edit-space w for 1 direction of w")
    assert (edit.space, edit.names) == ("z", ("age",))
    np.savez(
        tmp_path / "components.npz",
        lat_comp=rows[:, None],
        lat_mean=rows[:1],
        lat_stdev=np.float32([3, 2, 1]),
    )
    edit, told = inputs.open_edit(tmp_path / "components.npz", model)
    assert told == ()
    assert (edit.space, edit.method, edit.scale.tolist()) == (
        "w",
        "ganspace",
        [3, 2, 1],
    )


@pytest.mark.filterwarnings("default")
def test_edit_warns_when_directions_belong_to_another_generator(
    converted, tmp_path, capsys
):
    words = ["edit", LABELLED, converted / "edit.npz", "--label", "3"]
    ok(*words, "--out", "out", "--strengths", "0", "--seeds", "0")
    told = capsys.readouterr().err
    assert told.startswith("jaxlatent: warning: These directions were found in another")
    assert told.count("\n") == 1
    page = (tmp_path / "out" / "index.html").read_text()
    assert "found in another generator" in page
    assert "Class" in page


def test_demo_needs_nothing(tmp_path, monkeypatch, capsys):
    from jaxlatent.comparison.demo import Demo
    from jaxlatent.generators import rendered

    # what methods find is another test's matter
    some = partial(Demo, methods=("random", "sefa", "truth"))
    some.samples = Demo.samples
    monkeypatch.setattr("jaxlatent.cli.demo.Demo", some)
    small = rendered.oracle(
        "disc", key=jax.random.key(0), size=8, z_dim=12, largest_group=8
    )
    monkeypatch.setattr(rendered, "embedded", lambda: small)
    ok("demo")
    record = run_file(tmp_path / "demo")
    assert set(record["files"]) == {"index.html", "scores.json"}
    scores = json.loads((tmp_path / "demo" / "scores.json").read_text())
    assert scores["truth"]["scores"]["coverage"] == pytest.approx(1)
    printed = capsys.readouterr().out
    assert (tmp_path / "demo" / "index.html").as_uri() in printed
    assert [line.split()[0] for line in printed.splitlines()[1:5]] == [
        "method",
        "Random",
        "SeFa",
        "The",
    ]


# progress


def test_progress_shows_only_what_lasts_and_leaves_no_thread(monkeypatch, capsys):
    with progress.progress_bar("quick", 3) as advance:
        advance(3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    monkeypatch.setattr(progress, "_LOG_INTERVAL", 0.05)
    before = threading.active_count()
    with progress.progress_bar("slow", 3) as advance:
        advance(2)
        threading.Event().wait(0.5)
    assert threading.active_count() == before
    assert "2/3" in capsys.readouterr().err


def test_the_cache_of_compiled_code_stays_where_the_user_put_it(monkeypatch):
    monkeypatch.undo()
    script = (
        "import jax, sys; from jaxlatent import cli; cli._keep_compiled_code();"
        "print(jax.config.jax_compilation_cache_dir)"
    )
    for variable, value, expected in (
        ("JAX_COMPILATION_CACHE_DIR", "/tmp/mine", "/tmp/mine"),
        ("XDG_CACHE_HOME", "/dev/null/nowhere", "None"),
    ):
        env = {**os.environ, variable: value, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=env
        )
        assert done.stdout.strip() == expected, done.stderr


# the page that people read first


def blocks(language):
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def test_readme_begins_with_two_commands():
    for block in blocks("sh")[:2]:
        lines = [line for line in block.splitlines() if line.strip()]
        assert len(lines) == 1
        assert not lines[0].startswith("#")


def test_readme_examples_run(tmp_path, monkeypatch):
    sefa, functions, regions, learned, worlds, codes, several = blocks("python")
    (tmp_path / "stylegan2.pkl").write_bytes(Path(PLAIN).read_bytes())
    names = {"__name__": "readme"}
    exec(compile(sefa, "README.md", "exec"), names)
    assert "<html" in (tmp_path / "found" / "index.html").read_text()
    assert names["images"].shape == (5, 2, 3, 32, 32, 3)
    exec(compile(regions, "README.md", "exec"), names)
    assert np.ptp(names["blink"].report["gain"]) > 0
    # a run's length is not what is shown
    short = learned.replace("steps=600, batch=64", "steps=2, batch=2")
    assert short != learned
    names["brightness"] = None
    exec(compile(short, "README.md", "exec"), names)
    assert names["brighter"].facts["steps"] == 2
    assert names["curves"]["light"].scores.shape == (64, 3)
    names = {"__name__": "readme"}
    exec(compile(functions, "README.md", "exec"), names)
    light = names["brightness"]
    assert (
        light(names["brighter"]).mean()
        > light(names["generator"].synthesize(names["z"])).mean() + 0.05
    )
    # a small world in place of the portraits, and the methods that compile fast
    small = """rendered.oracle(
        "disc", key=key, size=8, z_dim=12, largest_group=8
    )"""
    short = worlds.replace("rendered.embedded()", small)
    short = short.replace('"interfacegan", "enjoy_your_editing", ', "")
    assert '"disc"' in short
    assert "enjoy" not in short
    shown = {"__name__": "readme"}
    exec(compile(short, "README.md", "exec"), shown)
    assert shown["mine"].scores.summary["coverage"] > 0.7
    assert "SeFa" in (tmp_path / "shown" / "index.html").read_text()
    # an encoder of a few steps on pictures that it takes, and few of them to score
    shown["faces"] = shown["rendered"].oracle(
        "disc", key=jax.random.key(0), size=32, z_dim=12, largest_group=8
    )
    shown["few"] = Sizes(40, 20, batch=4, variance=40, trees=1, repeats=1)
    few = "Settings(steps=2, batch=4), num=80, sizes=few, key="
    short = codes.replace("key=", few).replace("import score", "import Settings, score")
    assert few in short
    exec(compile(short, "README.md", "exec"), shown)
    assert 0 <= shown["scores"]["mig"].value <= 1
    monkeypatch.setattr(parallel, "start", lambda *words, same: None)
    names |= {"process_id": 0, "codes": names["z"][:3]}
    exec(compile(several, "README.md", "exec"), names)
    assert names["images"].shape[0] == 3


def test_readme_counts_the_hostile_files():
    assert hostile.table() in (ROOT / "README.md").read_text()


def test_readme_commands_are_accepted():
    """Every `jaxlatent` line parses; what it would run is another test's matter."""
    lines = [
        line
        for block in blocks("sh")[2:]
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("jaxlatent ")
    ]
    assert len(lines) >= 5
    for line in lines:
        command, debug = cli._parse(line.partition("#")[0].split()[1:])
        assert callable(command)
        assert debug is False
