import base64
import hashlib
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxlatent.gallery import (
    Gallery,
    Row,
    enlarge,
    grid,
    over_white,
    save_gif,
    save_png,
    shrink,
    strength_labels,
    to_uint8,
    write_page,
)

EVIL = "\"><script>alert('x')</script> & $title </script><img src=x onerror=y>"


def random_pictures(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


# pictures


def test_to_uint8_by_hand():
    values = np.array([-1.0, -0.5, 0.0, 0.5, 1.0, -7.0, 7.0, -0.996, 0.01])
    # x * 127.5 + 128 = 0.5, 64.25, 128, 191.75, 255.5, low, high, 1.01, 129.275
    expected = [0, 64, 128, 191, 255, 0, 255, 1, 129]
    for dtype in (np.float32, np.float64):
        pixels = to_uint8(values.astype(dtype).reshape(3, 3, 1))
        assert pixels.dtype == np.uint8
        assert pixels.ravel().tolist() == expected


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_to_uint8_takes_jax_arrays_of_any_float(dtype):
    images = jnp.full((2, 3, 4, 3), 0.5, dtype)
    assert (to_uint8(images) == 191).all()


def test_to_uint8_clips_infinity_and_keeps_pictures():
    pixels = to_uint8(np.array([np.inf, -np.inf, 1e30], np.float32).reshape(1, 1, 3))
    assert pixels.ravel().tolist() == [255, 0, 255]
    pictures = random_pictures(2, 3, 4, 1)
    assert to_uint8(pictures) is pictures


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (np.full((2, 2, 1), np.nan), ValueError, "NaN"),
        (np.zeros((2, 2)), ValueError, r"shape \(2, 2\)"),
        (np.zeros((2, 2, 5)), ValueError, r"3 \(colours\) or 4 .*\(2, 2, 5\)"),
        (np.zeros((0, 2, 2, 3)), ValueError, "not empty"),
        (np.zeros((2, 2, 1), np.int32), TypeError, "int32"),
        (np.zeros((2, 2, 1), bool), TypeError, "bool"),
    ],
)
def test_to_uint8_names_the_argument(images, error, words):
    with pytest.raises(error, match=f"^faces .*{words}"):
        to_uint8(images, name="faces")


def test_enlarge_repeats_whole_pixels():
    pictures = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)[..., None]
    larger = enlarge(pictures, least=3)
    expected = [
        [1, 1, 2, 2, 3, 3],
        [1, 1, 2, 2, 3, 3],
        [4, 4, 5, 5, 6, 6],
        [4, 4, 5, 5, 6, 6],
    ]
    assert larger[..., 0].tolist() == expected
    assert enlarge(pictures, least=2).shape == (2, 3, 1)
    assert enlarge(random_pictures(2, 5, 28, 28, 3)).shape == (2, 5, 140, 140, 3)
    with pytest.raises(ValueError, match="least"):
        enlarge(pictures, least=0)


def test_shrink_keeps_aspect_and_small_pictures():
    flat = np.full((2, 3, 40, 80, 3), 77, np.uint8)
    small = shrink(flat, most=20)
    assert small.shape == (2, 3, 10, 20, 3)
    assert (small == 77).all()
    assert shrink(flat[..., :1], most=20).shape == (2, 3, 10, 20, 1)
    assert shrink(flat[..., :2], most=20).shape == (2, 3, 10, 20, 2)
    assert shrink(flat, most=80) is flat
    with pytest.raises(ValueError, match="most"):
        shrink(flat, most=0)


def test_grid_places_every_pixel():
    pictures = np.array([10, 20, 30], np.uint8).reshape(3, 1, 1, 1)
    sheet = grid(pictures, columns=2, gap=1)
    w = 255
    expected = [[10, w, 20], [w, w, w], [30, w, w]]
    assert sheet.dtype == np.uint8
    for channel in range(3):
        assert sheet[..., channel].tolist() == expected


