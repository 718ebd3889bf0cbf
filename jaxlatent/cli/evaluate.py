"""Edits scored against each other, as a command."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from jaxlatent.cli import arguments, inputs, scores
from jaxlatent.cli.options import (
    EditFile,
    JobGroup,
    Repeated,
    Rows,
    Scoring,
    ScoringGroup,
    Space,
    group,
    option,
)
from jaxlatent.cli.session import Session
from jaxlatent.collectives import is_main
from jaxlatent.evaluation.edit_scores import Compared, compare_edits
from jaxlatent.evaluation.effects import (
    Effects,
    is_oracle,
    known_effects,
    scored_effects,
)
from jaxlatent.evaluation.leak import owned_parts, part_leaks
from jaxlatent.gallery.comparing import draw_comparison, score_tables
from jaxlatent.gallery.drawing import Heading, Traversal
from jaxlatent.generators import rendered
from jaxlatent.generators.base import family_name
from jaxlatent.latents import prior, sample_keys
from jaxlatent.runs import plain
from jaxlatent.texts import aligned, printable

FILE, TABLE = "evaluation.json", "effects.csv"
FEW_CODES = Scoring(samples=128)
_LEAST = 10


@dataclass(frozen=True)
class EditFiles:
    """Edits from files."""

    edits: Annotated[tuple[Path, ...], tyro.conf.Positional, option("EDIT")]
    """.npz edits, or other tools' directions as .npy, .npz, .pkl or .pt."""
    layers: Rows = None
    """Rows of w+ to shift instead of the edits' own: all, or such as 0-1."""
    edit_space: Space = None
    """The space of other tools' directions, instead of what is told or guessed."""


