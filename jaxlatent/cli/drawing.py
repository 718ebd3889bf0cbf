"""Directions as pictures: a grid and an animation each, and the page of all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxlatent import checkpoint
from jaxlatent.cli import arguments, inputs
from jaxlatent.cli.inputs import Start
from jaxlatent.cli.options import Codes
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.runs import Run
from jaxlatent.collectives import is_main
from jaxlatent.editing import traverse_images
from jaxlatent.edits.base import Edit
from jaxlatent.gallery import (
    Gallery,
    Row,
    enlarge,
    grid,
    save_gif,
    save_png,
    shrink,
    write_page,
)
from jaxlatent.generators.base import Generator, family_name

PAGE_FILE = "index.html"
PAGE_PIXELS = 512
METHODS = {
    "sefa": "SeFa",
    "ganspace": "GANSpace",
    "interfacegan": "InterFaceGAN",
    "lowrankgan": "LowRankGAN",
    "resefa": "ReSeFa",
}
VALUES = {
    "eigenvalues": "eigenvalue",
    "variance_ratio": "share of variance",
    "accuracy_validation": "validation accuracy",
    "cosine": "cosine with the original",
}
"""What a page says about each direction: entries of `info`, the first that is there."""


@dataclass(frozen=True)
class Moves:
    """How codes move along each direction.

    Attributes:
        strengths: as the option gives them.
        absolute: to the strengths instead of by them.
        truncate: "before" or "after" an edit of w.
    """

    strengths: str
    absolute: bool = False
    truncate: str = "before"


def draw_edit(
    run: Run,
    model: Generator,
    edits: Mapping[str, Any],
    indices: Sequence[int],
    moves: Moves,
    options: Codes,
    *,
    chunk: int,
    name: str,
    title: str,
    lines: Sequence[str] = (),
    read: Sequence[Path | None] = (),
    mesh: Mesh | None = None,
    decorate: Callable[[np.ndarray], np.ndarray] = lambda images: images,
    **recorded: Any,
) -> None:
    """Draw directions, write everything, and say where it is.

    Args:
        run: the folder.
        model: the generator.
        edits: by the file each is written to; all of them move together.
        indices: of the directions to draw.
        moves: how far.
        options: the codes to edit.
        chunk: pictures per compiled call.
        name: the generator as the user calls it.
        title: heading of the page.
        lines: paragraphs under the title.
        read: files that were read, besides the generator and the codes.
        mesh: devices that draw, None for one; only the first process writes.
        decorate: what to draw over the pictures.
        **recorded: further JSON values for the record.
    """
    arguments.at_least_one(chunk, "--chunk")
    strengths = arguments.parse_strengths(moves.strengths)
    first = inputs.start_codes(options, model)
    for edit in edits.values():
        inputs.check_start(first, edit, model)
    main = next(iter(edits.values()))
    drawn = _traversals(
        model,
        tuple(edits.values()),
        indices,
        strengths,
        first,
        options,
        moves,
        chunk,
        mesh,
    )
    pictures = {}
    for index, images in zip(indices, drawn, strict=True):
        if not is_main():
            continue
        images = decorate(images)
        # the page shows no more than that, and all of its pictures are held at once
        pictures[index] = shrink(images, most=PAGE_PIXELS)
        _save_direction(run, index, images)
    if not is_main():
        return
    for file, edit in edits.items():
        checkpoint.save_edit(run.file(file), edit)
    value_name, values = _values(main)
    rows = [
        Row(main.names[index], index, images, values.get(index))
        for index, images in pictures.items()
    ]
    facts = _facts(name, model, main, options, moves)
    with progress_bar("writing the page"):
        page = run.file(PAGE_FILE)
        write_page(
            page,
            Gallery(title, rows, strengths, first.names, lines, facts, value_name),
        )
    run.finish(
        model,
        inputs=(name, options.codes, *read),
        seeds=first.seeds,
        codes=first.names,
        strengths=strengths,
        directions=[main.names[index] for index in indices],
        edited=_when(main, model, options, moves),
        **recorded,
    )
    counts = ((indices, "direction"), (first.names, "code"), (strengths, "strength"))
    words = " x ".join(
        f"{len(some)} {word}{'s'[len(some) == 1 :]}" for some, word in counts
    )
    print(f"{words}; {', '.join(edits)}, PNG, GIF and a page")
    print(page.resolve().as_uri())


def _traversals(
    generator: Generator,
    edits: Sequence[Edit],
    indices: Sequence[int],
    strengths: Sequence[float],
    start: Start,
    options: Codes,
    moves: Moves,
    chunk: int,
    mesh: Mesh | None,
) -> Iterator[np.ndarray]:
    """Pictures of each direction for every code, [N, S, H, W, C], one by one."""
    total = len(indices) * len(strengths) * len(start.names)
    with (
        progress_bar("drawing", total) as progress,
        arguments.naming(absolute="--absolute"),
    ):
        for index in indices:
            yield traverse_images(
                generator,
                edits,
                start.codes,
                index,
                strengths,
                space=start.space,
                absolute=moves.absolute,
                psi=inputs.psi(options, generator),
                cutoff=options.cutoff,
                truncate=moves.truncate,
                label=start.label,
                chunk=chunk,
                mesh=mesh,
                progress=progress,
            )


def _save_direction(run: Run, index: int, pictures: np.ndarray) -> None:
    """Write a direction's grid (codes x strengths) and its animation."""
    save_png(run.file(f"direction_{index:03d}.png"), grid(pictures))
    frames = [grid(step, columns=len(step)) for step in pictures.swapaxes(0, 1)]
    save_gif(run.file(f"direction_{index:03d}.gif"), enlarge(np.stack(frames)))


