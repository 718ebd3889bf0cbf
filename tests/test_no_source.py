"""What people give in a generator's place, and what they are told."""

import os
from pathlib import Path

import pytest

import jaxlatent
from jaxlatent.no_source import why_no_source


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "half", "run", "pictures", "files", "other", "many"):
        Path(folder).mkdir()
    Path("half/generator.json").write_text("{}")
    Path("run/run.json").write_text("{}")
    for name in ("1.png", "2.jpg"):
        Path("pictures", name).write_text("")
    for name in ("ffhq.pkl", "readme.md", "ema.safetensors"):
        Path("files", name).write_text("")
    for number in range(9):
        Path("many", f"{number}.pth").write_text("")
    Path("other/notes.txt").write_text("")
    Path("others/g").mkdir(parents=True)
    Path("others/g/MANIFEST.json").write_text("")
    Path("ffhq.pkl").write_text("")
    os.symlink("nothing", "dangling")
    os.mkfifo("pipe")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "'' given; a converted folder"),
        ("https://x.org/ffhq.pkl", "is an address, and nothing is downloaded here"),
        ("HTTP://x.org/ffhq.pkl", "is an address"),
        ("s3://bucket/a.pt", "download the file and give its path"),
        ("gs://bucket/a.pt", "is an address"),
        ("hf:owner/name", "is an address"),
        ("hf://owner/name", "is an address"),
        ("git@github.com:a/b.git", "is an address"),
        ("www.x.org/a.pkl", "is an address"),
        ("huggingface.co/owner/name", "is an address"),
        ("file:///tmp/a.pkl", "give the path alone, /tmp/a.pkl"),
        ("file://localhost/tmp/a.pkl", "give the path alone, /tmp/a.pkl"),
        ("C:\\models\\ffhq.pkl", "does not exist here; a converted"),
        ("d:/models/ffhq.pkl", "does not exist here; a converted"),
        ("ffhq.pk", "does not exist; ffhq.pkl does; a converted"),
        ("files/ffhq.pt", "does not exist; files/ffhq.pkl does"),
        ("nowhere/ffhq.pkl", "does not exist, nor does the folder nowhere"),
        ("ffhq.pkl/G_ema", "does not exist, for ffhq.pkl is a file"),
        ("nowhere", "does not exist; a converted folder"),
        ("dangling", "is a link to nothing"),
        ("pipe", "is neither a file nor a folder"),
        ("empty", "is an empty folder"),
        ("half", "is half a generator, without MANIFEST.json: its conversion"),
        ("run", "is what a command wrote, and no generator; give the one"),
        ("pictures", "is a folder of 2 pictures"),
        ("files", "give one of files/ema.safetensors, files/ffhq.pkl"),
        ("many", "give one of many/0.pth, many/1.pth, many/2.pth, many/3.pth, many/4"),
        ("many", "and 4 more"),
        ("others", "is a folder of generators; give one of others/g"),
        ("other", "is not a converted folder: it has no generator.json"),
    ],
)
def test_words_for_what_is_no_generator(text, expected):
    with pytest.raises(ValueError, match=r"^source: ") as caught:
        jaxlatent.load(text)
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_home_that_no_shell_spelled_out(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    said = why_no_source("~/ffhq.pkl", ("faces",))
    assert f"~/ffhq.pkl does not exist, but {tmp_path}/ffhq.pkl does" in said


MODULES = {
    "sound": "size = 3\ndef make(size): pass\ndef broken():\n    1 / 0\n",
    "needs": "import nothing_of_that_name\n",
    "strange": "def make(:\n",
    "below/__init__": "",
}


@pytest.mark.parametrize(
    ("text", "error", "expected"),
    [
        ("nowhere_at_all:make", ValueError, "No module named 'nowhere_at_all', here"),
        ("below.nowhere:make", ValueError, "No module named 'below.nowhere', here"),
        ("sound:nothing", ValueError, "source: sound:nothing: sound has no nothing"),
        ("sound:size", ValueError, "source: sound:size is a int; a function that"),
        ("sound:make", ValueError, "missing a required argument: 'size'; it is called"),
        ("needs:make", ModuleNotFoundError, "nothing_of_that_name"),
        ("strange:make", SyntaxError, "strange.py, line 1"),
        ("sound:broken", ZeroDivisionError, "division by zero"),
        ("a::b", ValueError, "source: a::b does not exist"),
        (":make", ValueError, "source: :make does not exist"),
    ],
)
def test_modules_of_ones_own(text, error, expected):
    for name, code in MODULES.items():
        Path(f"{name}.py").parent.mkdir(exist_ok=True)
        Path(f"{name}.py").write_text(code)
    with pytest.raises(error) as caught:
        jaxlatent.load(text)
    assert expected in str(caught.value)
