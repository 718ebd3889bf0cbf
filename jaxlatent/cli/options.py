"""The words of the command line: what `--help` shows, and what a command is given.

Options bear the names of the library's own arguments, so that its errors name them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import tyro

from jaxlatent.data.image_folder import Order
from jaxlatent.data.regions import Fit

METAVARS = {int: "N", float: "X", str: "TEXT", Path: "FILE"}
"""A word for an option's value, by its type."""


def shown(hint: Any) -> Any:
    """A type hint of an option with what `--help` shows of it, unless it says itself.

    That is a word for its value, and its default if it has one.
    """
    own = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    kind = get_args(hint)[0] if own else hint
    parts = (kind, *get_args(kind))
    words = [METAVARS[one] for one in parts if one in METAVARS]
    choices = [get_args(one) for one in parts if get_origin(one) is Literal]
    words += [f"{{{','.join(some)}}}" for some in choices]
    look = tyro.conf.arg(metavar=next(iter(words), None), help_behavior_hint=_default)
    return Annotated[(kind, look, *own)]


def _default(text: str) -> str:
    return "" if text in ("None", "False", "True", "") else f"(default: {text})"


def option(metavar: str) -> Any:
    """An option with a word of its own for its value."""
    return tyro.conf.arg(metavar=metavar)


def group(name: str) -> Any:
    """How options that belong together look: "NAME options"."""
    return tyro.conf.arg(name=name)


Space = Literal["z", "w", "w+", "s"] | None
Background = Literal["white", "grey", "black"]
Rows = Annotated[str | None, option("ROWS")]


Repeated = Annotated[
    tuple[str, ...],
    tyro.conf.UseAppendAction,
    tyro.conf.arg(help_behavior_hint="(repeatable)"),
]


@dataclass(frozen=True)
class Codes:
    """Where the codes come from: drawn with seeds, or read from a file."""

    seeds: Annotated[str | None, option("SEEDS")] = None
    """Draw one code with each of these seeds of JAX, such as 0,4-6."""
    numpy_seeds: Annotated[str | None, option("SEEDS")] = None
    """The codes that NVIDIA's scripts, and tools built on them, call by these seeds:
    numpy.random.RandomState(seed).randn."""
    codes: Path | None = None
    """Read the codes instead: .npy, .npz or .pt, [N, D], [N, L, D] or one code [L, D];
    a projector's or an encoder's file, whose dicts and lists are looked into; or a
    pool, the folder of codes that WarpedGANSpace writes."""
    space: Space = None
    """The space of the codes in FILE, instead of what its shape and names tell."""
    label: Annotated[str | None, option("CLASS")] = None
    """The class to draw, one for each code such as 0,2,2, every for all in turn; or a
    file of labels, .npy, .pt or .csv: a row of numbers for all codes or for each."""
    truncation: Annotated[float | None, option("PSI")] = None
    """Pull w towards its mean by this factor, or draw z truncated by it (BigGAN)."""
    cutoff: Annotated[int | None, option("ROWS")] = None
    """Truncate only the first rows of w+."""


@dataclass(frozen=True)
class Reading:
    """How to read a checkpoint file. A converted folder needs none of this."""

    family: Annotated[str | None, option("NAME")] = None
    """The architecture, such as stylegan2; recognised if left out."""
    config: Annotated[Repeated, option("KEY=VALUE")] = ()
    """Replace a config value; or @FILE, a JSON object of them."""
    entry: Annotated[str | None, option("NAME")] = None
    """Which of several networks in the file, as inspect lists them, such as g_ema; the
    averaged one if left out."""


@dataclass(frozen=True)
class Devices:
    """Where to compute; one device if left out. Every process runs the same words."""

    devices: int | None = None
    """How many devices to use; on CPUs, N virtual ones in each process."""
    coordinator: Annotated[str | None, option("HOST:PORT")] = None
    """Where process 0 of several listens, the same for all."""
    processes: int | None = None
    """How many processes there are."""
    process_id: Annotated[int | None, option("K")] = None
    """Which of them this one is, from 0; that one writes and prints."""


@dataclass(frozen=True)
class Job:
    """What a command works on, and where it writes."""

    generator: Annotated[str, tyro.conf.Positional, option("GENERATOR")]
    """A converted folder, a checkpoint file, faces, or module:function."""
    out: Annotated[Path, option("DIR")]
    """The folder for the results."""
    chunk: int = 8
    """Pictures, or columns of a Jacobian, per compiled call; less needs less memory."""
    start: Annotated[Codes, group("code")] = Codes()
    reading: Annotated[Reading, group("checkpoint")] = Reading()
    where: Annotated[Devices, group("device")] = Devices()


@dataclass(frozen=True)
class EditFile:
    """An edit from a file."""

    edit: Annotated[Path, tyro.conf.Positional, option("EDIT")]
    """An .npz edit, or another tool's directions as .npy, .npz, .pkl or .pt."""
    layers: Rows = None
    """Rows of w+ to shift instead of the edit's own: all, or such as 0-1."""
    edit_space: Space = None
    """The space of another tool's directions, instead of what is told or guessed; w
    takes an array [L, D] for L directions."""
    per_layer: bool = False
    """Take another tool's array [L, D] for one direction with a row for each of w+."""


