"""What scores pictures: a formula, a network's file or a user's function."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from jaxlatent.cli import inputs
from jaxlatent.cli.progress import progress_bar
from jaxlatent.evaluation.formulas import FORMULAS
from jaxlatent.types import Scorer

ACCEPTED = (
    f"a network's file, module:function or one of {', '.join(FORMULAS)} is accepted"
)


def open_all(texts: Sequence[str]) -> dict[str, Scorer]:
    """Scorers by name, as `--scorer` gives them.

    Raises:
        ValueError: if there are none, or one is unknown.
    """
    if not texts:
        raise ValueError(f"--scorer: missing; {ACCEPTED}")
    found: dict[str, Scorer] = {}
    for text in texts:
        name, scorer = _open(text)
        while name in found:
            name += "'"
        found[name] = scorer
    return found


def _open(text: str) -> tuple[str, Scorer]:
    if text in FORMULAS:
        return text, FORMULAS[text]
    if os.path.isfile(text):
        from converters import load

        with progress_bar(f"reading {Path(text).name}"):
            return Path(text).stem, load(text, part="network")
    if ":" in text and not os.path.exists(text):
        scorer: Any = inputs.import_name(text, "--scorer")
        if callable(scorer):
            return text.rpartition(":")[2], cast(Scorer, scorer)
        raise ValueError(f"--scorer: {text} is no function of images")
    raise ValueError(f"--scorer: {text!r} given; {ACCEPTED}")
