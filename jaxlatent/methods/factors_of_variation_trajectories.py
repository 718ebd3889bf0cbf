"""Trajectories: codes of ever more transformed pictures, each found from the last.

For a code z_0 and amounts 0 < t_1 < t_2 < ..., the code whose picture is most like
G(z_0) transformed by t_k is searched from the one of t_{k-1}, for codes of natural
pictures lie on a curved manifold (Plumerault et al., 2020, algorithm 1).
"""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from jaxlatent.batching import in_chunks
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, Prior, sample_keys, to_images
from jaxlatent.learning import keras_adam
from jaxlatent.methods.factors_of_variation_settings import Search
from jaxlatent.methods.factors_of_variation_transformations import transformed_rows
from jaxlatent.numerics.frequency_loss import frequency_loss
from jaxlatent.types import Model


@flax.struct.dataclass(eq=False)
class Trajectories:
    """N codes, and those of their pictures transformed by T amounts of either sign.

    Attributes:
        starts: [N, D].
        ends: [N, 2, T, D], negative amounts first.
        amounts: [N, 2, T], what transformations realised.
        errors: [N, 2, T], the loss before the last step.
    """

    starts: Any
    ends: Any
    amounts: Any
    errors: Any

    def __len__(self) -> int:
        return self.starts.shape[0]

    def joined(self, more: "Trajectories") -> "Trajectories":
        """These, and more behind them."""
        return jax.tree.map(lambda *parts: np.concatenate(parts), self, more)


@flax.struct.dataclass(eq=False)
class Records:
    """Pairs of codes between which a factor changes by a known amount.

    Attributes:
        starts: [R, D].
        ends: [R, D].
        amounts: [R].
    """

    starts: jax.Array
    ends: jax.Array
    amounts: jax.Array

    def __len__(self) -> int:
        return self.starts.shape[0]


def estimate(
    prior: Prior,
    transformation: Model,
    search: Search,
    *,
    key: jax.Array,
    num: int,
    chunk: int = 8,
    mesh: Mesh | None = None,
    done: Trajectories | None = None,
    callback: Callable[[Trajectories], None] | None = None,
) -> Trajectories:
    """Search trajectories from codes of a prior.

    Compiled once for a transformation, a search and a chunk. Code n is drawn from
    `fold_in(key, n)`; with `reset`, its trajectory does not depend on the others.

    Args:
        prior: what draws z or w, and the generator, which should be prepared.
        transformation: a pytree that can be called; see
            `factors_of_variation_transformations`.
        search: how codes are searched.
        key: a typed key.
        num: how many codes there are in all.
        chunk: codes of a compiled call, each of which makes two pictures at a time.
        mesh: devices to split the codes of a call over; None for one.
        done: the first of the trajectories, which are not searched again.
        callback: called with all trajectories so far after every compiled call.

    Returns:
        Trajectories [num], on the host.

    Raises:
        ValueError: names the argument that does not fit.
    """
    if prior.space == "w+":
        raise ValueError("space: 'w+' given; 'z' or 'w' is accepted")
    first = 0 if done is None else len(done)
    if num < max(first, 1):
        raise ValueError(f"num: {num} given; {max(first, 1)} or more is accepted")
    if not search.reset and (mesh is not None or done is not None or num % chunk):
        raise ValueError(
            f"reset: False given; one device, trajectories from the first on and a "
            f"multiple of the chunk's {chunk} codes are accepted with it"
        )
    if done is not None and num == first:
        return done
    latents = _drawn(prior, sample_keys(key, np.arange(first, num)))
    whole = (prior.generator, transformation)
    if search.reset:
        call = partial(_both_ways, search=search, mesh=mesh)
        parts = in_chunks(call, (latents,), num - first, chunk, whole=whole, mesh=mesh)
    else:
        parts = _in_turn(whole, latents, search, chunk)
    part: Trajectories
    for part in parts:
        done = part if done is None else done.joined(part)
        if callback is not None:
            callback(done)
    assert done is not None
    return done


