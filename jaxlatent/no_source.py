"""Why a text names no generator: words for what people give in a generator's place."""

import difflib
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from jaxlatent.checkpoint import GENERATOR_FILE, MANIFEST_FILE, is_generator
from jaxlatent.data.image_folder import ENDINGS
from jaxlatent.runs import RUN_FILE

CHECKPOINTS = (
    *(".pkl", ".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".tar", ".pickle"),
)
"""How the names of checkpoint files end."""

_ADDRESS = re.compile(r"[a-z][\w+.-]*://|(hf|gs|s3|www)[:.]|git@[\w.-]+:", re.A | re.I)
_SITE = re.compile(r"([\w-]+\.)+(co|com|org|net|io|ai|dev|edu|gov)/", re.A)
_DRIVE = re.compile(r"([a-zA-Z]):[\\/]")
_MOST_NAMED = 5
_MOST = 10_000


def why_no_source(text: str, embedded: Sequence[str]) -> str:
    """What is wrong with a text that names no generator, and what to do about it.

    Args:
        text: what was given; neither a file nor a folder that can be loaded.
        embedded: names of generators that need no file.
    """
    accepted = (
        "a converted folder, a checkpoint file, "
        f"{', '.join(embedded)} or module:function is accepted"
    )
    if not text.strip():
        return f"{text!r} given; {accepted}"
    if os.path.isdir(text):
        return f"{text} {_of_folder(Path(text))}"
    if os.path.islink(text) and not os.path.exists(text):
        return f"{text} is a link to nothing; {accepted}"
    if os.path.exists(text):
        return f"{text} is neither a file nor a folder; {accepted}"
    if text.lower().startswith("file://"):
        path = text[len("file://") :].removeprefix("localhost")
        return f"{text} is an address; give the path alone, {path}"
    if _ADDRESS.match(text) or _SITE.match(text):
        return (
            f"{text} is an address, and nothing is downloaded here; download the file "
            "and give its path"
        )
    if found := _DRIVE.match(text):
        return f"{text} does not exist here{_mounted(text, found[1])}; {accepted}"
    return f"{text} does not exist{_hint(text)}; {accepted}"


def _of_folder(folder: Path) -> str:
    """What a folder is that holds no generator of ours."""
    try:
        names = _names(folder)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    ends = {name: os.path.splitext(name)[1].lower() for name in names}
    checkpoints = [name for name in names if ends[name] in CHECKPOINTS]
    below = [name for name in names if is_generator(folder / name)]
    pictures = [name for name in names if ends[name] in ENDINGS]
    if not names:
        return "is an empty folder; no generator was written there"
    if GENERATOR_FILE in names:
        return (
            f"is half a generator, without {MANIFEST_FILE}: its conversion was not "
            "finished, or files were left out when it was copied; convert it again"
        )
    if below:
        return f"is a folder of generators; give one of {_named(folder, below)}"
    if checkpoints:
        return (
            "is a folder with checkpoint files, and not a converted folder; give one "
            f"of {_named(folder, checkpoints)}"
        )
    if RUN_FILE in names:
        return (
            "is what a command wrote, and no generator; give the one it was run with, "
            f"which {folder / RUN_FILE} names"
        )
    if pictures:
        return (
            f"is a folder of {len(pictures)} pictures, and a generator draws its own; "
            "score takes pictures"
        )
    return (
        f"is not a converted folder: it has no {GENERATOR_FILE}, and no checkpoint "
        "file is in it"
    )


def _names(folder: Path) -> list[str]:
    """What is in a folder, however full it is."""
    return sorted(entry.name for entry in itertools.islice(os.scandir(folder), _MOST))


def _named(folder: Path, names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    listed = ", ".join(str(folder / name) for name in names[:_MOST_NAMED])
    return f"{listed} and {more} more" if more > 0 else listed


def _mounted(text: str, drive: str) -> str:
    """Where a path of Windows is in its subsystem for Linux, if it is there."""
    path = Path("/mnt", drive.lower(), *text[3:].replace("\\", "/").split("/"))
    return f", but {path} does; give that" if path.exists() else ""


def _hint(text: str) -> str:
    """What may have been meant by a path that leads nowhere."""
    home = os.path.expanduser(text)
    if home != text and os.path.exists(home):
        return f", but {home} does; give that"
    path = Path(text)
    for above in path.parents:
        if above.is_file():
            return f", for {above} is a file"
    if not path.parent.is_dir():
        return f", nor does the folder {path.parent}"
    try:
        there = _names(path.parent)
    except OSError:
        return ""
    alike = difflib.get_close_matches(path.name, there, n=1, cutoff=0.75)
    return f"; {path.parent / alike[0]} does" if alike else ""
