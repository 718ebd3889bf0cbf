"""Which of a file's entries is taken: one that fits, and the averaged one first."""

import dataclasses
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from converters.entries import UNREAD, Content, Entry
from converters.plans import Mismatch, Plan, compare, is_counter, needed_tensors
from jaxlatent.texts import printable
from jaxlatent.types import CheckpointError

_AVERAGED = {"ema", "smooth", "smoothed", "avg", "average", "averaged", "swa", "gs"}
_AVERAGED |= {"running", "shadow"}
_AUXILIARY = {"loss", "losses", "criterion", "perceptual", "lpips", "vgg", "facenet"}
_SHOWN, _UNREAD_SHOWN = 8, 3
_DAMAGED = 0.6
"""Where less than this share of tensors does not fit, a network is recognised."""

_ALIKE = 0.75
"""Tensors of the same name and shape in two versions of one network, at least."""

_UNFORESEEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, eq=False)
class Candidate:
    """An entry and a layout that takes it for one of its files.

    Attributes:
        entry: the entry.
        module: the layout's module.
        plan: how it converts; None if the tensors do not even tell its sizes.
        problem: why not, then.
        mismatch: what does not fit.
        choice: why it was taken of several, in words.
    """

    entry: Entry
    module: ModuleType
    plan: Plan | None
    problem: str
    mismatch: Mismatch
    choice: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the entry is such a network, every tensor of it."""
        return self.plan is not None and not self.mismatch

    @property
    def misfit(self) -> float:
        """The share of tensors that do not fit."""
        if self.plan is None:
            return 1.0
        wrong = self.mismatch.missing + self.mismatch.misshapen
        needed, extra = needed_tensors(self.plan), len(self.mismatch.extra)
        return (len(wrong) + extra) / max(len(needed) + extra, 1)

    @property
    def recognised(self) -> bool:
        """Whether it is such a network, be it a damaged one."""
        return self.misfit < _DAMAGED

    @property
    def used(self) -> frozenset[str]:
        """The full names of the tensors that it takes."""
        if self.plan is None:
            return frozenset()
        names = (name for name, _ in needed_tensors(self.plan))
        places = self.entry.places
        return frozenset(places[name] for name in names if name in places)

    @property
    def averaged(self) -> bool:
        """Whether its name says that the weights are averaged over training."""
        return bool(_words(self.entry.name) & _AVERAGED)

    @property
    def rank(self) -> tuple[bool, bool]:
        """The less, the rather it is what the file is about."""
        return _rank(self.entry.name)

    @property
    def title(self) -> str:
        """The entry's name for a message."""
        return printable(self.entry.name, 60) or "the whole file"


def candidates(
    entries: Iterable[Entry],
    modules: Sequence[ModuleType],
    part: str,
    config: Mapping[str, Any] | None = None,
) -> list[Candidate]:
    """Every entry that a layout takes for one of its files.

    Args:
        entries: the file's, those around others first.
        modules: of the layouts.
        part: "generator", "discriminator" or "network".
        config: a description of layers, without which some files are not known.
    """
    found = [
        candidate
        for entry in entries
        for module in modules
        if (candidate := _candidate(entry, module, part, config)) is not None
    ]
    return _outermost(found)


def _candidate(
    entry: Entry, module: ModuleType, part: str, config: Mapping[str, Any] | None
) -> Candidate | None:
    try:
        plan = make_plan(entry, module, part, config)
    except CheckpointError as error:
        return Candidate(entry, module, None, str(error), Mismatch())
    if plan is None:
        return None
    return Candidate(entry, module, plan, "", compare(plan))


