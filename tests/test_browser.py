"""The page in a real browser: headless Chromium, driven by playwright."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxlatent.gallery.page import Gallery, Row, write_page
from jaxlatent.gallery.plots import HeatMap, Plane, Plot, Table

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


@pytest.fixture
def page(chromium, page_file, size, scheme):
    """The page, opened; whatever it complains about fails the test."""
    complaints = []
    asked = []
    tab = chromium.new_page(viewport=size, color_scheme=scheme)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda line: complaints.append(f"{line.type}: {line.text}"))
    tab.on("request", lambda one: asked.append(one.url))
    tab.goto(page_file.as_uri())
    yield tab
    tab.close()
    assert complaints == []
    others = [url for url in asked if not url.startswith(("data:", "file:"))]
    assert others == []


def shown(page, row, code=0):
    """The colour in the middle of a row's large picture."""
    canvas = page.locator(f"#row-{row} .player canvas").nth(code)
    picture = Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")
    return picture.getpixel((picture.width // 2, picture.height // 2))


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
