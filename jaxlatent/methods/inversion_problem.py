"""Inversion as a problem for `fit`: a row for each start of each picture.

One sample of `fit` is one row: a picture and a start. Rows do not see each other: each
has an optimiser, a step number and draws of its own, and what a row draws follows from
the run's key, the picture's content and the start's number. So neither the batch, nor
other pictures, nor the number of devices change what is found, and memory is that of a
batch. The rows' numbers are the data of the run; every epoch is one step of each.
"""

import zlib
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, to_images, to_space
from jaxlatent.learning import Metrics, State, descend
from jaxlatent.methods.inversion_settings import Settings
from jaxlatent.methods.likeness import Features, Likeness
from jaxlatent.numerics.autocorrelation import autocorrelation_loss, standardized
from jaxlatent.training.sources import ArraySource
from jaxlatent.types import Noise

# What a row's key is folded with beside the numbers of its steps.
_START, _NOISE = np.uint32(2**32 - 1), np.uint32(2**32 - 2)
_MEAN = np.uint32(2**32 - 3)

_SAMPLES = 10_000
"""Codes of which the mean is taken, as in the projector of StyleGAN2."""


@flax.struct.dataclass(eq=False)
class Targets:
    """Pictures to invert, and what is known of them.

    Attributes:
        pictures: [P, H, W, C] in [-1, 1].
        mask: [P, H, W], how much each pixel counts, 0 to 1; None for all.
        label: the class of each, [P] integers or [P, C] weights; None without classes.
        start: codes to begin with, an encoder's or a projector's, in a space that is
            not behind the one that is sought; None for those of the settings.
    """

    pictures: jax.Array
    mask: jax.Array | None = None
    label: jax.Array | None = None
    start: Latents | None = None

    def __len__(self) -> int:
        return self.pictures.shape[0]


@flax.struct.dataclass(eq=False)
class Rows(State):
    """What changes, of every row r of R.

    Attributes:
        params: "codes" [R, D] or [R, L, D], and "noise", maps [R, h, w] by layer.
        optimizer: of every row by itself.
        done: [R] its steps so far.
        draws: [R, ...] the data of its key.
        mean: [P, D] the mean code of each picture's class.
        deviation: [P] root of the mean squared distance from it.
    """

    done: jax.Array
    draws: jax.Array
    mean: jax.Array
    deviation: jax.Array


