"""What the TPU compiler makes of Jacobian analysis at pod scale; no chip is needed.

    python -m benchmarks.tpu [--models stylegan2-256 ...] [--works gram-free ...]
        [--topologies v5e:4x4 ...] [--chunk 2] [--precision default|high|highest]
        [--effort 0] [--folder tpu] [--kept] [--readme README.md] [--json]

Needs the extra `tpu`: its `libtpu` compiles for chips that are not there. A row is one
program for one topology, compiled in a process of its own and kept in a file of its own
in the folder, so that a run goes on where it was stopped; weights are shapes alone.

Works: "gram" of all pixels, columns stored or "free" (never kept), under one mask or
"4" of them, or with "bfloat16" tangents, the columns of one latent over all chips;
"grams", one latent for each chip; "columns"; "leading", ten singular vectors;
"synthesis", eight pictures for each chip; "ganspace", the moments of a block of eight
codes for each chip; "fit", a step of unsupervised discovery, eight pairs for each chip.

Of a chip: "temp_bytes" and "argument_bytes" of its memory, "flops", and "bytes"
accessed, all as the compiler counts them, loops by their number of turns. Bytes are of
arrays as they lie in memory, filled up to tiles, those that stay in the chip's vector
memory included. "collectives" by kind: how many, and bytes of what comes out of them.
"compile_cpu_s" is processor time, "compile_s" on the clock. "--effort" is how hard the
compiler tries at rows that the folder has not, from -1 to 1; the least takes a sixth of
the time and counts up to a quarter more bytes than the usual 0.

The estimate of "seconds" for a latent is arithmetic, not a measurement: the larger of
"flops" over the chip's published peak in bfloat16, times the passes that the precision
takes (one for float32 operands by default, three for "high", six for "highest"), and
"bytes" over its published bandwidth. It holds neither time on links nor matrices that
fill the chip's units badly, so that it is a bound from below for the one reason, and
from above for the other that bytes in vector memory cost less. "latents_per_hour" is
the whole topology's. The last line is one JSON object.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jaxlatent.files import atomic_write, keep_record


class Chip(NamedTuple):
    """Published figures: TFLOP/s in bfloat16, GB/s and GB of memory."""

    tflops: float
    bandwidth: float
    memory: float


CHIPS = {
    "v5e": Chip(197, 819, 16),
    "v5p": Chip(459, 2765, 95),
    "v6e": Chip(918, 1638, 32),
}
"""From docs.cloud.google.com/tpu/docs/v5e, v5p and v6e, as of 2026; v5e's bandwidth is
819 GB/s on most versions of its page, 800 GiB/s on one."""

MODELS = (
    "stylegan2-256",
    "stylegan2-1024",
    "stylegan3-t-256",
    "biggan-deep-256",
    "progan-1024",
)
WORKS = (
    "synthesis",
    "gram-free",
    "gram-stored",
    "grams-free",
    "grams-stored",
    "gram-free-4",
    "gram-stored-4",
    "gram-free-1-bfloat16",
    "columns",
    "leading",
    "ganspace",
    "fit",
)
TOPOLOGIES = ("v5e:1x1", "v5e:4x4", "v5e:16x16", "v5p:8x8x16", "v6e:16x16")
PASSES = {"default": 1, "high": 3, "highest": 6}
MARK = "<!-- tpu -->"
"""Before and after the table in a file."""

ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    # there is no chip that two processes could fight for
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    # flags of a caller's CPU backend would change this compiler too
    "XLA_FLAGS": "",
    # a cached program could not be read without a chip
    "JAX_ENABLE_COMPILATION_CACHE": "false",
}


def compiled(job: dict[str, Any]) -> dict[str, Any]:
    """A row's figures, from a process of its own; {"failed": why} without a program."""
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.tpu_program", json.dumps(job)],
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        found = re.findall(r"^[\w.]+(?:Error|Exception): .*", process.stderr, re.M)
        why = found[-1][:500] if found else f"exit status {process.returncode}"
        return {"failed": why}
    return json.loads(process.stdout.splitlines()[-1])


