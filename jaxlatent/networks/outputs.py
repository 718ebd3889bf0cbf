"""What is read off a network: some of its outputs, probabilities, log-odds, features.

Each is a model itself, a pytree that can be called: `Column(Probabilities(network), 8)`
scores pictures by how likely they show class 8, and another class compiles nothing.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass(eq=False)
class Column:
    """One output of a model: inputs -> [N].

    Attributes:
        model: returns [N, A].
        index: which of the A; NaN comes out for one that does not exist.
    """

    model: Any
    index: int | jax.Array

    def __call__(self, *inputs: Any) -> jax.Array:
        """[N] of [N, A].

        Raises:
            ValueError: for a model that returns anything else.
        """
        outputs = _classes(self.model(*inputs), 1)
        picked = outputs.at[:, self.index]
        return picked.get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


@flax.struct.dataclass(eq=False)
class Columns:
    """Some outputs of a model: inputs -> [N, C].

    Attributes:
        model: returns [N, A].
        indices: [C], which of the A; NaN comes out for one that does not exist.
    """

    model: Any
    indices: jax.Array

    def __call__(self, *inputs: Any) -> jax.Array:
        """[N, C] of [N, A].

        Raises:
            ValueError: for a model that returns anything else.
        """
        outputs = _classes(self.model(*inputs), 1)
        picked = outputs.at[:, self.indices]
        return picked.get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


@flax.struct.dataclass(eq=False)
class Probabilities:
    """A classifier's outputs as probabilities: inputs -> [N, A] of sum one.

    Attributes:
        model: returns [N, A] logits or log-probabilities.
    """

    model: Any

    def __call__(self, *inputs: Any) -> jax.Array:
        """Inputs -> [N, A]."""
        return jax.nn.softmax(_classes(self.model(*inputs), 2), axis=1)


@flax.struct.dataclass(eq=False)
class LogOdds:
    """A classifier's outputs as the odds of each class against all others; [N, A].

    Attributes:
        model: returns [N, A] logits or log-probabilities.
    """

    model: Any

    def __call__(self, *inputs: Any) -> jax.Array:
        """Inputs -> log p / (1 - p), [N, A]."""
        return log_odds(self.model(*inputs))


@flax.struct.dataclass(eq=False)
class Sigmoid:
    """Outputs as numbers in [0, 1], each by itself; inputs -> the same shape.

    The sigmoid of `LogOdds` is a classifier's probability; at a temperature above one
    it is one that does not jump from 0 to 1 at the border of a class.

    Attributes:
        model: returns logits.
        temperature: by which they are divided.
    """

    model: Any
    temperature: float | jax.Array = 1.0

    def __call__(self, *inputs: Any) -> jax.Array:
        """Inputs -> 1 / (1 + exp(-logit / temperature))."""
        return jax.nn.sigmoid(self.model(*inputs) / self.temperature)


@flax.struct.dataclass(eq=False)
class Features:
    """An activation within a network, as vectors: images -> [N, E].

    Attributes:
        network: a `Network`.
        name: of the activation; see `Network.features`.
    """

    network: Any
    name: str = flax.struct.field(pytree_node=False)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Images -> [N, E]."""
        found = self.network.features(images, names=(self.name,))[self.name]
        return found.reshape(len(found), -1)


def log_odds(scores: jax.Array) -> jax.Array:
    """A classifier's outputs as the odds of each class against all others.

    A log-probability cannot tell sure from very sure, since it ends at zero; log-odds
    can, and rank the extremes that a boundary is fitted to.

    Args:
        scores: [N, A] logits or log-probabilities, of two classes or more.

    Returns:
        [N, A], log p / (1 - p).

    Raises:
        ValueError: for another shape.
    """
    count = _classes(scores, 2).shape[1]
    own = jnp.eye(count, dtype=bool)[None]
    others = jnp.where(own, -jnp.inf, scores[:, None, :])
    return scores - jax.nn.logsumexp(others, axis=2)


def _classes(outputs: jax.Array, least: int) -> jax.Array:
    if outputs.ndim != 2 or outputs.shape[1] < least:
        classes = f"A at least {least}"
        raise ValueError(
            f"model: returned {outputs.shape}; [N, A] with {classes} is accepted"
        )
    return outputs
