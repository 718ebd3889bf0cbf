"""The process of `benchmarks.accelerator`; a line for every row.

    python -m benchmarks.accelerator_sides JOB

JOB is JSON: "shares" of the time by section, "until" when, in seconds of the system's
clock, "folder", "precisions" and "tiny".
"""

import datetime
import functools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator_cases import SMALL, SYNTHESIS, TINY
from benchmarks.accelerator_programs import (
    MATMUL,
    Program,
    cast,
    compiled,
    prepared,
    programs,
    synthesize,
    together,
)
from benchmarks.synthesis import CASES, Case
from benchmarks.synthesis_sides import (
    Inputs,
    Side,
    attempt,
    draw,
    seconds,
    take_turns,
)
from benchmarks.training_cases import CASES as TRAINING
from benchmarks.training_cases import make
from benchmarks.training_cases.steps import finish_torch
from benchmarks.training_sides import compare, set_torch
from jaxlatent.files import atomic_write
from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import View, picture
from jaxlatent.methods import ganspace
from jaxlatent.numerics.decomposition import Estimation
from jaxlatent.numerics.jacobian import gram

BATCH = 8
"""Pictures at once of the section synthesis."""

Job = dict[str, Any]
Found = Iterator[tuple[str, Any]]
"""Rows and their figures; or in words, why there are none."""


