"""Regions against the original's recorded masks, and at other sizes."""

import numpy as np
import pytest
from helpers import golden
from PIL import Image

from jaxlatent.data.regions import (
    LABELS,
    REGIONS,
    file_mask,
    label_mask,
    named_mask,
    picture_mask,
    rectangle_mask,
)

MASKS = golden("lowrank_masks_and_edit_a")
RECORDED = [key.removeprefix("coords/") for key in MASKS if key.startswith("coords/")]


def box(mask):
    """The first and last row and column inside."""
    rows, columns = np.nonzero(mask)
    return [rows.min(), rows.max(), columns.min(), columns.max()]


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_regions(name):
    assert REGIONS[name] == tuple(MASKS[f"coords/{name}"])
    mask = named_mask(name, 256)
    assert (mask.dtype, mask.shape) == (np.float32, (256, 256))
    assert box(mask) == MASKS[f"bbox_rowcol_inclusive/{name}"].tolist()
    assert mask.sum() == MASKS[f"count/{name}"]


def test_the_two_eyebrows():
    assert box(named_mask("eyebrow", 256)) == [119, 133, 46, 163]
    assert box(named_mask("eyebrow_fixed", 256)) == [98, 112, 67, 184]


@pytest.mark.parametrize("name", REGIONS)
def test_regions_scale_with_the_picture(name):
    small = named_mask(name, 256)
    large = named_mask(name, (1024, 512))
    assert np.array_equal(large, small.repeat(4, axis=0).repeat(2, axis=1))


def test_neighbours_neither_overlap_nor_leave_a_gap():
    """At a size that divides no edge."""
    top = rectangle_mask((35, 128, 70, 256), 50)
    middle = rectangle_mask((100, 128, 60, 256), 50)
    bottom = rectangle_mask((193, 128, 126, 256), 50)
    assert (top + middle + bottom == 1).all()


def test_rectangles_are_clipped():
    """Where the original's, from a negative row, is empty."""
    assert not MASKS["edge_mask_16"].any()
    row, column, height, width = MASKS["edge_coord"].tolist()
    expected = np.zeros((16, 16))
    top, left = row - height // 2, column - width // 2
    assert min(top, left) < 0
    expected[max(top, 0) : top + height, max(left, 0) : left + width] = 1
    found = rectangle_mask(MASKS["edge_coord"], 16, drawn_on=16)
    assert np.array_equal(found, expected)
    bottom = rectangle_mask(MASKS["edge_coord_bottom"], 16, drawn_on=16)
    assert np.array_equal(bottom, MASKS["edge_mask_bottom_16"])


@pytest.mark.parametrize("labels", [[1], [1, 3, 5]])
def test_recorded_labels(labels):
    recorded = MASKS["seg_mask_labels_" + "_".join(map(str, labels))]
    assert np.array_equal(label_mask(MASKS["seg"], labels), recorded)
    names = [LABELS[label] for label in labels]
    assert np.array_equal(label_mask(MASKS["seg"], names), recorded)


