"""What a command starts from: a generator, an edit, codes; and whether they fit."""

import dataclasses
import importlib
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent import checkpoint
from jaxlatent.cli import arguments
from jaxlatent.cli.options import Codes, Reading
from jaxlatent.cli.progress import progress_bar
from jaxlatent.editing import CODE_SPACES, feature_of
from jaxlatent.edits.directions import Directions
from jaxlatent.files import read_arrays
from jaxlatent.generators.base import Generator
from jaxlatent.types import parse_layers

EMBEDDED = ("faces",)


@dataclass(frozen=True, eq=False)
class Start:
    """Codes to start from.

    Attributes:
        codes: [N, D] or [N, L, D].
        space: z, w or w+.
        names: N names.
        seeds: the N seeds they were drawn with, None if they come from a file.
        label: [N] classes, None for an unconditional generator.
    """

    codes: jax.Array
    space: str
    names: tuple[str, ...]
    seeds: tuple[int, ...] | None
    label: jax.Array | None


def open_generator(
    text: str, reading: Reading, truncation: float | None = None
) -> Generator:
    """A prepared generator from a folder, a file, a built-in name or a function.

    Args:
        text: which.
        reading: how to read a checkpoint file.
        truncation: of z, where the family keeps statistics for it.
    """
    generator = _open(text, reading).prepare()
    if truncation is None or not hasattr(generator.config, "truncation"):
        return generator
    config = dataclasses.replace(generator.config, truncation=truncation)
    return dataclasses.replace(generator, config=config)


def psi(options: Codes, generator: Generator) -> float | None:
    """The truncation of w; None where it is that of z, which the drawn codes have."""
    return None if generator.truncates_prior else options.truncation


def _open(text: str, reading: Reading) -> Generator:
    is_file = text not in EMBEDDED and is_checkpoint(text)
    if not is_file and (reading.family or reading.config):
        option = "--family" if reading.family else "--config"
        raise ValueError(f"{option}: given, but {text} is no checkpoint file")
    if text in EMBEDDED:
        from jaxlatent.generators import rendered

        return rendered.embedded()
    if checkpoint.is_generator(text):
        with progress_bar(f"verifying {Path(text).name}"):
            return checkpoint.load_generator(text)
    if is_file:
        return _read(text, reading)
    if ":" in text and not os.path.exists(text):
        return _call(text)
    reason = "is not a converted folder" if os.path.exists(text) else "does not exist"
    raise ValueError(
        f"GENERATOR: {text} {reason}; a converted folder, a checkpoint file, "
        f"{', '.join(EMBEDDED)} or module:function is accepted"
    )


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a file, or a folder as huggingface keeps its models."""
    if not os.path.isdir(path):
        return os.path.isfile(path)
    from converters import is_folder

    return is_folder(path)


def _read(text: str, reading: Reading) -> Generator:
    from converters import load

    config = arguments.parse_config(reading.config)
    with (
        arguments.naming(family="--family", config="--config"),
        progress_bar(f"reading {Path(text).name}"),
    ):
        return load(text, family=reading.family, config=config)


def import_name(text: str, argument: str) -> Any:
    """What `module:name` names; modules beside the user come first."""
    module, _, name = text.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{argument}: {text}: {error}") from error
    finally:
        sys.path.pop(0)


def _call(text: str) -> Generator:
    generator = import_name(text, "GENERATOR")()
    if not isinstance(generator, Generator):
        raise ValueError(
            f"GENERATOR: {text} returned a {type(generator).__name__}, not a Generator"
        )
    return generator


def generator_name(text: str) -> str:
    """A generator's name for a title: a path without its folders."""
    return Path(text).name if os.path.exists(text) else text


def open_edit(path: Path, space: str | None, generator: Generator) -> Any:
    """An edit of ours, or a file of directions that another tool wrote."""
    if not path.is_file():
        raise ValueError(f"EDIT: {path} is not a file")
    if checkpoint.is_edit(path):
        if space is not None:
            raise ValueError(f"--edit-space: {space} given, but {path} tells its own")
        return checkpoint.load_edit(path)
    from converters import import_edit

    return import_edit(
        path,
        space=space,
        default_space=generator.latent_space,
        num_layers=generator.config.num_layers or None,
    )


def restrict(edit: Any, layers: str | None, generator: Generator) -> Any:
    """The edit on other rows of w+ than its own, if `layers` says so."""
    if layers is None:
        return edit
    if not isinstance(edit, Directions):
        raise ValueError(f"--layers: a {type(edit).__name__} chooses its own layers")
    if not has_rows(edit, generator):
        raise ValueError(
            f"--layers: given, but EDIT acts in {edit.space}, which has no rows"
        )
    return edit.replace(  # pyright: ignore[reportAttributeAccessIssue]
        layers=choose_layers(layers, generator)
    )


