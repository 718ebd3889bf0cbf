"""One process of `benchmarks.accelerator`; a line [row, figures] for each thing found.

    python -m benchmarks.accelerator_sides JOB

JOB is JSON: "what", "row", "tiny", "precisions" and "done", the rows that are known.
"""

import functools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.synthesis import CASES, Case, widths
from benchmarks.synthesis_sides import (
    Call,
    Inputs,
    Side,
    attempt,
    draw,
    seconds,
    take_turns,
)
from benchmarks.training_cases.steps import finish_torch
from jaxlatent.generators import (
    biggan,
    biggan_deep,
    progan,
    rendered,
    sequential,
    sngan,
    stylegan,
    stylegan2,
    stylegan3,
)
from jaxlatent.generators.base import Generator
from jaxlatent.generators.sequential_layers import Activation, Unflatten
from jaxlatent.generators.sequential_weighted import (
    BatchNorm,
    Linear,
    TransposedConvolution,
)
from jaxlatent.jacobians import View, picture
from jaxlatent.methods import ganspace
from jaxlatent.numerics.decomposition import Estimation
from jaxlatent.numerics.jacobian import gram

MATMUL = {"float32": "highest", "tf32": "tensorfloat32", "bf16": "default"}

BATCHES = (8, 1, 32)

SMALL = {
    "stylegan2": stylegan2.Config(32, widths(32, 1024)),
    "stylegan3": stylegan3.Config(16, (64,) * 4, margin=2),
    "stylegan": stylegan.Config(32, widths(32, 1024)),
    "progan": progan.Config(32, widths(32, 1024)),
    "biggan": biggan.Config((128, 128, 64, 32), 120, 10, attention=(16,)),
    "biggan_deep": biggan_deep.Config(
        (128, 128, 128, 64), (False, True, True), label_dim=10, attention=(1,)
    ),
    "sngan": sngan.Config((128, 64, 32), z_dim=64),
    "sequential": sequential.Config(
        (
            Linear("net.0", 4 * 4 * 64),
            Unflatten("net.1", (4, 4, 64)),
            BatchNorm("net.2"),
            Activation("net.3", "relu"),
            TransposedConvolution("net.4", 32, 4, 2, 1),
            BatchNorm("net.5"),
            Activation("net.6", "relu"),
            TransposedConvolution("net.7", 3, 4, 2, 1),
            Activation("net.8", "tanh"),
        ),
        64,
    ),
    "rendered": rendered.Config(size=32),
}
"""A generator of every family, whose layers are wide enough for rounding to show."""

TINY = {
    name: Case(SMALL[family])
    for name, family in (
        ("stylegan2-256", "stylegan2"),
        ("stylegan2-1024", "stylegan2"),
        ("stylegan3-t-256", "stylegan3"),
        ("stylegan-1024", "stylegan"),
        ("progan-1024", "progan"),
        ("biggan-128", "biggan"),
        ("biggan-deep-128", "biggan_deep"),
        ("biggan-deep-256", "biggan_deep"),
        ("sngan-64", "sngan"),
    )
}

Job = dict[str, Any]
Found = Iterator[tuple[str, Any]]


class Program(NamedTuple):
    """A compiled call, what compiling took, and what the compiler says of memory."""

    call: Call
    figures: dict[str, float]


def cast(tree: Any, precision: str) -> Any:
    """Weights and codes in the type that a precision computes with."""
    if precision != "bf16":
        return tree

    def leaf(array: Any) -> Any:
        array = jnp.asarray(array)
        wide = jnp.issubdtype(array.dtype, jnp.floating)
        return array.astype(jnp.bfloat16) if wide else array

    return jax.tree.map(leaf, tree)


