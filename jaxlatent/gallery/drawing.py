"""Edits drawn: a grid and an animation of each direction, and the page of all."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxlatent.collectives import is_main
from jaxlatent.editing import check_traversal, has_rows, traverse_images, where_edited
from jaxlatent.edits.base import Edit
from jaxlatent.gallery.animation import save_gif
from jaxlatent.gallery.page import Gallery, Row, write_page
from jaxlatent.gallery.plots import HeatMap, Plane, Plot, Table
from jaxlatent.gallery.raster import CHANNELS, enlarge, grid, save_png, shrink
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, Truncation

PAGE_FILE = "index.html"
PAGE_PIXELS = 512
_MOST_IN_A_ROW = 8

METHODS = {
    "sefa": "SeFa",
    "ganspace": "GANSpace",
    "interfacegan": "InterFaceGAN",
    "lowrankgan": "LowRankGAN",
    "resefa": "ReSeFa",
    "styleclip": "StyleCLIP",
    "stylespace": "StyleSpace",
    "ganalyze": "GANalyze",
    "factors of variation": "Factors of Variation",
    "unsupervised discovery": "Unsupervised Discovery",
    "warpedganspace": "WarpedGANSpace",
}
VALUES = {
    "eigenvalues": "eigenvalue",
    "variance_ratio": "share of variance",
    "accuracy_validation": "validation accuracy",
    "cosine": "cosine with the original",
    "slope": "score per unit of strength",
    "recognition": "share that was told",
}
"""What ranks the directions of a page: the first entry of `report` that is there."""


@dataclass(frozen=True, eq=False)
class Traversal:
    """Which codes move along which directions, and how far.

    Attributes:
        latents: N codes.
        names: what each code is called, such as "seed 4".
        indices: the directions.
        strengths: the columns.
        absolute: move to the strengths instead of by them.
        truncation: None for none.
    """

    latents: Latents
    names: Sequence[str]
    indices: Sequence[int]
    strengths: Sequence[float]
    absolute: bool = False
    truncation: Truncation | None = None


@dataclass(frozen=True, eq=False)
class Heading:
    """What stands over the pictures of a page.

    Attributes:
        title: of the page.
        lines: paragraphs under the title.
        facts: (label, value) pairs, before those that the edit tells.
        plots: curves, heat maps and tables.
        decorate: what is drawn over the pictures of a direction, [N, S, H, W, C].
    """

    title: str
    lines: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    plots: Sequence[Plot | Plane | HeatMap | Table] = ()
    decorate: Callable[[np.ndarray], np.ndarray] = field(default=lambda images: images)


def check_pictures(generator: Generator) -> None:
    """Refuse a generator whose pictures no file can show, before any is drawn.

    Raises:
        ValueError: naming their channels.
    """
    shape = generator.image_shape
    if len(shape) != 3 or shape[-1] not in (1, 2, 3, 4):
        raise ValueError(
            f"generator: pictures of shape {shape} cannot be shown; [H, W, C] with "
            f"{CHANNELS} channels is accepted"
        )


def draw_edits(
    folder: Path | str,
    generator: Generator,
    edits: Sequence[Edit],
    traversal: Traversal,
    heading: Heading,
    *,
    chunk: int = 8,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Draw directions: `direction_NNN.png`, `.gif` of each, and `index.html`.

    Args:
        folder: where to, made if it is missing.
        generator: the generator; prepare it first.
        edits: the first gives names and values; all of them move together.
        traversal: which codes move, along what, how far.
        heading: of the page.
        chunk: pictures per compiled call.
        mesh: devices that draw, None for one; only the first process writes.
        progress: called with the number of pictures just drawn.

    Returns:
        The names of the files, the page last; none on other processes than the first.

    Raises:
        ValueError: names the argument that does not fit; see
            `editing.traverse_images`.
    """
    edit = edits[0].rename({})  # which names what has no names
    check_traversal(generator, edits, traversal.latents, traversal.truncation)
    check_pictures(generator)
    folder, files = Path(folder), []
    value_name, values = ranking(edit)
    rows = []
    drawn = _traversals(generator, edits, traversal, chunk, mesh, progress)
    for index, images in zip(traversal.indices, drawn, strict=True):
        if not is_main():
            continue
        images = heading.decorate(images)
        folder.mkdir(parents=True, exist_ok=True)
        files += _save_direction(folder, index, images)
        # the page shows no more than that, and all of its pictures are held at once
        small = shrink(images, most=PAGE_PIXELS)
        rows.append(Row(edit.names[index], index, small, values.get(index)))
    if not is_main():
        return []
    gallery = Gallery(
        heading.title,
        rows,
        traversal.strengths,
        traversal.names,
        heading.lines,
        [*heading.facts, *edit_facts(generator, edit, traversal)],
        value_name,
        heading.plots,
    )
    write_page(folder / PAGE_FILE, gallery)
    return [*files, PAGE_FILE]


