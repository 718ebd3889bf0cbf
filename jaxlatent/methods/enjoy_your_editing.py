"""Enjoy Your Editing: Controllable GANs for Image Editing via Latent Space Navigation.

Peiye Zhuang, Oluwasanmi Koyejo, Alexander G. Schwing, ICLR 2021, arXiv 2102.01187.

A regressor R tells the attributes of pictures, numbers from 0 to 1. For each attribute
a direction d_i, or a network d_i(z), is learned, all of them at once, so that

    z' = z + sum_i eps_i d_i,     eps = clip(R(G(z)) + u, 0, 1) - R(G(z)),

changes every attribute i by eps_i, where u ~ U(-1, 1). The loss is

    10 BCE(R(x'), R(x) + eps) + 0.05 softplus(-D(x')) + 0.05 |F(x') - F(x)|^2

of the pictures x = G(z) and x' = G(z'), with the generator's discriminator D and
features F of VGG-19. What comes of x is a target, and no gradient flows through it. One
unit of strength of the edit found is one of the attribute.

Where this differs from the authors' code, and why:

- Their StyleGAN2 code draws the target itself, one for a whole batch; the paper's rule
  is the default, `epsilon="stylegan_repo"` theirs.
- Their discriminator was never loaded; here it is needed where its loss has a weight.
- Noise maps are fixed, so that the two pictures differ by the edit alone.
- Their regressor's outputs are linear and leave [0, 1], where their loss loses its
  gradient: see `enjoy_your_editing_losses.cross_entropy`.
- Attributes that exclude each other (summer, winter) cannot all reach their targets;
  `joint=False` learns each as if it were alone.

A classifier's probability jumps from 0 to 1 at the border of its class: nearly all
codes have no gradient there, and half a probability is no half of a change. Take
`networks.outputs.Sigmoid` of its log-odds, at a temperature that brings typical
log-odds to a few units.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import optax

from jaxlatent.edits.base import Edit, as_facts
from jaxlatent.generators.base import Discriminator, Generator, fingerprint
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
from jaxlatent.methods.enjoy_your_editing_losses import cross_entropy, fooling, wanted
from jaxlatent.methods.enjoy_your_editing_settings import QUICK, Preset, Settings
from jaxlatent.methods.enjoy_your_editing_walks import init_walk, walk_edit, walk_steps
from jaxlatent.training.fit import FitOptions, Fitted, fit
from jaxlatent.types import Model, as_model


@flax.struct.dataclass(eq=False)
class Judges:
    """The models that look at pictures [N, H, W, C] in [-1, 1]; build with `judges`.

    Attributes:
        regressor: -> [N] or [N, A], the attributes that are to be changed, in [0, 1].
        discriminator: -> logits [N] or [N, 1], one of `load(..., part="discriminator")`
            or any function; None for none.
        content: (original, edited) -> [N], the distance of pictures that should look
            alike: `networks.distances.vgg_content`, another of that module, or an
            `Lpips`; None for none.
    """

    regressor: Any
    discriminator: Any = None
    content: Any = None


def judges(
    regressor: Model, discriminator: Model | None = None, content: Model | None = None
) -> Judges:
    """`Judges` of models or plain functions; see `types.as_model`."""
    models = (regressor, discriminator, content)
    return Judges(*(one if one is None else as_model(one) for one in models))


@flax.struct.dataclass(eq=False)
class EnjoyYourEditing:
    """The method of `jaxlatent.training.fit`; one sample is one code and its epsilons.

    Attributes:
        prior: what draws codes and classes, and the generator; edits are in its space.
        judges: the models of the losses.
        settings: what is learned, and how.
    """

    prior: Prior
    judges: Judges
    settings: Settings = flax.struct.field(pytree_node=False, default=Settings())

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam, which moves at every `accumulate`-th step."""
        adam = optax.adam(self.settings.learning_rate, *self.settings.betas)
        return accumulated(adam, self.settings.accumulate)

    @property
    def weights(self) -> dict[str, float]:
        """Of each loss; see `Settings.weights`."""
        return self.settings.weights(
            discriminator=self.judges.discriminator is not None,
            content=self.judges.content is not None,
        )

    def init(self, key: jax.Array) -> State:
        """The state before the first step; see `enjoy_your_editing_walks.init_walk`.

        Raises:
            ValueError: for a loss without its model, a regressor that returns something
                else than attributes, or layers that the codes lack.
        """
        _ = self.weights

        def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
            latents = self.prior(key[None])
            return latents.codes, self.predict(self.draw(latents))

        codes, found = jax.eval_shape(one, key)
        how, shape = self.settings, codes.shape[1:]
        params = init_walk(key, how, found.shape[1], shape, codes.dtype)
        return State.init(params, self.optimizer)

    def loss(self, params: Any, keys: jax.Array) -> tuple[jax.Array, Metrics]:
        """Of a batch, with each of its parts before weighing, and its "slope".

        The latter is the regression through zero of the attributes' changes on epsilon;
        1 is perfect.
        """
        how, latents = self.settings, self.prior(keys)
        before = jax.lax.stop_gradient(self.draw(latents))
        alpha = jax.lax.stop_gradient(self.predict(before))
        count, attributes = alpha.shape
        targets, epsilon = wanted(self.drawn(keys, attributes), alpha, how.epsilon)
        steps = walk_steps(params, latents.codes, how)
        amounts = epsilon.T.reshape(attributes, count, *(1,) * (steps.ndim - 2))
        each = amounts * steps
        # which attributes a row is judged by, and with what share
        share = jnp.full((count, attributes), 1 / attributes, alpha.dtype)
        copies = 1
        if how.joint:
            each = jnp.sum(each, axis=0, keepdims=True)
        else:
            copies = attributes
            share = jnp.repeat(jnp.eye(attributes, dtype=alpha.dtype), count, axis=0)

        def copied(leaf: jax.Array) -> jax.Array:
            return jnp.concatenate([leaf] * copies) if copies > 1 else leaf

        latents, before, alpha, targets, epsilon = jax.tree.map(
            copied, (latents, before, alpha, targets, epsilon)
        )
        moved = latents.codes + each.reshape(latents.codes.shape)
        latents = dataclasses.replace(latents, codes=moved)
        after = self.draw(latents)
        predicted = self.predict(after)
        wrong = cross_entropy(predicted, targets, how.bce, how.margin)
        parts, weights = {"regression": jnp.sum(share * wrong, axis=1)}, self.weights
        if weights["discriminator"]:
            parts["discriminator"] = fooling(self.logits(after, latents.label))
        if weights["content"]:
            parts["content"] = self.judges.content(before, after)
        # the sum over walks that are learned apart, the mean over codes
        metrics = {name: jnp.sum(part) / count for name, part in parts.items()}
        loss = sum(weights[name] * part for name, part in metrics.items())
        square = jnp.sum(share * epsilon**2)
        change = jnp.sum(share * epsilon * (predicted - alpha))
        metrics["slope"] = change / jnp.where(square > 0, square, 1)
        return jnp.asarray(loss), jax.tree.map(jax.lax.stop_gradient, metrics)

    def update(
        self, state: State, keys: jax.Array, data: Any = None
    ) -> tuple[State, Metrics]:
        """One step of Adam; there is no data."""
        del data
        return descend(self.loss, state, keys, optimizer=self.optimizer)

    def edit(self, state: State) -> Edit:
        """A direction, or a walk, for each attribute, in units of it."""
        return walk_edit(state.params, self.settings, space=self.prior.space)

    def drawn(self, keys: jax.Array, attributes: int) -> jax.Array:
        """Changes [N, A] or, of the rule "stylegan_repo", targets [1, A] of all."""
        dtype = jax.eval_shape(self.prior, keys).codes.dtype
        low, high = self.settings.drawn

        def one(key: jax.Array) -> jax.Array:
            own = jax.random.fold_in(key, OWN_DRAWS)
            return jax.random.uniform(own, (attributes,), dtype, low, high)

        found = jax.vmap(one)(keys)
        return found[:1] if self.settings.epsilon == "stylegan_repo" else found

    def draw(self, latents: Latents) -> jax.Array:
        """Pictures of codes, [N, H, W, C]."""
        return to_images(self.prior.generator, latents)

    def predict(self, images: jax.Array) -> jax.Array:
        """The attributes [N, A] of pictures.

        Raises:
            ValueError: for a regressor that returns anything else than that, or [N].
        """
        found = self.judges.regressor(images)
        if found.ndim not in (1, 2) or len(found) != len(images):
            raise ValueError(
                f"regressor: returned {found.shape}; [N] or [N, A] is accepted"
            )
        return found.reshape(len(images), -1)

    def logits(self, images: jax.Array, label: jax.Array | None) -> jax.Array:
        """The discriminator's logits [N] of pictures.

        Raises:
            ValueError: for one that returns anything else than that, or [N, 1].
        """
        model = self.judges.discriminator
        told = (label,) if isinstance(model, Discriminator) else ()
        found = model(images, *told)
        if found.shape not in ((len(images),), (len(images), 1)):
            raise ValueError(
                f"discriminator: returned {found.shape}; [N] or [N, 1] is accepted"
            )
        return found.reshape(-1)


