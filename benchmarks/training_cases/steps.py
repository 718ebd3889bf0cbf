"""One step of a learned method in both frameworks, timed by itself and within `fit`."""

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.synthesis_sides import Side
from jaxlatent.latents import sample_keys
from jaxlatent.learning import Problem
from jaxlatent.training.blocks import run_block, strictness

BLOCK = 1
"""Steps of one call of the side "block", as `blocks.suitable_block` of large models."""


class StepCase(ABC):
    """A problem of ours and the same step in PyTorch.

    Attributes:
        batch: samples of a step.
        momentum: Adam's first decay; its moments tell the first gradient.
    """

    momentum = 0.9

    def __init__(self, batch: int) -> None:
        self.batch = batch

    @property
    def keys(self) -> jax.Array:
        """Of the samples of the first step."""
        return sample_keys(jax.random.key(0), np.arange(self.batch))

    @property
    def data(self) -> Any:
        """The rows of the first step, None for a method without data."""
        return None

    @abstractmethod
    def problem(self) -> Problem:
        """Ours, its weights on the device and prepared where they are not learned."""

    @abstractmethod
    def torch_step(self, *, compiled: bool) -> Callable[[], Any]:
        """PyTorch's step, given the draws of ours: -> (loss, gradients).

        The gradients are tensors in the order of our leaves, each [...] as ours. All
        tensors are made by `torch.tensor`, so that they lie on the default device.
        """

    def makers(self) -> dict[str, Callable[[], Callable[[], Side]]]:
        """Sides by name; see `Case`."""
        return {
            "ours": functools.partial(self._ours, block=False),
            "block": functools.partial(self._ours, block=True),
            "eager": functools.partial(self._torch, compiled=False),
            "compiled": functools.partial(self._torch, compiled=True),
        }

    def steps(self, name: str) -> int:
        """How many steps one call of a side takes."""
        return BLOCK if name == "block" else 1

    def outcome(self, name: str, returned: Any) -> tuple[float, np.ndarray] | None:
        """The loss and the gradient [D] of the first step; none of a block."""
        if name == "block":
            return None
        if name != "ours":
            loss, gradients = returned
            flat = [leaf.numpy(force=True).ravel() for leaf in gradients]
            return float(loss), np.concatenate(flat)
        state, metrics = returned
        moments = jax.tree.leaves(optax.tree.get(state.optimizer, "mu"))
        flat = np.concatenate([np.asarray(leaf).ravel() for leaf in moments])
        return float(metrics["loss"]), flat / (1 - self.momentum)

    def _ours(self, *, block: bool) -> Callable[[], Side]:
        problem, keys, batch = self.problem(), self.keys, self.batch
        data = jax.tree.map(jnp.asarray, self.data)
        state = jax.block_until_ready(problem.init(jax.random.key(1)))

        def step() -> Side:
            start = time.perf_counter()
            update = jax.jit(lambda problem, *given: problem.update(*given))
            given = problem, state, keys, data
            program = update.lower(*given).compile()
            seconds = time.perf_counter() - start
            return Side(lambda: jax.block_until_ready(program(*given)), seconds)

        def steps() -> Side:
            start = time.perf_counter()
            strict = strictness(state)
            rows = jax.tree.map(lambda leaf: leaf[None], data)

            def call() -> Any:
                key, first, count = jax.random.key(0), np.uint32(0), np.int32(BLOCK)
                sizes = {"batch": batch, "block": BLOCK, "mesh": None}
                return jax.block_until_ready(
                    run_block(
                        problem, key, state, first, count, rows, strict=strict, **sizes
                    )
                )

            call()
            return Side(call, time.perf_counter() - start)

        return steps if block else step

    def _torch(self, *, compiled: bool) -> Callable[[], Side]:
        step = self.torch_step(compiled=compiled)

        def call() -> Any:
            returned = step()
            finish_torch()
            return returned

        return lambda: Side(call)


def finish_torch() -> None:
    """Wait until PyTorch's device has done what it was told."""
    import torch

    if torch.get_default_device().type == "cuda":
        torch.cuda.synchronize()
