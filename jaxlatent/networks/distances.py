"""How far apart pictures are: models `distance(x, y) -> [N]`, as `lpips.Lpips` is one.

Those that are squared distances of points tell these: `embedding(x) -> [N, P]`.

No gradient need flow to one of the two: where x comes out of `lax.stop_gradient`, only
y's pass through a network is differentiated.
"""

import math
from dataclasses import replace
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from jaxlatent.networks.base import Network
from jaxlatent.networks.preprocess import IMAGENET_MEAN, IMAGENET_STD
from jaxlatent.networks.vgg import VGG

VGG_CONTENT = ("features.0", "features.2", "features.5", "features.7")
"""conv1_1, conv1_2, conv2_1 and conv2_2 of VGG-16 and VGG-19, before rectifiers."""


@flax.struct.dataclass(eq=False)
class FeatureDistance:
    """The mean squared difference of a network's activations, averaged over layers.

    Attributes:
        network: a `networks.base.Network`.
        names: the activations, all of one pass; see `Network.features`.
    """

    network: Any
    names: tuple[str, ...] = flax.struct.field(pytree_node=False)

    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """[N], of pictures x and y [N, H, W, C] in [-1, 1]."""
        layers = self.layers(x, y)
        return sum(layers.values(), jnp.zeros((), x.dtype)) / len(self.names)

    def embedding(self, x: jax.Array) -> jax.Array:
        """Pictures as points [N, P], whose squared distances are these."""
        found = self.network.features(x, names=self.names)
        points = [scaled_points(found[name]) for name in self.names]
        return jnp.concatenate(points, axis=1) / math.sqrt(len(self.names))

    def layers(self, x: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
        """[N] by activation; see a call."""
        one, two = (self.network.features(z, names=self.names) for z in (x, y))
        return {name: squared_distance(one[name], two[name]) for name in self.names}


@flax.struct.dataclass(eq=False)
class PixelDistance:
    """The mean squared difference of pixels."""

    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """[N], of pictures x and y [N, H, W, C]."""
        return squared_distance(x, y)

    def embedding(self, x: jax.Array) -> jax.Array:
        """Pictures as points [N, P], whose squared distances are these."""
        return scaled_points(x)


def vgg_content(network: Network) -> FeatureDistance:
    """The content distance of "Enjoy your editing" (Zhuang et al., 2021).

    As its authors' code has it, ImageNet's mean and deviation, which are made for
    pictures in [0, 1], are applied to pictures in [-1, 1].

    Args:
        network: a VGG of two convolutions in each of its first two blocks; the
            authors' is VGG-19. Only the weights of these four are kept.

    Raises:
        ValueError: for another network.
    """
    module = network.module
    if not isinstance(module, VGG) or module.blocks[:2] != (2, 2):
        raise ValueError(
            f"network: a {type(module).__name__} given; a VGG of 13 layers or more is "
            "accepted"
        )
    # our modules normalise (x + 1) / 2
    centred = module.clone(
        mean=tuple((one + 1) / 2 for one in IMAGENET_MEAN),
        std=tuple(one / 2 for one in IMAGENET_STD),
    )
    layers = [name.replace(".", "_") for name in VGG_CONTENT]
    params = {name: network.params[name] for name in layers}
    return FeatureDistance(replace(network, params=params, module=centred), VGG_CONTENT)


def squared_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """The mean squared difference [N] of pictures or activations [N, ...]."""
    return jnp.mean((x - y) ** 2, axis=tuple(range(1, x.ndim)))


def scaled_points(x: jax.Array) -> jax.Array:
    """[N, ...] as points [N, P] whose squared distances are mean squared ones."""
    return x.reshape(len(x), -1) / math.sqrt(x[0].size)
