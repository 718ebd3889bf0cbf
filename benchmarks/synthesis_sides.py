"""One process of `benchmarks.synthesis`: both frameworks' sides, timed in turns.

    python -m benchmarks.synthesis_sides JOB

JOB is JSON: "case", "batch", "original", and either "memory", the one side whose memory
and compile time are wanted, or "sides" and "rounds". The last line is JSON.
"""

import functools
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from benchmarks.synthesis import CASES, Case
from jaxlatent.generators.base import Generator, family_module, family_name

SQUARES = ((512, 32), (256, 64), (128, 128), (64, 256))
"""Channels and side of the single 3 x 3 convolutions, of 4.8 GFLOP each."""

TURN = 0.2
"""Seconds that one side's turn in a round should take at least, if calls are short."""

Call = Callable[[], Any]


class Side(NamedTuple):
    """A call that makes pictures [N, H, W, C], and the seconds its compilation took."""

    call: Call
    compile_s: float | None = None


def draw(config: Any, seed: int = 0) -> Any:
    """NumPy parameters of a generator; see `draw_like`."""
    init = family_module(family_name(config)).init
    return draw_like(lambda: init(jax.random.key(0), config), seed)


def draw_like(build: Callable[[], Any], seed: int = 0) -> Any:
    """NumPy parameters like those of `build`, normal at the fan-in's scale.

    Variances and magnitudes are their absolute values and one more, filters positive.
    """
    rng = np.random.default_rng(seed)

    def leaf(path: tuple[Any, ...], shape: jax.ShapeDtypeStruct) -> np.ndarray:
        values = rng.standard_normal(shape.shape, np.float32)
        values *= np.float32(np.prod(shape.shape[:-1]) ** -0.5)
        name = str(path[-1])
        if "_filter" in name:
            return np.abs(values) / np.abs(values).sum()
        return 1 + np.abs(values) if "_var" in name or "_ema" in name else values

    return jax.tree_util.tree_map_with_path(leaf, jax.eval_shape(build))


class Inputs:
    """What all sides are given: weights, latents and labels."""

    def __init__(self, case: Case, batch: int) -> None:
        config = case.config
        self.config = config
        self.params = draw(config)
        rng = np.random.default_rng(1)
        self.latent = rng.standard_normal((batch, config.w_dim), np.float32)
        classes = config.label_dim
        self.label = np.arange(batch) % classes if classes else None

    @property
    def baseline(self) -> ModuleType:
        """The family in PyTorch."""
        name = family_name(self.config)
        return importlib.import_module(f"benchmarks.torch_baseline.{name}")


def ours(inputs: Inputs) -> Callable[[], Side]:
    params = jax.tree.map(jax.numpy.asarray, inputs.params)
    generator = jax.jit(lambda g: g.prepare())(Generator(params, inputs.config))
    synthesize = jax.jit(lambda g, latent, label: g.synthesize(latent, label))
    arguments = jax.block_until_ready(
        (generator, *jax.tree.map(jax.numpy.asarray, (inputs.latent, inputs.label)))
    )

    def build() -> Side:
        start = time.perf_counter()
        program = synthesize.lower(*arguments).compile()
        seconds = time.perf_counter() - start
        return Side(lambda: jax.block_until_ready(program(*arguments)), seconds)

    return build


def eager(inputs: Inputs, *, compiled: bool = False) -> Callable[[], Side]:
    import torch

    baseline, config = inputs.baseline, inputs.config
    arguments = (
        baseline.load(inputs.params, config),
        torch.from_numpy(inputs.latent),
        None if inputs.label is None else torch.from_numpy(inputs.label),
    )

    def synthesize(weights: Any, latent: Any, label: Any) -> torch.Tensor:
        return baseline.synthesize(weights, config, latent, label)

    run = torch.compile(synthesize, dynamic=False) if compiled else synthesize

    @torch.no_grad()
    def call() -> torch.Tensor:
        return run(*arguments).permute(0, 2, 3, 1)

    def build() -> Side:
        if not compiled:
            return Side(call)
        start = time.perf_counter()
        call()
        first = time.perf_counter()
        call()
        return Side(call, 2 * first - start - time.perf_counter())

    return build


def original(inputs: Inputs, path: str) -> Callable[[], Side]:
    """NVlabs' own synthesis network, with our weights."""
    import torch

    from benchmarks.torch_baseline.layers import to_torch

    config = inputs.config
    sys.path.insert(0, path)
    network = importlib.import_module("training.networks").SynthesisNetwork(
        w_dim=config.w_dim,
        img_resolution=config.resolution,
        img_channels=config.image_channels,
        channel_base=config.channels[-1] * config.resolution,
        channel_max=max(config.channels),
    )
    tensors = flatten_dict(to_torch(inputs.params["synthesis"]), sep=".")
    tensors["b4.const"] = tensors["b4.const"][0]
    missing, unknown = network.eval().load_state_dict(tensors, strict=False)
    assert not unknown
    assert all(name.endswith("resample_filter") for name in missing)
    w = torch.from_numpy(inputs.latent)[:, None].repeat(1, config.num_layers, 1)

    @torch.no_grad()
    def call() -> torch.Tensor:
        return network(w, noise_mode="const", force_fp32=True).permute(0, 2, 3, 1)

    return lambda: Side(call)


