"""Masks and segmentations in the pictures and arrays that people paint and save."""

import numpy as np
import pytest
from PIL import Image
from test_pictures import png

from jaxlatent.data.mask_files import read_mask, read_segmentation
from jaxlatent.data.regions import file_mask

INSIDE = np.zeros((6, 8), bool)
INSIDE[1:3, 2:7] = True
LABELS = np.zeros((6, 8), np.uint8)
LABELS[1:3, 2:7] = 13
LABELS[4] = 1


def write(folder, pixels, mode=None, name="a.png", **options):
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if mode is not None:
        picture = Image.fromarray(pixels, mode)
    picture.save(folder / name, **options)
    return folder / name


def painted(inside, outside=(0, 0, 0), alpha=None):
    pixels = np.where(INSIDE[..., None], np.uint8(inside), np.uint8(outside))
    if alpha is None:
        return pixels
    levels = np.where(INSIDE, *np.uint8(alpha))
    return np.concatenate([pixels, levels[..., None]], axis=-1)


@pytest.mark.parametrize(
    "pixels",
    [
        INSIDE,
        np.uint8(255) * INSIDE,
        np.uint16(65535) * INSIDE,
        painted([255] * 3),
        painted([255] * 3, alpha=(255, 255)),
        # on transparency, whatever is painted and whatever hides
        painted([255] * 3, [255] * 3, alpha=(255, 0)),
        painted([0] * 3, [0] * 3, alpha=(255, 0)),
        painted([0] * 3, [9, 99, 200], alpha=(255, 0)),
        painted([250, 20, 20], alpha=(255, 0)),
    ],
)
def test_what_is_bright_or_painted_is_inside(pixels, tmp_path):
    found = file_mask(write(tmp_path, pixels), (6, 8))
    np.testing.assert_array_equal(found, INSIDE)


def test_soft_edges_are_kept(tmp_path):
    soft = np.uint8(51) + np.uint8(204) * INSIDE
    assert np.unique(file_mask(write(tmp_path, soft), (6, 8))).tolist() == [
        np.float32(0.2),
        1,
    ]
    brush = painted([0] * 3, alpha=(255, 51))
    assert read_mask(write(tmp_path, brush)).tolist() == soft.tolist()
    # half transparent everywhere tells nothing; the colours do
    veil = painted([255] * 3, alpha=(128, 128))
    np.testing.assert_array_equal(file_mask(write(tmp_path, veil), (6, 8)), INSIDE)


def test_zeros_and_ones_are_a_mask(tmp_path):
    for pixels in (INSIDE.astype(np.uint8), Image.fromarray(np.uint8(INSIDE), "L")):
        found = file_mask(write(tmp_path, pixels), (6, 8))
        np.testing.assert_array_equal(found, INSIDE)


