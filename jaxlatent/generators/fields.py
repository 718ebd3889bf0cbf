"""Configs whose fields say what they accept, and errors that repeat it.

A frozen dataclass annotates its fields with the types below and calls `check_fields` in
its `__post_init__`; `from_fields` builds it from JSON values. Both ways to a config
then end in the same errors.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

Described = TypeVar("Described")


@dataclass(frozen=True)
class Accepts:
    """What a field takes: in words, for the error, and as a test."""

    words: str
    test: Callable[[Any], bool]


def one_of(names: Mapping[str, Any]) -> Accepts:
    """A field that takes one of the keys of `names`."""
    return Accepts(
        f"one of {', '.join(names)}",
        lambda value: isinstance(value, str) and value in names,
    )


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_number, value))


Name = Annotated[str, Accepts("a name", lambda v: isinstance(v, str) and v != "")]
Flag = Annotated[bool, Accepts("true or false", lambda v: isinstance(v, bool))]
Real = Annotated[float, Accepts("a number", _number)]
Count = Annotated[int, Accepts("a whole number from 1 up", lambda v: _whole(v, 1))]
Margin = Annotated[int, Accepts("a whole number from 0 up", lambda v: _whole(v, 0))]
Range = Annotated[
    tuple[float, float],
    Accepts("[low, high] with low < high", lambda v: _pair(v) and v[0] < v[1]),
]
MapShape = Annotated[
    tuple[int, int, int],
    Accepts(
        "[height, width, channels]",
        lambda v: (
            isinstance(v, tuple) and len(v) == 3 and all(_whole(side, 1) for side in v)
        ),
    ),
]


def check_fields(described: Any, where: str) -> None:
    """Hold every field of a dataclass against the `Accepts` of its annotation.

    Raises:
        ValueError: names `where`, the field, what was given and what is accepted.
    """
    for name, hint in get_type_hints(type(described), include_extras=True).items():
        for accepts in getattr(hint, "__metadata__", ()):
            value = getattr(described, name)
            if not accepts.test(value):
                raise ValueError(
                    f"{where}: {name}: {value!r} given; {accepts.words} is accepted"
                )


def from_fields(
    cls: type[Described], values: Mapping[str, Any], where: str
) -> Described:
    """Build a dataclass from JSON values, lists as tuples.

    Raises:
        ValueError: for an unknown field, a missing one, or a value not accepted.
    """
    known = {entry.name: entry for entry in dataclasses.fields(cls) if entry.init}  # pyright: ignore[reportArgumentType]
    for name in values:
        if name not in known:
            raise ValueError(
                f"{where}: {name}: given; {', '.join(known)} are the accepted fields"
            )
    for name, entry in known.items():
        if name not in values and entry.default is dataclasses.MISSING:
            raise ValueError(f"{where}: {name}: missing")
    return cls(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )
