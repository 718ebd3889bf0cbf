"""A run's folder: its files, and the record that is written when all of them are."""

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from jaxlatent.checkpoint import file_hash
from jaxlatent.files import UNREADABLE, atomic_write, check_place
from jaxlatent.generators.base import (
    Generator,
    config_to_json,
    family_name,
    fingerprint,
)

RUN_FILE = "run.json"
PACKAGES = ("jaxlatent", "jax", "jaxlib", "numpy", "pillow")


class Run:
    """A folder of results; complete once it holds `run.json`.

    The folder is made when the first file is written, so that a command that cannot be
    done leaves nothing. What an earlier run recorded there is removed at that moment,
    its `run.json` first; files that it did not write, or that changed since, stay.
    """

    def __init__(self, out: Path, command: str, arguments: Mapping[str, Any]) -> None:
        """Args:
        out: the folder.
        command: the command's words.
        arguments: all of its arguments, defaults included.
        """
        check_place(out, folder=True)
        self.out = out
        self.command = command
        self.arguments = dict(arguments)
        self.names: list[str] = []
        self.started = False

    def start(self) -> None:
        """Make the folder, and clear it of what an earlier run recorded, once."""
        if not self.started:
            self.out.mkdir(parents=True, exist_ok=True)
            _clear(self.out)
        self.started = True

    def file(self, name: str) -> Path:
        """Where to write a result; it will be recorded."""
        self.start()
        self.names.append(name)
        return self.out / name

    def finish(
        self,
        generator: Generator | None,
        *,
        inputs: Iterable[str | os.PathLike[str] | None] = (),
        **facts: Any,
    ) -> None:
        """Write `run.json`: everything needed to repeat the run, and what it wrote.

        Args:
            generator: the generator, None if there was none.
            inputs: files that were read, whose hashes are recorded.
            **facts: further JSON values.
        """
        record = {
            "command": self.command,
            "arguments": plain(self.arguments),
            "generator": None if generator is None else _describe(generator),
            **plain(facts),
            "inputs": {
                str(path): file_hash(path)
                for path in inputs
                if path is not None and os.path.isfile(path)
            },
            "versions": {
                "python": sys.version.split()[0],
                **{name: version(name) for name in PACKAGES},
            },
            "device": jax.devices()[0].device_kind,
            "files": {name: file_hash(self.out / name) for name in sorted(self.names)},
        }
        text = json.dumps(record, indent=1, allow_nan=False) + "\n"
        atomic_write(self.out / RUN_FILE, text.encode())


def _clear(out: Path) -> None:
    """Remove what an earlier run recorded, unless somebody changed it since."""
    try:
        files = json.loads((out / RUN_FILE).read_text())["files"]
        recorded = {str(name): str(digest) for name, digest in files.items()}
    except UNREADABLE:
        return
    (out / RUN_FILE).unlink()
    for name, digest in recorded.items():
        file = out / name
        with contextlib.suppress(OSError):  # a name that no file can have
            if file.name == name and file.is_file() and file_hash(file) == digest:
                file.unlink()


def _describe(generator: Generator) -> dict[str, Any]:
    return {
        "family": family_name(generator.config),
        "config": config_to_json(generator.config),
        "fingerprint": fingerprint(generator),
    }


def plain(value: Any) -> Any:
    """Settings as JSON values: what has no number as null, what is none as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | str | None) else str(value)
