"""SNGAN: residual blocks between plain batch norms, from z alone.

Source: Miyato et al., "Spectral Normalization for Generative Adversarial Networks"
(2018), as anvoynov's GANLatentDiscovery and WarpedGANSpace publish it; the generator
itself has no spectral norm. Parameter names are those of their checkpoints, split at
dots; dense weights are [in, out] and kernels [h, w, in, out].
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp

from jaxlatent.generators.biggan_layers import (
    SEED,
    batch_norm,
    init_flat,
)
from jaxlatent.generators.biggan_layers import trainable as trainable
from jaxlatent.generators.convolutions import (
    repeat_pixels,
)
from jaxlatent.generators.inputs import without_label, without_noise
from jaxlatent.generators.kernels import at_layer, convolution, precompute
from jaxlatent.generators.plain import broadcast as broadcast
from jaxlatent.generators.plain import embed as embed
from jaxlatent.generators.plain import map as map
from jaxlatent.generators.plain import noise_maps as noise_maps
from jaxlatent.generators.plain import sample as sample
from jaxlatent.generators.plain import truncate as truncate
from jaxlatent.generators.steps import Steps
from jaxlatent.types import Affine, Noise, Params


@dataclass(frozen=True)
class Config:
    """The shape of an SNGAN generator.

    Attributes:
        channels: feature maps at 4 x 4, 8 x 8, ... up to the resolution.
        z_dim: dimension of z.
        image_channels: 1 for grey, 3 for colour.
        bn_eps: added to the variances of batch norms.
    """

    channels: tuple[int, ...]
    z_dim: int = 128
    image_channels: int = 3
    bn_eps: float = 1e-5

    label_dim = 0
    num_layers = 0
    spaces = ("z",)
    truncated_prior = False

    def __post_init__(self) -> None:
        if len(self.channels) < 2:
            raise ValueError(
                f"channels: {self.channels} given; two widths or more are accepted"
            )

    @property
    def resolution(self) -> int:
        """Of the square image."""
        return SEED << (len(self.channels) - 1)

    @property
    def w_dim(self) -> int:
        """That of z: there is no mapping network."""
        return self.z_dim

    @property
    def blocks(self) -> tuple[tuple[str, int, int], ...]:
        """Name, incoming and outgoing channels of each residual block."""
        return tuple(
            (str(number), inputs, outputs)
            for number, (inputs, outputs) in enumerate(pairwise(self.channels), 2)
        )

    @property
    def last(self) -> tuple[str, str]:
        """The names of the last batch norm and of the last convolution."""
        return str(len(self.channels) + 1), str(len(self.channels) + 3)


def init(key: jax.Array, config: Config) -> Params:
    """Random parameters with the structure of a converted checkpoint."""
    return init_flat(key, _shapes(config))


def _shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Every parameter's shape by dotted name."""

    def convolution(inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
        return {"weight": (3, 3, inputs, outputs), "bias": (outputs,)}

    def norm(channels: int) -> dict[str, tuple[int, ...]]:
        names = ("weight", "bias", "running_mean", "running_var")
        return dict.fromkeys(names, (channels,))

    pixels = SEED * SEED * config.channels[0]
    modules = {"0": {"weight": (config.z_dim, pixels), "bias": (pixels,)}}
    for block, inputs, outputs in config.blocks:
        modules[f"{block}.model.0"] = norm(inputs)
        modules[f"{block}.model.3"] = convolution(inputs, outputs)
        modules[f"{block}.model.4"] = norm(outputs)
        modules[f"{block}.model.6"] = convolution(outputs, outputs)
        if inputs != outputs:
            modules[f"{block}.bypass.1"] = convolution(inputs, outputs)
    last_norm, last_convolution = config.last
    modules[last_norm] = norm(config.channels[-1])
    modules[last_convolution] = convolution(config.channels[-1], config.image_channels)
    return {
        f"model.{module}.{name}": shape
        for module, shapes in modules.items()
        for name, shape in shapes.items()
    }


def prepare(params: Params, config: Config) -> Params:
    """Replace kernels by what convolutions multiply by; idempotent."""
    for level, (block, inputs, outputs) in enumerate(config.blocks):
        kernels = [("model", "3", True), ("model", "6", False)]
        if inputs != outputs:
            kernels.append(("bypass", "1", True))
        for part, number, upsample in kernels:
            change = partial(
                precompute, pixels=(2 * SEED << level) ** 2, upsample=upsample
            )
            params = at_layer(params, ("model", block, part, number), change)
    return params


def affines(params: Params, config: Config) -> tuple[Affine, ...]:
    """The first layer, [z_dim, 16 C]."""
    return (Affine(params["model"]["0"]["weight"], name="model.0"),)


def run(
    params: Params,
    config: Config,
    latent: jax.Array,
    label: jax.Array | None = None,
    *,
    noise: Noise = Noise.FIXED,
) -> Steps:
    """z [N, z_dim] -> [N, 16 C] of "model.0", [N, r, r, C], images in [-1, 1].

    Raises:
        ValueError: for a latent of another shape, a label, or noise.
    """
    without_label(label)
    without_noise(noise)
    z = latent
    if z.ndim != 2 or z.shape[1] != config.z_dim:
        raise ValueError(
            f"latent: shape {z.shape} given; [N, {config.z_dim}] is accepted"
        )
    model = params["model"]
    first = model["0"]

    def activate(norm: Params, x: jax.Array) -> jax.Array:
        statistics = norm["running_mean"], norm["running_var"]
        eps = config.bn_eps
        x = batch_norm(x, *statistics, norm["weight"], norm["bias"], eps=eps)
        return jax.nn.relu(x)

    x = z.astype(first["weight"].dtype) @ first["weight"] + first["bias"][None]
    x = yield "model.0", x
    x = x.reshape(z.shape[0], SEED, SEED, config.channels[0])
    for block, inputs, outputs in config.blocks:
        entry = model[block]["model"]
        h = convolution(entry["3"], activate(entry["0"], x), upsample=True)
        h = convolution(entry["6"], activate(entry["4"], h))
        if inputs == outputs:
            skip = repeat_pixels(x)
        else:
            skip = convolution(model[block]["bypass"]["1"], x, upsample=True)
        x = yield f"model.{block}", h + skip
    norm, last = config.last
    x = yield f"model.{last}", convolution(model[last], activate(model[norm], x))
    yield "image", jnp.tanh(x)


def feature_names(config: Config) -> tuple[str, ...]:
    """The first layer, the blocks, the last convolution, and "image": its tanh."""
    numbers = ("0", *(block for block, _, _ in config.blocks), config.last[1])
    return (*(f"model.{number}" for number in numbers), "image")
