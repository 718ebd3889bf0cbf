"""Scores of many codes: the table that `score` writes and supervised methods read."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent import checkpoint
from jaxlatent.cli import arguments, inputs, scorers
from jaxlatent.cli.options import Codes
from jaxlatent.cli.progress import progress_bar
from jaxlatent.editing import CODE_SPACES, to_space
from jaxlatent.evaluation.scoring import log_odds, score_latents
from jaxlatent.files import holds_arrays, read_arrays
from jaxlatent.generators.base import Generator, fingerprint

FILE = "scores.npz"
HEADER = "table"


@dataclass(frozen=True, eq=False)
class Table:
    """Scores, and where their codes are.

    Attributes:
        values: [N, A].
        names: of the A scores.
        codes: [N, D] or [N, L, D] by space, where they are kept.
        label: [N] classes the codes were drawn with, None for none.
        seed: where set, code i is number i of `Generator.sample(key(seed), N)`.
        prior: truncation of those samples.
        generator: fingerprint of what drew the pictures, "" if unknown.
    """

    values: np.ndarray
    names: tuple[str, ...]
    codes: Mapping[str, np.ndarray] = field(default_factory=dict)
    label: np.ndarray | None = None
    seed: int | None = None
    prior: float | None = None
    generator: str = ""


def score_generator(
    generator: Generator,
    texts: Sequence[str],
    options: Codes,
    *,
    samples: int,
    seed: int,
    odds: bool,
    chunk: int,
) -> Table:
    """Draw codes, score their pictures, keep no picture.

    Args:
        generator: what draws.
        texts: the scorers, as the option gives them.
        options: label and truncation.
        samples: how many codes.
        seed: theirs.
        odds: classifiers' outputs as log-odds.
        chunk: pictures per compiled call.
    """
    found = scorers.open_all(texts)
    arguments.at_least_one(samples, "--samples")
    seed = arguments.seed(seed, "--seed")
    prior = options.truncation if generator.truncates_prior else None
    z = generator.sample(jax.random.key(seed), samples, truncation=prior)
    classes = inputs.classes(options, generator, samples)
    label = None if classes is None else np.asarray(classes)
    with progress_bar("scoring", samples) as progress:
        scores = score_latents(
            generator,
            found,
            z,
            label if label is None else jnp.asarray(label),
            space="z",
            psi=inputs.psi(options, generator),
            cutoff=options.cutoff,
            chunk=chunk,
            progress=progress,
        )
    values, names = columns(scores, odds=odds)
    codes = {"z": np.asarray(z)}
    return Table(values, names, codes, label, seed, prior, fingerprint(generator))


def columns(
    scores: Mapping[str, np.ndarray], *, odds: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Scores [N] or [N, A] by scorer as one table, and the names of its columns.

    Args:
        scores: by scorer.
        odds: turn scores of several classes into log-odds.

    Raises:
        ValueError: if no scorer tells classes apart whose odds are asked for.
    """
    classifiers = [name for name, values in scores.items() if values.ndim == 2]
    if odds and not classifiers:
        raise ValueError("--odds: given, but no scorer returns one score per class")
    parts, names = [], []
    for name, values in scores.items():
        if values.ndim == 1:
            names.append(name)
        else:
            names += [f"{name}.{column}" for column in range(values.shape[1])]
            values = np.asarray(log_odds(jnp.asarray(values))) if odds else values
        parts.append(values.reshape(len(values), -1))
    return np.concatenate(parts, axis=1).astype(np.float32), tuple(names)


def choose(table: Table, attribute: str | None) -> Table:
    """The columns that `--attribute` names, by number or name; all for None.

    Raises:
        ValueError: for a column that does not exist.
    """
    if attribute is None:
        return table
    if attribute in table.names:
        chosen = [table.names.index(attribute)]
    elif all(one in table.names for one in attribute.split(",")):
        chosen = [table.names.index(one) for one in attribute.split(",")]
    else:
        chosen = list(arguments.parse_numbers(attribute, "attribute"))
    if max(chosen) >= len(table.names):
        raise ValueError(
            f"attribute: {attribute!r} given; 0 to {len(table.names) - 1}, or some of "
            f"{', '.join(table.names)}, is accepted"
        )
    names = tuple(table.names[column] for column in chosen)
    return replace(table, values=table.values[:, chosen], names=names)