def _traversals(
    generator: Generator,
    edits: Sequence[Edit],
    traversal: Traversal,
    chunk: int,
    mesh: Mesh | None,
    progress: Callable[[int], None] | None,
) -> Iterator[np.ndarray]:
    """Pictures of each direction for every code, [N, S, H, W, C], one by one."""
    for index in traversal.indices:
        yield traverse_images(
            generator,
            edits,
            traversal.latents,
            index,
            traversal.strengths,
            truncation=traversal.truncation,
            absolute=traversal.absolute,
            chunk=chunk,
            mesh=mesh,
            progress=progress,
        )


def _save_direction(folder: Path, index: int, pictures: np.ndarray) -> list[str]:
    """Write a direction's grid (codes x strengths) and its animation."""
    name = f"direction_{index:03d}"
    save_png(folder / f"{name}.png", grid(pictures))
    # no GIF is wider or higher than 65535 pixels, which a row of many codes would be
    columns = max(min(len(pictures), _MOST_IN_A_ROW), math.isqrt(len(pictures)))
    frames = [grid(step, columns=columns) for step in pictures.swapaxes(0, 1)]
    save_gif(folder / f"{name}.gif", enlarge(np.stack(frames)))
    return [f"{name}.png", f"{name}.gif"]


def ranking(edit: Any) -> tuple[str, dict[int, float]]:
    """What ranks the directions, by index, and what it is called."""
    report = getattr(edit, "report", {})
    for key, name in VALUES.items():
        if key in report:
            found = np.asarray(report[key], np.float64)
            return name, {i: float(v) for i, v in enumerate(found) if np.isfinite(v)}
    return "value", {}


def edit_facts(
    generator: Generator, edit: Edit, traversal: Traversal
) -> list[tuple[str, str]]:
    """What a page says about an edit, and about how it is applied."""
    method = getattr(edit, "method", "")
    facts = [
        ("Method", METHODS.get(method, method or "unknown")),
        ("Space", edit.space),
    ]
    if has_rows(generator, edit):
        rows = getattr(edit, "layers", None)
        total = f"all {generator.config.num_layers}"
        facts.append(("Layers", total if rows is None else ranges(rows)))
    if traversal.absolute:
        facts.append(("Strengths", "coordinates to reach"))
    truncation = traversal.truncation
    if truncation is not None:
        facts.append(("Truncation", f"{float(truncation.psi):g}"))
        facts.append(("Edited", where_edited(generator, edit, truncation)))
    return facts


def ranges(rows: Sequence[int]) -> str:
    """(0, 1, 2, 5) -> "0-2, 5"."""
    parts: list[list[int]] = []
    for row in rows:
        if parts and row == parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def run_names(counts: Mapping[str, int]) -> str:
    """{"direction": 2, "code": 1} -> "2 directions x 1 code"."""
    return " x ".join(f"{n} {word}{'s' * (n != 1)}" for word, n in counts.items())
