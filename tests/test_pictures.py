"""Pictures of every kind that PIL writes, or that PNG allows, with known pixels."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxlatent.data.pictures import read_header, read_picture

COLOURS = np.uint8([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [90, 60, 30]]])
GREY = np.uint8([[0, 85], [170, 255]])


def png(width, depth, kind, row, *chunks):
    """A PNG of one row, as no writer of PIL's makes it."""

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", head),
            *(chunk(name, data) for name, data in chunks),
            chunk(b"IDAT", zlib.compress(b"\0" + row)),
            chunk(b"IEND", b""),
        ]
    )


def read(folder, picture, name="a.png", background="white", **options):
    """What is read of a picture that PIL, or `png`, writes."""
    if isinstance(picture, bytes):
        (folder / name).write_bytes(picture)
    else:
        picture.save(folder / name, **options)
    return read_picture(folder / name, background=background)


def test_colours_and_grey_stay_as_they_are(tmp_path):
    for name in ("a.png", "a.bmp", "a.tif", "a.ppm", "a.TIFF"):
        found = read(tmp_path, Image.fromarray(COLOURS), name)
        np.testing.assert_array_equal(found.pixels, COLOURS)
        assert found.notes == ()
    for name in ("g.png", "g.bmp", "g.tif", "g.pgm"):
        found = read(tmp_path, Image.fromarray(GREY), name)
        np.testing.assert_array_equal(found.pixels, GREY[..., None])
    found = read(tmp_path, Image.fromarray(COLOURS), "a.webp", lossless=True)
    np.testing.assert_array_equal(found.pixels, COLOURS)
    # what a file is called does not matter
    found = read(tmp_path, Image.fromarray(COLOURS), "b.jpg", format="PNG")
    np.testing.assert_array_equal(found.pixels, COLOURS)
    one_bit = Image.fromarray(GREY > 100)
    assert one_bit.mode == "1"
    found = read(tmp_path, one_bit)
    assert found.pixels[..., 0].tolist() == [[0, 0], [255, 255]]
    assert read_header(tmp_path / "a.png") == ((2, 2), True)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (2, lambda x: x[:, ::-1]),
        (3, lambda x: x[::-1, ::-1]),
        (4, lambda x: x[::-1]),
        (5, lambda x: x.swapaxes(0, 1)),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: np.rot90(x, 2).swapaxes(0, 1)),
        (8, np.rot90),
    ],
)
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_pictures_are_turned_upright(name, orientation, turned, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    options = {"lossless": True, "exact": True} if name == "a.webp" else {}
    found = read(tmp_path, Image.fromarray(pixels), name, exif=exif, **options)
    np.testing.assert_array_equal(found.pixels, turned(pixels))


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = np.zeros((32, 64), np.uint8)
    halves[:, :32] = 255
    found = read(tmp_path, Image.fromarray(halves), "a.jpg", exif=exif)
    assert found.pixels.shape == (64, 32, 1)
    assert found.pixels[:32].min() > 250
    assert found.pixels[32:].max() < 5


@pytest.mark.parametrize(
    ("background", "level"), [("white", 255), ("grey", 128), ("black", 0)]
)
def test_transparent_pixels_show_the_background_alone(background, level, tmp_path):
    for hidden in (0, 99, 255):
        pixels = np.full((2, 2, 4), hidden, np.uint8)
        pixels[..., 3] = 0
        pixels[0, 0] = (200, 60, 30, 255)
        pixels[0, 1] = (100, 0, 200, 51)
        found = read(tmp_path, Image.fromarray(pixels), background=background)
        half = [round(0.2 * one + 0.8 * level) for one in (100, 0, 200)]
        assert found.pixels[0].tolist() == [[200, 60, 30], half]
        assert (found.pixels[1] == level).all()
        assert found.notes == (f"transparent, laid on {background} (see background)",)
    # nothing is transparent, so nothing is said
    pixels[..., 3] = 255
    assert read(tmp_path, Image.fromarray(pixels)).notes == ()


def test_transparency_of_every_kind(tmp_path):
    both = np.stack([GREY, np.uint8([[255, 255], [0, 255]])], axis=-1)
    laid = [[0, 85], [255, 255]]
    found = read(tmp_path, Image.fromarray(both, "LA"))
    assert found.pixels[..., 0].tolist() == laid
    assert read_header(tmp_path / "a.png").grey
    # one level of grey, in 8, 16, 4, 2 and 1 bits, and one colour
    found = read(tmp_path, Image.fromarray(GREY), transparency=170)
    assert found.pixels[..., 0].tolist() == laid
    levels = np.uint8([0, 1, 2, 3])
    row = bytes([0b00011011])
    found = read(tmp_path, png(4, 2, 0, row, (b"tRNS", b"\0\2")))
    assert found.pixels[0, :, 0].tolist() == [0, 85, 255, 255]
    found = read(tmp_path, png(2, 4, 0, bytes([0x2A]), (b"tRNS", b"\0\2")))
    assert found.pixels[0, :, 0].tolist() == [255, 170]
    found = read(tmp_path, png(8, 1, 0, row, (b"tRNS", b"\0\0")))
    assert (found.pixels == 255).all()
    wide = struct.pack(">4H", 0, 1, 257, 65535)
    found = read(tmp_path, png(4, 16, 0, wide, (b"tRNS", b"\0\1")))
    assert found.pixels[0, :, 0].tolist() == [0, 255, 1, 255]
    found = read(tmp_path, Image.fromarray(COLOURS), transparency=(0, 0, 255))
    assert found.pixels[1, 0].tolist() == [255] * 3
    assert found.pixels[0].tolist() == COLOURS[0].tolist()
    # palettes, whose levels of transparency are those of their colours
    palette = Image.fromarray(levels.reshape(2, 2), "P")
    palette.putpalette([0, 0, 0, 10, 20, 30, 50, 60, 70, 200, 200, 200])
    assert read(tmp_path, palette).pixels[0, 1].tolist() == [10, 20, 30]
    found = read(tmp_path, palette, transparency=bytes([255, 0, 51, 255]))
    half = [round(0.2 * one + 0.8 * 255) for one in (50, 60, 70)]
    assert found.pixels[0].tolist() == [[0] * 3, [255] * 3]
    assert found.pixels[1].tolist() == [half, [200] * 3]
    found = read(tmp_path, palette, "a.gif", transparency=3)
    assert found.pixels[1, 1].tolist() == [255] * 3


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    values = np.uint16([[0, 257], [32768, 65535]])
    for name in ("a.png", "a.tif", "a.pgm"):
        found = read(tmp_path, Image.fromarray(values), name)
        assert found.pixels[..., 0].tolist() == [[0, 1], [128, 255]]
        assert found.notes == ()
    colours = struct.pack(">6H", 0, 25700, 65535, 257, 32896, 514)
    found = read(tmp_path, png(2, 16, 2, colours))
    assert found.pixels.tolist() == [[[0, 100, 255], [1, 128, 2]]]
    found = read(tmp_path, png(1, 16, 4, struct.pack(">2H", 25700, 65535)))
    assert found.pixels[0, 0].tolist() in ([100], [100] * 3)
    found = read(tmp_path, Image.fromarray(np.uint16([[0, 200]])))
    assert found.notes == ("16 bits, of which the lowest 8 alone are used",)
    found = read(tmp_path, Image.fromarray(np.float32([[0, 0.2], [1, 0.5]])), "f.tif")
    assert found.pixels[..., 0].tolist() == [[0, 51], [255, 128]]


def test_cmyk_is_read_as_light(tmp_path):
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[..., 1] = 255  # magenta
    for name in ("a.tif", "a.jpg"):
        found = read(tmp_path, Image.fromarray(inks, "CMYK"), name, quality=100)
        assert np.abs(found.pixels.astype(int) - (255, 0, 255)).max() < 6
        assert found.notes == ("CMYK, without its colour profile",)


def test_a_camera_s_preview_is_no_second_picture(tmp_path):
    one, two = (Image.new("RGB", (8, 8), colour) for colour in ("white", "black"))
    one.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[two])
    assert read_picture(tmp_path / "a.jpg").pixels.min() > 250


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_several_pictures_in_a_file_are_refused(name, tmp_path):
    frames = [Image.new("RGB", (4, 4), one) for one in ("red", "lime", "blue")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=rf"^picture: .*{name} holds 3 pictures; one"):
        read_picture(tmp_path / name)