@jax.jit
def _drawn(prior: Prior, keys: jax.Array) -> Latents:
    return prior(keys)


@partial(jax.jit, static_argnames=("search", "mesh"))
def _both_ways(
    generator: Generator,
    transformation: Model,
    latents: Latents,
    *,
    search: Search,
    mesh: Mesh | None,
) -> Trajectories:
    """Trajectories of N codes, all of both signs at once."""
    amounts = jnp.asarray(search.amounts, latents.codes.dtype)[:, None]

    def run(generator: Generator, transformation: Model, latents: Latents) -> Any:
        count = len(latents)
        rows = jax.tree.map(lambda leaf: jnp.repeat(leaf, 2, axis=0), latents)
        signs = jnp.tile(jnp.asarray([-1, 1], amounts.dtype), count)[None]
        begun = _Way(rows.codes, keras_adam(search.learning_rate).init(rows.codes))
        _, found = _follow(
            generator, transformation, rows, begun, amounts * signs, search
        )

        def sorted_by_code(leaf: jax.Array) -> jax.Array:
            """[T, 2 N, ...] -> [N, 2, T, ...]."""
            leaf = jnp.moveaxis(leaf, 0, 1)
            return leaf.reshape(count, 2, *leaf.shape[1:])

        starts = _within(latents.codes, latents.space, search)
        return Trajectories(starts, *map(sorted_by_code, found))

    if mesh is None:
        return run(generator, transformation, latents)
    rows = PartitionSpec(mesh.axis_names)
    share = jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(), rows),
        out_specs=rows,
        check_vma=False,  # what is made of the weights alone is the same everywhere
    )
    return share(generator, transformation, latents)


def _in_turn(whole: Any, latents: Latents, search: Search, batch: int) -> Any:
    """As the original: signs and batches one after the other, with Adam's moments."""
    optimizer = keras_adam(search.learning_rate)
    moments = optimizer.init(latents.codes[:batch])
    for start in range(0, len(latents), batch):
        rows = jax.tree.map(operator.itemgetter(slice(start, start + batch)), latents)
        signs = []
        for sign in (-1.0, 1.0):
            moments, found = _one_way(*whole, rows, moments, sign, search=search)
            signs.append(jax.tree.map(lambda leaf: np.moveaxis(leaf, 0, 1), found))
        both = jax.tree.map(lambda *parts: np.stack(parts, 1), *signs)
        starts = _within(rows.codes, rows.space, search)
        yield Trajectories(np.asarray(starts), *both)


@partial(jax.jit, static_argnames="search")
def _one_way(
    generator: Generator,
    transformation: Model,
    rows: Latents,
    moments: Any,
    sign: jax.Array,
    *,
    search: Search,
) -> Any:
    amounts = sign * jnp.asarray(search.amounts, rows.codes.dtype)
    amounts = jnp.broadcast_to(amounts[:, None], (len(amounts), len(rows)))
    begun = _Way(rows.codes, moments)
    way, found = _follow(generator, transformation, rows, begun, amounts, search)
    return way.moments, found


@flax.struct.dataclass(eq=False)
class _Way:
    """Where a search is: codes [R, D] and Adam's moments."""

    codes: jax.Array
    moments: Any


