"""Generators that learn to be steered: steerability's joint training (section 4.5).

Jahanian, Chai and Isola, 2020: "we can push the limits" by training a generator and its
walk together, on data that were edited as the walk is to edit pictures. The generator
and the walk minimise

    bce(D(G(z)), 1) + bce(D(G(z + alpha w)), 1) + |G(z + alpha w) - edit(G(z), alpha)|^2

and the discriminator tells data from both pictures. The target is a constant, and its
mask that of the edit.

Where this differs from the original code, and why: strengths are shares of the largest
alpha and not degrees, for a walk that begins between -1 and 1 and is multiplied by 20
makes first codes that mean nothing. Statistics of batch norms stay as they are.
"""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxlatent.edits.base import Edit
from jaxlatent.generators.base import Generator
from jaxlatent.latents import OWN_DRAWS, Latents, Prior
from jaxlatent.learning import Metrics, State, descend
from jaxlatent.methods.steerability import walk_directions
from jaxlatent.methods.steerability_edits import ImageEdit
from jaxlatent.numerics.image_operators import masked_l2
from jaxlatent.training.sources import Source
from jaxlatent.types import Model


@dataclasses.dataclass(frozen=True)
class JointSettings:
    """How generator, walk and discriminator learn."""

    learning_rate: float = 2e-4
    """Of Adam, for all three."""
    momentum: float = 0.5
    """Adam's first decay, for generator and discriminator."""
    walk_momentum: float = 0.9
    """Adam's first decay, for the walk."""
    generator_steps: int = 2
    """Steps of generator and walk after each of the discriminator."""
    walk: bool = True
    """False trains generator and discriminator alone, for comparison."""


@flax.struct.dataclass(eq=False)
class JointState:
    """What changes: two players, each with its optimiser.

    Attributes:
        params: {"generator", "walk", "discriminator"}.
        makers: the optimiser's state of generator and walk.
        critic: that of the discriminator.
    """

    params: Any
    makers: Any
    critic: Any


