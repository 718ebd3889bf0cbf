"""The networks that a file may hold: found once, before any layout looks at tensors.

A file is seen as one list of dotted names, whether a dot stands for a dict in a dict or
for a module in a module. Tensors that share the beginning of their names are an
*entry*: `g_ema`, `state_dict.module`, `models.generator`, `decoder`. A layout is shown
each of them with that beginning taken off, so it knows a network's own names alone.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from converters.checkpoints import Checkpoint
from converters.containers import nvidia
from converters.containers.limits import Unread
from jaxlatent.texts import printable
from jaxlatent.types import CheckpointError

Tensors = Mapping[str, np.ndarray]

UNREAD = "which is not read"
"""Said of objects that stand for nothing; a network may have been in one."""

_WRAPPERS = frozenset(
    ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
)
"""Modules around modules, which no network itself has."""

_PARALLEL = "module"
"""What data-parallel training puts around a network, or around parts of it."""

_DEPTH, _LONGEST = 8, 1000
"""Dicts in dicts, parts of a name, and characters of one, that are looked at."""

_FEWEST, _MOST = 2, 1000
"""Tensors that make an entry, and entries that are looked at."""

_LARGEST = 1 << 16
"""Pixels or channels that a name may speak of."""


@dataclass(frozen=True, eq=False)
class Content:
    """A file's tensors, in one flat dict.

    Attributes:
        tensors: by full dotted name.
        homes: full name -> that of the dict in which the tensor lies.
        odd: what is no tensor, by full name: what it is instead.
        unusable: tensors of which nothing can be made, by full name: why.
        records: NVIDIA's network objects, by the full name of their place.
    """

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Entry:
    """Tensors that may be one network's. One made by hand needs `tensors` alone.

    Attributes:
        tensors: by the network's own dotted names.
        name: where they lie in the file, "" for the file itself.
        content: the whole file.
        places: the network's own name of a tensor -> its full name.
        record: the object that they are of, if NVIDIA's.
        description: the `config.json` beside the file.
        asked: whether the caller named the family that is looked for.
    """

    tensors: Tensors
    name: str = ""
    content: Content = field(default_factory=Content)
    places: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] | None = None
    description: Mapping[str, Any] | None = None
    asked: bool = False

    def own(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Those of the content's facts by name that are of this entry, by its names."""
        start = f"{self.name}." if self.name else ""
        return {
            name.removeprefix(start): fact
            for name, fact in facts.items()
            if name.startswith(start)
        }

    def near(self, name: str) -> np.ndarray | None:
        """The tensor of that name in the entry, or else beside it or around it."""
        for level in levels(self.name):
            found = self.content.tensors.get(f"{level}.{name}" if level else name)
            if found is not None:
                return found
        return self.tensors.get(name)

    def siblings(self) -> Iterator[Tensors]:
        """The tensors of each other network beside this one or around it."""
        own, seen = set(self.places.values()), set()
        for level in levels(self.name)[1:]:
            groups: dict[str, dict[str, np.ndarray]] = {}
            start = f"{level}." if level else ""
            for full, tensor in self.content.tensors.items():
                first, _, rest = full.removeprefix(start).partition(".")
                if full.startswith(start) and rest and full not in own | seen:
                    groups.setdefault(first, {})[rest] = tensor
                    seen.add(full)
            yield from map(_bare, groups.values())


def entries(checkpoint: Checkpoint, chosen: str | None = None) -> tuple[Entry, ...]:
    """Every entry of a file, those around others first.

    Args:
        checkpoint: the file.
        chosen: part of an entry's dotted name, to see entries there alone; "" for the
            file as a whole.

    Raises:
        CheckpointError: if the file holds no tensors.
        ValueError: if no entry has that name.
    """
    content = flatten(checkpoint)
    found: dict[str, dict[str, str]] = {"": {name: name for name in content.tensors}}
    for full in content.tensors:
        parts = full.split(".")
        for cut in range(1, min(len(parts), _DEPTH)):
            name = ".".join(parts[:cut])
            found.setdefault(name, {})[full[len(name) + 1 :]] = full
    kept = [name for name in found if len(found[name]) >= _FEWEST or not name]
    if chosen is not None:
        named = [name for name in kept if _is_called(name, chosen)]
        if not named:
            there = [printable(one, 60) for one in _outstanding(content, found)]
            raise ValueError(
                f"entry: {printable(chosen, 60)} given; one of "
                f"{', '.join(there) or 'none'} is accepted"
            )
        kept = named
    kept.sort(key=lambda name: -len(found[name]))
    return tuple(
        shown
        for name in kept[:_MOST]
        for shown in _shown(content, name, found[name], checkpoint.description)
    )


def levels(name: str) -> list[str]:
    """A dotted name and those around it, the innermost first and "" last."""
    parts = name.split(".") if name else []
    return [".".join(parts[:count]) for count in range(len(parts), -1, -1)]


