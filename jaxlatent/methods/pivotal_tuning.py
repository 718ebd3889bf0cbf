"""Pivotal tuning: a generator that makes given pictures, and else what it made before.

Roich, Mokady, Bermano, Cohen-Or, "Pivotal Tuning for Latent-based Editing of Real
Images", 2021, arXiv 2106.05744. Inversion finds codes, the pivots; then weights move,
so that pivots make their pictures (eq. 2):

    likeness(G'(w_p), x) + locality likeness(G'(w_r), G(w_r)),
    w_r = w_p + radius (w_z - w_p) / |w_z - w_p|,

where w_z is a code that the prior draws: around the pivots, the tuned generator G' has
to make what G makes. One sample of a step is one pivot and one such code.

Every edit of G is one of G', which remembers that it was tuned from G
(`Origin.ancestors`). Trained are the weights that the family calls trainable, but for
the strengths of noise; noise maps are those of the generator. Where there is no mapping
network, codes are z. For several pictures at once, one generator makes all of them.

The original has a radius of 30 in w of StyleGAN2, and weighs locality by 0.1.
"""

import dataclasses
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.latents import Latents, Prior, last_space, prior, to_space
from jaxlatent.learning import Metrics, State, accumulated, descend
from jaxlatent.methods.inversion_problem import of_rows
from jaxlatent.methods.likeness import (
    PIXELS,
    PIXELS_AND_LOOKS,
    Likeness,
    Weights,
    likeness,
)
from jaxlatent.networks.lpips import Lpips
from jaxlatent.training.fit import FitOptions, Fitted, fit
from jaxlatent.training.sources import ArraySource
from jaxlatent.types import Params

_NOISE = ("noise_strength", "apply_noise")
"""What strengths of noise are called, or what holds them."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is asked of the tuned generator."""

    weights: Weights = PIXELS_AND_LOOKS
    """Of the difference between a picture and what its pivot makes; of the difference
    from the generator's own pictures around, times `locality`."""
    locality: float = 0.1
    """How much pictures around the pivots count; 0 for not at all."""
    radius: float | None = None
    """How far from the pivot those lie, on the way to codes that the prior draws; None
    for all of it."""
    learning_rate: float = 3e-4
    """Of Adam."""
    accumulate: int = 1
    """Steps whose gradients are averaged for one move."""

    def __post_init__(self) -> None:
        for name in ("locality", "learning_rate"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; 0 or more is accepted"
                )
        if self.radius is not None and not self.radius > 0:
            raise ValueError(f"radius: {self.radius} given; above 0 is accepted")


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is asked, and for how long."""

    settings: Settings = Settings()
    steps: int = 350
    batch: int = 1
    """Pivots of a step, and codes around them."""


PTI = Preset(Settings(radius=30.0))
"""The original's, of StyleGAN2."""
QUICK = Preset(Settings(PIXELS, locality=1.0), batch=16)
"""Pixels alone, and other codes as far as the prior reaches."""
PRESETS = {"quick": QUICK, "pti": PTI}


