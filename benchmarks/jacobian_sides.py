"""One process of `benchmarks.jacobian`: columns in turns, or robust PCA.

    python -m benchmarks.jacobian_sides JOB

JOB is JSON: "what" and the options of `benchmarks.jacobian`. The last line is JSON.
"""

import functools
import json
import os
import statistics
import sys
from typing import Any

import jax
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.synthesis import CASES
from benchmarks.synthesis_sides import (
    SQUARES,
    Call,
    Inputs,
    convolutions,
    ours,
    take_turns,
)
from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import picture
from jaxlatent.numerics.jacobian import pushforward
from jaxlatent.numerics.robust_pca import robust_pca


def our_columns(inputs: Inputs, chunk: int, count: int) -> Call:
    """Our way: `count` columns, `chunk` at a time."""
    params = jax.tree.map(jax.numpy.asarray, inputs.params)
    generator = jax.jit(lambda g: g.prepare())(Generator(params, inputs.config))
    given = picture(generator, inputs.latent[0], space="w")
    vectors = jax.numpy.eye(given.origin.size)[:count]
    push = jax.jit(functools.partial(pushforward, chunk=chunk))
    program = push.lower(given, given.origin, vectors).compile()
    return lambda: jax.block_until_ready(program(given, given.origin, vectors))


