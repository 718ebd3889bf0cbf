"""What no command can carry out, refused when its words are read: before any work.

Options are held against what their names promise, wherever they stand; a settings
dataclass of the library that has a method `check` is asked itself. What depends on the
generator, `Session.open` refuses.
"""

import dataclasses
import functools
import inspect
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxlatent.cli import arguments
from jaxlatent.cli.scores import ACCEPTED
from jaxlatent.evaluation.formulas import FORMULAS
from jaxlatent.files import check_place
from jaxlatent.loading import is_function_name

MOST = 10_000_000
"""Of anything that is counted."""

_MOST_DEVICES = 1 << 16
_FILES = ("combine", "condition", "export_file", "import_file")
"""Commands whose OUT is a file."""


def check(command: Callable[..., None]) -> None:
    """Refuse a command whose arguments nobody can do anything with.

    Args:
        command: a function with its arguments, as `functools.partial` keeps them.

    Raises:
        ValueError: names the option.
        OSError: the place of its results cannot be written.
    """
    if not isinstance(command, functools.partial):
        return
    bound = inspect.signature(command.func).bind(*command.args, **command.keywords)
    for name, value in bound.arguments.items():
        _check(name, value)
        out = value.out if hasattr(value, "out") else value if name == "out" else None
        if out is not None:
            check_place(out, folder=command.func.__name__ not in _FILES)


def _check(name: str, value: Any) -> None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            _check(field.name, getattr(value, field.name))
        if callable(own := getattr(value, "check", None)):
            own()
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: {value} given; a finite number is accepted")
    elif value is not None and not isinstance(value, bool) and name in RULES:
        RULES[name](value, name)


def _count(value: Any, name: str) -> None:
    if isinstance(value, int) and arguments.at_least_one(value, name) > MOST:
        raise ValueError(f"{name}: {value} given; {MOST} at most are accepted")


def _codes(value: Any, name: str) -> None:
    if arguments.at_least_one(value, name) > arguments.MOST_NUMBERS:
        most = arguments.MOST_NUMBERS
        raise ValueError(f"{name}: {value} given; {most} at most are accepted")


def _devices(value: Any, name: str) -> None:
    if arguments.at_least_one(value, name) > _MOST_DEVICES:
        raise ValueError(f"{name}: {value} given; {_MOST_DEVICES} at most are accepted")


def _margin(value: Any, name: str) -> None:
    if isinstance(value, int) and not 0 <= value <= MOST:
        raise ValueError(f"{name}: {value} given; 0 to {MOST} is accepted")


def _file(value: Any, name: str) -> None:
    if not Path(value).is_file():
        raise ValueError(f"{name}: {value} is not a file")


def _file_or_folder(value: Any, name: str) -> None:
    if not Path(value).exists():
        raise ValueError(f"{name}: {value} is not a file")


def _folder(value: Any, name: str) -> None:
    if not Path(value).is_dir():
        raise ValueError(f"{name}: {value} is not a folder")


def _files_of(texts: Sequence[str], name: str) -> None:
    for text in texts:
        _file(text, name)


def _scorers(texts: Sequence[str], name: str) -> None:
    for text in texts:
        known = text in FORMULAS or os.path.isfile(text) or is_function_name(text)
        if not known:
            raise ValueError(f"{name}: {text!r} given; {ACCEPTED}")


RULES: dict[str, Callable[[Any, str], object]] = {
    **dict.fromkeys(
        (
            *("chunk", "samples", "batch", "steps", "tuning_steps", "save_every"),
            *("held_out", "k", "starts", "top", "tries", "validation"),
        ),
        _count,
    ),
    **dict.fromkeys(("devices", "processes"), _devices),
    "num_layers": _count,
    **dict.fromkeys(("num", "interpolate"), _codes),
    "codes": _file_or_folder,
    **dict.fromkeys(("relax", "cutoff", "process_id"), _margin),
    "seed": lambda value, _: arguments.check_seed(value),
    **dict.fromkeys(
        ("seeds", "mix", "at"),
        lambda value, name: arguments.parse_seeds(value, name),
    ),
    "strengths": lambda value, _: arguments.parse_strengths(value),
    "config": lambda value, _: arguments.parse_config(value),
    **dict.fromkeys(("alpha", "area", "score_range"), arguments.parse_ends),
    **dict.fromkeys(
        (
            *("scored_codes", "activations", "annotations"),
            *("lpips", "lpips_trunk"),
        ),
        _file,
    ),
    "scores_file": lambda value, _: _file(value, "scores"),
    **dict.fromkeys(("grams", "masks", "pictures"), _folder),
    "tau": lambda value, name: _margin(math.ceil(value), name),
    "mask": _files_of,
    "scorer": _scorers,
}
"""What options of a name accept; those of a library's settings know it themselves."""