def make_plan(
    entry: Entry, module: ModuleType, part: str, config: Mapping[str, Any] | None
) -> Plan | None:
    """A layout's plan for an entry, with all that the entry tells.

    Raises:
        CheckpointError: if names and shapes contradict one another.
        ValueError: for config values that the architecture does not take.
    """
    try:
        plan = module.plan(entry, part=part, config=config)
        if plan is None:
            return None
        plan = dataclasses.replace(plan, entry=entry.name, **_set_aside(plan, entry))
        ignored = plan.ignored | _unneeded(plan, entry)
        compare(plan)
    except CheckpointError:
        raise
    except _UNFORESEEN as error:
        if config and isinstance(error, ValueError):
            raise
        # what layouts read sizes from are names and shapes that anybody may have made
        raise CheckpointError(
            f"names and shapes that contradict one another ({type(error).__name__}: "
            f"{printable(str(error), 100)})"
        ) from error
    return dataclasses.replace(plan, ignored=ignored)


def _homes(plan: Plan, entry: Entry) -> set[str | None]:
    """The dicts that a network's tensors lie in."""
    places = (entry.places.get(name, "") for name, _ in needed_tensors(plan))
    return {entry.content.homes.get(place) for place in places}


def _set_aside(plan: Plan, entry: Entry) -> dict[str, dict[str, str]]:
    """What is no tensor, and what is one that cannot be used, among a network's."""
    content, own = entry.content, _homes(plan, entry)
    near = {n: why for n, why in content.unusable.items() if content.homes[n] in own}
    return {"odd": entry.own(content.odd), "unusable": entry.own(near)}


def _unneeded(plan: Plan, entry: Entry) -> frozenset[str]:
    """Tensors beside a network: counters, and what lies in dicts that it is not of."""
    homes, own = entry.content.homes, _homes(plan, entry)
    needed = {name for name, _ in needed_tensors(plan)}
    return (
        frozenset(
            name
            for name in plan.tensors
            if is_counter(plan, name)
            or (name in entry.places and homes.get(entry.places[name]) not in own)
        )
        - needed
    )


def _outermost(found: Sequence[Candidate]) -> list[Candidate]:
    """Without parts of larger networks, nor what fits two layouts equally."""
    taken: list[Candidate] = []
    for one in found:
        inside = (
            len(one.entry.name) > len(outer.entry.name) or outer.fits
            for outer in taken
            if outer.recognised and one.used & outer.used
        )
        if not any(inside):
            taken.append(one)
    return taken


def choose(
    found: Sequence[Candidate], shown: Sequence[Entry], *, warn: bool = False
) -> Candidate | None:
    """The candidate that a file is about; None if there is none.

    What was decided is its `choice`.

    Args:
        found: the candidates for one part.
        shown: every entry of the file.
        warn: whether to warn where nothing but the order decides.
    """
    fitting = sorted((one for one in found if one.fits), key=lambda one: one.rank)
    if not fitting:
        return min(found, key=lambda one: (one.misfit, one.rank), default=None)
    best = fitting[0]
    assert best.plan is not None
    if (damaged := _damaged(best, shown, found)) is not None:
        return damaged
    rivals = [one for one in fitting[1:] if not _alike(one, best)]
    if not rivals:
        return best
    others = ", ".join(one.title for one in rivals[:_SHOWN])
    reason = "the first"
    if best.rank < rivals[0].rank:
        reason = "averaged over training" if best.averaged else "not named as a loss"
    guess = (
        f"entry {best.title} was taken, {reason} of several that fit, and not "
        f"{others}; the argument entry takes another"
    )
    if warn and best.rank == rivals[0].rank:
        warnings.warn(guess, stacklevel=4)
    return dataclasses.replace(best, choice=(guess,))


def _damaged(
    best: Candidate, shown: Sequence[Entry], found: Sequence[Candidate]
) -> Candidate | None:
    """An averaged network that does not fit, beside one that does, to be refused.

    People mean the averaged one, and would not see that they were given the other.
    """
    own = {name: tensor.shape for name, tensor in best.entry.tensors.items()}
    known = {one.entry.name: one for one in found if one.module is best.module}
    for entry in shown:
        theirs = {name: tensor.shape for name, tensor in entry.tensors.items()}
        shared = len(own.items() & theirs.items())
        if _rank(entry.name) >= best.rank or shared < _ALIKE * len(own | theirs):
            continue
        candidate = known.get(entry.name)
        if candidate is not None and (candidate.plan is None or candidate.recognised):
            return None if candidate.fits else candidate
        difference = Mismatch(
            missing=tuple(name for name in own if name not in theirs),
            extra=tuple(name for name in theirs if name not in own),
        )
        problem = (
            f"averaged over training, but unlike {best.title} it does not fit: "
            f"{difference}; the argument entry = {best.title} takes that"
        )
        return Candidate(entry, best.module, None, problem, Mismatch())
    return None


