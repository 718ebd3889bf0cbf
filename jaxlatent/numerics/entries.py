"""What single entries of a latent do: columns of a Jacobian, kept in part.

A space of thousands of entries has columns that nobody can keep: each is reduced to
what is wanted of it as soon as it is known. A function that is a pytree may be an
argument of compiled code, as those of `jaxlatent.numerics.jacobian`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from jaxlatent.numerics.tangents import LARGE_OUTPUT


def reduced_columns(
    f: Callable[[jax.Array], jax.Array],
    latent: jax.Array,
    reduce: Callable[..., Any],
    *given: Any,
    which: jax.Array | None = None,
    chunk: int = 8,
    mesh: Mesh | None = None,
    large: bool | None = None,
) -> Any:
    """What is kept of each column of the Jacobian of `f`.

    Args:
        f: the function, with an output of shape [...].
        latent: where, [D].
        reduce: (column [...], *given) -> a pytree of arrays.
        *given: pytrees that it needs.
        which: [K] entries whose columns are wanted; None for all D.
        chunk: tangents at a time.
        mesh: devices among which the columns are divided, None for one.
        large: whether activations are so large that CPUs push tangents one after the
            other; None for what the output's size tells.

    Returns:
        The pytree, with an axis of K in front of every array.

    Raises:
        ValueError: for a chunk below one.
    """
    if chunk < 1:
        raise ValueError(f"chunk: {chunk} given; 1 or more is accepted")
    which = jnp.arange(latent.size) if which is None else which
    count, devices = len(which), 1 if mesh is None else mesh.size
    share = -(-count // devices)
    # each device has whole chunks; what is beyond the end is dropped again
    chunk = min(chunk, share)
    share = -(-share // chunk) * chunk
    padded = which[jnp.arange(share * devices) % count]
    known = jax.eval_shape(f, latent).size >= LARGE_OUTPUT if large is None else large
    call = partial(_columns, reduce=reduce, chunk=chunk, large=known)
    if mesh is not None:
        spec = PartitionSpec(mesh.axis_names)
        call = jax.shard_map(
            call,
            mesh=mesh,
            in_specs=(*(PartitionSpec() for _ in (f, latent, *given)), spec),
            out_specs=spec,
            check_vma=False,  # the primal is the same everywhere, its tangents are not
        )
    found = call(f, latent, *given, padded)
    return jax.tree.map(lambda leaf: leaf[:count], found)


def _columns(
    f: Callable[[jax.Array], jax.Array],
    latent: jax.Array,
    *given: Any,
    reduce: Callable[..., Any],
    chunk: int,
    large: bool,
) -> Any:
    *held, which = given
    _, linear = jax.linearize(f, latent)

    def column(entry: jax.Array) -> Any:
        tangent = jnp.zeros_like(latent).at[entry].set(1)
        return reduce(linear(tangent), *held)

    def together(which: jax.Array) -> Any:
        found = lax.map(jax.vmap(column), which.reshape(-1, chunk))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)

    if not large:
        return together(which)
    in_turn = partial(lax.map, column)
    return lax.platform_dependent(which, cpu=in_turn, default=together)
