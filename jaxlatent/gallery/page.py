"""One static HTML page: a row per direction, a column per strength.

The page is a single file that needs no server and no network: pictures, style and
script are embedded, and a content policy forbids everything else. Each strip of
strengths is one sprite, so its pictures are stored once and shown small in the strip,
larger beside it, and large in the viewer. Without JavaScript the strips still show.
"""

import base64
import hashlib
import html
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from string import Template

import numpy as np
from numpy.typing import ArrayLike

from jaxlatent.files import atomic_write
from jaxlatent.gallery.plots import HeatMap, Plane, Plot, Table, draw
from jaxlatent.gallery.raster import as_pillow, has_alpha, shrink, to_uint8
from jaxlatent.texts import printable

_PIXEL_ART = 64  # px; smaller pictures are stored exactly and shown as squares
_WEBP_LIMIT = 16383  # px; the format's longest side


@dataclass(frozen=True, eq=False)
class Row:
    """One direction of a gallery.

    Args:
        name: what the direction is called.
        index: its number in the edit.
        pictures: [N, S, H, W, C] images or pictures: N codes at S strengths.
        value: what the direction is ranked by (an eigenvalue, a gain), or None.
        facts: more about it, short label to text.
    """

    name: str
    index: int
    pictures: ArrayLike
    value: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Gallery:
    """Everything that a page shows.

    Args:
        title: heading of the page.
        rows: the directions, in the order of the page.
        strengths: [S] the columns, from left to right.
        codes: [N] what each code is called, such as "seed 4".
        lines: paragraphs under the title.
        facts: (label, value) pairs about the run: generator, method, layers, ...
        value_name: what `Row.value` is.
        plots: curves, heat maps and tables under the facts.
    """

    title: str
    rows: Sequence[Row]
    strengths: Sequence[float]
    codes: Sequence[str]
    lines: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    value_name: str = "eigenvalue"
    plots: Sequence[Plot | Plane | HeatMap | Table] = ()


