"""The compiled part of a run: a block of steps without a look from the host."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxlatent.collectives import gather
from jaxlatent.learning import Metrics, Problem, Rows
from jaxlatent.parallel import place


@functools.partial(jax.jit, static_argnames=("batch", "block", "mesh"))
def run_block(
    method: Problem,
    key: jax.Array,
    state: Any,
    start: jax.Array,
    count: jax.Array,
    rows: Any,
    *,
    strict: jax.Array,
    batch: int,
    block: int,
    mesh: Mesh | None,
) -> tuple[Any, jax.Array, jax.Array, Metrics]:
    """At most `block` steps; fewer where `count` says so or one of them fails.

    The state that it begins with is not donated: where a step fails, the steps before
    it are done once more from there. To choose between the old and the new state after
    every step would need as much memory and take longer.

    Args:
        method: it takes the steps.
        key: the run's.
        state: where they begin.
        start: the number of the first step.
        count: how many to take.
        rows: a pytree of [block, batch, ...], or None.
        strict: see `finite`; for the leaves of the state.
        batch: samples of a step.
        block: how many steps there is room for.
        mesh: devices to split the samples over, or None.

    Returns:
        The state after the last step; how many steps were good; whether all were, and
        if not, the state is the one after the first that was not; and the metrics
        [block], of which those behind the good steps mean nothing.
    """

    def fixed(tree: Any, *spec: Any) -> Any:
        if mesh is None:
            return tree
        sharding = NamedSharding(mesh, PartitionSpec(*spec))
        return jax.tree.map(
            lambda leaf: jax.lax.with_sharding_constraint(leaf, sharding), tree
        )

    def update(state: Any, done: jax.Array) -> tuple[Any, Metrics]:
        first = (start + done.astype(np.uint32)) * np.uint32(batch)
        numbers = first + jnp.arange(batch, dtype=np.uint32)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
        keys = fixed(keys, None if mesh is None else mesh.axis_names)
        return _update(method, state, keys, jax.tree.map(lambda leaf: leaf[done], rows))

    def step(carry: Any) -> Any:
        state, done, _, history = carry
        state, metrics = update(state, done)
        good = _is_finite(state, metrics["loss"], strict)
        history = {
            name: history[name].at[done].set(value) for name, value in metrics.items()
        }
        state = _each(state, fixed, mesh)
        return state, *fixed((done + good.astype(np.int32), good, history))

    def goes_on(carry: Any) -> jax.Array:
        _, done, good, _ = carry
        return good & (done < count)

    shapes = jax.eval_shape(update, state, jnp.int32(0))
    metrics = _checked(state, *shapes)
    history = {name: jnp.zeros(block, leaf.dtype) for name, leaf in metrics.items()}
    carry = state, jnp.int32(0), jnp.bool_(True), history
    if block == 1:
        done = goes_on(carry)
        return jax.tree.map(functools.partial(jnp.where, done), step(carry), carry)
    # a loop rather than a scan with a branch: what is not done costs nothing
    return jax.lax.while_loop(goes_on, step, carry)


_MANY = 2**20
"""Numbers in a method's models from where on a step takes longer than its launch."""

_NETWORK = 2**15
"""Numbers that are learned, from where on they are a network's."""


def suitable_block(method: Any, state: Any) -> int:
    """How many steps of a method are best run without a look from the host.

    XLA's compiler for CPUs brings no convolution inside of a loop into the form that is
    fast, and gradients of convolutions need it: there, large models, and methods that
    train a network, take their steps one by one (measured: a third of the time with 3 x
    3 kernels, 128 channels, and a sixth with the LeNet of pairs).
    """
    numbers, learned = (
        sum(np.size(leaf) for leaf in jax.tree.leaves(tree))
        for tree in (method, state.params)
    )
    slow = numbers >= _MANY or learned >= _NETWORK
    return 1 if jax.default_backend() == "cpu" and slow else 50


@jax.jit
def _update(method: Problem, state: Any, keys: jax.Array, rows: Any) -> Any:
    # under jit, so that asking for its shapes and running it trace it once
    return method.update(state, keys, rows)


