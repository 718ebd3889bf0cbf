"""Learned methods whose every step is known in closed form."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxlatent.edits.directions import directions
from jaxlatent.learning import State, accumulated, batch_mean, descend

SIZE = 5


@flax.struct.dataclass(eq=False)
class Noisy(State):
    """A state that says which step is next, and keeps the least loss so far."""

    step: jax.Array
    best: jax.Array


@flax.struct.dataclass(eq=False)
class Centre:
    """Gradient descent to the mean of noisy points around a centre.

    The loss of a sample is half the squared distance to its point, the centre plus
    `spread` times a normal draw plus the row of data, where there is one.

    `poison` names a step and what turns into NaN there.
    """

    centre: jax.Array
    rate: float = flax.struct.field(pytree_node=False, default=0.25)
    spread: float = flax.struct.field(pytree_node=False, default=0.5)
    accumulate: int = flax.struct.field(pytree_node=False, default=1)
    adam: bool = flax.struct.field(pytree_node=False, default=False)
    poison: tuple[int, str] = flax.struct.field(pytree_node=False, default=(-1, ""))

    @property
    def optimizer(self) -> optax.GradientTransformation:
        kind = optax.adam if self.adam else optax.sgd
        return accumulated(kind(self.rate), self.accumulate)

    def init(self, key: jax.Array) -> Noisy:
        params = {"vector": jnp.zeros(SIZE), "empty": jnp.zeros((0, 2))}
        return Noisy(
            params,
            self.optimizer.init(params),
            step=jnp.int32(0),
            best=jnp.float32(jnp.inf),
        )

    def loss(self, params: Any, key: jax.Array, row: Any = None) -> Any:
        point = self.centre + self.spread * jax.random.normal(key, (SIZE,))
        if row is not None:
            point = point + row
        off = params["vector"] - point
        return 0.5 * jnp.sum(off**2), {"first": params["vector"][0]}

    def update(self, state: Noisy, keys: jax.Array, data: Any = None) -> Any:
        when, what = self.poison
        bad = jnp.where(state.step == when, jnp.nan, 0.0)
        after, metrics = descend(
            batch_mean(self.loss), state, keys, data, optimizer=self.optimizer
        )
        if what == "params":
            after = after.replace(params=jax.tree.map(lambda x: x + bad, after.params))
        if what == "optimizer":
            moments = jax.tree.map(lambda x: x + bad.astype(x.dtype), after.optimizer)
            after = after.replace(optimizer=moments)
        if what == "loss":
            metrics |= {"loss": metrics["loss"] + bad}
        if what == "first":
            metrics |= {"first": metrics["first"] + bad}
        best = jnp.minimum(state.best, metrics["loss"])
        return after.replace(step=state.step + 1, best=best), metrics

    def edit(self, state: Noisy) -> Any:
        return directions(state.params["vector"][None], space="z", method="centre")


def draws(key: jax.Array, start: int, stop: int) -> np.ndarray:
    """The normal draws of samples `start` to `stop` - 1, [N, SIZE]."""
    return np.stack(
        [
            np.asarray(jax.random.normal(jax.random.fold_in(key, n), (SIZE,)))
            for n in range(start, stop)
        ]
    )


def contents(tree: Any) -> list[bytes]:
    """Every bit of a pytree of arrays."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return [f"{leaf.dtype} {leaf.shape}".encode() + leaf.tobytes() for leaf in leaves]