def torch_calls(inputs: Inputs, chunks: list[int], rows: int) -> dict[str, Call]:
    """PyTorch's ways by name; calls of `chunk` columns, of linearising, of rows."""
    import torch

    weights = inputs.baseline.load(inputs.params, inputs.config)
    latent = torch.from_numpy(inputs.latent[0])

    def draw(w: torch.Tensor) -> torch.Tensor:
        return inputs.baseline.synthesize(
            weights, inputs.config, w[None], functional=True
        )[0]

    _, linear = torch.func.linearize(draw, latent)
    push = torch.func.vmap(linear)
    jvp = torch.func.vmap(lambda v: torch.func.jvp(draw, (latent,), (v,))[1])
    calls: dict[str, Call] = {"linearizing": lambda: torch.func.linearize(draw, latent)}
    for chunk in chunks:
        vectors = torch.eye(latent.shape[0])[:chunk]
        calls[f"jvp {chunk}"] = lambda v=vectors: jvp(v)
        calls[f"linearize {chunk}"] = lambda v=vectors: push(v)
    wanted = latent.clone().requires_grad_()

    def backward() -> None:
        pixels = inputs.baseline.synthesize(
            weights, inputs.config, wanted[None], functional=True
        ).mean(1)
        for pixel in pixels.flatten()[:: max(1, pixels.numel() // rows)][:rows]:
            torch.autograd.grad(pixel, wanted, retain_graph=True)

    calls["rows"] = backward
    return calls


def columns(job: dict[str, Any]) -> dict[str, Any]:
    """All figures but the robust PCA's, of one process."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    case, chunks, count, rows = (job[k] for k in ("case", "chunks", "columns", "rows"))
    inputs = Inputs(CASES[case], 1)
    dim = inputs.config.w_dim
    calls: dict[str, Call] = {}
    for chunk in chunks:
        calls[f"ours {chunk}"] = our_columns(inputs, chunk, count)
        calls[f"one chunk of {chunk}"] = our_columns(inputs, chunk, chunk)
        batch = Inputs(CASES[case], chunk)
        calls[f"forward {chunk}"] = ours(batch)().call
    large = [chunk for chunk in chunks if chunk >= 8] or chunks[-1:]
    calls |= torch_calls(inputs, large, rows)
    apart = difference(calls[f"ours {chunks[-1]}"](), calls[f"jvp {large[-1]}"]())
    times = take_turns(calls | convolutions(), job["rounds"])
    work = 2 * 9e-9 * SQUARES[0][0] ** 2 * SQUARES[0][1] ** 2
    singles = [name for name in times if name not in calls]
    limit = max(work / statistics.median(times[name]) for name in singles)
    gflop = inputs.baseline.operations(inputs.config) / 1e9
    column = {}
    for chunk in chunks:
        some, first = times[f"ours {chunk}"], times[f"one chunk of {chunk}"]
        more = (some - first) / (count - chunk)
        column[chunk] = (some + (dim - count) * more) / dim
    forward = {chunk: times[f"forward {chunk}"] / chunk for chunk in chunks}
    theirs = {f"jvp {chunk}": times[f"jvp {chunk}"] / chunk for chunk in large} | {
        f"linearize {chunk}": times[f"linearize {chunk}"] / chunk
        + times["linearizing"] / dim
        for chunk in large
    }
    best = min(column.values(), key=np.median)
    best_theirs = min(theirs.values(), key=np.median)
    eight = max(chunk for chunk in chunks if chunk <= 8)
    pixels = inputs.config.resolution**2
    whole = pixels * times["rows"] / rows
    middle = functools.partial(np.median, axis=0)
    return {
        "column_over_forward": float(middle(column[eight] / forward[eight])),
        "column_share_of_limit": float(middle(gflop / column[eight]) / limit),
        "over_torch_func": float(middle(best_theirs / best)),
        "over_original": float(middle(whole / (dim * best))),
        "difference": apart,
        "limit_gflop_s": limit,
        "gram_s": {str(chunk): float(middle(column[chunk]) * dim) for chunk in chunks},
        "original_s": float(middle(whole)),
        "column_ms": {str(chunk): milliseconds(column[chunk]) for chunk in chunks},
        "forward_ms": {str(chunk): milliseconds(forward[chunk]) for chunk in chunks},
        "torch_ms": {name: milliseconds(found) for name, found in theirs.items()},
        "row_ms": milliseconds(times["rows"] / rows),
    }


def milliseconds(times: np.ndarray) -> list[float]:
    """Least, median and largest."""
    return [1000 * float(f(times)) for f in (np.min, np.median, np.max)]


def difference(mine: Any, other: Any) -> float:
    """Between columns [K, H, W, C] and [K, C, H, W], over theirs; Frobenius norms."""
    mine, other = np.asarray(mine), np.moveaxis(other.numpy(force=True), 1, -1)
    count = min(len(mine), len(other))
    mine, other = mine[:count], other[:count]
    return float(np.linalg.norm(mine - other) / np.linalg.norm(other))


def plain_robust_pca(matrix: np.ndarray, weight: float, limit: int) -> Any:
    """The iteration of LowRankGAN, with a general decomposition in each turn."""
    mu = matrix.size / (4 * np.linalg.norm(matrix, 1))
    sparse, dual = np.zeros_like(matrix), np.zeros_like(matrix)
    low, count, bound = sparse, 0, 1e-7 * np.linalg.norm(matrix)
    while count < limit:
        left, values, right = np.linalg.svd(matrix - sparse - dual / mu, False)
        low = left @ np.diag(np.maximum(values - 1 / mu, 0)) @ right
        rest = matrix - low - dual / mu
        sparse = np.sign(rest) * np.maximum(np.abs(rest) - weight / mu, 0)
        dual = dual + mu * (low + sparse - matrix)
        count += 1
        if np.linalg.norm(matrix - low - sparse) <= bound:
            break
    return low, count


def pca(job: dict[str, Any]) -> dict[str, Any]:
    """Robust PCA of a Gram matrix with an exponential spectrum."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(512, 512)))
    matrix = (turn * np.exp(-np.arange(512) / 24)) @ turn.T
    matrix = (matrix + matrix.T) / 2
    limit = job["iterations"]
    mine = robust_pca(matrix, max_iterations=limit)
    # ours asks for one thread too: those of two libraries get in each other's way
    with threadpool_limits(1, user_api="blas"):
        low, count = plain_robust_pca(matrix, 1 / 60, limit)
        times = take_turns(
            {
                "ours": lambda: robust_pca(matrix, max_iterations=limit),
                "plain": lambda: plain_robust_pca(matrix, 1 / 60, limit),
            },
            job["rounds"],
        )
    return {
        "robust_pca_over_original": float(np.median(times["plain"] / times["ours"])),
        "robust_pca": {
            "iterations": [mine.iterations, count],
            "ranks": [mine.rank, int(np.linalg.matrix_rank(low))],
            "difference": float(np.abs(mine.low_rank - low).max() / np.abs(low).max()),
            "iteration_ms": milliseconds(times["ours"] / mine.iterations),
            "plain_ms": milliseconds(times["plain"] / count),
        },
    }


def main() -> None:
    job = json.loads(sys.argv[1])
    print(json.dumps({"columns": columns, "pca": pca}[job["what"]](job)))


if __name__ == "__main__":
    main()
