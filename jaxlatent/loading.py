"""One door for generators and networks, wherever they come from."""

import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

import jax.numpy as jnp
import numpy as np

from jaxlatent import checkpoint
from jaxlatent.evaluation import tables
from jaxlatent.evaluation.label_files import (
    ACCEPTED,
    is_label_file,
    read_label_file,
)
from jaxlatent.evaluation.tables import ScoreTable
from jaxlatent.files import holds_arrays, read_arrays
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Discriminator, Generator
from jaxlatent.guesses import Guess, warn_of
from jaxlatent.latents import Latents
from jaxlatent.network_files import is_network, load_network
from jaxlatent.networks.base import Network
from jaxlatent.no_source import why_no_source
from jaxlatent.texts import printable
from jaxlatent.types import CheckpointError

EMBEDDED = {"faces": rendered.embedded}
"""Generators that come with the library."""

Part = Literal["generator", "discriminator", "network"]


@overload
def load(
    source: str | os.PathLike[str],
    *,
    part: Literal["generator"] = ...,
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
    entry: str | None = ...,
) -> Generator: ...
@overload
def load(
    source: str | os.PathLike[str],
    *,
    part: Literal["discriminator"],
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
    entry: str | None = ...,
) -> Discriminator: ...
@overload
def load(
    source: str | os.PathLike[str],
    *,
    part: Literal["network"],
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
    entry: str | None = ...,
) -> Network: ...
def load(
    source: str | os.PathLike[str],
    *,
    part: Part = "generator",
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
    entry: str | None = None,
) -> Generator | Discriminator | Network:
    """A generator, a discriminator or a network that looks at pictures.

    What a file left open, and was assumed or guessed, is in the `origin` of what is
    returned.

    Args:
        source: a folder that `save_generator` wrote; a file that `save_network` wrote;
            a checkpoint file of PyTorch, NVIDIA or safetensors, of which no code is
            run; "faces", the generator that comes with the library; or
            "module:function", which is imported (modules in the current folder first)
            and called without arguments.
        part: "generator", "discriminator" or "network". Folders and "faces" hold
            generators alone.
        family: of a checkpoint file: its architecture, None to recognise it.
        config: of a checkpoint file: values that replace inferred or assumed ones.
        entry: of a checkpoint file: which of several networks in it, as
            `converters.load` describes.

    Raises:
        ValueError: if there is no such source, or it is something else than `part`.
        CheckpointError: if a file or folder is damaged or does not fit.
    """
    text = os.fspath(source)
    own = os.path.isfile(text) and is_network(text)
    is_file = text not in EMBEDDED and is_checkpoint(text) and not own
    given = {"family": family, "config": config, "entry": entry}
    for argument in (name for name, value in given.items() if value and not is_file):
        raise ValueError(f"{argument}: given, but {text} is no checkpoint file")
    found: Any = None
    if text in EMBEDDED:
        found = EMBEDDED[text]()
    elif checkpoint.is_generator(text):
        found = checkpoint.load_generator(text)
    elif own:
        found = load_network(text)
    elif is_file:
        import converters

        return converters.load(
            text, part=part, family=family, config=config, entry=entry
        )
    elif is_function_name(text):
        found = _called(text)
    else:
        raise ValueError(f"source: {why_no_source(text, tuple(EMBEDDED))}")
    wanted = {
        "generator": Generator,
        "discriminator": Discriminator,
        "network": Network,
    }
    if not isinstance(found, wanted[part]):
        raise ValueError(
            f"source: {text} is a {type(found).__name__}; a {part} is asked for"
        )
    return found


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a file, or a folder as huggingface keeps its models."""
    if not os.path.isdir(path):
        return os.path.isfile(path)
    import converters

    return converters.is_folder(path)


def is_function_name(text: str) -> bool:
    """Whether a text has the form module:name, and is no path to anything."""
    module, _, name = text.partition(":")
    words = (*module.split("."), name)
    return all(map(str.isidentifier, words)) and not os.path.lexists(text)


def import_name(text: str, argument: str = "source") -> Any:
    """What `module:name` names; modules in the current folder come first.

    An error within the module is raised as it is.

    Raises:
        ValueError: if there is no such module, or nothing of that name in it; names
            `argument`.
    """
    module, _, name = text.partition(":")
    sys.path.insert(0, os.getcwd())
    importlib.invalidate_caches()
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not error.name or not f"{module}.".startswith(f"{error.name}."):
            raise  # a module that theirs needs
        raise ValueError(
            f"{argument}: {text}: {error}, here or among the installed ones"
        ) from error
    finally:
        sys.path.remove(os.getcwd())
    if not hasattr(imported, name):
        raise ValueError(f"{argument}: {text}: {module} has no {name}")
    return getattr(imported, name)


def _called(text: str) -> Any:
    """What the function returns that a `module:function` names."""
    function = import_name(text)
    if not callable(function):
        raise ValueError(
            f"source: {text} is a {type(function).__name__}; a function that returns "
            "a generator is accepted"
        )
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise ValueError(
            f"source: {text}: {error}; it is called without arguments"
        ) from error
    except ValueError:  # one whose signature nobody knows
        pass
    return function()


def load_latents(
    path: str | os.PathLike[str],
    generator: Generator,
    *,
    space: str | None = None,
    default: str | None = None,
) -> Latents:
    """The codes of a file, in their space; see `converters.load_codes` for the files.

    Args:
        path: the file.
        generator: whose codes they are; its shapes tell w+ from w and z.
        space: their space, None for what the file and its shape tell.
        default: the space where z and w are alike.

    Raises:
        ValueError: if the space is not known, or the codes do not fit it.

    Warns:
        GuessWarning: if the codes could be read in two ways.
    """
    latents, guesses = guess_latents(path, generator, space=space, default=default)
    warn_of(guesses)
    return latents


def guess_latents(
    path: str | os.PathLike[str],
    generator: Generator,
    *,
    space: str | None = None,
    default: str | None = None,
) -> tuple[Latents, tuple[Guess, ...]]:
    """`load_latents`, and how the file was read in place of a warning."""
    codes, space, guesses = _arranged(path, generator.code_shapes, space, default)
    return Latents(jnp.asarray(codes, jnp.float32), space), guesses


def _arranged(
    path: str | os.PathLike[str],
    shapes: Mapping[str, tuple[int, ...]],
    space: str | None,
    default: str | None = None,
) -> tuple[np.ndarray, str, tuple[Guess, ...]]:
    """The codes of a file, their space, and what was guessed."""
    from converters.artefacts.code_shapes import arrange_codes
    from converters.artefacts.codes import Codes, find_codes
    from converters.artefacts.warped_ganspace import is_pool, read_pool

    path = Path(path)
    if not path.is_file() and not is_pool(path):
        raise ValueError(f"codes: {path} is not a file")
    try:
        if path.is_dir():
            pool = Codes(read_pool(path).codes, "z", "z", listed=True)
            return arrange_codes(pool, shapes, file=str(path), space=space)
        found = find_codes(path, space)
    except CheckpointError as error:
        raise CheckpointError(f"codes: {error}") from error
    return arrange_codes(found, shapes, file=str(path), space=space, default=default)


CODE_FILES = {"z": "z.npy", "w": "w.npy", "w+": "wp.npy", "s": "s.npy"}
"""The codes beside pictures, as InterFaceGAN's data tool calls those up to w+."""


