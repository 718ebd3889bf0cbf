"""Files of labels: encodings, StyleGAN's json, and rows matched to pictures."""

import json

import numpy as np
import pytest

from jaxlatent.evaluation.label_files import is_label_file, read_label_file

NAMED = "file,smile,age\nx/a.png,1,10\nx/b.png,2,20\nx/c.png,3,30\n"


def write(folder, text, name="a.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def test_texts_are_told_by_their_names(tmp_path):
    assert all(is_label_file(tmp_path / f"a.{end}") for end in ("csv", "TSV", "txt"))
    assert not is_label_file(tmp_path / "a.npy")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_spreadsheets(encoding, tmp_path):
    found = read_label_file(write(tmp_path, "größe;b\n1;2\n", encoding=encoding))
    assert found.names == ("größe", "b")
    assert found.values.tolist() == [[1, 2]]
    assert found.reading == (
        "1 row of 2 numbers, separated by semicolons, with a header"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (b"\xff\xfe\xfa", "no text"),
        (b"1\n\xe9\n", "no text in UTF-8"),
        (b"1\n\0\n", "no text"),
        (b"1\nx\n", "line 2, column '0': 'x' is no number"),
    ],
)
def test_what_is_accepted_is_said(data, message, tmp_path):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(ValueError, match=rf"^{message}.*; accepted are .*\.npy, "):
        read_label_file(tmp_path / "a.csv")


def test_stylegan_s_json(tmp_path):
    labels = [["00000/img00000000.png", 6], ["00000/img00000001.png", 2]]
    path = write(tmp_path, json.dumps({"labels": labels}), "dataset.json")
    found = read_label_file(path)
    assert found.values.tolist() == [[6], [2]]
    assert found.pictures == ("00000/img00000000.png", "00000/img00000001.png")
    labels = [["a.png", [0.5, 1]], ["b.png", [2, -1]]]
    path = write(tmp_path, json.dumps({"labels": labels}), "dataset.json")
    assert read_label_file(path).values.tolist() == [[0.5, 1], [2, -1]]


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[]", '{"labels": null}', '{"labels": []}', "{", "[" * 100_000),
        '{"labels": [["a.png"]]}',
        '{"labels": [[3, 1]]}',
        '{"labels": [["a.png", "b"]]}',
        '{"labels": [["a.png", []]]}',
        '{"labels": [["a.png", NaN]]}',
        '{"labels": [["a.png", 1e999]]}',
        '{"labels": [["a.png", 1' + "0" * 400 + "]]}",
        '{"labels": [["a.png", 1], ["b.png", [1, 2]]]}',
    ],
)
def test_other_json_is_refused(text, tmp_path):
    with pytest.raises(ValueError, match="; accepted are ") as caught:
        read_label_file(write(tmp_path, text, "dataset.json"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "pictures", [("c.png", "a.png"), ("c.jpg", "a.jpg"), ("c.png", "a.webp")]
)
def test_rows_are_matched_to_pictures(pictures, tmp_path):
    found = read_label_file(write(tmp_path, NAMED)).ordered(pictures)
    assert found.values.tolist() == [[3, 30], [1, 10]]
    assert found.pictures == pictures
    assert "rows put in the order of 2 pictures" in found.reading


def test_rows_without_endings_are_matched(tmp_path):
    text = NAMED.replace(".png", "").replace("x/", "x\\")
    found = read_label_file(write(tmp_path, text)).ordered(("b.png",))
    assert found.values.tolist() == [[2, 20]]


def test_what_cannot_be_matched_is_named(tmp_path):
    found = read_label_file(write(tmp_path, NAMED))
    with pytest.raises(ValueError, match=r"^picture d stands there 0 times$"):
        found.ordered(("a.png", "d.png"))
    twice = read_label_file(write(tmp_path, NAMED + "y/a.png,4,40\n"))
    with pytest.raises(ValueError, match=r"^picture a.png stands there 2 times$"):
        twice.ordered(("a.png",))
    numbers = read_label_file(write(tmp_path, "1\n2\n"))
    with pytest.raises(ValueError, match=r"^no column names pictures"):
        numbers.ordered(("a.png",))
    np.testing.assert_array_equal(numbers.values, [[1], [2]])
