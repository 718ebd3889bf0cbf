"""What `describing.describe` tells of a file, as text."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jaxlatent.texts import printable


def lines(facts: Mapping[str, Any], *, tensors: bool) -> Iterator[str]:
    """A description as text.

    Args:
        facts: what `describing.describe` returned.
        tensors: whether to list every tensor.
    """
    yield str(facts["file"])
    for name, value in facts.items():
        if name in ("file", "parts", "tensors", "problem", "entries"):
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {entry}" for key, entry in value.items())
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value not in (None, ""):
            yield f"  {name.replace('_', ' ')}: {value}"
    for name, what in facts.get("entries", {}).items():
        yield f"  entry {printable(name, 60) or '(the whole file)'}: {what}"
    for part, described in facts.get("parts", {}).items():
        yield from _part_lines(part, described, tensors=tensors)
    if not facts.get("parts"):
        yield from _tensor_lines(facts.get("tensors", {}), ())


def _part_lines(part: str, facts: Mapping[str, Any], *, tensors: bool) -> Iterator[str]:
    layout = f", {facts['format']} layout" if facts["format"] else ""
    place = f", entry {printable(facts['entry'], 60)}" if facts.get("entry") else ""
    yield f"{part}: {facts['family']}{layout}{place}"
    yield from (f"  guessed: {guess}" for guess in facts["guesses"])
    for name, value in facts["config"].items():
        mark = "  (assumed)" if name in facts["assumed"] else ""
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            yield f"  {name} ={mark}"
            yield from (f"    {_compact(entry)}" for entry in value)
        else:
            yield f"  {name} = {json.dumps(value)}{mark}"
    if facts["assumed"]:
        yield "  (assumed: not in the file; --config NAME=VALUE overrides it)"
    if tensors:
        yield from _tensor_lines(facts["tensors"], facts["not_needed"])
    fits = True
    for problem in ("missing", "extra", "misshapen"):
        if facts[problem]:
            fits = False
            names = ", ".join(printable(name, 150) for name in facts[problem])
            yield f"  {problem} ({len(facts[problem])}): {names}"
    if fits:
        yield f"  {len(facts['tensors'])} tensors, every one fits"
    if facts["licence"]:
        yield f"  licence: {facts['licence']}"


def _compact(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in entry.items())


def _tensor_lines(
    tensors: Mapping[str, Any], not_needed: tuple[str, ...] | list[str]
) -> Iterator[str]:
    for name, (dtype, shape) in tensors.items():
        mark = "  (not needed)" if name in not_needed else ""
        yield f"  {printable(name, 150)} {dtype} {shape}{mark}"