@dataclass(frozen=True)
class ChosenEdit(EditFile):
    """An edit from a file, and which of its directions."""

    index: Annotated[str | None, option("NUMBERS")] = None
    """Which of its directions, such as 0-3,7, or all; the command's choice if left
    out."""


@dataclass(frozen=True)
class Page:
    """How directions are drawn, as a page of pictures."""

    strengths: Annotated[str, option("LIST")] = "-3:3:7"
    """Columns: start:stop:count, or a list such as -2,0,2."""
    move: Literal["by", "to"] = "by"
    """Move by the strengths, or coordinates to them."""
    truncate: Literal["before", "after"] = "before"
    """Truncate w before the edit or after it."""


@dataclass(frozen=True)
class Regions:
    """Parts of the picture."""

    region: Annotated[Repeated, option("NAME")] = ()
    """A named region such as eyes, mouth or top_side; see the command regions."""
    rectangle: Annotated[Repeated, option("R,C,H,W")] = ()
    """Row centre, column centre, height, width, such as 120,128,20,115, where 256 is
    the height and the width of the picture, whatever its shape."""
    mask: Annotated[Repeated, option("FILE")] = ()
    """A picture or array file that is bright inside the region."""
    labels: Annotated[str | None, option("LABELS")] = None
    """Take the mask files as segmentations and these labels of them, such as 4,5."""
    fit: Fit = "scale"
    """A mask of other proportions than the picture's is refused unless it is to be
    cropped to them or stretched."""


@dataclass(frozen=True)
class Pictures:
    """How a folder of pictures is read."""

    order: Order | None = None
    """Of names: 2.png before 10.png, or as text; as the run of sample that drew them
    recorded it, else natural, if left out."""
    background: Background = "white"
    """What transparent pixels are laid on."""


@dataclass(frozen=True)
class Scorers:
    """What scores pictures."""

    scorer: Annotated[Repeated, option("SCORER")] = ()
    """A network's checkpoint file, module:function, or a formula such as brightness."""
    scorer_config: Annotated[Repeated, option("KEY=VALUE")] = ()
    """Replace what a network does to pictures first, such as mean=[0.5,0.5,0.5],
    std=[0.5,0.5,0.5] or resize=224 (NAME:KEY=VALUE for one of several); or @FILE."""


@dataclass(frozen=True)
class Scoring(Scorers):
    """What scores pictures, and which of the scores are kept."""

    attribute: Annotated[str | None, option("COLUMNS")] = None
    """Which scores, by number or name, such as 8 or 0-3; all if left out."""
    odds: bool = False
    """Log-odds of each class against the others, from a classifier's outputs."""
    samples: int = 10_000
    """Codes to draw and score."""
    seed: int = 0
    """Of those codes."""


@dataclass(frozen=True)
class Assessor(Scorers):
    """The score that is to be changed."""

    attribute: Annotated[str | None, option("COLUMN")] = None
    """Which of a network's outputs, by number."""
    outputs: Literal["plain", "probabilities", "odds"] = "plain"
    """What a classifier's outputs are turned into: nothing, or of each class its
    probability or its log-odds against the others."""


@dataclass(frozen=True)
class Regressor(Scorers):
    """The attributes that are to be changed, numbers from 0 to 1."""

    attribute: Annotated[str | None, option("COLUMNS")] = None
    """Which of a network's outputs, by number, such as 3,8; all if left out."""
    outputs: Literal["plain", "sigmoid", "probabilities"] = "plain"
    """What a network's outputs are turned into: nothing; each by itself the sigmoid of
    a logit; or a classifier's probabilities."""
    temperature: float = 1.0
    """Divides logits, or log-odds of probabilities; above 1 they jump less."""


@dataclass(frozen=True)
class Perceptual:
    """LPIPS."""

    lpips: Path | None = None
    """The heads of LPIPS, or a whole module."""
    lpips_trunk: Path | None = None
    """torchvision's network below the heads."""


@dataclass(frozen=True)
class Training:
    """How long a method learns, and how a run goes on."""

    steps: int | None = None
    """Steps of the optimiser, in all; the preset's if left out."""
    batch: int | None = None
    """Samples of a step; the preset's if left out."""
    seed: int = 0
    """Of all samples."""
    save_every: int = 500
    """Steps between checkpoints; what a kill loses at most."""
    resume: bool = False
    """Go on with the unfinished run in DIR."""


JobGroup = Annotated[Job, group("")]
PageGroup = Annotated[Page, group("page")]
RegionsGroup = Annotated[Regions, group("region")]
ScoringGroup = Annotated[Scoring, group("score")]
AssessorGroup = Annotated[Assessor, group("assessor")]
RegressorGroup = Annotated[Regressor, group("regressor")]
PerceptualGroup = Annotated[Perceptual, group("LPIPS")]
TrainingGroup = Annotated[Training, group("training")]
PicturesGroup = Annotated[Pictures, group("picture")]
NO_REGION = Regions()
EVERY_SCORE = Scoring()
AS_THEY_ARE = Pictures()
