"""One command for an accelerator, whatever card: is it right there, and how fast?

    python -m benchmarks.accelerator [--minutes 9] [--folder benchmarks/results]
        [--sections parity synthesis ...] [--precisions float32 tf32 bf16] [--tiny]
        [--json]

Sections, in the order of their worth, each with a share of the time:

- machine: what the card reaches in a product of matrices at each precision, and when it
  copies, in the same run: the limit of all other rows.
- parity: a small generator of every family against the same on the CPU in float64,
  which agrees with the originals' recordings to rounding (README's table of errors).
- synthesis: milliseconds per picture of every family at its paper's size, beside
  `benchmarks.torch_baseline` in PyTorch at the same precision, weights in channels-last
  order; eager, and compiled once per family.
- gram: the Gram matrix of the full Jacobian of StyleGAN2-1024 with respect to w, and
  how far other precisions than float32 are from it.
- ganspace: a million codes of w.
- training: one step of every learned method, beside PyTorch.

Compiling takes most of the time, so that the programs of a case are compiled at once,
in threads, before any is timed. "compile_s" is what each took so. "temporaries_mib" and
"arguments_mib" are the compiler's, "torch_peak_mib" PyTorch's own count.

"float32" is `precision="highest"`, "tf32" rounds products to 10 bits, and "bf16" has
weights and activations of that type; of a Gram matrix, tangents alone. "eager_ratio"
and "compiled_ratio" are PyTorch's time over ours, in turns in one process: above 1
means that ours is faster. "tflop_s" counts useful operations (see
`benchmarks.torch_baseline`), to be held against those of "machine/product".

Every row goes to the file FOLDER/CARD-DATE.json as soon as it is known. A second run on
the same day goes on with the rows that the file lacks; "left" names them. `--tiny`
rehearses all of it with small networks, in minutes on a CPU. The last line is the
file's content.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.training_cases import CASES as TRAINING
from jaxlatent.files import atomic_write

PRECISIONS = ("float32", "tf32", "bf16")

SHARES = {
    "machine": 0.05,
    "parity": 0.15,
    "synthesis": 0.35,
    "gram": 0.2,
    "ganspace": 0.05,
    "training": 0.2,
}
"""Of the whole time; what a section leaves goes to the next ones."""

SYNTHESIS = (
    "stylegan2-256",
    "stylegan2-1024",
    "stylegan3-t-256",
    "biggan-deep-128",
    "biggan-128",
    "stylegan-1024",
    "progan-1024",
    "biggan-deep-256",
    "sngan-64",
)
"""Cases of `benchmarks.synthesis`, by what users ask for first."""

SIDES = "benchmarks.accelerator_sides"


class Results:
    """The rows of one card and day, in a file that is always whole."""

    def __init__(self, folder: Path, name: str, about: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.json"
        self.rows: dict[str, Any] = {}
        if self.path.exists():
            self.rows = json.loads(self.path.read_text())["rows"]
        self.about, self.left = about, []

    @property
    def content(self) -> dict[str, Any]:
        return {**self.about, "rows": self.rows, "left": self.left}

    def add(self, row: str, figures: Any) -> None:
        self.rows[row] = figures
        self.save()

    def save(self) -> None:
        atomic_write(self.path, (json.dumps(self.content, indent=1) + "\n").encode())


def run(
    job: dict[str, Any],
    seconds: float,
    keep: Callable[[str, Any], None],
    module: str = SIDES,
) -> str | None:
    """Give `keep` each row that a process prints, at once; why it did not end well."""
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    process = subprocess.Popen(
        [sys.executable, "-m", module, json.dumps(job)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    killer = threading.Timer(max(seconds, 1), end)
    killer.start()
    for line in process.stdout:
        if line.startswith(("[", "{")):
            read = json.loads(line)
            row, figures = (job["row"], read) if isinstance(read, dict) else read
            keep(row, figures)
    status = process.wait()
    killer.cancel()
    if not status:
        return None
    return "out of time" if late.is_set() else f"exit status {status}"


def jobs(section: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """What the processes of a section do, one after the other."""
    common = {"tiny": options.tiny, "precisions": options.precisions}
    job = {"what": section, "row": section, **common}
    if section == "synthesis":
        return [{**job, "case": case, "row": f"{section}/{case}"} for case in SYNTHESIS]
    if section == "training":
        sides = ["ours", "eager"]
        return [
            {
                "case": case,
                "row": f"{section}/{case}/{precision}",
                "batch": 2 if options.tiny else None,
                "precision": precision,
                "sides": sides,
                "rounds": 3,
            }
            for precision in options.precisions
            if precision != "bf16"
            for case in (("warped-sngan-mnist",) if options.tiny else TRAINING)
        ]
    return [job]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="for all of it")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--sections", nargs="+", choices=SHARES, default=[*SHARES])
    parser.add_argument(
        "--precisions", nargs="+", choices=PRECISIONS, default=[*PRECISIONS]
    )
    parser.add_argument("--tiny", action="store_true", help="small networks")
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    common = {"tiny": options.tiny, "precisions": options.precisions}
    first: dict[str, Any] = {}
    failed = run({"what": "about", "row": "about", **common}, 60, first.__setitem__)
    assert failed is None, failed
    about = first["about"]
    about["tiny"] = options.tiny
    about["date"] = datetime.date.today().isoformat()
    card = "-".join(about["card"].lower().replace("/", " ").split())
    name = f"{card}{'-tiny' * options.tiny}-{about['date']}"
    results = Results(options.folder, name, about)

    def keep(row: str, figures: Any) -> None:
        results.add(row, figures)
        if not options.json:
            print(row, json.dumps(figures), flush=True)

    shares = {name: SHARES[name] for name in options.sections}
    while shares:
        section = next(iter(shares))
        part = shares[section] / sum(shares.values())
        del shares[section]
        until = time.monotonic() + part * (end - time.monotonic())
        for job in jobs(section, options):
            seconds = until - time.monotonic()
            if seconds < 5:
                results.left.append(f"{job['row']}: no time")
                continue
            if job["row"] in results.rows:
                continue
            module = "benchmarks.training_sides" if "sides" in job else SIDES
            done = [row for row in results.rows if row.startswith(job["row"] + "/")]
            reason = run({**job, "done": done}, seconds, keep, module)
            if reason is not None:
                results.left.append(f"{job['row']}: {reason}")
        results.save()
    print(json.dumps(results.content))


if __name__ == "__main__":
    main()
