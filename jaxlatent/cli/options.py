"""The words of the command line: what `--help` shows, and what a command is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro


def _default(shown: str) -> str:
    return "" if shown in ("None", "") else f"(default: {shown})"


def option(metavar: str) -> Any:
    """How an option looks: a word for its value, and its default if it has one."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=_default)


def positional(metavar: str) -> Any:
    """How an argument without a name looks."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


Choice = Literal["z", "w", "w+"]
Flag = Annotated[bool, tyro.conf.arg(help_behavior_hint="")]
Repeated = tyro.conf.arg(metavar="S", help_behavior_hint="(repeatable)")
ScoredWith = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, Repeated]


@dataclass(frozen=True)
class Codes:
    """Where the codes come from: drawn with seeds, or read from a file."""

    seeds: Annotated[str | None, option("SEEDS")] = None
    """Draw one code with each of these seeds, such as 0,4-6."""
    codes: Annotated[Path | None, option("FILE")] = None
    """Read the codes instead: .npy, .npz or .pt, [N, D] or [N, L, D]."""
    space: Annotated[Choice | None, tyro.conf.arg(help_behavior_hint="")] = None
    """The space of the codes in FILE, where nothing else tells."""
    label: Annotated[str | None, option("CLASS")] = None
    """The class to draw, or one for each code such as 0,2,2."""
    truncation: Annotated[float | None, option("PSI")] = None
    """Pull w towards its mean by this factor, or draw z truncated by it (BigGAN)."""
    cutoff: Annotated[int | None, option("ROWS")] = None
    """Truncate only the first rows of w+."""


@dataclass(frozen=True)
class Reading:
    """How to read a checkpoint file. A converted folder needs none of this."""

    family: Annotated[str | None, option("NAME")] = None
    """The architecture, such as stylegan2; recognised if left out."""
    config: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(metavar="KEY=VALUE", help_behavior_hint="(repeatable)"),
    ] = ()
    """Replace a config value; or @FILE, a JSON object of them."""


GeneratorText = Annotated[str, tyro.conf.Positional, positional("GENERATOR")]
Out = Annotated[Path, tyro.conf.arg(metavar="DIR")]
Layers = Annotated[str | None, option("ROWS")]
Strengths = Annotated[str, option("LIST")]
Number = Annotated[int, option("N")]
DRAWN = Codes()
AS_IT_IS = Reading()
# these two name the groups in --help: "code options" and "checkpoint options"
CodesGroup = Annotated[Codes, tyro.conf.arg(name="code")]
ReadingGroup = Annotated[Reading, tyro.conf.arg(name="checkpoint")]