def choose_layers(layers: str | None, generator: Generator) -> tuple[int, ...] | None:
    """The rows of w+ that `--layers` names; None for all."""
    if layers in (None, "all"):
        return None
    if "w+" not in generator.config.spaces:
        raise ValueError(f"--layers: {layers} given, but this generator has no w+")
    with arguments.naming(layers="--layers"):
        return parse_layers(layers, generator.config.num_layers)


def choose_directions(
    text: str, edit: Any, *, option: str = "--index"
) -> tuple[int, ...]:
    """The directions that an option names: numbers, or all."""
    if text == "all":
        return tuple(range(len(edit)))
    indices = arguments.parse_numbers(text, option)
    if max(indices) >= len(edit):
        raise ValueError(
            f"{option}: {max(indices)} given; there are directions 0 to {len(edit) - 1}"
        )
    return indices


def choose_presets(
    names: Sequence[str], components: Any, generator: Generator
) -> tuple[Directions, bool]:
    """The presets called `names`, and whether they are targets to move to."""
    from jaxlatent.methods.ganspace_presets import find_preset, preset_directions

    found = []
    for text in names:
        parts = text.split("/", 2)
        if len(parts) == 2:
            raise ValueError(f"--preset: {text!r} given; NAME or MODEL/DATA/NAME")
        owner = dict(zip(("model", "data"), parts[:-1], strict=False))
        try:
            found.append(find_preset(parts[-1], **owner))
        except LookupError as error:
            raise ValueError(f"--preset:{str(error.args[0])[5:]}") from error
    moves = {preset.move for preset in found}
    if len(moves) > 1:
        raise ValueError("--preset: strips and targets cannot be drawn together")
    if not isinstance(components, Directions):
        raise ValueError("--preset: EDIT holds no components")
    rows = generator.config.num_layers
    with arguments.naming(components="EDIT", latent="GENERATOR", chosen="--preset"):
        edit = preset_directions(found, components, num_layers=rows)
    return edit, moves == {"target"}


def check_edit(edit: Any, generator: Generator) -> None:
    """Raise unless an edit fits a generator: its space, dimension and rows."""
    config = generator.config
    accepted = _spaces(generator)
    feature = feature_of(edit)
    if feature is None and edit.space not in accepted:
        raise ValueError(
            f"EDIT: acts in {edit.space}; this generator has {', '.join(accepted)}"
        )
    if feature is not None and feature not in generator.feature_names:
        raise ValueError(
            f"EDIT: acts in {edit.space}; this generator has features "
            f"{', '.join(generator.feature_names)}"
        )
    if not isinstance(edit, Directions):
        return
    dimension = config.z_dim if edit.space == "z" else config.w_dim
    if feature is not None:
        dimension = _feature_size(generator, feature)
    if edit.vectors.shape[-1] != dimension:
        raise ValueError(
            f"EDIT: directions of dimension {edit.vectors.shape[-1]} in {edit.space}; "
            f"that of this generator is {dimension}"
        )
    if feature is not None:
        return
    rows = config.num_layers if has_rows(edit, generator) else 0
    last = max(edit.layers or (-1,))
    if last >= rows or (edit.vectors.ndim == 3 and edit.vectors.shape[1] != rows):
        has = f"rows 0 to {rows - 1}" if rows else "no rows"
        wants = f"row {last}" if last >= rows else f"{edit.vectors.shape[1]} rows"
        raise ValueError(
            f"EDIT: shifts {wants}; the latent of this generator has {has}"
        )


def has_rows(edit: Any, generator: Generator) -> bool:
    """Whether an edit moves w+: behind the mapping network, if there is one."""
    behind = edit.space in ("w", "w+") or "w" not in generator.config.spaces
    return "w+" in generator.config.spaces and behind and feature_of(edit) is None


def _feature_size(generator: Generator, name: str) -> int:
    """Numbers in one activation."""

    def run(latent: jax.Array) -> jax.Array:
        label = None
        if generator.config.label_dim:
            label = jnp.zeros((1, generator.config.label_dim))
        return generator.features(latent, label, names=(name,))[name]

    shape = jax.ShapeDtypeStruct((1, generator.config.w_dim), jnp.float32)
    return math.prod(jax.eval_shape(run, shape).shape)


def check_start(start: Start, edit: Any, generator: Generator) -> None:
    """Raise if an edit acts before the mapping on codes that are behind it."""
    mapped = "w" in generator.config.spaces
    if edit.space == "z" and start.space != "z" and mapped:
        raise ValueError(f"--codes: in {start.space} given, but EDIT acts in z")


