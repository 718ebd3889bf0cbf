"""What a few products with random vectors tell of a Jacobian, without its Gram matrix.

Pure functions of `f` as those of `jaxlatent.numerics.jacobian`, which see.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxlatent.numerics.jacobian import gram_vector_products
from jaxlatent.numerics.moments import product
from jaxlatent.numerics.tangents import Function, checked_chunk, chunked, masks_of


class Leading(NamedTuple):
    """Leading eigenvectors of J^T diag(m) J.

    Attributes:
        values: [k], descending; the squares of the singular values of sqrt(m) J.
        vectors: [k, D], orthonormal rows, the largest entry of each positive.
        residuals: [k], the norms of J^T diag(m) J v - value v.
    """

    values: jax.Array
    vectors: jax.Array
    residuals: jax.Array


def leading_singular_vectors(
    f: Function,
    latent: jax.Array,
    k: int,
    *,
    key: jax.Array,
    weights: jax.Array | None = None,
    oversample: int = 10,
    depth: int = 3,
    chunk: int = 8,
    mesh: Mesh | None = None,
) -> Leading:
    """Leading right singular vectors of sqrt(m) J, without the Gram matrix.

    Block Krylov iteration (Musco and Musco, "Randomized Block Krylov Methods for
    Stronger and Faster Approximate Singular Value Decomposition", 2015): the products
    of a random block with the first `depth` powers of the matrix, and the best vectors
    of what they span. It costs (depth + 1) * (k + oversample) columns, so it pays where
    that is well below D.

    Args:
        f: the function.
        latent: where, of any shape with D entries.
        k: how many vectors.
        key: for the random block.
        weights: m, one set of them; see `gram`.
        oversample: how many vectors more than k a block has.
        depth: how many powers; fewer are taken where D is too small for them.
        chunk: tangents at a time.
        mesh: devices among which a block is divided, None for one.

    Raises:
        ValueError: for k outside 1 to D, or many sets of weights.
    """
    size = latent.size
    if not 1 <= k <= size:
        raise ValueError(f"k: {k} given; 1 to {size} is accepted")
    block = min(k + oversample, size)
    levels = min(depth + 1, size // block)
    if masks_of(f, latent, weights)[1]:
        raise ValueError("weights: many sets given; one is accepted")

    def whole(block: jax.Array) -> jax.Array:
        # devices that share the algebra of a small block exchange more than they save
        if mesh is None:
            return block
        return lax.with_sharding_constraint(block, NamedSharding(mesh, PartitionSpec()))

    def step(state: Any, level: jax.Array) -> tuple[Any, None]:
        basis, images, vectors = state
        found = gram_vector_products(
            f, latent, whole(vectors), weights=weights, chunk=chunk, mesh=mesh
        )
        found = whole(found)
        basis = basis.at[level].set(vectors)
        images = images.at[level].set(found)
        flat = basis.reshape(-1, size)
        # where nothing new is left, the first pass yields rounding, the second repairs
        for _ in range(2):
            rest = found - product(product(found, flat.T), flat)
            found = jnp.linalg.qr(rest.T)[0].T
        return (basis, images, found), None

    start = jax.random.normal(key, (size, block), latent.dtype)
    empty = jnp.zeros((levels, block, size), latent.dtype)
    state = (empty, empty, jnp.linalg.qr(start)[0].T)
    (basis, images, _), _ = lax.scan(step, state, jnp.arange(levels))
    basis, images = basis.reshape(-1, size), images.reshape(-1, size)
    small = product(basis, images.T)
    values, turn = jnp.linalg.eigh((small + small.T) / 2)
    values, turn = values[::-1][:k], turn.T[::-1][:k]
    vectors = product(turn, basis)
    residuals = jnp.linalg.norm(
        product(turn, images) - values[:, None] * vectors, axis=1
    )
    peak = jnp.argmax(jnp.abs(vectors), axis=1)
    sign = jnp.sign(jnp.take_along_axis(vectors, peak[:, None], axis=1))
    return Leading(values, vectors * sign, residuals)


class Estimate(NamedTuple):
    """A mean over random probes, and the standard error of that mean."""

    value: jax.Array
    error: jax.Array


def trace(
    f: Function,
    latent: jax.Array,
    num: int,
    *,
    key: jax.Array,
    weights: jax.Array | None = None,
    chunk: int = 8,
) -> Estimate:
    """Hutchinson's estimate of the trace of J^T diag(m) J, from `num` >= 2 columns.

    The mean of ||sqrt(m) J v||^2 over random signs v; probe i uses fold_in(key, i).

    Returns:
        Scalars, or [R] for R sets of weights; see `gram`.
    """
    if num < 2:
        raise ValueError(f"num: {num} given; 2 or more probes are accepted")
    masks, many = masks_of(f, latent, weights)
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(num))
    signs = jax.vmap(lambda one: jax.random.rademacher(one, latent.shape))(keys)
    linear = jax.linearize(f, latent)[1]

    def square(sign: jax.Array) -> jax.Array:
        pushed = jnp.square(linear(sign.astype(latent.dtype)))
        return jnp.sum(masks * pushed[None], axis=range(1, masks.ndim))

    found = chunked(jax.vmap(square), signs, checked_chunk(chunk, latent))
    mean = found.mean(axis=0)
    spread = jnp.sqrt(jnp.sum(jnp.square(found - mean[None]), axis=0) / (num - 1) / num)
    return Estimate(*((mean, spread) if many else (mean[0], spread[0])))
