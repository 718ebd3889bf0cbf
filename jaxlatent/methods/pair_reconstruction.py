"""Directions that a network can tell apart: the step that two papers learn by.

Voynov and Babenko, "Unsupervised discovery of interpretable directions in the GAN
latent space" (2020), equation 1, and WarpedGANSpace (Tzelepis et al., 2021), equation
5: a code z and its neighbour along direction k at a distance e are drawn, a
reconstructor R sees both pictures, and directions and R are trained together on

    E cross_entropy(k, k'(pictures)) + weight |e - e'(pictures)|.

A method says how codes move; the rest is here. The first picture does not depend on
what is learned, and the generator's weights are never differentiated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxlatent.evaluation.recognition import Pairs, Shifts, draw_pairs, pair_images
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Prior
from jaxlatent.learning import Metrics, State, accumulated, descend, sparse_adam
from jaxlatent.networks.base import Network, trainable
from jaxlatent.networks.reconstructors import NORMED, PairLeNet, PairResNet

DIRECTIONS, RECONSTRUCTOR = "directions", "reconstructor"
"""The names of what is learned, in `State.params`."""

Move = Callable[[Any, Pairs], tuple[jax.Array, Any]]
"""`move(directions, pairs)`: the codes after, and the directions' own params with the
running statistics that they may have updated."""


@dataclass(frozen=True)
class PairSettings:
    """How directions and reconstructor learn from pairs.

    Attributes:
        shifts: the law of the distances.
        classification: weight of the cross-entropy of the direction.
        regression: weight of the absolute error of the distance.
        directions_rate: Adam's for the directions.
        reconstructor_rate: Adam's for the reconstructor.
        accumulate: steps whose gradients are averaged before the params move; batch
            norms see each step's batch alone.
        sparse_rows: whether directions that no sample of a step moved along rest,
            rather than move on by Adam's momentum.
    """

    shifts: Shifts = Shifts()
    classification: float = 1.0
    regression: float = 0.25
    directions_rate: float = 1e-4
    reconstructor_rate: float = 1e-4
    accumulate: int = 1
    sparse_rows: bool = False

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam for each of the two."""
        adam = sparse_adam if self.sparse_rows else optax.adam
        rates: dict[Any, optax.GradientTransformation] = {
            DIRECTIONS: adam(self.directions_rate),
            RECONSTRUCTOR: optax.adam(self.reconstructor_rate),
        }
        # one label stands for the whole subtree
        labels = {name: name for name in rates}
        return accumulated(optax.partition(rates, labels), self.accumulate)


def pair_reconstructor(
    generator: Generator,
    directions: int,
    kind: Literal["resnet", "lenet"] = "resnet",
    *,
    downsample: int | None = None,
) -> PairLeNet | PairResNet:
    """The reconstructor's architecture for a generator's pictures.

    Args:
        generator: what draws them.
        directions: how many are to be told apart.
        kind: "resnet" for a ResNet-18, "lenet" for the small one that is enough for
            pictures of 32 and 64 pixels.
        downsample: pixels of a side that a ResNet sees; None for all.

    Raises:
        ValueError: for another kind, or to downsample for a LeNet.
    """
    channels = generator.image_shape[-1]
    if kind == "resnet":
        return PairResNet(directions, channels, downsample)
    if kind != "lenet" or downsample is not None:
        raise ValueError(
            f"kind, downsample: {kind!r}, {downsample} given; 'resnet', or 'lenet' "
            "without downsampling, is accepted"
        )
    return PairLeNet(directions, channels)


def pair_state(
    directions: Any,
    module: nn.Module,
    settings: PairSettings,
    generator: Generator,
    *,
    key: jax.Array,
) -> State:
    """The state before the first step, with a fresh reconstructor.

    Args:
        directions: what is learned of them.
        module: the reconstructor.
        settings: how they learn.
        generator: whose pictures are told apart.
        key: of the reconstructor's weights.
    """
    images = jnp.zeros((1, *generator.image_shape))
    network = Network.init(key, module, images, images)
    params = {DIRECTIONS: directions, RECONSTRUCTOR: network.params}
    return State.init(params, settings.optimizer)


def pair_update(
    move: Move,
    state: State,
    keys: jax.Array,
    *,
    prior: Prior,
    module: PairLeNet | PairResNet,
    settings: PairSettings,
) -> tuple[State, Metrics]:
    """`pair_step` on pairs that are drawn with typed keys [N], each with its own."""
    pairs = draw_pairs(prior, settings.shifts, module.directions, keys)
    return pair_step(move, state, pairs, prior=prior, module=module, settings=settings)


def pair_step(
    move: Move,
    state: State,
    pairs: Pairs,
    *,
    prior: Prior,
    module: PairLeNet | PairResNet,
    settings: PairSettings,
) -> tuple[State, Metrics]:
    """One step of both optimisers; can be compiled.

    Args:
        move: how codes move.
        state: of `pair_state`.
        pairs: N codes, directions and shifts.
        prior: what drew the codes.
        module: the reconstructor.
        settings: how they learn.

    Returns:
        The new state; "loss", "classification", "regression" and the "accuracy" of the
        batch, whose own statistics the batch norms used.
    """

    def loss(params: Any, pairs: Pairs) -> tuple[jax.Array, Metrics, Any]:
        moved, directions = move(params[DIRECTIONS], pairs)
        network = Network(params[RECONSTRUCTOR], module)
        guess, network = network.train(*pair_images(prior, pairs, moved))
        value, metrics = pair_loss(guess, pairs, settings)
        passed = {DIRECTIONS: directions, RECONSTRUCTOR: network.params}
        return value, metrics, passed

    return descend(
        loss,
        state,
        pairs,
        optimizer=settings.optimizer,
        mask=_learned(state.params),
    )


def _learned(params: Any) -> Any:
    """What the optimisers move.

    Not the biases of a LeNet that a batch norm takes away again: their gradient is that
    of rounding alone, which Adam would make steps of its rate of.
    """
    mask = trainable(params)
    network = mask[RECONSTRUCTOR]
    for layer in NORMED.intersection(network):
        network[layer] = {**network[layer], "bias": False}
    return mask


def pair_loss(
    guess: tuple[jax.Array, jax.Array], pairs: Pairs, settings: PairSettings
) -> tuple[jax.Array, Metrics]:
    """What a guess costs.

    Args:
        guess: logits [N, K] and shifts [N] of a reconstructor.
        pairs: the truth.
        settings: the weights of the two terms.
    """
    logits, shift = guess
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, pairs.index)
    metrics = {
        "classification": entropy.mean(),
        "regression": jnp.abs(shift - pairs.shift).mean(),
        "accuracy": jnp.mean(jnp.argmax(logits, axis=-1) == pairs.index),
    }
    value = (
        settings.classification * metrics["classification"]
        + settings.regression * metrics["regression"]
    )
    return value, metrics
