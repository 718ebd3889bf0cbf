"""LPIPS: how different two pictures look, by the features of a trained network.

Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of deep
features as a perceptual metric", 2018.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from jaxlatent.networks.alexnet import AlexNet
from jaxlatent.networks.preprocess import PictureModule
from jaxlatent.networks.squeezenet import SqueezeNet
from jaxlatent.networks.vgg import vgg
from jaxlatent.types import Params

# The constants are given for x in [-1, 1]; ours are for [0, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
MEAN = tuple((shift + 1) / 2 for shift in _SHIFT)
STD = tuple(scale / 2 for scale in _SCALE)

TRUNKS: dict[str, PictureModule] = {
    "alex": AlexNet(outputs=None, mean=MEAN, std=STD),
    "vgg": vgg(16, outputs=None, mean=MEAN, std=STD),
    "squeeze": SqueezeNet(outputs=None, mean=MEAN, std=STD),
}
"""The networks whose features are compared."""

TAPS: dict[str, tuple[str, ...]] = {
    "alex": tuple(f"features.{i}" for i in (1, 4, 7, 9, 11)),
    "vgg": tuple(f"features.{i}" for i in (3, 8, 15, 22, 29)),
    "squeeze": tuple(f"features.{i}" for i in (1, 4, 7, 9, 10, 11, 12)),
}
"""Where they are tapped."""

CHANNELS: dict[str, tuple[int, ...]] = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
}
"""Channels of each tap."""

VERSIONS = ("0.1", "0.0")


@flax.struct.dataclass(eq=False)
class Lpips:
    """The distance of pictures: `distance(x, y) -> [N]`, a model like any other.

    Attributes:
        params: `trunk`, the parameters of one of `TRUNKS`, and `heads`, weights [C] of
            the channels of each tap, by the names lin0, lin1, ...; without `heads`
            every channel weighs one.
        version: "0.1", or "0.0" for the heads of that release, whose trunks see images
            in [-1, 1] as they are.
    """

    params: Params
    version: str = flax.struct.field(pytree_node=False, default="0.1")

    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """The distance of pairs of pictures.

        Args:
            x: [N, H, W, 3] in [-1, 1].
            y: likewise.

        Returns:
            [N], not below zero.

        Raises:
            ValueError: for an unknown version, or pictures of different shapes.
        """
        return self.between(*self._paired(x, y))

    def map(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """The distance of pairs of pictures at every pixel, [N, H, W]; see a call."""
        shape = x.shape[:3]
        return sum(
            (
                jax.image.resize(term, shape, "bilinear")
                for term in self._differences(*self._paired(x, y))
            ),
            jnp.zeros((), x.dtype),
        )

    def features(self, x: jax.Array) -> tuple[jax.Array, ...]:
        """What pictures [N, H, W, 3] are compared by: unit vectors [N, h, w, C].

        Those of pictures that are compared many times can be kept.

        Raises:
            ValueError: for an unknown version.
        """
        if self.version not in VERSIONS:
            raise ValueError(
                f"version: {self.version!r} given; one of {VERSIONS} is accepted"
            )
        trunk = self.params["trunk"]
        net = trunk_of(trunk)
        module = TRUNKS[net] if self.version == "0.1" else TRUNKS[net].clone(mean=None)
        taps: Any = module.apply({"params": trunk}, x, names=TAPS[net])
        return tuple(unit(taps[name]) for name in TAPS[net])

    def between(
        self, first: Sequence[jax.Array], second: Sequence[jax.Array]
    ) -> jax.Array:
        """The distance [N] of pictures by their `features`."""
        terms = (term.mean(axis=(1, 2)) for term in self._differences(first, second))
        return sum(terms, jnp.zeros((), first[0].dtype))

    def embedding(self, x: jax.Array) -> jax.Array:
        """Pictures [N, H, W, 3] as points [N, P], whose squared distances are these.

        Features divided by the root of their map's size and multiplied by that of
        their channel's weight, which must not be below zero.
        """
        heads = self.params.get("heads", {})
        points = []
        for index, units in enumerate(self.features(x)):
            count, height, width, _ = units.shape
            if f"lin{index}" in heads:
                units = units * jnp.sqrt(heads[f"lin{index}"])[None, None, None]
            points.append(units.reshape(count, -1) / math.sqrt(height * width))
        return jnp.concatenate(points, axis=1)

    def _paired(
        self, x: jax.Array, y: jax.Array
    ) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
        """The features of both, by one call of the network."""
        if x.shape != y.shape:
            raise ValueError(
                f"y: shape {y.shape} given; that of x, {x.shape}, is accepted"
            )
        both = [jnp.split(one, 2) for one in self.features(jnp.concatenate([x, y]))]
        return tuple(one for one, _ in both), tuple(two for _, two in both)

    def _differences(
        self, first: Sequence[jax.Array], second: Sequence[jax.Array]
    ) -> Iterator[jax.Array]:
        """What each tap adds to the distance, before its mean over the map."""
        heads = self.params.get("heads")
        for index, (one, two) in enumerate(zip(first, second, strict=True)):
            squares = (one - two) ** 2
            if heads is not None:
                squares = squares * heads[f"lin{index}"][None, None, None]
            yield squares.sum(axis=-1)


def trunk_of(params: Params) -> str:
    """Which of `TRUNKS` parameters are of, by their shapes."""
    if "squeeze" in params.get("features_3", ()):
        return "squeeze"
    return "alex" if params["features_0"]["kernel"].shape[0] == 11 else "vgg"


def unit(x: jax.Array) -> jax.Array:
    """[..., C] -> vectors of length one; zeros stay, and have a finite gradient."""
    squares = (x**2).sum(axis=-1, keepdims=True)
    safe = jnp.where(squares > 0, squares, 1)
    return x / (jnp.where(squares > 0, jnp.sqrt(safe), 0) + 1e-10)