def save(path: Path, table: Table, *, with_codes: bool) -> None:
    """Write a table as `.npz`.

    Args:
        path: the file.
        table: the table.
        with_codes: write the codes too, even if their seed tells them.
    """
    header = {
        "names": table.names,
        "seed": table.seed,
        "prior": table.prior,
        "generator": table.generator,
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    codes = table.codes if with_codes or table.seed is None else {}
    label = {} if table.label is None else {"label": table.label}
    arrays = {HEADER: text, "scores": table.values, **label, **codes}
    checkpoint.save_arrays(path, arrays)


def load(path: Path) -> Table:
    """Read what `save` wrote, or an array of scores [N] or [N, A] of any origin.

    Raises:
        ValueError: if there are none.
    """
    if not path.is_file():
        raise ValueError(f"--scores: {path} is not a file")
    arrays = _arrays(path)
    if HEADER in arrays:
        try:
            header = json.loads(arrays[HEADER].tobytes())
            return Table(
                arrays["scores"],
                tuple(header["names"]),
                {space: arrays[space] for space in CODE_SPACES if space in arrays},
                arrays.get("label"),
                header["seed"],
                header["prior"],
                header["generator"],
            )
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"--scores: {path} is damaged: {error}") from error
    if "scores" not in arrays and len(arrays) != 1:
        raise ValueError(f"--scores: {path} holds {sorted(arrays)}, not one array")
    values = arrays.get("scores", next(iter(arrays.values())))
    if values.ndim not in (1, 2) or not len(values) or values.dtype.kind not in "fiub":
        raise ValueError(
            f"--scores: {values.dtype} {values.shape} in {path}; numbers [N] or [N, A] "
            "are accepted"
        )
    values = values.astype(np.float64).reshape(len(values), -1)
    names = [path.stem]
    if values.shape[1] > 1:
        names = [f"{path.stem}.{column}" for column in range(values.shape[1])]
    return Table(values, tuple(names))


def is_table(path: Path) -> bool:
    """Whether a file looks like one that `save` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{HEADER}.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def codes_of(
    table: Table, generator: Generator, *, space: str, codes: Path | None
) -> np.ndarray:
    """The codes of a table's scores, in a space.

    Args:
        table: the scores.
        generator: whose codes they are.
        space: the space to return them in.
        codes: a file of them, None for those of the table.

    Raises:
        ValueError: if there are none, of another number, or of another generator.
    """
    if codes is not None:
        found, source = inputs.read_codes(codes, None, generator, default=space)
    elif table.codes:
        earlier = CODE_SPACES[: CODE_SPACES.index(space) + 1]
        known = [one for one in earlier[::-1] if one in table.codes]
        if not known:
            raise ValueError(
                f"--space: {space} given; the scores come with codes in "
                f"{', '.join(table.codes)}"
            )
        source = known[0]
        found = jnp.asarray(table.codes[source])
    elif table.seed is not None:
        if table.generator != fingerprint(generator):
            raise ValueError(
                "--scores: of another generator, and without codes of their own"
            )
        key, count = jax.random.key(table.seed), len(table.values)
        found, source = generator.sample(key, count, truncation=table.prior), "z"
    else:
        raise ValueError("--codes: missing; the scores come without their codes")
    if len(found) != len(table.values):
        raise ValueError(
            f"--codes: {len(found)} codes given for {len(table.values)} scores"
        )
    label = None if table.label is None else jnp.asarray(table.label)
    with arguments.naming(source="--space", target="--space"):
        return np.asarray(to_space(generator, found, source, space, label=label))


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name."""
    if not holds_arrays(path):
        from converters import load_codes

        values = load_codes(path)
        # a lone vector comes as one row
        return {"scores": values[0] if len(values) == 1 else values}
    try:
        found = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"--scores: {path}: {error}") from error
    return found if isinstance(found, dict) else {"scores": found}
