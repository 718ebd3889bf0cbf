"""Pictures of any sizes as rows of one shape."""

import numpy as np
import pytest
from PIL import Image

from jaxlatent.data import picture_source
from jaxlatent.data.picture_source import default_side, open_pictures
from jaxlatent.training.sources import ahead, load_rows


def save(file, height, width, level=0, mode="L", **options):
    pixels = np.full((height, width), level, np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, **options)


@pytest.fixture
def folder(tmp_path):
    """A grey PNG, a coloured JPEG and a lossless WebP of three sizes."""
    save(tmp_path / "1.png", 8, 8, 10)
    save(tmp_path / "2.jpg", 20, 12, 200, "RGB")
    save(tmp_path / "10.webp", 9, 30, 90, "RGB", lossless=True)
    return tmp_path


def test_rows_are_the_pictures_in_natural_order(folder):
    source = open_pictures(folder)
    assert source.names == ("1.png", "2.jpg", "10.webp")
    assert (len(source), source.shape) == (3, (8, 8, 3))
    found = source.batch(np.array([2, 0, 2]))
    assert (found["image"].dtype, found["image"].shape) == (np.uint8, (3, 8, 8, 3))
    np.testing.assert_array_equal(found["image"][:, 0, 0, 0], [90, 10, 90])
    np.testing.assert_array_equal(found["number"], [2, 0, 2])
    assert found["number"].dtype == np.int32


def test_colours_become_grey_where_told_and_that_is_noted(folder):
    source = open_pictures(folder, 16, 1)
    assert source.batch(np.arange(3))["image"].shape == (3, 16, 16, 1)
    assert source.noted == {"coloured, taken as grey": {"2.jpg", "10.webp"}}
    assert open_pictures(folder / ".." / folder.name).noted == {}


def test_grey_pictures_alone_stay_grey(tmp_path):
    save(tmp_path / "a.png", 40, 50)
    assert open_pictures(tmp_path).shape == (64, 64, 1)
    assert open_pictures(tmp_path, channels=3).shape == (64, 64, 3)


def test_sides_reach_the_shortest():
    sizes = [(8, 90), (70, 80)]
    assert [default_side(sizes[n:]) for n in (0, 1)] == [8, 64]
    assert [default_side([(side, side)]) for side in (9, 28, 33, 500)] == [
        16,
        32,
        64,
        64,
    ]


def test_what_is_cut_off_lies_around_the_centre(tmp_path):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, 4:12] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (cropped,) = open_pictures(tmp_path).batch(np.arange(1))["image"]
    assert (cropped == 255).all()
    (squeezed,) = open_pictures(tmp_path, fit="stretch").batch(np.arange(1))["image"]
    assert squeezed[0, 0, 0] < 20 < 235 < squeezed[0, 4, 0]
    with pytest.raises(ValueError, match=r"a.png: .* have other proportions"):
        open_pictures(tmp_path, fit="scale")


@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_pictures_are_kept_where_they_fit(folder, monkeypatch, memory):
    monkeypatch.setattr(picture_source, "memory_bytes", lambda: memory)
    source = open_pictures(folder)
    first = source.batch(np.arange(3))
    for file in folder.iterdir():
        file.write_bytes(b"")
    if memory:
        again = source.batch(np.arange(3))
        np.testing.assert_array_equal(again["image"], first["image"])
    else:
        with pytest.raises(ValueError, match=r"1.png is damaged"):
            source.batch(np.arange(3))


def test_it_is_a_source(folder):
    numbers = np.array([[0, 1], [2, 0]])
    source = open_pictures(folder)
    ((_, loaded),) = ahead(lambda each: load_rows(source, each, 3), [numbers])
    assert loaded["image"].shape == (3, 2, 8, 8, 3)
    np.testing.assert_array_equal(loaded["number"], [[0, 1], [2, 0], [0, 0]])


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_arrays_are_pictures_too(tmp_path, ending):
    images = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8)).astype(np.float32)
    file = tmp_path / f"a.{ending}"
    if ending == "npy":
        np.save(file, images)
    else:
        np.savez(file, images=images, labels=np.arange(5), extra=images)
    source = open_pictures(file)
    found = source.batch(np.array([4, 1]))["image"]
    np.testing.assert_array_equal(found, images[[4, 1]][..., None])
    enlarged = open_pictures(file, 16, 3).batch(np.arange(5))["image"]
    assert (enlarged.shape, enlarged.dtype) == ((5, 16, 16, 3), np.float32)
    assert np.abs(enlarged).max() <= 1


def test_levels_of_arrays_stay_levels(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", pictures=images)
    found = open_pictures(tmp_path / "a.npz").batch(np.arange(2))["image"]
    np.testing.assert_array_equal(found, images)
    with pytest.raises(ValueError, match=r"channels: 1 given, but .* has colours"):
        open_pictures(tmp_path / "a.npz", channels=1)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({}, "holds nothing; one array of pictures"),
        ({"a": np.zeros((2, 8, 8)), "b": np.zeros((2, 8, 8))}, "holds a, b; one array"),
        ({"a": np.zeros((2, 3, 8, 8))}, r"float64 \(2, 3, 8, 8\) there"),
        ({"a": np.zeros((2, 8, 8), np.int64)}, r"int64 \(2, 8, 8, 1\) there"),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, arrays, said):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=f"^pictures: .*{said}"):
        open_pictures(tmp_path / "a.npz")


def test_values_beyond_the_range_are_named(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 8, 8), 16.0))
    with pytest.raises(ValueError, match=r"number 0 of .* has values to 16"):
        open_pictures(tmp_path / "a.npy").batch(np.arange(1))


def test_what_cannot_be_read_is_named_before_the_work(tmp_path):
    with pytest.raises(ValueError, match=r"^pictures: .* given; a folder that holds"):
        open_pictures(tmp_path)
    (tmp_path / "a.png").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"^pictures: .*a\.png is damaged or no"):
        open_pictures(tmp_path)
    (tmp_path / "b.npz").write_bytes(b"none")
    with pytest.raises(ValueError, match=r"^pictures: .*b\.npz: not an array file"):
        open_pictures(tmp_path / "b.npz")
    with pytest.raises(ValueError, match=r"^channels: 2 given"):
        open_pictures(tmp_path, channels=2)
