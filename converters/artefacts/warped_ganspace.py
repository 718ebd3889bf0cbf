"""WarpedGANSpace's files: support sets, experiments, pools of codes, paths of codes.

An experiment is a folder of `args.json`, the arguments of its training, and `models/`
with `support_sets.pt`, `reconstructor.pt` and `support_sets_init.pt`; or, while it is
at work, `checkpoint.pt`, which `checkpoint2model.py` splits into
`support_sets-{iteration}.pt` and the like. Support sets are "SUPPORT_SETS" [K, 2 N D],
"ALPHAS" [K, 2 N] and "LOGGAMMA" [K, 1].

A pool is a folder of folders, each with a code of z [1, D] in `latent_code.pt` and
named by the SHA-1 of its bytes, some with a prefix.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from converters.artefacts.contents import find_array, member
from converters.artefacts.direction_shapes import Asked
from converters.checkpoints import Checkpoint, CheckpointFile, opened, read
from converters.containers.writing import torch_zip
from jaxlatent.edits.rbf import RBFField, rbf_field
from jaxlatent.files import atomic_write
from jaxlatent.guesses import Guess, Other
from jaxlatent.types import CheckpointError

METHOD = "warpedganspace"
SUPPORTS, ALPHAS, LOG_GAMMA = "SUPPORT_SETS", "ALPHAS", "LOGGAMMA"
ARGUMENTS, MODELS = "args.json", "models"
CODE_FILE = "latent_code.pt"

RENAMED = {"stylegan2_w_shift": "shift_in_w_space", "gan": "gan_type"}
"""Arguments of old experiments, by what they are called now."""

TRAVERSALS = {
    "SNGAN_AnimeFaces": (0.25, 24),
    "ProgGAN": (0.15, 30),
    "StyleGAN2": (0.15, 20),
}
"""Length and number of the steps of the authors' own traversals, where they are not
`USUAL`, by `gan_type`."""

USUAL = (0.2, 16)

_SPLIT = re.compile(r"support_sets-(\d+)\.pt")
_POOLED = re.compile(r"(?:.+_)?[0-9a-f]{40}")
_MOST_BYTES = 1 << 20


def is_support_sets(checkpoint: Checkpoint) -> bool:
    """Whether a file is meant as support sets, alone or in a checkpoint."""
    return SUPPORTS in _sets(checkpoint).tensors


def read_support_sets(
    checkpoint: Checkpoint, asked: Asked
) -> tuple[RBFField, tuple[Guess, ...]]:
    """The paths that support sets are.

    Their space, and how they are followed, is what the arguments of the experiment
    tell that the file lies in; without them, steps are the usual ones, and the space is
    guessed to be z.

    Args:
        checkpoint: a file of which `is_support_sets` is true.
        asked: what the caller says.

    Raises:
        CheckpointError: if the arrays do not fit.
    """
    found, path = _sets(checkpoint), checkpoint.path
    alphas = np.array(member(found, ALPHAS, None, None), np.float32)
    count, width = alphas.shape
    flat = member(found, SUPPORTS, count, None)
    logarithms = member(found, LOG_GAMMA, count, 1)
    if flat.shape[1] % width:
        raise CheckpointError(
            f"{path}: {SUPPORTS}: shape {flat.shape} found; ({count}, a multiple of "
            f"{width}) is needed, for {ALPHAS} has {width} columns"
        )
    told: dict[str, Any] = arguments_beside(path)
    step, steps = TRAVERSALS.get(str(told.get("gan_type")), USUAL)
    with np.errstate(over="ignore"):
        scales = np.exp(logarithms[:, 0].astype(np.float64)).astype(np.float32)
    space, guesses = _space(path, told, asked)
    try:
        edit = rbf_field(
            np.array(flat.reshape(count, width, -1), np.float32),
            alphas,
            scales,
            step=step,
            steps=steps,
            space=space,
            names=[f"path {number}" for number in range(count)],
            report={"gamma": scales},
            method=METHOD,
            facts={"arguments": told} if told else {},
        )
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return edit, guesses


def _sets(checkpoint: Checkpoint) -> Checkpoint:
    """The file, or the part of a checkpoint that holds the support sets."""
    found = checkpoint.tensors
    if isinstance(found, Mapping) and isinstance(found.get("support_sets"), Mapping):
        found = found["support_sets"]
    if not isinstance(found, Mapping):
        return replace(checkpoint, tensors={})
    plain = {
        name.removeprefix("module."): value
        for name, value in found.items()
        if isinstance(name, str)
    }
    return replace(checkpoint, tensors=plain)


def _space(
    path: Path, told: Mapping[str, Any], asked: Asked
) -> tuple[str, tuple[Guess, ...]]:
    if asked.space is not None:
        return asked.space, ()
    if told:
        return ("w" if told.get("shift_in_w_space") else "z"), ()
    if asked.shapes and "w" not in asked.shapes:
        return "z", ()
    guess = Guess(
        str(path),
        "paths of z",
        f"as no {ARGUMENTS} of an experiment is beside it",
        (Other("space", "w", "paths of w"),),
    )
    return "z", (guess,)


def arguments_beside(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arguments of the experiment that a file lies in; {} if there are none.

    Raises:
        CheckpointError: if they are not a JSON object.
    """
    folder = Path(path).absolute().parent
    for place in (folder, folder.parent):
        if (place / ARGUMENTS).is_file():
            return read_arguments(place / ARGUMENTS)
    return {}