def discover(
    generator: Generator,
    models: Model | Judges,
    *,
    key: jax.Array,
    preset: Preset = QUICK,
    space: str = "z",
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
    **run: Unpack[FitOptions],
) -> Edit:
    """Learn edits of a generator that change attributes by their strengths.

    Args:
        generator: the generator; `prepare` it first.
        models: a regressor, images [N, H, W, C] in [-1, 1] -> [N] or [N, A] in [0, 1];
            or that with a discriminator and a content distance, as `judges` has them.
        key: of the whole run.
        preset: what is learned and for how long; one of `PRESETS`, or your own.
        space: "z", "w" or "w+".
        label: the classes that codes are drawn with; see `latents.prior`.
        truncation: of w; or of the prior, in place of the preset's.
        **run: as for `fit`; `callback` sees every metric, and `folder` keeps the
            history as a table.

    Returns:
        The edit of `EnjoyYourEditing.edit`. Its `facts` hold the means of the losses
        and of "slope" over the last tenth of the run, the number of good "steps", the
        step that "failed", if any, the weights of the losses and the settings.

    Raises:
        ValueError: names the argument that does not fit.
    """
    method = learner(
        generator, models, preset, space=space, label=label, truncation=truncation
    )
    return finished(
        method, fit(method, preset.steps, key=key, batch=preset.batch, **run)
    )


def learner(
    generator: Generator,
    models: Model | Judges,
    preset: Preset = QUICK,
    *,
    space: str = "z",
    label: int | Sequence[int] | jax.Array | str | None = None,
    truncation: Truncation | None = None,
) -> EnjoyYourEditing:
    """The method that `discover` runs; see there for the arguments."""
    truncation = truncation or prior_truncation(generator, preset.truncation)
    drawn = prior(generator, space=space, label=label, truncation=truncation)
    models = models if isinstance(models, Judges) else judges(models)
    return EnjoyYourEditing(drawn, models, preset.settings)


def finished(method: EnjoyYourEditing, fitted: Fitted) -> Edit:
    """The edit of a run, with what `discover` tells about it."""
    found: Any = method.edit(fitted.state)
    facts = {
        **fitted.late_means(),
        "steps": fitted.steps,
        "failed": fitted.failed,
        "weights": method.weights,
        "settings": dataclasses.asdict(method.settings),
    }
    return dataclasses.replace(
        found,
        facts=as_facts(facts),
        generator=fingerprint(method.prior.generator),
    )
