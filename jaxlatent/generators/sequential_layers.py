"""The layers of a chain: frozen, hashable descriptions that hold their arithmetic.

Maps are [N, H, W, C], vectors [N, D]; a layer sees which one comes in from the shape of
one item. Where maps become vectors and back, the vector runs through channels first,
then rows, then columns, as PyTorch's does: the weights beside it then need no
rearranging. Layers that hold weights are in `sequential_weighted`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar, NoReturn

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxlatent.generators.fields import (
    Count,
    MapShape,
    Margin,
    Name,
    Real,
    check_fields,
    one_of,
)
from jaxlatent.types import Params

Shape = tuple[int, ...]

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
}
"""Activations by name, with PyTorch's default constants."""

POOLS = {"max": nn.max_pool, "mean": nn.avg_pool}
"""Pooling by name; "mean" counts the zeros of the padding."""


@dataclass(frozen=True)
class Layer:
    """One step of a chain.

    Attributes:
        name: the dotted name of the module in the checkpoint; layers without weights
            need one for `features` only.
        kind: the word for this kind of layer in JSON.
    """

    name: Name
    kind: str = field(init=False)

    item_rank: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        check_fields(self, f"layer {self.name!r}")

    def check(self, incoming: Shape) -> None:
        """Raise ValueError unless items of shape `incoming` fit this layer."""
        if self.item_rank is not None and len(incoming) != self.item_rank:
            accepted = {1: "vectors [D]", 3: "maps [H, W, C]"}[self.item_rank]
            self.refuse(f"{incoming} comes in; {accepted} are accepted")

    def refuse(self, reason: str) -> NoReturn:
        """Raise ValueError with the name of this layer and a reason."""
        raise ValueError(f"layer {self.name!r} ({self.kind}): {reason}")

    def init(self, key: jax.Array, incoming: Shape) -> Params:
        """Fresh parameters for items of shape `incoming`; none by default."""
        return {}

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """Run the layer on a batch `x` [N, ...]."""
        raise NotImplementedError

    def train(self, params: Params, x: jax.Array) -> tuple[jax.Array, Params]:
        """Run it as training does; also the parameters that the pass changed itself."""
        return self(params, x), {}


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each value: one of `ACTIVATIONS`.

    Attributes:
        function: its name.
        slope: of "leaky_relu" below zero; the others have none.
    """

    function: Annotated[str, one_of(ACTIVATIONS)]
    slope: Real = 0.01
    kind: str = field(default="activation", init=False)

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """function(x), value by value."""
        if self.function == "leaky_relu":
            return jax.nn.leaky_relu(x, self.slope)
        return ACTIVATIONS[self.function](x)


@dataclass(frozen=True)
class Pool(Layer):
    """The largest or the mean value of each window of a map.

    Attributes:
        mode: "max" or "mean"; the mean counts the zeros of the padding.
        kernel: side of the square window.
        stride: step in rows and columns.
        padding: on each of the four sides, at most half the window.
    """

    mode: Annotated[str, one_of(POOLS)]
    kernel: Count
    stride: Count
    padding: Margin = 0
    kind: str = field(default="pool", init=False)
    item_rank: ClassVar[int | None] = 3

    def check(self, incoming: Shape) -> None:
        """Also refuse windows that would lie in the padding alone."""
        super().check(incoming)
        if 2 * self.padding > self.kernel:
            self.refuse(
                f"padding: {self.padding} given; at most {self.kernel // 2}, half the "
                "kernel, is accepted"
            )

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """One value per window."""
        window, stride = (self.kernel,) * 2, (self.stride,) * 2
        return POOLS[self.mode](x, window, stride, ((self.padding,) * 2,) * 2)


@dataclass(frozen=True)
class Upsample(Layer):
    """Repeats every pixel `factor` times in rows and columns (nearest neighbour)."""

    factor: Count = 2
    kind: str = field(default="upsample", init=False)
    item_rank: ClassVar[int | None] = 3

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> [N, factor * H, factor * W, C]."""
        return x.repeat(self.factor, axis=1).repeat(self.factor, axis=2)


@dataclass(frozen=True)
class Flatten(Layer):
    """[N, H, W, C] -> [N, C * H * W], channels slowest and columns fastest."""

    kind: str = field(default="flatten", init=False)
    item_rank: ClassVar[int | None] = 3

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """Read the map [N, H, W, C] channel by channel."""
        return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)


@dataclass(frozen=True)
class Unflatten(Layer):
    """[N, C * H * W] -> [N, H, W, C]: undoes `Flatten`.

    Attributes:
        shape: (H, W, C), our order, whatever the order in which the vector is read.
    """

    shape: MapShape
    kind: str = field(default="unflatten", init=False)
    item_rank: ClassVar[int | None] = 1

    def check(self, incoming: Shape) -> None:
        """Also refuse vectors of another length."""
        super().check(incoming)
        if incoming[0] != math.prod(self.shape):
            self.refuse(
                f"shape: {self.shape} given, {math.prod(self.shape)} values; a vector "
                f"of {incoming[0]} comes in"
            )

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """Lay the vector [N, D] out channel by channel."""
        height, width, channels = self.shape
        return x.reshape(x.shape[0], channels, height, width).transpose(0, 2, 3, 1)
