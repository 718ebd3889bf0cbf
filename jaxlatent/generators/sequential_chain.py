"""A chain of layers: how they fit together, and how JSON describes them."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import jax
import jax.numpy as jnp

from jaxlatent.generators.fields import (
    Accepts,
    Range,
    check_fields,
    from_fields,
    one_of,
)
from jaxlatent.generators.sequential_layers import (
    Activation,
    Flatten,
    Layer,
    Pool,
    Shape,
    Unflatten,
    Upsample,
)
from jaxlatent.generators.sequential_weighted import (
    BatchNorm,
    Convolution,
    Linear,
    TransposedConvolution,
)

KINDS: dict[str, type[Layer]] = {
    layer.kind: layer
    for layer in (
        Linear,
        Convolution,
        TransposedConvolution,
        BatchNorm,
        Activation,
        Pool,
        Upsample,
        Flatten,
        Unflatten,
    )
}
"""The kinds of layers by the word that JSON uses."""


Layers = Annotated[
    tuple[Layer, ...],
    Accepts(
        "a sequence of at least one layer",
        lambda v: (
            isinstance(v, tuple)
            and len(v) > 0
            and all(isinstance(one, Layer) for one in v)
        ),
    ),
]


@dataclass(frozen=True)
class Chain:
    """What generators and discriminators share; made through its two subclasses.

    Attributes:
        layers: from the input to the output, with names of their own.
        image_range: the values of black and white inside the chain. Outside, images
            are always in [-1, 1].
    """

    layers: Layers
    image_range: Range = field(default=(-1.0, 1.0), kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self, "config")
        names = [layer.name for layer in self.layers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"config: layers: {name!r} names more than one layer")
        self.check_output(item_shapes(self)[-1])

    @property
    def input_shape(self) -> Shape:
        """The shape of one item that enters the first layer."""
        raise NotImplementedError

    def check_output(self, shape: Shape) -> None:
        """Raise ValueError unless items of `shape` may leave the last layer."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Self:
        """A config from its fields as JSON values, layers as objects with a kind.

        Raises:
            ValueError: names the layer, the field, what was given and what is accepted;
                or the layer at which the shapes stop fitting together.
        """
        layers = description.get("layers", [])
        if not isinstance(layers, list | tuple):
            raise ValueError(f"config: layers: {layers!r} given; a list is accepted")
        layers = [layer_from_json(one, index) for index, one in enumerate(layers)]
        return from_fields(cls, {**description, "layers": layers}, "config")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values that `from_json` accepts."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def layer_from_json(description: Any, position: int) -> Layer:
    """A layer from `{"kind": ..., "name": ..., ...}`, the `position`-th of its chain.

    Raises:
        ValueError: names the layer, the field, what was given and what is accepted.
    """
    if not isinstance(description, Mapping):
        raise ValueError(
            f"layer {position}: {description!r} given; an object is needed"
        )
    where = f"layer {description.get('name', position)!r}"
    kind, accepts = description.get("kind"), one_of(KINDS)
    if not accepts.test(kind):
        raise ValueError(f"{where}: kind: {kind!r} given; {accepts.words} is accepted")
    values = {name: value for name, value in description.items() if name != "kind"}
    return from_fields(KINDS[str(kind)], values, where)


def item_shapes(config: Chain) -> tuple[Shape, ...]:
    """The shape of one item before the first layer and after each one.

    Raises:
        ValueError: names the layer that what comes in does not fit.
    """
    shapes = [config.input_shape]
    for layer in config.layers:
        layer.check(shapes[-1])
        shapes.append(_outgoing(layer, shapes[-1]))
        if 0 in shapes[-1]:
            layer.refuse(f"{shapes[-2]} comes in and nothing is left of it")
    return tuple(shapes)


def _outgoing(layer: Layer, incoming: Shape) -> Shape:
    def run() -> jax.Array:
        params = layer.init(jax.random.key(0), incoming)
        return layer(params, jnp.zeros((1, *incoming)))

    return jax.eval_shape(run).shape[1:]