def estimated(found: dict[str, Any], topology: str, precision: str) -> dict[str, Any]:
    """What a chip's peaks make of a row."""
    chip = CHIPS[topology.partition(":")[0]]
    compute = found["flops"] * PASSES[precision] / chip.tflops / 1e12
    memory = found["bytes"] / chip.bandwidth / 1e9
    seconds = max(compute, memory) / found["latents"]
    return {
        "compute_s": compute / found["latents"],
        "memory_s": memory / found["latents"],
        "seconds": seconds,
        "latents_per_hour": 3600 / seconds,
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of Markdown."""
    lines = [
        "| model | work | chips | GiB a chip | TFLOP a chip | GB a chip | collectives "
        "| s a latent | latents an hour | compiled in |",
        "|---|---|---|--:|--:|--:|---|--:|--:|--:|",
    ]
    for row in rows:
        where = f"| {row['model']} | {row['work']} | {row['topology']} |"
        if "failed" in row:
            short = row["failed"].partition("\n")[0][:80].replace("|", "/")
            lines.append(f"{where} | | | {short} | | | |")
            continue
        exchanged = ", ".join(
            f"{one['count']} {kind}, {one['bytes'] / 2**20:.3g} MiB"
            for kind, one in row["collectives"].items()
        )
        hurried = f", effort {row['effort']:g}" if row["effort"] else ""
        memory = CHIPS[row["topology"].partition(":")[0]].memory
        lines.append(
            f"{where} {row['temp_bytes'] / 2**30:.2f} of {memory:g} "
            f"| {row['flops'] / 1e12:.3g} | "
            f"{row['bytes'] / 1e9:.3g} | {exchanged or 'none'} "
            f"| {row['seconds']:.2g} | {row['latents_per_hour']:,.0f} "
            f"| {row['compile_cpu_s']:.0f} s{hurried} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[*MODELS])
    parser.add_argument("--works", nargs="+", choices=WORKS, default=[*WORKS])
    parser.add_argument("--topologies", nargs="+", default=[*TOPOLOGIES])
    parser.add_argument("--chunk", type=int, default=2, help="tangents at a time")
    parser.add_argument("--precision", choices=PASSES, default="default")
    parser.add_argument("--effort", type=float, default=0.0)
    parser.add_argument("--folder", type=Path, default=Path("tpu"))
    parser.add_argument("--kept", action="store_true", help="rows of the folder alone")
    parser.add_argument("--readme", type=Path, help="a file to write the table to")
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    given = parser.parse_args()
    if unknown := {one.partition(":")[0] for one in given.topologies} - {*CHIPS}:
        parser.error(f"--topologies: {sorted(unknown)} given; {[*CHIPS]} are accepted")
    try:
        about = {name: version(name) for name in ("jax", "libtpu")}
    except ModuleNotFoundError as error:
        parser.error(f"{error}; pip install 'jaxlatent[tpu]' brings libtpu")
    given.folder.mkdir(parents=True, exist_ok=True)
    how = {"chunk": given.chunk, "precision": given.precision}
    if differing := keep_record(given.folder / "job.json", how | about):
        parser.error(f"folder: of another run, which differs in {differing}")
    rows = []
    for topology in given.topologies:
        for model in given.models:
            for work in given.works:
                job = {"model": model, "work": work, "topology": topology}
                name = "-".join(job.values()).replace(":", "-") + ".json"
                file = given.folder / name
                if given.kept and not file.exists():
                    continue
                if not file.exists():
                    tried = job | {"effort": given.effort}
                    row = tried | compiled(tried | how)
                    if "failed" not in row:
                        row |= estimated(row, topology, given.precision)
                    atomic_write(file, (json.dumps(row, indent=1) + "\n").encode())
                rows.append(json.loads(file.read_text()))
                if not given.json:
                    print(table(rows[-1:])[-1], flush=True)
    if given.readme:
        before, _, after = given.readme.read_text().split(MARK)
        text = MARK.join((before, "\n".join(["", *table(rows), ""]), after))
        given.readme.write_text(text)
    print(json.dumps(about | how | {"rows": rows}))


if __name__ == "__main__":
    main()
