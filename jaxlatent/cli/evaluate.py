"""Edits scored against each other, as a command."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

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
from jaxlatent.data.worlds import WORLDS
from jaxlatent.edits.base import Edit
from jaxlatent.evaluation.distortion import Distortion, mapping_distortion
from jaxlatent.evaluation.edit_scores import compare_edits, effects_csv
from jaxlatent.evaluation.effects import (
    Effects,
    is_oracle,
    known_effects,
    scored_effects,
)
from jaxlatent.evaluation.factor_reading import learn_to_read
from jaxlatent.evaluation.leak import owned_parts, part_leaks
from jaxlatent.gallery.comparing import as_text, draw_comparison, score_tables
from jaxlatent.gallery.drawing import Heading, Traversal
from jaxlatent.gallery.plots import Table
from jaxlatent.generators import rendered
from jaxlatent.generators.base import family_name
from jaxlatent.latents import prior, prior_truncation, sample_keys
from jaxlatent.runs import plain
from jaxlatent.texts import printable

FILE, TABLE = "evaluation.json", "effects.csv"
FEW_CODES = Scoring(samples=128)
_LEAST = 10
_OF_SCORERS = ("scorer", "scorer_config", "odds")


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
    world: Annotated[str | None, option("NAME")] = None,
    strengths: Annotated[str, option("LIST")] = "-2:2:5",
    distortion: int | None = None,
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
        world: A world that GENERATOR was made for, such as faces: a network learns to
            read its factors off pictures of it, in minutes, and is the scorer.
        strengths: How far codes are moved, in deviations of the prior.
        distortion: Measure at this many codes, too, how bent w is, layer by layer of
            the mapping network: no factors are needed for it.
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
    key = jax.random.key(arguments.check_seed(scoring.seed))
    samples = arguments.at_least_one(scoring.samples, "samples")
    if distortion is not None and ("w" not in generator.code_spaces or distortion < 2):
        raise ValueError(
            f"distortion: {distortion} given; 2 or more are accepted, of a generator "
            "with a mapping network"
        )
    psi = prior_truncation(generator, job.start.truncation)
    latents = prior(generator, label=session.label, truncation=psi)(
        sample_keys(key, np.arange(samples))
    )
    asked = _asked(session, scoring, world, key)

    def measured(edit: Any) -> Effects:
        found = asked.measure(edit=edit, latents=latents, strengths=amounts)
        return found.choose(arguments.parse_columns(scoring.attribute, found.factors))

    with session.progress("measuring", unit="edit") as progress:
        compared = compare_edits(
            edits,
            measured,
            key=jax.random.fold_in(key, samples),
            num=max(asked.count, _LEAST) if num is None else num,
            random=random,
            truth=asked.truth,
            supervised=supervised,
            leaks=asked.leaks,
            progress=progress,
        )
    factors = next(iter(compared.values())).effects.factors
    first = session.samples()
    drawn = sum(len(one.edit) for one in compared.values())
    if is_main():
        session.run.file(TABLE).write_text(effects_csv(compared))
        session.run.start()
    bent: dict[str, Distortion] = {}
    if distortion is not None:
        with session.progress("measuring distortion"):
            label = session.label
            bent = mapping_distortion(generator, key=key, num=distortion, label=label)
    lines = [
        f"{len(factors)} factors, {asked.how}; {samples} codes moved by "
        f"{amounts[0]:g} to {amounts[-1]:g} deviations of the prior.",
        "Coverage, purity and diversity: chance is 0, the truth 1.",
        *said,
    ]
    tables = [*_accuracy(asked), *_bends(bent)]
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
                tables,
            ),
            chunk=job.chunk,
            mesh=session.mesh,
            progress=progress,
        )
    if not is_main():
        return
    for line in as_text([*score_tables(compared), *tables]):
        print(printable(line))
    record = {name: one.scores.to_json() for name, one in compared.items()}
    text = json.dumps(plain(record), indent=1, allow_nan=False)
    session.run.file(FILE).write_text(text + "\n")
    session.run.names.append(page)
    session.finish(
        first,
        read=(*chosen.edits, *scoring.scorer),
        factors=factors,
        preprocessing=asked.preprocessing,
        accuracy=asked.accuracy,
        distortion={name: dataclasses.asdict(one) for name, one in bent.items()},
    )
    print((job.out / page).resolve().as_uri())


class Asked(NamedTuple):
    """What tells the factors of pictures.

    Attributes:
        measure: the effects of an `edit` on `latents` at `strengths`.
        count: of the factors.
        how: they are known, in words.
        truth: the true directions, where they are known.
        leaks: as for `compare_edits`.
        preprocessing: of the scorers that are networks.
        accuracy: R2 of what reads a world's factors, by factor.
    """

    measure: Callable[..., Effects]
    count: int
    how: str
    truth: Edit | None = None
    leaks: Any = None
    preprocessing: Mapping[str, Any] = {}
    accuracy: Mapping[str, float] = {}


def _asked(
    session: Session, scoring: Scoring, world: str | None, key: jax.Array
) -> Asked:
    """What the options ask for: known factors, scorers, or a network that reads."""
    generator, job = session.generator, session.job
    options: Any = {"truncation": session.truncation, "mesh": session.mesh}
    pictures: Any = {**options, "chunk": max(job.chunk, 32)}
    if world is not None:
        arguments.refuse(scoring, ", but a world has its own scorer", *_OF_SCORERS)
        if world not in WORLDS:
            raise ValueError(f"world: {world!r} given; {', '.join(WORLDS)} is accepted")
        painter, shape = WORLDS[world], generator.image_shape
        arguments.parse_columns(scoring.attribute, painter.names)
        blank = jax.ShapeDtypeStruct((1, len(painter.names)), np.float32)
        painted = jax.eval_shape(partial(painter.render, size=shape[0]), blank)
        if painted.shape[1:] != shape:
            raise ValueError(
                f"world: {world} given, whose pictures are {painted.shape[1:]}; those "
                f"of GENERATOR are {shape}"
            )
        with session.progress(f"learning to read {world}"):
            reader = learn_to_read(painter, shape[0], key=key, mesh=session.mesh)
        pictures |= {"scorers": {"": reader.network}, "factors": painter.names}
        return Asked(
            partial(scored_effects, generator, **pictures),
            len(painter.names),
            f"read off pictures of {world} by a network",
            accuracy=dict(zip(painter.names, reader.accuracy.tolist(), strict=True)),
        )
    if scoring.scorer or not is_oracle(generator):
        scorers = scores.open_scorers(scoring.scorer, scoring.scorer_config)
        pictures |= {"scorers": scorers, "odds": scoring.odds}
        return Asked(
            partial(scored_effects, generator, **pictures),
            len(scores.check_attributes(session, scoring, scorers)),
            "by scorers",
            preprocessing=scores.preprocessing(scorers),
        )
    again = ", but this generator knows its factors; a scorer is missing"
    arguments.refuse(scoring, again, *_OF_SCORERS)
    painted = generator.config.painted
    arguments.parse_columns(scoring.attribute, painted.names)
    parts = owned_parts(painted, key=key)
    whole = scoring.attribute is None
    return Asked(
        partial(known_effects, generator, **options),
        len(generator.config.factor_names),
        "known",
        rendered.truth(generator),
        partial(part_leaks, painted, parts=parts) if parts and whole else None,
    )


def _accuracy(asked: Asked) -> list[Table]:
    rows = [(name, f"{one:.2f}") for name, one in asked.accuracy.items()]
    title = "How well the network reads each factor: R2 on unseen pictures"
    return [Table(title, ("factor", "R2"), rows, folded=True)] if rows else []


def _bends(found: Mapping[str, Distortion]) -> list[Table]:
    heads = ("layer", "dimension", "random pairs", "near pairs", "distortion")
    rows = [
        (name, str(one.rank), *(f"{x:.3f}" for x in (one.random, one.near, one.ratio)))
        for name, one in found.items()
    ]
    title = "Distortion: distance of tangent spaces, at random over near"
    return [Table(title, heads, rows)] if rows else []


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
