"""Generators and discriminators that are chains of layers: MLPs, DCGANs, decoders.

A chain is described by its layers, in Python or as JSON:

    Config.from_json({
        "z_dim": 64,
        "layers": [
            {"kind": "linear", "name": "0", "features": 256},
            {"kind": "activation", "name": "1", "function": "relu"},
            {"kind": "linear", "name": "2", "features": 784},
            {"kind": "activation", "name": "3", "function": "tanh"},
            {"kind": "unflatten", "name": "image", "shape": [28, 28, 1]}
        ]
    })

Layers bear the names of the checkpoint's modules, parameters those of its tensors.
"""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxlatent.generators.fields import Count, MapShape
from jaxlatent.generators.inputs import PRIOR, without_label, without_noise
from jaxlatent.generators.plain import broadcast as broadcast
from jaxlatent.generators.plain import embed as embed
from jaxlatent.generators.plain import map as map
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.plain import prepare as prepare
from jaxlatent.generators.plain import sample as sample
from jaxlatent.generators.plain import truncate as truncate
from jaxlatent.generators.sequential_chain import Chain, item_shapes
from jaxlatent.generators.sequential_layers import (
    Activation,
    Flatten,
    Shape,
    Unflatten,
)
from jaxlatent.generators.sequential_weighted import STATISTICS, Weighted
from jaxlatent.generators.steps import Steps
from jaxlatent.types import Affine, Noise, Params

IMAGE = "image"
"""The name of what leaves a generator, which its last layer may bear too."""


@dataclass(frozen=True)
class Config(Chain):
    """A generator: z [N, z_dim] enters, a map [N, H, W, C] leaves.

    Attributes:
        z_dim: dimension of z.
    """

    z_dim: Count

    num_layers = 0
    label_dim = 0
    spaces = ("z",)
    truncated_prior = False

    @property
    def w_dim(self) -> int:
        """That of z: there is no mapping network."""
        return self.z_dim

    @property
    def input_shape(self) -> Shape:
        """(z_dim,)."""
        return (self.z_dim,)

    @cached_property
    def resolution(self) -> int:
        """Height or width of the image, whichever is larger."""
        height, width, _ = item_shapes(self)[-1]
        return max(height, width)

    def check_output(self, shape: Shape) -> None:
        """Refuse chains that do not end in a map, or name another layer as they do."""
        for layer in self.layers[:-1]:
            if layer.name == IMAGE:
                layer.refuse("the name of what leaves the chain; another is accepted")
        if len(shape) != 3:
            raise ValueError(
                f"config: layers: {shape} leaves the last one; a generator ends in "
                "maps [H, W, C]"
            )


@dataclass(frozen=True)
class DiscriminatorConfig(Chain):
    """A discriminator: images enter, one logit per image leaves.

    Logits are what it answers with, so a sigmoid behind them is left out.

    Attributes:
        image_shape: (H, W, C).
    """

    image_shape: MapShape

    @property
    def input_shape(self) -> Shape:
        """The shape of one image."""
        return self.image_shape

    def check_output(self, shape: Shape) -> None:
        """Refuse chains that do not end in one logit."""
        working = [one for one in self.layers if not isinstance(one, Flatten)]
        last = working[-1] if working else None
        if isinstance(last, Activation) and last.function == "sigmoid":
            last.refuse("a discriminator answers with logits; leave the sigmoid out")
        if shape != (1,):
            raise ValueError(
                f"config: layers: {shape} leaves the last one; a discriminator ends in "
                "vectors [1]"
            )


def init(key: jax.Array, config: Chain) -> Params:
    """Fresh parameters of a generator or a discriminator.

    Weights are uniform in ±1/sqrt(fan-in), PyTorch's default; biases are zero and batch
    norms the identity. Layer i draws with fold_in(key, i).
    """
    flat = {}
    incoming = item_shapes(config)[:-1]
    for index, (layer, shape) in enumerate(zip(config.layers, incoming, strict=True)):
        for name, array in layer.init(jax.random.fold_in(key, index), shape).items():
            flat[f"{layer.name}.{name}"] = array
    return unflatten_dict(flat, sep=".")


