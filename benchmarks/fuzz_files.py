"""Every reader of files on seeded mutants of sound ones.

    python -m benchmarks.fuzz_files --mutants 20000 --seed 0 --json

A mutant is drawn from the seed and its number: `--first N --mutants 1` repeats it. A
reader may load it or refuse it with an error that it documents; anything else is a
finding, by its place: another error, over 10 s, memory over 10 times the file's size
(and what is harmless), a process that ends. Workers are processes of their own, under a
limit of memory; one that ends or hangs is started again behind its mutant. The exit
status is 1 if anything was found.
"""

import argparse
import concurrent.futures
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
SLOW = 10.0
HANGS = 60.0
MIB = 1 << 20
HARMLESS = 128 * MIB
"""Of memory: what a file may expand to, and what JAX compiles for it."""
LIMIT = 2048 * MIB
COMMAND = ("-m", "benchmarks.fuzz_files", "--worker")

WEIGHTS = {
    "read": 50,
    "import_edit": 12,
    "load_codes": 10,
    "load": 14,
    "inspect": 3,
    "load_lpips": 1,
    "load_edit": 20,
    "load_table": 8,
    "load_scores": 8,
    "load_generator": 4,
}
"""How often each reader is drawn."""


class Reader(NamedTuple):
    """A reader: its call, the errors it documents, the sound files it is given."""

    call: Callable[..., Any]
    errors: tuple[type[Exception], ...]
    files: list[tuple[str, bytes]]
    trees: list[tuple[str, Any]]


def readers(folder: Path) -> dict[str, Reader]:
    """All readers with their sound files, those that are written here in `folder`."""
    from benchmarks.file_mutants import as_safetensors
    from converters import import_edit, inspect, load, load_codes, load_lpips
    from converters.checkpoints import read
    from jaxlatent.checkpoint import load_edit, load_generator
    from jaxlatent.evaluation.tables import load_table
    from jaxlatent.loading import load_scores
    from jaxlatent.types import CheckpointError

    golden = [path for path in sorted(GOLDEN.iterdir()) if path.is_file()]
    stored = [path for path in golden if path.suffix != ".npz"]
    small = [path for path in stored if path.stat().st_size < 300_000]
    files = [(path.name, path.read_bytes()) for path in small]
    trees = [(path.name, read(path).tensors) for path in small]
    files += [
        (f"{name}.safetensors", as_safetensors(tree))
        for name, tree in trees
        if isinstance(tree, dict) and name.startswith(("sngan", "interfacegan_p"))
    ]
    lpips = [
        (path.name, read(path, numpy_files=True).tensors)
        for path in golden
        if path.name.startswith("lpips")
    ]
    arrays, edits, tables = written(folder)
    caches = [
        (path.name, path.read_bytes())
        for path in golden
        if path.name.startswith(("ganspace_compute_z", "ganalyze_directions"))
    ]
    directions = [file for file in files if file[0].startswith("gan")]
    latents = [
        (name, read(folder / name, numpy_files=True).tensors)
        for name in ("codes.npz", "boundary.npy", "projected.pt")
    ] + [tree for tree in trees if tree[0].startswith("gan")]
    both = (CheckpointError, ValueError)
    return {
        "read": Reader(
            lambda file, _: read(file, numpy_files=True),
            (CheckpointError,),
            [*files, *arrays, *caches],
            [],
        ),
        "import_edit": Reader(
            lambda file, _: import_edit(file),
            both,
            [*arrays, *caches, *directions, *edits],
            latents,
        ),
        "load_codes": Reader(
            lambda file, _: load_codes(file), (CheckpointError,), arrays, latents
        ),
        "load": Reader(_load(load), (CheckpointError,), files, trees),
        "inspect": Reader(
            lambda file, _: inspect(file), (CheckpointError,), files, trees
        ),
        "load_lpips": Reader(
            lambda file, _: load_lpips(file), (CheckpointError,), [], lpips
        ),
        "load_edit": Reader(
            lambda file, _: load_edit(file), (CheckpointError,), edits, []
        ),
        "load_table": Reader(
            lambda file, _: load_table(file), (ValueError,), tables, []
        ),
        "load_scores": Reader(
            lambda file, _: load_scores(file), both, [*tables, *arrays], []
        ),
        "load_generator": Reader(
            lambda file, random: load_generator(_generator_folder(file, random)),
            (CheckpointError,),
            [("generator", b"")],
            [],
        ),
    }


