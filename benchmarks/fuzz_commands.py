"""Command lines drawn from a grammar of the options: do all end as they should?

    python -m benchmarks.fuzz_commands [--lines 2000] [--seed 0] [--workers 2]
        [--limit 30] [--json]

Every option of every command, found in the commands' own signatures, is given values
that suit it and values that do not: numbers that are none, huge or negative ones, texts
that no terminal shows, files of other kinds, links that lead nowhere. The lines run in
processes that live on, in a folder of tiny generators, codes, edits and pictures.

A line must end within LIMIT seconds with status 0, or with status 2 and one line on
standard error, which is foreseen; a line that is refused leaves every file as it was,
and is refused within 10 seconds of computing; a record that is written is JSON.

Failures are listed by kind with their first lines, and the last line is one JSON object
with --json; the exit status is 1 if there are any.
"""

import argparse
import collections
import json
import multiprocessing
import os
import pathlib
import random
import shlex
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import fuzz_grammar, fuzz_worker

SLOW = 10.0
EXAMPLES = 3


class Worker:
    """A process that runs lines, begun anew when one does not end."""

    def __init__(self, folder: pathlib.Path, limit: float) -> None:
        self.folder, self.limit = folder, limit
        self._process: Any = None
        self._ends: Connection | None = None

    def run(self, words: list[str]) -> dict[str, Any]:
        """What became of a line."""
        if self._process is None:
            self._begin()
        process, ends = self._process, self._ends
        assert process is not None
        assert ends is not None
        ends.send(words)
        try:
            if ends.poll(self.limit):
                return ends.recv()
            problem = f"does not end within {self.limit:g} s"
        except EOFError:
            process.join(5)
            problem = f"ends the process, status {process.exitcode}"
        self.stop()
        return {"problem": problem}

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ends, theirs = context.Pipe()
        self._process = context.Process(
            target=fuzz_worker.serve, args=(theirs, str(self.folder)), daemon=True
        )
        self._process.start()
        theirs.close()
        if not self._ends.poll(300) or self._ends.recv() != "ready":
            raise RuntimeError("a worker did not begin")

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def problem_of(words: list[str], found: dict[str, Any]) -> str | None:
    """The kind of failure that an outcome is, None for none."""
    if "problem" in found:
        return found["problem"]
    status, lines = found["status"], found["stderr"].splitlines()
    # bars overwrite themselves; warnings are told before the end
    said = [
        line
        for line in lines
        if line.strip() and "\r" not in line and "warning: " not in line[:20]
    ]
    if found["raised"]:
        return f"raises {found['raised']}"
    if status == 0:
        return found["record"]
    if status != 2:
        return f"ends with status {status}"
    if "Traceback" in found["stderr"]:
        return "prints a traceback"
    if len(said) != 1 or not said[0].startswith("jaxlatent: "):
        return f"says {len(said)} lines instead of one"
    if "(unexpected" in said[0]:
        return f"unexpected {said[0].split(':')[1].strip()}"
    if "out of memory" in said[0]:
        return "runs out of memory"
    if not said[0].isprintable() or len(said[0]) > 2100:
        return "says what no terminal shows"
    if found["changed"]:
        return "writes before it refuses"
    if found["seconds"] > SLOW:
        return f"refuses after more than {SLOW:g} s"
    return None


def fuzz(
    count: int, seed: int, *, workers: int = 2, limit: float = 30.0
) -> dict[str, Any]:
    """Run lines and sort what became of them."""
    began = time.monotonic()
    draw = random.Random(seed)
    lines = [fuzz_grammar.draw_line(draw) for _ in range(count)]
    kinds: dict[str, list[Any]] = collections.defaultdict(list)
    statuses: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as top:
        folders = [pathlib.Path(top) / str(number) for number in range(workers)]
        running = [Worker(folder, limit) for folder in folders]

        def share(number: int) -> list[tuple[list[str], dict[str, Any]]]:
            try:
                return [
                    (words, running[number].run(words))
                    for words in lines[number::workers]
                ]
            finally:
                running[number].stop()

        with ThreadPoolExecutor(workers) as pool:
            outcomes = [one for part in pool.map(share, range(workers)) for one in part]
    for words, found in outcomes:
        statuses[str(found.get("status", "none"))] += 1
        if kind := problem_of(words, found):
            told = found.get("stderr", "").strip().splitlines()[-1:]
            kinds[kind].append([shlex.join(words).encode("utf8", "replace"), *told])
    return {
        "lines": count,
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "statuses": dict(statuses),
        "failures": sum(map(len, kinds.values())),
        "kinds": {
            kind: {
                "count": len(found),
                "examples": [
                    [
                        str(part, "utf8") if isinstance(part, bytes) else part
                        for part in one
                    ]
                    for one in found[:EXAMPLES]
                ],
            }
            for kind, found in sorted(kinds.items(), key=lambda one: -len(one[1]))
        },
    }


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--limit", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    report = fuzz(asked.lines, asked.seed, workers=asked.workers, limit=asked.limit)
    for kind, found in report["kinds"].items():
        print(f"{found['count']:5d}  {kind}")
        for example in found["examples"]:
            print("       " + "\n         ".join(map(ascii, example)))
    print(
        f"{report['lines']} lines in {report['seconds']} s, by status "
        f"{report['statuses']}: {report['failures']} failures"
    )
    if asked.json:
        print(json.dumps(report))
    return 1 if report["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
