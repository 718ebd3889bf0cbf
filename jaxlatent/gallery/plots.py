"""Curves, heat maps and tables: losses over steps, scores over strengths, effects."""

import html
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28
CELL, LETTER, LONGEST = 22, 7, 24
"""Of heat maps: the side of a square and the width of a letter, in pixels, and the
letters of a name that are shown."""
MOST_POINTS = 400
"""Curves of more points are drawn as the means of this many stretches."""


@dataclass(frozen=True, eq=False)
class Plot:
    """Curves over one axis.

    Args:
        title: what they show.
        x: [P] finite numbers in ascending order.
        curves: [P] each, by name; values that are not finite leave gaps.
        bands: lower and upper edge [P] around a curve of the same name.
        x_name: what x is.
    """

    title: str
    x: ArrayLike
    curves: Mapping[str, ArrayLike]
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None
    x_name: str = "step"


@dataclass(frozen=True, eq=False)
class Plane:
    """Curves in a plane, both of whose axes have one scale.

    Args:
        title: what they show.
        curves: [P, 2] finite places each, by name.
        marks: places [M, 2] that are marked by dots, such as where curves begin.
    """

    title: str
    curves: Mapping[str, ArrayLike]
    marks: ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Numbers of either sign as a field of coloured squares.

    Args:
        title: what they are.
        rows: R names.
        columns: C names.
        values: [R, C]; the largest, of either sign, is the fullest colour, and what is
            not finite is left blank.
        links: [R] where the names of the rows lead on the page; None for nowhere.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: ArrayLike
    links: Sequence[str] | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """Words and numbers in rows, the first of which names the row.

    Args:
        title: what they are.
        columns: C headings.
        rows: [C] each.
        folded: whether only the title shows until a reader opens it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


def draw(one: "Plot | Plane | HeatMap | Table") -> str:
    """Any of these as an element of a page."""
    draws: dict[type, Callable[[Any], str]] = {
        Plot: draw_plot,
        Plane: draw_plane,
        HeatMap: draw_heat_map,
        Table: draw_table,
    }
    return draws[type(one)](one)


def draw_heat_map(heat: HeatMap) -> str:
    """A heat map as one SVG element; the tooltip of a square is its number.

    Raises:
        ValueError: for values of another shape than there are names.
    """
    values = np.asarray(heat.values, np.float64)
    shape = (len(heat.rows), len(heat.columns))
    if values.shape != shape or not values.size:
        raise ValueError(
            f"values: shape {values.shape} given; {shape}, at least one, is accepted"
        )
    known = np.isfinite(values)
    largest = np.abs(values[known]).max(initial=0) or 1.0
    left = LETTER * min(max(map(len, heat.rows)), LONGEST) + 10
    top = LETTER * min(max(map(len, heat.columns)), LONGEST) + 10
    width, height = left + CELL * shape[1] + 2, top + CELL * shape[0] + 2
    parts = [
        f'<rect class="ground" x="{left}" y="{top}" width="{CELL * shape[1]}" '
        f'height="{CELL * shape[0]}"/>'
    ]
    for column, name in enumerate(heat.columns):
        place = f"{left + CELL * (column + 0.5):g},{top - 6}"
        parts.append(
            f'<text transform="translate({place}) rotate(-90)" '
            f'dominant-baseline="middle">{_cut(name)}</text>'
        )
    for row, name in enumerate(heat.rows):
        text = (
            f'<text x="{left - 6}" y="{top + CELL * (row + 0.5):g}" text-anchor="end" '
            f'dominant-baseline="middle">{_cut(name)}</text>'
        )
        if heat.links is not None:
            text = f'<a href="{html.escape(heat.links[row])}">{text}</a>'
        parts.append(text)
    for row, column in zip(*np.nonzero(known), strict=True):
        value = values[row, column]
        told = f"{heat.rows[row]}, {heat.columns[column]}: {value:+.3g}"
        parts.append(
            f'<rect class="c{int(value < 0)}" x="{left + CELL * column + 1}" '
            f'y="{top + CELL * row + 1}" width="{CELL - 2}" height="{CELL - 2}" '
            f'fill-opacity="{abs(value) / largest:.3f}">'
            f"<title>{html.escape(told)}</title></rect>"
        )
    body, title = "\n".join(parts), html.escape(heat.title)
    return (
        f'<figure class="plot heat" style="--wide: {width}px"><figcaption>{title} '
        '<span class="c0">rises</span><span class="c1">falls</span></figcaption>\n'
        f'<svg viewBox="0 0 {width} {height}" role="group" aria-label="{title}">\n'
        f"{body}\n</svg></figure>"
    )


def _cut(name: str) -> str:
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return html.escape(short)


def draw_table(table: Table) -> str:
    """A table as an element that scrolls where it is too wide.

    Raises:
        ValueError: for a row of another length than the headings.
    """
    for row in table.rows:
        if len(row) != len(table.columns):
            raise ValueError(
                f"rows: {len(row)} entries given; {len(table.columns)} are accepted"
            )
    heads = "".join(f'<th scope="col">{html.escape(one)}</th>' for one in table.columns)
    lines = [
        f'<tr><th scope="row" dir="auto">{html.escape(first)}</th>'
        + "".join(f"<td>{html.escape(one)}</td>" for one in rest)
        + "</tr>"
        for first, *rest in table.rows
    ]
    body, title = "\n".join(lines), html.escape(table.title)
    whole = (
        f"<div><table><thead><tr>{heads}</tr></thead>\n<tbody>{body}</tbody></table>"
        "</div>"
    )
    if table.folded:
        return f'<details class="table"><summary>{title}</summary>\n{whole}</details>'
    return f'<figure class="table"><figcaption>{title}</figcaption>\n{whole}</figure>'


def draw_plane(plane: Plane) -> str:
    """Curves in a plane as one SVG element; a curve's name is its tooltip.

    Raises:
        ValueError: for no curves, or places that are not finite [P, 2].
    """
    curves = {name: np.asarray(y, np.float64) for name, y in plane.curves.items()}
    dots = np.zeros((0, 2)) if plane.marks is None else np.asarray(plane.marks)
    everything = [*curves.values(), dots.astype(np.float64)]
    shapes = [places.shape for places in everything]
    fits = all(len(shape) == 2 and shape[1] == 2 for shape in shapes)
    if not curves or not fits or not np.isfinite(np.concatenate(everything)).all():
        raise ValueError(
            f"curves: {shapes} given; some of finite places (P, 2) are needed"
        )
    low = np.concatenate(everything).min(axis=0)
    high = np.concatenate(everything).max(axis=0)
    room = np.asarray([WIDTH, WIDTH]) - 2 * TOP
    scale = (room / np.maximum(high - low, np.finfo(float).tiny)).min()
    height = 2 * TOP + scale * (high - low)[1]
    middle = (low + high) / 2

    def place(places: np.ndarray) -> list[str]:
        shown = (places - middle) * scale * np.asarray([1, -1])
        shown = shown + np.asarray([WIDTH, height]) / 2
        return [f"{across:.1f},{down:.1f}" for across, down in shown]

    parts = [
        f'<polyline class="thin c{number % 4}" points="{" ".join(place(places))}">'
        f"<title>{html.escape(name)}</title></polyline>"
        for number, (name, places) in enumerate(curves.items())
    ]
    for dot in place(everything[-1]):
        across, down = dot.split(",")
        parts.append(f'<circle class="dot" cx="{across}" cy="{down}" r="4"/>')
    body, title = "\n".join(parts), html.escape(plane.title)
    return (
        f'<figure class="plot"><figcaption>{title}</figcaption>\n<svg viewBox="0 0 '
        f'{WIDTH} {height:.1f}" role="img" aria-label="{title}">\n{body}\n</svg>'
        "</figure>"
    )


def draw_plot(plot: Plot) -> str:
    """A plot as one SVG element, whose colours follow the page's style.

    Raises:
        ValueError: for no curves, or curves of another length than x.
    """
    x = np.asarray(plot.x, np.float64)
    curves = {name: np.asarray(y, np.float64) for name, y in plot.curves.items()}
    bands = {
        name: tuple(np.asarray(edge, np.float64) for edge in edges)
        for name, edges in (plot.bands or {}).items()
    }
    everything = [*curves.values(), *(edge for pair in bands.values() for edge in pair)]
    if not curves or any(y.shape != x.shape or not x.size for y in everything):
        raise ValueError(
            f"curves: {[y.shape for y in everything]} given; some of shape {x.shape} "
            "are needed"
        )
    values = np.concatenate(everything)
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    margin = 0.05 * (high - low) or abs(high) or 1.0
    low, high = low - margin, high + margin
    span = x[-1] - x[0] or 1.0

    def places(x_values: np.ndarray, y: np.ndarray) -> list[str]:
        across = LEFT + (x_values - x[0]) / span * (WIDTH - LEFT - RIGHT)
        down = TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return [f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True)]

    parts = []
    for tick in _ticks(low, high):
        (place,) = places(x[:1], np.asarray([tick]))
        height = place.split(",")[1]
        parts.append(
            f'<path class="rule" d="M{LEFT},{height}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 6}" y="{height}" text-anchor="end" '
            f'dominant-baseline="middle">{tick:.4g}</text>'
        )
    for tick, anchor in ((x[0], "start"), (x[-1], "end")):
        place = places(np.asarray([tick]), np.asarray([low]))[0].split(",")[0]
        parts.append(
            f'<text x="{place}" y="{HEIGHT - 8}" text-anchor="{anchor}">{tick:g}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    name = html.escape(plot.x_name)
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{name}</text>'
    )
    for number, (name, y) in enumerate(curves.items()):
        if name in bands:
            edges = [*places(x, bands[name][0]), *places(x, bands[name][1])[::-1]]
            parts.append(f'<path class="band c{number % 4}" d="M{" ".join(edges)}Z"/>')
        thin_x, thin_y = _thinned(x, y)
        for piece in _finite_pieces(thin_x, thin_y):
            line = " ".join(places(*piece))
            parts.append(f'<polyline class="c{number % 4}" points="{line}"/>')
    body = "\n".join(parts)
    label = html.escape(f"{plot.title}: {', '.join(curves)}")
    keys = "".join(
        f'<span class="c{number % 4}">{html.escape(name)}</span>'
        for number, name in enumerate(curves)
    )
    return (
        f'<figure class="plot"><figcaption>{html.escape(plot.title)} {keys}'
        f'</figcaption>\n<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{label}">\n{body}\n</svg></figure>'
    )


def _thinned(x: np.ndarray, y: np.ndarray) -> Sequence[np.ndarray]:
    if len(x) <= MOST_POINTS:
        return x, y
    edges = np.linspace(0, len(x), MOST_POINTS + 1).astype(int)
    stretches = list(itertools.starmap(slice, itertools.pairwise(edges)))
    return [np.asarray([some[one].mean() for one in stretches]) for some in (x, y)]


def _finite_pieces(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The stretches without gaps."""
    breaks = np.flatnonzero(np.diff(np.isfinite(y).astype(int))) + 1
    pieces = zip(np.split(x, breaks), np.split(y, breaks), strict=True)
    return [(a, b) for a, b in pieces if len(a) and np.isfinite(b[0])]


def _ticks(low: float, high: float) -> np.ndarray:
    """Three to six round numbers between two others."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = min((1, 2, 5, 10), key=lambda size: abs(size * power - rough)) * power
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
