"""What commands accept: generators, edits, codes, seeds, strengths, config values."""

import importlib
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent import checkpoint
from jaxlatent.editing import CODE_SPACES
from jaxlatent.generators.base import Generator
from jaxlatent.types import Directions, parse_layers

EMBEDDED = ("faces",)


@dataclass(frozen=True)
class Codes:
    """Which codes to start from."""

    seeds: str | None = None
    """The seeds to draw codes with, such as 0,4-6."""
    codes: Path | None = None
    """A file of codes instead: .npy, .npz or .pt, [N, D] or [N, L, D]."""
    space: str | None = None
    """The space of the codes in the file: z, w or w+."""
    label: int | None = None
    """The class to draw, for a class-conditional generator."""
    truncation: float | None = None
    """Pull w towards its mean by this factor; 1 leaves it as it is."""
    cutoff: int | None = None
    """Truncate only the first rows of w+."""


@dataclass(frozen=True)
class Reading:
    """How to read GENERATOR if it is a checkpoint file."""

    family: str | None = None
    """The architecture; recognised by names and shapes if left out."""
    config: tuple[str, ...] = ()
    """KEY=VALUE pairs that replace what the file tells, or @FILE with a JSON object."""


class Start(NamedTuple):
    """Codes to start from: their values, space, names and class labels."""

    codes: jax.Array
    space: str
    names: tuple[str, ...]
    label: jax.Array | None


def open_generator(text: str, reading: Reading) -> Generator:
    """A generator from a folder, a checkpoint file, a built-in name or a function."""
    if text in EMBEDDED:
        from jaxlatent.generators import rendered

        return rendered.embedded()
    if checkpoint.is_generator(text):
        return checkpoint.load_generator(text)
    if os.path.exists(text):
        from converters import load

        return load(text, family=reading.family, config=parse_config(reading.config))
    if ":" in text:
        return _call(text)
    raise FileNotFoundError(
        f"GENERATOR: no {text}; a converted folder, a checkpoint file, one of "
        f"{EMBEDDED} or module:function is accepted"
    )


def _call(text: str) -> Generator:
    module, _, function = text.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        generator = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"GENERATOR: {text}: {error}") from error
    finally:
        sys.path.pop(0)
    if not isinstance(generator, Generator):
        raise ValueError(
            f"GENERATOR: {text} returned a {type(generator).__name__}, not a Generator"
        )
    return generator


def open_edit(path: Path) -> Any:
    """An edit of ours, or a file of directions that another tool wrote."""
    if path.suffix == ".npz":
        return checkpoint.load_edit(path)
    from converters import import_directions

    return import_directions(path)


def restrict(edit: Any, layers: str | None, generator: Generator) -> Any:
    """The edit on other rows of w+ than its own, if `layers` says so."""
    if layers is None:
        return edit
    if not isinstance(edit, Directions):
        raise ValueError(f"--layers: a {type(edit).__name__} chooses its own layers")
    rows = parse_layers(layers, generator.config.num_layers)
    return edit.replace(layers=rows)  # pyright: ignore[reportAttributeAccessIssue]


def parse_config(entries: tuple[str, ...]) -> dict[str, Any]:
    """`key=value` pairs, JSON or text, and `@FILE`s that hold a JSON object."""
    values: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if entry.startswith("@"):
            values |= _read_config(Path(entry[1:]))
        elif equals:
            values[key] = _json_or_text(value)
        else:
            raise ValueError(f"--config: {entry!r} given; KEY=VALUE or @FILE accepted")
    return values


def _read_config(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"--config: {path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"--config: {path} holds no JSON object")
    return values


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0,4-6` -> (0, 4, 5, 6)."""
    seeds: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise ValueError(f"--seeds: {text!r} given; such as 0,4-6 is accepted")
        first, last = int(match[1]), int(match[2] or match[1])
        seeds += range(first, last + 1)
    return tuple(seeds)


def parse_strengths(text: str) -> tuple[float, ...]:
    """`-3:3:7` -> seven evenly spaced strengths; `-2,0,2` -> those."""
    try:
        if ":" in text:
            start, stop, count = text.split(":")
            values = np.linspace(float(start), float(stop), int(count)).tolist()
        else:
            values = [float(value) for value in text.split(",")]
    except ValueError:
        values = []
    if not values or not np.isfinite(values).all():
        raise ValueError(
            f"--strengths: {text!r} given; start:stop:count or a list is accepted"
        )
    return tuple(values)


def start_codes(options: Codes, generator: Generator, *, num: int = 3) -> Start:
    """Draw the codes that the options ask for, or read them.

    Args:
        options: the options.
        generator: whose prior to draw from.
        num: without seeds and a file, codes are drawn with seeds 0 to num - 1.
    """
    if options.codes is not None:
        codes, space = _read_codes(options, generator)
        names = tuple(f"code {i}" for i in range(codes.shape[0]))
    else:
        if num < 1:
            raise ValueError(f"--num: {num} given; 1 or more is accepted")
        seeds = range(num) if options.seeds is None else parse_seeds(options.seeds)
        codes = jnp.concatenate(
            [generator.sample(jax.random.key(seed), 1) for seed in seeds]
        )
        space, names = "z", tuple(f"seed {seed}" for seed in seeds)
    label = options.label
    if (label is None) == (generator.config.label_dim > 0):
        raise ValueError(
            f"--label: {label} given; this generator has {generator.config.label_dim} "
            "classes"
        )
    return Start(
        codes,
        space,
        names,
        None if label is None else jnp.full(codes.shape[0], label),
    )


def _read_codes(options: Codes, generator: Generator) -> tuple[jax.Array, str]:
    from converters import load_codes

    assert options.codes is not None
    codes = jnp.asarray(load_codes(options.codes), jnp.float32)
    space = options.space
    if codes.ndim == 3 and space is None:
        space = "w+"
    accepted = [known for known in CODE_SPACES if known in generator.config.spaces]
    if space not in accepted:
        raise ValueError(
            f"--space: {space} given for {options.codes}; one of {accepted} is accepted"
        )
    return codes, space
