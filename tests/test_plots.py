"""Curves as SVG, held against places worked out by hand."""

import re

import numpy as np
import pytest

from jaxlatent.gallery.plots import (
    BOTTOM,
    CELL,
    HEIGHT,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    HeatMap,
    Plane,
    Plot,
    Table,
    draw,
    draw_heat_map,
    draw_plane,
    draw_plot,
    draw_table,
)


def lines(svg):
    """The points of every polyline."""
    found = re.findall(r'<polyline class="c\d" points="([^"]*)"', svg)
    return [
        np.asarray([pair.split(",") for pair in one.split()], float) for one in found
    ]


def across(share):
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def down(value, low, high):
    """Where a value is, with a margin of a twentieth of the range on both sides."""
    margin = 0.05 * (high - low)
    share = (high + margin - value) / (high - low + 2 * margin)
    return TOP + share * (HEIGHT - TOP - BOTTOM)


def test_every_point_is_where_it_belongs():
    x, y = [0, 1, 4], [2.0, 10.0, 6.0]
    (points,) = lines(draw_plot(Plot("Loss", x, {"loss": y})))
    expected = [(across(a / 4), down(b, 2, 10)) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(points, expected, atol=0.051)


def test_values_that_are_not_finite_leave_gaps():
    y = [1.0, 2.0, np.nan, 3.0, np.inf, 4.0]
    pieces = lines(draw_plot(Plot("Loss", range(6), {"loss": y})))
    assert [len(piece) for piece in pieces] == [2, 1, 1]
    assert lines(draw_plot(Plot("Loss", range(2), {"loss": [np.nan] * 2}))) == []


def test_a_band_goes_forth_along_one_edge_and_back_along_the_other():
    edges = ([0.0, 1.0], [2.0, 3.0])
    svg = draw_plot(Plot("Score", [0, 1], {"a": [1.0, 2.0]}, bands={"a": edges}))
    (path,) = re.findall(r'<path class="band c0" d="M([^"]*)Z"/>', svg)
    points = np.asarray([pair.split(",") for pair in path.split()], float)
    expected = [(0, 0.0), (1, 1.0), (1, 3.0), (0, 2.0)]
    expected = [(across(a), down(b, 0, 3)) for a, b in expected]
    np.testing.assert_allclose(points, expected, atol=0.051)


def test_long_curves_are_drawn_as_means():
    count = 4 * MOST_POINTS
    (points,) = lines(draw_plot(Plot("Loss", range(count), {"loss": np.arange(count)})))
    assert len(points) == MOST_POINTS
    # the mean of the first four steps
    np.testing.assert_allclose(points[0, 0], across(1.5 / (count - 1)), atol=0.051)
    steps = np.diff(points[:, 1])
    np.testing.assert_allclose(steps, steps.mean(), atol=0.11)


def test_one_point_and_level_curves_have_a_place():
    for y in ([3.0], [3.0, 3.0], [0.0, 0.0]):
        (points,) = lines(draw_plot(Plot("Loss", range(len(y)), {"loss": y})))
        assert np.isfinite(points).all()
        np.testing.assert_allclose(
            points[:, 1], (TOP + HEIGHT - BOTTOM) / 2, atol=0.051
        )


def test_ticks_are_few_and_round():
    for low, high in ((0, 1), (-3, 12), (1e-5, 4e-5), (0, 9700)):
        svg = draw_plot(Plot("Loss", [0, 1], {"loss": [low, high]}))
        ticks = re.findall(r'dominant-baseline="middle">([^<]*)<', svg)
        assert 3 <= len(ticks) <= 7
        steps = np.diff(np.asarray(ticks, float))
        np.testing.assert_allclose(steps, steps[0], rtol=1e-3)


def test_names_are_escaped():
    evil = "<script>\"'&"
    svg = draw_plot(Plot(evil, [0, 1], {evil: [0, 1]}, x_name=evil))
    assert "<script" not in svg
    assert svg.count("&lt;script&gt;") >= 4


@pytest.mark.parametrize(
    ("x", "curves", "bands"),
    [
        ([0, 1], {}, None),
        ([0, 1], {"a": [1.0]}, None),
        ([], {"a": []}, None),
        ([0, 1], {"a": [1.0, 2.0]}, {"a": ([0.0], [1.0])}),
    ],
)
def test_curves_that_do_not_fit_are_refused(x, curves, bands):
    with pytest.raises(ValueError, match=r"^curves: "):
        draw_plot(Plot("Loss", x, curves, bands=bands))


def test_curves_in_a_plane_keep_their_proportions():
    square = [[0.0, 0], [2, 0], [2, 1], [0, 1]]
    svg = draw_plane(Plane("Paths", {"<a>": square}, marks=[[1.0, 0.5]]))
    (points,) = re.findall(r'<polyline class="thin c0" points="([^"]*)"', svg)
    places = np.asarray([pair.split(",") for pair in points.split()], float)
    sides = np.linalg.norm(np.diff(places, axis=0), axis=1)
    np.testing.assert_allclose(sides / sides[1], [2, 1, 2], rtol=1e-3)
    # up is up, and the mark is in the middle
    assert places[0, 1] > places[3, 1]
    across, down = re.findall(r'cx="([^"]*)" cy="([^"]*)"', svg)[0]
    np.testing.assert_allclose([float(across), float(down)], places.mean(0), atol=0.1)
    assert "<title>&lt;a&gt;</title>" in svg
    for curves in ({}, {"a": [[0.0]]}, {"a": [[np.nan, 0.0]]}):
        with pytest.raises(ValueError, match=r"^curves: "):
            draw_plane(Plane("Paths", curves))


def test_squares_are_where_and_as_full_as_their_numbers():
    values = [[2.0, -1.0, 0.0], [np.nan, 0.5, -2.0]]
    heat = HeatMap("Effects", ["a", "b<"], ["x", "y", "z"], values, ["#row-0", "#r"])
    svg = draw_heat_map(heat)
    found = re.findall(
        r'<rect class="c(\d)" x="(\d+)" y="(\d+)" .*?fill-opacity="([\d.]+)">'
        r"<title>(.*?)</title>",
        svg,
    )
    (ground,) = re.findall(r'<rect class="ground" x="(\d+)" y="(\d+)"', svg)
    left, top = map(int, ground)
    expected = [
        (0, 0, 0, 1.0, "a, x: +2"),
        (1, 1, 0, 0.5, "a, y: -1"),
        (0, 2, 0, 0.0, "a, z: +0"),
        (0, 1, 1, 0.25, "b&lt;, y: +0.5"),
        (1, 2, 1, 1.0, "b&lt;, z: -2"),
    ]
    assert len(found) == len(expected)
    for (kind, x, y, part, words), (sign, column, row, share, told) in zip(
        found, expected, strict=True
    ):
        assert (int(kind), words) == (sign, told)
        assert int(x) == left + CELL * column + 1
        assert int(y) == top + CELL * row + 1
        assert float(part) == share
    assert '<a href="#row-0"><text' in svg


def test_heat_maps_of_nothing_and_of_long_names():
    svg = draw(HeatMap("Still", ["r" * 90], ["c"], [[0.0]]))
    assert "r" * 24 not in svg.replace("r" * 90, "")
    assert 'fill-opacity="0.000"' in svg
    for values in ([[1.0, 2.0]], np.zeros((1, 0))):
        with pytest.raises(ValueError, match="values: shape"):
            draw_heat_map(HeatMap("", ["a"], ["x"], values))


def test_tables_name_their_rows_and_fold():
    rows = [("a&b", "1", "2"), ("c", "3", "4")]
    text = draw(Table("Scores", ("edit", "x", "y"), rows))
    assert re.findall(r"<th scope=\"row\".*?>(.*?)</th>", text) == ["a&amp;b", "c"]
    assert re.findall("<td>(.*?)</td>", text) == ["1", "2", "3", "4"]
    assert "<figcaption>Scores</figcaption>" in text
    folded = draw_table(Table("Scores", ("edit", "x", "y"), rows, folded=True))
    assert folded.startswith('<details class="table"><summary>Scores</summary>')
    with pytest.raises(ValueError, match="rows: 1 entries given; 2 are accepted"):
        draw_table(Table("", ("a", "b"), [("c",)]))