def _follow(
    generator: Generator,
    transformation: Model,
    starts: Latents,
    begun: _Way,
    amounts: jax.Array,
    search: Search,
) -> tuple[_Way, tuple[jax.Array, jax.Array, jax.Array]]:
    """R codes through amounts [T, R]: ends [T, R, D], what was realised, and errors."""
    optimizer = keras_adam(search.learning_rate)

    def pictures(codes: jax.Array) -> jax.Array:
        return to_images(generator, Latents(codes, starts.space, starts.label))

    def project(codes: jax.Array) -> jax.Array:
        return _within(codes, starts.space, search)

    begun = _Way(project(begun.codes), begun.moments)
    originals = pictures(begun.codes)

    def reach(way: _Way, amount: jax.Array) -> Any:
        targets, masks, realised = transformed_rows(transformation, originals, amount)

        def loss(codes: jax.Array) -> tuple[jax.Array, jax.Array]:
            each = jax.vmap(
                lambda *one: frequency_loss(
                    *(part[None] for part in one),
                    sigma=search.sigma,
                    kernel=search.kernel,  # pyright: ignore
                )[0]
            )(pictures(codes), targets, masks)
            # codes do not see each other, but for Adam's epsilon in the original
            return jnp.sum(each) if search.reset else jnp.mean(each), each

        def step(carry: Any, _: None) -> Any:
            way, _ = carry
            gradient, errors = jax.grad(loss, has_aux=True)(way.codes)
            inward = _inward(gradient, way.codes, starts.space, search)
            moves, moments = optimizer.update(inward(gradient), way.moments)
            moves = inward(moves)
            moved = optax.apply_updates(way.codes, moves)
            return (_Way(project(moved), moments), errors), None  # pyright: ignore

        if search.reset:
            way = _Way(way.codes, optimizer.init(way.codes))
        (way, errors), _ = lax.scan(
            step, (way, jnp.zeros_like(amount)), length=search.steps
        )
        return way, (way.codes, realised, errors)

    return lax.scan(reach, begun, amounts)


def _within(codes: jax.Array, space: str, search: Search) -> jax.Array:
    """Codes [N, D] brought to where they may be."""
    if space != "z" or search.constraint == "none":
        return codes
    radius = jnp.sqrt(jnp.asarray(codes.shape[1], codes.dtype))
    length = jnp.linalg.norm(codes, axis=1, keepdims=True)
    if search.constraint == "ball":
        length = jnp.maximum(length, radius)
    return codes * (radius / length)


def _inward(
    gradient: jax.Array, codes: jax.Array, space: str, search: Search
) -> Callable[[Any], jax.Array]:
    """Takes from vectors [N, D] what leads codes out that the gradient would lead out.

    Of moves too, for Adam turns them, and a code that left the sphere by that would be
    driven back to it.
    """
    if space != "z" or search.constraint == "none" or not search.tangent:
        return lambda vectors: vectors
    square = jnp.sum(codes**2, axis=1, keepdims=True)
    bound = jnp.sum(gradient * codes, axis=1, keepdims=True) < 0
    # by rounding, codes on the sphere may lie within
    bound &= square > (1 - 1e-5) * codes.shape[1]
    if search.constraint == "sphere":
        bound = jnp.ones_like(bound)

    def inward(vectors: jax.Array) -> jax.Array:
        along = jnp.sum(vectors * codes, axis=1, keepdims=True)
        return vectors - jnp.where(bound, along / square, 0) * codes

    return inward


def kept(
    found: Trajectories, *, threshold: float | None = None, dropped: float = 0.0
) -> np.ndarray:
    """Which ends of trajectories are good enough, [N, 2, T].

    Args:
        found: the trajectories.
        threshold: the largest error that is; None for any (the paper's Theta).
        dropped: share of all ends, those of the largest errors, which are not (the
            original drops 0.1, most of them of the largest amounts).

    Raises:
        ValueError: for a share that is none, or if nothing is left.
    """
    if not 0 <= dropped < 1:
        raise ValueError(f"dropped: {dropped} given; from 0 to below 1 is accepted")
    errors = np.asarray(found.errors)
    good = np.isfinite(errors)
    if dropped:
        order = np.sort(errors, axis=None)
        good &= errors < order[min(int((1 - dropped) * order.size), order.size - 1)]
    if threshold is not None:
        good &= errors <= threshold
    if not good.any():
        raise ValueError(
            f"threshold: {threshold} given, which drops all; errors from "
            f"{np.nanmin(errors):.3g} were reached"
        )
    return good


def records(found: Trajectories, chosen: np.ndarray) -> Records:
    """The chosen ends [N, 2, T], each with its start."""
    starts = np.broadcast_to(found.starts[:, None, None], found.ends.shape)
    parts = (starts, found.ends, found.amounts)
    return Records(*(jnp.asarray(part[chosen]) for part in parts))