def write_page(
    path: str | os.PathLike[str], gallery: Gallery, *, max_size: int = 512
) -> None:
    """Write a gallery as one self-contained HTML file, whole or not at all.

    Pictures under 64 px are embedded exactly (PNG), larger ones as WebP at quality 88:
    5 directions x 3 codes x 7 strengths of detailed photographs make 2 MB at 256 px
    and 8 MB at 512 px, smooth ones half of that. All pictures are held in memory at
    once; a caller that draws row by row can `shrink` each as it comes.

    Args:
        path: the file to write.
        gallery: what to show.
        max_size: pictures are shrunk until their longer side has this many pixels, and
            further where a strip would exceed WebP's 16383.

    Raises:
        ValueError: no rows, strengths or codes; a strength that is not finite;
            pictures that do not fit the strengths, the codes or each other;
            `max_size` below 1; see also `to_uint8`.
        OSError: the file cannot be written.
    """
    if max_size < 1:
        raise ValueError(f"max_size must be at least 1 pixel, got {max_size}")
    labels = strength_labels(gallery.strengths)
    most = min(max_size, _WEBP_LIMIT // len(labels))
    pictures = [shrink(strips, most=most) for strips in _checked_pictures(gallery)]
    height, width = pictures[0].shape[2:4]

    script = _template("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    tiny = max(height, width) < _PIXEL_ART
    classes = ["pixelated"] * tiny + ["one-code"] * (len(gallery.codes) == 1)
    classes += ["alpha"] * has_alpha(pictures[0])
    page = _fill(
        "page.html",
        title=_text(gallery.title),
        lines="\n".join(f'<p dir="auto">{_text(line)}</p>' for line in gallery.lines),
        facts=_definitions(gallery.facts),
        rows="\n".join(_rows(gallery, pictures, labels)),
        plots="\n".join(map(draw, gallery.plots)),
        count=_text(_count(gallery)),
        steps=len(labels),
        width=width,
        height=height,
        body_class=" ".join(classes),
        data=_json(
            {
                "labels": labels,
                "start": int(np.argmin(np.abs(gallery.strengths))),
                "codes": list(gallery.codes),
            }
        ),
        style=_template("page.css"),
        script=script,
        script_hash=f"sha256-{digest}",
    )
    atomic_write(path, page.encode())


def strength_labels(strengths: Sequence[float]) -> list[str]:
    """Column headings: signed, as short as keeps them apart, with a true minus.

    Args:
        strengths: [S] finite numbers.

    Returns:
        S strings, such as "−1.5", "0", "+1.5".

    Raises:
        ValueError: no strengths, or one that is not finite.
    """
    values = np.asarray(strengths, np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"strengths must be finite numbers [S], got {strengths!r}")
    labels: list[str] = []
    for digits in range(3, 18):
        labels = [f"{value:+.{digits}g}" if value else "0" for value in values]
        if len(set(labels)) == len(set(values)):
            break
    return [label.replace("-", "−") for label in labels]


def _checked_pictures(gallery: Gallery) -> list[np.ndarray]:
    if not gallery.rows:
        raise ValueError("gallery.rows must hold at least one row")
    if not gallery.codes:
        raise ValueError("gallery.codes must name at least one code")
    pictures = [
        to_uint8(row.pictures, name=f"pictures of row {row.name!r}")
        for row in gallery.rows
    ]
    expected = (len(gallery.codes), len(gallery.strengths), *pictures[0].shape[-3:])
    for row, strips in zip(gallery.rows, pictures, strict=True):
        if strips.shape != expected:
            raise ValueError(
                f"pictures of row {row.name!r} must be [N, S, H, W, C] = "
                f"{list(expected)} like gallery.codes, gallery.strengths and the "
                f"first row, got {list(strips.shape)}"
            )
    return pictures


def _rows(
    gallery: Gallery, pictures: list[np.ndarray], labels: list[str]
) -> Iterator[str]:
    values = [row.value for row in gallery.rows if row.value is not None]
    largest = max(filter(math.isfinite, values), default=0.0)
    heads = "\n".join(f"<li>{label}</li>" for label in labels)
    for number, (row, strips) in enumerate(zip(gallery.rows, pictures, strict=True)):
        facts = _definitions(row.facts.items())
        if row.value is not None:
            part = row.value / largest if 0 < row.value <= largest else 0
            bar = f'<dd class="bar" style="--part: {part:.4f}" aria-hidden="true"></dd>'
            value = _definitions([(gallery.value_name, f"{row.value:.4g}")], bar)
            facts = f"{value}\n{facts}"
        yield _fill(
            "row.html",
            number=number,
            index="#" if row.name == f"direction {row.index}" else row.index,
            name=_text(row.name),
            facts=facts,
            strengths=heads,
            strips="\n".join(
                _fill(
                    "strip.html",
                    code=_text(code),
                    alt=_text(
                        f"{row.name}, {code}: strengths {labels[0]} to {labels[-1]}"
                    ),
                    width=strip.shape[0] * strip.shape[2],
                    height=strip.shape[1],
                    source=_sprite(strip),
                )
                for code, strip in zip(gallery.codes, strips, strict=True)
            ),
        )


def _sprite(strip: np.ndarray) -> str:
    """Pictures [S, H, W, C] side by side in one image, as a data address."""
    sprite = as_pillow(np.concatenate(list(strip), axis=1))
    buffer = io.BytesIO()
    if max(strip.shape[1:3]) < _PIXEL_ART:
        kind = "png"
        sprite.save(buffer, "PNG", optimize=True)
    else:
        kind = "webp"
        sprite.save(buffer, "WEBP", quality=88, method=4)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _definitions(pairs: Iterable[tuple[str, str]], extra: str = "") -> str:
    return "\n".join(
        f'<div><dt dir="auto">{_text(label)}</dt><dd dir="auto">{_text(value)}</dd>'
        f"{extra}</div>"
        for label, value in pairs
    )


def _count(gallery: Gallery) -> str:
    numbers = [
        (len(gallery.rows), "direction"),
        (len(gallery.codes), "code"),
        (len(gallery.strengths), "strength"),
    ]
    return " × ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in numbers)


def _text(value: object) -> str:
    """Escape for HTML text and for quoted attributes."""
    return html.escape(printable(str(value)))


def _json(value: object) -> str:
    """JSON that no browser can take for the end of its script element."""
    return json.dumps(value).replace("<", "\\u003c")


def _fill(template: str, **values: object) -> str:
    return Template(_template(template)).substitute(values)


@cache
def _template(name: str) -> str:
    return (resources.files("jaxlatent.gallery") / "template" / name).read_text("utf-8")