def test_a_mask_in_colour_is_said(tmp_path):
    palette = Image.fromarray(INSIDE.astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    for pixels in (painted([128, 0, 0]), palette):
        with pytest.warns(UserWarning, match=r"^mask: .*a.png is painted in colour"):
            found = file_mask(write(tmp_path, pixels), (6, 8))
        np.testing.assert_array_equal(found, INSIDE)


def test_a_dim_mask_is_said(tmp_path):
    with pytest.warns(UserWarning, match=r"is 128 of 255 .* weighs 0.50 at most"):
        found = file_mask(write(tmp_path, np.uint8(128) * INSIDE), (6, 8))
    np.testing.assert_allclose(found, INSIDE * np.float32(128 / 255))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (painted([200, 10, 10], alpha=(0, 0)), "is transparent everywhere"),
        (painted([255] * 3, [0] * 3, alpha=(255, 90)), "colours and transparent"),
        (painted([200, 0, 0], [0, 200, 0]), "holds 2 colours; grey that is bright"),
        (np.uint16(200) * INSIDE, "16 bits, of which the lowest 8 alone"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(pixels, message, tmp_path):
    with pytest.raises(ValueError, match=rf"^mask: .*a.png .*{message}"):
        read_mask(write(tmp_path, pixels))


def test_masks_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = write(tmp_path, np.uint8(255) * INSIDE, exif=exif)
    np.testing.assert_array_equal(file_mask(path, (8, 6)), np.rot90(INSIDE, -1))
    palette = Image.fromarray(LABELS, "P")
    palette.putpalette([0] * 768)
    path = write(tmp_path, palette, exif=exif)
    np.testing.assert_array_equal(read_segmentation(path), np.rot90(LABELS, -1))


def test_labels_are_the_numbers_whatever_they_look_like(tmp_path):
    shuffled = np.random.default_rng(0).permutation(768).astype(np.uint8).tolist()
    palette = Image.fromarray(LABELS, "P")
    palette.putpalette(shuffled)
    opaque = np.stack([LABELS, np.full_like(LABELS, 255)], axis=-1)
    pictures = {
        "p.png": palette,
        "g.png": Image.fromarray(LABELS),
        "w.png": Image.fromarray(LABELS.astype(np.uint16)),
        "w.tif": Image.fromarray(LABELS.astype(np.uint16)),
        "i.tif": Image.fromarray(LABELS.astype(np.int32)),
        "f.tif": Image.fromarray(LABELS.astype(np.float32)),
        "c.png": Image.fromarray(np.stack([LABELS] * 3, axis=-1)),
        "a.png": Image.fromarray(opaque, "LA"),
        "g.bmp": Image.fromarray(LABELS),
    }
    for name, picture in pictures.items():
        found = read_segmentation(write(tmp_path, picture, name=name))
        np.testing.assert_array_equal(found, LABELS)
        assert found.dtype == np.int64
    many = LABELS.astype(np.uint16) * 1000
    found = file_mask(write(tmp_path, many), (6, 8), labels=[13000])
    np.testing.assert_array_equal(found, INSIDE)
    np.save(tmp_path / "a.npy", LABELS)
    found = file_mask(tmp_path / "a.npy", (6, 8), labels=["hair"])
    np.testing.assert_array_equal(found, INSIDE)


def test_labels_of_few_bits_are_not_spread(tmp_path):
    (tmp_path / "a.png").write_bytes(png(4, 2, 0, bytes([0b00011011])))
    assert read_segmentation(tmp_path / "a.png").tolist() == [[0, 1, 2, 3]]
    (tmp_path / "a.png").write_bytes(png(2, 4, 0, bytes([0x5D])))
    assert read_segmentation(tmp_path / "a.png").tolist() == [[5, 13]]
    (tmp_path / "a.png").write_bytes(png(8, 1, 0, bytes([0b00011011])))
    assert read_segmentation(tmp_path / "a.png").tolist() == [[0, 0, 0, 1, 1, 0, 1, 1]]


def test_a_segmentation_that_is_compressed_with_losses_is_said(tmp_path):
    path = write(tmp_path, Image.new("L", (8, 8), 13), name="a.jpg")
    with pytest.warns(UserWarning, match=r"^mask: .*a.jpg is a JPEG"):
        assert (read_segmentation(path) == 13).all()


@pytest.mark.parametrize(
    ("pixels", "mode", "message"),
    [
        (painted([200, 0, 0]), None, "holds colours, which are no labels"),
        (painted([9] * 3, alpha=(255, 0)), None, "is transparent in parts"),
        (np.full((4, 4, 4), 9, np.uint8), "CMYK", "is CMYK; a palette or grey"),
        (np.full((4, 4), 0.5, np.float32), None, "holds numbers that are not whole"),
    ],
)
def test_what_holds_no_labels_is_refused(pixels, mode, message, tmp_path):
    path = write(tmp_path, pixels, mode, name="a.tif")
    with pytest.raises(ValueError, match=rf"^mask: .*a.tif {message}"):
        read_segmentation(path)


def test_labels_that_are_not_there_are_named_with_those_that_are(tmp_path):
    path = write(tmp_path, LABELS)
    with pytest.raises(ValueError, match=r"^labels: \[5\] cover no .* holds 0, 1, 13$"):
        file_mask(path, (6, 8), labels=["5"])


def test_arrays_are_masks_as_they_are(tmp_path):
    np.save(tmp_path / "a.NPY.npy", INSIDE)
    (tmp_path / "a.NPY.npy").rename(tmp_path / "a.NPY")
    np.testing.assert_array_equal(file_mask(tmp_path / "a.NPY", (6, 8)), INSIDE)
    np.savez(tmp_path / "a.npz", anything=INSIDE)
    np.testing.assert_array_equal(file_mask(tmp_path / "a.npz", (6, 8)), INSIDE)
    for values, message in (
        (INSIDE[None], r"mask: shape \(1, 6, 8\) given; \[H, W\]"),
        (INSIDE.astype(np.int64), "mask: int64 given"),
        (INSIDE * 255.0, "outside of 0 to 1"),
    ):
        np.save(tmp_path / "b.npy", values)
        with pytest.raises(ValueError, match=message):
            file_mask(tmp_path / "b.npy", (6, 8))
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ValueError, match=r"^mask: .*b.npy: not an array file"):
        read_mask(tmp_path / "b.npy")
    (tmp_path / "b.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^mask: .*b.npy: not an array file"):
        read_mask(tmp_path / "b.npy")
