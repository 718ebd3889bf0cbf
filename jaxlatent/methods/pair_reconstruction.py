"""Directions that a network can tell apart: the step that two papers learn by.

Voynov and Babenko, "Unsupervised discovery of interpretable directions in the GAN
latent space" (2020), equation 1, and WarpedGANSpace (Tzelepis et al., 2021), equation
5: a code z and its neighbour along direction k at a distance e are drawn, a
reconstructor R sees both pictures, and directions and R are trained together on

    E cross_entropy(k, k'(pictures)) + weight |e - e'(pictures)|.

A method says how codes move; the rest is `PairMethod`. The first picture does not
depend on what is learned, and the generator's weights are never differentiated.
"""

import abc
import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import optax

from jaxlatent.edits.base import as_facts
from jaxlatent.evaluation.recognition import (
    Pairs,
    Recognition,
    RecognitionOptions,
    Shifts,
    draw_pairs,
    pair_images,
    recognition,
)
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.latents import Prior
from jaxlatent.learning import Metrics, State, accumulated, descend, sparse_adam
from jaxlatent.networks.base import Network, trainable
from jaxlatent.networks.reconstructors import NORMED, PairLeNet, PairResNet
from jaxlatent.training.fit import FitOptions, Fitted, fit

DIRECTIONS, RECONSTRUCTOR = "directions", "reconstructor"
"""The names of what is learned, in `State.params`."""


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


@flax.struct.dataclass(eq=False)
class PairMethod(abc.ABC):
    """A method of `jaxlatent.training.fit` that learns from pairs; one sample is one.

    A method of its own adds what is abstract here; its `init` ends in `begun`.

    Attributes:
        prior: what draws codes and classes, and the generator; edits are in its space.
    """

    prior: Prior

    @property
    @abc.abstractmethod
    def pairs(self) -> PairSettings:
        """How it learns."""

    @property
    @abc.abstractmethod
    def module(self) -> PairLeNet | PairResNet:
        """The reconstructor's architecture."""

    @abc.abstractmethod
    def init(self, key: jax.Array) -> State:
        """The state before the first step."""

    @abc.abstractmethod
    def move(self, directions: Any, pairs: Pairs) -> tuple[jax.Array, Any]:
        """The codes after.

        Args:
            directions: what is learned of them.
            pairs: codes, directions and shifts.

        Returns:
            The codes; and the directions, with the running statistics that they may
            have updated.
        """

    @abc.abstractmethod
    def edit(self, state: State) -> Any:
        """What was learned, as an edit."""

    def begun(self, directions: Any, *, key: jax.Array) -> State:
        """The state before the first step, with a fresh reconstructor.

        Args:
            directions: what is learned of them, a dict.
            key: of the reconstructor's weights.
        """
        images = jnp.zeros((1, *self.prior.generator.image_shape))
        network = Network.init(key, self.module, images, images)
        params = {DIRECTIONS: directions, RECONSTRUCTOR: network.params}
        return State.init(params, self.pairs.optimizer)

    def update(
        self, state: State, keys: jax.Array, data: Any = None
    ) -> tuple[State, Metrics]:
        """`step` on pairs that are drawn with typed keys [N], each with its own."""
        del data
        count = self.module.directions
        return self.step(state, draw_pairs(self.prior, self.pairs.shifts, count, keys))

    def step(self, state: State, pairs: Pairs) -> tuple[State, Metrics]:
        """One step of both optimisers; can be compiled.

        Returns:
            The new state; "loss", "classification", "regression" and the "accuracy" of
            the batch, whose own statistics the batch norms used.
        """

        def loss(params: Any, pairs: Pairs) -> tuple[jax.Array, Metrics, Any]:
            moved, directions = self.move(params[DIRECTIONS], pairs)
            network = Network(params[RECONSTRUCTOR], self.module)
            guess, network = network.train(*pair_images(self.prior, pairs, moved))
            value, metrics = pair_loss(guess, pairs, self.pairs)
            passed = {DIRECTIONS: directions, RECONSTRUCTOR: network.params}
            return value, metrics, passed

        return descend(
            loss,
            state,
            pairs,
            optimizer=self.pairs.optimizer,
            mask=_learned(state.params),
        )

    def reconstructor(self, state: State) -> Network:
        """What tells the directions apart."""
        return Network(state.params[RECONSTRUCTOR], self.module)

    def recognition(
        self, state: State, *, key: jax.Array, **how: Unpack[RecognitionOptions]
    ) -> Recognition:
        """RCA of what was learned, on pairs of `key`; see `evaluation.recognition`."""
        return recognition(
            self.prior,
            self.edit(state),
            self.reconstructor(state),
            self.pairs.shifts,
            key=key,
            **how,
        )


def discovered(
    method: PairMethod,
    steps: int,
    *,
    key: jax.Array,
    batch: int,
    held_out: int,
    **run: Unpack[FitOptions],
) -> Any:
    """The edit of `finished`, from running a method and measuring it.

    Args:
        method: what to learn.
        steps: how many.
        key: of the whole run, and of the unseen pairs.
        batch: pairs of a step.
        held_out: unseen pairs for the RCA.
        **run: as for `fit`.
    """
    # folded as no number of a sample is
    unseen = jax.random.fold_in(key, jnp.uint32(2**32 - 3))
    fitted = fit(method, steps, key=key, batch=batch, **run)
    mesh = run.get("mesh")
    found = method.recognition(fitted.state, key=unseen, num=held_out, mesh=mesh)
    return finished(method, fitted, found)


def finished(method: Any, fitted: Fitted, found: Recognition) -> Any:
    """The edit of a run, with what was found about it.

    Args:
        method: what ran, with its `settings`.
        fitted: how it ended.
        found: how well its reconstructor tells the directions.

    Returns:
        The edit of the last state. Its `report` has the "recognition" of each
        direction, the share of its pairs that was told, and "shift_error"; its `facts`
        the "rca", the means of every metric over the last tenth of the run, the number
        of good "steps", the step that "failed", if any, and the settings.
    """
    edit = method.edit(fitted.state)
    facts = {
        **fitted.late_means(),
        "rca": found.accuracy,
        "steps": fitted.steps,
        "failed": fitted.failed,
        "settings": dataclasses.asdict(method.settings),
    }
    report = {
        "recognition": jnp.asarray(found.by_direction, jnp.float32),
        "shift_error": jnp.asarray(found.shift_error, jnp.float32),
    }
    return dataclasses.replace(
        edit,
        report=report | edit.report,
        facts=as_facts(facts),
        generator=fingerprint(method.prior.generator),
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
