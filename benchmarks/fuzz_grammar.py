"""A grammar of jaxlatent's command lines, made from the commands' own signatures."""

import dataclasses
import inspect
import pathlib
import random
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from jaxlatent.cli import parser

NUMBERS = [
    *("0", "1", "2", "3", "-1", "-0", "007", "1e3", "1.5", "1000000000", "10" * 30),
    *("nan", "inf", "-inf", "NaN", "", " ", "x", "1,2", "0x10", "1_0", "\u0663"),
]
REALS = [
    *("0", "0.5", "1", "-1", "1e-300", "1e300", "1e999", "nan", "inf", "-inf", "-nan"),
    *("", "x", "0,5", "0.5.5", "\u0664.5"),
]
TEXTS = [
    *("", " ", "x", "all", "nan", "0", "-", "--", "a b", "../x", "/", "~", "%s", "{}"),
    *("\x1b[31mred", "two\nlines", "\u202eright to left", "\udcff\udcfe", "\ud800"),
    *("\u7b11\u984f \N{GRINNING FACE}", "x" * 300, "y" * 5000, "'\"\\", "$(id)", "a:b"),
]
PATHS = [
    *("nowhere", "nowhere/deep/file.npz", "text.txt", "empty", "folder", "full_folder"),
    *("dangling", "looping", "dangling/below", "text.txt/below", "fifo", "/dev/null"),
    *("/dev/full/x", "/proc/x", "/", ".", "", "z" * 300, "\udcff.npz", "a\nb.npz"),
    *("picture.png", "pictures", "z.npy", "w.npy", "wp.npy", "nan.npy", "objects.npy"),
    *("ints.npy", "codes.npz", "edit.npz", "walk.npz", "broken.npz", "scores.npz"),
    *("style", "chain", "half", "grams", "listed_grams", "deep.json", "list.json"),
    *("pointer.pth", "archive.zip", "style/generator.json", "run", "mask.png"),
    *("rich.npz", "\u7b11.npz"),
]
GENERATORS = ["style", "style", "classes", "chain", "functions:make", "functions:make"]
NO_GENERATORS = [
    *("faces:", ":make", "functions:", "functions:nothing", "nowhere:make"),
    *("functions:broken", "functions:wrong", "functions:needs", "functions:ends"),
    *("functions:dark", "unfinished:make", "needs_torch:make", "os:getcwd", "os:sep"),
    *("https://example.org/a.pkl", "hf://a/b", "s3://a/b.pt", "file:///a.pkl"),
    *("C:\\models\\a.pkl", "D:/a.pkl", "www.example.org/a.pkl", "a::b", "json:loads"),
    *PATHS,
]
OUTS = ["out", "out", "out", "out/deep/er", "full_folder", "run"]
FILES: dict[str, Sequence[str]] = {
    "EDIT": ["edit.npz", "edit.npz", "walk.npz", "rows.npz", "w.npy"],
    "codes": ["z.npy", "w.npy", "wp.npy", "codes.npz"],
    "scored_codes": ["z.npy", "w.npy"],
    "scores": ["scores.npz", "labels.npy"],
    "grams": ["grams"],
    "mask": ["mask.png", "picture.png"],
    "on": ["edit.npz:1", "edit.npz"],
    "PART": ["edit.npz", "edit.npz:1", "edit.npz:0:-1"],
    "FILE": ["edit.npz", "w.npy", "style", "scores.npz", "boundary.npy"],
    "SOURCE": ["chain.pth", "style"],
    "PICTURE": ["picture.png", "functions:make", "style"],
    "activations": ["edit.npz"],
    "BOUNDARY": ["edit.npz"],
}
GOOD: dict[str, Sequence[str]] = {
    "seeds": ["0", "0,2", "1-2"],
    "mix": ["1", "0,3"],
    "at": ["0"],
    "space": ["z", "w", "w+"],
    "label": ["0", "1", "every"],
    "truncation": ["0.7", "1", "0"],
    "cutoff": ["1", "2"],
    "strengths": ["-1,1", "0", "-1:1:2"],
    "layers": ["0", "0-1", "all"],
    "layer": ["w", "net.0", "image"],
    "index": ["0", "0,1", "all"],
    "preset": ["smile", "nothing", "a/b", "StyleGAN2/ffhq/smile"],
    "scorer": ["brightness", "contrast", "functions:light", "functions:two"],
    "attribute": ["0", "brightness", "0-1"],
    "region": ["eyes", "left_side", "top_side"],
    "rectangle": ["120,128,20,115", "1,1,1,1"],
    "labels": ["0", "1,2", "255"],
    "alpha": ["-1,1"],
    "score_range": ["0,1"],
    "learning_rate": ["0.01"],
    "family": ["sequential", "stylegan2", "lenet"],
    "config": ["a=1", "@list.json", "@deep.json", "@nowhere", "clamp=NaN", "=", "a"],
    "rank": ["energy", "1", "pcp", "reference"],
    "size": ["4"],
    "model": ["StyleGAN2"],
    "data": ["ffhq"],
    "NAME": ["smile", "\u7b11"],
    "INDEX": ["0", "1"],
    "num_layers": ["2", "6"],
    "top_fraction": ["0.5", "3", "inf", "0"],
}
TAME: dict[str, Sequence[str]] = {
    "discover ganspace": ["--samples", "40", "--num", "1", "--strengths", "0"],
    "discover interfacegan": [
        *("--samples", "40", "--scorer", "brightness", "--top-fraction", "0.3"),
    ],
    "discover ganalyze": [
        *("--steps", "2", "--batch", "2", "--held-out", "4", "--scorer", "brightness"),
    ],
    "discover factors": [
        *("--steps", "2", "--held-out", "4", "--trajectories", "2"),
        *("--search-steps", "2", "--strengths", "0,0.1"),
    ],
    "discover lowrankgan": ["--num", "1", "--region", "top_side", "--strengths", "0"],
    "discover resefa": ["--num", "1", "--region", "top_side", "--strengths", "0"],
    "discover steerability": [
        *("--steps", "2", "--batch", "2", "--held-out", "4", "--edit", "shiftx"),
    ],
    "discover sefa": ["--k", "1", "--strengths", "0,1"],
    "discover warped": [
        *("--steps", "1", "--batch", "2", "--paths", "2", "--dipoles", "1"),
        *("--held-out", "4", "--num", "1", "--strengths", "0,1", "--reconstructor"),
        "lenet",
    ],
    "edit": ["--strengths", "0,1"],
    "naturalness": [
        *("--steps", "1", "--batch", "2", "--validation", "1", "--size", "32"),
        *("--pictures", "pictures"),
    ],
    "sample": ["--num", "2"],
    "score": ["--samples", "9", "--scorer", "brightness"],
    "export": ["--layout", "npy"],
    "condition": ["--on", "edit.npz:1"],
}
"""What keeps a command small, and what it cannot do without."""
SKIPPED = ("coordinator", "processes", "process_id", "debug")
"""Those that would wait for other processes, or raise."""
COMMANDS: dict[str, Callable[..., None]] = {
    **parser.LOOKING,
    **{f"discover {name}": method for name, method in parser.METHODS.items()},
    **parser.EDITING,
}
del COMMANDS["demo"]  # minutes of drawing, with one option
RARE = ("families", "presets")