def makers(path: str | None) -> dict[str, Callable[[Inputs], Callable[[], Side]]]:
    return {
        "ours": ours,
        "eager": eager,
        "compiled": functools.partial(eager, compiled=True),
        "original": functools.partial(original, path=path or ""),
    }


def convolutions() -> dict[str, Call]:
    """Single convolutions of both frameworks, by name."""
    import torch

    rng = np.random.default_rng(2)
    calls: dict[str, Call] = {}
    run = jax.jit(
        functools.partial(
            jax.lax.conv_general_dilated,
            window_strides=(1, 1),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
    )
    for channels, side in SQUARES:
        x = rng.standard_normal((1, side, side, channels), np.float32)
        kernel = rng.standard_normal((3, 3, channels, channels), np.float32)
        here = jax.numpy.asarray(x), jax.numpy.asarray(kernel)
        there = (
            torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2))),
            torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))),
        )
        shape = f"{channels} x {side} x {side}"
        calls[f"jax {shape}"] = lambda given=here: jax.block_until_ready(run(*given))
        calls[f"torch {shape}"] = lambda given=there: torch.conv2d(*given, padding=1)
    return calls


def seconds(call: Call, repeats: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def take_turns(calls: dict[str, Call], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of every call in every round; each second round runs backwards."""
    repeats = {}
    for name, call in calls.items():
        call()
        repeats[name] = max(1, round(TURN / seconds(call)))
    found: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(rounds):
        for name in list(calls)[:: -1 if index % 2 else 1]:
            found[name].append(seconds(calls[name], repeats[name]))
    return {name: np.array(times) for name, times in found.items()}


def attempt(make: Callable[[], Side], name: str) -> tuple[Side | None, str | None]:
    """A side, or why there is none; ours and the eager one must not fail."""
    if name in ("ours", "eager"):
        return make(), None
    try:
        return make(), None
    except (ImportError, OSError, RuntimeError) as error:
        return None, f"{type(error).__name__}: {error}"[:500]


def timing(job: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Figures of all sides, and of the fastest convolution."""
    batch = job["batch"]
    gflop = inputs.baseline.operations(inputs.config) / 1e9
    made = makers(job["original"])
    sides, result = {}, {"gflop": gflop}
    for name in job["sides"]:
        side, reason = attempt(lambda name=name: made[name](inputs)(), name)
        if side is None:
            result[name] = {"ms": None, "reason": reason}
        else:
            sides[name] = side.call
    pictures = {name: np.asarray(call()) for name, call in sides.items()}
    times = take_turns(sides | convolutions(), job["rounds"])
    work = 2 * 9e-9 * SQUARES[0][0] ** 2 * SQUARES[0][1] ** 2
    rates = {
        name: work / statistics.median(times[name]) for name in times.keys() - sides
    }
    fastest = max(rates, key=lambda name: rates[name])
    result["convolution"] = {"shape": fastest, "gflop_s": rates[fastest]}
    for name in sides:
        per_image = 1000 * times[name] / batch
        middle = float(np.median(per_image))
        result[name] = {
            "ms": middle,
            "range_ms": [float(per_image.min()), float(per_image.max())],
            "gflop_s": 1000 * gflop / middle,
            "share": 1000 * gflop / middle / rates[fastest],
        }
        if name != "ours":
            ratio = float(np.median(times[name] / times["ours"]))
            result[f"{name}_over_ours"] = ratio
            apart = np.abs(pictures[name] - pictures["ours"]).max()
            largest = np.abs(pictures["ours"]).max()
            result[name]["difference"] = float(apart / largest)
    return result


def resident(field: str = "VmRSS") -> float:
    """Resident memory, MiB; of the field VmHWM, its peak since `forget`."""
    with open("/proc/self/status") as file:
        (found,) = (line.split()[1] for line in file if line.startswith(field))
    return int(found) / 1024


def forget() -> bool:
    """Begin the peak of the resident memory anew, where the system allows it."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def memory(job: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """Memory and compile time of one side, alone in its process."""
    name, loaded = job["memory"], 0.0

    def make() -> Side:
        nonlocal loaded
        build = makers(job["original"])[name](inputs)
        del inputs.params
        loaded = resident()
        return build()

    side, reason = attempt(make, name)
    if side is None:
        return {"peak_mib": None, "reason": reason}
    side.call()
    result = {
        "loaded_mib": loaded,
        "peak_mib": resident("VmHWM"),
        "compile_s": side.compile_s,
    }
    forgotten = forget()
    side.call()
    return result | {"warm_peak_mib": resident("VmHWM") if forgotten else None}


def main() -> None:
    job = json.loads(sys.argv[1])
    if job.get("memory") != "ours":
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
    inputs = Inputs(CASES[job["case"]], job["batch"])
    print(json.dumps((memory if "memory" in job else timing)(job, inputs)))


if __name__ == "__main__":
    main()
