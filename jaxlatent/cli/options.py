"""The words of the command line: what `--help` shows, and what a command is given.

Options bear the names of the library's own arguments, so that its errors name them.
"""

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


def group(name: str) -> Any:
    """How options that belong together look: "NAME options"."""
    return tyro.conf.arg(name=name)


QUIET = tyro.conf.arg(help_behavior_hint="")
Space = Annotated[Literal["z", "w", "w+"] | None, QUIET]
Flag = Annotated[bool, QUIET]
Repeated = Annotated[
    tuple[str, ...],
    tyro.conf.UseAppendAction,
    tyro.conf.arg(metavar="S", help_behavior_hint="(repeatable)"),
]
Rows = Annotated[str | None, option("ROWS")]
Number = Annotated[int, option("N")]
MaybeNumber = Annotated[int | None, option("N")]
MaybeFile = Annotated[Path | None, option("FILE")]


@dataclass(frozen=True)
class Codes:
    """Where the codes come from: drawn with seeds, or read from a file."""

    seeds: Annotated[str | None, option("SEEDS")] = None
    """Draw one code with each of these seeds, such as 0,4-6."""
    codes: MaybeFile = None
    """Read the codes instead: .npy, .npz or .pt, [N, D] or [N, L, D]."""
    space: Space = None
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


@dataclass(frozen=True)
class Devices:
    """Where to compute; one device if left out. Every process runs the same words."""

    devices: MaybeNumber = None
    """How many devices to use; on CPUs, N virtual ones in each process."""
    coordinator: Annotated[str | None, option("HOST:PORT")] = None
    """Where process 0 of several listens, the same for all."""
    processes: MaybeNumber = None
    """How many processes there are."""
    rank: Annotated[int | None, option("K")] = None
    """Which of them this one is, from 0; that one writes and prints."""


@dataclass(frozen=True)
class Job:
    """What a command works on, and where it writes."""

    generator: Annotated[str, tyro.conf.Positional, positional("GENERATOR")]
    """A converted folder, a checkpoint file, faces, or module:function."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The folder for the results."""
    chunk: Number = 8
    """Pictures, or columns of a Jacobian, per compiled call; less needs less memory."""
    start: Annotated[Codes, group("code")] = Codes()
    reading: Annotated[Reading, group("checkpoint")] = Reading()
    where: Annotated[Devices, group("device")] = Devices()


@dataclass(frozen=True)
class Page:
    """How directions are drawn, as a page of pictures."""

    strengths: Annotated[str, option("LIST")] = "-3:3:7"
    """Columns: start:stop:count, or a list such as -2,0,2."""
    move: Annotated[Literal["by", "to"], QUIET] = "by"
    """Move by the strengths, or coordinates to them."""
    truncate: Annotated[Literal["before", "after"], QUIET] = "before"
    """Truncate w before the edit or after it."""


@dataclass(frozen=True)
class Regions:
    """Parts of the picture."""

    region: Repeated = ()
    """A named region such as eyes, mouth or top_side; see the command regions."""
    rectangle: Repeated = ()
    """Row centre, column centre, height, width at 256 x 256, such as 120,128,20,115."""
    mask: Repeated = ()
    """A picture or array file that is bright inside the region."""
    labels: Annotated[str | None, option("LABELS")] = None
    """Take the mask files as segmentations and these labels of them, such as 4,5."""


@dataclass(frozen=True)
class Scoring:
    """What scores pictures, and which of the scores are kept."""

    scorer: Repeated = ()
    """A network's checkpoint file, module:function, or a formula such as brightness."""
    attribute: Annotated[str | None, option("COLUMNS")] = None
    """Which scores, by number or name, such as 8 or 0-3; all if left out."""
    odds: Flag = False
    """Log-odds of each class against the others, from a classifier's outputs."""
    samples: Number = 10_000
    """Codes to draw and score."""
    seed: Number = 0
    """Of those codes."""


@dataclass(frozen=True)
class Training:
    """How long a method learns, and how a run goes on."""

    steps: Number = 1000
    """Steps of the optimiser, in all."""
    batch: Number = 4
    """Samples of a step."""
    seed: Number = 0
    """Of all samples."""
    save_every: Number = 500
    """Steps between checkpoints; what a kill loses at most."""
    resume: Flag = False
    """Go on with the unfinished run in DIR."""


JobGroup = Annotated[Job, group("")]
PageGroup = Annotated[Page, group("page")]
RegionsGroup = Annotated[Regions, group("region")]
ScoringGroup = Annotated[Scoring, group("score")]
TrainingGroup = Annotated[Training, group("training")]
NO_REGION = Regions()
EVERY_SCORE = Scoring()
