"""What a command starts from: codes, classes, edits of any origin, presets."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxlatent import checkpoint
from jaxlatent.cli import arguments
from jaxlatent.cli.labels import labels_of_codes, told_of, with_labels
from jaxlatent.cli.options import Codes
from jaxlatent.data.image_folder import find_pictures
from jaxlatent.editing import has_rows
from jaxlatent.edits.directions import Directions, linear
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, Truncation, numpy_codes
from jaxlatent.loading import guess_latents
from jaxlatent.types import parse_layers


@dataclass(frozen=True, eq=False)
class Samples:
    """Codes that a command draws.

    Attributes:
        latents: N codes, with their classes.
        names: N names.
        seeds: the N seeds of JAX they were drawn with, None for other origins.
        guesses: how a file of codes was read, one line each.
    """

    latents: Latents
    names: tuple[str, ...]
    seeds: tuple[int, ...] | None
    guesses: tuple[str, ...] = ()


def truncation_of(
    options: Codes, generator: Generator, when: str = "before"
) -> Truncation | None:
    """The truncation that is asked for.

    Raises:
        ValueError: for one that the generator does not have, or a cutoff without one.
    """
    spaces = generator.code_spaces
    if options.truncation is None:
        if options.cutoff is not None:
            raise ValueError("cutoff: given without a truncation")
        return None
    if not ({"w", "w+"} <= {*spaces} or generator.truncates_prior):
        raise ValueError("truncation: given, but this generator has no w+")
    rows = generator.config.num_layers
    if options.cutoff is not None and not 0 <= options.cutoff <= rows:
        raise ValueError(f"cutoff: {options.cutoff} given; 0 to {rows} is accepted")
    return Truncation(options.truncation, options.cutoff, when)


def draw_samples(
    options: Codes, generator: Generator, num: int | None = None, default: int = 3
) -> Samples:
    """Draw the codes that the options ask for, or read them.

    Args:
        options: the options.
        generator: whose prior to draw from.
        num: of the codes, with seeds 0 to num - 1; for want of seeds and a file.
        default: as many if nothing is asked for.

    Raises:
        ValueError: for options that contradict each other or the generator.
    """
    ways = {
        "num": num,
        "seeds": options.seeds,
        "numpy_seeds": options.numpy_seeds,
        "codes": options.codes,
    }
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{given[0]}: given together with {given[1]}; one is accepted")
    if options.codes is None and options.space is not None:
        raise ValueError("space: given without codes; drawn codes are in z")
    truncation = truncation_of(options, generator)
    bent = truncation is not None and generator.truncates_prior
    psi = options.truncation if bent else None
    seeds, guesses = None, ()
    if options.codes is not None:
        latents, told = guess_latents(options.codes, generator, space=options.space)
        guesses = tuple(guess.text({}) for guess in told)
        names = tuple(f"code {i}" for i in range(len(latents)))
    elif options.numpy_seeds is not None:
        latents, names = _numpy_samples(options.numpy_seeds, generator, psi)
    else:
        seeds = (
            tuple(range(default if num is None else arguments.at_least_one(num, "num")))
            if options.seeds is None
            else arguments.parse_seeds(options.seeds)
        )
        drawn = [
            generator.sample(jax.random.key(seed), 1, truncation=psi) for seed in seeds
        ]
        latents = Latents(jnp.concatenate(drawn), "z")
        names = tuple(f"seed {seed}" for seed in seeds)
    label = labels_of_codes(options.label, generator, len(names))
    if label is None:
        return Samples(latents, names, seeds, guesses)
    latents = dataclasses.replace(latents, label=jnp.asarray(label))
    told = (*guesses, *told_of(options.label, generator))
    return Samples(latents, with_labels(names, label), seeds, told)


def _numpy_samples(
    text: str, generator: Generator, psi: float | None
) -> tuple[Latents, tuple[str, ...]]:
    """The codes that other tools call by these seeds, and their names.

    Raises:
        ValueError: for a generator whose z is not normal.
    """
    seeds = arguments.parse_seeds(text, "numpy_seeds")
    config = generator.config
    own = getattr(config, "sample_function", None) is not None
    if own or generator.has_own_prior:
        raise ValueError("numpy_seeds: given, but this generator's z is its own")
    codes = numpy_codes(seeds, config.z_dim, truncation=psi)
    return Latents(codes, "z"), tuple(f"numpy seed {seed}" for seed in seeds)


def picture_files(words: Sequence[str], last: str) -> list[Path]:
    """The pictures that words name, those of folders among them.

    Args:
        words: the paths.
        last: what stands behind them, for errors.
    """
    files = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            inside = find_pictures(path)
            if not inside:
                raise ValueError(f"pictures: {path} holds none")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise ValueError(
                f"pictures: {word} is not there; pictures and folders of pictures are "
                f"accepted, and {last} at the end"
            )
    return files


def open_edit(
    path: Path,
    generator: Generator,
    *,
    space: str | None = None,
    per_layer: bool = False,
    layers: str | None = None,
) -> tuple[Any, tuple[str, ...]]:
    """An edit of ours, or a file of directions that another tool wrote.

    Args:
        path: the file.
        generator: whose codes it moves.
        space: of another tool's directions.
        per_layer: whether another tool's [L, D] is one direction.
        layers: the rows of w+ that it is restricted to later, which are no guess then.

    Returns:
        The edit, and how the file was read, one line each.
    """
    if not path.is_file():
        raise ValueError(f"EDIT: {path} is not a file")
    if checkpoint.is_edit(path):
        for option, value in {"edit_space": space, "per_layer": per_layer}.items():
            if value:
                raise ValueError(f"{option}: {value} given, but {path} tells its own")
        return checkpoint.load_edit(path), ()
    from converters import Asked, guess_edit

    asked = Asked(
        space=space, per_layer=per_layer or None, shapes=generator.code_shapes
    )
    edit, guesses = guess_edit(path, asked)
    lines = [
        guess.text({"space": "edit_space"})
        for guess in guesses
        if layers is None or "layers" not in [one.argument for one in guess.others]
    ]
    return edit, tuple(lines)


def restrict(edit: Any, layers: str | None, generator: Generator) -> Any:
    """The edit on other rows of w+ than its own, if `layers` says so.

    Raises:
        ValueError: for an edit without rows, or rows that do not exist.
    """
    if layers is None:
        return edit
    if not has_rows(generator, edit) or not hasattr(edit, "layers"):
        raise ValueError(
            f"layers: {layers} given, but EDIT acts in {edit.space}, which has no rows"
        )
    rows = parse_layers(layers, generator.config.num_layers)
    return dataclasses.replace(edit, layers=rows)


def choose_directions(text: str, edit: Any, *, option: str) -> tuple[int, ...]:
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
            raise ValueError(f"preset: {text!r} given; NAME or MODEL/DATA/NAME")
        owner = dict(zip(("model", "data"), parts[:-1], strict=False))
        try:
            found.append(find_preset(parts[-1], **owner))
        except LookupError as error:
            raise ValueError(f"preset:{str(error.args[0])[5:]}") from error
    moves = {preset.move for preset in found}
    if len(moves) > 1:
        raise ValueError("preset: strips and targets cannot be drawn together")
    rows = generator.config.num_layers
    edit = preset_directions(found, linear(components, "EDIT"), num_layers=rows)
    return edit, moves == {"target"}