@flax.struct.dataclass(eq=False)
class PivotalTuning:
    """The problem of `jaxlatent.training.fit`; its state's params are the weights.

    Attributes:
        prior: what draws the codes around, and the generator as it was.
        pivots: P codes, in the space that synthesis takes.
        pictures: [P, H, W, C] what they are to make.
        mask: [P, H, W], how much each pixel counts, 0 to 1; None for all.
        likeness: of pictures.
        settings: how.
    """

    prior: Prior
    pivots: Latents
    pictures: jax.Array
    mask: jax.Array | None
    likeness: Likeness
    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, which moves at every `accumulate`-th step."""
        adam = optax.adam(self.settings.learning_rate)
        return accumulated(adam, self.settings.accumulate)

    def init(self, key: jax.Array) -> State:
        """The generator's weights."""
        del key
        return State.init(self.prior.generator.params, self.optimizer)

    def update(
        self, state: State, keys: jax.Array, data: jax.Array | None = None
    ) -> tuple[State, Metrics]:
        """One step, with the pivots that `data` [batch] numbers; None for all alike."""
        count = len(self.pivots)
        pivots = jnp.arange(len(keys)) % count if data is None else data
        mask = trained(self.prior.generator)
        return descend(
            self.loss, state, keys, pivots, optimizer=self.optimizer, mask=mask
        )

    def loss(
        self, params: Params, keys: jax.Array, pivots: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        """Of a batch, with the mean of every term: of pivots, and of codes around.

        Args:
            params: the weights.
            keys: [batch], of the codes around.
            pivots: [batch], the number of each.
        """
        before = self.prior.generator
        after = dataclasses.replace(before, params=params)
        own = of_rows(self.pivots, pivots)
        terms = self.likeness(
            after.synthesize(own.codes, own.label),
            self.pictures[pivots],
            of_rows(self.mask, pivots),
        )
        total = self.likeness.total(terms)
        metrics = dict(terms)
        if self.settings.locality:
            around = self.around(own, keys)
            kept = self.likeness(
                after.synthesize(around.codes, around.label),
                jax.lax.stop_gradient(before.synthesize(around.codes, around.label)),
            )
            total = total + self.settings.locality * self.likeness.total(kept)
            metrics |= {f"locality {name}": term for name, term in kept.items()}
        metrics = {name: jnp.mean(term) for name, term in metrics.items()}
        return jnp.mean(total), jax.tree.map(jax.lax.stop_gradient, metrics)

    def around(self, pivots: Latents, keys: jax.Array) -> Latents:
        """Codes between pivots and those that the prior draws, or beyond."""
        drawn = self.prior(keys)
        generator, radius = self.prior.generator, self.settings.radius
        other = to_space(generator, drawn, pivots.space).codes
        if radius is not None:
            way = other - pivots.codes
            axes = tuple(range(1, way.ndim))
            length = jnp.sqrt(jnp.sum(way**2, axes, keepdims=True))
            if pivots.space == "w+":  # of each row, as of a w
                length = length / way.shape[1] ** 0.5
            other = pivots.codes + radius * way / jnp.maximum(length, 1e-12)
        return Latents(other, pivots.space, drawn.label)


def tune(
    generator: Generator,
    latents: Latents,
    pictures: jax.Array,
    preset: Preset = PTI,
    *,
    key: jax.Array,
    lpips: Lpips | None = None,
    mask: jax.Array | None = None,
    **run: Unpack[FitOptions],
) -> Generator:
    """Change the weights of a generator a little, so that codes make pictures.

    Args:
        generator: the generator, not prepared, for its own weights are trained.
        latents: P pivots, as `inversion.invert` found them, with their classes.
        pictures: [P, H, W, C] in [-1, 1].
        preset: what is asked, and for how long; one of `PRESETS`, or your own.
        key: of the whole run.
        lpips: needed where the preset weighs it.
        mask: [P, H, W], how much each pixel counts; None for all.
        **run: as for `fit`.

    Returns:
        A generator like any other, of the same family.

    Raises:
        ValueError: names the argument that does not fit.
    """
    problem = learner(generator, latents, pictures, preset, lpips=lpips, mask=mask)
    batch = preset.batch
    data = source(problem, batch)
    fitted = fit(problem, preset.steps, key=key, batch=batch, data=data, **run)
    return finished(problem, fitted)


def learner(
    generator: Generator,
    latents: Latents,
    pictures: jax.Array,
    preset: Preset = PTI,
    *,
    lpips: Lpips | None = None,
    mask: jax.Array | None = None,
) -> PivotalTuning:
    """The problem that `tune` solves; see there for the arguments."""
    if generator.is_prepared:
        raise ValueError(
            "generator: prepared, so that its weights are not those that are kept; the "
            "one it was prepared from is accepted"
        )
    pictures = jnp.asarray(pictures, jnp.float32)
    shape = (len(latents), *generator.image_shape)
    if pictures.shape != shape:
        raise ValueError(
            f"pictures: shape {pictures.shape} given; {shape} is accepted, for "
            f"{len(latents)} codes"
        )
    if mask is not None and mask.shape != shape[:3]:
        raise ValueError(f"mask: shape {mask.shape} given; {shape[:3]} is accepted")
    pivots = to_space(generator, latents, last_space(generator))
    classes = generator.config.label_dim
    # around the pivots pictures are of their classes too
    drawn = prior(generator, label=latents.label if classes else None)
    alike = likeness(preset.settings.weights, lpips, pictures.shape[-1])
    return PivotalTuning(drawn, pivots, pictures, mask, alike, preset.settings)


def source(problem: PivotalTuning, batch: int) -> ArraySource | None:
    """The data of the run: the pivots' numbers; None if each step sees all alike."""
    count = len(problem.pivots)
    return None if batch % count == 0 else ArraySource(np.arange(count))


def finished(problem: PivotalTuning, fitted: Fitted) -> Generator:
    """The generator of a run, which remembers what it was tuned from."""
    before = problem.prior.generator
    ancestors = (*before.origin.ancestors, fingerprint(before))
    return dataclasses.replace(
        before,
        params=fitted.state.params,
        origin=dataclasses.replace(before.origin, ancestors=ancestors),
    )


def trained(generator: Generator) -> Any:
    """True where a leaf of the weights is trained."""

    def is_weight(path: tuple[Any, ...], learned: bool) -> bool:
        return learned and not any(getattr(key, "key", "") in _NOISE for key in path)

    return jax.tree_util.tree_map_with_path(is_weight, generator.trainable)
