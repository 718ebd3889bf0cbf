"""Checkpoint file -> generator, discriminator or network; and what a file is."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Literal, NamedTuple, overload

from converters import (
    alexnet,
    biggan_ajbrock,
    biggan_deep_ajbrock,
    biggan_deep_huggingface,
    biggan_ganalyze,
    dcgan,
    emonet,
    lenet,
    memnet,
    progan_genforce,
    progan_interfacegan,
    progan_netdissect,
    progan_ptrblck,
    reconstructors,
    resnet,
    sequential,
    sngan,
    squeezenet,
    stylegan2_genforce,
    stylegan2_higan,
    stylegan2_nvidia,
    stylegan2_rosinality,
    stylegan3_nvidia,
    stylegan_ganspace,
    stylegan_genforce,
    stylegan_interfacegan,
    unet,
    vgg,
)
from converters.checkpoints import Checkpoint, CheckpointFile, opened
from converters.entries import Entry, entries
from converters.finding import (
    Candidate,
    candidates,
    choose,
    make_plan,
    unknown_entries,
    what_is_there,
)
from converters.plans import Mismatch, Plan, assemble, compare
from converters.unread import explain, recognised
from jaxlatent.checkpoint import save_generator
from jaxlatent.generators.base import Discriminator, Generator
from jaxlatent.networks.base import Network
from jaxlatent.types import CheckpointError, Origin

Part = Literal["generator", "discriminator", "network"]
PARTS: tuple[Part, ...] = ("generator", "discriminator", "network")

LAYOUTS: dict[str, tuple[ModuleType, ...]] = {
    "progan": (
        progan_genforce,
        progan_interfacegan,
        progan_ptrblck,
        progan_netdissect,
    ),
    "stylegan": (stylegan_genforce, stylegan_interfacegan, stylegan_ganspace),
    "stylegan2": (
        stylegan2_nvidia,
        stylegan2_rosinality,
        stylegan2_genforce,
        stylegan2_higan,
    ),
    "stylegan3": (stylegan3_nvidia,),
    "biggan": (biggan_ajbrock, biggan_ganalyze),
    "biggan_deep": (biggan_deep_huggingface, biggan_deep_ajbrock),
    "sngan": (sngan,),
    "sequential": (sequential, dcgan),
    "lenet": (lenet,),
    "resnet": (resnet,),
    "vgg": (vgg,),
    "alexnet": (alexnet,),
    "squeezenet": (squeezenet,),
    "emonet": (emonet,),
    "memnet": (memnet,),
    "reconstructors": (reconstructors,),
    "unet": (unet,),
}
"""The modules that know a family's file layouts.