@dataclass(frozen=True)
class Option:
    """One argument of a command.

    Attributes:
        name: in Python.
        word: on the command line, "--name", or what it is called in the usage.
        kind: its type, None taken out.
        several: whether it takes many values.
        positional: whether it is told by its place.
        required: whether it has no default.
    """

    name: str
    word: str
    kind: Any
    several: bool
    positional: bool
    required: bool


def options_of(command: Callable[..., None]) -> list[Option]:
    """All arguments of a command, those within its settings too."""
    hints = get_type_hints(command, include_extras=True)
    found = []
    for parameter in inspect.signature(command).parameters.values():
        required = parameter.default is inspect.Parameter.empty
        found += _flatten(parameter.name, hints[parameter.name], required)
    return found


def _flatten(name: str, hint: Any, required: bool) -> list[Option]:
    marks: Sequence[Any] = ()
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
    if dataclasses.is_dataclass(hint):
        inner = get_type_hints(hint, include_extras=True)
        return [
            option
            for field in dataclasses.fields(hint)
            for option in _flatten(
                field.name,
                inner[field.name],
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING,
            )
        ]
    while get_origin(hint) is Annotated:  # within a word for a type
        hint, *more = get_args(hint)
        marks = [*marks, *more]
    words = [mark for mark in marks if hasattr(mark, "metavar")]
    positional = tyro.conf.Positional in marks or any(
        "Positional" in str(mark) for mark in marks
    )
    kinds = [one for one in get_args(hint) if one is not type(None)]
    if get_origin(hint) in (Union, types.UnionType):
        hint = kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007
    while get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        words += [mark for mark in more if hasattr(mark, "metavar")]
    several = get_origin(hint) is tuple
    kind = get_args(hint)[0] if several else hint
    called = [one.name for one in words if getattr(one, "name", None)]
    word = called[0] if called else name
    if positional:
        named = [one.metavar for one in words if one.metavar]
        return [Option(name, named[0] if named else name, kind, several, True, True)]
    dashed = f"--{word.replace('_', '-')}"
    return [Option(word.replace("-", "_"), dashed, kind, several, False, required)]


