"""From the words of a command line to values; errors name the option."""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

MOST_NUMBERS = 100_000
MOST_STRENGTHS = 1_000
LARGEST_SEED = 2**32 - 1


def parse_config(entries: Sequence[str], option: str = "config") -> dict[str, Any]:
    """`key=value` pairs, JSON or text, and `@FILE`s that hold a JSON object."""
    values: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if entry.startswith("@"):
            values |= _read_config(Path(entry[1:]), option)
        elif key and equals:
            values[key] = _json_or_text(value)
        else:
            raise ValueError(f"{option}: {entry!r} given; KEY=VALUE or @FILE accepted")
    return values


def _read_config(path: Path, option: str) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{option}: {path} is not a file")
    try:
        values = json.loads(path.read_bytes(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{option}: {path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{option}: {path} holds no JSON object")
    return values


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=_no_number)
    except json.JSONDecodeError:
        return value
    except (ValueError, RecursionError) as error:
        raise ValueError(f"config: {value[:60]!r} given: {error}") from error


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number; finite ones are accepted")


def parse_numbers(text: str, option: str) -> tuple[int, ...]:
    """`0,4-6` -> (0, 4, 5, 6), in that order and each once."""
    numbers: dict[int, None] = {}
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise ValueError(f"{option}: {text!r} given; such as 0,4-6 is accepted")
        if len(numbers) + last - first >= MOST_NUMBERS:
            raise ValueError(
                f"{option}: {text!r} given; {MOST_NUMBERS} numbers at most are accepted"
            )
        numbers |= dict.fromkeys(range(first, last + 1))
    return tuple(numbers)


def parse_seeds(text: str, option: str = "seeds") -> tuple[int, ...]:
    """`0,4-6` -> (0, 4, 5, 6)."""
    seeds = parse_numbers(text, option)
    if max(seeds) > LARGEST_SEED:
        raise ValueError(f"{option}: {max(seeds)} given; {LARGEST_SEED} is the largest")
    return seeds


def parse_columns(text: str | None, names: Sequence[str]) -> list[int | str]:
    """Scores by name or number, `8`, `0-3` or `smile,age`; all for None."""
    if text is None:
        return list(names)
    if text in names:
        return [text]
    words = text.split(",")
    if all(word in names for word in words):
        return list(words)
    return list(parse_numbers(text, "attribute"))


def check_seed(value: int) -> int:
    """The value, if it can seed a key."""
    if not 0 <= value <= LARGEST_SEED:
        raise ValueError(f"seed: {value} given; 0 to {LARGEST_SEED} is accepted")
    return value


def parse_strengths(text: str) -> tuple[float, ...]:
    """`-3:3:7` -> seven evenly spaced strengths; `-2,0,2` -> those."""
    values: list[float] = []
    try:
        if ":" in text:
            start, stop, count = text.split(":")
            ends = float(start), float(stop)
            if 0 < int(count) <= MOST_STRENGTHS and np.isfinite(ends).all():
                values = np.linspace(*ends, int(count)).tolist()
        else:
            values = [float(value) for value in text.split(",")]
    except ValueError:
        values = []
    if not values or len(values) > MOST_STRENGTHS or not np.isfinite(values).all():
        raise ValueError(
            f"strengths: {text!r} given; start:stop:count such as -3:3:7, or a list "
            "such as -2,0,2, is accepted"
        )
    return tuple(values)


def refuse(given: Any, but: str, *names: str) -> None:
    """Refuse options that would do nothing here: all of a group, or those named.

    Args:
        given: the group's settings; what is as by default was not given.
        but: what stands behind "NAME: given".
        *names: of the options.
    """
    for field in dataclasses.fields(given):
        value = getattr(given, field.name)
        if value != field.default and (field.name in names or not names):
            raise ValueError(f"{field.name}: given{but}")


def parse_ends(text: str | None, option: str) -> tuple[float, float] | None:
    """`-10,10` -> (-10.0, 10.0); None for None."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
        finite = np.isfinite([low, high]).all()
    except ValueError:
        finite, low, high = False, 0.0, 0.0
    if not finite:
        raise ValueError(
            f"{option}: {text!r} given; two numbers such as -10,10 are accepted"
        )
    return low, high


def at_least_one(value: int, option: str) -> int:
    """The value, unless it is below one."""
    if value < 1:
        raise ValueError(f"{option}: {value} given; 1 or more is accepted")
    return value
