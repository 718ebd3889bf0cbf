"""Directions by what they do to scores, as a command."""

from collections.abc import Sequence
from typing import Annotated

import jax
import numpy as np

from jaxlatent.cli import arguments, inputs, scores
from jaxlatent.cli.options import (
    ChosenEdit,
    JobGroup,
    Page,
    PageGroup,
    Repeated,
    Scoring,
    ScoringGroup,
    group,
    option,
)
from jaxlatent.cli.session import Session, curve_plot
from jaxlatent.collectives import is_main
from jaxlatent.evaluation.curves import ScoreCurve
from jaxlatent.evaluation.ranking import Ranking, rank_scores, score_directions
from jaxlatent.gallery.drawing import Heading
from jaxlatent.latents import prior, sample_keys
from jaxlatent.texts import printable

FILE = "ranking.csv"
FEW_CODES = Scoring(samples=64)
_MOST_PLOTS = 12


def rank(
    job: JobGroup,
    chosen: Annotated[ChosenEdit, group("")],
    *,
    top: int = 3,
    group_of: Annotated[Repeated, option("TARGET,OTHER,...")] = (),
    scoring: ScoringGroup = FEW_CODES,
    page: PageGroup = Page("-2:2:5"),
) -> None:
    """Tell which direction changes which score, how steeply and how selectively.

    Args:
        job: What to work on; its codes are those that are drawn.
        chosen: Whose directions are ranked.
        top: Directions of each score that are told and drawn.
        group_of: Scores by name of which the first is to change and the others are to
            rest; directions are ranked by its share in the changes of these.
        scoring: What scores the pictures, and how many codes are moved for it.
        page: How directions are drawn; scores are taken at the same strengths.
    """
    session = Session.open(job, "rank", locals())
    loaded, lines = session.open_edit(chosen)
    edit = inputs.restrict(loaded, chosen.layers, session.generator)
    index = "all" if chosen.index is None else chosen.index
    edit = edit.select(inputs.choose_directions(index, edit, option="index"))
    strengths = sorted(arguments.parse_strengths(page.strengths))
    if len({*strengths}) < 2:
        raise ValueError(
            f"strengths: {page.strengths} given; two different ones or more are needed"
        )
    scorers = scores.open_scorers(scoring.scorer, scoring.scorer_config)
    kept = scores.check_attributes(session, scoring, scorers)
    groups = [parse_group(text, kept) for text in group_of]
    key = jax.random.key(arguments.check_seed(scoring.seed))
    keys = sample_keys(key, np.arange(scoring.samples))
    truncation = inputs.truncation_of(job.start, session.generator, page.truncate)
    with session.progress("ranking", len(edit), "direction") as progress:
        values, names = score_directions(
            session.generator,
            edit,
            scorers,
            prior(session.generator, label=session.label)(keys),
            strengths,
            odds=scoring.odds,
            truncation=truncation,
            chunk=max(job.chunk, 32),
            mesh=session.mesh,
            progress=progress,
        )
    found = rank_scores(values, strengths, directions=edit.names, attributes=names)
    found = found.choose(arguments.parse_columns(scoring.attribute, names))
    best = [told(found, name, top) for name in found.attributes]
    chosen_rows = [found.order(name)[:top] for name in found.attributes]
    for names_of_group in groups:
        rows = found.best(names_of_group)[:top]
        chosen_rows.append(rows)
        best.append(told_of_group(found, names_of_group, rows))
    drawn = dict.fromkeys(int(index) for rows in chosen_rows for index in rows)
    plots = []
    for name in found.attributes[:_MOST_PLOTS]:
        first = found.order(name)[0]
        curve = ScoreCurve(
            np.asarray(strengths), values[:, first, :, names.index(name)]
        )
        plots.append(curve_plot(name, curve, found.directions[first]))
    if is_main():
        session.run.file(FILE).write_text(found.to_csv())
        for line in best:
            print(printable(line))
    session.draw(
        {"edit.npz": edit},
        page,
        Heading(
            f"{chosen.edit.stem} on {session.name}, ranked",
            [*lines, *best],
            plots=plots,
        ),
        tuple(drawn),
        read=(chosen.edit, *scoring.scorer),
        preprocessing=scores.preprocessing(scorers),
    )


def parse_group(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """Several different ones of the scores."""
    group = tuple(one.strip() for one in text.split(","))
    if len(group) < 2 or len({*group}) < len(group) or {*group} - {*names}:
        raise ValueError(
            f"group_of: {text} given; two or more different ones of {', '.join(names)} "
            "are accepted"
        )
    return group


def told(found: Ranking, attribute: str, top: int) -> str:
    """The best directions of an attribute, in words."""
    column = found.attributes.index(attribute)
    words = [
        f"{found.directions[row]} ({found.slope[row, column]:.3g} a unit, "
        f"{found.selectivity[row, column]:.0%} of its changes)"
        for row in found.order(attribute)[:top]
    ]
    return f"{attribute}: {'; '.join(words)}"


def told_of_group(found: Ranking, group: Sequence[str], rows: np.ndarray) -> str:
    """The best directions of a group, in words."""
    share = found.choose(group).selectivity[:, 0]
    words = [f"{found.directions[row]} ({share[row]:.0%})" for row in rows]
    return f"{group[0]} rather than {', '.join(group[1:])}: {'; '.join(words)}"
