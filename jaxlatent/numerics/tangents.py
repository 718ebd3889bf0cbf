"""Many tangents through a function linearised once: in chunks, and on many devices.

What `jaxlatent.numerics.jacobian` is made of.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from jaxlatent.numerics.moments import product
from jaxlatent.numerics.narrow import narrowed

Function = Callable[[jax.Array], jax.Array]
"""`latent -> array`, both of any shape; a pytree or a plain function."""

LARGE_OUTPUT = 2**17
"""Entries of an output from where on the activations of several tangents outgrow a
CPU's caches, so that they are faster one after the other, as measured."""


def masks_of(
    f: Function, latent: jax.Array, weights: jax.Array | None
) -> tuple[jax.Array, bool]:
    """Weights with an axis in front, of axes that broadcast; whether there are many."""
    output = jax.eval_shape(f, latent)
    if weights is None:
        return jnp.ones((1,) * (len(output.shape) + 1), output.dtype), False
    weights = jnp.asarray(weights, output.dtype)
    many = weights.ndim == len(output.shape) + 1
    shape = weights.shape[1:] if many else weights.shape
    fits = len(shape) == len(output.shape) and all(
        here in (1, there) for here, there in zip(shape, output.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"weights: shape {weights.shape} given; {output.shape}, or as many axes of "
            "which some are 1, or one axis more in front, is accepted"
        )
    return (weights if many else weights[None]), many


def padded(rows: jax.Array, multiple: int) -> jax.Array:
    """Rows of zeros at the end, so that their number is a multiple."""
    missing = -rows.shape[0] % multiple
    return jnp.pad(rows, [(0, missing)] + [(0, 0)] * (rows.ndim - 1))


def identity(size: int, dtype: Any, devices: int) -> jax.Array:
    """One tangent for each entry of a latent, and zeros up to a multiple of devices."""
    return padded(jnp.eye(size, dtype=dtype), devices)


def chunked(
    call: Callable[[jax.Array], jax.Array], rows: jax.Array, chunk: int
) -> jax.Array:
    """`call` on `chunk` rows at a time; one compilation serves all."""
    count = rows.shape[0]
    size = math.ceil(count / math.ceil(count / chunk))
    filled = padded(rows, size)
    if filled.shape[0] == size:
        return call(filled)[:count]
    found = lax.map(call, filled.reshape(-1, size, *rows.shape[1:]))
    return found.reshape(-1, *found.shape[2:])[:count]


def checked_chunk(chunk: int, latent: jax.Array) -> int:
    """The chunk, where it and the latent can be had.

    Raises:
        ValueError: for a chunk below one, or a latent that is not floating.
    """
    if chunk < 1:
        raise ValueError(f"chunk: {chunk} given; 1 or more is accepted")
    if not jnp.issubdtype(latent.dtype, jnp.floating):
        raise ValueError(f"latent: {latent.dtype} given; a floating one is needed")
    return chunk


def push(
    f: Function,
    latent: jax.Array,
    vectors: jax.Array,
    *,
    chunk: int,
    dtype: Any = None,
) -> jax.Array:
    """J v of vectors [B, D]: [B, ...]; `dtype` is as `tangents` of `gram`.

    A function whose attribute `recompute` is true is not linearised but run again with
    every tangent, one after the other, in the latent's type: for those that are cheap
    beside what linearising would keep of them.
    """
    tangents = vectors.reshape(-1, *latent.shape)
    if getattr(f, "recompute", False):
        return lax.map(partial(_run_along, f, latent), tangents)
    forward = jax.linearize(f, latent)[1]
    if dtype is not None:
        forward = narrowed(forward, latent, dtype)
    size = jax.eval_shape(f, latent).size
    return chunked(_of_many(forward, size), tangents, chunk)


def _run_along(f: Function, latent: jax.Array, tangent: jax.Array) -> jax.Array:
    # else the compiler moves all that no tangent changes out of the loop, and keeps it
    latent, tangent = lax.optimization_barrier((latent, tangent))
    return jax.jvp(f, (latent,), (tangent,))[1]


def product_rows(
    f: Function,
    latent: jax.Array,
    masks: jax.Array,
    vectors: jax.Array,
    *,
    chunk: int,
    dtype: Any = None,
) -> jax.Array:
    """J^T diag(m) J v of vectors [B, D] under masks [R, ...]: [B, R, D]."""
    output = jax.eval_shape(f, latent)
    forward = jax.linearize(f, latent)[1]
    transpose = jax.linear_transpose(forward, latent)

    def pull(pushed: jax.Array) -> jax.Array:
        return transpose(pushed)[0]

    back: Function = pull
    if dtype is not None:
        forward = narrowed(forward, latent, dtype)
        back = narrowed(pull, output, dtype)

    def rows(vector: jax.Array) -> jax.Array:
        pushed = forward(vector)
        return jax.vmap(lambda mask: back(mask * pushed).reshape(-1))(masks)

    call = _of_many(rows, output.size)
    return chunked(call, vectors.reshape(-1, *latent.shape), chunk)


def stored_rows(
    f: Function,
    latent: jax.Array,
    masks: jax.Array,
    vectors: jax.Array,
    *,
    chunk: int,
    axes: tuple[str, ...],
    dtype: Any = None,
) -> jax.Array:
    """Rows of J^T diag(m) J for basis vectors [B, D], from stored columns: [B, R, D].

    With mesh axes, B is one device's share and the result has a column for every
    basis vector of all devices.
    """
    count, shape = masks.shape[0], jax.eval_shape(f, latent).shape
    masks = jnp.broadcast_to(masks, (count, *shape)).reshape(count, -1)

    def flat(latent: jax.Array) -> jax.Array:
        # a TPU keeps three colours in the room of 128
        return f(latent).reshape(-1)

    mine = push(flat, latent, vectors, chunk=chunk, dtype=dtype)
    every = lax.all_gather(mine, axes, tiled=True) if axes else mine

    # one after another: each needs a weighted copy of the columns
    found = lax.map(lambda mask: product(mask[None] * mine, every.T), masks)
    return jnp.moveaxis(found, 0, 1)


def divided(
    run: Callable[..., jax.Array],
    mesh: Mesh | None,
    f: Function,
    arrays: Sequence[jax.Array],
    specs: Sequence[PartitionSpec],
    out: PartitionSpec,
) -> jax.Array:
    """`run(f, *arrays)` on every device of a mesh, None for one device.

    The arrays are divided among them as `specs` say, and what is found as `out` says.
    """
    if mesh is None:
        return run(f, *arrays)
    leaves, build = jax.tree.flatten(f)
    # a plain function is a leaf of its own and cannot be an argument
    held = len(leaves) == 1 and leaves[0] is f

    def share(leaves: Any, *arrays: jax.Array) -> jax.Array:
        return run(f if held else jax.tree.unflatten(build, leaves), *arrays)

    return jax.shard_map(
        share,
        mesh=mesh,
        in_specs=(PartitionSpec(), *specs),
        out_specs=out,
        check_vma=False,  # the primal is the same everywhere, its tangents are not
    )([] if held else leaves, *arrays)


def _of_many(
    function: Callable[[jax.Array], jax.Array], size: int
) -> Callable[[jax.Array], jax.Array]:
    """A function of one tangent for many; CPUs take those of large outputs in turn."""
    together = jax.vmap(function)
    if size < LARGE_OUTPUT:
        return together
    in_turn = partial(lax.map, function)
    return lambda rows: lax.platform_dependent(rows, cpu=in_turn, default=together)