def test_hidden_colours_do_not_shine_through_when_pictures_shrink():
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[:, ::2] = (200, 100, 50, 255)
    picture[:, 1::2] = (255, 255, 255, 0)  # transparent, of another colour
    small = shrink(picture, most=4)
    inside = small[1:-1, 1:-1].astype(int)
    assert np.abs(inside[..., :3] - (200, 100, 50)).max() <= 2
    assert (inside[..., 3] < 255).all()


def test_grids_keep_alpha():
    pictures = random_pictures(2, 3, 4, 4)
    sheet = grid(pictures, gap=1)
    assert sheet.shape == (3, 9, 4)
    np.testing.assert_array_equal(sheet[:, :4], pictures[0])
    assert (sheet[:, 4] == 255).all()
    grey = random_pictures(2, 3, 4, 2)
    sheet = grid(grey, gap=0)
    np.testing.assert_array_equal(sheet[:, :4, 3], grey[0, ..., 1])
    for channel in range(3):
        np.testing.assert_array_equal(sheet[:, 4:, channel], grey[1, ..., 0])


def test_over_white_by_hand():
    picture = np.array([[[100, 0], [100, 255], [100, 51]]], np.uint8)
    # 100 / 5 + 255 * 4 / 5 = 224
    assert over_white(picture).tolist() == [[[255], [100], [224]]]
    colours = np.array([[[0, 100, 255, 51]]], np.uint8)
    assert over_white(colours).tolist() == [[[204, 224, 255]]]
    assert over_white(np.array([[[1.0, -1.0]]])).tolist() == [[[255]]]
    plain = random_pictures(2, 3, 3)
    assert over_white(plain) is plain


def test_grid_of_rows_and_strengths():
    pictures = random_pictures(2, 3, 4, 5, 3)
    sheet = grid(pictures, gap=2)
    assert sheet.shape == (2 * 4 + 2, 3 * 5 + 2 * 2, 3)
    for row in range(2):
        for step in range(3):
            top, left = row * 6, step * 7
            cell = sheet[top : top + 4, left : left + 5]
            np.testing.assert_array_equal(cell, pictures[row, step])
    assert (sheet[4:6] == 255).all()
    assert (sheet[:, 5:7] == 255).all()


def test_grid_defaults_to_a_square():
    assert grid(random_pictures(5, 4, 4, 1), gap=0).shape == (8, 12, 3)
    assert grid(np.zeros((4, 4, 4, 3)), gap=0)[0, 0].tolist() == [128] * 3


@pytest.mark.parametrize(
    ("shape", "arguments", "words"),
    [
        ((4, 4, 3), {}, "images must be"),
        ((2, 2, 4, 4, 3), {"columns": 2}, "columns"),
        ((2, 4, 4, 3), {"columns": 0}, "columns"),
        ((2, 4, 4, 3), {"gap": -1}, "gap"),
    ],
)
def test_grid_errors(shape, arguments, words):
    with pytest.raises(ValueError, match=words):
        grid(random_pictures(*shape), **arguments)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_round_trip(tmp_path, channels):
    picture = random_pictures(9, 13, channels)
    save_png(tmp_path / "a.png", picture)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
        np.testing.assert_array_equal(np.asarray(image).reshape(9, 13, -1), picture)
    with pytest.raises(ValueError, match="picture must be one"):
        save_png(tmp_path / "b.png", picture[None])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_importing_does_not_import_pillow():
    code = "import sys, jaxlatent.gallery; assert 'PIL' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# animation


def gif_frames(path):
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        frames, durations = [], []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
    return np.stack(frames), durations


@pytest.mark.parametrize("channels", [1, 3])
def test_gif_plays_forth_and_back(tmp_path, channels):
    levels = np.array([0, 50, 120, 255], np.uint8).reshape(4, 1, 1, 1)
    frames = np.broadcast_to(levels, (4, 6, 10, channels))
    save_gif(tmp_path / "a.gif", frames, seconds=1.2)
    shown, durations = gif_frames(tmp_path / "a.gif")
    assert shown[:, 0, 0, 0].tolist() == [0, 50, 120, 255, 120, 50]
    assert shown.shape == (6, 6, 10, 3)
    assert durations == [200] * 6