@flax.struct.dataclass(eq=False)
class Inversion:
    """The problem of `jaxlatent.training.fit`; one sample is one start of one picture.

    Attributes:
        generator: the generator.
        targets: the pictures.
        likeness: what is asked of them.
        features: those of the targets, where they are kept.
        space: of the codes.
        settings: how they are sought.
        steps: of each row.
        rows: how many there are: a multiple of the batch, of which the first P S are
            the S starts of each of P pictures, and others repeat the first.
    """

    generator: Generator
    targets: Targets
    likeness: Likeness
    features: Features | None
    space: str = flax.struct.field(pytree_node=False)
    settings: Settings = flax.struct.field(pytree_node=False)
    steps: int = flax.struct.field(pytree_node=False)
    rows: int = flax.struct.field(pytree_node=False)

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam of every row, at the scheduled rate."""
        return by_row(optax.adam(self.rate))

    def rate(self, step: Any) -> jax.Array:
        """The learning rate at a row's step, counted from 0."""
        how, share = self.settings, jnp.asarray(step) / self.steps
        rate = jnp.full_like(share, how.learning_rate)
        if how.ramp_up:
            rate = rate * jnp.minimum(1, share / how.ramp_up)
        if how.ramp_down:
            down = jnp.minimum(1, (1 - share) / how.ramp_down)
            rate = rate * (0.5 - 0.5 * jnp.cos(jnp.pi * down))
        return rate

    @property
    def source(self) -> ArraySource:
        """The data of the run: the rows' numbers."""
        return ArraySource(np.arange(self.rows, dtype=np.int32))

    def init(self, key: jax.Array) -> Rows:
        """The starts, and the mean codes that they and the loss are measured by."""
        how, generator, targets = self.settings, self.generator, self.targets
        pictures, number = self.places(np.arange(self.rows))
        content = [_content(picture) for picture in np.asarray(targets.pictures)]
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, np.asarray(content))
        keys = jax.vmap(jax.random.fold_in)(keys[pictures], number)
        mean, deviation = self.statistics(jax.random.fold_in(key, _MEAN))
        codes = self.full(mean)[pictures]
        if how.starts > 1 or how.start == "prior":
            drawn = self.drawn(_fold(keys, _START), of_rows(targets.label, pictures))
            first = number == (0 if how.start == "mean" else -1)
            codes = jnp.where(_beside(first, codes), codes, drawn)
        if targets.start is not None:
            given = to_space(generator, targets.start, self.space).codes[pictures]
            codes = jnp.where(_beside(number == 0, codes), given, codes)
        noise = {}
        if how.noise:
            for layer, (name, fixed) in enumerate(generator.noise_maps.items()):
                own = _fold(_fold(keys, _NOISE), layer)
                noise[name] = jax.vmap(
                    lambda key, fixed=fixed: jax.random.normal(
                        key, fixed.shape, fixed.dtype
                    )
                )(own)
        params = self.constrained({"codes": codes, "noise": noise})
        return Rows(
            params,
            self.optimizer.init(params),
            done=jnp.zeros(self.rows, jnp.int32),
            draws=jax.random.key_data(keys),
            mean=mean,
            deviation=deviation,
        )

    def places(self, rows: Any) -> tuple[Any, Any]:
        """The picture of each row, and the number of its start."""
        starts = self.settings.starts
        rows = rows % (len(self.targets) * starts)
        return rows // starts, rows % starts

    def update(
        self, state: Rows, keys: jax.Array, data: jax.Array | None = None
    ) -> tuple[Rows, Metrics]:
        """One step of the rows whose numbers `data` [batch] holds, None for all."""
        rows = jnp.arange(self.rows) if data is None else data
        own = jax.tree.map(lambda leaf: leaf[rows], (state.params, state.optimizer))
        draws = jax.random.wrap_key_data(
            state.draws[rows], impl=jax.random.key_impl(keys)
        )
        step = state.done[rows]
        noises = self.perturbation(state, rows, draws, step)
        pictures, _ = self.places(rows)
        after, metrics = descend(
            self.loss,
            State(*own),
            pictures,
            noises,
            state.mean[pictures],
            optimizer=self.optimizer,
        )
        params = self.constrained(after.params)
        changed = jax.tree.map(
            lambda leaf, new: leaf.at[rows].set(new),
            (state.params, state.optimizer, state.done),
            (params, after.optimizer, step + 1),
        )
        params, optimizer, done = changed
        new: Any = state
        new = new.replace(params=params, optimizer=optimizer, done=done)
        return new, {**metrics, "loss": metrics["loss"] / len(rows)}

    def loss(
        self, params: Any, pictures: jax.Array, noises: Any, mean: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        """The sum of `losses`, and the mean of every term."""
        total, terms = self.losses(params, pictures, noises, mean)
        means = {name: jnp.mean(term) for name, term in terms.items()}
        return jnp.sum(total), jax.tree.map(jax.lax.stop_gradient, means)

    def losses(
        self, params: Any, pictures: jax.Array, noises: Any, mean: jax.Array
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The loss of each row [batch], and its terms.

        Args:
            params: "codes" and "noise" of the rows.
            pictures: [batch] the picture of each.
            noises: [batch, ...] what is added to the codes, or 0.
            mean: [batch, D] the mean codes.
        """
        how, targets = self.settings, self.targets
        codes = params["codes"]
        images = self.images(codes + noises, pictures, params["noise"])
        terms = self.likeness(
            images,
            targets.pictures[pictures],
            of_rows(targets.mask, pictures),
            of_rows(self.features, pictures),
        )
        total = self.likeness.total(terms)
        if how.distance:
            away = jnp.reshape(codes - self.full(mean), (len(codes), -1))
            terms["distance"] = jnp.mean(away**2, axis=1)
            total = total + how.distance * terms["distance"]
        if params["noise"]:
            maps = params["noise"].values()
            terms["autocorrelation"] = sum(
                map(autocorrelation_loss, maps), jnp.zeros(len(codes))
            )
            total = total + how.autocorrelation * terms["autocorrelation"]
        return total, terms

    def images(self, codes: jax.Array, pictures: jax.Array, noise: Any) -> jax.Array:
        """The pictures of rows' codes, under their own noise maps or the generator's.

        Args:
            codes: [batch, ...].
            pictures: [batch], which tells the class.
            noise: [batch, h, w] by layer, or {}.
        """
        latents = Latents(codes, self.space, of_rows(self.targets.label, pictures))
        return to_images(self.generator, latents, noise=noise or Noise.FIXED)

    def perturbation(
        self, state: Rows, rows: jax.Array, draws: jax.Array, step: jax.Array
    ) -> jax.Array:
        """What is added to the codes of rows at their steps [batch]."""
        how, codes = self.settings, state.params["codes"]
        if not how.perturbation or not how.perturbed:
            return jnp.zeros((), codes.dtype)
        share = step / self.steps
        left = jnp.maximum(0, 1 - share / how.perturbed) ** 2
        size = how.perturbation * state.deviation[self.places(rows)[0]] * left
        drawn = jax.vmap(
            lambda key: jax.random.normal(key, codes.shape[1:], codes.dtype)
        )(jax.vmap(jax.random.fold_in)(draws, step))
        return _beside(size, drawn) * drawn

    def constrained(self, params: Any) -> Any:
        """Codes within their bounds, and noise maps of mean 0 and variance 1."""
        codes, how = params["codes"], self.settings.constraint
        if how != "none":
            longest = codes.shape[-1] ** 0.5
            length = jnp.linalg.norm(codes, axis=-1, keepdims=True)
            if how == "ball":
                length = jnp.maximum(length, longest)
            codes = codes * (longest / jnp.maximum(length, 1e-12))
        noise = {name: standardized(maps) for name, maps in params["noise"].items()}
        return {"codes": codes, "noise": noise}

    def drawn(self, keys: jax.Array, label: jax.Array | None) -> jax.Array:
        """Codes [N, ...] that the prior draws, with a key for each."""
        sample = self.generator.sample
        z = jax.vmap(lambda key: sample(key, 1)[0])(keys)
        return to_space(self.generator, Latents(z, "z", label), self.space).codes

    def statistics(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The mean code [P, D] of each picture's class, and the deviation [P]."""
        space = "w" if self.space == "w+" else self.space
        count, label = len(self.targets), self.targets.label
        if label is None:
            found = [_statistics(self.generator, key, None, space)] * count
        else:
            # by the class alone, so that other pictures change nothing
            found = [_statistics(self.generator, key, one, space) for one in label]
        means, deviations = zip(*found, strict=True)
        return jnp.stack(means), jnp.stack(deviations)

    def full(self, codes: jax.Array) -> jax.Array:
        """Codes [N, D] with the rows of w+, where that is the space."""
        return self.generator.broadcast(codes) if self.space == "w+" else codes


def by_row(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimiser for every row of what is learned, with a step number of its own."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        return jax.vmap(optimizer.update)(updates, state)

    return optax.GradientTransformation(jax.vmap(optimizer.init), update)


def of_rows(leaves: Any, rows: Any) -> Any:
    """The rows of a pytree of arrays."""
    return jax.tree.map(lambda leaf: leaf[rows], leaves)


def _beside(values: jax.Array, codes: jax.Array) -> jax.Array:
    """[N] with as many axes as codes [N, ...]."""
    return jnp.reshape(values, (-1, *(1,) * (codes.ndim - 1)))


def _fold(keys: jax.Array, number: Any) -> jax.Array:
    """Every key folded with the same number."""
    return jax.vmap(jax.random.fold_in, (0, None))(keys, number)


def _content(picture: np.ndarray) -> np.uint32:
    """A number that follows from what a picture shows."""
    return np.uint32(zlib.crc32(np.ascontiguousarray(picture, np.float32).tobytes()))


@partial(jax.jit, static_argnames="space")
def _statistics(
    generator: Generator, key: jax.Array, label: jax.Array | None, space: str
) -> tuple[jax.Array, jax.Array]:
    """The mean code [D] of a class, and the root mean square distance from it."""
    z = generator.sample(key, _SAMPLES)
    every = None
    if label is not None:
        every = jnp.broadcast_to(label, (_SAMPLES, *label.shape))
    codes = to_space(generator, Latents(z, "z", every), space).codes
    mean = jnp.mean(codes, axis=0)
    squares = jnp.sum((codes - mean[None]) ** 2, axis=1)
    return mean, jnp.sqrt(jnp.mean(squares))