def _load(load: Callable[..., Any]) -> Callable[..., Any]:
    def call(file: Any, random: np.random.Generator) -> Any:
        part = ("generator", "generator", "discriminator", "network")
        return load(file, part=part[int(random.integers(4))])

    return call


Files = list[tuple[str, bytes]]


def written(folder: Path) -> tuple[Files, Files, Files]:
    """Sound files of codes and directions, of edits, and of scores."""
    import jax

    from benchmarks.file_mutants import as_safetensors, npy
    from converters.containers.writing import numpy_array, pickled, torch_zip
    from jaxlatent.checkpoint import save_edit, save_generator
    from jaxlatent.edits.directions import directions
    from jaxlatent.edits.rbf import rbf_field
    from jaxlatent.edits.walks import neural_walk
    from jaxlatent.evaluation.tables import ScoreTable, save_table
    from jaxlatent.generators import stylegan2
    from jaxlatent.generators.base import Generator

    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    def bytes_of(names: Any) -> Files:
        return [(name, (folder / name).read_bytes()) for name in names]

    codes = {"w": normal(2, 4, 6), "noise": normal(3)}
    boundary = {"boundary": normal(1, 6), "meta_data": {"manipulate_layers": "2-3"}}
    objects = np.empty(2, object)
    objects[:] = [normal(4, 6), normal(4, 6)]
    face = {"img": normal(3, 4, 4), "latent": normal(4, 6)}
    projected = {"face.png": {name: numpy_array(a) for name, a in face.items()}}
    np.savez_compressed(folder / "codes.npz", **codes)
    (folder / "codes.npy").write_bytes(npy(codes["w"]))
    (folder / "boundary.npy").write_bytes(npy(np.array(boundary)))
    (folder / "objects.npy").write_bytes(npy(objects))
    (folder / "codes.pt").write_bytes(torch_zip(codes))
    (folder / "projected.pt").write_bytes(pickled(projected, 3))
    (folder / "codes.safetensors").write_bytes(as_safetensors(codes))
    arrays = bytes_of(sorted(path.name for path in folder.iterdir()))
    told = {
        "names": ["smile", "age"],
        "report": {"gain": normal(2)},
        "facts": {"rank": 2, "settings": {"steps": [1, 2]}},
        "method": "by hand",
    }
    edits = {
        "directions": directions(normal(2, 6), space="w", scale=[1.0, 2.0], **told),
        "rows": directions(normal(2, 4, 6), space="w+", **told),
        "layers": directions(normal(2, 6), space="w", layers=(0, 2), **told),
        "field": rbf_field(
            *(normal(2, 3, 6), normal(2, 3), np.float32([0.1, 0.5])),
            **{"step": 0.4, "steps": 3, "space": "z", **told},
        ),
        "walk": neural_walk(
            [{"weight": normal(2, 6, 6), "bias": normal(2, 6)}], space="z", **told
        ),
    }
    for name, edit in edits.items():
        save_edit(folder / f"{name}.npz", edit)
    tables = {
        "scores": ScoreTable(normal(5, 2), ("a", "b"), {"z": normal(5, 6)}, None, 3),
        "labelled": ScoreTable(normal(5, 1), ("a",), {}, np.arange(5), 3, 0.7, "0123"),
    }
    for name, table in tables.items():
        save_table(folder / f"{name}.npz", table)
    config = stylegan2.Config(8, (4, 4), z_dim=6, w_dim=6, mapping_width=6)
    params = stylegan2.init(jax.random.key(0), config)
    save_generator(folder / "generator", Generator(params, config))

    kinds = ([f"{name}.npz" for name in kind] for kind in (edits, tables))
    return arrays, *map(bytes_of, kinds)


