"""Scorers as the command line names them, and tables of scores from files."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxlatent.cli import arguments
from jaxlatent.cli.options import Assessor, Perceptual, Regressor, Scoring
from jaxlatent.cli.progress import progress_bar
from jaxlatent.cli.session import Session
from jaxlatent.collectives import is_main
from jaxlatent.data.image_folder import open_folder
from jaxlatent.evaluation import tables
from jaxlatent.evaluation.formulas import FORMULAS
from jaxlatent.evaluation.scoring import score_shapes
from jaxlatent.evaluation.tables import ScoreTable
from jaxlatent.files import memory_bytes
from jaxlatent.loading import (
    codes_beside,
    import_name,
    is_function_name,
    load,
    load_scores,
)
from jaxlatent.networks.base import Network
from jaxlatent.networks.lpips import Lpips
from jaxlatent.networks.outputs import Column, LogOdds, Probabilities, Sigmoid
from jaxlatent.types import Model, as_model

FILE = "scores.npz"
_NUMBER_BYTES = 4
SETTINGS = ("mean", "std", "resize", "fit", "clip")
"""What networks are told about pictures, of which their files know nothing."""
ACCEPTED = (
    f"a network's file, module:function or one of {', '.join(FORMULAS)} is accepted"
)


def open_scorers(texts: Sequence[str], config: Sequence[str] = ()) -> dict[str, Model]:
    """Scorers by name, as the option gives them; says what networks do to pictures.

    Args:
        texts: the scorers.
        config: what replaces that of networks' files: KEY=VALUE for all of them,
            NAME:KEY=VALUE for one, or @FILE.

    Raises:
        ValueError: if there are none, or one is unknown, or nothing takes `config`.
    """
    if not texts:
        raise ValueError(f"scorer: missing; {ACCEPTED}")
    named: dict[str, str] = {}
    for text in texts:
        name = _name(text)
        while name in named:
            name += "'"
        named[name] = text
    files = [name for name, text in named.items() if _is_file(text)]
    changes = _changes(config, files)
    found: dict[str, Model] = {}
    for name, text in named.items():
        found[name] = _open(text, changes.get(name, {}))
        network = _network(found[name])
        if network is not None and is_main():
            print(_described(name, network))
            for guess in network.origin.guesses:
                print(f"scorer {name}: {guess}")
    return found


def preprocessing(scorers: Mapping[str, Model]) -> dict[str, dict[str, Any]]:
    """What each network among scorers does to pictures first, by name and setting."""
    networks = {name: _network(model) for name, model in scorers.items()}
    return {
        name: _settings(network)
        for name, network in networks.items()
        if network is not None
    }


def _network(model: Any) -> Network | None:
    """The network that a model is, or reads its scores off."""
    while not isinstance(model, Network) and hasattr(model, "model"):
        model = model.model
    return model if isinstance(model, Network) else None


def _settings(network: Network) -> dict[str, Any]:
    module = network.module
    return {name: getattr(module, name) for name in SETTINGS if hasattr(module, name)}


def _changes(config: Sequence[str], files: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What changes of each scorer that comes from a file."""
    changes: dict[str, dict[str, Any]] = {name: {} for name in files}
    if config and not files:
        raise ValueError("scorer_config: given, but no scorer is a network's file")
    for key, value in arguments.parse_config(config, "scorer_config").items():
        owner, colon, setting = key.rpartition(":")
        if colon and owner not in files:
            raise ValueError(
                f"scorer_config: {key} given; of {', '.join(files)} is accepted"
            )
        for name in [owner] if colon else files:
            changes[name][setting] = value
    return changes


def _described(name: str, network: Network) -> str:
    words, facts = [], _settings(network)
    for setting, value in facts.items():
        many = isinstance(value, tuple | list)
        text = ", ".join(f"{one:g}" for one in value) if many else json.dumps(value)
        words.append(f"{setting} {'none' if value is None else text}")
    told = f"scorer {name}: pictures enter with {'; '.join(words) or 'nothing done'}"
    assumed = [setting for setting in facts if setting in network.origin.assumed]
    if not assumed:
        return told
    return f"{told} (assumed: {', '.join(assumed)}; scorer_config replaces it)"


def _name(text: str) -> str:
    """What the scores of a scorer are called."""
    if _is_file(text):
        return Path(text).stem
    return text if text in FORMULAS else text.rpartition(":")[2]


def _is_file(text: str) -> bool:
    return text not in FORMULAS and os.path.isfile(text)


