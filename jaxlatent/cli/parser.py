"""From the words of a command line to the command that they ask for."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_type_hints

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    StructConstructorSpec,
    StructTypeInfo,
)

from jaxlatent.cli import (
    commands,
    demo,
    discovering,
    disentanglement,
    edits,
    enjoy,
    evaluate,
    factors,
    ganalyze,
    invert,
    naturalness,
    rank,
    regional,
    sampling,
    segmentation,
    steerability,
    stylespace,
    train,
    voynov,
    warped,
)
from jaxlatent.cli.options import shown


def _deferred(command: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A command's twin that only keeps its arguments, so that parsing runs nothing."""

    def keep(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(command, *args, **kwargs)

    hints = get_type_hints(command, include_extras=True)
    keep.__annotations__ = {name: shown(hint) for name, hint in hints.items()}
    keep.__signature__ = inspect.signature(command)  # pyright: ignore
    keep.__doc__ = command.__doc__
    return keep


LOOKS = ConstructorRegistry()
_asked: list[StructTypeInfo] = []


@LOOKS.struct_rule
def _look_alike(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Show the fields of every settings dataclass, the library's too, as options."""
    if not dataclasses.is_dataclass(info.type) or info in _asked:
        return None
    _asked.append(info)  # the second time, the rules of tyro answer
    try:
        spec = ConstructorRegistry.get_struct_spec(info)
    finally:
        _asked.pop()
    if not isinstance(spec, StructConstructorSpec):
        return None
    fields = [dataclasses.replace(one, type=shown(one.type)) for one in spec.fields]
    return dataclasses.replace(spec, fields=tuple(fields))


def _choice(**choices: Callable[..., Any]) -> Any:
    """A subcommand for each function, by name."""
    offered = [
        Annotated[
            Any,
            tyro.conf.subcommand(
                name=name,
                constructor=_deferred(command),
                description=(command.__doc__ or "").partition("\n\n")[0],
            ),
        ]
        for name, command in choices.items()
    ]
    return Union[tuple(offered)]  # noqa: UP007


METHODS = {
    "sefa": discovering.discover_sefa,
    "ganspace": discovering.discover_ganspace,
    "interfacegan": discovering.discover_interfacegan,
    "lowrankgan": regional.discover_lowrankgan,
    "resefa": regional.discover_resefa,
    "stylespace": stylespace.discover_stylespace,
    "ganalyze": ganalyze.discover_ganalyze,
    "enjoy": enjoy.discover_enjoy,
    "steerability": steerability.discover_steerability,
    "factors": factors.discover_factors,
    "voynov": voynov.discover_voynov,
    "warped": warped.discover_warped,
}


def _discover(
    method: Annotated[
        Any,
        tyro.conf.arg(name="", constructor_factory=lambda: _choice(**METHODS)),
    ],
) -> Callable[[], None]:
    """Find directions with a method and draw them."""
    return method


TRAINERS = {
    "glo": train.train_glo,
    "segmentation": segmentation.train_segmentation,
}


def _train(
    trainer: Annotated[
        Any,
        tyro.conf.arg(name="", constructor_factory=lambda: _choice(**TRAINERS)),
    ],
) -> Callable[[], None]:
    """Train a network on pictures."""
    return trainer


LOOKING = {
    "demo": demo.demo,
    "convert": commands.convert,
    "inspect": commands.inspect,
    "families": commands.list_families,
    "sample": sampling.sample,
    "score": commands.score,
    "regions": regional.draw_regions,
    "jacobian": regional.jacobian,
}
EDITING = {
    "invert": invert.invert,
    "edit": commands.edit,
    "rank": rank.rank,
    "evaluate": evaluate.evaluate,
    "naturalness": naturalness.measure_naturalness,
    "disentanglement": disentanglement.disentanglement,
    "udr": disentanglement.udr,
    "segment": segmentation.segment,
    "presets": commands.list_presets,
    "condition": edits.condition,
    "combine": edits.combine,
    "export": edits.export_file,
    "name": edits.name,
    "import": edits.import_file,
}


def _commands() -> Any:
    discover = Annotated[
        Any, tyro.conf.subcommand(name="discover", constructor=_discover)
    ]
    train = Annotated[Any, tyro.conf.subcommand(name="train", constructor=_train)]
    return _choice(**LOOKING) | discover | train | _choice(**EDITING)


@dataclass(frozen=True)
class Jaxlatent:
    """Find and apply edits in the latent space of image generators."""

    command: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_commands)]
    debug: bool = False
    """Show where an error came from instead of one line."""


def parse(words: Sequence[str]) -> Jaxlatent:
    """The command that the words ask for, ready to run."""
    return tyro.cli(
        Jaxlatent,
        prog="jaxlatent",
        args=words,
        registry=LOOKS,
        config=(
            tyro.conf.OmitArgPrefixes,
            tyro.conf.OmitSubcommandPrefixes,
            tyro.conf.CascadeSubcommandArgs,
            tyro.conf.FlagCreatePairsOff,
            tyro.conf.DisallowNone,
        ),
    )