def codes_beside(folder: Path) -> dict[str, np.ndarray]:
    """The codes beside the pictures of a folder, by space; none if there are none."""
    from converters import load_codes

    if (folder / "codes.npz").is_file():
        found = read_arrays(folder / "codes.npz")
        assert isinstance(found, dict)
        return {space: found[space] for space in CODE_FILES if space in found}
    return {
        space: load_codes(folder / name)
        for space, name in CODE_FILES.items()
        if (folder / name).is_file()
    }


def codes_of_file(path: Path, space: str | None) -> dict[str, np.ndarray]:
    """The codes of a file by their space, whatever generator they belong to.

    Raises:
        ValueError: if neither `space` nor the file tells it.
    """
    codes, space, _ = _arranged(path, {}, space)
    return {space: codes}


def short_name(source: str) -> str:
    """A source's name for a title: a path without its folders."""
    return Path(source).name if os.path.exists(source) else source


def load_scores(
    path: str | os.PathLike[str], *, pictures: Sequence[str] | None = None
) -> ScoreTable:
    """Scores or labels of any origin.

    Args:
        path: what `save_table` wrote; one array of numbers [N] or [N, A] of NumPy,
            torch or safetensors, alone or called one of `SCORE_NAMES`; or a text, see
            `evaluation.label_files`.
        pictures: names of the pictures that are scored, in their order; a text must
            name them then, and gives its rows in that order.

    Returns:
        The table; its `reading` tells what was decided.

    Raises:
        ValueError: if there are none, or a number is missing or not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"scores: {path} is not a file")
    with _naming("scores", path):
        if is_label_file(path):
            found = read_label_file(path)
            if pictures is not None:
                found = found.ordered(pictures)
            elif found.pictures is not None:
                told = f"{found.reading}; rows are in the order of the file"
                found = replace(found, reading=told)
            table = tables.table_of(found.values, path.stem)
            names = table.names if found.names is None else found.names
            return replace(table, names=names, reading=found.reading)
        if pictures is not None:
            raise ValueError("it names no pictures, so that none can be matched")
        if not tables.is_table(path):
            return tables.table_of(_number_array(path), path.stem)
    return tables.load_table(path)


def load_labels(path: str | os.PathLike[str], count: int) -> tuple[np.ndarray, str]:
    """Labels of a conditional generator from a file, as `load_scores` reads them.

    Args:
        path: rows [N, C] or one row [C] of weights of classes, or of numbers that
            mean something else to the generator; or class numbers [N].
        count: C, what the generator's labels have.

    Returns:
        [N, C] float32, or [N] integers where the file holds class numbers; and how the
        file was understood, in words.

    Raises:
        ValueError: for other shapes, or classes that do not exist.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"label: {path} is not a file")
    with _naming("label", path):
        reading = ""
        if is_label_file(path):
            found = read_label_file(path)
            values, reading = found.values, found.reading
            values = values[:, 0] if values.shape[1] == 1 < count else values
            floating = not np.array_equal(values, np.round(values))
        else:
            values = _number_array(path)
            floating = bool(np.issubdtype(values.dtype, np.floating))
        table = tables.table_of(values, "label")
        rows, reading = table.values, reading or table.reading
        if values.ndim == 1 and not floating and count > 1 and values.dtype != bool:
            wrong = [int(one) for one in values if not 0 <= one < count]
            if wrong:
                raise ValueError(
                    f"{wrong[:8]} given; classes 0 to {count - 1} are accepted"
                )
            return values.astype(np.int32), f"{path}: {reading}; class numbers"
        if values.ndim == 1 and len(values) == count:
            rows = rows.reshape(1, count)
        if rows.shape[1] != count:
            raise ValueError(
                f"{list(values.shape)} found; [N, {count}], [{count}] or class numbers "
                "[N] are accepted"
            )
        told = f"{path}: {reading}; {len(rows)} label{'s'[len(rows) == 1 :]} [{count}]"
        return rows.astype(np.float32), told


