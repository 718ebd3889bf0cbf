"""Pictures of any kind, as a generator would have drawn them."""

import numpy as np
import pytest
from PIL import Image

from jaxlatent.data.photographs import read_photographs


def save(folder, name, pixels, mode=None, **options):
    Image.fromarray(np.asarray(pixels), mode).save(folder / name, **options)
    return folder / name


def gradient(height=6, width=4):
    ramp = np.arange(height * width, dtype=np.uint8).reshape(height, width) * 9
    return np.stack([ramp, ramp // 2, 255 - ramp], axis=-1)


def test_pixels_come_back_in_their_range(tmp_path):
    file = save(tmp_path, "a.png", gradient())
    found, notes = read_photographs([file], (6, 4, 3))
    np.testing.assert_allclose(found[0], gradient() / 127.5 - 1, atol=1e-6)
    assert found.dtype == np.float32
    assert not notes


def test_a_turned_photograph_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    turned = np.rot90(gradient()).copy()
    file = save(tmp_path, "a.png", turned, exif=exif)
    found, _ = read_photographs([file], (6, 4, 3))
    np.testing.assert_allclose(found[0], gradient() / 127.5 - 1, atol=1e-6)


def test_sixteen_bits_and_transparency(tmp_path):
    wide = (gradient()[..., 0].astype(np.uint16)) * 257
    found, _ = read_photographs([save(tmp_path, "a.png", wide)], (6, 4, 1))
    np.testing.assert_allclose(found[0, ..., 0] * 127.5 + 127.5, wide / 257, atol=1e-4)
    alpha = np.full((6, 4, 1), 255, np.uint8)
    alpha[:3] = 0
    seen = save(tmp_path, "b.png", np.concatenate([gradient(), alpha], axis=-1))
    for background, level in (("white", 1), ("black", -1)):
        found, notes = read_photographs([seen], (6, 4, 3), background=background)
        np.testing.assert_allclose(found[0, :3], level, atol=1e-6)
        assert any("laid on" in note for note in notes)
    kept, notes = read_photographs([seen], (6, 4, 4))
    np.testing.assert_allclose(kept[0, :, :, 3], alpha[..., 0] / 127.5 - 1, atol=1e-6)
    assert not notes


def test_colours_and_grey(tmp_path):
    grey = save(tmp_path, "grey.png", gradient()[..., 0])
    colour = save(tmp_path, "colour.png", gradient())
    both, _ = read_photographs([grey, colour], (6, 4, 3))
    np.testing.assert_array_equal(both[0, ..., 0], both[0, ..., 2])
    dull, notes = read_photographs([colour], (6, 4, 1))
    luma = gradient() @ np.asarray([0.299, 0.587, 0.114])
    np.testing.assert_allclose(dull[0, ..., 0] * 127.5 + 127.5, luma, atol=1)
    assert notes == {"coloured, taken as grey": ["colour.png"]}
    seen, _ = read_photographs([grey], (6, 4, 2))
    np.testing.assert_array_equal(seen[..., 1], 1)


def test_sizes_are_fitted(tmp_path):
    flat = np.full((12, 16, 3), 100, np.uint8)
    flat[:, :2], flat[:, -2:] = 0, 255
    file = save(tmp_path, "a.png", flat)
    small, _ = read_photographs([file], (6, 8, 3))
    assert small.shape == (1, 6, 8, 3)
    cut, _ = read_photographs([file], (12, 12, 3), fit="crop")
    np.testing.assert_allclose(cut, 100 / 127.5 - 1, atol=1e-6)
    squeezed, _ = read_photographs([file], (6, 6, 3), fit="stretch")
    assert squeezed[0, :, 0].max() < squeezed[0, :, 3].min()
    large, _ = read_photographs([file], (24, 32, 3))
    np.testing.assert_allclose(large[0, :, 12:20], 100 / 127.5 - 1, atol=0.02)


@pytest.mark.parametrize(
    ("name", "fit", "said"),
    [
        ("a.png", "scale", r"pictures: .*a.png: \(6, 4\) given .* fit crop"),
        ("a.png", "same", "the same size is accepted"),
        ("a.png", "bend", "fit: 'bend' given"),
        ("none.png", "scale", "none.png is not a file"),
        ("text.png", "scale", "text.png is damaged or no picture"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, fit, said):
    save(tmp_path, "a.png", gradient())
    (tmp_path / "text.png").write_text("a letter")
    with pytest.raises(ValueError, match=said):
        read_photographs([tmp_path / name], (5, 5, 3), fit=fit)
