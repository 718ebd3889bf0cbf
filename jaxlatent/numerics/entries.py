"""What single entries of a latent do: a Jacobian by columns, or by rows, kept in part.

A space of thousands of entries has columns that nobody can keep: each is reduced to
what is wanted of it as soon as it is known. Where the outputs are fewer than the
entries, as those of a shrunk picture, rows are the shorter way to the same matrix.
Functions that are pytrees may be arguments of compiled code, as those of
`jaxlatent.numerics.jacobian`.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec

LARGE_OUTPUT = 2**17
"""Entries of an output from where on CPUs push tangents one after the other."""


def reduced_columns(
    f: Callable[[jax.Array], jax.Array],
    latent: jax.Array,
    reduce: Callable[..., Any],
    *given: Any,
    chunk: int = 8,
    mesh: Mesh | None = None,
) -> Any:
    """What is kept of each column of the Jacobian of `f`.

    Args:
        f: the function, with an output of shape [...].
        latent: where, [D].
        reduce: (column [...], *given) -> a pytree of arrays.
        *given: pytrees that it needs.
        chunk: tangents at a time.
        mesh: devices among which the columns are divided, None for one.

    Returns:
        The pytree, with an axis of D in front of every array.
    """
    call = partial(_columns, reduce=reduce, chunk=chunk)
    return _divided(call, (f, latent, *given), latent.size, chunk, mesh)


def rows(
    f: Callable[[jax.Array], jax.Array],
    latent: jax.Array,
    *,
    chunk: int = 8,
    mesh: Mesh | None = None,
) -> jax.Array:
    """The Jacobian in full, [..., D], one backward pass for every output.

    The arguments are those of `reduced_columns`; a chunk is of outputs.
    """
    shape = jax.eval_shape(f, latent).shape
    call = partial(_rows, chunk=chunk)
    found = _divided(call, (f, latent), math.prod(shape), chunk, mesh)
    return found.reshape(*shape, latent.size)


def _columns(
    f: Callable[[jax.Array], jax.Array],
    latent: jax.Array,
    *given: Any,
    reduce: Callable[..., Any],
    chunk: int,
) -> Any:
    *kept, which = given
    output, linear = jax.linearize(f, latent)

    def column(entry: jax.Array) -> Any:
        tangent = jnp.zeros_like(latent).at[entry].set(1)
        return reduce(linear(tangent), *kept)

    if output.size < LARGE_OUTPUT:
        return _in_chunks(column, which, chunk)
    return lax.platform_dependent(
        which,
        cpu=partial(lax.map, column),
        default=lambda which: _in_chunks(column, which, chunk),
    )


def _rows(
    f: Callable[[jax.Array], jax.Array],
    latent: jax.Array,
    which: jax.Array,
    *,
    chunk: int,
) -> jax.Array:
    output, transpose = jax.vjp(f, latent)

    def row(entry: jax.Array) -> jax.Array:
        cotangent = jnp.zeros(output.size, output.dtype).at[entry].set(1)
        return transpose(cotangent.reshape(output.shape))[0]

    return _in_chunks(row, which, chunk)


def _in_chunks(call: Callable[[jax.Array], Any], which: jax.Array, chunk: int) -> Any:
    found = lax.map(jax.vmap(call), which.reshape(-1, min(chunk, len(which))))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)


def _divided(
    call: Callable[..., Any],
    given: tuple[Any, ...],
    count: int,
    chunk: int,
    mesh: Mesh | None,
) -> Any:
    """`call(*given, which)` of numbers below `count`, shared among the devices."""
    if chunk < 1:
        raise ValueError(f"chunk: {chunk} given; 1 or more is accepted")
    share = -(-count // (1 if mesh is None else mesh.size))
    # each device has whole chunks; what is beyond the end is dropped again
    share = -(-share // min(chunk, share)) * min(chunk, share)
    which = jnp.arange(share * (1 if mesh is None else mesh.size)) % count
    if mesh is None:
        found = call(*given, which)
    else:
        spec = PartitionSpec(mesh.axis_names)
        found = jax.shard_map(
            call,
            mesh=mesh,
            in_specs=(*(PartitionSpec() for _ in given), spec),
            out_specs=spec,
            check_vma=False,  # the primal is the same everywhere, its tangents are not
        )(*given, which)
    return jax.tree.map(lambda leaf: leaf[:count], found)
