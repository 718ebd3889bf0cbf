"""What more devices change in a Gram matrix, and what a large run would cost.

    python -m benchmarks.scaling [--case stylegan2-256] [--devices 1 2 4 8] [--chunk 8]
        [--latents 10000] [--peak 67] [--share 0.5] [--link 50] --json

"devices" compiles the Gram matrix of all pixels for so many virtual devices of this
machine, which share its cores: only memory and communication mean anything, so nothing
is timed. For both ways, "stored" (columns are kept and gathered) and "free" (they are
not), each device's "temp_mib" beside its arguments, and the "collective_mib" that it
receives from the others, by the operation's name; from the compiled program.

"paper" is arithmetic for StyleGAN2 at 1024 px and LATENTS latents on 1, 8 and 256
chips of PEAK TFLOP/s, of which a SHARE is reached, joined by LINK GB/s: operations of a
forward picture (see `benchmarks.torch_baseline`), one for each column if columns are
stored and three if they are not, since a backward pass costs two; and the bytes that
are sent. Latents are divided among the chips first, columns only where chips are left.

The last line is one JSON object.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
from typing import Any

CHIPS = (1, 8, 256)
MIB = 2**20
COLLECTIVE = re.compile(
    r"= \(?(\w+?)(\d+)\[([\d,]*)\].*? "
    r"(all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)\("
)


def compiled(job: dict[str, Any]) -> dict[str, Any]:
    """Memory and communication of one device among many; a process of its own."""
    import jax

    jax.config.update("jax_num_cpu_devices", job["devices"])
    import numpy as np

    from benchmarks.synthesis import CASES
    from benchmarks.synthesis_sides import draw
    from jaxlatent.generators.base import Generator
    from jaxlatent.jacobians import picture
    from jaxlatent.numerics.jacobian import gram
    from jaxlatent.parallel import mesh, place

    config = CASES[job["case"]].config
    generator = Generator(jax.tree.map(jax.numpy.asarray, draw(config)), config)
    given = picture(generator.prepare(), np.zeros(config.w_dim, np.float32), space="w")
    devices = mesh(job["devices"])
    given = place(given, devices)
    result = {}
    for name, store in (("stored", True), ("free", False)):
        call = jax.jit(
            lambda given, store=store: gram(
                given, given.origin, chunk=job["chunk"], mesh=devices, store=store
            )
        )
        program = call.lower(given).compile()
        memory = program.memory_analysis()
        received: dict[str, float] = {}
        for kind, bits, shape, operation in COLLECTIVE.findall(program.as_text()):
            del kind
            entries = math.prod(int(size) for size in shape.split(",") if size)
            size = entries * int(bits) / 8 / MIB
            received[operation] = received.get(operation, 0) + size
        result[name] = {
            "temp_mib": memory.temp_size_in_bytes / MIB,
            "arguments_mib": memory.argument_size_in_bytes / MIB,
            "collective_mib": received,
        }
    return result


def paper(options: argparse.Namespace) -> dict[str, Any]:
    """Hours on so many chips."""
    from benchmarks.synthesis import CASES
    from benchmarks.torch_baseline import stylegan2

    config = CASES["stylegan2-1024"].config
    forward = stylegan2.operations(config)
    columns = config.w_dim
    outputs = config.resolution**2 * config.image_channels
    rate = options.peak * 1e12 * options.share
    result: dict[str, Any] = {
        "operations_per_picture": forward,
        "stored_columns_gib": columns * outputs * 4 / 2**30,
        "gram_mib": columns**2 * 4 / MIB,
    }
    for chips in CHIPS:
        per_latent = max(1, chips // options.latents)
        rounds = math.ceil(options.latents / (chips // per_latent))
        work = {
            "stored": columns * forward + 2 * columns**2 * outputs,
            "free": 3 * columns * forward,
        }
        sent = {
            "stored": (per_latent - 1) / per_latent * columns * outputs * 4,
            "free": (per_latent - 1) / per_latent * columns**2 * 4,
        }
        result[str(chips)] = {
            name: {
                "seconds_per_latent": work[name] / per_latent / rate
                + sent[name] / (options.link * 1e9),
                "hours": rounds
                * (work[name] / per_latent / rate + sent[name] / (options.link * 1e9))
                / 3600,
            }
            for name in work
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", default="stylegan2-256")
    parser.add_argument("--devices", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--chunk", type=int, default=8, help="tangents at a time")
    parser.add_argument("--latents", type=int, default=10_000)
    parser.add_argument("--peak", type=float, default=67, help="TFLOP/s of a chip")
    parser.add_argument("--share", type=float, default=0.5, help="of it, reached")
    parser.add_argument("--link", type=float, default=50, help="GB/s between chips")
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(compiled(json.loads(options.job))))
        return
    result: dict[str, Any] = {"case": options.case, "chunk": options.chunk}
    found = result["devices"] = {}
    for count in options.devices:
        if not options.json:
            print(f"{count} devices ...", flush=True)
        job = {"case": options.case, "chunk": options.chunk, "devices": count}
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.scaling", "--job", json.dumps(job)],
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found[str(count)] = json.loads(process.stdout.splitlines()[-1])
    result["paper"] = paper(options)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