def _values(edit: Any) -> tuple[str, dict[int, float]]:
    """What ranks the directions, by index, and what it is called."""
    info = edit.report
    for key, name in VALUES.items():
        if key in info:
            found = np.asarray(info[key], np.float64)
            return name, {i: float(v) for i, v in enumerate(found) if np.isfinite(v)}
    return "value", {}


def _facts(
    name: str, model: Generator, edit: Any, options: Codes, moves: Moves
) -> list[tuple[str, str]]:
    """What the page says about the run."""
    family = family_name(model.config)
    facts = [
        ("Generator", f"{inputs.generator_name(name)} ({family})"),
        ("Method", METHODS.get(edit.method, edit.method or "unknown")),
        ("Space", edit.space),
    ]
    if inputs.has_rows(edit, model):
        rows = getattr(edit, "layers", None)
        total = f"all {model.config.num_layers}"
        facts.append(("Layers", total if rows is None else _ranges(rows)))
    if moves.absolute:
        facts.append(("Strengths", "coordinates to reach"))
    if options.truncation is not None:
        rows = "" if options.cutoff is None else f", first {options.cutoff} rows"
        late = edit.space == "z" or moves.truncate == "after"
        when = ", after the edit" if late else ", before the edit"
        when = " of z" if model.truncates_prior else when
        facts.append(("Truncation", f"{options.truncation:g}{rows}{when}"))
    if options.label is not None:
        facts.append(("Class", options.label))
    return facts


def _ranges(rows: Sequence[int]) -> str:
    """(0, 1, 2, 5) -> "0-2, 5"."""
    parts: list[list[int]] = []
    for row in rows:
        if parts and row == parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def _when(edit: Any, model: Generator, options: Codes, moves: Moves) -> str:
    """Where on the way from z to a picture the edit acted."""
    if edit.space == "z":
        mapped = "w" in model.config.spaces
        return "before the mapping network" if mapped else "at the network's input"
    if options.truncation is None or edit.space not in ("w", "w+"):
        return f"in {edit.space}"
    opposite = {"before": "after", "after": "before"}
    return f"{opposite[moves.truncate]} truncation"
