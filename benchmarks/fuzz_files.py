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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.file_mutants import mutate_tree, mutations_of, pick
from benchmarks.file_readers import WEIGHTS, Reader, readers
from converters.checkpoints import Checkpoint

ROOT = Path(__file__).parents[1]
SLOW = 10.0
HANGS = 60.0
MIB = 1 << 20
HARMLESS = 128 * MIB
"""Of memory: what a file may expand to, and what JAX compiles for it."""
LIMIT = 2048 * MIB
COMMAND = ("-m", "benchmarks.fuzz_files", "--worker")


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
    return not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text)


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