@contextlib.contextmanager
def _naming(argument: str, path: Path) -> Iterator[None]:
    """Puts the argument and the file, once each, in front of every message."""
    try:
        yield
    except ValueError as error:
        text = str(error).removeprefix("scores: ").removeprefix(f"{path}: ")
        accepted = "" if ACCEPTED in text else f"; {ACCEPTED}"
        message = printable(f"{argument}: {path}: {text}{accepted}")
        raise ValueError(message) from error


SCORE_NAMES = ("scores", "score", "labels", "label", "targets", "attributes", "y")
"""What the array of scores may be called where a file holds several."""


def _number_array(path: Path) -> np.ndarray:
    """The one array of a file, or that under one of `SCORE_NAMES`."""
    if path.suffix.lower() in (".npy", ".npz") or holds_arrays(path):
        found: Any = read_arrays(path)
    else:
        from converters import read

        found = read(path).tensors
    while isinstance(found, Mapping):
        known = [name for name in SCORE_NAMES if name in found]
        if not known and len(found) != 1:
            held = ", ".join(sorted(str(name)[:40] for name in list(found)[:12]))
            raise ValueError(f"it holds {held}, not one array")
        found = found[known[0]] if known else next(iter(found.values()))
    if isinstance(found, list | tuple):
        if not found or not all(isinstance(one, int | float) for one in found):
            raise ValueError(f"it holds a {type(found).__name__} of other things")
        return np.asarray(found, np.float64)
    if not isinstance(found, np.ndarray):
        raise ValueError(f"it holds a {type(found).__name__}")
    # bfloat16 is none of NumPy's own types
    floating = jnp.issubdtype(found.dtype, jnp.floating)
    return found.astype(np.float64) if floating else found
