"""Steps per second of a learned method, beside PyTorch, at the paper's size.

    python -m benchmarks.training [--assessors brightness resnet50] [--batch 4]
        [--rounds 5] [--allocator default|keep] [--no-compile] [--no-memory] --json

One step is one update of GANalyze for BigGAN-128: codes, classes and alpha are drawn,
pictures are made and scored before and after the edit, the gradient flows back through
assessor and generator to theta, and Adam moves it. Random weights, float32, all cores.
The assessor is "brightness" (mean luma) or "resnet50", a ResNet-50 of one output that
sees the 128 x 128 picture as it is (EmoNet's network, without its ten crops).

"ours" is the compiled update by itself, with prepared weights; "block" the same as
`training.fit` runs it, BLOCK steps to a call; "eager" the same step in PyTorch with
`benchmarks.torch_baseline` and the same weights, "compiled" that through
`torch.compile`. PyTorch's side is given its draws. Every side runs once in every round,
in turns and in one process. "steps_per_s" is the median over the rounds,
"eager_over_ours" and its like medians of the ratios within a round: above 1 means that
ours is faster. "difference" is that of the gradient with respect to theta from
PyTorch's, over its norm, and of the loss.

Memory is measured in a process of its own for each side, MiB: "loaded_mib" resident
with libraries and weights, "peak_mib" at most in the whole life, compilation included,
"warm_peak_mib" at most while a compiled step runs. What compiling ours took stays in
the heap afterwards, some 600 MiB under the default allocator, and counts in both.

Both sides get the same setting of glibc's allocator. "load" is the number of programs
that wanted a core at the start; see `benchmarks.synthesis`. The last line is one JSON
object: assessor -> figures.
"""

import argparse
import json
import os
import tempfile
from importlib import metadata
from typing import Any

from benchmarks.synthesis import ALLOCATORS, run

SIDES = "benchmarks.training_sides"
ASSESSORS = ("brightness", "resnet50")


def measure(assessor: str, options: argparse.Namespace) -> dict[str, Any]:
    """All figures with one assessor."""
    sides = ["ours", "block", "eager", *["compiled"] * options.compile]
    job = {"assessor": assessor, "batch": options.batch}
    with tempfile.TemporaryDirectory() as caches:

        def start(more: dict[str, Any]) -> dict[str, Any]:
            return run(
                job | more,
                options.allocator,
                module=SIDES,
                TORCHINDUCTOR_CACHE_DIR=caches,
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
    parser.add_argument(
        "--assessors", nargs="+", choices=ASSESSORS, default=list(ASSESSORS)
    )
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5, help="turns of every side")
    parser.add_argument(
        "--allocator", choices=ALLOCATORS, default="keep", help="of glibc"
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
        if getattr(options, name) < 1:
            parser.error(f"--{name}: 1 or more is accepted")
    result: dict[str, Any] = {
        "case": "biggan-128",
        "batch": options.batch,
        "allocator": options.allocator,
        "threads": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        **{name: metadata.version(name) for name in ("jax", "torch")},
    }
    for assessor in options.assessors:
        if not options.json:
            print(f"{assessor} ...", flush=True)
        result[assessor] = measure(assessor, options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
