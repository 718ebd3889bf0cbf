"""From the words of a command line to the command that they ask for."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union

import tyro

from jaxlatent.cli import commands, discovering, edits, regional, sampling
from jaxlatent.cli.options import QUIET


def _deferred(command: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A command's twin that only keeps its arguments, so that parsing runs nothing."""

    @functools.wraps(command)
    def keep(*args: Any, **kwargs: Any) -> Callable[[], None]:
        return functools.partial(command, *args, **kwargs)

    return keep


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
}


def _discover(
    method: Annotated[
        Any,
        tyro.conf.arg(name="", constructor_factory=lambda: _choice(**METHODS)),
    ],
) -> Callable[[], None]:
    """Find directions with a method and draw them."""
    return method


def _commands() -> Any:
    discover = Annotated[
        Any, tyro.conf.subcommand(name="discover", constructor=_discover)
    ]
    before = _choice(
        demo=commands.demo,
        convert=commands.convert,
        inspect=commands.inspect,
        families=commands.list_families,
        sample=sampling.sample,
        score=commands.score,
        regions=regional.draw_regions,
        jacobian=regional.jacobian,
    )
    after = _choice(
        edit=commands.edit,
        presets=commands.list_presets,
        condition=edits.condition,
        combine=edits.combine,
        export=edits.export_file,
        name=edits.name,
        **{"import": edits.import_file},
    )
    return before | discover | after


@dataclass(frozen=True)
class Jaxlatent:
    """Find and apply edits in the latent space of image generators."""

    command: Annotated[Any, tyro.conf.arg(name="", constructor_factory=_commands)]
    debug: Annotated[bool, QUIET] = False
    """Show where an error came from instead of one line."""


def parse(words: Sequence[str]) -> Jaxlatent:
    """The command that the words ask for, ready to run."""
    return tyro.cli(
        Jaxlatent,
        prog="jaxlatent",
        args=words,
        config=(
            tyro.conf.OmitArgPrefixes,
            tyro.conf.OmitSubcommandPrefixes,
            tyro.conf.CascadeSubcommandArgs,
            tyro.conf.FlagCreatePairsOff,
            tyro.conf.DisallowNone,
        ),
    )
