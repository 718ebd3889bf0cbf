"""The page in a real browser: headless Chromium, driven by playwright."""

import contextlib
import io
import os
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from jaxlatent.comparison import demo as demos
from jaxlatent.gallery.page import Gallery, Row, write_page
from jaxlatent.gallery.plots import HeatMap, Plane, Plot, Table
from jaxlatent.generators import rendered

pytestmark = pytest.mark.browser

STEPS = 5
PHONE, DESKTOP = (390, 844), (1280, 800)


def missing(what):
    """Skips, but fails where everything is to be there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not installed")


@pytest.fixture(scope="module")
def chromium():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    if (path := shutil.which("chromium")) is None:
        missing("chromium")
    with sync_playwright() as driver:
        # as root, in a container, Chromium's own sandbox cannot start
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def colour(row, code, step):
    return [40 + 40 * step, 20 + 200 * row, 30 + 100 * code]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """Every picture is of one colour, which says where it stands."""
    colours = [
        [[colour(row, code, step) for step in range(STEPS)] for code in range(2)]
        for row in range(2)
    ]
    pictures = np.asarray(colours, np.uint8)[:, :, :, None, None]
    pictures = np.broadcast_to(pictures, (2, 2, STEPS, 48, 48, 3))
    rows = [
        Row("hair" * 30, 0, pictures[0], 0.5, {"method": "SeFa"}),
        Row("eyes", 1, pictures[1], 0.25),
    ]
    steps = np.arange(4)
    plots = [
        Plot("loss", steps, {"ours": steps**2.0}),
        Plane("paths", {"first": np.stack([steps, steps**2.0], axis=1)}),
        HeatMap("effects", ["0 hair", "1"], [*"abcdefghijklmn"], np.eye(2, 14)),
        Table("scores", [*"abcdefgh"], [["of all methods"] * 8]),
    ]
    gallery = Gallery(
        "What moves",
        rows,
        [-2, -1, 0, 1, 2],
        ["seed 4", "seed 9"],
        ["A line."],
        [("Generator", "faces")],
        plots=plots,
    )
    path = tmp_path_factory.mktemp("page") / "index.html"
    write_page(path, gallery)
    return path


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def size(request):
    return dict(zip(("width", "height"), request.param, strict=True))


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@contextlib.contextmanager
def opened(chromium, file, **how):
    """A page, opened; whatever it complains about fails the test."""
    complaints = []
    asked = []
    tab = chromium.new_page(**how)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda line: complaints.append(f"{line.type}: {line.text}"))
    tab.on("request", lambda one: asked.append(one.url))
    tab.goto(file.as_uri())
    yield tab
    tab.close()
    assert complaints == []
    others = [url for url in asked if not url.startswith(("data:", "file:"))]
    assert others == []


@pytest.fixture
def page(chromium, page_file, size, scheme):
    with opened(chromium, page_file, viewport=size, color_scheme=scheme) as tab:
        yield tab


def picture(page, row, code=0):
    """[H, W, 3] a row's large picture."""
    canvas = page.locator(f"#row-{row} .player canvas").nth(code)
    return np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"))


def shown(page, row, code=0):
    """The colour in the middle of a row's large picture."""
    pixels = picture(page, row, code)
    return pixels[len(pixels) // 2, len(pixels[0]) // 2].tolist()


def near(seen, expected):
    return max(abs(a - b) for a, b in zip(seen, expected, strict=True)) <= 2


def test_the_slider_moves_its_row_alone(page):
    slider = page.locator("#row-1 .slider")
    assert near(shown(page, 1), colour(1, 0, 2))
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert near(shown(page, 1), colour(1, 0, 3))
    assert slider.get_attribute("aria-valuetext") == "+1"
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert near(shown(page, 1), colour(1, 0, 0))
    assert near(shown(page, 0), colour(0, 0, 2))
    current = page.locator("#row-1 .strengths .current")
    assert current.all_inner_texts() == ["−2"]


def test_a_drag_moves_it_too(page):
    slider = page.locator("#row-0 .slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    assert near(shown(page, 0), colour(0, 0, 4))


def test_nothing_is_wider_than_the_screen(page, size):
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


LUMINANCE = """name => {
  const [r, g, b] = getComputedStyle(document.documentElement)[name]
    .match(/[\\d.]+/g)
    .map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""


def test_colours_follow_the_scheme_and_can_be_read(page, scheme):
    paper = page.evaluate(LUMINANCE, "backgroundColor")
    ink = page.evaluate(LUMINANCE, "color")
    assert paper < 0.05 if scheme == "dark" else paper > 0.9
    least, most = sorted((paper, ink))
    assert (most + 0.05) / (least + 0.05) >= 7  # WCAG's level AAA


@pytest.fixture(scope="module")
def demo_file(tmp_path_factory):
    """What the demo writes of discs, whose one part stands for the portraits' eyes."""
    generator = rendered.oracle(
        "disc", key=jax.random.key(0), size=16, z_dim=8, largest_group=6
    )
    demo = demos.Demo(
        200, ("random", "sefa", "lowrankgan", "truth"), directions=2, codes=2, threads=1
    )
    folder, key = tmp_path_factory.mktemp("demo"), jax.random.key(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demos, "REGION", "disc")
        found = demos.compare_all(generator, demo, key=key)
        return folder / demos.write_demo(folder, generator, found, demo, key=key)


def test_the_page_of_the_demo_plays(chromium, demo_file):
    with opened(chromium, demo_file, viewport={"width": 1280, "height": 800}) as page:
        methods = page.locator("table tbody tr th, table tbody tr td:first-child")
        assert methods.all_inner_texts()[:4] == [
            "Random directions",
            "SeFa",
            "LowRankGAN",
            "The true directions",
        ]
        assert page.locator(".plot.heat").count() == 2
        names = page.locator(".row .name").all_inner_texts()
        assert names[0] == "LowRankGAN, told the disc"
        assert sum(name.startswith("SeFa: ") for name in names) == 2
        assert any(name.startswith("LowRankGAN: ") for name in names)
        for row in range(len(names)):
            before = picture(page, row)
            page.locator(f"#row-{row} .slider").focus()
            page.keyboard.press("End")
            assert (picture(page, row) != before).any()
