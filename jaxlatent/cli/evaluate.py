"""Edits scored against each other, as a command."""

import dataclasses
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
from jaxlatent.data.worlds import world_of
from jaxlatent.evaluation.distortion import Distortion, mapping_distortion
from jaxlatent.evaluation.edit_comparison import Judge, effects_csv, oracle_judge
from jaxlatent.evaluation.effects import is_oracle, scored_effects
from jaxlatent.evaluation.factor_reading import learn_to_read
from jaxlatent.gallery.comparing import (
    accuracy_table,
    as_text,
    distortion_table,
    draw_comparison,
    score_tables,
)
from jaxlatent.gallery.drawing import Heading, Traversal
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
    judge, how, recorded = _judge(
        session,
        scoring,
        world,
        key,
        num=num,
        random=random,
        latents=latents,
        strengths=amounts,
    )
    for edit in edits.values():
        judge.keep(edit)
    compared = {}
    with session.progress("measuring", len(edits), unit="edit") as progress:
        for name, edit in edits.items():
            compared[name] = judge.compare(edit, supervised=name in supervised)
            progress(1)
    factors = next(iter(compared.values())).effects.factors
    first = session.samples()
    drawn = sum(len(one.effects.directions) for one in compared.values())
    if is_main():
        session.run.file(TABLE).write_text(effects_csv(compared))
        session.run.start()
    bent: dict[str, Distortion] = {}
    if distortion is not None:
        with session.progress("measuring distortion"):
            label = session.label
            bent = mapping_distortion(generator, key=key, num=distortion, label=label)
    lines = [
        f"{len(factors)} factors, {how}; {samples} codes moved by "
        f"{amounts[0]:g} to {amounts[-1]:g} deviations of the prior.",
        "Coverage, purity and diversity: chance is 0, the truth 1.",
        *said,
    ]
    tables = [accuracy_table(recorded["accuracy"])] if recorded.get("accuracy") else []
    tables += [distortion_table(bent)] if bent else []
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
        **recorded,
        distortion={name: dataclasses.asdict(one) for name, one in bent.items()},
    )
    print((job.out / page).resolve().as_uri())


def _judge(
    session: Session,
    scoring: Scoring,
    world: str | None,
    key: jax.Array,
    *,
    num: int | None,
    random: int,
    **moved: Any,
) -> tuple[Judge, str, dict[str, Any]]:
    """What tells factors, as the options ask, in words too, and what to record."""
    generator, attribute = session.generator, scoring.attribute
    options: Any = {**moved, "truncation": session.truncation, "mesh": session.mesh}
    fold = jax.random.fold_in(key, scoring.samples)
    if world is None and not scoring.scorer and is_oracle(generator):
        again = ", but this generator knows its factors; a scorer is missing"
        arguments.refuse(scoring, again, *_OF_SCORERS)
        names = generator.config.factor_names
        judge = oracle_judge(
            generator,
            key=fold,
            num=_directions(num, names),
            random=random,
            factors=attribute and arguments.parse_columns(attribute, names),
            leaks=True,
            **options,
        )
        return judge, "known", {}
    if world is not None:
        arguments.refuse(scoring, ", but a world has its own scorer", *_OF_SCORERS)
        painter = world_of(world, generator.image_shape)
        names = painter.names
        columns = arguments.parse_columns(attribute, names)
        with session.progress(f"learning to read {world}"):
            size = generator.image_shape[0]
            reader = learn_to_read(painter, size, key=key, mesh=session.mesh)
        options |= {"scorers": {"": reader.network}, "factors": names}
        how = f"read off pictures of {world} by a network"
        accuracy = dict(zip(names, reader.accuracy.tolist(), strict=True))
        recorded = {"accuracy": accuracy}
    else:
        scorers = scores.open_scorers(scoring.scorer, scoring.scorer_config)
        names = scores.check_attributes(session, scoring, scorers)
        columns = None if attribute is None else names
        options |= {"scorers": scorers, "odds": scoring.odds}
        how, recorded = "by scorers", {"preprocessing": scores.preprocessing(scorers)}
    chunk = max(session.job.chunk, 32)
    judge = Judge(
        partial(scored_effects, generator, chunk=chunk, **options),
        key=fold,
        num=_directions(num, names),
        random=random,
        factors=columns,
    )
    return judge, how, recorded


def _directions(num: int | None, factors: Sequence[str]) -> int:
    return max(len(factors), _LEAST) if num is None else num


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
