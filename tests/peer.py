"""One of several processes: `python peer.py PLAN PORT RANK FOLDER`, reports in JSON."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent import Generator, cli, render
from jaxlatent.collectives import agree, gather, is_main
from jaxlatent.jobs import run_job
from jaxlatent.methods import ganspace
from jaxlatent.numerics.decomposition import Estimation
from jaxlatent.parallel import mesh, place, split, start

PATIENCE = 8
MATRIX = np.random.default_rng(0).normal(size=(4, 36)).astype(np.float32)
CODES = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)


def synthesize(params, latent):
    return jnp.tanh(latent @ params["matrix"]).reshape(-1, 6, 6, 1)


def linear():
    """z [N, 4] -> 6 x 6 pictures."""
    params = {"matrix": jnp.asarray(MATRIX)}
    return Generator.from_functions(synthesize, z_dim=4, params=params)


def told(function, *arguments, **options):
    """The error of a call and the seconds until it came."""
    begin = time.monotonic()
    try:
        function(*arguments, **options)
    except (ValueError, OSError, RuntimeError) as error:
        text = f"{type(error).__name__}: {error}"
    else:
        text = "no error"
    return text, time.monotonic() - begin


def work(rank, folder):
    """What several processes do together."""
    devices = mesh()
    generator = linear()
    sharded, count = split(CODES, devices)
    doubled = gather(jax.jit(lambda rows: 2 * rows)(sharded))[:count]
    keys = place(jax.random.split(jax.random.key(3), 2), devices)
    source = ganspace.generator_source(generator, layer="image")
    found = ganspace.decompose(
        source,
        samples=21,
        key=jax.random.key(0),
        estimation=Estimation(k=2),
        chunk=6,
        mesh=devices,
    )

    def item(index):
        return {"images": render(generator, CODES[: index + 1], mesh=devices)}

    files = run_job(folder / "job", {"kind": "test"}, 3, item)
    return {
        "devices": [jax.device_count(), jax.local_device_count()],
        "main": is_main(),
        "doubled": doubled.tolist(),
        "hosts": gather(np.asarray([rank])).tolist(),
        "keys": np.asarray(jax.random.key_data(keys)).tolist(),
        "images": render(generator, CODES, chunk=3, mesh=devices).ravel().tolist(),
        "stdev": found.components.stdev.tolist(),
        "files": [file.name for file in files],
    }


def together(port, rank, folder):
    """Work, then differ, then be late."""
    start(f"127.0.0.1:{port}", 2, rank, same={"seed": 3}, timeout=PATIENCE)
    report = work(rank, folder) | {"again": told(start, timeout=PATIENCE)}
    agree({"generator": linear(), "seed": 3, "none": None}, "the same")
    other = Generator({"matrix": MATRIX, "bias": np.float32([rank])}, linear().config)
    report["divergent"] = told(agree, other, "GENERATOR")
    report["misshapen"] = told(agree, {"w": np.zeros(2 + rank)}, "weights")
    report["configured"] = told(agree, {"seed": rank, "name": "a"}, "configuration")
    report["rendered"] = told(render, other, CODES, mesh=mesh())
    if rank == 1:
        time.sleep(PATIENCE + 2)
    report["late"] = told(gather, np.ones(1))
    return report


def command(port, rank, folder):
    """Draw through the command line; then rank 1 is killed."""
    words = ["sample", "peer:linear", "--out", str(folder / "drawn"), "--num", "3"]
    several = ["--coordinator", f"127.0.0.1:{port}", "--processes", "2"]
    status = cli.main([*words, *several, "--process-id", str(rank), "--devices", "2"])
    report = {"status": status, "devices": jax.device_count()}
    if rank == 1:
        # not while process 0 still reads what this one has sent last
        while not (folder / "drawn" / "run.json").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    return report | {"killed": told(gather, np.ones(1))}


def alone(port, rank, folder):
    """Wait for a process that never comes."""
    start(f"127.0.0.1:{port}", 2, rank, timeout=3)
    return {}


if __name__ == "__main__":
    plan, port, rank, folder = sys.argv[1:]
    report = globals()[plan](int(port), int(rank), Path(folder))
    sys.stdout.write(f"\nREPORT {json.dumps(report)}\n")
    sys.stdout.flush()
    if plan == "command":
        os._exit(0)  # jax would wait for the dead until their heartbeat is missed