Each has a function `plan`; `ASSUMES`, the config values, and the parameters, that its
files may leave open; and `SIGNS`, tensors by which a file of another kind, or a damaged
one, is told to be near.
"""


@dataclass(frozen=True)
class Inspection:
    """What a checkpoint file is, without converting it.

    Attributes:
        container: the file's container, as `Checkpoint` names it.
        plans: what each part in it would become.
        mismatches: what keeps each part from fitting, empty if nothing does.
        entries: what each entry of the file is, in words, by name; "" is all of it.
    """

    container: str
    plans: Mapping[str, Plan]
    mismatches: Mapping[str, Mismatch]
    entries: Mapping[str, str] = field(default_factory=dict)


class Layout(NamedTuple):
    """One way in which files hold a family.

    Attributes:
        family: the architecture.
        files: whose files they are, in words.
        assumes: config values and parameters that such a file may not tell.
    """

    family: str
    files: str
    assumes: tuple[str, ...]


def layouts() -> tuple[Layout, ...]:
    """Every file layout that `load` recognises."""
    return tuple(
        Layout(family, _summary(module), module.ASSUMES)
        for family, modules in LAYOUTS.items()
        for module in modules
    )


def _summary(module: ModuleType) -> str:
    first = (module.__doc__ or "").partition("\n\n")[0].strip()
    return " ".join(first.replace("`", "").split()).removesuffix(".")


@overload
def load(
    file: CheckpointFile,
    *,
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
    entry: str | None = ...,
    part: Literal["generator"] = ...,
    dtype: Any = ...,
) -> Generator: ...
@overload
def load(
    file: CheckpointFile,
    *,
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
    entry: str | None = ...,
    part: Literal["discriminator"],
    dtype: Any = ...,
) -> Discriminator: ...
@overload
def load(
    file: CheckpointFile,
    *,
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
    entry: str | None = ...,
    part: Literal["network"],
    dtype: Any = ...,
) -> Network: ...
def load(
    file: CheckpointFile,
    *,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
    entry: str | None = None,
    part: Part = "generator",
    dtype: Any = None,
) -> Generator | Discriminator | Network:
    """Read a PyTorch, NVIDIA or safetensors checkpoint.

    Args:
        file: its path; or that of a folder that holds `model.safetensors` or
            `pytorch_model.bin` beside `config.json`; or what `read` returned.
        family: the architecture, None to recognise it by names and shapes.
        config: config values that replace the inferred or assumed ones; for
            "sequential" a description of the layers.
        entry: which of several networks in the file, by the name of the dict or the
            beginning of the names under which it lies; None for the one that fits, and
            of several the one that is averaged over training.
        part: "generator", "discriminator" or "network" (a classifier and the like).
        dtype: of the parameters, None for float32. With float64 (under
            `jax.enable_x64`) gains are applied without rounding.

    Raises:
        CheckpointError: if the file is unsound, holds no such part, or does not fit;
            missing, extra and misshapen tensors are named in one error.
        ValueError: for an unknown family or entry, or config values that do not fit.
    """
    checkpoint = opened(file)
    plan = find_plan(checkpoint, part=part, family=family, config=config, entry=entry)
    params, origin = assemble(plan, dtype), _origin(checkpoint, plan, config)
    if part == "network":
        return Network(params=params, module=plan.config, origin=origin)
    if part == "discriminator":
        return Discriminator(params=params, config=plan.config, origin=origin)
    return Generator(params=params, config=plan.config, origin=origin)


def _origin(
    checkpoint: Checkpoint, plan: Plan, config: Mapping[str, Any] | None
) -> Origin:
    return Origin(
        file=checkpoint.path.name,
        sha256=checkpoint.sha256,
        container=checkpoint.container,
        format=plan.format,
        entry=plan.entry,
        assumed=dict(plan.assumed),
        overridden=tuple(sorted(config or {})),
        guesses=plan.guesses,
        licence=plan.licence,
    )


def convert(
    file: CheckpointFile,
    out: str | os.PathLike[str],
    *,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
    entry: str | None = None,
    overwrite: bool = False,
) -> Plan:
    """Write a checkpoint's generator to a folder that `load_generator` reads.

    Args:
        file: the checkpoint, as for `load`.
        out: the folder to make.
        family: as for `load`.
        config: as for `load`.
        entry: as for `load`.
        overwrite: replace an earlier generator at `out`.

    Returns:
        The plan that was carried out: format, config, assumptions and guesses.

    Raises:
        CheckpointError: as for `load`.
        FileExistsError: if `out` exists and is not to be overwritten.
    """
    checkpoint = opened(file)
    plan = find_plan(
        checkpoint, part="generator", family=family, config=config, entry=entry
    )
    generator = Generator(
        assemble(plan), plan.config, _origin(checkpoint, plan, config)
    )
    save_generator(out, generator, overwrite=overwrite)
    return plan


def inspect(
    file: CheckpointFile,
    *,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
    entry: str | None = None,
) -> Inspection:
    """Tell what a checkpoint is and how its tensors fit, writing nothing.

    Args:
        file: the checkpoint, as for `load`.
        family: as for `load`.
        config: as for `load`, applied to the generator.
        entry: as for `load`.
    """
    checkpoint = opened(file)
    shown, modules = _entries(checkpoint, family, entry), _modules(family)
    plans: dict[str, Plan] = {}
    there: dict[str, str] = {}
    everything: list[Candidate] = []
    for part in PARTS:
        changes = config if part == "generator" else None
        described = changes if changes and "layers" in changes else None
        found = candidates(shown, modules, part, described)
        everything += found
        for one in found:
            if one.plan is not None and one.recognised:
                misfit = "" if one.fits else ", which does not fit"
                what = f"{part}: {one.plan.family} ({one.plan.format}){misfit}"
                there[one.entry.name] = what
        chosen = choose(found, shown)
        if chosen is not None and chosen.recognised:
            options = {"family": family, "config": changes, "entry": entry}
            plans[part] = find_plan(checkpoint, part=part, **options)
    if not plans:
        reason = _unrecognised(shown, everything, family)
        raise CheckpointError(f"{checkpoint.path}: {reason}")
    return Inspection(
        container=checkpoint.container,
        plans=plans,
        mismatches={part: compare(plan) for part, plan in plans.items()},
        entries=there | unknown_entries(shown[0].content, there),
    )


def find_plan(
    checkpoint: Checkpoint,
    *,
    part: Part,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
    entry: str | None = None,
) -> Plan:
    """The plan for one part of what `read` returned.

    Where several entries fit, averaged weights are taken and the plan's `guesses` say
    so; a warning says it where nothing but their order decides.

    Raises:
        CheckpointError: if no known layout offers that part; says what there is.
        ValueError: for an unknown family or entry, or config values that do not fit.
    """
    shown, modules = _entries(checkpoint, family, entry), _modules(family)
    described = config if config and "layers" in config else None
    found = candidates(shown, modules, part, described)
    chosen = choose(found, shown, warn=True)
    certain = family is not None or described is not None
    if chosen is None or (chosen.plan and not (chosen.recognised or certain)):
        raise CheckpointError(_missing_part(shown, found, part, family))
    plan = chosen.plan
    if config and described is None:
        plan = make_plan(chosen.entry, chosen.module, part, config)
    if plan is None:
        place = f"entry {chosen.title}: " if chosen.entry.name else ""
        raise CheckpointError(f"{place}{chosen.problem}")
    given = set(config or ())
    assumed = {name: v for name, v in plan.assumed.items() if name not in given}
    return replace(plan, assumed=assumed, guesses=(*plan.guesses, *chosen.choice))


def _missing_part(
    shown: Sequence[Entry], found: Sequence[Candidate], part: Part, family: str | None
) -> str:
    """Why a file does not hold a part, and what it holds."""
    others = {
        other: chosen.plan.family
        for other in PARTS
        if other != part
        and (chosen := choose(candidates(shown, _modules(family), other), shown))
        and chosen.plan
        and chosen.recognised
    }
    if others:
        there = " and ".join(f"a {other} ({name})" for other, name in others.items())
        return f"no {part} in this file; it holds {there}"
    return _unrecognised(shown, found, family)


def _unrecognised(
    shown: Sequence[Entry], found: Sequence[Candidate], family: str | None
) -> str:
    kind = recognised(shown[0].content.tensors)
    if kind is not None:
        return explain(kind)
    wanted = f"no layout of {family}" if family else "no known layout"
    there = what_is_there(shown[0].content, found, _modules(family))
    return (
        f"{wanted} has these tensors; {there}; {', '.join(LAYOUTS)} are known; for "
        "chains of layers a JSON description may be given as config"
    )


def _entries(
    checkpoint: Checkpoint, family: str | None, chosen: str | None
) -> tuple[Entry, ...]:
    asked = family is not None
    shown = tuple(replace(one, asked=asked) for one in entries(checkpoint, chosen))
    kind = recognised(shown[0].content.tensors)
    if kind is not None and kind.encloses and not asked and chosen is None:
        raise CheckpointError(explain(kind))
    return shown


def _modules(family: str | None) -> tuple[ModuleType, ...]:
    if family is None:
        return tuple(module for modules in LAYOUTS.values() for module in modules)
    if family not in LAYOUTS:
        raise ValueError(f"family: {family!r} given; one of {tuple(LAYOUTS)}")
    return LAYOUTS[family]
