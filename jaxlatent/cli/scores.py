"""Scorers as the command line names them, and tables of scores from files."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxlatent.cli import arguments
from jaxlatent.cli.options import Assessor, Scoring
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.session import Session
from jaxlatent.evaluation import tables
from jaxlatent.evaluation.formulas import FORMULAS
from jaxlatent.evaluation.scoring import score_shapes
from jaxlatent.evaluation.tables import ScoreTable
from jaxlatent.files import memory_bytes
from jaxlatent.loading import import_name, load
from jaxlatent.networks.outputs import Column, LogOdds, Probabilities
from jaxlatent.types import Model

FILE = "scores.npz"
_NUMBER_BYTES = 4
ACCEPTED = (
    f"a network's file, module:function or one of {', '.join(FORMULAS)} is accepted"
)


def open_scorers(texts: Sequence[str]) -> dict[str, Model]:
    """Scorers by name, as the option gives them.

    Raises:
        ValueError: if there are none, or one is unknown.
    """
    if not texts:
        raise ValueError(f"scorer: missing; {ACCEPTED}")
    found: dict[str, Model] = {}
    for text in texts:
        name, scorer = _open(text)
        while name in found:
            name += "'"
        found[name] = scorer
    return found


def _open(text: str) -> tuple[str, Model]:
    if text in FORMULAS:
        return text, FORMULAS[text]
    if os.path.isfile(text):
        with progress_bar(f"reading {Path(text).name}"):
            return Path(text).stem, load(text, part="network")
    if ":" in text and not os.path.exists(text):
        scorer = import_name(text, "scorer")
        if callable(scorer):
            return text.rpartition(":")[2], scorer
        raise ValueError(f"scorer: {text} is no function of images")
    raise ValueError(f"scorer: {text!r} given; {ACCEPTED}")


def open_assessor(asked: Assessor) -> tuple[str, Model]:
    """The one score that is to be changed, and what it is called.

    Raises:
        ValueError: for several scorers, or a choice that is not one output.
    """
    scorers = open_scorers(asked.scorer)
    if len(scorers) != 1:
        raise ValueError(f"scorer: {len(scorers)} given; one is accepted")
    name, model = next(iter(scorers.items()))
    if asked.outputs != "plain":
        model = {"probabilities": Probabilities, "odds": LogOdds}[asked.outputs](model)
    if asked.attribute is None:
        return name, model
    numbers = arguments.parse_numbers(asked.attribute, "attribute")
    if len(numbers) != 1:
        raise ValueError(f"attribute: {asked.attribute!r} given; one is accepted")
    return str(numbers[0]), Column(model, numbers[0])


def draw_table(session: Session, scoring: Scoring) -> ScoreTable:
    """Draw codes of a generator and score their pictures.

    Scores that are not there are refused before any picture is drawn.
    """
    scorers = open_scorers(scoring.scorer)
    needed = scoring.samples * session.generator.config.z_dim * _NUMBER_BYTES
    if needed > memory_bytes() // 2:
        raise ValueError(
            f"samples: {scoring.samples} given, whose codes take {needed} bytes; half "
            f"of {memory_bytes()} bytes of memory is accepted"
        )
    shapes = score_shapes(session.generator, scorers, session.label)
    alike = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    columns = tables.columns(alike, odds=scoring.odds)
    keep_attributes(ScoreTable(*columns), scoring.attribute)
    with session.progress("scoring", scoring.samples) as progress:
        return tables.score_generator(
            session.generator,
            scorers,
            samples=scoring.samples,
            seed=arguments.check_seed(scoring.seed),
            label=session.label,
            truncation=session.truncation,
            odds=scoring.odds,
            chunk=max(session.job.chunk, 32),
            mesh=session.mesh,
            progress=progress,
        )


def keep_attributes(table: ScoreTable, attribute: str | None) -> ScoreTable:
    """The columns that the option names, by number or name; all for None."""
    return table.choose(arguments.parse_columns(attribute, table.names))
