"""GANSpace beside scikit-learn's IncrementalPCA, called as the original does.

    python -m benchmarks.ganspace [--samples 1000000] [--features 20000] --json

Two decompositions, 80 components each: w of a random mapping network of 8 layers, 512
wide, in batches of 10 000 (the original's README); and features of dimension 32,768 of
a random two-layer network. IncrementalPCA gets blocks of max(batch, 2000, 3 K) rows.
"pca_s" is the time of the estimators alone, on rows that are ready; "total_s" includes
drawing the codes and computing the rows, as in one call of `discover` or `ganspace`.
Both sides see the same rows, and both are compared with a float64 answer; a component
counts as separated if its eigenvalue is at least 0.1 % from its neighbours'. Names with
"cpu" are seconds of all cores together, which a busy machine changes less.

Memory is the process' resident size while our side streams; the peak for w is taken
before anything else is run.

The last line is one JSON object.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.decomposition import IncrementalPCA

from jaxlatent.generators import stylegan2
from jaxlatent.generators.base import Generator
from jaxlatent.methods import ganspace
from jaxlatent.numerics import pca
from jaxlatent.numerics.decomposition import Estimation
from jaxlatent.numerics.moments import init_moments, update_joint
from jaxlatent.numerics.stream import draw_codes

COMPONENTS = 80
SEPARATED = 1e-3
"""Relative gap to both neighbours from which a component counts as its own."""

MIB = 2**20
WIDE, CODE, HIDDEN = 32768, 128, 512

draw = jax.jit(lambda source, key, indices: draw_codes(source, key, indices)[1])


def step(update: Any) -> Callable:
    return jax.jit(
        lambda state, rows: update(
            state, rows, rows[:, :0], jnp.ones(rows.shape[0], bool)
        ),
        donate_argnums=0,
    )


add_moments = step(update_joint)
add_sketch = step(pca.update_sketch_alone)
add_projection = step(pca.update_projection)


def resident() -> float:
    """Resident memory now, MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / MIB


def peak() -> float:
    """Largest resident memory so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Watch:
    """A progress callback that notes the resident memory at a few points."""

    def __init__(self, total: int) -> None:
        self.marks = [total * part // 10 for part in (1, 5, 10)]
        self.done = 0
        self.memory: dict[int, float] = {}

    def __call__(self, count: int) -> None:
        self.done += count
        while self.marks and self.done >= self.marks[0]:
            self.memory[self.marks.pop(0)] = round(resident(), 1)


class Clock:
    """Adds up the seconds, of the wall and of all cores, of calls made through it."""

    def __init__(self) -> None:
        self.seconds = np.zeros(2)

    def __call__(self, function: Callable, *inputs: Any) -> Any:
        start = now()
        result = jax.block_until_ready(function(*inputs))
        self.seconds += now() - start
        return result


def now() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def compare(vectors: np.ndarray, truth: np.ndarray, values: np.ndarray) -> dict:
    """Least |cos| to the float64 answer, over all and over separated components."""
    cosines = np.abs(np.sum(vectors * truth[: len(vectors)], axis=1))
    gaps = -np.diff(values[: len(vectors) + 1]) / values[: len(vectors)]
    before = np.concatenate([[np.inf], gaps[:-1]])
    apart = np.minimum(gaps, before) > SEPARATED
    return {
        "least_cos": float(cosines.min()),
        "least_cos_separated": float(cosines[apart].min()),
        "separated": int(apart.sum()),
    }


def ratios(ours: Any, theirs: Any, total: Any, making: Any) -> dict[str, Any]:
    """Seconds of both sides; a ratio above 1 means that ours is faster."""
    result = {}
    for index, suffix in enumerate(("", "_cpu")):
        whole = theirs[index] + making[index]
        result |= {
            f"pca{suffix}_s": ours[index],
            f"incremental_pca{suffix}_s": theirs[index],
            f"incremental_over_pca{suffix}": theirs[index] / ours[index],
            f"total{suffix}_s": total[index],
            f"incremental_total{suffix}_s": whole,
            f"incremental_over_total{suffix}": whole / total[index],
        }
    return result


def of_w(samples: int, batch: int = 10_000) -> dict[str, Any]:
    """Exact PCA of w."""
    config = stylegan2.Config(resolution=8, channels=(4, 4))
    generator = Generator(stylegan2.init(jax.random.key(7), config), config)
    source = ganspace.generator_source(generator)
    watch = Watch(samples)

    def discover(num: int, progress: Any = None) -> Any:
        (found,) = ganspace.discover(
            generator,
            samples=num,
            estimation=Estimation(k=COMPONENTS),
            key=jax.random.key(0),
            chunk=batch,
            progress=progress,
        )
        return found

    discover(batch)
    start = now()
    found = discover(samples, watch)
    total = now() - start
    highest = peak()

    key = jax.random.key(0)

    def rows_from(start: int) -> jax.Array:
        return draw(source, key, np.arange(start, start + batch, dtype=np.int32))

    add_moments(init_moments(config.w_dim), rows_from(0))
    ours, theirs, making = Clock(), Clock(), Clock()
    model = IncrementalPCA(COMPONENTS)
    moments = init_moments(config.w_dim)
    sums, products = np.zeros(config.w_dim), np.zeros((config.w_dim,) * 2)
    for start in range(0, samples, batch):
        rows = making(rows_from, start)
        moments = ours(add_moments, moments, rows)
        rows = np.asarray(rows)
        theirs(model.partial_fit, rows)
        exact = rows.astype(np.float64)
        sums += exact.sum(axis=0)
        products += exact.T @ exact
    components = ours(pca.principal_components, moments, COMPONENTS)
    truth = products / samples - np.outer(sums, sums) / samples**2
    values, vectors = np.linalg.eigh(truth)
    values, vectors = values[::-1], vectors.T[::-1]
    return {
        "samples": samples,
        "dimension": config.w_dim,
        **ratios(ours.seconds, theirs.seconds, total, making.seconds),
        **compare(components.vectors, vectors, values),
        "incremental": compare(np.asarray(model.components_), vectors, values),
        "discover": compare(np.asarray(found.vectors), vectors, values),
        "resident_mib_by_samples": watch.memory,
        "peak_mib": highest,
    }


def sample(key: jax.Array, num: int) -> jax.Array:
    return jax.random.normal(key, (num, CODE))


def make_network() -> tuple[Callable[[jax.Array], jax.Array], np.ndarray]:
    """Hidden units [N, 512] of codes, and weights [512, 32,768] that fall off."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(CODE, HIDDEN)) / np.sqrt(CODE)
    falling = np.exp(-np.arange(HIDDEN) / 60)[:, None]
    second = falling * rng.normal(size=(HIDDEN, WIDE))
    inward = jnp.asarray(first, jnp.float32)
    return lambda z: jax.nn.leaky_relu(z @ inward, 0.2), second


