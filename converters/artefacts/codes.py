"""Codes that other tools left behind: what they call them, and how they wrap them.

A projector's `{picture: {"img", "latent", "noise"}}`, an encoder's tensor, lists of one
code to a picture, ReStyle's `{picture: [code of every iteration]}`, NVIDIA's
`projected_w.npz`, the archives that `jaxlatent sample` writes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from converters.artefacts.contents import is_real, names_of
from converters.checkpoints import Checkpoint, CheckpointFile, opened
from jaxlatent.types import CheckpointError

SPACES = {
    **dict.fromkeys(("w+", "wp", "w_plus", "wplus", "ws"), "w+"),
    **dict.fromkeys(("projected_w", "dlatents", "dlatent", "w"), "w"),
    **dict.fromkeys(("latents", "latent", "latent_codes", "latent_code"), None),
    **dict.fromkeys(("codes", "code", "latent_in"), None),
    "z": "z",
    "s": "s",
}
"""What codes are called, the latest space first, and the space that a name tells: "w"
stands for w+ too, which its rank tells."""

OWN_NAMES = ("s", "w+", "w", "z")
"""The names that say no more and no less than the space."""

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".npy", ".pt")
_OF_W = {"noise", "noises"}
"""What lies beside a latent only if it is one of w or w+."""

_IMAGE = "img"
"""What a projector calls the picture of one code, beside it."""

_HOLDERS = (np.ndarray, Mapping, list, tuple)
_DEEPEST = 8

ACCEPTED = (
    f"one array, or one of {tuple(SPACES)}; a list with a code for each picture, or a "
    "dict of them by the pictures' names"
)


@dataclass(frozen=True, eq=False)
class Codes:
    """What a file holds for codes, before a generator tells what they are.

    Attributes:
        array: floating, [D] to [N, L, D].
        name: what it is called, None if nothing names it.
        space: what the name or the neighbours tell: "z", "w+", "s", "w" for w or w+;
            or None.
        listed: whether the first axis counts codes for sure, one for each entry.
        iterations: of how many codes of every picture these are the last.
    """

    array: np.ndarray
    name: str | None = None
    space: str | None = None
    listed: bool = False
    iterations: int = 1


def load_codes(file: CheckpointFile) -> np.ndarray:
    """Read codes, whatever generator they belong to.

    Accepted are arrays z or w as [D] or [N, D], w+ as [N, L, D] (an encoder's or a
    projector's result, SeFa's released codes), in NumPy's, torch, pickle and
    safetensors files: alone or under one of the names in `SPACES`; lists with a code
    for each picture; dicts by picture, of codes, of lists with the code of every
    iteration, of which the last is taken, or of dicts as projectors write.

    An array [L, D] is returned as it is: one code of w+ or L codes of w.
    `jaxlatent.loading.load_latents` decides, with the generator at hand.

    Args:
        file: its path, or what `read` returned.

    Returns:
        [N, D] or [N, L, D], floating, read-only.

    Raises:
        CheckpointError: if there are no such codes in the file.
    """
    found = find_codes(file)
    return found.array[None] if found.array.ndim == 1 else found.array


def find_codes(file: CheckpointFile, space: str | None = None) -> Codes:
    """The codes of a file, as its content wraps them.

    Args:
        file: its path, or what `read` returned.
        space: of several arrays take that of this space.

    Raises:
        CheckpointError: if there are none, or numbers that are not finite.
    """
    checkpoint = opened(file, numpy_files=True)
    found = _unwrapped(checkpoint, checkpoint.tensors, space)
    array, stem = found.array, checkpoint.path.stem
    if not 1 <= array.ndim <= 3 or not array.size or not np.isfinite(array).all():
        raise CheckpointError(
            f"{checkpoint.path}: an array of shape {array.shape}; finite [N, D] or "
            "[N, L, D] is accepted"
        )
    if found.name is None and SPACES.get(stem):
        return replace(found, name=stem, space=SPACES[stem])
    return found


def _unwrapped(checkpoint: Checkpoint, content: Any, space: str | None) -> Codes:
    """Codes of a whole file: one array, or an entry for each picture."""
    if isinstance(content, Mapping) and _IMAGE in content and _name_in(content):
        return _stacked(checkpoint, [content])
    name, told, content = _descended(content, space)
    if isinstance(content, Mapping):
        arrays = [one for one in content.values() if isinstance(one, np.ndarray)]
        if _is_by_picture(content):
            entries = [_iterated(entry) for entry in content.values()]
            return _stacked(checkpoint, entries, name, told)
        if len(arrays) != 1:
            raise CheckpointError(
                f"{checkpoint.path}: {names_of(content)} found; accepted are {ACCEPTED}"
            )
        content = arrays[0]
    if isinstance(content, list | tuple):
        if len(content) != 1:
            return _stacked(checkpoint, content, name, told)
        # a list of one says nothing about what its array is
        return replace(_entry(checkpoint, content[0]), iterations=1)
    return replace(_entry(checkpoint, content), name=name, space=told)


def _entry(checkpoint: Checkpoint, content: Any) -> Codes:
    """The codes of one picture: an array, or the last of a list for every iteration."""
    name, told, content = _descended(content, None)
    count = 1
    if isinstance(content, list | tuple) and content:
        first, content, count = content[0], content[-1], len(content)
        if getattr(first, "shape", None) != getattr(content, "shape", None):
            raise CheckpointError(
                f"{checkpoint.path}: arrays of several shapes for one picture, as for "
                "style vectors (StyleSpace); codes of z, w or w+ are accepted"
            )
    if not is_real(content):
        is_array = isinstance(content, np.ndarray)
        kind = content.dtype if is_array else type(content).__name__
        raise CheckpointError(
            f"{checkpoint.path}: no array of real numbers: {kind} found; accepted are "
            f"{ACCEPTED}"
        )
    return Codes(content, name, told, iterations=count)


def _iterated(entry: Any) -> Any:
    """The codes [T, L, D] of one picture as a list, for one of them is its result."""
    several = isinstance(entry, np.ndarray) and entry.ndim == 3 and len(entry) > 1
    return list(entry) if several else entry


def _descended(content: Any, space: str | None) -> tuple[str | None, str | None, Any]:
    """The last name of codes on the way down, the space it tells, and what it holds."""
    name = told = None
    for _ in range(_DEEPEST):
        if not isinstance(content, Mapping) or not (found := _name_in(content, space)):
            break
        name, beside = found, content.keys()
        told = SPACES[name] or told or ("w" if _OF_W & beside else None)
        content = content[name]
    return name, told, content


def _is_by_picture(content: Mapping[Any, Any]) -> bool:
    """Whether a dict has an entry for each of several pictures."""
    entries = content.values()
    return bool(content) and (
        all(map(_is_picture, content))
        or all(isinstance(one, Mapping) and _name_in(one) for one in entries)
        or all(isinstance(one, list | tuple) for one in entries)
    )


def _stacked(
    checkpoint: Checkpoint,
    entries: Sequence[Any],
    name: str | None = None,
    told: str | None = None,
) -> Codes:
    """One code, or a batch of them, to each entry."""
    if not entries:
        raise CheckpointError(
            f"{checkpoint.path}: no code in a list; accepted are {ACCEPTED}"
        )
    parts = [_entry(checkpoint, entry) for entry in entries]
    arrays = [
        one if one.ndim == 3 or len(one) == 1 else one[None]
        for one in (np.atleast_1d(part.array) for part in parts)
    ]
    if len({one.shape[1:] for one in arrays}) > 1:
        # batches of z or w, not as many for every entry
        arrays = [np.atleast_2d(part.array) for part in parts]
    if len({one.shape[1:] for one in arrays}) != 1:
        shapes = sorted({part.array.shape for part in parts})
        raise CheckpointError(
            f"{checkpoint.path}: codes of shapes {shapes}; one shape is accepted"
        )
    array = np.concatenate(arrays)
    array.flags.writeable = False
    iterations = max(part.iterations for part in parts)
    return Codes(array, name or parts[0].name, told or parts[0].space, True, iterations)


def _name_in(content: Mapping[Any, Any], space: str | None = None) -> str | None:
    """The name of a dict's codes, those of `space` first; None if there are none."""
    names = [name for name in SPACES if name in content]
    # settings may be called so too
    held = [name for name in names if isinstance(content[name], _HOLDERS)]
    first = [name for name in held if SPACES[name] == space]
    return next(iter(first or held or names), None)


def _is_picture(key: Any) -> bool:
    return isinstance(key, str) and PurePath(key).suffix.lower() in _PICTURES
