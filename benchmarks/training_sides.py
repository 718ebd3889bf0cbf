"""One process of `benchmarks.training`: both frameworks' steps, timed in turns.

    python -m benchmarks.training_sides JOB

JOB is JSON: "case", "batch", "precision", and either "memory", the one side whose
memory is wanted, or "sides" and "rounds". The last line is JSON.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.synthesis_sides import Side, attempt, forget, resident, take_turns
from benchmarks.training_cases import Case, make


def timing(job: dict[str, Any]) -> dict[str, Any]:
    """Figures of all sides."""
    case = make(job["case"], job["batch"])
    makers = case.makers()
    builds = {
        name: lambda name=name: makers[name]()()
        for name in job["sides"]
        if name in makers
    }
    return compare(case, builds, job["rounds"])


def compare(
    case: Case, builds: dict[str, Callable[[], Side]], rounds: int
) -> dict[str, Any]:
    """Figures of the sides of a case, given what builds them."""
    sides, first = {}, {}
    result: dict[str, Any] = {"batch": case.batch}
    for name, make_side in builds.items():

        def build(name: str = name, make_side: Callable[[], Side] = make_side) -> Side:
            side = make_side()
            first[name] = case.outcome(name, side.call())
            return side

        side, reason = attempt(build, name)
        if side is None:
            result[name] = {"steps_per_s": None, "reason": reason}
        else:
            sides[name] = side.call
    times = take_turns(sides, rounds)
    times = {name: found / case.steps(name) for name, found in times.items()}
    for name, found in times.items():
        result[name] = {
            "steps_per_s": float(1 / np.median(found)),
            "range": [float(1 / f(found)) for f in (np.max, np.min)],
        }
        for other in ("ours", "block"):
            if other in times and other != name:
                ratio = float(np.median(found / times[other]))
                result[f"{name}_over_{other}"] = ratio
        if name in ("eager", "compiled") and first[name] and first.get("ours"):
            (loss, gradient), (their_loss, theirs) = first["ours"], first[name]
            apart = np.linalg.norm(gradient - theirs) / np.linalg.norm(theirs)
            result[name]["difference"] = {
                "loss": abs(loss - their_loss) / abs(their_loss),
                "gradient": float(apart),
            }
    return result


def memory(job: dict[str, Any]) -> dict[str, Any]:
    """Memory and compile time of one side, alone in its process."""
    loaded = 0.0

    def make_side() -> Side:
        nonlocal loaded
        case = make(job["case"], job["batch"])
        maker = case.makers().get(job["memory"])
        del case
        if maker is None:
            raise ValueError("the case has no such side")
        build = maker()
        del maker
        loaded = resident()
        return build()

    side, reason = attempt(make_side, job["memory"])
    if side is None:
        return {"peak_mib": None, "reason": reason}
    side.call()
    result = {
        "loaded_mib": loaded,
        "peak_mib": resident("VmHWM"),
        "compile_s": side.compile_s,
    }
    result |= device_memory()
    forgotten = forget()
    side.call()
    return result | {"warm_peak_mib": resident("VmHWM") if forgotten else None}


def device_memory() -> dict[str, float]:
    """MiB at most in use on a GPU, by the framework that runs here; {} on CPUs."""
    if jax.default_backend() == "cpu":
        return {}
    stats = jax.devices()[0].memory_stats() or {}
    used = stats.get("peak_bytes_in_use", 0)
    if "torch" in sys.modules:
        used = max(used, sys.modules["torch"].cuda.max_memory_allocated())
    return {"device_peak_mib": used / 2**20}


def set_up(job: dict[str, Any]) -> None:
    """Both frameworks on the same device, with the same precision of products."""
    tf32 = job["precision"] == "tf32"
    jax.config.update(
        "jax_default_matmul_precision", "tensorfloat32" if tf32 else "highest"
    )
    if job.get("memory") in ("ours", "block"):
        return
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    set_torch(tf32=tf32)


def set_torch(*, tf32: bool) -> None:
    """PyTorch on our device, its convolutions chosen by trial as XLA's are."""
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    # a trial of all of them takes seconds for a network
    torch.backends.cudnn.benchmark_limit = 3
    if jax.default_backend() == "gpu":
        torch.set_default_device("cuda")


def main() -> None:
    job = json.loads(sys.argv[1])
    set_up(job)
    print(json.dumps((memory if "memory" in job else timing)(job)))


if __name__ == "__main__":
    main()
