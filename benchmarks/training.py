"""Steps per second of learned methods, beside PyTorch, at their papers' sizes.

    python -m benchmarks.training [--cases ganalyze-brightness ...] [--batch 4]
        [--rounds 5] [--allocator default|keep] [--no-compile] [--no-memory] --json

One step is one update of a method: codes are drawn, pictures are made before and after
the edit, the gradient flows back through losses and generator to what is learned, and
the optimiser moves it. Random weights, float32, all cores. The modules of
`benchmarks.training_cases` say what each case does.

"ours" is the compiled update by itself, with prepared weights; "block" the same as
`training.fit` runs it on CPUs for models of this size, step by step; "eager" the same
step in PyTorch with `benchmarks.torch_baseline` and the same weights, "compiled" that
through `torch.compile`. PyTorch's side is given its draws. Every side runs once in
every round, in turns and in one process. "steps_per_s" is the median over the rounds,
"eager_over_ours" and its like medians of the ratios within a round: above 1 means that
ours is faster. "difference" is that of the first gradient with respect to what is
learned from PyTorch's, over its norm, and of the loss.

Memory is measured in a process of its own for each side, MiB: "loaded_mib" resident
with libraries and weights, "peak_mib" at most in the whole life, compilation included,
"warm_peak_mib" at most while a compiled step runs. What compiling ours took stays in
the heap afterwards, some 600 MiB under the default allocator, and counts in both.

Where JAX finds a GPU, PyTorch is sent there too, and "device_peak_mib" is what a side
had in use there at most; products are those of `--precision`.

Both sides get the same setting of glibc's allocator. "load" is the number of programs
that wanted a core at the start; see `benchmarks.synthesis`. The last line is one JSON
object: case -> figures.
"""

import argparse
import json
import os
import tempfile
from importlib import metadata
from typing import Any

from benchmarks.synthesis import ALLOCATORS, run
from benchmarks.training_cases import CASES

SIDES = "benchmarks.training_sides"


def measure(case: str, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one case."""
    sides = ["ours", "block", "eager", *["compiled"] * options.compile]
    job = {"case": case, "batch": options.batch, "precision": options.precision}
    with tempfile.TemporaryDirectory() as caches:

        def start(more: dict[str, Any]) -> dict[str, Any]:
            return run(
                job | more,
                options.allocator,
                module=SIDES,
                TORCHINDUCTOR_CACHE_DIR=caches,
                XLA_PYTHON_CLIENT_PREALLOCATE="false",
            )

        alone = sides if options.memory else []
        memory = {side: start({"memory": side}) for side in alone}
        found = start({"sides": sides, "rounds": options.rounds})
    for side, figures in memory.items():
        found[side] = {**(found.get(side) or {}), **figures}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--batch", type=int, help="the paper's if left out")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every side")
    parser.add_argument(
        "--allocator", choices=ALLOCATORS, default="keep", help="of glibc"
    )
    parser.add_argument(
        "--precision", choices=("float32", "tf32"), default="float32", help="on GPUs"
    )
    parser.add_argument(
        "--no-compile",
        dest="compile",
        action="store_false",
        help="leave torch.compile out",
    )
    parser.add_argument(
        "--no-memory", dest="memory", action="store_false", help="leave memory out"
    )
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    options = parser.parse_args()
    for name in ("batch", "rounds"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name}: 1 or more is accepted")
    result: dict[str, Any] = {
        "allocator": options.allocator,
        "threads": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "precision": options.precision,
        **{name: metadata.version(name) for name in ("jax", "torch")},
    }
    for case in options.cases:
        if not options.json:
            print(f"{case} ...", flush=True)
        result[case] = measure(case, options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
