"""Files and folders are written whole or not at all."""

import os

import pytest

from jaxlatent.files import atomic_folder, atomic_write


def tree(folder):
    """Every file below a folder with its content; hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def older(tmp_path):
    """A folder that exists already."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    return tmp_path / "out"


def failing(monkeypatch, *numbers, error=OSError):
    """Let the calls of `os.replace` with these numbers, from 1 up, fail."""
    real, calls = os.replace, []

    def replace(*arguments):
        calls.append(arguments)
        if len(calls) in numbers:
            raise error("disk full")
        real(*arguments)

    monkeypatch.setattr("os.replace", replace)
    return calls


# files


def test_atomic_write_replaces(tmp_path):
    atomic_write(tmp_path / "a", b"older and longer")
    atomic_write(str(tmp_path / "a"), b"new")
    assert tree(tmp_path) == {"a": "new"}


def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")
    failing(monkeypatch, 1)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(tmp_path / "a", b"new")
    assert tree(tmp_path) == {"a": "old"}


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")

    def full(_):
        raise OSError("no space left")

    # by now every byte was handed to the system: the file is there under its name
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        atomic_write(tmp_path / "a", b"new")
    assert tree(tmp_path) == {"a": "old"}


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "missing" / "a", b"")
    assert not list(tmp_path.iterdir())


def test_files_and_folders_are_as_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    atomic_write(tmp_path / "atomic", b"")
    (tmp_path / "plain folder").mkdir()
    with atomic_folder(tmp_path / "atomic folder") as folder:
        (folder / "a").write_bytes(b"")
    modes = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    assert modes["plain"] == modes["atomic"]
    assert modes["plain folder"] == modes["atomic folder"]
    inside = tmp_path / "atomic folder" / "a"
    assert inside.stat().st_mode == modes["plain"]


# folders


def test_a_folder_appears_when_its_block_ends(tmp_path):
    path = tmp_path / "deep" / "out"
    with atomic_folder(path) as folder:
        (folder / "a").write_text("new")
        assert folder.parent == path.parent
        assert not path.exists()
    assert tree(tmp_path) == {"deep/out/a": "new"}


def test_a_folder_is_replaced_and_not_merged(older):
    with atomic_folder(older) as folder:
        (folder / "b").write_text("new")
        assert tree(older) == {"a": "old"}
    assert tree(older.parent) == {"out/b": "new"}
    assert os.listdir(older.parent) == ["out"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failing_block_leaves_the_old_folder(older, error):
    def fail(folder):
        (folder / "b").write_text("half")
        raise error("half")

    with pytest.raises(error, match="half"), atomic_folder(older) as folder:
        fail(folder)
    assert tree(older.parent) == {"out/a": "old"}
    assert os.listdir(older.parent) == ["out"]


def test_a_failing_block_makes_no_folder(tmp_path):
    with pytest.raises(ValueError, match="half"), atomic_folder(tmp_path / "out"):
        raise ValueError("half")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_old_folder_comes_back_if_the_new_one_cannot_take_its_place(
    older, monkeypatch, error
):
    calls = failing(monkeypatch, 2, error=error)
    with pytest.raises(error, match="disk full"), atomic_folder(older) as folder:
        (folder / "b").write_text("new")
    assert len(calls) == 3
    assert tree(older.parent) == {"out/a": "old"}
    assert os.listdir(older.parent) == ["out"]


def test_nothing_is_lost_if_even_the_way_back_fails(older, monkeypatch):
    calls = failing(monkeypatch, 2, 3)
    with pytest.raises(OSError, match="disk full"), atomic_folder(older) as folder:
        (folder / "b").write_text("new")
    assert len(calls) == 3
    # under a name of its own, but whole
    assert list(tree(older.parent).values()) == ["old"]