def _is_finite(state: Any, loss: jax.Array, strict: jax.Array) -> jax.Array:
    good = [jnp.isfinite(loss)]
    good += [finite(leaf) for leaf in jax.tree.leaves(_watched(state.params))]
    for one, leaf in zip(strict, jax.tree.leaves(_watched(state)), strict=True):
        good.append(finite(leaf) | ~one)
    return jnp.stack(good).all()


def strictness(state: Any) -> np.ndarray:
    """Which leaves of a state, without `Rows`, are finite; see `finite`."""
    return np.array([bool(finite(leaf)) for leaf in jax.tree.leaves(_watched(state))])


def _watched(tree: Any) -> Any:
    return jax.tree.map(
        lambda node: None if isinstance(node, Rows) else node, tree, is_leaf=_is_rows
    )


def _is_rows(node: Any) -> bool:
    return isinstance(node, Rows)


def _each(tree: Any, change: Callable[..., Any], mesh: Mesh | None) -> Any:
    """`change(node, *spec)` of every leaf and of all `Rows`, which a mesh splits."""

    def of(node: Any) -> Any:
        if mesh is None or not isinstance(node, Rows):
            return change(node)
        return change(node, mesh.axis_names)

    return jax.tree.map(of, tree, is_leaf=_is_rows)


def finite(leaf: Any) -> jax.Array:
    """Whether all values of an array are finite, as all whole numbers are.

    Leaves of a state that are finite when a run begins have to stay so. An optimiser
    may begin with infinities, as the best loss so far; those are let be.
    """
    if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
        return jnp.bool_(True)
    return jnp.isfinite(leaf).all()


def _checked(state: Any, new: Any, metrics: Any) -> Metrics:
    """The metrics' shapes, where `update` returned what it should."""
    if not isinstance(metrics, dict) or "loss" not in metrics:
        raise ValueError('method: update must return a dict of metrics with "loss"')
    for name, leaf in metrics.items():
        if leaf.shape or not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise ValueError(
                f"method: its metric {name!r} is {leaf.dtype} {leaf.shape}; a floating "
                "scalar is accepted"
            )
    if jax.tree.structure(new) != jax.tree.structure(state):
        raise ValueError("method: update must return a state of the same structure")
    before = jax.tree_util.tree_leaves_with_path(state)
    for (path, old), leaf in zip(before, jax.tree.leaves(new), strict=True):
        if (old.shape, old.dtype) != (leaf.shape, leaf.dtype):
            raise ValueError(
                f"method: update makes state{jax.tree_util.keystr(path)} {leaf.dtype} "
                f"{leaf.shape}; {old.dtype} {old.shape} is accepted, as init gave it"
            )
    return metrics


def own(tree: Any, mesh: Mesh | None) -> Any:
    """A copy of a pytree, on no particular device or on a mesh."""

    def copy(leaf: Any) -> Any:
        # of numbers too, and not weakly typed: the next block would compile again
        host = np.array(leaf, jnp.result_type(leaf))
        return jnp.array(host) if mesh is None else host

    tree = jax.tree.map(copy, tree)
    return tree if mesh is None else spread(tree, mesh)


def spread(tree: Any, mesh: Mesh) -> Any:
    """`Rows` split over a mesh, everything else in full on each of its devices.

    Raises:
        ValueError: for rows that cannot be split evenly.
    """

    def put(node: Any, *spec: Any) -> Any:
        counts = {np.shape(leaf)[0] for leaf in jax.tree.leaves(node) if spec}
        if any(count % mesh.size for count in counts):
            raise ValueError(
                f"mesh: {mesh.size} devices given; a number that divides the "
                f"{min(counts)} rows of the state is accepted"
            )
        return place(node, mesh, PartitionSpec(*spec))

    return _each(tree, put, mesh)


def released(tree: Any, mesh: Mesh | None) -> Any:
    """What is on a mesh, whole and on no particular device."""
    return tree if mesh is None else own(whole(tree), None)


def whole(tree: Any) -> Any:
    """A pytree whose `Rows` every process holds in full, all of them on the host."""
    return jax.tree.map(
        lambda node: gather(node) if isinstance(node, Rows) else node,
        tree,
        is_leaf=_is_rows,
    )
