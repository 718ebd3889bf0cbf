"""Checkpoint file -> generator, discriminator or network; and what a file is."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    vgg,
)
from converters.checkpoints import Checkpoint, CheckpointFile, opened
from converters.plans import Mismatch, Plan, assemble, compare
from jaxlatent.checkpoint import save_generator
from jaxlatent.generators.base import Discriminator, Generator
from jaxlatent.networks.base import Network
from jaxlatent.types import CheckpointError

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
}
"""The modules that know a family's file layouts.

Each has a function `plan`, and `ASSUMES`: the config values, and the parameters, that
its files may leave open.
"""


@dataclass(frozen=True)
class Inspection:
    """What a checkpoint file is, without converting it.

    Attributes:
        container: the file's container, as `Checkpoint` names it.
        plans: what each part in it would become.
        mismatches: what keeps each part from fitting, empty if nothing does.
    """

    container: str
    plans: Mapping[str, Plan]
    mismatches: Mapping[str, Mismatch]


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
    part: Literal["generator"] = ...,
    dtype: Any = ...,
) -> Generator: ...
@overload
def load(
    file: CheckpointFile,
    *,
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
    part: Literal["discriminator"],
    dtype: Any = ...,
) -> Discriminator: ...
@overload
def load(
    file: CheckpointFile,
    *,
    family: str | None = ...,
    config: Mapping[str, Any] | None = ...,
    part: Literal["network"],
    dtype: Any = ...,
) -> Network: ...
def load(
    file: CheckpointFile,
    *,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
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
        part: "generator", "discriminator" or "network" (a classifier and the like).
        dtype: of the parameters, None for float32. With float64 (under
            `jax.enable_x64`) gains are applied without rounding.

    Raises:
        CheckpointError: if the file is unsound, holds no such part, or does not fit;
            every missing, extra and misshapen tensor is named in one error.
    """
    plan = find_plan(opened(file), part=part, family=family, config=config)
    params = assemble(plan, dtype)
    if part == "network":
        return Network(params=params, module=plan.config)
    if part == "discriminator":
        return Discriminator(params=params, config=plan.config)
    return Generator(params=params, config=plan.config)


def convert(
    file: CheckpointFile,
    out: str | os.PathLike[str],
    *,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Plan:
    """Write a checkpoint's generator to a folder that `load_generator` reads.

    Args:
        file: the checkpoint, as for `load`.
        out: the folder to make.
        family: as for `load`.
        config: as for `load`.
        overwrite: replace an earlier generator at `out`.

    Returns:
        The plan that was carried out: format, config and assumptions.

    Raises:
        CheckpointError: as for `load`.
        FileExistsError: if `out` exists and is not to be overwritten.
    """
    checkpoint = opened(file)
    plan = find_plan(checkpoint, part="generator", family=family, config=config)
    generator = Generator(params=assemble(plan), config=plan.config)
    origin = {
        "file": checkpoint.path.name,
        "sha256": checkpoint.sha256,
        "container": checkpoint.container,
        "format": plan.format,
        "assumed": dict(plan.assumed),
        "overridden": sorted(config or {}),
        "licence": plan.licence,
    }
    save_generator(out, generator, origin=origin, overwrite=overwrite)
    return plan


def inspect(
    file: CheckpointFile,
    *,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Inspection:
    """Tell what a checkpoint is and how its tensors fit, writing nothing.

    Args:
        file: the checkpoint, as for `load`.
        family: as for `load`.
        config: as for `load`, applied to the generator.
    """
    checkpoint = opened(file)
    plans = _plans(checkpoint, family=family, config=config)
    if not plans:
        raise CheckpointError(f"{checkpoint.path}: {_unrecognised(family)}")
    return Inspection(
        container=checkpoint.container,
        plans=plans,
        mismatches={part: compare(plan) for part, plan in plans.items()},
    )


def find_plan(
    checkpoint: Checkpoint,
    *,
    part: Part,
    family: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan for one part of what `read` returned.

    Raises:
        CheckpointError: if no known layout offers that part; says what there is.
    """
    _check_dict(checkpoint)
    for module in _modules(family):
        plan = _plan(module, checkpoint, part, config)
        if plan is not None:
            return plan
    offered = _plans(checkpoint, family=family)
    if offered:
        found = " and ".join(f"a {other} ({p.family})" for other, p in offered.items())
        raise CheckpointError(f"no {part} in this file; it holds {found}")
    raise CheckpointError(_unrecognised(family))


def _plans(
    checkpoint: Checkpoint,
    *,
    family: str | None,
    config: Mapping[str, Any] | None = None,
) -> dict[str, Plan]:
    _check_dict(checkpoint)
    found: dict[str, Plan] = {}
    for module in _modules(family):
        for part in PARTS:
            changes = config if part == "generator" else None
            plan = _plan(module, checkpoint, part, changes)
            if plan is not None and part not in found:
                found[part] = plan
    return found


def _check_dict(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError unless the top-level object is a dict."""
    if not isinstance(checkpoint.tensors, Mapping):
        raise CheckpointError(
            f"{checkpoint.path}: the file holds a {type(checkpoint.tensors).__name__}, "
            "not a dict of tensors"
        )


def _plan(
    module: ModuleType,
    checkpoint: Checkpoint,
    part: Part,
    config: Mapping[str, Any] | None,
) -> Plan | None:
    """A module's plan; what the caller gave is not counted as assumed."""
    plan = module.plan(checkpoint, part=part, config=config)
    if plan is None or not config:
        return plan
    assumed = {name: v for name, v in plan.assumed.items() if name not in config}
    return replace(plan, assumed=assumed)


def _modules(family: str | None) -> tuple[ModuleType, ...]:
    if family is None:
        return tuple(module for modules in LAYOUTS.values() for module in modules)
    if family not in LAYOUTS:
        raise ValueError(f"family: {family!r} given; one of {tuple(LAYOUTS)}")
    return LAYOUTS[family]


def _unrecognised(family: str | None) -> str:
    wanted = f"no layout of {family}" if family else "no known layout"
    return (
        f"{wanted} has these tensors; {', '.join(LAYOUTS)} are known; for chains of "
        "layers a JSON description may be given as config"
    )