def start_codes(options: Codes, generator: Generator, *, num: int = 3) -> Start:
    """Draw the codes that the options ask for, or read them.

    Args:
        options: the options.
        generator: whose prior to draw from.
        num: without seeds and a file, codes are drawn with seeds 0 to num - 1.
    """
    check_options(options, generator)
    seeds = None
    if options.codes is not None:
        codes, space = read_codes(options.codes, options.space, generator)
        names = tuple(f"code {i}" for i in range(codes.shape[0]))
    else:
        seeds = (
            tuple(range(arguments.at_least_one(num, "--num")))
            if options.seeds is None
            else arguments.parse_seeds(options.seeds)
        )
        prior = options.truncation if generator.truncates_prior else None
        codes = jnp.concatenate(
            [
                generator.sample(jax.random.key(seed), 1, truncation=prior)
                for seed in seeds
            ]
        )
        space, names = "z", tuple(f"seed {seed}" for seed in seeds)
    chosen = classes(options, generator, len(names))
    if chosen is not None and len(set(chosen)) > 1:
        names = tuple(f"{n}, class {c}" for n, c in zip(names, chosen, strict=True))
    label = None if chosen is None else jnp.asarray(chosen)
    return Start(codes, space, names, seeds, label)


def _spaces(generator: Generator) -> list[str]:
    return [space for space in CODE_SPACES if space in generator.config.spaces]


def check_options(options: Codes, generator: Generator) -> None:
    """Raise ValueError for options that contradict each other or the generator."""
    if options.codes is not None and options.seeds is not None:
        raise ValueError(
            "--seeds: given together with --codes; one of them is accepted"
        )
    if options.codes is None and options.space is not None:
        raise ValueError("--space: given without --codes; drawn codes are in z")
    truncated = "w" in generator.config.spaces and "w+" in generator.config.spaces
    if options.truncation is not None and not (truncated or generator.truncates_prior):
        raise ValueError("--truncation: given, but this generator has no w+")
    if options.cutoff is None:
        return
    if options.truncation is None:
        raise ValueError("--cutoff: given without --truncation")
    if not 0 <= options.cutoff <= generator.config.num_layers:
        raise ValueError(
            f"--cutoff: {options.cutoff} given; 0 to {generator.config.num_layers} is "
            "accepted"
        )


def classes(options: Codes, generator: Generator, count: int) -> tuple[int, ...] | None:
    """One class for each code, None for an unconditional generator."""
    number = generator.config.label_dim
    if number == 0 and options.label is not None:
        raise ValueError("--label: given, but this generator has no classes")
    if number == 0:
        return None
    if options.label is None:
        raise ValueError(
            f"--label: missing; this generator has classes 0 to {number - 1}"
        )
    words = options.label.split(",")
    found = [int(word) if word.strip().isdecimal() else number for word in words]
    if max(found) >= number:
        raise ValueError(
            f"--label: {options.label!r} given; classes 0 to {number - 1} are accepted"
        )
    if len(found) not in (1, count):
        raise ValueError(
            f"--label: {len(found)} classes given for {count} codes; one, or one for "
            "each, is accepted"
        )
    return tuple(found * count)[:count]


def read_codes(
    path: Path, space: str | None, generator: Generator, *, default: str | None = None
) -> tuple[jax.Array, str]:
    """The codes of a file, and their space.

    Args:
        path: the file.
        space: what the user calls it, None for what the file tells.
        generator: whose codes they are.
        default: the space where neither tells.

    Raises:
        ValueError: if the space is not known, or the codes do not fit it.
    """
    if not path.is_file():
        raise ValueError(f"--codes: {path} is not a file")
    codes, space = _load_codes(path, space)
    accepted = _spaces(generator)
    if space is None and codes.ndim == 3:
        space = "w+"
    if space is None:
        space = accepted[0] if len(accepted) == 1 else default
    if space not in accepted:
        given = "missing" if space is None else f"{space} given"
        raise ValueError(
            f"--space: {given} for {path}; one of {', '.join(accepted)} is accepted"
        )
    config = generator.config
    dimension = config.z_dim if space == "z" else config.w_dim
    shape = (config.num_layers, dimension) if space == "w+" else (dimension,)
    if codes.shape[1:] != shape or not len(codes) or not np.isfinite(codes).all():
        wanted = ", ".join(map(str, ("N", *shape)))
        raise ValueError(
            f"--codes: {list(codes.shape)} found in {path}; finite [{wanted}] is "
            f"accepted for {space}"
        )
    return jnp.asarray(codes, jnp.float32), space


def _load_codes(path: Path, space: str | None) -> tuple[np.ndarray, str | None]:
    """The codes of a file, and their space where an `.npz` names it."""
    from converters import load_codes

    if path.suffix != ".npz":
        return load_codes(path), space
    wanted = CODE_SPACES[::-1] if space is None else (space,)
    try:
        found = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"--codes: {path}: {error}") from error
    for name in wanted:
        if isinstance(found, dict) and name in found:
            return np.atleast_2d(found[name]), name
    return load_codes(path), space