def compiled(function: Callable, precision: str, *given: Any) -> Program:
    """A function of arrays, compiled at a precision."""
    start = time.perf_counter()
    with jax.default_matmul_precision(MATMUL[precision]):
        program = jax.jit(function).lower(*given).compile()
    figures = {"compile_s": time.perf_counter() - start}
    memory = program.memory_analysis()
    if memory is not None:
        figures["temporaries_mib"] = memory.temp_size_in_bytes / 2**20
        figures["arguments_mib"] = memory.argument_size_in_bytes / 2**20
    return Program(lambda: jax.block_until_ready(program(*given)), figures)


def prepared(config: Any, precision: str) -> Generator:
    """A generator with random weights, ready to draw."""
    params = jax.tree.map(jnp.asarray, draw(config))
    prepare = jax.jit(lambda g: g.prepare())
    with jax.default_matmul_precision("highest"):
        return cast(prepare(Generator(params, config)), precision)


def synthesize(generator: Generator, latent: Any, label: Any) -> jax.Array:
    return generator.synthesize(latent, label)


def about(job: Job) -> Found:
    """What card this is, and which versions."""
    device = jax.devices()[0]
    versions = {name: metadata.version(name) for name in ("jax", "torch")}
    card = device.device_kind
    yield job["row"], {"card": card, "platform": device.platform, **versions}


def machine(job: Job) -> Found:
    """What the card reaches, TFLOP/s and GB/s."""
    side, length = (512, 2**22) if job["tiny"] else (8192, 2**28)
    for precision in job["precisions"]:
        x = cast(jnp.ones((side, side)) / side, precision)
        product = compiled(jnp.matmul, precision, x, x)
        product.call()
        took = min(seconds(product.call, 5) for _ in range(3))
        yield f"machine/product/{precision}", {"tflop_s": 2e-12 * side**3 / took}
    copy = compiled(lambda x: x + 1, "float32", jnp.ones(length))
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
    for family, config in SMALL.items():
        row = f"parity/{family}"
        if row in job["done"]:
            continue
        inputs = Inputs(Case(config), 4)
        label = None if inputs.label is None else jnp.asarray(inputs.label)
        right = reference(config, inputs.latent, inputs.label)
        figures = {}
        for precision in job["precisions"]:
            latent = cast(inputs.latent, precision)
            generator = prepared(config, precision)
            program = compiled(synthesize, precision, generator, latent, label)
            found = np.asarray(program.call(), np.float64)
            figures[precision] = float(
                np.abs(found - right).max() / np.abs(right).max()
            )
        yield row, figures


def torch_side(inputs: Inputs, precision: str, *, through: bool) -> Side:
    """The family in PyTorch, on the same device, its kernels in channels-last order."""
    import torch

    cuda = jax.default_backend() == "gpu"
    device = torch.device("cuda" if cuda else "cpu")
    allowed = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed

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
    torch.set_default_device(device)
    if cuda:
        torch.cuda.reset_peak_memory_stats()

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
    return Side(call, time.perf_counter() - start)


