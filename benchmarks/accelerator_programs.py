"""Programs of `benchmarks.accelerator`, compiled at a precision, several at once."""

import functools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks.synthesis_sides import Call, Inputs, draw
from jaxlatent.generators.base import Generator

MATMUL = {"float32": "highest", "tf32": "tensorfloat32", "bf16": "default"}


class Program(NamedTuple):
    """A compiled call, what compiling took, and what the compiler says of memory."""

    call: Call
    figures: dict[str, float]


def cast(tree: Any, precision: str) -> Any:
    """Weights and codes in the type that a precision computes with."""
    if precision != "bf16":
        return tree

    def leaf(array: Any) -> jax.Array:
        wide = jnp.issubdtype(array.dtype, jnp.floating)
        return array.astype(jnp.bfloat16) if wide else array

    return jax.jit(lambda tree: jax.tree.map(leaf, tree))(tree)


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


def together(plans: dict[Any, Callable[[], Any]]) -> dict[Any, Any]:
    """What plans make, each in a thread; a text where memory or the like is missing."""

    def attempted(plan: Callable[[], Any]) -> Any:
        try:
            return plan()
        except RuntimeError as error:
            return f"{type(error).__name__}: {error}"[:500]

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(plans, pool.map(attempted, plans.values()), strict=True))


def prepared(config: Any) -> Generator:
    """A generator with random weights, ready to draw."""
    params = jax.tree.map(jnp.asarray, draw(config))
    with jax.default_matmul_precision("highest"):
        return jax.jit(lambda g: g.prepare())(Generator(params, config))


def synthesize(generator: Generator, latent: Any, label: Any) -> jax.Array:
    return generator.synthesize(latent, label)


def programs(inputs: Inputs, precisions: Iterable[str]) -> dict[str, Any]:
    """Our synthesis at every precision, or in words why there is none."""
    generator = prepared(inputs.config)
    label = None if inputs.label is None else jnp.asarray(inputs.label)

    def build(precision: str) -> Program:
        latent = cast(jnp.asarray(inputs.latent), precision)
        network = cast(generator, precision)
        return compiled(synthesize, precision, network, latent, label)

    return together({each: functools.partial(build, each) for each in precisions})
