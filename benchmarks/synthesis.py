"""Milliseconds per image of every family, beside PyTorch, at the papers' sizes.

    python -m benchmarks.synthesis [--families stylegan2-256 ...] [--batches 1 8]
        [--rounds 7] [--allocator default|keep|both] [--no-compile] [--no-memory]
        [--original PATH] --json

Random weights, float32, stored noise, all cores. "ours" is compiled and its weights are
prepared; "eager" and "compiled" are `benchmarks.torch_baseline` in PyTorch, the latter
through `torch.compile`. StyleGANs start from w, the others from z and a label. With a
clone of NVlabs/stylegan2-ada-pytorch at PATH, "original" is its synthesis network with
the same weights; StyleGAN2 alone has one.

Every side runs once in every round, in turns and in one process, together with a few
single convolutions of both frameworks. "ms" per image is the median over the rounds,
"range_ms" the least and the largest; "gflop_s" counts the useful operations of the
papers' layers (see `benchmarks.torch_baseline`), "share" divides that by the fastest
single convolution of the same rounds. "eager_over_ours" and its like are medians of the
ratios within a round: above 1 means that ours is faster. "difference" is the largest
difference from our picture, over the largest pixel.

Memory is measured in a process of its own for each side, MiB: "loaded_mib" resident
with libraries and weights, "peak_mib" at most in the whole life, compilation included,
"warm_peak_mib" at most while a compiled program runs. The same processes say how long
compiling took, with empty caches.

Everything is done under two settings of glibc's allocator: its default, which hands
large buffers back to the system, and one that keeps them. "load" is the number of
other programs that wanted a core at the start: with any, PyTorch's threads, which spin
while they wait for one another, lose many times more than ours, and the ratios say
nothing (OMP_WAIT_POLICY=passive in the environment lessens that).

The last line is one JSON object: family -> batch -> figures.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from jaxlatent.generators import (
    biggan,
    biggan_deep,
    progan,
    sngan,
    stylegan,
    stylegan2,
    stylegan3,
)


def widths(resolution: int, base: int) -> tuple[int, ...]:
    """Feature maps at 4 x 4, 8 x 8, ...: base / side, 512 at most."""
    sides = (4 << level for level in range(resolution.bit_length() - 2))
    return tuple(min(base // side, 512) for side in sides)


def banded_widths(resolution: int, base: int, count: int = 14) -> tuple[int, ...]:
    """Feature maps of StyleGAN3: half of base / a layer's cutoff, 512 at most."""
    cutoffs = stylegan3.Config(resolution, (1,) * count).cutoffs[:count]
    return tuple(int(min(np.rint(base / 2 / cutoff), 512)) for cutoff in cutoffs)


class Case(NamedTuple):
    """A network at the size of its paper."""

    config: Any
    batches: tuple[int, ...] = (1, 8)


DEEP = dict(attention=(8,), output_width=128)

CASES = {
    "stylegan2-256": Case(stylegan2.Config(256, widths(256, 32768))),
    "stylegan2-1024": Case(stylegan2.Config(1024, widths(1024, 32768)), (1,)),
    "stylegan3-t-256": Case(stylegan3.Config(256, banded_widths(256, 16384))),
    "stylegan-1024": Case(stylegan.Config(1024, widths(1024, 16384)), (1,)),
    "progan-1024": Case(progan.Config(1024, widths(1024, 16384)), (1,)),
    "biggan-128": Case(
        biggan.Config((1536, 1536, 768, 384, 192, 96), 120, 1000, attention=(64,))
    ),
    "biggan-deep-128": Case(
        biggan_deep.Config(
            (2048, 2048, 2048, 2048, 1024, 1024, 512, 512, 256, 256, 128),
            (False, True) * 5,
            **DEEP,
        )
    ),
    "biggan-deep-256": Case(
        biggan_deep.Config(
            (2048, 2048, 2048, 2048, 1024, 1024, 1024, 1024, 512, 512, 256, 256, 128),
            (False, True) * 6,
            **DEEP,
        )
    ),
    "sngan-64": Case(sngan.Config((1024, 512, 256, 128, 64))),
}

KEEPING = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    # other threads' arenas cannot hold large buffers
    "MALLOC_ARENA_MAX": "1",
}
ALLOCATORS: dict[str, dict[str, str]] = {"default": {}, "keep": KEEPING}


def run(
    job: dict[str, Any],
    allocator: str,
    *,
    module: str = "benchmarks.synthesis_sides",
    **variables: str,
) -> dict[str, Any]:
    """What a process of its own finds out about one job; its last line."""
    inherited = {key: os.environ[key] for key in os.environ if key not in KEEPING}
    environment = inherited | ALLOCATORS[allocator] | variables
    process = subprocess.run(
        [sys.executable, "-m", module, json.dumps(job)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        return {"failed": f"{job}: exit status {process.returncode}"}
    return json.loads(process.stdout.splitlines()[-1])


def measure(name: str, batch: int, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one network at one batch size."""
    sides = ["ours", "eager"]
    if options.compile:
        sides.append("compiled")
    if options.original and name.startswith("stylegan2-"):
        sides.append("original")
    job = {"case": name, "batch": batch, "original": options.original}
    result: dict[str, Any] = {"compile_s": {}}
    with tempfile.TemporaryDirectory() as caches:
        for allocator in options.allocators:
            start = functools.partial(
                run, allocator=allocator, TORCHINDUCTOR_CACHE_DIR=caches
            )
            alone = sides if options.memory else []
            memory = {side: start(job | {"memory": side}) for side in alone}
            for side, found in memory.items():
                seconds = found.pop("compile_s", None)
                # under the next allocator, PyTorch's caches are full
                if seconds is not None:
                    result["compile_s"].setdefault(side, seconds)
            timing = {"sides": sides, "rounds": options.rounds}
            found = start(job | timing)
            result["gflop"] = found.pop("gflop", None)
            for side in sides:
                found[side] = {**(found.get(side) or {}), **memory.get(side, {})}
            result[allocator] = found
    if not options.compile:
        result["compile_s"]["compiled"] = None
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--batches", nargs="+", type=int, help="of those a row has")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every side")
    parser.add_argument(
        "--allocator", choices=[*ALLOCATORS, "both"], default="both", help="of glibc"
    )
    parser.add_argument(
        "--no-compile",
        dest="compile",
        action="store_false",
        help="leave torch.compile out",
    )
    parser.add_argument(
        "--no-memory",
        dest="memory",
        action="store_false",
        help="leave memory and compile times out",
    )
    parser.add_argument("--original", help="a clone of NVlabs/stylegan2-ada-pytorch")
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds: {options.rounds} given; 1 or more is accepted")
    both = options.allocator == "both"
    options.allocators = list(ALLOCATORS) if both else [options.allocator]
    result: dict[str, Any] = {
        "threads": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        **{name: metadata.version(name) for name in ("jax", "torch")},
    }
    for name in options.families:
        result[name] = {}
        for batch in CASES[name].batches:
            if options.batches and batch not in options.batches:
                continue
            if not options.json:
                print(f"{name}, batch {batch} ...", flush=True)
            result[name][str(batch)] = measure(name, batch, options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
