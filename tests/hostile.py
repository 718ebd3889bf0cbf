"""The corpus of hostile files, and a process that reads it under hard limits.

Files are built from bytes each time; none is kept. Whatever carries code writes a
marker file if the code ever runs. Run as a program on a folder, this module reads every
file in it with little memory and time to spare and reports what happened as JSON.
"""

import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

import hostile_containers
import hostile_pickles
import numpy as np
import writer
from writer import Name, call, pickled

CLASSES = {
    "a": "direct call of code",
    "b": "indirect import",
    "c": "confusion of the pickle machine",
    "d": "nested, stacked or disguised containers",
    "e": "file and network access",
    "f": "NumPy gadgets and lies",
    "g": "resource bombs",
    "h": "sabotage of a scanner",
    "i": "lying tensors",
    "j": "damaged containers and headers",
    "k": "truncation",
    "l": "not a checkpoint",
    "m": "what nothing reads, where a value is needed",
    "n": "code beside sound tensors",
}
CONTAINERS = ("zip", "legacy", "nvidia", "nested", "safetensors", "other")

CARRIERS = {
    "zip": lambda value: writer.zip_bytes({"a/data.pkl": pickled({"x": value})}),
    "legacy": lambda value: writer.legacy_bytes({"x": value}),
    "nvidia": lambda value: pickled(
        {"G_ema": writer.record("Generator", {"x": value})}, 3
    ),
    "nested": lambda value: pickled(
        {"x": call("torch.storage._load_from_bytes", writer.legacy_bytes(value))}, 3
    ),
}

WRITERS = {
    "zip": writer.torch_zip,
    "legacy": writer.torch_legacy,
    "nvidia": writer.plain_pickle,
}

_MEBIBYTE = 1 << 20
_MEMORY_LIMIT = 512 * _MEBIBYTE
_SECONDS = 120


@dataclass(frozen=True)
class Hostile:
    """One file: its class, its container, its bytes and what its refusal must say."""

    group: str
    container: str
    name: str
    data: bytes
    says: str


def corpus(marker):
    """Builds every hostile file; code in them writes the file ``marker``."""
    return [*_with_code(marker), *_in_every_pickle(), *_tensors(), *_containers()]


def _with_code(marker):
    values = list(hostile_pickles.code(marker))
    for container, carrier in CARRIERS.items():
        for group, name, value in values:
            refused = hostile_pickles.REFUSED.get(name)
            says = f"global {refused or _first_global(value)} is not allowed"
            yield Hostile(group, container, name, carrier(value), says)
    weights = {"weight": np.arange(4, dtype=np.float32)}
    for container, write in WRITERS.items():
        for _, name, value in values:
            # of these nothing but the name is known to be dangerous
            if name in ("picklescan", "fickling"):
                continue
            yield Hostile(
                "n", container, name, write(weights | {"x": value}), "global "
            )
    gadget = call("posix.system", f"touch {marker}")
    says = "global posix.system is not allowed"
    for name, data in hostile_containers.legacy_pickles(gadget):
        yield Hostile("d", "legacy", name, data, says)
    yield Hostile("a", "nvidia", "protocol 4", pickled({"x": gadget}, 4), says)
    yield Hostile("a", "nvidia", "protocol 5", pickled({"x": gadget}, 5), says)
    yield Hostile("a", "nvidia", "at the top", pickled(gadget), says)


def _first_global(value):
    """The first global in the pickle."""
    while not isinstance(value, Name):
        value = value.function
    module = value.module.replace("__builtin__", "builtins")
    return f"{module}.{value.name}"


def _in_every_pickle():
    for container, carrier in CARRIERS.items():
        for group, values in {
            "c": hostile_pickles.confusions(),
            "f": hostile_pickles.numpy_lies(),
            "g": hostile_pickles.bombs(),
            "i": hostile_pickles.other_tensors(),
            "m": hostile_pickles.placeholders(),
        }.items():
            for name, value, says in values:
                yield Hostile(group, container, name, carrier(value), says)


def _tensors():
    for container, write in WRITERS.items():
        for name, view, says in hostile_pickles.lying_views():
            yield Hostile("i", container, name, write({"x": view}), says)
    for container in ("zip", "legacy", "nested"):
        for name, value, says in hostile_pickles.lying_storages():
            yield Hostile("i", container, name, CARRIERS[container](value), says)
        for name, value, says in hostile_pickles.placeholders_of_storages():
            yield Hostile("m", container, name, CARRIERS[container](value), says)


def _containers():
    for (group, container), files in {
        ("j", "zip"): hostile_containers.zips(),
        ("g", "zip"): hostile_containers.zip_bombs(),
        ("j", "legacy"): hostile_containers.legacies(),
        ("d", "nested"): hostile_containers.nested_streams(),
        ("d", "nvidia"): hostile_containers.nvidias(),
        ("j", "safetensors"): hostile_containers.headers(),
        ("l", "other"): hostile_containers.foreign_files(),
    }.items():
        for name, data, says in files:
            yield Hostile(group, container, name, data, says)
    for container, name, data in hostile_containers.truncations():
        yield Hostile("k", container, name, data, "")


def table():
    """Counts the corpus by class and container, as a Markdown table."""
    counts = Counter((file.group, file.container) for file in corpus("marker"))
    rows = [["class", *CONTAINERS, "all"], ["---", *["--:"] * (len(CONTAINERS) + 1)]]
    for group, title in CLASSES.items():
        row = [counts[group, container] for container in CONTAINERS]
        rows.append([f"({group}) {title}", *(n or "" for n in row), sum(row)])
    columns = [sum(counts[group, name] for group in CLASSES) for name in CONTAINERS]
    rows.append(["all", *columns, sum(columns)])
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def run(folder):
    """Reads the files 0, 1, ... of a folder in one limited process, smallest first.

    Returns what happened to each: the exception's type and text, seconds, the growth of
    the process's peak memory in bytes and whether the marker appeared.
    """
    repository = str(pathlib.Path(__file__).parents[1])
    result = subprocess.run(
        [sys.executable, __file__, str(folder)],
        env=os.environ | {"PYTHONPATH": repository, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
        timeout=_SECONDS,
    )
    return json.loads(result.stdout)


def main(folder):
    import warnings

    from converters.checkpoints import read

    warnings.simplefilter("error")
    _limit()
    marker = folder / "marker"
    files = sorted(
        (path for path in folder.iterdir() if path.name.isdigit()),
        key=lambda path: path.stat().st_size,
    )
    report = {}
    for path in files:
        before, start = _peak(), time.perf_counter()
        kind, message = "nothing", ""
        try:
            read(path)
        except Exception as error:  # noqa: BLE001 (the type is what is tested)
            kind, message = type(error).__name__, str(error)
        report[path.name] = {
            "kind": kind,
            "message": message,
            "seconds": time.perf_counter() - start,
            "growth": _peak() - before,
            "marker": marker.exists(),
        }
    json.dump(report, sys.stdout)


def _limit():
    """Leaves the process the memory it has and little more, and no endless time."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + _MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))


def _peak():
    # The peak that getrusage reports begins with that of the parent process.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