class Results:
    """The rows of a card and day, in a file that is always whole."""

    def __init__(self, job: Job) -> None:
        device = jax.devices()[0]
        self.about = {
            "card": device.device_kind,
            "platform": device.platform,
            **{name: metadata.version(name) for name in ("jax", "torch")},
            "tiny": job["tiny"],
            "date": datetime.date.today().isoformat(),
        }
        card = "-".join(device.device_kind.lower().replace("/", " ").split())
        name = f"{card}{'-tiny' * job['tiny']}-{self.about['date']}"
        folder = Path(job["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.json"
        self.rows: dict[str, Any] = {}
        if self.path.exists():
            self.rows = json.loads(self.path.read_text())["rows"]
        self.failed: dict[str, str] = {}

    def add(self, row: str, figures: dict[str, Any] | str) -> None:
        if isinstance(figures, str):
            self.failed[row] = figures
        else:
            self.rows[row] = figures
        content = {**self.about, "rows": self.rows, "failed": self.failed}
        atomic_write(self.path, (json.dumps(content, indent=1) + "\n").encode())


def groups(job: Job, names: Iterable[str], size: int = 3) -> Iterator[list[str]]:
    """Some names at a time, while the section has time left."""
    every = list(names)
    for start in range(0, len(every), size):
        if time.time() < job["section_until"]:
            yield every[start : start + size]


def machine(job: Job) -> Found:
    """What the card reaches, TFLOP/s and GB/s."""
    side, length = (512, 2**22) if job["tiny"] else (8192, 2**28)
    for precision in job["precisions"]:
        x = cast(jax.random.normal(jax.random.key(0), (side, side)), precision)
        product = compiled(jnp.matmul, precision, x, x)
        product.call()
        took = min(seconds(product.call, 5) for _ in range(3))
        yield f"machine/product/{precision}", {"tflop_s": 2e-12 * side**3 / took}
    line = jax.random.normal(jax.random.key(0), (length,))
    copy = compiled(lambda x: x + 1, "float32", line)
    copy.call()
    took = min(seconds(copy.call, 5) for _ in range(3))
    yield "machine/copy", {"gb_s": 8e-9 * length / took}
    if jax.default_backend() == "gpu":
        asked = ["nvidia-smi", "--query-gpu=driver_version,power.limit", "--format=csv"]
        said = subprocess.run(asked, capture_output=True, text=True).stdout
        yield "machine/driver", {"said": said.splitlines()[-1:]}


def reference(config: Any, latent: np.ndarray, label: Any) -> np.ndarray:
    """The pictures in float64, on the CPU."""
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        params = jax.tree.map(lambda x: jnp.asarray(x, wide(x)), draw(config))
        call = jax.jit(synthesize)
        given = jnp.asarray(latent, jnp.float64), label
        with jax.default_matmul_precision("highest"):
            return np.asarray(call(Generator(params, config), *given))


def wide(array: np.ndarray) -> Any:
    """float64 for what is floating."""
    return np.float64 if np.issubdtype(array.dtype, np.floating) else array.dtype


def parity(job: Job) -> Found:
    """Largest error of every family, over the largest pixel."""
    missing = [name for name in SMALL if f"parity/{name}" not in job["done"]]
    for families in groups(job, missing, 5):
        plans = {}
        for family in families:
            inputs = Inputs(Case(SMALL[family]), 4)
            given = inputs.config, inputs.latent, inputs.label
            plans[family, "right"] = functools.partial(reference, *given)
            plans[family, "found"] = functools.partial(
                programs, inputs, job["precisions"]
            )
        made = together(plans)
        for family in families:
            right, found = made[family, "right"], made[family, "found"]
            if isinstance(right, str) or isinstance(found, str):
                reasons = [each for each in (right, found) if isinstance(each, str)]
                yield f"parity/{family}", "; ".join(reasons)
                continue
            figures = {}
            for precision, program in found.items():
                if isinstance(program, str):
                    figures[f"{precision}_reason"] = program
                    continue
                apart = np.abs(np.asarray(program.call(), np.float64) - right).max()
                figures[precision] = float(apart / np.abs(right).max())
            yield f"parity/{family}", figures


def torch_side(inputs: Inputs, precision: str, *, through: bool) -> Side:
    """The family in PyTorch, on the same device, its kernels in channels-last order."""
    import torch

    cuda = jax.default_backend() == "gpu"
    device = torch.device("cuda" if cuda else "cpu")
    set_torch(tf32=precision == "tf32")

    def moved(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        order = torch.channels_last if leaf.ndim == 4 else torch.preserve_format
        kind = torch.bfloat16 if precision == "bf16" else leaf.dtype
        kind = kind if leaf.is_floating_point() else leaf.dtype
        return leaf.to(device, kind, memory_format=order)

    config, baseline = inputs.config, inputs.baseline
    weights = jax.tree.map(moved, baseline.load(inputs.params, config))
    latent = moved(torch.from_numpy(inputs.latent))
    label = None if inputs.label is None else moved(torch.from_numpy(inputs.label))

    def run(weights: Any, latent: Any, label: Any) -> Any:
        return baseline.synthesize(weights, config, latent, label)

    draw = torch.compile(run, dynamic=False) if through else run

    @torch.no_grad()
    def call() -> Any:
        pictures = draw(weights, latent, label)
        finish_torch()
        return pictures

    start = time.perf_counter()
    call()
    took = time.perf_counter() - start
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    return Side(call, took)


def synthesis(job: Job) -> Found:
    """Milliseconds per picture of all cases: ours and PyTorch's in turns."""
    yield from pictures(job, BATCH, job["precisions"], "eager")


def batches(job: Job) -> Found:
    """Other numbers of pictures, and PyTorch compiled."""
    yield from pictures(job, BATCH, ("tf32",), "compiled")
    for batch in (1, 32) if not job["tiny"] else ():
        yield from pictures(job, batch, job["precisions"], "eager")


def pictures(job: Job, batch: int, precisions: Iterable[str], other: str) -> Found:
    """One batch size, beside PyTorch "eager" or "compiled"."""
    ending = "" if other == "eager" else f"/{other}"
    for names in groups(job, SYNTHESIS):
        wanted: dict[str, dict[str, str]] = {}
        for name in names:
            rows = {p: f"synthesis/{name}/{batch}/{p}{ending}" for p in precisions}
            rows = {p: row for p, row in rows.items() if row not in job["done"]}
            if rows:
                wanted[name] = rows
        cases = TINY if job["tiny"] else CASES
        inputs = {name: Inputs(cases[name], batch) for name in wanted}
        made = together(
            {n: functools.partial(programs, inputs[n], wanted[n]) for n in wanted}
        )
        for name, rows in wanted.items():
            for precision, row in rows.items():
                found = made[name]
                program = found if isinstance(found, str) else found[precision]
                if isinstance(program, str):
                    yield row, program
                else:
                    yield row, beside_torch(program, inputs[name], precision, other)


def beside_torch(
    program: Program, inputs: Inputs, precision: str, other: str
) -> dict[str, Any]:
    """Figures of one row of synthesis."""
    batch = len(inputs.latent)
    gflop = inputs.baseline.operations(inputs.config) / 1e9
    figures: dict[str, Any] = {**program.figures, "gflop": gflop}
    calls = {"ours": program.call}
    through = other == "compiled"
    make = functools.partial(torch_side, inputs, precision, through=through)
    side, reason = attempt(make, "any")
    if side is None:
        figures[f"{other}_reason"] = reason
    else:
        calls[other] = side.call
        figures[f"{other}_first_s"] = side.compile_s
        ours = np.asarray(program.call(), np.float32)
        theirs = side.call().float().permute(0, 2, 3, 1).numpy(force=True)
        apart = np.abs(ours - theirs).max() / np.abs(theirs).max()
        figures["difference"] = float(apart)
    times = take_turns(calls, 3)
    for name, found in times.items():
        figures[f"{name}_ms"] = 1000 * statistics.median(found) / batch
    if other in times:
        figures[f"{other}_ratio"] = float(np.median(times[other] / times["ours"]))
    figures["tflop_s"] = gflop / figures["ours_ms"]
    return figures | torch_memory()


def torch_memory() -> dict[str, float]:
    """MiB that PyTorch had in use on a GPU at most."""
    torch = sys.modules.get("torch")
    if torch is None or jax.default_backend() != "gpu":
        return {}
    return {"torch_peak_mib": torch.cuda.max_memory_allocated() / 2**20}


def gram_rows(job: Job) -> Found:
    """The Gram matrix of one latent: seconds, and how far from float32's."""
    rows = {f"gram/stylegan2-1024/{each}": each for each in job["precisions"]}
    if rows.keys() <= job["done"]:
        return
    case = (TINY if job["tiny"] else CASES)["stylegan2-1024"]
    inputs = Inputs(case, 1)
    gflop = inputs.baseline.operations(case.config) / 1e9
    view = View(size=case.config.resolution)
    latent = jnp.asarray(inputs.latent[0])
    given = picture(prepared(case.config), latent, view, space="w")

    def build(precision: str) -> Program:
        tangents = jnp.bfloat16 if precision == "bf16" else None

        def matrix(given: Any) -> jax.Array:
            return gram(given, given.origin, chunk=8, tangents=tangents)

        return compiled(matrix, precision, given)

    made = together({row: functools.partial(build, rows[row]) for row in rows})
    right = None
    for row, program in made.items():
        if isinstance(program, str):
            yield row, program
            continue
        found = np.asarray(program.call(), np.float64)
        right = found if right is None else right
        took = min(seconds(program.call) for _ in range(2))
        apart = np.linalg.norm(found - right) / np.linalg.norm(right)
        useful = gflop * (inputs.config.w_dim + 1)
        figures = {"seconds": took, "tflop_s": useful / took / 1000}
        yield row, {**program.figures, **figures, "difference": float(apart)}


def ganspace_row(job: Job) -> Found:
    """Seconds of GANSpace of w, with compiling and without."""
    if "ganspace" in job["done"]:
        return
    samples = 20_000 if job["tiny"] else 1_000_000
    generator = prepared((TINY if job["tiny"] else CASES)["stylegan2-256"].config)

    def discover() -> Any:
        estimation = Estimation(k=80)
        return ganspace.discover(
            generator, key=jax.random.key(0), samples=samples, estimation=estimation
        )

    first, again = seconds(discover), seconds(discover)
    rate = samples / again
    yield "ganspace", {"first_s": first, "seconds": again, "codes_per_s": rate}


def training(job: Job) -> Found:
    """Steps of the learned methods per second, beside PyTorch's."""
    names = ("warped-sngan-mnist",) if job["tiny"] else TRAINING
    for precision in ("tf32", "float32"):
        for some in groups(job, names):
            rows = {f"training/{name}/{precision}": name for name in some}
            rows = {row: rows[row] for row in rows if row not in job["done"]}
            cases = {row: make(rows[row], 2 if job["tiny"] else None) for row in rows}

            def build(row: str, cases: Any = cases, precision: str = precision) -> Side:
                with jax.default_matmul_precision(MATMUL[precision]):
                    return cases[row].makers()["ours"]()()

            built = together({row: functools.partial(build, row) for row in rows})
            set_torch(tf32=precision == "tf32")
            for row, side in built.items():
                if isinstance(side, str):
                    yield row, side
                    continue
                makers = cases[row].makers()
                builds = {
                    "ours": lambda side=side: side,
                    "eager": lambda makers=makers: makers["eager"]()(),
                }
                figures = compare(cases[row], builds, 3)
                yield row, {**figures, "compile_s": side.compile_s}


WORK: dict[str, Callable[[Job], Found]] = {
    "machine": machine,
    "parity": parity,
    "synthesis": synthesis,
    "gram": gram_rows,
    "ganspace": ganspace_row,
    "training": training,
    "batches": batches,
}


def main() -> None:
    job = json.loads(sys.argv[1])
    results = Results(job)
    print(f"file {results.path}", flush=True)
    job["done"] = set(results.rows)
    shares: dict[str, float] = job["shares"]
    while shares:
        section = next(iter(shares))
        part = shares[section] / sum(shares.values())
        del shares[section]
        job["section_until"] = time.time() + part * (job["until"] - time.time())
        print(f"section {section}", flush=True)
        for row, figures in WORK[section](job):
            results.add(row, figures)
            print(row, json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