def draw_line(draw: random.Random) -> list[str]:
    """The words of one command line, drawn at random."""
    names = [name for name in COMMANDS if name not in RARE or draw.random() < 0.1]
    name = draw.choice(names)
    options = options_of(COMMANDS[name])
    words, given = name.split(), set()
    nasty = draw.choice([0.0, 0.1, 0.3, 0.6])
    for option in options:
        if option.positional:
            words += [
                _value(draw, option, nasty / 2) for _ in range(_times(draw, option))
            ]
    optional = [one for one in options if not one.positional]
    optional = [one for one in optional if one.name not in SKIPPED]
    chosen = draw.sample(optional, min(draw.choice([0, 1, 1, 2, 3]), len(optional)))
    chosen += [one for one in optional if one.required and one not in chosen]
    for option in chosen:
        given.add(option.word)
        if option.kind is bool:
            words.append(option.word)
        elif draw.random() < 0.2:
            words.append(f"{option.word}={_value(draw, option, nasty)}")
        else:
            values = [_value(draw, option, nasty) for _ in range(_times(draw, option))]
            words += [option.word, *values]
    tame = iter(TAME.get(name, ()))
    for word, value in zip(tame, tame, strict=True):
        if word not in given and draw.random() < 0.97:
            words += [word, value]
    return _garbled(draw, words)


def _times(draw: random.Random, option: Option) -> int:
    return draw.choice([1, 1, 2]) if option.several and option.positional else 1


def _value(draw: random.Random, option: Option, nasty: float) -> str:
    bad = draw.random() < nasty
    if option.word in ("GENERATOR", "PICTURE"):
        good = FILES["PICTURE"] if option.word == "PICTURE" else GENERATORS
        return draw.choice(NO_GENERATORS if bad else good)
    if option.name == "out":
        suffix = (
            "" if option.word == "DIR" else draw.choice(["", ".npz", ".npz", ".npy"])
        )
        return draw.choice(PATHS) if bad else f"{draw.choice(OUTS)}{suffix}"
    for key in (option.word, option.name):
        if not bad and key in FILES:
            return draw.choice(FILES[key])
        if not bad and key in GOOD:
            return draw.choice(GOOD[key])
    if option.name in FILES or option.word in FILES or option.kind is pathlib.Path:
        return draw.choice(PATHS)
    if get_origin(option.kind) is Literal and not bad:
        return str(draw.choice(get_args(option.kind)))
    if option.kind is int:
        return draw.choice(NUMBERS if bad else ["1", "2", "3"])
    if option.kind is float:
        return draw.choice(REALS if bad else ["0.5", "1"])
    return draw.choice(draw.choice([TEXTS, TEXTS, NUMBERS, REALS, PATHS]))


def _garbled(draw: random.Random, words: list[str]) -> list[str]:
    """Now and then with a word lost, doubled, strange or in another place."""
    if draw.random() > 0.06 or len(words) < 2:
        return words
    place = draw.randrange(1, len(words))
    match draw.randrange(4):
        case 0:
            return words[:place] + words[place + 1 :]
        case 1:
            return [*words[:place], words[place], *words[place:]]
        case 2:
            return [
                *words[:place],
                draw.choice([*TEXTS, "--bogus", "-h"]),
                *words[place:],
            ]
        case _:
            other = draw.randrange(1, len(words))
            words[place], words[other] = words[other], words[place]
            return words
