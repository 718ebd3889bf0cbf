"""Files and folders are written whole or not at all; arrays are read with care."""

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from jaxlatent.files import (
    atomic_folder,
    atomic_write,
    encode_arrays,
    holds_arrays,
    keep_record,
    read_arrays,
)


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


# arrays


def npy(array, version=None, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), version, **options)
    return buffer.getvalue()


def archived(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ARRAYS = {
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "scalar": np.float32(2),
    "empty": np.ones((0, 3)),
    "flags": np.array([True, False]),
    "big-endian": np.arange(3, dtype=">i2"),
    "file": np.arange(4, dtype=np.uint8),
}


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_arrays_are_read_as_numpy_reads_them(tmp_path, version):
    members = {name: npy(array, version) for name, array in ARRAYS.items()}
    files = {name: archived({f"{name}.npy": members[name]}) for name in members}
    for name, array in ARRAYS.items():
        for content in (members[name], files[name]):
            (tmp_path / "a").write_bytes(content)
            assert holds_arrays(tmp_path / "a")
            found = read_arrays(tmp_path / "a")
            found = found if isinstance(found, np.ndarray) else found[name]
            np.testing.assert_array_equal(found, array)
            assert found.dtype == np.asarray(array).dtype


def test_named_arrays_go_round(tmp_path):
    (tmp_path / "a").write_bytes(encode_arrays(ARRAYS))
    found = read_arrays(tmp_path / "a")
    assert list(found) == list(ARRAYS)


def test_what_holds_no_arrays(tmp_path):
    for content in (
        b"",
        b"PK",
        b"PK\x03\x04",
        b"text",
        archived({"a/data.pkl": b"N."}),
    ):
        (tmp_path / "a").write_bytes(content)
        assert not holds_arrays(tmp_path / "a")


ONE = npy(np.arange(3.0))
UNUSUAL = "is compressed in an unusual way"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ONE[:-1], "takes 152 bytes; 151 are there"),
        (ONE + b"1", "takes 152 bytes; 153 are there"),
        (ONE.replace(b"(3,)", b"(3" + b"0" * 15 + b",)"), r"shape \(30+,\) of float64"),
        (ONE.replace(b"(3,)", b"(-1, -3)"), "negative|shape|-1"),
        (ONE.replace(b"<f8", b"|O8"), "an array of Python objects"),
        (ONE.replace(b"), }", b"),  "), "EOF"),
        (npy([{}], allow_pickle=True), "an array of Python objects"),
        (b"\x93NUMPY\x03\x00" + ONE[8:], r"version \(3, 0\) of NumPy's format"),
        (b"\x93NUMPY\x01\x00\xff\xff", "EOF|header"),
        (b"", "zip"),
        (archived({"a.npy": ONE[:-1]}), "'a': shape .* takes 152 bytes; 151 are there"),
        (archived({"a.npy": b""}), "'a': "),
        (archived({"a": ONE, "a.npy": ONE}), "two members are called 'a'"),
        (archived({"a.npy": ONE}, zipfile.ZIP_BZIP2), f"'a' {UNUSUAL}"),
        (archived({"a.npy": ONE}, zipfile.ZIP_LZMA), f"'a' {UNUSUAL}"),
    ],
)
def test_damaged_arrays_are_refused(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=f"not an array file: .*({message})"):
        read_arrays(tmp_path / "a")


def test_what_a_file_announces_is_never_allocated(tmp_path):
    zeros = npy(np.zeros(4_000_000))
    bomb = archived({"a.npy": zeros})
    # a directory that lies about its member's size is found out by its checksum
    lying = bomb.replace(len(zeros).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    for content in (bomb, lying):
        assert len(content) < 50_000
        (tmp_path / "a").write_bytes(content)
        tracemalloc.start()
        with pytest.raises(ValueError, match="not an array file"):
            read_arrays(tmp_path / "a")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000


def test_small_files_may_expand(tmp_path):
    (tmp_path / "a").write_bytes(archived({"a.npy": npy(np.zeros(100_000))}))
    assert read_arrays(tmp_path / "a")["a"].shape == (100_000,)


def test_a_missing_array_file_is_no_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "a")


def test_a_record_is_written_once_and_then_held_against(tmp_path):
    path = tmp_path / "record.json"
    values = {"rate": 0.1, "layers": (1, 2)}
    assert keep_record(path, values) == []
    written = path.read_bytes()
    assert keep_record(path, values) == []
    assert keep_record(path, {"rate": 0.2, "seed": 3}) == [
        "layers ([1, 2] there, nothing given)",
        "rate (0.1 there, 0.2 given)",
        "seed (nothing there, 3 given)",
    ]
    assert path.read_bytes() == written
    path.write_bytes(written[:-4])
    with pytest.raises(ValueError, match=r"record\.json is damaged"):
        keep_record(path, values)