def synthesis(job: Job) -> Found:
    """Milliseconds per picture of a case: ours and PyTorch's in turns."""
    case = (TINY if job["tiny"] else CASES)[job["case"]]
    batches = BATCHES[:1] if job["tiny"] else BATCHES
    inputs = {batch: Inputs(case, batch) for batch in batches}
    wanted = [
        (precision, batch)
        for batch in batches
        for precision in job["precisions"]
        if f"{job['row']}/{batch}/{precision}" not in job["done"]
    ]
    generators = {
        precision: prepared(case.config, precision) for precision, _ in wanted
    }

    def build(one: tuple[str, int]) -> Program:
        precision, batch = one
        given = inputs[batch]
        label = None if given.label is None else jnp.asarray(given.label)
        latent = cast(jnp.asarray(given.latent), precision)
        return compiled(synthesize, precision, generators[precision], latent, label)

    gflop = inputs[batches[0]].baseline.operations(case.config) / 1e9
    right = None
    with ThreadPoolExecutor(8) as pool:
        programs = dict(zip(wanted, pool.map(build, wanted), strict=True))
    for (precision, batch), program in programs.items():
        given = inputs[batch]
        through = precision == "tf32" and batch == batches[0]
        names = ["eager", *["compiled"] * through]
        calls, figures = {"ours": program.call}, dict(program.figures)
        for name in names:
            make = functools.partial(
                torch_side, given, precision, through=name == "compiled"
            )
            side, reason = attempt(make, "any")
            if side is None:
                figures[f"{name}_reason"] = reason
            else:
                calls[name] = side.call
                figures[f"{name}_first_s"] = side.compile_s
        right = np.asarray(program.call(), np.float32)
        figures["gflop"] = gflop
        if "eager" in calls:
            theirs = calls["eager"]().float().permute(0, 2, 3, 1).numpy(force=True)
            apart = np.abs(right - theirs).max() / np.abs(theirs).max()
            figures["difference"] = float(apart)
        times = take_turns(calls, 3)
        for name, found in times.items():
            figures[f"{name}_ms"] = 1000 * statistics.median(found) / batch
            if name != "ours":
                ratio = float(np.median(found / times["ours"]))
                figures[f"{name}_ratio"] = ratio
        figures["tflop_s"] = gflop / figures["ours_ms"]
        figures |= torch_memory()
        yield f"{job['row']}/{batch}/{precision}", figures


def torch_memory() -> dict[str, float]:
    """MiB that PyTorch had in use on a GPU at most."""
    torch = sys.modules.get("torch")
    if torch is None or jax.default_backend() != "gpu":
        return {}
    return {"torch_peak_mib": torch.cuda.max_memory_allocated() / 2**20}


def gram_rows(job: Job) -> Found:
    """The Gram matrix of one latent: seconds, and how far from float32's."""
    case = (TINY if job["tiny"] else CASES)["stylegan2-1024"]
    inputs = Inputs(case, 1)
    gflop = inputs.baseline.operations(case.config) / 1e9
    right = None
    generator = prepared(case.config, "float32")
    view = View(size=case.config.resolution)
    given = picture(generator, jnp.asarray(inputs.latent[0]), view, space="w")
    for precision in job["precisions"]:
        tangents = jnp.bfloat16 if precision == "bf16" else None

        def matrix(given: Any, tangents: Any = tangents) -> jax.Array:
            return gram(given, given.origin, chunk=8, tangents=tangents)

        program = compiled(matrix, precision, given)
        found = np.asarray(program.call(), np.float64)
        right = found if right is None else right
        took = min(seconds(program.call) for _ in range(2))
        useful = gflop * (inputs.config.w_dim + 1)
        yield (
            f"gram/stylegan2-1024/{precision}",
            {
                **program.figures,
                "seconds": took,
                "tflop_s": useful / took / 1000,
                "difference": float(
                    np.linalg.norm(found - right) / np.linalg.norm(right)
                ),
            },
        )


def ganspace_row(job: Job) -> Found:
    """Seconds of GANSpace of w, with compiling and without."""
    samples = 20_000 if job["tiny"] else 1_000_000
    config = (TINY if job["tiny"] else CASES)["stylegan2-256"].config
    generator = prepared(config, "float32")

    def discover() -> Any:
        estimation = Estimation(k=80)
        return ganspace.discover(
            generator, key=jax.random.key(0), samples=samples, estimation=estimation
        )

    first, again = seconds(discover), seconds(discover)
    yield (
        job["row"],
        {"first_s": first, "seconds": again, "codes_per_s": samples / again},
    )


WORK: dict[str, Callable[[Job], Found]] = {
    "about": about,
    "machine": machine,
    "parity": parity,
    "synthesis": synthesis,
    "gram": gram_rows,
    "ganspace": ganspace_row,
}


def main() -> None:
    job = {"done": [], **json.loads(sys.argv[1])}
    for row, figures in WORK[job["what"]](job):
        print(json.dumps([row, figures]), flush=True)


if __name__ == "__main__":
    main()
