"""Tables of scores: what draws and scores codes, and what supervised methods read."""

import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.data.image_folder import PictureFolder
from jaxlatent.evaluation.scoring import score_images, score_latents
from jaxlatent.files import UNREADABLE, atomic_write, encode_arrays, read_arrays
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.latents import (
    CODE_SPACES,
    Latents,
    Prior,
    Truncation,
    prior,
    sample_keys,
    to_space,
)
from jaxlatent.networks.outputs import log_odds
from jaxlatent.types import Model

HEADER = "table"


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of pictures, and the codes that they were drawn from.

    Attributes:
        values: [N, A].
        names: of the A scores.
        codes: [N, D] or [N, L, D] by space, where they are kept.
        label: [N] classes the codes were drawn with, or [N, C] weights of classes;
            None for none.
        seed: where set, code i is drawn by `latents.prior` with the key
            `fold_in(key(seed), i)`.
        truncation: of the prior that they were drawn from, None for none.
        generator: fingerprint of what drew the pictures, "" if unknown.
        reading: how a file that tells less than ours was understood, in words.
    """

    values: np.ndarray
    names: tuple[str, ...]
    codes: Mapping[str, np.ndarray] = field(default_factory=dict)
    label: np.ndarray | None = None
    seed: int | None = None
    truncation: float | None = None
    generator: str = ""
    reading: str = ""

    def check(self) -> None:
        """Refuse fields that do not fit each other.

        Raises:
            ValueError: names the field.
        """
        values, count = self.values, len(self.values)
        if values.ndim != 2 or not values.size or values.dtype.kind != "f":
            raise ValueError(
                f"scores: {values.dtype} {values.shape} given; floating [N, A]"
            )
        texts = (*self.names, self.generator)
        if not all(isinstance(one, str) for one in texts):
            raise ValueError("names, generator: given as something else than text")
        if len(self.names) != values.shape[1]:
            raise ValueError(
                f"names: {len(self.names)} given for {values.shape[1]} scores"
            )
        for space, codes in self.codes.items():
            rank = 3 if space == "w+" else 2
            fits = codes.ndim == rank and len(codes) == count and codes.size
            if not fits or codes.dtype.kind != "f" or not np.isfinite(codes).all():
                raise ValueError(
                    f"{space}: {codes.dtype} {codes.shape} given for {count} scores; "
                    f"finite codes of {rank} axes are accepted"
                )
        label = self.label
        if label is not None and not (
            (label.shape == (count,) and label.dtype.kind in "iu")
            or (label.ndim == 2 and len(label) == count and label.dtype.kind == "f")
        ):
            raise ValueError(
                f"label: {label.dtype} {label.shape} given; whole [N] or floating "
                "[N, C] is accepted"
            )
        seed, psi = self.seed, self.truncation
        if seed is not None and (type(seed) is not int or not 0 <= seed < 2**32):
            raise ValueError(f"seed: {str(seed)[:60]!a} given; 0 to {2**32 - 1}")
        real = isinstance(psi, int | float) and not isinstance(psi, bool)
        if psi is not None and not (real and np.isfinite(psi)):
            raise ValueError(f"truncation: {str(psi)[:60]!a} given; a number")

    def choose(self, columns: Sequence[int | str]) -> "ScoreTable":
        """Some of the scores, by number or by name, in that order.

        Raises:
            ValueError: for a score that does not exist.
        """
        chosen = []
        for one in columns:
            if isinstance(one, str) and one in self.names:
                chosen.append(self.names.index(one))
            elif not isinstance(one, str) and 0 <= one < len(self.names):
                chosen.append(int(one))
            else:
                raise ValueError(
                    f"columns: {one!r} given; 0 to {len(self.names) - 1}, or some of "
                    f"{', '.join(self.names)}, is accepted"
                )
        names = tuple(self.names[column] for column in chosen)
        return replace(self, values=self.values[:, chosen], names=names)

    def with_codes(self, latents: Latents) -> "ScoreTable":
        """The same scores, of these codes."""
        return replace(self, codes={latents.space: np.asarray(latents.codes)})

    def latents(self, generator: Generator, space: str) -> np.ndarray:
        """The codes of the scores in a space, [N, D] or [N, L, D], not truncated.

        Raises:
            ValueError: if there are none, or if they belong to another generator.
        """
        if self.codes:
            earlier = CODE_SPACES[: CODE_SPACES.index(space) + 1]
            known = [one for one in earlier[::-1] if one in self.codes]
            if not known:
                raise ValueError(
                    f"space: {space} given; the scores come with codes in "
                    f"{', '.join(self.codes)}"
                )
            label = None if self.label is None else jnp.asarray(self.label)
            found = Latents(jnp.asarray(self.codes[known[0]]), known[0], label)
        elif self.seed is None:
            raise ValueError("codes: missing; the scores come without their codes")
        elif self.generator != fingerprint(generator):
            raise ValueError(
                "scores: of another generator, and without codes of their own"
            )
        else:
            label = None if self.label is None else jnp.asarray(self.label)
            psi = self.truncation
            bent = None if psi is None else Truncation(psi)
            keys = sample_keys(jax.random.key(self.seed), np.arange(len(self.values)))
            drawn = Prior(generator, None, bent, "z")(keys)
            found = replace(drawn, label=label)
        if len(found) != len(self.values):
            raise ValueError(
                f"codes: {len(found)} codes given for {len(self.values)} scores"
            )
        return np.asarray(to_space(generator, found, space).codes)


def score_generator(
    generator: Generator,
    scorers: Mapping[str, Model],
    *,
    samples: int = 10_000,
    seed: int = 0,
    label: Any = None,
    truncation: Truncation | None = None,
    odds: bool = False,
    **options: Any,
) -> ScoreTable:
    """Draw codes, score their pictures, keep no picture.

    Args:
        generator: what draws; prepare it first.
        scorers: models of images by name, see `scoring.score_latents`.
        samples: how many codes.
        seed: of the draw.
        label: the classes of the codes, as `latents.prior` takes them.
        truncation: of w, or of the prior of z; None for none. The codes that are kept
            are those of z.
        odds: keep classifiers' outputs as log-odds of each class against the others.
        **options: `chunk`, `mesh` and `progress` of `score_latents`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    if samples < 1:
        raise ValueError(f"samples: {samples} given; 1 or more is accepted")
    bent = truncation if generator.truncates_prior else None
    draw = prior(generator, label=label, truncation=bent)
    latents = draw(sample_keys(jax.random.key(seed), np.arange(samples)))
    scores = score_latents(
        generator, scorers, latents, truncation=truncation, **options
    )
    values, names = columns(scores, odds=odds)
    return ScoreTable(
        values,
        names,
        {"z": np.asarray(latents.codes)},
        None if latents.label is None else np.asarray(latents.label),
        seed,
        None if bent is None else float(bent.psi),
        fingerprint(generator),
    )