def _generator_folder(file: Path, random: np.random.Generator) -> Path:
    """A copy of the sound generator, its header or one of its files changed.

    A changed header is entered in the manifest, as a careless hand would.
    """
    import shutil

    from benchmarks.file_mutants import BYTES, mutate_json, pick
    from jaxlatent import checkpoint

    folder = file.with_name("mutant")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(file.with_name("generator"), folder)
    header, manifest = folder / "generator.json", folder / checkpoint.MANIFEST_FILE
    match int(random.integers(5)):
        case 0:
            manifest.write_bytes(mutate_json(random, manifest.read_bytes()))
        case 1:
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            path = pick(random, files)
            path.write_bytes(pick(random, BYTES)(random, path.read_bytes() or b"0"))
        case _:
            header.write_bytes(mutate_json(random, header.read_bytes()))
            text = checkpoint._manifest_text(checkpoint._hashes(folder))
            manifest.write_bytes(text)
    return folder


class Outcome(NamedTuple):
    """What one reader did with one mutant."""

    mutant: int
    reader: str
    file: str
    outcome: str
    seconds: float = 0.0
    growth: int = 0


def mutant(seed: int, number: int, table: dict[str, Reader], folder: Path) -> Outcome:
    """Makes one mutant and gives it to its reader."""
    from benchmarks.file_mutants import mutate_tree, mutations_of, pick
    from converters.checkpoints import Checkpoint

    random = np.random.default_rng([seed, number])
    weights = np.array([WEIGHTS[name] for name in table], float)
    name = list(table)[int(random.choice(len(table), p=weights / weights.sum()))]
    reader = table[name]
    path = folder / "mutant.bin"
    if reader.trees and (not reader.files or random.random() < 0.6):
        title, tree = pick(random, reader.trees)
        file: Any = Checkpoint(mutate_tree(random, tree), "torch-zip", path=path)
        size = sum(a.nbytes for a in _arrays(file.tensors))
    else:
        title, data = pick(random, reader.files)
        data = pick(random, mutations_of(data))(random, data) if data else data
        path.write_bytes(data)
        file, size = path, len(data)
    before, start = _reset_peak(), time.perf_counter()
    outcome = "loads"
    try:
        signal.alarm(int(SLOW) + 5)
        reader.call(file, random)
    except reader.errors as error:
        outcome = "refused"
        if "in a way that no reader foresees" in str(error):
            outcome = _place(error.__cause__ or error)
        elif not _is_one_line(str(error)):
            outcome = f"a message of several lines: {_place(error)}"
    except Exception as error:  # noqa: BLE001 (what is counted)
        outcome = _place(error)
    finally:
        signal.alarm(0)
    seconds, growth = time.perf_counter() - start, _peak() - before
    if growth > HARMLESS + 10 * size:
        outcome = f"{growth // MIB} MiB for a file of {size} bytes ({outcome})"
    if seconds > SLOW:
        outcome = f"over {SLOW:g} s ({outcome})"
    return Outcome(number, name, title, outcome, seconds, growth)


def _is_one_line(text: str) -> bool:
    return not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def _arrays(tree: Any) -> list[np.ndarray]:
    if isinstance(tree, np.ndarray):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree
    inner = parts if isinstance(tree, dict | list | tuple) else ()
    return [array for part in inner for array in _arrays(part)]


def _place(error: BaseException) -> str:
    """An error's type and the last line of ours that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(str(ROOT))] or frames
    last = ours[-1] if ours else None
    where = f"{os.path.relpath(last.filename, ROOT)}:{last.lineno}" if last else "?"
    return f"{type(error).__name__} at {where}"


def _status(field: str) -> int:
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"{field}:\s*(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def _peak() -> int:
    return _status("VmHWM")


def _reset_peak() -> int:
    """Forgets the peak of memory so far, and gives what is taken now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _too_slow(*_: Any) -> None:
    raise TimeoutError("too slow")


