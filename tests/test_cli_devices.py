"""The options of many devices."""

import jax
import numpy as np
import pytest
from helpers import error, ok, run_file
from PIL import Image

from jaxlatent import cli, parallel
from jaxlatent.checkpoint import load_edit

pytestmark = pytest.mark.usefixtures("workplace")

LINEAR = "peer:linear"
LEARN = ("discover", "ganspace", LINEAR, "--layer", "image", "--samples", "40")
FEW = ("--seeds", "0-2", "--strengths", "-1,0,1", "--num", "1", "--k", "3")


@pytest.fixture(autouse=True)
def started():
    """The devices exist already, so that no command asks for others."""
    assert jax.device_count() == 8


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def test_the_number_of_devices_changes_nothing(tmp_path):
    for out, more in (("one", ()), ("many", ("--devices", "3"))):
        ok(*LEARN, *FEW, "--out", out, *more)
        ok("sample", LINEAR, "--num", "5", "--out", f"{out}/sample", *more)
        edit = f"{out}/ganspace.npz"
        ok("edit", LINEAR, edit, "--seeds", "0-2", "--out", f"{out}/edit", *more)
    one, many = (load_edit(f"{out}/ganspace.npz") for out in ("one", "many"))
    assert error(many.vectors, np.asarray(one.vectors)) <= 1e-5
    for name in ("sample/sheet.png", "edit/direction_000.png", "direction_000.png"):
        files = [tmp_path / out / name for out in ("one", "many")]
        # a value between two shades may be rounded to either
        assert np.abs(pixels(files[0]) - pixels(files[1])).max() <= 1
    assert run_file(tmp_path / "many")["arguments"]["job"]["where"]["devices"] == 3


def test_several_processes_are_joined_first(monkeypatch):
    joined = []

    def start(*arguments, same):
        joined.append((arguments, same))
        raise ValueError("same: ['num'] of process 1 differ")

    monkeypatch.setattr(parallel, "start", start)
    several = ("--coordinator", "h:1", "--processes", "2", "--process-id", "1")
    assert cli.main(["sample", LINEAR, "--out", "o", "--num", "5", *several]) == 2
    (arguments, same), *_ = joined
    assert arguments == ("h:1", 2, 1)
    (same,) = same.values()
    assert same["num"] == 5
    assert not any(same["job"]["where"].values())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--devices 0", "devices: 0 given; 1 or more is accepted"),
        ("--devices 9", "devices: 9 given; 1 to 8 devices exist"),
        ("--process-id 0", "coordinator: missing"),
        ("--coordinator h:1 --processes 2", "process_id: missing"),
        ("--coordinator h:1 --process-id 0", "processes: missing"),
        ("--coordinator h --processes 1 --process-id 0", "coordinator: 'h' given"),
    ],
)
def test_options_that_cannot_be(words, message, capsys, tmp_path):
    assert cli.main(["sample", LINEAR, "--out", "out", *words.split()]) == 2
    assert capsys.readouterr().err.startswith(f"jaxlatent: {message}")
    assert not (tmp_path / "out").exists()