@flax.struct.dataclass(eq=False)
class JointSteerability:
    """A problem for `jaxlatent.training.fit` with pictures as its data.

    A sample is one row of data, {"image": [H, W, C]} and, for a generator of classes,
    {"label": integer}, whose class is drawn too; one code and one strength.

    Attributes:
        prior: of z, and the generator before training, unprepared.
        discriminator: images [N, H, W, C], and labels [N] of a generator of classes ->
            logits [N] or [N, 1]; a pytree whose leaves are learned.
        image_edit: what the walk is to do.
        settings: how they learn.
    """

    prior: Prior
    discriminator: Model
    image_edit: ImageEdit = flax.struct.field(pytree_node=False)
    settings: JointSettings = flax.struct.field(
        pytree_node=False, default=JointSettings()
    )

    @property
    def _makers(self) -> optax.GradientTransformation:
        how = self.settings
        return optax.multi_transform(
            {
                "generator": optax.adam(how.learning_rate, b1=how.momentum),
                "walk": optax.adam(how.learning_rate, b1=how.walk_momentum),
            },
            {"generator": "generator", "walk": "walk"},
        )

    @property
    def _critic(self) -> optax.GradientTransformation:
        return optax.adam(self.settings.learning_rate, b1=self.settings.momentum)

    def init(self, key: jax.Array) -> JointState:
        """The models as they are given, and a walk uniform between -1 and 1.

        Raises:
            ValueError: for a prior of another space than z, or a prepared generator.
        """
        generator = self.prior.generator
        if self.prior.space != "z" or generator.is_prepared:
            raise ValueError(
                f"prior: codes of {self.prior.space} given, or a prepared generator; "
                "codes of z and a generator that is not prepared are accepted"
            )
        sliders = self.image_edit.sliders(generator.image_shape)
        shape = (sliders, generator.config.z_dim)
        makers = {
            "generator": generator.params,
            "walk": jax.random.uniform(key, shape, minval=-1, maxval=1),
        }
        params = {**makers, "discriminator": self.discriminator}
        discriminator: Any = self.discriminator
        critic = self._critic.init(discriminator)
        return JointState(params, self._makers.init(makers), critic)

    def update(
        self, state: JointState, keys: jax.Array, data: Any = None
    ) -> tuple[JointState, Metrics]:
        """The discriminator once, then generator and walk, all on the same draws.

        Raises:
            ValueError: for data without pictures.
        """
        if not isinstance(data, dict) or "image" not in data:
            raise ValueError('data: rows {"image": [H, W, C]} are needed')
        latents = self.prior(keys)
        if "label" in data:
            latents = dataclasses.replace(latents, label=data["label"])
        strength = self.strengths(keys)
        params = dict(state.params)

        def judge(discriminator: Any) -> Any:
            makers = jax.lax.stop_gradient(params)
            drawn = self._drawn(makers, latents, strength)
            logits = [
                self._logits(discriminator, images, latents)
                for images in (data["image"], *drawn)
            ]
            return _bce(logits[0], 1.0) + sum(_bce(one, 0.0) for one in logits[1:])

        judged, critic = descend(
            judge, State(params["discriminator"], state.critic), optimizer=self._critic
        )
        params["discriminator"] = judged.params

        def make(makers: Any) -> Any:
            drawn = self._drawn(makers, latents, strength)
            fooled = sum(
                _bce(self._logits(params["discriminator"], x, latents), 1.0)
                for x in drawn
            )
            if not self.settings.walk:
                return fooled, {"edit_loss": jnp.zeros(())}
            plain, moved = drawn
            target, mask = self.image_edit(jax.lax.stop_gradient(plain), strength)
            off = jnp.mean(masked_l2(moved, jax.lax.stop_gradient(target), mask))
            return fooled + off, {"edit_loss": off}

        learned = {name: params[name] for name in ("generator", "walk")}
        makers, metrics = State(learned, state.makers), {}
        for _ in range(self.settings.generator_steps):
            makers, metrics = descend(make, makers, optimizer=self._makers)
        params |= makers.params
        after = JointState(params, makers.optimizer, judged.optimizer)
        return after, {**metrics, "critic_loss": critic["loss"]}

    def strengths(self, keys: jax.Array) -> jax.Array:
        """[N, S] of keys [N]."""
        shape = self.prior.generator.image_shape
        own = jax.vmap(jax.random.fold_in, (0, None))(keys, OWN_DRAWS)
        return jax.vmap(lambda key: self.image_edit.draw(key, shape))(own)

    def generator(self, state: JointState) -> Generator:
        """The generator as it was trained."""
        return dataclasses.replace(
            self.prior.generator, params=state.params["generator"]
        )

    def edit(self, state: JointState) -> Edit:
        """The walk, of the trained generator; see `steerability.Steerability.edit`."""
        names = self.image_edit.names(self.prior.generator.image_shape)
        walk = state.params["walk"]
        return walk_directions(walk, space="z", names=names, method="steerability")

    def _drawn(self, params: Any, latents: Latents, strength: jax.Array) -> list[Any]:
        """Pictures of codes, and of codes moved where there is a walk."""
        generator = dataclasses.replace(
            self.prior.generator, params=params["generator"]
        )
        codes = [latents.codes]
        if self.settings.walk:
            codes.append(latents.codes + jnp.tensordot(strength, params["walk"], 1))

        def synthesize(z: jax.Array) -> jax.Array:
            mapped = generator.map(z, latents.label)
            return generator.synthesize(mapped, latents.label)

        return [synthesize(z) for z in codes]

    def _logits(
        self, discriminator: Any, images: jax.Array, latents: Latents
    ) -> jax.Array:
        if latents.label is None:
            return discriminator(images)
        return discriminator(images, latents.label)


@dataclasses.dataclass(frozen=True, eq=False)
class EditedSource:
    """Pictures of a source edited at random: the paper's augmentation of data.

    Row n is picture n modulo their number, edited by a strength that is drawn with key
    n; so an epoch sees every picture `copies` times, each edited otherwise. What an
    edit does not know is filled with `outside`.

    Attributes:
        source: rows {"image": [H, W, C], ...}.
        image_edit: the edit; its draws are those of training.
        key: of the draws.
        copies: how many edited pictures there are of each.
        outside: the value of what was not seen, -1 for black.
    """

    source: Source
    image_edit: ImageEdit
    key: jax.Array
    copies: int = 8
    outside: float = -1.0

    def __len__(self) -> int:
        return self.copies * len(self.source)

    def batch(self, numbers: np.ndarray) -> Any:
        """The rows at `numbers` [N]; see `training.sources.Source`."""
        rows = self.source.batch(np.asarray(numbers) % len(self.source))
        images = _edited(
            self.image_edit, self.key, numbers, rows["image"], self.outside
        )
        return {**rows, "image": np.asarray(images)}


@jax.jit(static_argnums=0)
def _edited(
    image_edit: ImageEdit,
    key: jax.Array,
    numbers: jax.Array,
    images: jax.Array,
    outside: float,
) -> jax.Array:
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
    strength = jax.vmap(lambda key: image_edit.draw(key, images.shape[1:]))(keys)
    # zeros surround what is edited, so that `outside` has to be zero there
    edited, _ = image_edit(images - outside, strength)
    return edited + outside


def _bce(logits: jax.Array, target: float) -> jax.Array:
    return jnp.mean(
        optax.sigmoid_binary_cross_entropy(logits, jnp.full_like(logits, target))
    )
