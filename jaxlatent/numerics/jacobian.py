"""Jacobians and Gram matrices J^T diag(m) J of any function of a latent.

A generator has few inputs and many outputs, so forward mode is the cheap one: the
function is linearised once and its columns are pushed through, `chunk` tangents at a
time, all of them sharing the weights. One column costs about one more run of the
function, where reverse mode needs one backward pass for every output. On CPUs the
tangents of a large output, within a chunk too, go one after the other: that is faster.
A function whose attribute `recompute` is true is run again with every column that is
kept, in the latent's type, instead of linearised, which suits drawings: cheap to make,
and many arrays to keep. Products that keep no columns linearise it all the same.

Every function here is pure and can be transformed; none compiles anything by itself. A
network should be run under `jit`, and where `f` is a pytree that can be called (a
`jax.tree_util.Partial`, or `jaxlatent.jacobians.Picture`) it can be an argument
of the compiled function, so that neither new latents nor new weights compile again:

    compiled = jax.jit(gram, static_argnames=("chunk", "mesh", "store"))
    compiled(Partial(synthesize, generator), w)

Memory under `jit` is m0 + m1 * chunk. m0 is what the linearisation keeps (about the
activations of one run) and, if the columns are stored, those; m1 is what one tangent
needs on its way, about the largest activations of one run.

With a `mesh`, the columns are divided among all its devices. Products with the Gram
matrix need no communication at all; where columns are stored, they are gathered once.
That gives one latent's matrix soonest. Many latents go fastest where every device, or a
group of them, takes latents of its own: see `grams`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from jaxlatent.numerics.tangents import (
    Function,
    checked_chunk,
    chunked,
    divided,
    identity,
    masks_of,
    padded,
    product_rows,
    push,
    stored_rows,
)
from jaxlatent.parallel import LATENTS

STORED_BYTES = 2**30
"""Columns that take more than this are not stored unless `store` says so."""


def columns(
    f: Function, latent: jax.Array, *, chunk: int = 8, mesh: Mesh | None = None
) -> jax.Array:
    """The columns of the Jacobian of `f`, one for every entry of the latent.

    Args:
        f: the function, with an output of shape [...].
        latent: where, of any shape with D entries.
        chunk: tangents at a time.
        mesh: devices among which the columns are divided, None for one.

    Returns:
        [D, ...]; row i is the derivative along entry i.

    Raises:
        ValueError: for a chunk below one or a latent that is not floating.
    """
    run = partial(push, chunk=checked_chunk(chunk, latent))
    found = _over_columns(run, mesh, f, (latent,), _basis(latent, mesh))
    return found[: latent.size]


def jacobian(
    f: Function, latent: jax.Array, *, chunk: int = 8, mesh: Mesh | None = None
) -> jax.Array:
    """The Jacobian in full, [..., *latent.shape], as `jax.jacfwd` has it.

    The arguments are those of `columns`.
    """
    rows = columns(f, latent, chunk=chunk, mesh=mesh)
    return jnp.moveaxis(rows, 0, -1).reshape(*rows.shape[1:], *latent.shape)


def gram(
    f: Function,
    latent: jax.Array,
    *,
    weights: jax.Array | None = None,
    chunk: int = 8,
    mesh: Mesh | None = None,
    store: bool | None = None,
    tangents: Any = None,
) -> jax.Array:
    """J^T diag(m) J of `f` at a latent, for one or many weights m of the outputs.

    Args:
        f: the function, with an output of shape [...].
        latent: where, of any shape with D entries.
        weights: m, which broadcasts to the output's shape; with one axis more, R of
            them at the cost of one. None for ones.
        chunk: tangents at a time.
        mesh: devices among which the columns are divided, None for one.
        store: keep all columns, D times the output's size, and multiply them: one
            forward pass for each. Otherwise they are never kept, and row i of the
            matrix is J^T (m * (J e_i)): one more backward pass for each of them and
            each weight. None stores up to `STORED_BYTES`.
        tangents: the floating type in which tangents are kept and multiplied, None for
            the latent's; `f` itself runs as it is. `jnp.bfloat16` halves the memory and
            its traffic on accelerators; a small StyleGAN2's matrix was off by half
            a per cent, measured on a CPU.

    Returns:
        [D, D], or [R, D, D]; symmetric up to rounding.

    Raises:
        ValueError: for weights of another shape, a chunk below one, or a latent that is
            not floating.
    """
    masks, many = masks_of(f, latent, weights)
    axes = () if mesh is None else mesh.axis_names
    if store is None:
        store = _fits(f, latent, masks)
    run = _row_maker(store, axes, checked_chunk(chunk, latent), tangents)
    rows = _over_columns(run, mesh, f, (latent, masks), _basis(latent, mesh))
    found = jnp.moveaxis(rows[: latent.size, ..., : latent.size], 1, 0)
    return found if many else found[0]


def grams(
    f: Function,
    latents: jax.Array,
    *,
    average: bool = False,
    weights: jax.Array | None = None,
    chunk: int = 8,
    mesh: Mesh | None = None,
    store: bool | None = None,
    tangents: Any = None,
) -> jax.Array:
    """`gram` at each of N latents, [N, ...], or its average over them.

    A mesh with an axis `jaxlatent.parallel.LATENTS` divides the latents over that and
    the columns of each over its other axes, so that devices which differ along
    `LATENTS` exchange nothing, but for one sum at the end of an average. Over any other
    mesh the latents go in turn, each with its columns over all devices.

    Args:
        f: the function of one latent.
        latents: [N, *shape of one], N >= 1.
        average: keep the mean alone.
        weights: as for `gram`, the same for all latents.
        chunk: as for `gram`.
        mesh: devices, None for one.
        store: as for `gram`.
        tangents: as for `gram`.

    Raises:
        ValueError: as for `gram`.
    """
    count, first = latents.shape[0], latents[0]
    masks, many = masks_of(f, first, weights)
    names = () if mesh is None else mesh.axis_names
    axes = tuple(name for name in names if name != LATENTS)
    # over one device there is nothing to gather
    sharing = tuple(name for name in axes if mesh and mesh.shape[name] > 1)
    if store is None:
        store = _fits(f, first, masks)
    run = _row_maker(store, sharing, checked_chunk(chunk, first), tangents)
    groups = mesh.shape[LATENTS] if mesh and LATENTS in names else 1
    numbers = np.arange(-(-count // groups) * groups)
    shares = jnp.asarray(numbers < count, latents.dtype) / count

    def each(
        f: Function,
        latents: jax.Array,
        shares: jax.Array,
        masks: jax.Array,
        vectors: jax.Array,
    ) -> jax.Array:
        def rows(latent: jax.Array) -> jax.Array:
            return run(f, latent, masks, vectors)

        if not average:
            return lax.map(rows, latents)

        def add(total: jax.Array, given: Any) -> tuple[jax.Array, None]:
            latent, share = given
            return total + share * rows(latent), None

        shape = jax.eval_shape(rows, latents[0])
        start = jnp.zeros(shape.shape, shape.dtype)
        return lax.scan(add, start, (latents, shares))[0][None]

    own = PartitionSpec(LATENTS if LATENTS in names else None)
    spec = PartitionSpec(*own, axes)
    devices = 1 if mesh is None else mesh.size // groups
    found = divided(
        each,
        mesh,
        f,
        (
            latents[numbers % count],
            shares,
            masks,
            identity(first.size, first.dtype, devices),
        ),
        (own, own, PartitionSpec(), PartitionSpec(axes)),
        spec,
    )
    found = jnp.moveaxis(found[:, : first.size, ..., : first.size], 2, 1)
    found = found if many else found[:, 0]
    return found.sum(axis=0) if average else found[:count]


def gram_vector_products(
    f: Function,
    latent: jax.Array,
    vectors: jax.Array,
    *,
    weights: jax.Array | None = None,
    chunk: int = 8,
    mesh: Mesh | None = None,
) -> jax.Array:
    """J^T diag(m) J v for vectors [K, D], without the matrix: [K, D], or [R, K, D].

    One forward and one backward pass for each vector; see `gram` for the arguments.
    """
    run = partial(product_rows, chunk=checked_chunk(chunk, latent))
    masks, many = masks_of(f, latent, weights)
    filled = padded(vectors, 1 if mesh is None else mesh.size)
    rows = _over_columns(run, mesh, f, (latent, masks), filled)
    rows = jnp.moveaxis(rows[: vectors.shape[0]], 1, 0)
    return rows if many else rows[0]


def pushforward(
    f: Function, latent: jax.Array, vectors: jax.Array, *, chunk: int = 8
) -> jax.Array:
    """J v for vectors [K, D]: [K, ...], each the output's shape."""
    return push(f, latent, vectors, chunk=checked_chunk(chunk, latent))


