"""Edits side by side: their scores, their effects, and pictures that play."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jax.sharding import Mesh

from jaxlatent.collectives import is_main
from jaxlatent.editing import traverse_images
from jaxlatent.evaluation.disentanglement import Score
from jaxlatent.evaluation.distortion import Distortion
from jaxlatent.evaluation.edit_comparison import Compared
from jaxlatent.evaluation.edit_scores import SCORES
from jaxlatent.evaluation.effects import Effects
from jaxlatent.gallery.drawing import PAGE_FILE, PAGE_PIXELS, Heading, Traversal
from jaxlatent.gallery.page import Gallery, Row, write_page
from jaxlatent.gallery.plots import HeatMap, Table
from jaxlatent.gallery.raster import shrink
from jaxlatent.generators.base import Generator

VALUE = "share of its largest factor"


def draw_comparison(
    folder: Path | str,
    generator: Generator,
    compared: Mapping[str, Compared],
    traversal: Traversal,
    heading: Heading,
    *,
    chunk: int = 8,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> str:
    """Write a page of several edits: tables, heat maps, and a row for each direction.

    Directions stand by the factor that they change most, the purest first, in the heat
    maps as in the rows of pictures, to which the names in the heat maps lead.

    Args:
        folder: where to; it must be there.
        generator: the generator; prepare it first.
        compared: by name, from `evaluation.edit_comparison`.
        traversal: which codes are drawn and by which strengths, in deviations of the
            prior; its `indices` do not count.
        heading: of the page; its plots come behind tables and heat maps.
        chunk: pictures per compiled call.
        mesh: devices that draw, None for one.
        progress: called with the number of pictures just drawn.

    Returns:
        The name of the file, which the first process alone writes.
    """
    rows, maps = [], []
    for name, one in compared.items():
        effects, order = one.effects, one.effects.order()
        links = [f"#row-{len(rows) + place}" for place in range(len(order))]
        labels = [f"{index} {_short(effects.directions[index])}" for index in order]
        title = f"{name}: change by one deviation of the prior"
        maps.append(
            HeatMap(title, labels, effects.factors, effects.slope[order], links)
        )
        for index in order.tolist():
            images = traverse_images(
                generator,
                one.single(index),
                traversal.latents,
                0,
                (effects.units[index] * np.asarray(traversal.strengths)).tolist(),
                truncation=traversal.truncation,
                chunk=chunk,
                mesh=mesh,
                progress=progress,
            )
            share = float(effects.selectivity[index].max())
            rows.append(
                Row(
                    f"{name} · {effects.directions[index]}",
                    index,
                    shrink(images, most=PAGE_PIXELS),
                    share if np.isfinite(share) else None,
                    {"Changes": told(effects, index)},
                )
            )
    scores, *by_factor = score_tables(compared)
    gallery = Gallery(
        heading.title,
        rows,
        traversal.strengths,
        traversal.names,
        heading.lines,
        heading.facts,
        VALUE,
        [scores, *maps, *by_factor, *heading.plots],
    )
    if is_main():
        write_page(Path(folder) / PAGE_FILE, gallery)
    return PAGE_FILE


def score_tables(compared: Mapping[str, Compared]) -> list[Table]:
    """The scores of all edits, and of each edit by factor."""
    summaries = {name: one.scores.summary for name, one in compared.items()}
    known = [
        score
        for score in SCORES
        if any(np.isfinite(one[score]) for one in summaries.values())
    ]
    lines = []
    for name, one in compared.items():
        figures = [_number(summaries[name][score]) for score in known]
        lines.append((name, str(len(one.effects.directions)), *figures))
    tables = [Table("Scores", ("edit", "directions", *known), lines)]
    by_factor = [one for one in known if one not in ("purity", "diversity")]
    heads = ("factor", "direction", "share", *by_factor)
    for name, one in compared.items():
        scores, share = one.scores, np.nan_to_num(one.effects.selectivity)
        rows = [
            (
                factor,
                f"{best} {_short(one.effects.directions[best])}",
                _number(share[best, number]),
                *(_number(getattr(scores, what)[number]) for what in heads[3:]),
            )
            for number, (factor, best) in enumerate(
                zip(scores.factors, scores.best.tolist(), strict=True)
            )
            if best >= 0
        ]
        title = f"{name}: the best direction of each factor"
        tables.append(Table(title, heads, rows, folded=True))
    return tables


def accuracy_table(accuracy: Mapping[str, float]) -> Table:
    """How well a network reads factors, by their names."""
    rows = [(name, f"{one:.2f}") for name, one in accuracy.items()]
    title = "How well the network reads each factor: R2 on unseen pictures"
    return Table(title, ("factor", "R2"), rows, folded=True)


def distortion_table(found: Mapping[str, Distortion]) -> Table:
    """How bent a space is, by the names of its layers."""
    heads = ("layer", "dimension", "random pairs", "near pairs", "distortion")
    rows = [
        (name, str(one.rank), *(f"{x:.3f}" for x in (one.random, one.near, one.ratio)))
        for name, one in found.items()
    ]
    title = "Distortion: distance of tangent spaces, at random over near"
    return Table(title, heads, rows)


def codes_table(found: Mapping[str, Mapping[str, Score]]) -> Table:
    """Scores of codes along directions, and the chance of each, by edit."""
    names = list(next(iter(found.values())))
    rows = []
    for edit, scores in found.items():
        figures = [(_number(scores[x].value), _number(scores[x].chance)) for x in names]
        rows.append((edit, *(f"{value} ({chance})" for value, chance in figures)))
    title = "Codes of an encoder of each edit's directions (and of unrelated codes)"
    return Table(title, ("edit", *names), rows)


def as_text(tables: Sequence[Table]) -> list[str]:
    """Tables as lines of text, their columns below each other."""
    lines = []
    for table in tables:
        cells = [table.columns, *table.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += ["", table.title] if lines else []
        for first, *rest in cells:
            entries = zip(rest, widths[1:], strict=True)
            words = [first.ljust(widths[0]), *(one.rjust(to) for one, to in entries)]
            lines.append("  ".join(words).rstrip())
    return lines


def told(effects: Effects, index: int, most: int = 3) -> str:
    """What a direction changes, in words: the factors with the largest shares."""
    share = effects.selectivity[index]
    if effects.rests[index]:
        return "nothing"
    first = np.argsort(-share, kind="stable")[:most]
    return ", ".join(
        f"{effects.factors[one]} {share[one]:.0%}"
        for one in first
        if share[one] > 0.005
    )


def _short(name: str) -> str:
    """A direction's name, nothing where it is just its number."""
    return "" if name.startswith("direction ") else name


def _number(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.2f}".replace("-", "−")
