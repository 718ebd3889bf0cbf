"""Weakly supervised segmentation: a U-Net that learns from a generator's own masks.

Voynov and Babenko, "Unsupervised discovery of interpretable directions in the GAN
latent space", 2020, section 5. `methods.background_removal` makes pictures and masks;
the network learns to tell foreground from background pixel by pixel, and then segments
pictures that nobody drew.

The loss is the cross-entropy of logits over a temperature of 10, the mean over pixels
and over the samples that have a mask. Batch norms see all of the batch. The
probability of the foreground is the sigmoid of its logit alone, as in the original,
not the softmax of both.

Defaults are the original's: Adam at 0.005, a fifth of that after every 4000 steps, 15
000 steps of 128 samples.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.edits.base import Edit
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Truncation
from jaxlatent.learning import Metrics, State, accumulated, descend
from jaxlatent.methods.background_removal import (
    MaskSettings,
    MaskSynthesis,
    Samples,
    draw_masks,
    mask_synthesis,
)
from jaxlatent.networks.base import Network, trainable
from jaxlatent.networks.unet import UNet
from jaxlatent.training.fit import FitOptions, Fitted, fit
from jaxlatent.types import Params

FOREGROUND = 1
"""The class of pixels that are in the foreground."""

# `fit` draws samples, and two things more, with other numbers
_HELD_OUT = np.uint32(2**32 - 3)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the network learns."""

    channels: tuple[int, ...] = (64, 128, 256, 512, 512)
    """Of each level of the network, at full size first."""
    temperature: float = 10.0
    """By which logits are divided in the loss."""
    learning_rate: float = 0.005
    """Of Adam."""
    decay: float = 0.2
    """What the learning rate is multiplied with after every `decay_every` steps."""
    decay_every: int = 4000
    """Steps."""
    validate_every: int = 100
    """Steps after which the loss of the held-out samples is taken again."""
    accumulate: int = 1
    """Steps whose gradients are averaged for one move."""

    def __post_init__(self) -> None:
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise ValueError(
                f"channels: {self.channels} given; two or more widths from 1 on are "
                "accepted"
            )
        for name in ("temperature", "decay_every", "validate_every"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; above 0 is accepted"
                )


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is learned, and for how long."""

    settings: Settings = Settings()
    masks: MaskSettings = MaskSettings()
    steps: int = 15_000
    batch: int = 128
    held_out: int = 896
    """Samples that are not learned from; the original has seven batches of them."""


PAPER = Preset()
"""The original's, for BigGAN."""
QUICK = Preset(
    Settings(channels=(8, 16, 32, 64, 64), validate_every=25),
    steps=300,
    batch=16,
    held_out=64,
)
"""Minutes on a CPU with a small network."""
PRESETS = {"quick": QUICK, "paper": PAPER}


@flax.struct.dataclass(eq=False)
class Learner(State):
    """What changes while the network learns.

    Attributes:
        done: steps so far.
        validation: the last loss of the held-out samples.
    """

    done: jax.Array
    validation: jax.Array