def of_features(samples: int, batch: int = 250) -> dict[str, Any]:
    """Randomised PCA of features of dimension 32,768, in two passes."""
    hidden, weight = make_network()
    weights = jnp.asarray(weight, jnp.float32)

    def features(z: jax.Array) -> jax.Array:
        return hidden(z) @ weights

    def find(num: int, progress: Any = None) -> Any:
        return ganspace.ganspace(
            features,
            sample,
            samples=num,
            estimation=Estimation(k=COMPONENTS, estimator="randomized"),
            key=jax.random.key(0),
            space="feature:hidden",
            chunk=batch,
            progress=progress,
        )

    watch = Watch(2 * samples)
    find(batch)
    start = now()
    found = find(samples, watch)
    total = now() - start
    highest = peak()

    source = ganspace.function_source(features, sample)
    key = jax.random.key(0)

    def rows_from(start: int) -> jax.Array:
        return draw(source, key, np.arange(start, start + batch, dtype=np.int32))

    def run(num: int) -> tuple[Any, np.ndarray]:
        """Our components, and the seconds that are not spent on making rows."""
        making = Clock()

        def sweep(update: Any, state: Any) -> Any:
            add = add_sketch if update is pca.update_sketch_alone else add_projection
            for start in range(0, num, batch):
                state = add(state, making(rows_from, start))
                jax.block_until_ready(state)
            return state

        start = now()
        components, _ = pca.randomized_components(
            sweep, WIDE, COMPONENTS, key=jax.random.key(1)
        )
        return components, now() - start - making.seconds

    run(batch)
    components, ours = run(samples)

    block = max(batch, 2000, 3 * COMPONENTS)
    theirs, making = Clock(), Clock()
    model = IncrementalPCA(COMPONENTS)
    draw_hidden = ganspace.function_source(hidden, sample)
    inner = []
    for start in range(0, samples, block):
        parts = [making(rows_from, at) for at in range(start, start + block, batch)]
        rows = np.concatenate(parts)
        del parts
        theirs(model.partial_fit, rows)
        indices = np.arange(start, start + block, dtype=np.int32)
        inner.append(np.asarray(draw(draw_hidden, key, indices), np.float64))
    # the second layer is linear: Cov(rows) = B^T Cov(hidden) B, exactly
    values, vectors = np.linalg.eigh(np.cov(np.concatenate(inner).T))
    root = vectors * np.sqrt(np.maximum(values, 0))
    _, singular, truth = np.linalg.svd(
        root.T @ np.asarray(weights, np.float64), full_matrices=False
    )
    return {
        "samples": samples,
        "dimension": WIDE,
        **ratios(ours, theirs.seconds, total, making.seconds),
        **compare(components.vectors, truth, singular**2),
        "incremental": compare(np.asarray(model.components_), truth, singular**2),
        "ganspace": compare(np.asarray(found.vectors), truth, singular**2),
        "resident_mib_by_samples": watch.memory,
        "peak_mib": highest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000, help="codes of w")
    parser.add_argument("--features", type=int, default=20_000, help="wide rows")
    parser.add_argument("--json", action="store_true", help="nothing but the result")
    options = parser.parse_args()
    result = {"threads": os.cpu_count(), "device": str(jax.devices()[0])}
    for name, function, samples, step in (
        ("w", of_w, options.samples, 10_000),
        ("features", of_features, options.features, 2000),
    ):
        if samples % step:
            parser.error(f"--{name}: {samples} given; a multiple of {step} is accepted")
        if not options.json:
            print(f"{name}: {samples} samples ...")
        result[name] = function(samples) if samples else None
    if result["w"] is not None:
        result["pca_over_incremental"] = result["w"]["incremental_over_pca"]
    if result["features"] is not None:
        result["pca_over_incremental_features"] = result["features"][
            "incremental_over_pca"
        ]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