def read_arguments(path: str | os.PathLike[str]) -> dict[str, Any]:
    """An experiment's `args.json`, old names replaced by those of today.

    Raises:
        CheckpointError: if it is not a JSON object.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CheckpointError(f"{path}: over {_MOST_BYTES} bytes of arguments")
        found = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: {type(found).__name__}, not a JSON object")
    return {RENAMED.get(str(name), str(name)): value for name, value in found.items()}


def is_experiment(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of an experiment.

    GANLatentDiscovery's folders have the same names, but for those of their models.
    """
    models = Path(path) / MODELS
    has_both = models.is_dir() and (Path(path) / ARGUMENTS).is_file()
    return has_both and not any(models.glob("deformator_*"))


class Experiment(NamedTuple):
    """What a folder of an experiment holds.

    Attributes:
        support_sets: the file of the last support sets.
        start: the file of those before training, None if there is none.
        reconstructor: the file of their reconstructor, None if there is none.
        arguments: of the training, by the names of today.
    """

    support_sets: Path
    start: Path | None
    reconstructor: Path | None
    arguments: dict[str, Any]


def find_experiment(folder: str | os.PathLike[str]) -> Experiment:
    """The files of an experiment: finished, split by iteration, or at work.

    Raises:
        CheckpointError: if there are no support sets.
    """
    folder = Path(folder)
    models = folder / MODELS
    split = [found for one in models.iterdir() if (found := _SPLIT.fullmatch(one.name))]
    newest = max((int(found[1]) for found in split), default=0)
    pairs = [
        ("support_sets.pt", "reconstructor.pt"),
        (f"support_sets-{newest}.pt", f"reconstructor-{newest}.pt"),
        ("checkpoint.pt", "checkpoint.pt"),
    ]
    for sets, reconstructor in pairs:
        if (models / sets).is_file():
            start, network = models / "support_sets_init.pt", models / reconstructor
            return Experiment(
                models / sets,
                start if start.is_file() else None,
                network if network.is_file() else None,
                read_arguments(folder / ARGUMENTS),
            )
    accepted = ", ".join(sets for sets, _ in pairs[::2])
    raise CheckpointError(f"{models}: no support sets; one of {accepted} is accepted")


def encode_support_sets(edit: RBFField) -> bytes:
    """`support_sets.pt` of an edit.

    Raises:
        TypeError: for an edit of another kind.
    """
    if not isinstance(edit, RBFField):
        raise TypeError(
            f"edit: a {type(edit).__name__} given; the layout 'support-sets' takes an "
            "RBFField"
        )
    supports = np.asarray(edit.supports, np.float32)
    scales = np.asarray(edit.scales, np.float64)
    return torch_zip(
        {
            SUPPORTS: supports.reshape(len(supports), -1),
            ALPHAS: np.asarray(edit.weights, np.float32),
            LOG_GAMMA: np.log(scales).astype(np.float32)[:, None],
        }
    )


class Pool(NamedTuple):
    """Codes of a pool.

    Attributes:
        codes: z [N, D].
        names: of their folders, in their order.
    """

    codes: np.ndarray
    names: tuple[str, ...]


def is_pool(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a pool."""
    return any(Path(path).glob(f"*/{CODE_FILE}"))


def read_pool(folder: str | os.PathLike[str]) -> Pool:
    """The codes of a pool, in the order of their folders' names.

    Raises:
        CheckpointError: if there are none, or codes that do not fit each other; or if a
            folder's name is the hash of other bytes than its code's.
    """
    files = sorted(Path(folder).glob(f"*/{CODE_FILE}"))
    if not files:
        raise CheckpointError(f"{folder}: no {CODE_FILE} in its folders")
    codes = []
    for file in files:
        _, code = find_array(read(file), (), "a code [1, D]")
        if code.ndim != 2 or len(code) != 1 or code.shape != (codes or [code])[0].shape:
            raise CheckpointError(
                f"{file}: shape {code.shape} found; (1, D), the same for all codes, is "
                "accepted"
            )
        name = file.parent.name
        if _POOLED.fullmatch(name) and not name.endswith(code_hash(code)):
            raise CheckpointError(f"{file}: not the code that {name} is the hash of")
        codes.append(code.astype(np.float32))
    return Pool(np.concatenate(codes), tuple(file.parent.name for file in files))


def write_pool(
    folder: str | os.PathLike[str], codes: ArrayLike, *, numbered: bool = False
) -> tuple[str, ...]:
    """Write codes as a pool that the original reads.

    Args:
        folder: made if it is missing.
        codes: z [N, D], as its programs take w from there.
        numbered: whether folders' names begin with the code's number.

    Returns:
        The names of the folders.
    """
    rows = np.asarray(codes, np.float32)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise ValueError(f"codes: shape {rows.shape} given; finite [N, D] is accepted")
    names = []
    for number, code in enumerate(rows):
        names.append(f"{number:03d}_" * numbered + code_hash(code))
        place = Path(folder) / names[-1]
        place.mkdir(parents=True, exist_ok=True)
        atomic_write(place / CODE_FILE, torch_zip(code[None]))
    return tuple(names)


def code_hash(code: ArrayLike) -> str:
    """The SHA-1 of a code's bytes, in single precision and little-endian."""
    return hashlib.sha1(np.asarray(code, "<f4").tobytes()).hexdigest()


def read_path_codes(file: CheckpointFile) -> np.ndarray:
    """Codes along all paths from one: `paths_latent_codes.pt`, [K, 2 T + 1, D].

    Raises:
        CheckpointError: for another shape.
    """
    checkpoint = opened(file)
    _, codes = find_array(checkpoint, (), "codes [K, 2 T + 1, D]")
    if codes.ndim != 3 or not codes.shape[1] % 2:
        raise CheckpointError(
            f"{checkpoint.path}: shape {codes.shape} found; (K, 2 T + 1, D) is accepted"
        )
    return codes