@flax.struct.dataclass(eq=False)
class Segmentation:
    """The problem of `jaxlatent.training.fit`; one sample is one picture and its mask.

    Metrics beside "loss": the "validation" loss of the held-out samples, taken before
    every `validate_every`-th step; "kept", the share of samples that have a mask; and
    "tries", how many codes a sample took.

    Attributes:
        synthesis: what makes pictures and masks.
        held_out: samples that are not learned from.
        settings: how.
    """

    synthesis: MaskSynthesis
    held_out: Samples
    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, whose rate falls in steps."""
        how = self.settings
        rate = optax.exponential_decay(
            how.learning_rate, how.decay_every, how.decay, staircase=True
        )
        return accumulated(optax.adam(rate), how.accumulate)

    @property
    def module(self) -> UNet:
        """The architecture."""
        height, width, channels = self.held_out.pictures.shape[1:]
        return UNet(
            image_channels=channels,
            channels=self.settings.channels,
            resolution=min(height, width),
        )

    def init(self, key: jax.Array) -> Learner:
        """Fresh parameters of the network."""
        picture = jnp.zeros((1, *self.held_out.pictures.shape[1:]))
        params = Network.init(key, self.module, picture).params
        return Learner(
            params, self.optimizer.init(params), jnp.int32(0), jnp.float32(0)
        )

    def update(
        self, state: Learner, keys: jax.Array, data: None = None
    ) -> tuple[Learner, Metrics]:
        """One step on samples that their keys [batch] draw."""
        del data
        how: Any = state
        validation = jax.lax.cond(
            how.done % self.settings.validate_every == 0,
            lambda: self.validate(how.params, len(keys)),
            lambda: how.validation,
        )
        samples = self.synthesis(keys)
        mask = trainable(how.params)
        after, metrics = descend(
            self.loss, state, samples, optimizer=self.optimizer, mask=mask
        )
        after = dataclasses.replace(after, done=how.done + 1, validation=validation)
        return after, {**metrics, "validation": validation}

    def loss(
        self, params: Params, samples: Samples
    ) -> tuple[jax.Array, Metrics, Params]:
        """Of a batch, with the parameters that the pass leaves."""
        logits, network = Network(params, self.module).train(samples.pictures)
        metrics = {"kept": jnp.mean(samples.weight), "tries": jnp.mean(samples.tries)}
        value = weighted(self.cross_entropy(logits, samples.masks), samples.weight)
        return value, metrics, network.params

    def cross_entropy(self, logits: jax.Array, masks: jax.Array) -> jax.Array:
        """[N] of logits [N, H, W, 2] and masks [N, H, W]."""
        each = optax.softmax_cross_entropy_with_integer_labels(
            logits / self.settings.temperature, masks.astype(jnp.int32)
        )
        return jnp.mean(each, axis=(1, 2))

    def validate(self, params: Params, batch: int) -> jax.Array:
        """The loss of the held-out samples, `batch` of them at a time."""
        network = Network(params, self.module)

        def one(sample: tuple[jax.Array, jax.Array]) -> jax.Array:
            picture, mask = sample
            return self.cross_entropy(network(picture[None]), mask[None])[0]

        known = self.held_out
        losses = jax.lax.map(
            one, (known.pictures, known.masks), batch_size=min(batch, len(known))
        )
        return weighted(losses, known.weight)


def weighted(values: jax.Array, weight: jax.Array) -> jax.Array:
    """The mean of values [N] where the weight is 1; 0 where it is nowhere."""
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1)


def train(
    generator: Generator,
    edit: Edit,
    index: int = 0,
    preset: Preset = PAPER,
    *,
    key: jax.Array,
    label: Any = None,
    truncation: Truncation | None = None,
    **run: Unpack[FitOptions],
) -> Network:
    """Train a network on masks that a direction makes.

    Args:
        generator: the generator; `prepare` it first.
        edit: of any kind.
        index: its direction that paints backgrounds white.
        preset: one of `PRESETS`, or your own.
        key: of the whole run.
        label: as for `mask_synthesis`, as is the truncation.
        truncation: likewise.
        **run: as for `fit`.

    Returns:
        A U-Net, for `segment`.

    Raises:
        ValueError: names the argument that does not fit, or the step that was not
            finite.
        IndexError: for a direction that there is not.
    """
    synthesis = mask_synthesis(
        generator, edit, index, preset.masks, label=label, truncation=truncation
    )
    problem = learner(synthesis, preset, key=jax.random.fold_in(key, _HELD_OUT))
    fitted = fit(problem, preset.steps, key=key, batch=preset.batch, **run)
    if fitted.failed is not None:
        raise ValueError(
            f"learning_rate: {preset.settings.learning_rate} given; step "
            f"{fitted.failed} was not finite"
        )
    return finished(problem, fitted)


def learner(
    synthesis: MaskSynthesis,
    preset: Preset = PAPER,
    *,
    key: jax.Array,
    chunk: int = 32,
    mesh: Mesh | None = None,
    progress: Callable[[int], None] | None = None,
) -> Segmentation:
    """The problem that `fit` is to solve.

    Args:
        synthesis: what makes pictures and masks.
        preset: one of `PRESETS`, or your own; its settings of masks are those of the
            synthesis.
        key: of the held-out samples; another than the run's.
        chunk: as for `draw_masks`, as are the following two.
        mesh: devices.
        progress: called with the number of held-out samples just made.

    Raises:
        ValueError: if no code of the held-out samples gives a mask.
    """
    held_out = draw_masks(
        synthesis,
        preset.held_out,
        key=key,
        chunk=chunk,
        mesh=mesh,
        progress=progress,
    )
    return Segmentation(synthesis, held_out, preset.settings)


def finished(problem: Segmentation, fitted: Fitted) -> Network:
    """The network of a run."""
    return Network(fitted.state.params, problem.module)


def foreground(network: Network, images: jax.Array) -> jax.Array:
    """The probability that each pixel is in the foreground.

    Args:
        network: a U-Net.
        images: [N, H, W, C] in [-1, 1], whose shorter side is brought to that of the
            pictures the network learned from, and back.

    Returns:
        [N, H, W]: the sigmoid of the foreground's logit.
    """
    count, *sides, channels = images.shape
    size: int = network.module.resolution  # pyright: ignore
    short = min(sides)
    small = tuple(size * side // short for side in sides)
    if small == tuple(sides):
        return jax.nn.sigmoid(network(images)[..., FOREGROUND])
    seen = jax.image.resize(images, (count, *small, channels), "bilinear")
    found = jax.nn.sigmoid(network(seen)[..., FOREGROUND])
    return jax.image.resize(found, (count, *sides), "bilinear")


def segment(
    network: Network,
    images: np.ndarray | jax.Array,
    *,
    chunk: int = 8,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """`foreground` of any number of pictures of one size, `chunk` at a time."""
    parts = in_chunks(
        _foreground, (images,), len(images), chunk, progress, whole=(network,)
    )
    return np.concatenate(list(parts))


@jax.jit
def _foreground(network: Network, images: jax.Array) -> jax.Array:
    return foreground(network, images)
