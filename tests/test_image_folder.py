"""Pictures in a folder, in the order of their codes."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxlatent.data import image_folder
from jaxlatent.data.image_folder import picture_files, read_picture, read_pictures


def save(file, level, shape=(4, 6), mode="RGB"):
    Image.new(mode, shape[::-1], level).save(file)


def test_pictures_are_found_by_their_names(tmp_path):
    for name in ("b.png", "a.JPG", "c.webp", "sheet.png", "notes.txt", "d.gif"):
        (tmp_path / name).write_bytes(b"")
    names = [file.name for file in picture_files(tmp_path)]
    assert names == ["a.JPG", "b.png", "c.webp"]


def test_a_run_tells_its_own_order(tmp_path):
    for name in ("seed_10.png", "seed_2.png", "other.png"):
        (tmp_path / name).write_bytes(b"")
    pictures = ["seed_2.png", "seed_10.png"]
    record = {"command": "sample", "pictures": pictures}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert [file.name for file in picture_files(tmp_path)] == pictures
    # what another command wrote has no such order
    (tmp_path / "run.json").write_text('{"command": "edit"}')
    assert len(picture_files(tmp_path)) == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"command": "sample"}'])
def test_a_damaged_record_is_named(text, tmp_path):
    save(tmp_path / "a.png", (1, 2, 3))
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run.json: no record of a run"):
        picture_files(tmp_path)


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"^folder: .* holds no pictures"):
        picture_files(tmp_path)


def test_pixels_become_numbers_from_minus_one_to_one(tmp_path, monkeypatch):
    monkeypatch.setattr(image_folder, "BLOCK", 2)
    levels = [0, 51, 255]
    for index, level in enumerate(levels):
        save(tmp_path / f"{index}.png", (level, 0, 255))
    blocks = list(read_pictures(picture_files(tmp_path)))
    assert [block.shape for block in blocks] == [(2, 4, 6, 3), (1, 4, 6, 3)]
    values = np.concatenate(blocks)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[:, 0, 0, 0], [-1, -0.6, 1], atol=1e-6)
    np.testing.assert_array_equal(values[..., 1:], [[[[-1, 1]] * 6] * 4] * 3)


@pytest.mark.parametrize(
    ("mode", "level", "channels"), [("L", 7, 1), ("RGBA", (7, 8, 9, 0), 3)]
)
def test_grey_stays_grey_and_transparency_goes(mode, level, channels, tmp_path):
    save(tmp_path / "a.png", level, mode=mode)
    assert read_picture(tmp_path / "a.png").shape == (4, 6, channels)


def test_pictures_of_several_sizes_are_named(tmp_path):
    save(tmp_path / "a.png", (0, 0, 0))
    save(tmp_path / "b.png", (0, 0, 0), (4, 5))
    with pytest.raises(ValueError, match=r"^folder: .*b.png is \(4, 5, 3\), .*a.png"):
        list(read_pictures(picture_files(tmp_path)))
