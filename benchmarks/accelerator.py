"""One command for an accelerator, whatever card: is it right there, and how fast?

    python -m benchmarks.accelerator [--minutes 9] [--folder benchmarks/results]
        [--sections parity synthesis ...] [--precisions float32 tf32 bf16] [--tiny]
        [--json]

Sections, in the order of their worth, each with a share of the time:

- machine: what the card reaches in a product of matrices at each precision, and when it
  copies, in the same run: the limit of all other rows.
- parity: a small generator of every family against the same on the CPU in float64,
  which agrees with the originals' recordings to rounding (README's table of errors).
- synthesis: milliseconds per picture of every family at its paper's size, eight at
  once, beside `benchmarks.torch_baseline` in PyTorch at the same precision, weights in
  channels-last order, its convolutions chosen by trial as XLA's are.
- gram: the Gram matrix of the full Jacobian of StyleGAN2-1024 with respect to w, and
  how far other precisions than float32 are from it.
- ganspace: a million codes of w.
- training: one step of every learned method, beside PyTorch.
- batches: synthesis of one picture and of 32, and, with TF32, beside PyTorch compiled.

Compiling takes most of the time, so that some ten programs are compiled at once, in
threads, before the first of them is timed. "compile_s" is what each took so.
"temporaries_mib" and "arguments_mib" are the compiler's, "torch_peak_mib" PyTorch's
own count while it was timed.

"float32" is `precision="highest"`, "tf32" rounds products to 10 bits, and "bf16" has
weights and activations of that type; of a Gram matrix, tangents alone. "eager_ratio"
and "compiled_ratio" are PyTorch's time over ours, in turns in one process: above 1
means that ours is faster. "tflop_s" counts useful operations (see
`benchmarks.torch_baseline`), to be held against those of "machine/product".

Every row goes to the file FOLDER/CARD-DATE.json as soon as it is known. A second run on
the same day goes on with the rows that the file lacks; what could not be done is named
in "failed", with its reason. `--tiny` rehearses all of it with small networks, in
minutes on a CPU. The last line is the file's content.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PRECISIONS = ("float32", "tf32", "bf16")

SHARES = {
    "machine": 0.05,
    "parity": 0.1,
    "synthesis": 0.35,
    "gram": 0.15,
    "ganspace": 0.05,
    "training": 0.2,
    "batches": 0.1,
}
"""Of the whole time; what a section leaves goes to the next ones."""

SIDES = "benchmarks.accelerator_sides"


def run(job: dict[str, Any], *, say: bool) -> tuple[str, str | None]:
    """The file that a process wrote, and the section that it broke in, if it broke."""
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    late = threading.Event()
    path, section = "", next(iter(job["shares"]))
    with tempfile.TemporaryDirectory() as cache:
        process = subprocess.Popen(
            [sys.executable, "-m", SIDES, json.dumps(job)],
            env={**environment, "JAX_COMPILATION_CACHE_DIR": cache},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None

        def end() -> None:
            late.set()
            process.kill()

        killer = threading.Timer(max(job["until"] - time.time(), 1), end)
        killer.start()
        for line in process.stdout:
            if line.startswith("file "):
                path = line.removeprefix("file ").strip()
            if line.startswith("section "):
                section = line.split()[1]
            if say:
                print(line, end="", flush=True)
        status = process.wait()
        killer.cancel()
    return path, section if status and not late.is_set() else None


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
    until = time.time() + 60 * options.minutes
    shares = {name: SHARES[name] for name in options.sections}
    path = ""
    while shares:
        job = {
            "shares": shares,
            "until": until,
            "folder": str(options.folder),
            "precisions": options.precisions,
            "tiny": options.tiny,
        }
        path, broken = run(job, say=not options.json)
        if broken is None:
            break
        print(f"{broken} broke off", file=sys.stderr)
        names = list(shares)
        shares = {name: shares[name] for name in names[names.index(broken) + 1 :]}
    if path:
        print(json.dumps(json.loads(Path(path).read_text())))


if __name__ == "__main__":
    main()
