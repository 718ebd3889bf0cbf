"""What edits are judged by, as options: known factors, scorers, or a world's reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from jaxlatent.cli import arguments, inputs, scores
from jaxlatent.cli.options import (
    EditFile,
    Rows,
    Scoring,
    Space,
    option,
)
from jaxlatent.cli.session import Session
from jaxlatent.data.worlds import world_of
from jaxlatent.evaluation.edit_comparison import Judge, oracle_judge
from jaxlatent.evaluation.effects import is_oracle, scored_effects
from jaxlatent.evaluation.factor_reading import learn_to_read
from jaxlatent.evaluation.leak import owned_parts
from jaxlatent.types import Model

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


def judge_of(
    session: Session,
    scoring: Scoring,
    world: str | None,
    key: jax.Array,
    *,
    num: int | None,
    random: int,
    **moved: Any,
) -> tuple[Judge, str, Model | None, dict[str, Any]]:
    """What judges, as the options ask, in words too; a world's reader; the record."""
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
            parts=owned_parts(generator.config.painted, key=key),
            **options,
        )
        return judge, "known", None, {}
    if world is not None:
        arguments.refuse(scoring, ", but a world has its own scorer", *_OF_SCORERS)
        painter = world_of(world, generator.image_shape)
        names = painter.names
        columns = arguments.parse_columns(attribute, names)
        with session.progress(f"learning to read {world}"):
            size = generator.image_shape[0]
            reader = learn_to_read(painter, size, key=key, mesh=session.mesh)
        network = reader.network
        options |= {"scorers": {"": network}, "factors": names}
        how = f"read off pictures of {world} by a network"
        accuracy = dict(zip(names, reader.accuracy.tolist(), strict=True))
        recorded = {"accuracy": accuracy}
    else:
        network = None
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
    return judge, how, network, recorded


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
