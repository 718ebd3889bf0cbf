"""From the words of a command line to the command that they ask for."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Union

import tyro

from jaxlatent.cli import commands, discovering, edits, regional, sampling


def _deferred(command: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A command's twin that only keeps its arguments, so that parsing runs nothing."""

    @functools.wraps(command)
    def keep(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(command, *args, **kwargs)

    return keep


def _subcommand(name: str, command: Callable[..., None]) -> Any:
    summary = (command.__doc__ or "").partition("\n\n")[0]
    return Annotated[
        Any,
        tyro.conf.subcommand(
            name=name, constructor=_deferred(command), description=summary
        ),
    ]


def _methods() -> Any:
    return Union[  # noqa: UP007
        _subcommand("sefa", discovering.discover_sefa),
        _subcommand("ganspace", discovering.discover_ganspace),
        _subcommand("interfacegan", discovering.discover_interfacegan),
        _subcommand("lowrankgan", regional.discover_lowrankgan),
        _subcommand("resefa", regional.discover_resefa),
    ]


def _discover(
    method: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_methods)],
) -> Callable[[], None]:
    """Find directions with a method and draw them."""
    return method


def _commands() -> Any:
    return Union[  # noqa: UP007
        _subcommand("demo", commands.demo),
        _subcommand("convert", commands.convert),
        _subcommand("inspect", commands.inspect),
        _subcommand("families", commands.list_families),
        _subcommand("sample", sampling.sample),
        _subcommand("score", commands.score),
        _subcommand("regions", regional.draw_regions),
        _subcommand("jacobian", regional.jacobian),
        Annotated[Any, tyro.conf.subcommand(name="discover", constructor=_discover)],
        _subcommand("edit", commands.edit),
        _subcommand("presets", commands.list_presets),
        _subcommand("condition", edits.condition),
        _subcommand("combine", edits.combine),
        _subcommand("import", edits.import_file),
        _subcommand("export", edits.export_file),
        _subcommand("name", edits.name),
    ]


@dataclass(frozen=True)
class Jaxlatent:
    """Find and apply edits in the latent space of image generators."""

    command: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_commands)]
    debug: Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = False
    """Show where an error came from instead of one line."""
