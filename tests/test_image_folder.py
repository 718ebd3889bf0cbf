"""Pictures in a folder, in the order of their codes."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxlatent.data import image_folder
from jaxlatent.data.image_folder import natural, open_folder


def save(file, level=(0, 0, 0), shape=(4, 6), mode="RGB"):
    Image.new(mode, shape[::-1], level).save(file, "PNG")


def all_of(folder):
    return np.concatenate(list(folder.read()))


def test_pictures_are_found_by_their_names(tmp_path):
    for name in ("b.png", "a.JPG", "c.webp", ".hidden.png", "._a.JPG"):
        save(tmp_path / name)
    for name in ("notes.txt", ".DS_Store", "Thumbs.db", "d.gif"):
        (tmp_path / name).write_bytes(b"")
    for name in ("more", "folder.png", "__MACOSX"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "inside.png")
    found = open_folder(tmp_path)
    assert found.names == ("a.JPG", "b.png", "c.webp")
    assert str(found) == (
        "3 pictures in natural order of their names (see order), the first a.JPG, the "
        "last c.webp"
    )


@pytest.mark.parametrize(
    "names",
    [
        ("0.png", "1.png", "2.png", "10.png", "11.png"),
        ("seed0002.png", "seed0010.png", "seed0100.png", "seed1000.png"),
        ("img9.png", "img010.png", "img11.png"),
        ("a2.png", "a10.png", "b1.png", "b2.png"),
        ("x_2_10.png", "x_10_2.png", "x_10_10.png"),
        ("a.png", "a1.png", "a1b.png", "a1c.png"),
        ("1.jpg", "1.png", "2.jpg"),
        ("A1.png", "a2.png", "A3.png"),
        ("01.png", "1.png", "02.png", "2.png"),
        ("000001.jpg", "000010.jpg", "202599.jpg"),
    ],
)
def test_numbers_in_names_count_as_numbers(names):
    for order in (names[::-1], sorted(names)):
        assert tuple(sorted(order, key=natural)) == names


def test_the_order_can_be_told(tmp_path):
    for name in ("2.png", "10.png"):
        save(tmp_path / name)
    assert open_folder(tmp_path).names == ("2.png", "10.png")
    found = open_folder(tmp_path, order="text")
    assert found.names == ("10.png", "2.png")
    assert "in text order of their names" in str(found)
    with pytest.raises(ValueError, match=r"^order: 'size' given; natural or text"):
        open_folder(tmp_path, order="size")


def test_a_run_tells_its_own_order(tmp_path):
    for name in ("seed_10.png", "seed_2.png", "other.png", "sheet.png"):
        save(tmp_path / name)
    pictures = ["seed_10.png", "seed_2.png"]
    record = {"command": "sample", "pictures": pictures}
    (tmp_path / "run.json").write_text(json.dumps(record))
    found = open_folder(tmp_path)
    assert found.names == tuple(pictures)
    assert "in the order of the run that drew them" in str(found)
    assert open_folder(tmp_path, order="natural").names[:2] == (
        "other.png",
        "seed_2.png",
    )
    # what another command wrote has no such order
    (tmp_path / "run.json").write_text('{"command": "edit"}')
    assert len(open_folder(tmp_path)) == 3
    # without a run, a sheet is a picture like any other
    (tmp_path / "run.json").unlink()
    assert len(open_folder(tmp_path)) == 4


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "[" * 100_000, '{"command": "sample"}'),
        '{"command": "sample", "pictures": "a.png"}',
        '{"command": "sample", "pictures": ["../a.png"]}',
        '{"command": "sample", "pictures": [3]}',
    ],
)
def test_a_damaged_record_is_named(text, tmp_path):
    save(tmp_path / "a.png", (1, 2, 3))
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run.json: no record of a run"):
        open_folder(tmp_path)


def test_what_a_run_drew_and_is_gone_is_named(tmp_path):
    record = {"command": "sample", "pictures": ["a.png"]}
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"^folder: .*a.png is not a file"):
        open_folder(tmp_path)


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"^folder: .* holds no pictures"):
        open_folder(tmp_path)


def test_a_damaged_picture_is_named_before_anything_is_read(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"^folder: .*b.png is damaged or no picture"):
        open_folder(tmp_path)
    (tmp_path / "b.png").unlink()
    (tmp_path / "b.png").symlink_to("gone.png")
    with pytest.raises(ValueError, match=r"^folder: .*b.png is not a file"):
        open_folder(tmp_path)


def test_a_truncated_picture_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"^folder: .*b.png is damaged: "):
        all_of(open_folder(tmp_path))


def test_pixels_become_numbers_from_minus_one_to_one(tmp_path, monkeypatch):
    monkeypatch.setattr(image_folder, "BLOCK", 2)
    levels = [0, 51, 255]
    for index, level in enumerate(levels):
        save(tmp_path / f"{index}.png", (level, 0, 255))
    blocks = list(open_folder(tmp_path).read())
    assert [block.shape for block in blocks] == [(2, 4, 6, 3), (1, 4, 6, 3)]
    values = np.concatenate(blocks)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[:, 0, 0, 0], [-1, -0.6, 1], atol=1e-6)
    np.testing.assert_array_equal(values[..., 1:], [[[[-1, 1]] * 6] * 4] * 3)


def test_grey_stays_grey_and_goes_along_with_colours(tmp_path):
    save(tmp_path / "a.png", 51, mode="L")
    assert all_of(open_folder(tmp_path)).shape == (1, 4, 6, 1)
    save(tmp_path / "b.png", (0, 255, 0))
    found = open_folder(tmp_path)
    assert found.channels == 3
    with pytest.warns(UserWarning, match=r"^folder: 1 of 2 .*first a.png\) are grey a"):
        values = all_of(found)
    np.testing.assert_allclose(values[:, 0, 0], [[-0.6] * 3, [-1, 1, -1]], atol=1e-6)


def test_transparency_is_said_once(tmp_path):
    for name, hidden in (("a.png", 0), ("b.png", 255)):
        save(tmp_path / name, (hidden, hidden, hidden, 0), mode="RGBA")
    with pytest.warns(UserWarning, match="^folder: 2 of 2 .* laid on black") as caught:
        values = all_of(open_folder(tmp_path, background="black"))
    assert len(caught) == 1
    assert (values == -1).all()


def test_pictures_of_several_sizes_are_named(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png", shape=(4, 5))
    with pytest.raises(ValueError, match=r"^folder: .*b.png is \(4, 5\), .*a.png"):
        open_folder(tmp_path)
    # of one size but for a turn, which shows when they are read, in whatever block
    monkeypatch.setattr(image_folder, "BLOCK", 1)
    save(tmp_path / "b.png", shape=(6, 4))
    with pytest.raises(ValueError, match=r"^folder: .*b.png is \(6, 4, 3\), .*a.png"):
        all_of(open_folder(tmp_path))