def evaluate(
    job: JobGroup,
    chosen: Annotated[EditFiles, group("")],
    *,
    num: int | None = None,
    random: int = 64,
    supervised: Annotated[Repeated, option("EDIT")] = (),
    scoring: ScoringGroup = FEW_CODES,
    strengths: Annotated[str, option("LIST")] = "-2:2:5",
) -> None:
    """Score edits by what their directions change: one factor each, or everything.

    Args:
        job: What to work on; its codes are those that are drawn.
        chosen: What is scored.
        num: Directions of each edit, the first ones; as many as there are factors, but
            no fewer than 10, if left out.
        random: Random directions that stand for chance.
        supervised: One of the edits that was told what to find; a direction that bears
            a factor's name is scored on that factor alone.
        scoring: What sees factors in the pictures, and in how many; a generator that
            knows its factors needs no scorer.
        strengths: How far codes are moved, in deviations of the prior.
    """
    session = Session.open(job, "evaluate", locals())
    generator, said = session.generator, list[str]()
    edits = open_edits(session, chosen, said)
    if unknown := {*supervised} - {*edits}:
        raise ValueError(
            f"supervised: {min(unknown)} given; one of {', '.join(edits)} is accepted"
        )
    amounts = sorted(arguments.parse_strengths(strengths))
    if len({*amounts}) < 3 or 0 not in amounts:
        raise ValueError(
            f"strengths: {strengths} given; three different ones, 0 among them, or "
            "more are needed"
        )
    if num is not None:
        arguments.at_least_one(num, "num")
    key = jax.random.key(arguments.check_seed(scoring.seed))
    samples = arguments.at_least_one(scoring.samples, "samples")
    latents = prior(generator, label=session.label)(
        sample_keys(key, np.arange(samples))
    )
    truth, leaks = None, None
    options: Any = {"truncation": session.truncation, "mesh": session.mesh}
    if scoring.scorer or not is_oracle(generator):
        scorers = scores.open_scorers(scoring.scorer, scoring.scorer_config)
        names = scores.check_attributes(session, scoring, scorers)
        options |= {"odds": scoring.odds, "chunk": max(job.chunk, 32)}
        measure = partial(scored_effects, generator, scorers=scorers, **options)
        kinds, how = scores.preprocessing(scorers), "by scorers"
    else:
        again = ", but this generator knows its factors; a scorer is missing"
        arguments.refuse(scoring, again, "scorer_config", "odds")
        names = generator.config.factor_names
        arguments.parse_columns(scoring.attribute, names)
        measure, kinds, how = partial(known_effects, generator, **options), {}, "known"
        truth, world = rendered.truth(generator), generator.config.painted
        parts = owned_parts(world, key=key)
        if parts and scoring.attribute is None:
            leaks = partial(part_leaks, world, parts=parts)

    def measured(edit: Any) -> Effects:
        found = measure(edit=edit, latents=latents, strengths=amounts)
        return found.choose(arguments.parse_columns(scoring.attribute, found.factors))

    with session.progress("measuring", unit="edit") as progress:
        compared = compare_edits(
            edits,
            measured,
            key=jax.random.fold_in(key, samples),
            num=max(len(names), _LEAST) if num is None else num,
            random=random,
            truth=truth,
            supervised=supervised,
            leaks=leaks,
            progress=progress,
        )
    factors = next(iter(compared.values())).effects.factors
    first = session.samples()
    drawn = sum(len(one.edit) for one in compared.values())
    if is_main():
        session.run.file(TABLE).write_text(to_csv(compared))
        session.run.start()
    lines = [
        f"{len(factors)} factors, {how}; {samples} codes moved by "
        f"{amounts[0]:g} to {amounts[-1]:g} deviations of the prior.",
        "Coverage, purity and diversity: chance is 0, the truth 1.",
        *said,
    ]
    total = drawn * len(first.names) * len(amounts)
    with session.progress("drawing", total) as progress:
        page = draw_comparison(
            job.out,
            generator,
            compared,
            Traversal(
                first.latents,
                first.names,
                (),
                amounts,
                truncation=session.truncation,
            ),
            Heading(
                f"{', '.join(edits)} on {session.name}",
                lines,
                [("Generator", f"{session.name} ({family_name(generator.config)})")],
            ),
            chunk=job.chunk,
            mesh=session.mesh,
            progress=progress,
        )
    if not is_main():
        return
    for line in told(compared):
        print(printable(line))
    record = {name: one.scores.to_json() for name, one in compared.items()}
    text = json.dumps(plain(record), indent=1, allow_nan=False)
    session.run.file(FILE).write_text(text + "\n")
    session.run.names.append(page)
    session.finish(
        first,
        read=(*chosen.edits, *scoring.scorer),
        factors=factors,
        preprocessing=kinds,
    )
    print((job.out / page).resolve().as_uri())


def open_edits(session: Session, chosen: EditFiles, said: list[str]) -> dict[str, Any]:
    """The edits by the names of their files, or by their paths where names agree."""
    if not chosen.edits:
        raise ValueError("EDIT: missing; one file or more is accepted")
    stems = [path.stem for path in chosen.edits]
    found = {}
    for path, stem in zip(chosen.edits, stems, strict=True):
        one = EditFile(path, chosen.layers, chosen.edit_space)
        edit, lines = session.open_edit(one)
        said += [line for line in lines if line not in said]
        name = stem if stems.count(stem) == 1 else str(path)
        found[name] = inputs.restrict(edit, chosen.layers, session.generator)
    return found


def told(compared: dict[str, Compared]) -> Sequence[str]:
    """Tables as lines of text."""
    lines = []
    for table in score_tables(compared):
        lines += ["", table.title] if lines else []
        lines += aligned([table.columns, *table.rows])
    return lines


def to_csv(compared: dict[str, Compared]) -> str:
    """A line for each direction: its unit, its purity, its change of each factor."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    factors = next(iter(compared.values())).effects.factors
    writer.writerow(("edit", "direction", "name", "unit", "purity", *factors))
    for name, one in compared.items():
        for index, words in enumerate(one.effects.directions):
            figures = (
                one.effects.units[index],
                one.scores.purity[index],
                *one.effects.slope[index],
            )
            writer.writerow((name, index, words, *(f"{x:.6g}" for x in figures)))
    return text.getvalue()
