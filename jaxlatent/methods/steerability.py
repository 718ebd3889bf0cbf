"""On the "steerability" of generative adversarial networks.

Ali Jahanian, Lucy Chai, Phillip Isola, ICLR 2020, arXiv 1907.07171.

A walk in latent space learns to do what an edit of pictures does (eq. 1-3):

    w = argmin E L(G(z + alpha w), edit(G(z), alpha)),                 or
    f = argmin E L(G(f^n(z)), edit(G(z), n eps))

over codes z and alpha, with L the square difference of what the edit knows of the
picture, or LPIPS. The generator stays as it is, and one walk serves all classes.

What an edit shows is a target: no gradient flows through it. Strengths of the edits
found are those of `steerability_edits`, for linear walks and networks alike: the
logarithm of alpha for zooms, shares of the longest shift or rotation, colours as they
are.

Where this differs from the original code, and why:

- each sample has an alpha of its own, and its own mean over its mask: gradients vary
  less, and a batch is the sum of its parts. `shared_alpha` is the original's.
- zooms are drawn alike in the logarithm, so that no side is favoured; `original=True`
  of an edit has the original's draws and, where it rounds, its pixels.
- codes are drawn anew for every step rather than once for the one epoch.
- a network in w+ moves each row by itself, by one network of the width of w, where the
  original flattens all rows into one vector (1 GB of weights; no such walk was
  released).
- a network's steps go on beyond those that were taught, `BEYOND` times as far.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxlatent.edits.base import Edit, as_facts
from jaxlatent.edits.directions import directions
from jaxlatent.edits.walks import NeuralWalk, neural_walk
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.latents import (
    OWN_DRAWS,
    Latents,
    Prior,
    Truncation,
    prior,
    prior_truncation,
    to_images,
)
from jaxlatent.learning import Metrics, State, accumulated, descend
from jaxlatent.methods.steerability_edits import ImageEdit, Shape
from jaxlatent.methods.steerability_settings import QUICK, Preset, Settings
from jaxlatent.numerics.image_operators import masked_l2
from jaxlatent.training.fit import FitOptions, Fitted, fit
from jaxlatent.types import Model, as_model

BEYOND = 4
"""How many times farther than taught the steps of a network go on."""

_SIDES = ("forward", "backward")


@flax.struct.dataclass(eq=False)
class Steerability:
    """The method of `jaxlatent.training.fit`; one sample is one code and its alphas.

    Attributes:
        prior: what draws codes and classes, and the generator; walks are in its space.
        image_edit: what the walk is to do.
        distance: (images, images) -> [N], a pytree such as `networks.lpips.Lpips`; None
            for the loss "l2".
        settings: what walks, and how it learns.
    """

    prior: Prior
    image_edit: ImageEdit = flax.struct.field(pytree_node=False)
    distance: Model | None = None
    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, which moves at every `accumulate`-th step."""
        adam = optax.adam(self.settings.learning_rate)
        return accumulated(adam, self.settings.accumulate)

    @property
    def shape(self) -> Shape:
        """(H, W, C) of the pictures."""
        return self.prior.generator.image_shape

    def init(self, key: jax.Array) -> State:
        """What is learned, before the first step.

        Of a linear walk "walk" [S, D] or [S, L, D], normal; of networks "forward" and
        "backward", two dense layers each, with normal weights [D, D] and biases of 0.

        Raises:
            ValueError: where the loss and the distance do not go together, or for an
                edit that does not take the generator's pictures.
        """
        if (self.distance is None) != (self.settings.loss == "l2"):
            given = "none" if self.distance is None else "one"
            raise ValueError(
                f"distance: {given} given for the loss {self.settings.loss!r}; 'lpips' "
                "takes one, 'l2' none"
            )
        sliders = self.image_edit.sliders(self.shape)
        jax.eval_shape(
            self.image_edit, jnp.zeros((1, *self.shape)), jnp.zeros((1, sliders))
        )
        codes = jax.eval_shape(lambda: self.prior(jax.random.key(0)[None])).codes
        scale, width = self.settings.scale, codes.shape[-1]

        def normal(number: int, *shape: int) -> jax.Array:
            own = jax.random.fold_in(key, number)
            return scale * jax.random.normal(own, shape, codes.dtype)

        if self.settings.walk == "linear":
            params: Any = {"walk": normal(0, sliders, *codes.shape[1:])}
        else:
            params = {
                side: {
                    str(layer): {
                        "weight": normal(2 * number + layer, width, width),
                        "bias": jnp.zeros(width, codes.dtype),
                    }
                    for layer in range(2)
                }
                for number, side in enumerate(_SIDES)
            }
        return State.init(params, self.optimizer)

    def loss(self, params: Any, keys: jax.Array) -> tuple[jax.Array, Metrics]:
        """Of a batch; with "unmoved", the loss of pictures that stay, for "l2"."""
        latents = self.prior(keys)
        strength = self.strengths(keys)
        before = jax.lax.stop_gradient(self.pictures(latents))
        target, mask = self.image_edit(before, self.per_slider(strength))
        after = self.pictures(self.moved(params, latents, strength))
        if self.distance is not None:
            seen = (colours(mask * images) for images in (after, target))
            return jnp.mean(self.distance(*seen)), {}
        pooled = self.settings.shared_alpha
        loss, unmoved = (
            jnp.mean(masked_l2(images, target, mask, pooled=pooled))
            for images in (after, before)
        )
        return loss, {"unmoved": unmoved}

    def update(
        self, state: State, keys: jax.Array, data: Any = None
    ) -> tuple[State, Metrics]:
        """One step of Adam; there is no data."""
        del data
        return descend(self.loss, state, keys, optimizer=self.optimizer)

    def edit(self, state: State) -> Edit:
        """A direction for each slider, or one walk; `report` has a direction's length.

        A network in z brings every code to the length that it had.
        """
        edit, shape = self.image_edit, self.shape
        about: Any = dict(space=self.prior.space, method="steerability")
        if self.settings.walk == "linear":
            return walk_directions(
                state.params["walk"], names=edit.names(shape), **about
            )
        walk = self._network(state.params)
        names = edit.names(shape)
        name = names[0] if len(names) == 1 else "color"
        sides = (
            [walk_side[str(n)] for n in range(2)]
            for walk_side in (walk.forward, walk.backward)
        )
        steps = BEYOND * walk.steps
        return neural_walk(
            *sides, step=walk.step, steps=steps, norm=walk.norm, names=[name], **about
        )

    def strengths(self, keys: jax.Array) -> jax.Array:
        """Strengths of keys [N]: [N, S] of a linear walk, [N] of a network."""
        own = jax.vmap(jax.random.fold_in, (0, None))(keys, OWN_DRAWS)
        if self.settings.walk == "linear":
            drawn = jax.vmap(lambda key: self.image_edit.draw(key, self.shape))(own)
        else:
            step, most = self.image_edit.steps(self.shape)
            drawn = step * jax.vmap(
                lambda key: jax.random.randint(key, (), -most, most + 1)
            )(own)
        if self.settings.shared_alpha:
            drawn = jnp.broadcast_to(drawn[:1], drawn.shape)
        return drawn

    def per_slider(self, strength: jax.Array) -> jax.Array:
        """What `strengths` returns as [N, S]."""
        if strength.ndim == 2:
            return strength
        return self.image_edit.spread(strength, self.shape)

    def moved(self, params: Any, latents: Latents, strength: jax.Array) -> Latents:
        """Codes at the end of a walk."""
        codes = latents.codes
        if self.settings.walk == "linear":
            walk = params["walk"].astype(codes.dtype)
            added = jnp.tensordot(strength.astype(codes.dtype), walk, 1)
            moved = codes + added
        else:
            moved = self._network(params).shift(codes, 0, strength)
        return dataclasses.replace(latents, codes=moved)

    def pictures(self, latents: Latents) -> jax.Array:
        """[N, H, W, C] of codes of the prior's space."""
        return to_images(self.prior.generator, latents)

    def _network(self, params: Any) -> NeuralWalk:
        """The walk of networks, without names."""
        step, count = self.image_edit.steps(self.shape)
        sides: Any = jax.tree.map(lambda leaf: leaf[None], params)
        for side in sides.values():
            # networks return a step, walks ask for what a unit of strength moves
            side["1"] = jax.tree.map(lambda leaf: leaf / step, side["1"])
        norm = "sample" if self.prior.space == "z" else "none"
        about: Any = dict(space=self.prior.space)
        return NeuralWalk(**sides, step=step, steps=count, norm=norm, **about)