def test_gif_with_few_colours_is_exact(tmp_path):
    frames = random_pictures(3, 4, 7, 3)
    save_gif(tmp_path / "a.gif", frames)
    shown, _ = gif_frames(tmp_path / "a.gif")
    np.testing.assert_array_equal(shown, frames[[0, 1, 2, 1]])


def smooth_frames(number=4, size=48):
    y, x, t = np.meshgrid(
        *(np.linspace(-1, 1, n) for n in (size, size, number)), indexing="ij"
    )
    channels = [np.sin(2 * x + t), np.cos(2 * y - t), x * y]
    return np.moveaxis(np.stack(channels, -1), 2, 0)


@pytest.mark.parametrize("channels", [2, 4])
def test_gif_shows_alpha_over_white(tmp_path, channels):
    frames = np.full((2, 4, 6, channels), 100, np.uint8)
    frames[0, ..., -1], frames[1, ..., -1] = 255, 51
    save_gif(tmp_path / "a.gif", frames)
    shown, _ = gif_frames(tmp_path / "a.gif")
    assert np.unique(shown[0]).tolist() == [100]
    assert np.unique(shown[1]).tolist() == [224]


def test_gif_of_photographs_has_one_palette_and_fits(tmp_path):
    frames = smooth_frames()
    save_gif(tmp_path / "a.gif", frames)
    shown, _ = gif_frames(tmp_path / "a.gif")
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= 256
    expected = to_uint8(frames)[[0, 1, 2, 3, 2, 1]].astype(int)
    assert np.abs(shown - expected).mean() < 8
    # A dither that stands still cancels out over a tile, so means are closer.
    tiles = (shown - expected).reshape(6, 6, 8, 6, 8, 3).mean((2, 4))
    assert np.abs(tiles).mean() < 2.5


def test_gif_is_deterministic(tmp_path):
    for name in ("a.gif", "b.gif"):
        save_gif(tmp_path / name, smooth_frames())
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_gif_of_one_frame(tmp_path):
    save_gif(tmp_path / "a.gif", random_pictures(1, 4, 4, 3))
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 1


def test_gif_errors(tmp_path):
    frames = random_pictures(2, 4, 4, 3)
    with pytest.raises(ValueError, match="frames must be"):
        save_gif(tmp_path / "a.gif", frames[0])
    with pytest.raises(ValueError, match="frames holds 4"):
        save_gif(tmp_path / "a.gif", np.full((1, 2, 2, 1), np.nan))
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="seconds"):
            save_gif(tmp_path / "a.gif", frames, seconds=seconds)
    assert not list(tmp_path.iterdir())


# page


