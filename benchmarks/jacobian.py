"""Columns of a Jacobian, beside PyTorch's ways and the original's, at StyleGAN2's size.

    python -m benchmarks.jacobian [--case stylegan2-256] [--chunks 1 4 8 16]
        [--columns 32] [--rows 32] [--rounds 3] [--allocator default|keep]
        [--iterations 20] --json

Random weights, float32, stored noise, all cores; the Jacobian of the picture, all of
its pixels and channels, with respect to w. Everything runs in one process, in turns.

"ours" pushes COLUMNS tangents through the network linearised once, in chunks, and also
a single chunk; its figures are per column of the whole Jacobian, linearising included,
extrapolated from these two. "forward" is one picture at a batch of the chunk. "share"
is the useful work of one picture (see `benchmarks.torch_baseline`) over a column's
time, over the fastest single convolution of the same rounds. "jvp" is
`torch.func.vmap` of `torch.func.jvp` over a functional form of the network, "linearize"
the same over `torch.func.linearize`, with linearising spread over all columns; "row" is
LowRankGAN's way, one backward pass for a pixel of the picture averaged over colours.

"column_over_forward" and "column_share_of_limit" are at chunk 8, or the largest below.
"over_torch_func" is PyTorch's best column over our best, "over_original" the time of
one backward pass for each pixel over that of all our columns; both extrapolated from
the columns and rows that were run. "difference" is the norm of the difference
between our columns and PyTorch's, over that of theirs: a unit whose input is zero up to
rounding may lie on either side of the kink of its activation, so that a few pixels of a
column differ by several per cent.

"robust_pca" times iterations of the original's robust PCA for a 512 x 512 Gram matrix,
ours and written out in NumPy with its general singular value decomposition, each with
one BLAS thread, and compares what they find.

Medians of the rounds' ratios; the last line is one JSON object.
"""

import argparse
import json
import os
from importlib import metadata
from typing import Any

from benchmarks.synthesis import ALLOCATORS, CASES, run

SIDES = "benchmarks.jacobian_sides"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", choices=CASES, default="stylegan2-256")
    parser.add_argument("--chunks", nargs="+", type=int, default=[1, 4, 8, 16])
    parser.add_argument("--columns", type=int, default=32, help="of ours, per turn")
    parser.add_argument("--rows", type=int, default=32, help="backward passes per turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every side")
    parser.add_argument("--iterations", type=int, default=20, help="of robust PCA")
    parser.add_argument(
        "--allocator", choices=ALLOCATORS, default="keep", help="of glibc"
    )
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    options = parser.parse_args()
    numbers = {name: getattr(options, name) for name in ("columns", "rows", "rounds")}
    for name, value in {**numbers, "chunks": min(options.chunks)}.items():
        if value < 1:
            parser.error(f"--{name}: {value} given; 1 or more is accepted")
    if options.columns <= max(options.chunks):
        parser.error(
            f"--columns: {options.columns} given; more than {max(options.chunks)}, the "
            "largest chunk, is accepted"
        )
    jobs: list[dict[str, Any]] = [
        {"what": "columns", "case": options.case, "chunks": sorted(options.chunks)},
        {"what": "pca", "iterations": options.iterations},
    ]
    result: dict[str, Any] = {}
    for job in jobs:
        if not options.json:
            print(f"{job['what']} ...", flush=True)
        result |= run(job | numbers, options.allocator, module=SIDES)
    about = {
        "case": options.case,
        "allocator": options.allocator,
        "threads": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        **{name: metadata.version(name) for name in ("jax", "torch")},
    }
    print(json.dumps(result | about))


if __name__ == "__main__":
    main()