def pullback(
    f: Function, latent: jax.Array, cotangents: jax.Array, *, chunk: int = 8
) -> jax.Array:
    """J^T u for cotangents [K, ...] of the output's shape: [K, D]."""
    _, transpose = jax.vjp(f, latent)
    return chunked(
        lambda part: jax.vmap(lambda u: transpose(u)[0].reshape(-1))(part),
        cotangents,
        checked_chunk(chunk, latent),
    )


def shared_shift(f: Function, latent: jax.Array, rows: Sequence[int]) -> Function:
    """`f` as a function of one shift [D] that moves several rows of a latent [L, D].

    Its Jacobian at zeros is that of moving these rows together, the others held.

    Raises:
        ValueError: for a row that does not exist, or a latent without rows.
    """
    if latent.ndim != 2 or not rows or not 0 <= min(rows) <= max(rows) < len(latent):
        raise ValueError(
            f"rows: {tuple(rows)} given for a latent of shape {latent.shape}; rows of "
            "an [L, D] are accepted"
        )
    moved = jnp.asarray(np.isin(np.arange(len(latent)), rows), latent.dtype)
    return lambda shift: f(latent + moved[:, None] * shift[None])


def _fits(f: Function, latent: jax.Array, masks: jax.Array) -> bool:
    """Whether all columns take no more than `STORED_BYTES`."""
    size = latent.size * jax.eval_shape(f, latent).size
    return size * masks.itemsize <= STORED_BYTES


def _row_maker(
    store: bool, axes: tuple[str, ...], chunk: int, tangents: Any
) -> Callable[..., jax.Array]:
    """What makes rows of the matrix, of a function, latent, masks and basis vectors.

    Columns that are stored are gathered over `axes`.
    """
    if store:
        return partial(stored_rows, chunk=chunk, axes=axes, dtype=tangents)
    return partial(product_rows, chunk=chunk, dtype=tangents)


def _basis(latent: jax.Array, mesh: Mesh | None) -> jax.Array:
    return identity(latent.size, latent.dtype, 1 if mesh is None else mesh.size)


def _over_columns(
    run: Callable[..., jax.Array],
    mesh: Mesh | None,
    f: Function,
    given: tuple[jax.Array, ...],
    vectors: jax.Array,
) -> jax.Array:
    """`run(f, *given, vectors)`, each device with its share of the vectors."""
    rows = PartitionSpec(() if mesh is None else mesh.axis_names)
    whole = (PartitionSpec(),) * len(given)
    return divided(run, mesh, f, (*given, vectors), (*whole, rows), rows)
