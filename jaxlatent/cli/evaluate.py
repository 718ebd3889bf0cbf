"""Edits scored against each other, as a command."""

import dataclasses
import json
from typing import Annotated

import jax
import numpy as np

from jaxlatent.cli import arguments
from jaxlatent.cli.judging import EditFiles, judge_of, open_edits
from jaxlatent.cli.options import (
    JobGroup,
    Repeated,
    Scoring,
    ScoringGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session
from jaxlatent.collectives import is_main
from jaxlatent.comparison.running import sized
from jaxlatent.evaluation.direction_codes import Settings, score_codes
from jaxlatent.evaluation.disentanglement import Score, scores_to_json
from jaxlatent.evaluation.distortion import Distortion, mapping_distortion
from jaxlatent.evaluation.edit_comparison import effects_csv
from jaxlatent.evaluation.effects import is_oracle
from jaxlatent.gallery.comparing import (
    accuracy_table,
    as_text,
    codes_table,
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
_ENCODED, _PICTURES = 32, 15_000


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
    encoder: int | None = None,
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
        encoder: Learn for so many steps, such as 1500, an encoder of each edit's
            directions, and score its codes by MIG, DCI, FactorVAE and BetaVAE, too; of
            a generator that knows its factors in pictures of 32 pixels. In minutes.
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
    if encoder is not None:
        arguments.at_least_one(encoder, "encoder")
        arguments.refuse(scoring, ", but codes are scored on all factors", "attribute")
        if scoring.scorer or not (world or is_oracle(generator)):
            raise ValueError(
                f"encoder: {encoder} given; a world, or a generator that knows its "
                "factors, is accepted with it"
            )
    psi = prior_truncation(generator, job.start.truncation)
    latents = prior(generator, label=session.label, truncation=psi)(
        sample_keys(key, np.arange(samples))
    )
    judge, how, reader, recorded = judge_of(
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
    codes: dict[str, dict[str, Score]] = {}
    if encoder is not None:
        shown = generator if reader is not None else sized(generator, _ENCODED)
        for name, edit in edits.items():
            with session.progress(f"learning the codes of {name}"):
                codes[name] = score_codes(
                    prior(shown, space=edit.space, label=session.label),
                    edit,
                    Settings(steps=encoder),
                    reader,
                    key=key,
                    num=_PICTURES,
                    mesh=session.mesh,
                )
    lines = [
        f"{len(factors)} factors, {how}; {samples} codes moved by "
        f"{amounts[0]:g} to {amounts[-1]:g} deviations of the prior.",
        "Coverage, purity and diversity: chance is 0, the truth 1.",
        *said,
    ]
    tables = [accuracy_table(recorded["accuracy"])] if recorded.get("accuracy") else []
    tables += [distortion_table(bent)] if bent else []
    tables += [codes_table(codes)] if codes else []
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
        encoder={name: scores_to_json(one) for name, one in codes.items()},
        distortion={name: dataclasses.asdict(one) for name, one in bent.items()},
    )
    print((job.out / page).resolve().as_uri())