def test_pictures_of_masks():
    soft = np.array([[0, 0.25], [1, 0]])
    for given in (soft, soft.astype(np.float32)):
        assert np.array_equal(picture_mask(given, 2), soft)
    hard = soft > 0
    for given in (hard, hard.astype(np.uint8), 255 * hard.astype(np.uint8)):
        assert np.array_equal(picture_mask(given, 2), hard)
    assert picture_mask(np.uint8([[51, 0]]), (1, 2))[0, 0] == np.float32(0.2)
    large = picture_mask(soft, (4, 6), fit="stretch")
    assert np.array_equal(large, soft.repeat(2, axis=0).repeat(3, axis=1))
    assert np.array_equal(picture_mask(large, 2, fit="stretch"), soft)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: named_mask("ear", 256), r"region: 'ear' given; one of \['center0'"),
        (lambda: named_mask("eyes", 0), "size: 0 given"),
        (lambda: named_mask("point_eye", 16), "covers no pixel"),
        (lambda: rectangle_mask((1, 2, 3), 8), r"rectangle: \(1, 2, 3\) given"),
        (lambda: rectangle_mask((4, 4, 0, 2), 8), "with a positive height"),
        (lambda: rectangle_mask((4, 4, 1.5, 2), 8), "integers"),
        (lambda: rectangle_mask((300, 40, 9, 9), 256), "covers no pixel"),
        (lambda: rectangle_mask((9, 9, 99, 99), 8, drawn_on=8), "covers every pixel"),
        (lambda: label_mask(np.eye(2, dtype=int), "13"), "labels: '13' given; a list"),
        (lambda: label_mask(np.eye(2, dtype=int), ["beard"]), "labels: 'beard' given"),
        (lambda: label_mask(np.eye(2, dtype=int), []), r"labels: \[\] given"),
        (
            lambda: label_mask(np.eye(2, dtype=int), [7]),
            r"labels: \[7\] cover no.* 0, 1$",
        ),
        (lambda: picture_mask(np.eye(2), 4, fit="any"), "fit: 'any' given; one of"),
        (lambda: picture_mask(np.eye(2), (4, 6), fit="scale"), "other proportions"),
        (lambda: label_mask(np.eye(2), [1]), "segmentation: float64"),
        (
            lambda: picture_mask(np.eye(2), 4),
            r"given for pictures of \(4, 4\).*scale, ",
        ),
        (lambda: picture_mask(np.eye(2, dtype=int), 2), "mask: int64 given"),
        (lambda: picture_mask(2 * np.eye(2), 2), "outside of 0 to 1"),
        (lambda: picture_mask(np.full((2, 2), np.nan), 2), "outside of 0 to 1"),
        (lambda: picture_mask(np.ones((2, 2), bool), 2), "covers every pixel"),
        (lambda: picture_mask(np.zeros((2, 2, 3)), 2), r"mask: shape \(2, 2, 3\)"),
    ],
)
def test_what_is_no_region_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_masks_of_other_sizes():
    """Of 4 x 8 pixels, whose rows and columns can be told apart."""
    rows, columns = np.eye(4, 8) > 0, np.arange(8) % 2
    scaled = picture_mask(rows, (8, 16), fit="scale")
    np.testing.assert_array_equal(scaled, rows.repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_array_equal(picture_mask(scaled > 0, (4, 8), fit="scale"), rows)
    # the middle is kept
    square = picture_mask(rows, 4, fit="crop")
    np.testing.assert_array_equal(square, rows[:, 2:6])
    tall = picture_mask(rows, (8, 4), fit="crop")
    np.testing.assert_array_equal(
        tall, rows[:, 3:5].repeat(2, axis=0).repeat(2, axis=1)
    )
    wide = picture_mask(columns[None].repeat(4, axis=0) > 0, (4, 16), fit="crop")
    np.testing.assert_array_equal(wide, columns.repeat(2)[None].repeat(4, axis=0))
    squeezed = picture_mask(rows, 4, fit="stretch")
    np.testing.assert_array_equal(squeezed, rows[:, 1::2])


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ((512, 342), (256, 171), True),
        ((1024, 1023), (256, 256), True),
        ((683, 512), (171, 128), True),
        ((200, 300), (256, 256), False),
        ((256, 250), (256, 256), False),
        ((300, 200), (200, 300), False),
    ],
)
def test_proportions_are_the_same_but_for_rounding(one, other, alike):
    for mask, size in ((one, other), (other, one)):
        given = np.zeros(mask, bool)
        given[: mask[0] // 2] = True
        if alike:
            assert picture_mask(given, size, fit="scale").shape == size
        else:
            with pytest.raises(ValueError, match=r"^mask: .* other proportions; fit c"):
                picture_mask(given, size, fit="scale")


def test_masks_of_files(tmp_path):
    upper = np.zeros((4, 6), np.uint8)
    upper[:2] = 255
    wanted = (upper > 0).astype(np.float32)
    Image.fromarray(upper).save(tmp_path / "grey.png")
    np.save(tmp_path / "bright.npy", upper)
    for name in ("grey.png", "bright.npy"):
        np.testing.assert_array_equal(file_mask(tmp_path / name, (4, 6)), wanted)
    # 13 is the hair; a palette picture holds labels, whatever its colours
    np.save(tmp_path / "labels.npy", upper // 255 * 13)
    palette = Image.fromarray(upper // 255 * 13, mode="P")
    palette.putpalette([0, 0, 0] * 256)
    palette.save(tmp_path / "palette.png")
    for name in ("labels.npy", "palette.png"):
        for labels in ([13], ["hair"], [" 13 ", "nose"]):
            found = file_mask(tmp_path / name, (4, 6), labels=labels)
            np.testing.assert_array_equal(found, wanted)
    np.savez(tmp_path / "two.npz", a=upper, b=upper)
    with pytest.raises(ValueError, match=r"^mask: .* holds \['a', 'b'\]; one array"):
        file_mask(tmp_path / "two.npz", (4, 6))
    with pytest.raises(ValueError, match=r"^mask: .* is not a file"):
        file_mask(tmp_path / "gone.png", (4, 6))
    with pytest.raises(ValueError, match=r"^mask: .*other proportions"):
        file_mask(tmp_path / "grey.png", 8)
    assert file_mask(tmp_path / "grey.png", 8, fit="crop").sum() == 32