def walk_directions(walk: Any, **told: Any) -> Edit:
    """Directions of a linear walk, whose unit of strength is as long as it was learned.

    Args:
        walk: [S, D] or [S, L, D].
        **told: as for `directions`.
    """
    walk = np.asarray(walk)
    axes = tuple(range(1, walk.ndim))
    length = np.sqrt((walk.astype(np.float64) ** 2).sum(axes))
    unit = walk / np.where(length > 0, length, 1).reshape(-1, *(1,) * len(axes))
    length = length.astype(walk.dtype)
    return directions(
        unit.astype(walk.dtype), scale=length, report={"length": length}, **told
    )


def colours(images: jax.Array) -> jax.Array:
    """Pictures [N, H, W, C] as a network of colours sees them: [N, H, W, 3]."""
    channels = images.shape[-1]
    if channels in (2, 4):
        images = images[..., :-1]
    if images.shape[-1] == 1:
        images = jnp.broadcast_to(images, (*images.shape[:3], 3))
    return images


def discover(
    generator: Generator,
    image_edit: ImageEdit,
    *,
    key: jax.Array,
    preset: Preset = QUICK,
    distance: Model | None = None,
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
    **run: Unpack[FitOptions],
) -> Edit:
    """Learn an edit of a generator that does what an edit of pictures does.

    Args:
        generator: the generator; `prepare` it first.
        image_edit: one of `steerability_edits.EDITS`, or your own.
        key: of the whole run.
        preset: what is learned, where, and for how long; one of `PRESETS`, or your own.
        distance: of the loss "lpips": (images, images) -> [N], of three colours.
        label: the classes that codes are drawn with; see `latents.prior`.
        truncation: of w+; or of the prior, in place of the preset's.
        **run: as for `fit`.

    Returns:
        The edit of `Steerability.edit`. Its `facts` hold the means of "loss" and, for
        "l2", of "unmoved" over the last tenth of the run, the "unit" of its strengths,
        their "reach" in the run, the number of good "steps", the step that "failed", if
        any, and the settings.

    Raises:
        ValueError: names the argument that does not fit.
    """
    method = learner(
        generator,
        image_edit,
        preset,
        distance=distance,
        label=label,
        truncation=truncation,
    )
    return finished(
        method, fit(method, preset.steps, key=key, batch=preset.batch, **run)
    )


def learner(
    generator: Generator,
    image_edit: ImageEdit,
    preset: Preset = QUICK,
    *,
    distance: Model | None = None,
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
) -> Steerability:
    """The method that `discover` runs; see there for the arguments."""
    truncation = truncation or prior_truncation(generator, preset.truncation)
    drawn = prior(generator, space=preset.space, label=label, truncation=truncation)
    model = None if distance is None else as_model(distance)
    return Steerability(drawn, image_edit, model, preset.settings)


def finished(method: Steerability, fitted: Fitted) -> Edit:
    """The edit of a run, with what `discover` tells about it."""
    found: Any = method.edit(fitted.state)
    shape = method.shape
    facts = {
        **fitted.late_means(),
        "unit": method.image_edit.unit(shape),
        "reach": method.image_edit.reach(shape),
        "steps": fitted.steps,
        "failed": fitted.failed,
        "edit": type(method.image_edit).__name__,
        "settings": dataclasses.asdict(method.settings),
    }
    return dataclasses.replace(
        found, facts=as_facts(facts), generator=fingerprint(method.prior.generator)
    )