class Reader(HTMLParser):
    """Collects elements and texts, and insists that every element is closed."""

    VOID = frozenset({"meta", "link", "img", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"{tag} repeats an attribute"
        self.elements.append((tag, attributes))
        if tag not in self.VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_endtag(self, tag):
        assert self.open[-1][0] == tag
        self.open.pop()

    def handle_data(self, data):
        if self.open:
            place = self.open[-1][1]
            self.texts[place] = self.texts.get(place, "") + data

    def find(self, tag, **wanted):
        wanted = {name.rstrip("_"): value for name, value in wanted.items()}
        return [
            (attributes, self.texts.get(place, ""))
            for place, (name, attributes) in enumerate(self.elements)
            if name == tag and wanted.items() <= attributes.items()
        ]


def sprites(page):
    images = []
    for attributes, _ in page.find("img"):
        head, data = attributes["src"].split(",")
        assert head.startswith("data:image/")
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            images.append((image.format, np.asarray(image)))
    return images


def small_gallery(**changes):
    pictures = random_pictures(2, 3, 4, 10, 12, 1)  # R, N, S, H, W, C
    rows = [
        Row("smile", 0, pictures[0], value=4.0, facts={"leak": "0.1"}),
        Row("age", 7, pictures[1], value=1.0),
    ]
    fields = {
        "title": "Edits",
        "rows": rows,
        "strengths": [-1.5, 0, 0.25, 3],
        "codes": ["seed 4", "seed 5", "seed 6"],
        "lines": ["A small test."],
        "facts": [("Method", "sefa"), ("Space", "w")],
    }
    return Gallery(**{**fields, **changes}), pictures


def read_page(tmp_path, gallery, **arguments):
    write_page(tmp_path / "page.html", gallery, **arguments)
    text = (tmp_path / "page.html").read_text("utf-8")
    return text, Reader(text)


def test_page_shows_rows_strengths_names_and_facts(tmp_path):
    gallery, _ = small_gallery()
    _, page = read_page(tmp_path, gallery)
    assert [text for _, text in page.find("h1")] == ["Edits"]
    assert [text for _, text in page.find("h2")] == ["smile", "age"]
    assert [text for _, text in page.find("a", class_="index")] == ["0", "7"]
    assert len(page.find("section", class_="row")) == 2
    assert [text for _, text in page.find("li")] == ["−1.5", "0", "+0.25", "+3"] * 2
    assert [text for _, text in page.find("figcaption")] == list(gallery.codes) * 2
    terms = [text for _, text in page.find("dt")]
    assert terms == ["Method", "Space", "eigenvalue", "leak", "eigenvalue"]
    bars = [attributes["style"] for attributes, _ in page.find("dd", class_="bar")]
    assert bars == ["--part: 1.0000", "--part: 0.2500"]
    for attributes, _ in page.find("img"):
        assert re.match(
            r"(smile|age), seed \d: strengths −1.5 to \+3", attributes["alt"]
        )


def test_page_embeds_small_pictures_exactly(tmp_path):
    gallery, pictures = small_gallery()
    _, page = read_page(tmp_path, gallery)
    images = sprites(page)
    assert len(images) == 6
    for (kind, pixels), strip in zip(
        images, pictures.reshape(6, 4, 10, 12), strict=True
    ):
        assert kind == "PNG"
        np.testing.assert_array_equal(pixels, np.concatenate(list(strip), axis=1))


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("size", [(10, 12), (100, 70)])
def test_pages_keep_alpha(tmp_path, channels, size):
    strip = np.full((1, 1, 3, *size, channels), 100, np.uint8)
    strip[..., -1] = np.array([0, 128, 255])[:, None, None]
    gallery = Gallery("t", [Row("a", 0, strip[0])], [-1, 0, 1], ["c"])
    text, page = read_page(tmp_path, gallery)
    [(body, _)] = page.find("body")
    assert "alpha" in body["class"].split()
    assert f"--width: {size[1]}; --height: {size[0]}" in text
    [(_, pixels)] = sprites(page)
    assert pixels.shape == (size[0], 3 * size[1], 4 if size[0] > 64 else channels)
    middles = pixels[size[0] // 2, size[1] // 2 :: size[1], -1]
    assert np.abs(middles.astype(int) - (0, 128, 255)).max() <= 1
    opaque = pixels[:, 2 * size[1] :, :-1].astype(int)
    assert np.abs(opaque - 100).max() <= 3


def test_page_shrinks_photographs(tmp_path):
    frames = shrink(smooth_frames(3, 100)[None], most=100)
    wide = frames.repeat(2, axis=3)  # 100 x 200
    gallery = Gallery("t", [Row("a", 0, wide)], [-1, 0, 1], ["c"])
    _, page = read_page(tmp_path, gallery, max_size=80)
    [(kind, pixels)] = sprites(page)
    assert kind == "WEBP"
    assert pixels.shape == (40, 3 * 80, 3)
    expected = np.concatenate(list(shrink(wide, most=80)[0]), axis=1).astype(int)
    assert np.abs(pixels - expected).mean() < 4
    [(body, _)] = page.find("body")
    assert body["class"] == "one-code"


def test_page_needs_nothing_from_outside(tmp_path):
    text, page = read_page(tmp_path, small_gallery()[0])
    assert "http://" not in text
    assert "https://" not in text
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", text)
    for _, attributes in page.elements:
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith(("#", "data:"))
    [policy] = [meta for meta, _ in page.find("meta") if "http-equiv" in meta]
    assert policy["content"].startswith("default-src 'none'; img-src data:;")


def test_page_allows_exactly_its_own_script(tmp_path):
    text, page = read_page(tmp_path, small_gallery()[0])
    script = next(text for attributes, text in page.find("script") if not attributes)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_page_escapes_everything(tmp_path):
    _, pictures = small_gallery()
    row = Row(EVIL, 0, pictures[0], value=1.0, facts={EVIL: EVIL})
    gallery = Gallery(
        EVIL,
        [row],
        [0, 1, 2, 3],
        [EVIL, "</script>", "<!--<script>"],
        lines=[EVIL],
        facts=[(EVIL, EVIL)],
        value_name=EVIL,
    )
    text, page = read_page(tmp_path, gallery)
    assert text.count("<script") == 2
    assert text.count("</script") == 2
    assert len(page.find("img")) == 3
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert page.find("h1")[0][1] == page.find("h2")[0][1] == EVIL
    assert page.find("figcaption")[0][1] == EVIL
    assert [text for _, text in page.find("dt")] == [EVIL] * 3


def test_page_data_parses(tmp_path):
    gallery, _ = small_gallery(codes=["</script>", "<!--", "\u2028 é"])
    _, page = read_page(tmp_path, gallery)
    [(_, data)] = page.find("script", type="application/json")
    assert json.loads(data) == {
        "labels": ["−1.5", "0", "+0.25", "+3"],
        "start": 1,
        "codes": ["</script>", "<!--", "\u2028 é"],
    }


@pytest.mark.parametrize("value", [float("nan"), -2.0, 0.0, float("inf")])
def test_page_takes_any_value(tmp_path, value):
    _, pictures = small_gallery()
    gallery, _ = small_gallery(rows=[Row("a", 0, pictures[0], value=value)])
    _, page = read_page(tmp_path, gallery)
    assert page.find("dd", class_="bar")[0][0]["style"] == "--part: 0.0000"


def test_page_is_deterministic(tmp_path):
    first, _ = read_page(tmp_path, small_gallery()[0])
    second, _ = read_page(tmp_path, small_gallery()[0])
    assert first == second


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": []}, "gallery.rows"),
        ({"codes": []}, "gallery.codes"),
        ({"codes": ["one"]}, r"pictures of row 'smile' .*\[1, 4, 10, 12, 1\]"),
        ({"strengths": [0, 1]}, "pictures of row 'smile'"),
        ({"strengths": []}, "strengths"),
        ({"strengths": [0, 1, 2, float("inf")]}, "strengths"),
    ],
)
def test_page_errors(tmp_path, changes, words):
    gallery, _ = small_gallery(**changes)
    with pytest.raises(ValueError, match=words):
        write_page(tmp_path / "page.html", gallery)
    assert not list(tmp_path.iterdir())


def test_page_names_the_row_that_does_not_fit(tmp_path):
    gallery, pictures = small_gallery()
    odd = Row("odd", 2, pictures[0][:, :, :5])
    with pytest.raises(ValueError, match="pictures of row 'odd'"):
        write_page(tmp_path / "p", small_gallery(rows=[*gallery.rows, odd])[0])
    with pytest.raises(ValueError, match="max_size"):
        write_page(tmp_path / "p", gallery, max_size=0)


def test_strength_labels_are_short_and_distinct():
    assert strength_labels([-3, 0, 3]) == ["−3", "0", "+3"]
    assert strength_labels(np.linspace(-1, 1, 4)) == ["−1", "−0.333", "+0.333", "+1"]
    assert strength_labels(np.float32([0.1, -0.0])) == ["+0.1", "0"]
    assert strength_labels([100.01, 100.02]) == ["+100.01", "+100.02"]
    assert strength_labels([1e-7, 1, 1]) == ["+1e−07", "+1", "+1"]
