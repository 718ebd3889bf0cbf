"""What a learned method is, and the one step that all of them take.

A method is a pytree: its models are fields whose leaves are their weights, its settings
are static. A method file writes a loss and calls `descend`:

    @flax.struct.dataclass(eq=False)
    class Walk:
        generator: Generator
        rate: float = flax.struct.field(pytree_node=False, default=1e-3)
        accumulate: int = flax.struct.field(pytree_node=False, default=1)

        @property
        def optimizer(self):
            return accumulated(optax.adam(self.rate), self.accumulate)

        def init(self, key):
            return State.init(jax.random.normal(key, (512,)), self.optimizer)

        def loss(self, walk, key):  # of one sample
            ...

        def update(self, state, keys, data=None):
            loss = batch_mean(self.loss)
            return descend(loss, state, keys, optimizer=self.optimizer)

`jaxlatent.training.fit` runs it.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import flax.struct
import jax
import jax.numpy as jnp
import optax

from jaxlatent.edits.base import Edit

Metrics = dict[str, jax.Array]
"""Scalars by name."""

Loss = Callable[..., Any]
"""`loss(params, *inputs)`: a scalar, `(scalar, metrics)` or
`(scalar, metrics, params)`; see `descend`."""


class Problem(Protocol):
    """What `jaxlatent.training.fit` solves by gradient descent.

    Implementations are `flax.struct.dataclass(eq=False)`: fields that are models are
    pytrees, so that other weights of the same shapes do not compile anything again,
    and settings are static floats, ints, strings or tuples of such. An optimiser is
    built inside the methods; one in a field would compile everything again.
    """

    def init(self, key: jax.Array) -> Any:
        """The state before the first step: a pytree whose `params` are learned."""
        ...

    def update(self, state: Any, keys: jax.Array, data: Any = None) -> Any:
        """One step of the optimiser; can be compiled.

        Args:
            state: what `init` or `update` returned.
            keys: [batch] typed keys, one for each sample.
            data: a pytree of [batch, ...] rows, or None.

        Returns:
            The new state, of the same structure, shapes and dtypes, and a dict of
            scalar arrays that has "loss".
        """
        ...


class Method(Problem, Protocol):
    """A paper that learns its edit by gradient descent."""

    def edit(self, state: Any) -> Edit:
        """What was learned, as an edit; not compiled."""
        ...


@flax.struct.dataclass(eq=False)
class State:
    """What changes while a method learns.

    A method that keeps more defines a dataclass of its own with these two fields.

    Attributes:
        params: a pytree of floating arrays; what is learned.
        optimizer: the optimiser's state.
    """

    params: Any
    optimizer: Any

    @classmethod
    def init(cls, params: Any, optimizer: optax.GradientTransformation) -> "State":
        """The state before the first step."""
        return cls(params, optimizer.init(params))


@flax.struct.dataclass(eq=False)
class Rows:
    """Arrays of a state or of a method of which every device holds some rows only.

    With a mesh, `fit` splits them where it copies everything else to every device, so
    that what a method keeps for each row of its data may be larger than one device.
    `fit` does not look for values that are not finite in them, for a step meets few of
    the rows: the method's loss must not be finite then.

    Attributes:
        arrays: a pytree of arrays [R, ...], where the devices' number divides R.
    """

    arrays: Any


AnyState = TypeVar("AnyState")


def descend(
    loss: Loss,
    state: AnyState,
    *inputs: Any,
    optimizer: optax.GradientTransformation,
    mask: Any = None,
) -> tuple[AnyState, Metrics]:
    """One step of an optimiser along the gradient with respect to `state.params`.

    Args:
        loss: `loss(params, *inputs)` of the whole batch. It returns a scalar, or
            `(scalar, metrics)`, or `(scalar, metrics, params)` where a pass through the
            network itself updates what `mask` leaves out: running statistics of batch
            norms. For the mean over samples that do not see each other, write the loss
            of one sample and wrap it in `batch_mean`.
        state: a `State`, or another `flax.struct.dataclass` with `params` and
            `optimizer`.
        inputs: keys [batch], rows of data, or whatever else the loss takes.
        optimizer: the one whose state is in `state`.
        mask: True where a leaf of the params is learned, for instance from
            `networks.base.trainable`; one bool may stand for a whole subtree. None for
            everything.

    Returns:
        The state with new params and a new optimiser's state, and the metrics, among
        them "loss".

    Raises:
        ValueError: the loss returns params, but there is no mask.
    """
    before: Any = state

    def evaluate(params: Any) -> tuple[jax.Array, tuple[Metrics, Any]]:
        value, metrics, *passed = _pair(loss(params, *inputs))
        return value, (metrics, passed[0] if passed else None)

    (value, (metrics, passed)), gradient = jax.value_and_grad(evaluate, has_aux=True)(
        before.params
    )
    if passed is not None and mask is None:
        raise ValueError(
            "mask: None given; for a loss that returns params it must say which leaves "
            "the optimiser does not move"
        )
    learned = jax.tree.broadcast(True if mask is None else mask, before.params)
    updates, optimizer_state = optimizer.update(
        _keep(learned, gradient), before.optimizer, before.params
    )
    # once more, for weight decay does not look at the gradient
    params = optax.apply_updates(before.params, _keep(learned, updates))
    if passed is not None:
        params = jax.tree.map(
            lambda move, new, run: new if move else run, learned, params, passed
        )
    after = before.replace(params=params, optimizer=optimizer_state)
    return after, {**metrics, "loss": value}


def batch_mean(loss: Loss) -> Loss:
    """The loss of a batch from that of one sample.

    Args:
        loss: `loss(params, *inputs)`, a scalar or `(scalar, metrics)`, where every leaf
            of the inputs is one sample's.

    Returns:
        A function of params and inputs with a leading axis [batch]: the mean of the
        loss and, where there are any, of every metric.
    """

    def mean(params: Any, *inputs: Any) -> tuple[jax.Array, Metrics]:
        axes = (None, *[0] * len(inputs))
        found = jax.vmap(lambda *args: _pair(loss(*args)), in_axes=axes)(
            params, *inputs
        )
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), found)

    return mean


def accumulated(
    optimizer: optax.GradientTransformation, steps: int
) -> optax.GradientTransformation:
    """An optimiser that moves at every `steps`-th step, by the mean gradient of all.

    Four steps of batch 2 then equal one of batch 8, for a loss that is a mean over its
    samples. Schedules inside the optimiser count moves.

    Raises:
        ValueError: for less than one step.
    """
    if steps < 1:
        raise ValueError(f"steps: {steps} given; 1 or more is accepted")
    if steps == 1:
        return optimizer
    return optax.MultiSteps(optimizer, steps).gradient_transformation()


def keras_adam(
    learning_rate: float, *, epsilon: float = 1e-7
) -> optax.GradientTransformation:
    """Adam as TensorFlow has it, whose epsilon is added before the bias is corrected.

    The first moves are along gradients of less than some 30 times epsilon shorter than
    `optax.adam` would make them.

    Args:
        learning_rate: of Adam.
        epsilon: 1e-7 in Keras, 1e-8 in TensorFlow 1.
    """
    moments = optax.scale_by_adam(eps=0.0)

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        del params
        _, state = moments.update(updates, state)
        count = state.count.astype(jnp.float32)
        rate = learning_rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        moves = jax.tree.map(
            lambda mean, square: (
                -rate.astype(mean.dtype) * mean / (jnp.sqrt(square) + epsilon)
            ),
            state.mu,
            state.nu,
        )
        return moves, state

    return optax.GradientTransformation(moments.init, update)


def sparse_adam(learning_rate: float) -> optax.GradientTransformation:
    """Adam that leaves rows alone whose gradient is zero, their moments included.

    Rows are those of the first axis of each leaf, such as one entry for each direction
    of which a batch sees few. The bias is corrected by the number of all steps.
    """
    adam: Any = optax.scale_by_adam()

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        del params

        def kept(gradient: jax.Array, new: jax.Array, old: Any) -> jax.Array:
            axes = tuple(range(1, gradient.ndim))
            moved = jnp.any(gradient != 0, axis=axes, keepdims=True)
            return jnp.where(moved, new, old)

        moves, after = adam.update(updates, state)
        resting = jax.tree.map(jnp.zeros_like, moves)
        moves = jax.tree.map(kept, updates, moves, resting)
        moments = {
            name: jax.tree.map(
                kept, updates, getattr(after, name), getattr(state, name)
            )
            for name in ("mu", "nu")
        }
        moves = jax.tree.map(lambda move: -learning_rate * move, moves)
        return moves, after._replace(**moments)

    return optax.GradientTransformation(adam.init, update)


def _pair(found: Any) -> Any:
    """A loss and its metrics, whether or not it came with any."""
    return found if isinstance(found, tuple) else (found, {})


def _keep(learned: Any, tree: Any) -> Any:
    """Zeros in place of what is not learned."""
    return jax.tree.map(
        lambda move, leaf: leaf if move else jnp.zeros_like(leaf), learned, tree
    )
