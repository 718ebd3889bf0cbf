"""A network that reads a world's factors off pictures of it.

It learns on pictures that the world paints itself, of which every factor is known, and
then scores the pictures of a generator that was made for that world, a GAN trained on
dSprites for instance. How well it reads each factor is told, for no effect of an edit
can be known better than that.
"""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxlatent.batching import in_chunks
from jaxlatent.data.worlds import World
from jaxlatent.latents import sample_keys
from jaxlatent.learning import Metrics, State, descend
from jaxlatent.networks.base import Network
from jaxlatent.training.fit import fit
from jaxlatent.types import Params

_HELD_OUT = 2**31
"""The number of the first picture that is held out; no run is so long."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the network learns: thirteen thousand pictures, a minute on two cores."""

    steps: int = 400
    """Of Adam, whose rate falls to zero along a cosine."""
    batch: int = 32
    """Pictures of a step."""
    learning_rate: float = 2e-3
    """Of the first step."""
    channels: tuple[int, ...] = (16, 32, 64)
    """Of the convolutions, each of which halves the picture."""
    hidden: int = 128
    """Width of the dense layer."""
    size: int = 64
    """Pixels of the longer side that the network sees, at most."""
    held_out: int = 512
    """Pictures on which it is examined."""


class Reader(NamedTuple):
    """What reads factors.

    Attributes:
        network: images [N, H, W, C] -> factors [N, F].
        accuracy: [F] the share of each factor's variance that it reads off pictures it
            has not seen, R2; 1 is the best.
    """

    network: Network
    accuracy: np.ndarray


class FactorNetwork(nn.Module):
    """Images [N, H, W, C] in [-1, 1] -> factors [N, F]; nothing is pooled over places.

    Attributes:
        factors: F.
        channels: of the convolutions, 3 x 3 with stride 2.
        hidden: width of the dense layer.
        size: pictures are shrunk to this many pixels along the longer side.
    """

    factors: int
    channels: tuple[int, ...]
    hidden: int
    size: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """The factors."""
        count, *sides, planes = images.shape
        if max(sides) > self.size:
            sides = [max(1, round(side * self.size / max(sides))) for side in sides]
            images = jax.image.resize(images, (count, *sides, planes), "linear")
        x = images
        for features in self.channels:
            x = nn.relu(nn.Conv(features, (3, 3), (2, 2))(x))
        x = nn.relu(nn.Dense(self.hidden)(x.reshape(count, -1)))
        return nn.Dense(self.factors)(x)


@flax.struct.dataclass(eq=False)
class Reading:
    """Learning to read factors, as a problem of `jaxlatent.training.fit`.

    Attributes:
        world: what paints.
        size: of its pictures.
        settings: how.
    """

    world: World = flax.struct.field(pytree_node=False)
    size: int = flax.struct.field(pytree_node=False)
    settings: Settings = flax.struct.field(pytree_node=False)

    @property
    def module(self) -> FactorNetwork:
        """The architecture."""
        how = self.settings
        return FactorNetwork(
            len(self.world.factors), how.channels, how.hidden, how.size
        )

    @property
    def optimizer(self) -> optax.GradientTransformation:
        """Adam."""
        how = self.settings
        return optax.adam(optax.cosine_decay_schedule(how.learning_rate, how.steps))

    def init(self, key: jax.Array) -> State:
        """Fresh parameters of the network."""
        middle = jnp.zeros((1, len(self.world.factors)))
        blank = self.world.render(middle, size=self.size)
        return State.init(Network.init(key, self.module, blank).params, self.optimizer)

    def update(
        self, state: State, keys: jax.Array, data: None = None
    ) -> tuple[State, Metrics]:
        """One step, on pictures that keys [batch] draw."""
        return descend(self.loss, state, *self.painted(keys), optimizer=self.optimizer)

    def loss(self, params: Params, images: jax.Array, factors: jax.Array) -> jax.Array:
        """The mean squared error of a batch."""
        return jnp.mean((Network(params, self.module)(images) - factors) ** 2)

    def painted(self, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Pictures [N, size, size, C] and their factors [N, F] of typed keys [N]."""
        factors = jax.vmap(lambda key: self.world.sample(key, 1)[0])(keys)
        return self.world.render(factors, size=self.size), factors


def learn_to_read(
    world: World,
    size: int,
    settings: Settings = Settings(),
    *,
    key: jax.Array,
    mesh: Mesh | None = None,
) -> Reader:
    """Teach a network the factors of a world.

    Args:
        world: the world.
        size: height and width of the pictures that it is to read.
        settings: how.
        key: of all that is drawn.
        mesh: devices to split samples over, None for one.

    Raises:
        ValueError: if a step was not finite.
    """
    problem = Reading(world, size, settings)
    fitted = fit(problem, settings.steps, key=key, batch=settings.batch, mesh=mesh)
    if fitted.failed is not None:
        raise ValueError(
            f"learning_rate: {settings.learning_rate} given; step {fitted.failed} was "
            "not finite"
        )
    network = Network(fitted.state.params, problem.module)
    numbers = np.arange(settings.held_out, dtype=np.uint32) + np.uint32(_HELD_OUT)
    keys = sample_keys(key, numbers)
    parts = in_chunks(
        _examined, (keys,), len(keys), settings.batch, whole=(problem, network)
    )
    told, true = (np.concatenate(one) for one in zip(*parts, strict=True))
    error = np.mean((told - true) ** 2, axis=0)
    spread = true.var(axis=0)
    return Reader(network, 1 - error / np.where(spread > 0, spread, np.nan))


@jax.jit
def _examined(
    problem: Reading, network: Network, keys: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """[N, F] factors as the network tells them, and as they are."""
    images, factors = problem.painted(keys)
    return network(images), factors
