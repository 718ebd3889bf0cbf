"""Warped paths beside the original's way to compute them, as one JSON object.

    python -m benchmarks.rbf [--rounds 5] [--tiny] [--allocator default|keep]

"field": directions at B = 8 codes of 200 paths with 1024 support vectors in 512
dimensions. PyTorch's side is the original's form, one-hot rows times all support
vectors; "gathered" is the same with the rows looked up.

"traversal": 64 paths with 256 support vectors in 128 dimensions from 4 codes, 32 steps,
16 to each side. PyTorch's side is the original's loop, one code, path and step at a
time; ours is `evaluation.paths.follow_paths`.

Seconds are medians over the rounds, in turns in one process; "difference" is the
largest of any number. "cpu" is the processor time of all threads, which a busy machine
changes less.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.synthesis import ALLOCATORS, run
from jaxlatent.edits.rbf import RBFField, rbf_field, unit_gradient
from jaxlatent.evaluation.paths import follow_paths, path_strengths

STEP = 0.2


def made(paths: int, supports: int, dimension: int) -> RBFField:
    """Dipoles of the original's radii."""
    rng = np.random.default_rng(0)
    halves = rng.standard_normal((paths, supports // 2, dimension), np.float32)
    halves /= np.linalg.norm(halves, axis=-1, keepdims=True)
    halves *= (1 + 3 * np.arange(paths, dtype=np.float32) / paths)[:, None, None]
    both = np.stack([halves, -halves], axis=2).reshape(paths, supports, dimension)
    weights = np.tile(np.float32([1, -1]), (paths, supports // 2))
    scales = np.full(paths, 1 / dimension, np.float32)
    return rbf_field(both, weights, scales, space="z", step=STEP)


class Original:
    """The original's field: rows are chosen by a product with one-hot rows."""

    def __init__(self, field: RBFField) -> None:
        import torch

        self.count, self.width, self.dimension = field.supports.shape
        flat = np.array(field.supports).reshape(self.count, -1)
        self.supports = torch.tensor(flat)
        self.weights = torch.tensor(np.array(field.weights))
        self.logarithms = torch.log(torch.tensor(np.array(field.scales)))[:, None]

    def one_hot(self, codes: Any, index: Any) -> Any:
        """Directions [B, D] at codes [B, D]."""
        import torch

        mask = torch.nn.functional.one_hot(index, self.count).float()
        return self._field(
            codes, mask @ self.supports, mask @ self.weights, mask @ self.logarithms
        )

    def gathered(self, codes: Any, index: Any) -> Any:
        """The same, of rows that are looked up."""
        parts = (self.supports, self.weights, self.logarithms)
        return self._field(codes, *(one[index] for one in parts))

    def _field(self, codes: Any, supports: Any, weights: Any, logarithms: Any) -> Any:
        supports = supports.reshape(len(codes), self.width, self.dimension)
        gammas = logarithms.exp()[:, :, None]
        away = codes[:, None] - supports
        heights = (-gammas * away.norm(dim=2, keepdim=True) ** 2).exp()
        slope = -2 * (weights[:, :, None] * gammas * heights * away).sum(dim=1)
        return slope / slope.norm(dim=1, keepdim=True)

    def traversal(self, codes: Any, steps: int) -> Any:
        """[K, N, 2 T + 1, D], step by step."""
        import torch

        found = torch.zeros(self.count, len(codes), 2 * steps + 1, codes.shape[1])
        for number in range(len(codes)):
            for path in range(self.count):
                index = torch.tensor([path])
                for sign in (1, -1):
                    code = codes[number : number + 1].clone()
                    found[path, number, steps] = code[0]
                    for step in range(1, steps + 1):
                        code = code + sign * STEP * self.one_hot(code, index)
                        found[path, number, steps + sign * step] = code[0]
        return found


def field_sides(tiny: bool) -> dict[str, Callable[[], Any]]:
    """The field alone."""
    import torch

    field = made(*(20, 16, 8) if tiny else (200, 1024, 512))
    rng = np.random.default_rng(1)
    codes = rng.standard_normal((8, field.dimension), np.float32)
    index = rng.integers(0, len(field), 8).astype(np.int32)

    def ours(field: RBFField, codes: Any, index: Any) -> Any:
        rows = (field.supports[index], field.weights[index], field.scales[index])
        return jax.vmap(unit_gradient)(codes, *rows)

    program, given = jax.jit(ours), jax.device_put((field.rename({}), codes, index))
    original, there = Original(field), (torch.tensor(codes), torch.tensor(index).long())
    return {
        "ours": lambda: np.asarray(program(*given)),
        "original": lambda: original.one_hot(*there).numpy(),
        "gathered": lambda: original.gathered(*there).numpy(),
    }


def traversal_sides(tiny: bool) -> dict[str, Callable[[], Any]]:
    """All paths from all codes."""
    import torch

    field = made(*(4, 16, 8) if tiny else (64, 256, 128))
    codes = np.random.default_rng(1).standard_normal((4, field.dimension), np.float32)
    original, strengths = Original(field), path_strengths(STEP, field.steps)
    return {
        "ours": lambda: follow_paths(field, codes, strengths),
        "original": lambda: original.traversal(
            torch.tensor(codes), field.steps
        ).numpy(),
    }


def measured(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Seconds of every side, and how far it is from ours."""
    outcomes = {name: side() for name, side in sides.items()}
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            side()
            ends = time.perf_counter() - wall, time.process_time() - cpu
            spent[name].append(ends)
    found: dict[str, Any] = {}
    for name, pairs in spent.items():
        wall, cpu = np.median(pairs, axis=0)
        difference = np.abs(outcomes[name] - outcomes["ours"]).max()
        ratios = np.divide(pairs, spent["ours"])[:, 0]
        found[name] = {
            "seconds": wall,
            "cpu": cpu,
            "difference": float(difference),
            "over_ours": float(np.median(ratios)),
        }
    return found


def child(job: dict[str, Any]) -> dict[str, Any]:
    """Both cases, in a process of its own."""
    import torch

    with torch.no_grad():
        return {
            "field": measured(field_sides(job["tiny"]), job["rounds"]),
            "traversal": measured(traversal_sides(job["tiny"]), job["rounds"]),
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of every side")
    parser.add_argument("--tiny", action="store_true", help="a rehearsal")
    parser.add_argument("--allocator", choices=ALLOCATORS, default="keep")
    parser.add_argument("job", nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(child(json.loads(options.job))))
        return
    job = {"rounds": options.rounds, "tiny": options.tiny}
    found = run(job, options.allocator, module="benchmarks.rbf")
    print(
        json.dumps(
            {"allocator": options.allocator, "load": os.getloadavg()[0], **found}
        )
    )


if __name__ == "__main__":
    main()