def _open(text: str, changes: Mapping[str, Any]) -> Model:
    if text in FORMULAS:
        return FORMULAS[text]
    if os.path.isfile(text):
        try:
            with progress_bar(f"reading {Path(text).name}"):
                return load(text, part="network", config=changes)
        except ValueError as error:
            if not str(error).startswith("config: "):
                raise
            raise ValueError(f"scorer_{error}") from error
    if is_function_name(text):
        scorer = import_name(text, "scorer")
        if callable(scorer):
            return scorer
        raise ValueError(f"scorer: {text} is no function of images")
    raise ValueError(f"scorer: {text!r} given; {ACCEPTED}")


def open_assessor(asked: Assessor) -> tuple[str, Model]:
    """The one score that is to be changed, and what it is called.

    Raises:
        ValueError: for several scorers, or a choice that is not one output.
    """
    scorers = open_scorers(asked.scorer, asked.scorer_config)
    if len(scorers) != 1:
        raise ValueError(f"scorer: {len(scorers)} given; one is accepted")
    name, scorer = next(iter(scorers.items()))
    model = as_model(scorer)
    if asked.outputs != "plain":
        model = {"probabilities": Probabilities, "odds": LogOdds}[asked.outputs](model)
    if asked.attribute is None:
        return name, model
    numbers = arguments.parse_numbers(asked.attribute, "attribute")
    if len(numbers) != 1:
        raise ValueError(f"attribute: {asked.attribute!r} given; one is accepted")
    return str(numbers[0]), Column(model, numbers[0])


def open_regressor(asked: Regressor) -> tuple[str, Model]:
    """What tells all attributes of pictures, [N] or [N, A], and what it is called.

    Raises:
        ValueError: for several scorers, or a temperature that does nothing.
    """
    scorers = open_scorers(asked.scorer, asked.scorer_config)
    if len(scorers) != 1:
        raise ValueError(f"scorer: {len(scorers)} given; one is accepted")
    name, scorer = next(iter(scorers.items()))
    model = as_model(scorer)
    if not asked.temperature > 0:
        raise ValueError(f"temperature: {asked.temperature} given; above 0 is accepted")
    if asked.outputs == "plain":
        arguments.refuse(asked, ", but outputs are plain", "temperature")
        return name, model
    logits = LogOdds(model) if asked.outputs == "probabilities" else model
    return name, Sigmoid(logits, asked.temperature)


def open_lpips(asked: Perceptual) -> Lpips | None:
    """LPIPS, None where no file of it is given.

    Raises:
        ValueError: for a trunk without heads.
    """
    from converters import load_lpips

    if asked.lpips is None:
        if asked.lpips_trunk is not None:
            raise ValueError("lpips_trunk: given without lpips")
        return None
    with progress_bar(f"reading {asked.lpips.name}"):
        return load_lpips(asked.lpips, asked.lpips_trunk)


def draw_table(
    session: Session, scoring: Scoring, scorers: Mapping[str, Model]
) -> ScoreTable:
    """Draw codes of a generator and score their pictures.

    Scores that are not there are refused before any picture is drawn.
    """
    needed = scoring.samples * session.generator.config.z_dim * _NUMBER_BYTES
    if needed > memory_bytes() // 2:
        raise ValueError(
            f"samples: {scoring.samples} given, whose codes take {needed} bytes; half "
            f"of {memory_bytes()} bytes of memory is accepted"
        )
    check_attributes(session, scoring, scorers)
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


def check_attributes(
    session: Session, scoring: Scoring, scorers: Mapping[str, Model]
) -> tuple[str, ...]:
    """The scores that are kept; refuses others, before any picture is drawn."""
    shapes = score_shapes(session.generator, scorers, session.label)
    alike = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    columns = tables.columns(alike, odds=scoring.odds)
    return keep_attributes(ScoreTable(*columns), scoring.attribute).names


def read_table(file: Path, folder: Path | None) -> ScoreTable:
    """A table of scores from a file; says how it was understood.

    Args:
        file: the table.
        folder: of the pictures that it belongs to, None if they are not known; codes
            beside them are theirs.
    """
    pictures = None if folder is None else open_folder(folder)
    table = load_scores(file, pictures=None if pictures is None else pictures.names)
    if table.reading and is_main():
        print(f"{file}: {table.reading}")
    if folder is not None and not table.codes:
        table = replace(table, codes=codes_beside(folder))
    return table


def keep_attributes(table: ScoreTable, attribute: str | None) -> ScoreTable:
    """The columns that the option names, by number or name; all for None."""
    return table.choose(arguments.parse_columns(attribute, table.names))