def flatten(checkpoint: Checkpoint) -> Content:
    """A file's tensors in one dict, and what is none.

    Raises:
        CheckpointError: if there are none.
    """
    content = Content()
    _walk(content, checkpoint.tensors, "", "", 0)
    bound = 8 * len(content.tensors) + 64
    for name in [name for name in content.tensors if not _countable(name, bound)]:
        del content.tensors[name]
        content.unusable[name] = f"numbered beyond what {bound // 8} tensors can be"
    if not content.tensors:
        kind = type(checkpoint.tensors).__name__
        raise CheckpointError(
            f"{checkpoint.path}: the file holds a {kind}, not a dict of tensors"
            if not isinstance(checkpoint.tensors, Mapping)
            else f"{checkpoint.path}: the file holds no tensors"
        )
    return content


def _walk(content: Content, tree: Any, name: str, home: str, depth: int) -> None:
    if isinstance(tree, np.ndarray | np.generic):
        _add(content, np.asarray(tree), name, home)
        return
    if name and isinstance(tree, Unread):
        content.odd[name] = f"{tree.what}, {UNREAD}"
    elif name:
        content.odd[name] = f"{_kind(tree)}, not a tensor"
    if depth > _DEPTH:
        return
    start = f"{name}." if name else ""
    if nvidia.is_record(tree):
        content.records[name] = tree
        try:
            below, missing = nvidia.tensors(tree), nvidia.unread(tree)
        except CheckpointError as error:
            content.odd[name] = str(error)
            return
        for key, tensor in below.items():
            _add(content, tensor, start + key, name)
        for key, value in missing.items():
            content.odd[start + key] = f"{value.what}, {UNREAD}"
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            if isinstance(key, str):
                _walk(content, value, start + key, name, depth + 1)
            elif isinstance(value, np.ndarray):
                _set_aside(
                    content, f"{start}{key!r}", name, "under a key that is no text"
                )
    elif isinstance(tree, list | tuple):
        for index, value in enumerate(tree[:_DEPTH]):
            if isinstance(value, Mapping):
                _walk(content, value, f"{start}{index}", name, depth + 1)


def _kind(value: Any) -> str:
    """What a value of a file is, in words."""
    match value:
        case bool() | int() | float():
            return "a number"
        case str() | bytes():
            return "text"
        case Mapping() | list() | tuple():
            return f"a {type(value).__name__}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _add(content: Content, tensor: np.ndarray, name: str, home: str) -> None:
    """A tensor under the name that it has without wrappers, if that is free."""
    bare = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
    name = name if bare in content.tensors else bare
    number = jnp.issubdtype(tensor.dtype, np.number) or tensor.dtype == np.bool_
    if len(name) > _LONGEST:
        _set_aside(content, name[:_LONGEST], home, f"a name of {len(name)} characters")
    elif not number or np.iscomplexobj(tensor):
        _set_aside(content, name, home, f"of {tensor.dtype}, not of numbers")
    elif not tensor.size:
        _set_aside(content, name, home, f"empty, {tensor.shape}")
    else:
        content.tensors[name] = tensor
        content.homes[name] = home


def _set_aside(content: Content, name: str, home: str, reason: str) -> None:
    content.unusable[name] = reason
    content.homes[name] = home


def _countable(name: str, bound: int) -> bool:
    """Whether no number in a name is larger than a file of so many tensors has."""
    for part in name.split("."):
        for digits in re.findall(r"\d+", part):
            if len(digits) > 9 or int(digits) > (
                bound if digits == part else max(bound, _LARGEST)
            ):
                return False
    return True


def _shown(
    content: Content,
    name: str,
    places: Mapping[str, str],
    description: Mapping[str, Any] | None,
) -> Iterator[Entry]:
    """An entry; and again without data-parallel wrappers around parts of it."""
    entry = Entry(
        {own: content.tensors[full] for own, full in places.items()},
        name,
        content,
        places,
        _record(content, name),
        description,
    )
    yield entry
    inside = {own for own in places if f".{_PARALLEL}." in own}
    if inside and not all(own.startswith(f"{_PARALLEL}.") for own in places):
        bare = {own: own.replace(f".{_PARALLEL}.", ".") for own in places}
        if len(set(bare.values())) == len(bare):
            tensors = {bare[own]: tensor for own, tensor in entry.tensors.items()}
            renamed = {bare[own]: full for own, full in places.items()}
            yield dataclasses.replace(entry, tensors=tensors, places=renamed)


def _record(content: Content, name: str) -> Mapping[str, Any] | None:
    """The network object of an entry, which may be a module of a larger one."""
    for level in levels(name):
        if level in content.records:
            try:
                path = name[len(level) :].strip(".")
                return nvidia.module(content.records[level], path)
            except CheckpointError:
                return None
    return None


def _bare(tensors: Tensors) -> Tensors:
    """Tensors without what all of their names begin with."""
    for _ in range(_DEPTH):
        first = {name.partition(".")[0] for name in tensors}
        if len(first) != 1 or not all("." in name for name in tensors):
            break
        tensors = {name.partition(".")[2]: value for name, value in tensors.items()}
    return tensors


def _is_called(name: str, chosen: str) -> bool:
    return f".{chosen}." in f".{name}." if chosen else not name


def _outstanding(content: Content, found: Mapping[str, Any]) -> list[str]:
    """The names of a file's dicts of tensors, and of the parts of a flat one."""
    homes = [name for name in dict.fromkeys(content.homes.values()) if name]
    parts = [name for name in found if name and "." not in name]
    return list(dict.fromkeys(homes + parts))[:_DEPTH]
