"""Curves as SVG: losses over the steps of a run, scores over strengths, paths."""

import html
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28
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
