"""Directions as pictures: a grid and an animation each, and the page of all."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxlatent.cli.inputs import Start
from jaxlatent.cli.options import Codes
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.runs import Run
from jaxlatent.editing import traverse_images
from jaxlatent.gallery import (
    Gallery,
    Row,
    enlarge,
    grid,
    save_gif,
    save_png,
    write_page,
)
from jaxlatent.generators.base import Generator
from jaxlatent.types import Edit

PAGE_FILE = "index.html"


def draw_traversals(
    generator: Generator,
    edit: Edit,
    indices: Sequence[int],
    strengths: Sequence[float],
    start: Start,
    options: Codes,
    *,
    chunk: int,
) -> Iterator[np.ndarray]:
    """Pictures of each direction for every code, [N, S, H, W, C], one by one."""
    total = len(indices) * len(strengths) * len(start.names)
    with progress_bar("drawing", total) as progress:
        for index in indices:
            yield traverse_images(
                generator,
                edit,
                start.codes,
                index,
                strengths,
                space=start.space,
                psi=options.truncation,
                cutoff=options.cutoff,
                label=start.label,
                chunk=chunk,
                progress=progress,
            )


def save_direction(run: Run, index: int, pictures: np.ndarray) -> None:
    """Write a direction's grid (codes x strengths) and its animation.

    Args:
        run: the folder.
        index: of the direction.
        pictures: [N, S, H, W, C].
    """
    save_png(run.file(f"direction_{index:03d}.png"), grid(pictures))
    frames = [grid(step, columns=len(step)) for step in pictures.swapaxes(0, 1)]
    save_gif(run.file(f"direction_{index:03d}.gif"), enlarge(np.stack(frames)))


def save_page(
    run: Run,
    edit: Edit,
    pictures: Mapping[int, np.ndarray],
    strengths: Sequence[float],
    start: Start,
    *,
    title: str,
    lines: Sequence[str],
    facts: Sequence[tuple[str, str]],
) -> Path:
    """Write the page of all directions.

    Args:
        run: the folder.
        edit: the edit; its eigenvalues are shown if it has any.
        pictures: [N, S, H, W, C] for each direction's index.
        strengths: [S] the columns.
        start: the codes.
        title: heading of the page.
        lines: paragraphs under the title.
        facts: label and value pairs.

    Returns:
        The page's path.
    """
    values = getattr(edit, "info", {}).get("eigenvalues")
    rows = [
        Row(
            name=edit.names[index],
            index=index,
            pictures=images,
            value=None if values is None else float(values[index]),
        )
        for index, images in pictures.items()
    ]
    page = run.file(PAGE_FILE)
    write_page(page, Gallery(title, rows, strengths, start.names, lines, facts))
    return page