def work(seed: int, numbers: range) -> None:
    """A worker: prints each mutant's number before it, and what happened after it."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_slow)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = readers(folder)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for number in numbers:
            print(number, flush=True)
            print(json.dumps(mutant(seed, number, table, folder)), flush=True)


class Worker:
    """A process at work on some of the mutants."""

    def __init__(self, seed: int, numbers: range) -> None:
        self.seed, self.numbers, self.current = seed, numbers, -1
        self.start()

    def start(self) -> None:
        numbers = self.numbers
        words = map(str, (self.seed, numbers.start, numbers.stop, numbers.step))
        self.process = subprocess.Popen(
            [sys.executable, *COMMAND, *words],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )

    def stop(self) -> None:
        assert self.process.stdout
        self.process.stdout.close()
        self.process.wait()

    def outcomes(self) -> list[Outcome]:
        """What was found since; the work goes on behind a mutant that ended it."""
        assert self.process.stdout
        wait = HANGS if self.current >= 0 else 10 * HANGS
        timer = threading.Timer(wait, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            status = self.process.wait()
            return self._ended(f"the process ends with {status}, or is ended")
        if line.startswith("["):
            self.numbers = self.numbers[1:]
            return [Outcome(*json.loads(line))]
        self.current = int(line)
        return []

    def _ended(self, outcome: str) -> list[Outcome]:
        self.stop()
        if self.current < 0:
            raise RuntimeError(f"a worker could not start: {outcome}")
        found = [Outcome(self.current, "", "", outcome)]
        self.numbers, self.current = self.numbers[1:], -1
        if self.numbers:
            self.start()
        return found


def fuzz(mutants: int, *, seed: int, first: int = 0, workers: int = 2) -> list[Outcome]:
    """Gives every mutant to its reader.

    Args:
        mutants: how many.
        seed: what they are drawn from.
        first: the number of the first.
        workers: processes.

    Returns:
        What happened to each.
    """

    def run(offset: int) -> list[Outcome]:
        worker = Worker(seed, range(first + offset, first + mutants, workers))
        found: list[Outcome] = []
        while worker.numbers:
            found += worker.outcomes()
        worker.stop()
        return found

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        parts = pool.map(run, range(min(workers, mutants)))
    return sorted(outcome for part in parts for outcome in part)


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Counts by reader, and the findings by place, each with one mutant to repeat."""
    counts: dict[str, Counter] = defaultdict(Counter)
    findings: dict[str, dict[str, Any]] = {}
    for found in outcomes:
        kind = found.outcome if found.outcome in ("loads", "refused") else "finding"
        counts[found.reader][kind] += 1
        if kind == "finding":
            entry = findings.setdefault(
                f"{found.reader}: {found.outcome}",
                {"mutants": 0, "first": found.mutant, "file": found.file},
            )
            entry["mutants"] += 1
    return {
        "readers": {name: dict(counter) for name, counter in sorted(counts.items())},
        "slowest": max((found.seconds for found in outcomes), default=0.0),
        "most_memory": max((found.growth for found in outcomes), default=0),
        "findings": findings,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", type=int, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        seed, *numbers = options.worker
        work(seed, range(*numbers))
        return 0
    start = time.perf_counter()
    outcomes = fuzz(
        options.mutants,
        seed=options.seed,
        first=options.first,
        workers=options.workers,
    )
    found = summary(outcomes) | {"seconds": round(time.perf_counter() - start)}
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for name, counts in found["readers"].items():
            print(f"{name:16}", *(f"{kind} {n}" for kind, n in sorted(counts.items())))
        for place, entry in found["findings"].items():
            print(place, entry)
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
