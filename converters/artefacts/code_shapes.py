"""What an array of codes is: its rank and the generator's own shapes decide."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from converters.artefacts.codes import OWN_NAMES, Codes
from jaxlatent.guesses import Guess, Other

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of one code by space; see `Generator.code_shapes`."""


@dataclass(frozen=True, eq=False)
class _Way:
    """One way to take an array for codes of a space, and what speaks for it."""

    space: str
    codes: np.ndarray
    reason: str

    @property
    def taken(self) -> str:
        return f"{len(self.codes)} code{'s'[len(self.codes) == 1 :]} of {self.space}"


def arrange_codes(
    found: Codes,
    shapes: Shapes,
    *,
    file: str,
    space: str | None = None,
    default: str | None = None,
) -> tuple[np.ndarray, str, tuple[Guess, ...]]:
    """Codes in their space, and what was guessed on the way.

    | shape | what it is |
    |---|---|
    | [N, D], [D], [N, 1, D] | codes of z or w |
    | [N, L, D] | codes of w+ |
    | [L, D] | one code of w+, unless a list of codes, `space` or the name says w or z |
    | [N, L * D], [L * D] | flattened codes of w+ |

    Args:
        found: what `find_codes` returned.
        shapes: of the generator; none if no generator is known, and then rank alone
            tells w+ from the others.
        file: the file, for messages.
        space: the space the caller knows them to be in. Codes of w+ with equal rows are
            codes of w too.
        default: the space of [N, D] where nothing else tells.

    Returns:
        [N, D] or [N, L, D]; the space; and the guesses.

    Raises:
        ValueError: names the space or the shape that does not fit.
    """
    told = found.space
    if space is not None and shapes and space not in shapes:
        raise ValueError(_which(f"{space} given", shapes, file))
    if space is not None and told is not None and (space == "z") != (told == "z"):
        raise ValueError(
            f"space: {space} given, but {file} calls its codes {found.name!r}"
        )
    known = shapes or _shapes_of(found.array, space or told)
    every = list(_ways(found, known))
    ways = [way for way in every if _agrees(way.space, space or told, space is None)]
    if space == "w" and not ways:
        ways = [_Way("w", way.codes[:, 0], "") for way in every if _has_equal_rows(way)]
    if not ways:
        raise ValueError(_unfit(found, known, file, space or told))
    guesses = list(_of_iterations(found, file))
    if space is not None:
        return ways[0].codes, space, tuple(guesses)
    chosen = _chosen(ways, found, default)
    if chosen is None:
        raise ValueError(_which("missing", known, file))
    others = [way for way in ways if way is not chosen]
    named = f"under the name {found.name!r}, " if told is not None else ""
    guess = Guess(
        file,
        f"{chosen.taken}",
        named + chosen.reason,
        tuple(Other("space", way.space, way.taken) for way in others),
        # between z and w somebody chose
        certain=all(len(way.codes) == len(chosen.codes) for way in others),
    )
    return chosen.codes, chosen.space, (*guesses, guess)


def _shapes_of(array: np.ndarray, space: str | None) -> Shapes:
    """The shapes that codes of an unknown generator seem to have."""
    if array.ndim == 3 and array.shape[1] > 1:
        return {"w+": array.shape[1:]}
    if space == "w+" and array.ndim == 2:
        return {"w+": array.shape}
    return {"z": array.shape[-1:], "w": array.shape[-1:]}


def _ways(found: Codes, shapes: Shapes) -> Iterator[_Way]:
    """Every way to take an array for codes of one of the spaces, w+ first."""
    array, shape = found.array, found.array.shape
    plain = f"by its shape {list(shape)}"
    for space, one in reversed(list(shapes.items())):
        size = math.prod(one)
        if array.ndim > len(one) and shape[1:] == one:
            yield _Way(space, array, plain)
        elif shape == one and not found.listed:
            reason = f"as its shape {list(shape)} is that of one code"
            yield _Way(space, array[None], reason)
        elif len(one) == 1 and shape[1:] == (1, *one):
            yield _Way(space, array[:, 0], plain)
        elif len(one) == 1 and found.listed and shape[2:] == one:
            if shape[1:] not in shapes.values():
                yield _Way(space, array.reshape(-1, size), "listed by batches")
        elif (
            len(one) == 2
            and array.ndim < 3
            and shape[-1] == size
            and (size,) not in shapes.values()
        ):
            reason = f"as {one[0]} rows of {one[1]} are its {size} numbers"
            yield _Way(space, array.reshape(-1, *one), reason)


def _agrees(space: str, told: str | None, by_name: bool) -> bool:
    # what is called w may have rows
    return told is None or space == told or (by_name and (told, space) == ("w", "w+"))


def _has_equal_rows(way: _Way) -> bool:
    return way.space == "w+" and bool((way.codes == way.codes[:, :1]).all())


def _chosen(ways: Sequence[_Way], found: Codes, default: str | None) -> _Way | None:
    """The likeliest way, w+ before others; None where z and w are alike."""
    by_space = {way.space: way for way in ways}
    if len(ways) == 1 or default in by_space:
        return by_space.get(default or "", ways[0])
    first = ways[0]
    if first.space != "w+":
        return None
    # L codes of w under that name, unless they are one that was repeated
    own = found.name in OWN_NAMES and found.space in by_space
    return by_space[found.space or ""] if own and not _has_equal_rows(first) else first


def _of_iterations(found: Codes, file: str) -> Iterator[Guess]:
    if found.iterations > 1:
        taken = f"the last of {found.iterations} codes of each picture"
        yield Guess(file, taken, "those of an encoder's iterations", certain=True)


def _which(given: str, shapes: Shapes, file: str) -> str:
    return f"space: {given} for {file}; one of {', '.join(shapes)} is accepted"


def _unfit(found: Codes, shapes: Shapes, file: str, space: str | None) -> str:
    """Why no way fits, and what would."""
    shape = found.array.shape
    layered = found.array.ndim == 3 and shape[1] > 1
    here = f"codes: {list(shape)} found in {file}"
    if layered and "w+" not in shapes:
        return (
            f"{here} are codes of w+, which this generator does not have; codes of "
            f"{' or '.join(shapes)} are accepted"
        )
    if layered and space == "w" and shape[1:] == shapes["w+"]:
        return f"{here} are codes of w+ whose rows differ; space w+ is accepted"
    if layered:
        rows, size = shapes["w+"]
        return (
            f"{here}, {shape[1]} rows of {shape[2]}; w+ of this generator has {rows} "
            f"rows of {size}"
        )
    spaces = [one for one in shapes if _agrees(one, space, True)]
    accepted = ", ".join(
        f"[{', '.join(map(str, ('N', *shapes[one])))}] for {one}" for one in spaces
    )
    return f"{here}; finite {accepted} is accepted"