def test_what_is_no_sound_picture_is_named(tmp_path):
    Image.fromarray(np.random.default_rng(0).bytes(3072) and
                    np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
                    ).save(tmp_path / "whole.png")  # fmt: skip
    whole = (tmp_path / "whole.png").read_bytes()
    texts = {
        "none.png": (None, "is not a file"),
        "empty.png": (b"", "is damaged or no picture; PNG, JPEG"),
        "text.png": (b"a line\n", "is damaged or no picture"),
        "half.png": (whole[: len(whole) // 2], "is damaged: "),
        "head.png": (whole[:30], "is damaged"),
        "zero.png": (png(0, 8, 0, b""), "is damaged or no picture"),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is damaged or no picture"),
        "deep.png": (
            png(1, 16, 2, bytes(6), (b"tRNS", b"\1\0\1\0\1\0")),
            "transparent colour of 16 bits",
        ),
    }
    for name, (data, message) in texts.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f"^it: .*{name} .*{message}") as caught:
            read_picture(tmp_path / name, argument="it")
        assert "\n" not in str(caught.value)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match="is not a file"):
        read_picture(tmp_path / "folder.png")
    numbers = {"many.tif": np.int32([[0, 9]]), "far.tif": np.float32([[0, 9]])}
    for name, values in numbers.items():
        Image.fromarray(values).save(tmp_path / name)
        with pytest.raises(ValueError, match=rf"^picture: .*{name} holds "):
            read_picture(tmp_path / name)
    with pytest.raises(ValueError, match=r"^background: 'blue' given; white"):
        read_picture(tmp_path / "whole.png", background="blue")


def test_a_bomb_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(png(2**31 - 1, 1, 0, bytes(8)))
    with pytest.raises(ValueError, match=r"^picture: .*a.png has more than \d+ pixels"):
        read_picture(tmp_path / "a.png")
    # PIL itself only warns of this one
    Image.new("1", (9500, 9500)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b.png has more than"):
        read_picture(tmp_path / "b.png")


def test_a_link_is_the_picture_that_it_leads_to(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png").pixels, COLOURS)
    (tmp_path / "c.png").symlink_to("gone.png")
    with pytest.raises(ValueError, match=r"c.png is not a file"):
        read_picture(tmp_path / "c.png")