def run(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """z [N, z_dim] -> what leaves each layer, then the image [N, H, W, C] in [-1, 1].

    Raises:
        ValueError: for a latent of another shape, a label, or noise.
    """
    without_label(label)
    without_noise(noise)
    x = _entering(params, config, latent, "latent")
    for layer in config.layers:
        x = layer(_weights(params, layer.name), x)
        if layer.name != IMAGE:
            x = yield layer.name, x
    yield IMAGE, _to_unit_range(config, x)


def train(
    params: Params, config: Config, latent: jax.Array, label: jax.Array | None = None
) -> tuple[jax.Array, Params]:
    """`run` as training does: batch norms go by the batch's own statistics.

    Returns:
        The images, and the parameters with the stored statistics moved on.
    """
    without_label(label)
    flat = flatten_dict(params, sep=".")
    x = _entering(params, config, latent, "latent")
    for layer in config.layers:
        x, moved = layer.train(_weights(params, layer.name), x)
        flat |= {f"{layer.name}.{name}": leaf for name, leaf in moved.items()}
    return _to_unit_range(config, x), unflatten_dict(flat, sep=".")


def feature_names(config: Config) -> tuple[str, ...]:
    """The names of the layers, and "image": the last one's map, in [-1, 1]."""
    return (*(layer.name for layer in config.layers if layer.name != IMAGE), IMAGE)


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """The first layer with weights: [D, out], one row per entry of z.

    For a kernel over a map the columns are the pixels of its output, channels fastest.
    Empty if z meets anything but changes of shape before it.
    """
    units = jnp.eye(config.z_dim)
    for layer in config.layers:
        if isinstance(layer, Weighted):
            weight = _weights(params, layer.name)["weight"]
            # Multiplying by ones and zeros is exact, but only at this precision.
            with jax.default_matmul_precision("highest"):
                response = layer.linear(weight, units.astype(weight.dtype))
            matrix = response.reshape(config.z_dim, -1)
            return (Affine(matrix, name=layer.name),)
        if not isinstance(layer, Flatten | Unflatten):
            break
        units = layer({}, units)
    return ()


def discriminate(
    params: Params,
    config: DiscriminatorConfig,
    images: jax.Array,
    label: jax.Array | None = None,
) -> jax.Array:
    """Images [N, H, W, C] in [-1, 1] -> logits [N, 1], before any sigmoid.

    Raises:
        ValueError: for images of another shape, or a label.
    """
    without_label(label)
    low, high = config.image_range
    inside = images * ((high - low) / 2) + (high + low) / 2
    x = _entering(params, config, inside, "images")
    for layer in config.layers:
        x = layer(_weights(params, layer.name), x)
    return x


def trainable(params: Params) -> Params:
    """A mask over `params`: true for what training changes, false for statistics."""
    return unflatten_dict(
        {
            path: path[0] != PRIOR and path[-1] not in STATISTICS
            for path in flatten_dict(params)
        }
    )


def _to_unit_range(config: Config, x: jax.Array) -> jax.Array:
    """What the last layer makes, in [-1, 1]."""
    low, high = config.image_range
    # spelled so that the range [-1, 1] changes no bit
    return x * (2 / (high - low)) - (high + low) / (high - low)


def _entering(params: Params, config: Chain, x: jax.Array, argument: str) -> jax.Array:
    """What the first layer is given, in the dtype of the parameters."""
    if x.shape[1:] != config.input_shape:
        accepted = ", ".join(("N", *(str(side) for side in config.input_shape)))
        raise ValueError(f"{argument}: shape {x.shape} given; [{accepted}] is accepted")
    leaves = jax.tree.leaves(params)
    return x.astype(jnp.result_type(*leaves)) if leaves else x


def _weights(params: Params, name: str) -> Params:
    """The parameters of one layer, nothing for a layer without."""
    for key in name.split("."):
        params = params.get(key, {})
    return params