def _rank(name: str) -> tuple[bool, bool]:
    words = _words(name)
    return bool(words & _AUXILIARY), not words & _AVERAGED


def _alike(one: Candidate, other: Candidate) -> bool:
    left, right = one.entry.tensors, other.entry.tensors
    return left.keys() == right.keys() and all(
        np.array_equal(left[name], right[name], equal_nan=True) for name in left
    )


def unknown_entries(content: Content, known: Iterable[str]) -> dict[str, str]:
    """What is to be said of dicts of tensors in which no network was found."""
    return {
        home: f"{len(names)} tensors that no layout knows"
        for home, names in list(_groups(content).items())[:_SHOWN]
        if not any(_is_around(home, name) for name in known)
    }


def _is_around(outer: str, inner: str) -> bool:
    return f".{inner}.".startswith(f".{outer}." if outer else ".")


def _groups(content: Content) -> dict[str, list[str]]:
    """The names of a file's tensors by the dict that they lie in."""
    groups: dict[str, list[str]] = {}
    for name in content.tensors:
        groups.setdefault(content.homes[name], []).append(name)
    return groups


def what_is_there(
    content: Content, found: Sequence[Candidate], modules: Sequence[ModuleType]
) -> str:
    """The entries and first tensors of a file, and the layout that is nearest."""
    groups = _groups(content)
    lines = []
    for home, names in list(groups.items())[:_SHOWN]:
        start = f"{home}." if home else ""
        first = ", ".join(
            f"{printable(name.removeprefix(start), 60)} "
            f"{list(content.tensors[name].shape)}"
            for name in names[:3]
        )
        place = f"entry {printable(home, 60)} holds " if home else "it holds "
        more = ", ..." if len(names) > 3 else ""
        lines.append(f"{place}{len(names)} tensors: {first}{more}")
    if len(groups) > _SHOWN:
        lines.append(f"{len(groups) - _SHOWN} more entries")
    unread = [name for name, kind in content.odd.items() if kind.endswith(UNREAD)]
    for name in sorted(unread, key=lambda name: name.count("."))[:_UNREAD_SHOWN]:
        lines.append(f"{printable(name, 60)} is {content.odd[name]}")
    return "; ".join([*lines, *_nearest(content, found, modules)])


def _nearest(
    content: Content, found: Sequence[Candidate], modules: Sequence[ModuleType]
) -> list[str]:
    best = min(found, key=lambda one: one.misfit, default=None)
    if best is not None and best.plan is not None:
        plan = best.plan
        return [
            f"the nearest is {plan.family} ({plan.format}) for {best.title}: "
            f"{best.mismatch}"
        ]
    if best is not None:
        return [f"the nearest is {_name(best.module)} for {best.title}: {best.problem}"]
    # of layouts that know their files by tensors of which some are missing
    names = [f".{name}" for name in content.tensors]

    def lacking(module: ModuleType) -> list[str]:
        return [
            sign
            for sign in module.SIGNS
            if not any(name.endswith(f".{sign}") for name in names)
        ]

    near = min(modules, key=lambda module: len(lacking(module)) / len(module.SIGNS))
    lacks = lacking(near)
    if len(lacks) * 2 > len(near.SIGNS):
        return []
    return [f"the nearest is {_name(near)}, but {', '.join(lacks)} is missing"]


def _name(module: ModuleType) -> str:
    return " ".join((module.__doc__ or "").partition(".")[0].split())


def _words(name: str) -> frozenset[str]:
    parts = re.split(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])", name)
    return frozenset(part.lower() for part in parts if part)
