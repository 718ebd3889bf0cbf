"""Scores and labels from whatever file holds them, each number known."""

import numpy as np
import pytest
from writer import torch_legacy, torch_zip

from jaxlatent.loading import load_labels, load_scores


def torch_file(path, value):
    path.write_bytes(torch_zip(value))
    return path


@pytest.mark.parametrize("dtype", ["int64", "bool", "float64", "float16", "uint8"])
def test_scores_are_arrays_of_any_kind(dtype, tmp_path):
    values = np.asarray([0, 1, 1, 0]).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "b.npz", anything=values)
    np.savez(tmp_path / "c.npz", labels=values, codes=np.ones((4, 3)))
    torch_file(tmp_path / "d.pt", values)
    torch_file(tmp_path / "e.pth", {"y": values[:, None], "epoch": 3})
    (tmp_path / "f.pkl").write_bytes(torch_legacy(values))
    for name in ("a.npy", "b.npz", "c.npz", "d.pt", "e.pth", "f.pkl"):
        found = load_scores(tmp_path / name)
        assert found.values.tolist() == [[0], [1], [1], [0]]
        assert found.values.dtype == np.float64
        assert found.reading == "4 rows of 1 number"
    torch_file(tmp_path / "many.pt", np.stack([values, 1 - values], axis=1))
    found = load_scores(tmp_path / "many.pt")
    assert found.names == ("0", "1")
    assert found.values[1].tolist() in ([1, 0], [1, 255])


def test_scores_of_texts_keep_their_names(tmp_path):
    (tmp_path / "a.csv").write_text("file,smile,age\nb.png,1,10\na.png,0,20\n")
    found = load_scores(tmp_path / "a.csv")
    assert found.names == ("smile", "age")
    assert found.values.tolist() == [[1, 10], [0, 20]]
    assert found.reading.endswith("; rows are in the order of the file")
    found = load_scores(tmp_path / "a.csv", pictures=["a.png", "b.png"])
    assert found.values.tolist() == [[0, 20], [1, 10]]
    (tmp_path / "smile.txt").write_text("1\n0\n")
    assert load_scores(tmp_path / "smile.txt").names == ("smile",)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a.npy", np.ones((2, 2, 2)), r"float64 \(2, 2, 2\) given"),
        ("a.npy", np.ones(0), r"float64 \(0,\) given"),
        ("a.npy", np.asarray(["a"]), "<U1 "),
        ("a.npy", np.ones(2, complex), "complex128 "),
        ("a.npy", np.asarray([1, np.nan, 2]), r"row 1 holds \[nan\]; finite"),
        ("a.pt", np.asarray([[1, np.inf]]), r"row 0 holds \[1.0, inf\]; finite"),
        ("a.pt", {"a": np.ones(2), "b": np.ones(2)}, "it holds a, b, not one array"),
        ("a.pt", {"labels": "text"}, "it holds a str"),
        ("a.pt", {"labels": ["a", "b"]}, "it holds a list of other things"),
        ("a.csv", "a\nb\n", "it holds no column of numbers"),
        ("a.bin", "1\n2\n", "not a checkpoint"),
    ],
)
def test_what_holds_no_scores_is_named_with_what_does(name, value, message, tmp_path):
    path = tmp_path / name
    if isinstance(value, str):
        path.write_text(value)
    elif path.suffix == ".npy":
        np.save(path, value)
    else:
        torch_file(path, value)
    with pytest.raises(ValueError, match=rf"^scores: .*{name}: {message}") as caught:
        load_scores(path)
    assert str(caught.value).count("accepted are what score wrote; one array") == 1
    assert str(caught.value).count(str(path)) == 1
    assert "\n" not in str(caught.value)


def test_names_of_pictures_need_a_text(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(2))
    with pytest.raises(ValueError, match=r"^scores: .*a.npy: it names no pictures"):
        load_scores(tmp_path / "a.npy", pictures=["a.png", "b.png"])


@pytest.mark.parametrize(
    ("value", "count", "wanted"),
    [
        (np.float32([[0.25, 0.75, 0], [1, 0, 0]]), 3, "rows"),
        (np.int64([[0, 1, 1], [1, 0, 0]]), 3, "rows"),
        (np.asarray([[False, True, True]]), 3, "rows"),
        (np.float32([0.25, 0.75, 0]), 3, "row"),
        (np.float32([0, 1, 0]), 3, "row"),
        (np.asarray([False, True, True]), 3, "row"),
        (np.int64([2, 0, 1, 1]), 3, "classes"),
        (np.uint8([2]), 3, "classes"),
        # a label that is one number
        (np.float32([-0.5, 0.5, 2]), 1, "column"),
        (np.int64([3, 4]), 1, "column"),
    ],
)
def test_labels_of_arrays(value, count, wanted, tmp_path):
    np.save(tmp_path / "a.npy", value)
    torch_file(tmp_path / "a.pt", value)
    shape = {"row": (1, count), "column": (-1, 1)}.get(wanted, value.shape)
    for name in ("a.npy", "a.pt"):
        found, reading = load_labels(tmp_path / name, count)
        np.testing.assert_array_equal(found, value.reshape(shape).astype(np.float64))
        assert found.dtype == (np.int32 if wanted == "classes" else np.float32)
        assert reading.startswith(f"{tmp_path / name}: {len(value)} row")
        said = "class numbers" if wanted == "classes" else f"[{count}]"
        assert reading.endswith(said)


@pytest.mark.parametrize(
    ("text", "count", "wanted"),
    [
        ("0.2,0.8\n1,0\n", 2, [[0.2, 0.8], [1, 0]]),
        ("young,old\n0.2,0.8\n", 2, [[0.2, 0.8]]),
        ("1\n0\n3\n", 4, [1, 0, 3]),
        ("class\n1\n0\n3\n", 4, [1, 0, 3]),
        ("0.2\n0.8\n", 2, [[0.2, 0.8]]),
        ("-3\n2\n", 1, [[-3], [2]]),
        ("file,a\nx.png,1\ny.png,2\n", 3, [1, 2]),
    ],
)
def test_labels_of_texts(text, count, wanted, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    found, reading = load_labels(tmp_path / "a.csv", count)
    np.testing.assert_array_equal(found, np.asarray(wanted, found.dtype))
    assert np.issubdtype(found.dtype, np.integer) is (found.ndim == 1)
    assert "row" in reading


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones((2, 4)), r"\[2, 4\] found; \[N, 3\], \[3\] or class numbers"),
        (np.ones(4), r"\[4\] found; "),
        (np.int64([0, 3, -1]), r"\[3, -1\] given; classes 0 to 2"),
        (np.float32([np.nan, 0, 1]), r"row 0 holds \[nan\]; finite"),
        (np.ones((1, 1, 3)), r"float64 \(1, 1, 3\) given"),
    ],
)
def test_labels_that_do_not_fit_are_named(value, message, tmp_path):
    np.save(tmp_path / "a.npy", value)
    with pytest.raises(ValueError, match=rf"^label: .*a.npy: {message}"):
        load_labels(tmp_path / "a.npy", 3)
    with pytest.raises(ValueError, match=r"^label: .*gone.npy is not a file"):
        load_labels(tmp_path / "gone.npy", 3)
