"""`fit`: the one driver of everything that is optimised.

Sample n of a run, n = step * batch + i, draws from `fold_in(key, n)`. So one device
equals four, a batch of 8 equals four accumulated ones of 2, and a run that was killed
and went on equals one that nobody killed.
"""

import functools
import operator
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxlatent.collectives import is_key, is_main
from jaxlatent.files import atomic_write
from jaxlatent.learning import Problem
from jaxlatent.parallel import check_mesh, place
from jaxlatent.training.blocks import (
    own,
    released,
    run_block,
    spread,
    strictness,
    suitable_block,
    whole,
)
from jaxlatent.training.checkpointer import Checkpointer
from jaxlatent.training.curves import CURVES_FILE, to_csv
from jaxlatent.training.record import claim, describe
from jaxlatent.training.sources import Source, ahead, epochs, load_rows

CHECKPOINTS = "checkpoints"

# Not the key itself: `split(key)[n]` is `fold_in(key, n)`, which sample n draws from.
_INIT, _EPOCHS = np.uint32(2**32 - 1), np.uint32(2**32 - 2)
_MOST_SAMPLES = 2**32 - 2

History = dict[str, np.ndarray]
Callback = Callable[[int, dict[str, float]], None]


class Fitted(NamedTuple):
    """How a run ended.

    Attributes:
        state: after the last good step; its arrays are committed to no device.
        history: [steps] values of each of the method's metrics on the host, from the
            first step of the run on; empty where no step was done.
        steps: how many good steps led to the state.
        failed: the first step that was not finite, counted from 0, which is `steps`
            then; or None.
    """

    state: Any
    history: History
    steps: int
    failed: int | None

    def late_means(self) -> dict[str, float]:
        """The mean of every metric over the last tenth of the run; {} of no steps."""
        last = max(1, self.steps // 10)
        return {name: float(one[-last:].mean()) for name, one in self.history.items()}


class FitOptions(TypedDict, total=False):
    """What methods hand on to `fit`, which explains it."""

    block: int | None
    mesh: Mesh | None
    folder: Path | str | None
    save_every: int
    callback: Callback | None


def fit(
    method: Problem,
    steps: int,
    *,
    key: jax.Array,
    batch: int,
    data: Source | None = None,
    block: int | None = None,
    mesh: Mesh | None = None,
    folder: Path | str | None = None,
    save_every: int = 500,
    callback: Callback | None = None,
) -> Fitted:
    """Run a learned method.

    Compiled once for a method's settings, its models' shapes, `batch`, `block` and
    `mesh`: other weights, keys and numbers of steps compile nothing.

    A step fails when its loss, any of its new params, or anything else in its new state
    is not finite, but for what was not finite when the run began; the run then ends
    with the state before it.

    Args:
        method: what to learn. The state begins with `method.init`, under a key of its
            own derived from `key`.
        steps: how many steps the run has in all, those of earlier calls on `folder`
            among them.
        key: a typed key. Sample n of the run draws from `fold_in(key, n)`.
        batch: samples of a step.
        data: rows that the steps see, or None. Each epoch is a permutation drawn from
            `key`, and batches may reach over the end of one (see `sources.epochs`).
            Each step's rows are asked for by themselves, while the device is at work on
            the block before.
        block: steps that run without a look from the host, None for
            `blocks.suitable_block`. With data, the rows of two blocks are held in
            memory and those of one on the device.
        mesh: devices to split the samples over; None for one. The state and the models
            are held in full by each of them, but for `learning.Rows`.
        folder: where to keep the last two checkpoints, `fit.json`, which says what the
            run is, and at the end of a call the history as `losses.csv`. A call on the
            folder of an earlier one goes on where that one ended or was killed, to the
            same bits, where `block`, `mesh` and the installation are the same.
        save_every: steps between checkpoints: what a kill loses at most. A call that
            ends or raises saves what it has done.
        callback: called between blocks with the number of steps done so far and the
            metrics of the last of them. What it raises ends the run and is raised here.

    Returns:
        The state, the history, and the step that failed, if any did.

    Raises:
        ValueError: an argument does not fit, `folder` is another run's, or the method's
            `update` does not return what it should.
        CheckpointError: no checkpoint in `folder` can be used.
    """
    _check(steps, key, batch, data, 1 if block is None else block, mesh, save_every)
    key = jax.random.wrap_key_data(
        own(jax.random.key_data(key), None), impl=jax.random.key_impl(key)
    )
    rows = None if data is None else len(data)
    run = Fitted(method.init(jax.random.fold_in(key, _INIT)), {}, 0, None)
    if any(is_key(leaf) for leaf in jax.tree.leaves(run.state)):
        raise ValueError(
            "method: a state with a key in it given; arrays of numbers are accepted, "
            "for each step draws from its own keys"
        )
    block = suitable_block(method, run.state) if block is None else block
    strict = strictness(run.state)
    with ExitStack() as stack:
        checkpoints = None
        if folder is not None:
            folder = Path(folder)
            record = describe(method, run.state, key=key, batch=batch, rows=rows)
            claim(folder, record)
            checkpoints = Checkpointer(folder / CHECKPOINTS)
            stack.callback(checkpoints.close)
            if found := checkpoints.load(run.state):
                run = Fitted(found.state, found.history, found.steps, None)
        saved = run.steps
        if saved > steps:
            raise ValueError(f"steps: {steps} given; {folder} holds {saved} already")
        plan = _plan(saved, steps, block=block, save_every=save_every)
        blocks = stack.enter_context(
            closing(_with_rows(plan, data, key, batch=batch, block=block))
        )
        run = run._replace(state=own(run.state, mesh))
        if mesh is not None:
            method, key = spread((method, key), mesh)
        else:
            method = jax.device_put(method)
        sizes = {"batch": batch, "block": block, "mesh": mesh}
        launch = functools.partial(run_block, method, key, strict=strict, **sizes)
        try:
            for count, loaded in blocks:
                # in one step, so that an interrupt finds what was before or what is now
                before, run = run.steps, _advanced(run, launch, count, loaded, mesh)
                due = run.steps > saved and run.steps % save_every == 0
                if checkpoints is not None and due:
                    checkpoints.save(run.steps, whole(run.state), run.history)
                    saved = run.steps
                if callback is not None and run.steps > before:
                    last = {
                        name: float(values[-1]) for name, values in run.history.items()
                    }
                    callback(run.steps, last)
                if run.failed is not None:
                    break
        finally:
            if checkpoints is not None and run.steps > saved:
                checkpoints.save(run.steps, whole(run.state), run.history)
            if isinstance(folder, Path) and run.history and is_main():
                atomic_write(folder / CURVES_FILE, to_csv(run.history).encode())
    return Fitted(released(run.state, mesh), run.history, run.steps, run.failed)


def _advanced(
    run: Fitted, launch: Callable[..., Any], count: int, rows: Any, mesh: Mesh | None
) -> Fitted:
    """The run after a block of `count` steps, or after its last good one."""
    if mesh is not None:
        rows = place(rows, mesh, PartitionSpec(None, mesh.axis_names))
    start = np.uint32(run.steps)
    state, *outcome = launch(run.state, start, np.int32(count), rows)
    done, good, metrics = jax.device_get(outcome)
    if not good:
        state = launch(run.state, start, done, rows)[0]
    history = {
        name: np.concatenate([run.history[name], values[:done]])
        if run.history
        else values[:done]
        for name, values in metrics.items()
    }
    steps = run.steps + int(done)
    return Fitted(state, history, steps, None if good else steps)


def _plan(start: int, steps: int, *, block: int, save_every: int) -> Iterator[Any]:
    """(start, stop) of each block; none reaches over a checkpoint."""
    while start < steps:
        checkpoint = (start // save_every + 1) * save_every
        stop = min(start + block, checkpoint, steps)
        yield start, stop
        start = stop


def _with_rows(
    plan: Iterator[Any], data: Source | None, key: jax.Array, *, batch: int, block: int
) -> Generator[tuple[int, Any]]:
    """How many steps each block has, with the rows that they see."""
    if data is None:
        yield from ((stop - start, None) for start, stop in plan)
        return
    rows = epochs(jax.random.fold_in(key, _EPOCHS), len(data))
    numbers = (
        rows(start * batch, stop * batch).reshape(-1, batch) for start, stop in plan
    )
    loading = ahead(lambda each: load_rows(data, each, block), numbers)
    with closing(loading):
        yield from ((len(each), loaded) for each, loaded in loading)


def _check(
    steps: int,
    key: jax.Array,
    batch: int,
    data: Source | None,
    block: int,
    mesh: Mesh | None,
    save_every: int,
) -> None:
    if not is_key(key) or key.shape:
        raise ValueError(f"key: {key!r:.80} given; one typed key is accepted")
    counts = {"steps": steps, "batch": batch, "block": block, "save_every": save_every}
    for name, count in counts.items():
        least = 0 if name == "steps" else 1
        if operator.index(count) < least:
            raise ValueError(f"{name}: {count} given; {least} or more is accepted")
    if steps * batch > _MOST_SAMPLES:
        raise ValueError(
            f"steps: {steps} of {batch} samples given; {_MOST_SAMPLES} samples in all "
            "are accepted"
        )
    if data is not None and len(data) < 1:
        raise ValueError("data: no rows given; 1 or more is accepted")
    if mesh is not None:
        check_mesh(mesh)
        if batch % mesh.size:
            raise ValueError(
                f"batch: {batch} given; a multiple of the mesh's {mesh.size} devices "
                "is accepted"
            )
