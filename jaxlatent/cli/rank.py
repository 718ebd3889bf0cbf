"""Directions by what they do to scores, as a command."""

from typing import Annotated

import jax
import numpy as np

from jaxlatent.cli import arguments, inputs, scores
from jaxlatent.cli.options import (
    ChosenEdit,
    JobGroup,
    Page,
    PageGroup,
    Scoring,
    ScoringGroup,
    group,
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
    scoring: ScoringGroup = FEW_CODES,
    page: PageGroup = Page("-2:2:5"),
) -> None:
    """Tell which direction changes which score, how steeply and how selectively.

    Args:
        job: What to work on; its codes are those that are drawn.
        chosen: Whose directions are ranked.
        top: Directions of each score that are told and drawn.
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
    scores.check_attributes(session, scoring, scorers)
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
    drawn = dict.fromkeys(
        int(index) for name in found.attributes for index in found.order(name)[:top]
    )
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


def told(found: Ranking, attribute: str, top: int) -> str:
    """The best directions of an attribute, in words."""
    column = found.attributes.index(attribute)
    words = [
        f"{found.directions[row]} ({found.slope[row, column]:.3g} a unit, "
        f"{found.selectivity[row, column]:.0%} of its changes)"
        for row in found.order(attribute)[:top]
    ]
    return f"{attribute}: {'; '.join(words)}"