def score_folder(
    pictures: PictureFolder,
    scorers: Mapping[str, Model],
    *,
    codes: Mapping[str, np.ndarray],
    odds: bool = False,
    chunk: int = 32,
    progress: Callable[[int], None] | None = None,
) -> ScoreTable:
    """Score every picture of a folder, in the order of their codes.

    Args:
        pictures: see `image_folder.open_folder`.
        scorers: models of images by name, see `scoring.score_latents`.
        codes: of the pictures, by space; none if they are not known.
        odds: as for `score_generator`.
        chunk: pictures per compiled call.
        progress: called with the number of pictures just scored.

    Raises:
        ValueError: for a damaged picture, pictures of several sizes, or codes of
            another number.
    """
    for one in codes.values():
        if len(one) != len(pictures):
            raise ValueError(
                f"codes: {len(one)} codes for {len(pictures)} pictures of "
                f"{pictures.folder}"
            )
    parts = [
        score_images(scorers, images, chunk=chunk, progress=progress)
        for images in pictures.read()
    ]
    scores = {name: np.concatenate([part[name] for part in parts]) for name in scorers}
    values, names = columns(scores, odds=odds)
    return ScoreTable(values, names, codes)


def columns(
    scores: Mapping[str, np.ndarray], *, odds: bool = False
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Scores [N] or [N, A] by scorer as one table, and the names of its columns.

    A score of several is called by its number ("8"), with the scorer's name before it
    only where two scorers have such a number.

    Args:
        scores: by scorer.
        odds: turn scores of several classes into log-odds.

    Raises:
        ValueError: if no scorer tells classes apart whose odds are asked for.
    """
    classifiers = [name for name, values in scores.items() if values.ndim == 2]
    if odds and not classifiers:
        raise ValueError("odds: given, but no scorer returns one score per class")
    parts, names = [], []
    for name, values in scores.items():
        if values.ndim == 1:
            names.append(name)
        else:
            before = f"{name}." if len(classifiers) > 1 else ""
            names += [f"{before}{column}" for column in range(values.shape[1])]
            values = np.asarray(log_odds(jnp.asarray(values))) if odds else values
        parts.append(values.reshape(len(values), -1))
    return np.concatenate(parts, axis=1).astype(np.float32), tuple(names)


def save_table(
    path: str | os.PathLike[str], table: ScoreTable, *, with_codes: bool = True
) -> None:
    """Write a table as `.npz`, whole or not at all.

    Args:
        path: the file.
        table: the table.
        with_codes: write the codes too, even if their seed tells them.
    """
    header = {
        "names": table.names,
        "seed": table.seed,
        "truncation": table.truncation,
        "generator": table.generator,
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    codes = table.codes if with_codes or table.seed is None else {}
    label = {} if table.label is None else {"label": table.label}
    arrays = {HEADER: text, "scores": table.values, **label, **codes}
    atomic_write(path, encode_arrays(arrays))


def load_table(path: str | os.PathLike[str]) -> ScoreTable:
    """Read what `save_table` wrote.

    Raises:
        ValueError: if it is something else, or damaged.
    """
    try:
        arrays = read_arrays(path)
        assert isinstance(arrays, dict)
        header = json.loads(arrays[HEADER].tobytes())
        table = ScoreTable(
            arrays["scores"],
            tuple(header["names"]),
            {space: arrays[space] for space in CODE_SPACES if space in arrays},
            arrays.get("label"),
            header["seed"],
            header["truncation"],
            header["generator"],
        )
        table.check()
        return table
    except (*UNREADABLE, AssertionError) as error:
        raise ValueError(f"{path}: no table of scores, or damaged: {error}") from error


def table_of(values: np.ndarray, name: str) -> ScoreTable:
    """A table of scores [N] or [N, A] of any origin, called by `name`.

    Raises:
        ValueError: for anything but finite numbers of one or two axes; names the row.
    """
    if values.ndim not in (1, 2) or not values.size or values.dtype.kind not in "fiub":
        raise ValueError(
            f"scores: {values.dtype} {values.shape} given; numbers [N] or [N, A] are "
            "accepted"
        )
    values = values.astype(np.float64).reshape(len(values), -1)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"scores: row {wrong[0]} holds {values[wrong[0]].tolist()[:8]}; finite "
            "numbers are accepted"
        )
    rows, count = values.shape
    names = [f"{column}" for column in range(count)] if count > 1 else [name]
    size = f"{rows} row{'s'[rows == 1 :]} of {count} number{'s'[count == 1 :]}"
    return ScoreTable(values, tuple(names), reading=size)


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether a file looks like one that `save_table` wrote."""
    try:
        with zipfile.ZipFile(Path(path)) as archive:
            return f"{HEADER}.npy" in archive.namelist()
    except UNREADABLE:
        return False
