"""The discriminator of StyleGAN2, which StyleGAN3 uses too.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020).
Parameter names are those of NVlabs' PyTorch checkpoints; dense weights are [in, out],
kernels [h, w, in, out], and the dense layer after the last convolution counts its
inputs by row, column, channel.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.generators import ops
from jaxlatent.generators.convolutions import SAME, VALID, convolve
from jaxlatent.generators.filters import downsample, make_filter
from jaxlatent.generators.inputs import as_label
from jaxlatent.generators.style_mapping import (
    Draw,
    check_images,
    check_sizes,
    dense,
    embed_label,
    init_mapping,
    run_layers,
)
from jaxlatent.types import Params


@dataclass(frozen=True)
class Config:
    """The shape of a StyleGAN2 discriminator.

    Attributes:
        resolution: of the image, its larger side.
        channels: feature maps of each level, the coarsest first.
        label_dim: number of classes, 0 if unconditional.
        image_channels: 3 for colour.
        architecture: "skip", "resnet" or "orig".
        conditioning: "projection" onto a mapped label, or "select": one output each.
        map_dim: width of the mapped label.
        mapping_layers: dense layers of the label's mapping.
        mapping_width: width of its hidden layers.
        embed_dim: width of the embedded label.
        mapping_rate: learning-rate multiplier of the mapping.
        deviation_group: samples compared by the minibatch deviation, None for all.
        deviation_channels: feature maps it adds, 0 for none.
        clamp: bound on activations, None for none.
        filter: 1-D resampling filter, of any scale.
        activation: of all layers but the last.
        base_size: height and width of the coarsest level.
    """

    resolution: int
    channels: tuple[int, ...]
    label_dim: int = 0
    image_channels: int = 3
    architecture: str = "resnet"
    conditioning: str = "projection"
    map_dim: int = 512
    mapping_layers: int = 8
    mapping_width: int = 512
    embed_dim: int = 512
    mapping_rate: float = 0.01
    deviation_group: int | None = 4
    deviation_channels: int = 1
    clamp: float | None = None
    filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    activation: str = "lrelu"
    base_size: tuple[int, int] = (4, 4)

    def __post_init__(self) -> None:
        check_sizes(self.resolution, self.channels, self.base_size, self.architecture)
        if self.conditioning not in ("projection", "select"):
            raise ValueError(
                f'conditioning: {self.conditioning!r} given; "projection" or "select" '
                "is accepted"
            )

    @property
    def projects(self) -> bool:
        """Whether the label enters through a mapping network."""
        return self.label_dim > 0 and self.conditioning == "projection"


def init(key: jax.Array, config: Config) -> Params:
    """Random discriminator parameters, in the structure of a converted checkpoint."""
    draw = Draw(key)
    params: Params = {}

    def convolution(size: int, inputs: int, outputs: int) -> Params:
        weight = draw(size, size, inputs, outputs)
        return {"weight": weight, "bias": jnp.zeros(outputs)}

    widths = config.channels
    for level in reversed(range(len(widths))):
        block: Params = {}
        if config.architecture == "skip" or level == len(widths) - 1:
            block["fromrgb"] = convolution(1, config.image_channels, widths[level])
        if level > 0:
            block["conv0"] = convolution(3, widths[level], widths[level])
            block["conv1"] = convolution(3, widths[level], widths[level - 1])
            if config.architecture == "resnet":
                skip = draw(1, 1, widths[level], widths[level - 1])
                block["skip"] = {"weight": skip}
        params[f"b{4 << level}"] = block
    last = widths[0]
    outputs = max(config.label_dim, 1)
    if config.projects:
        outputs = config.map_dim
        params["mapping"] = init_mapping(
            draw,
            z_dim=0,
            out_dim=config.map_dim,
            label_dim=config.label_dim,
            embed_dim=config.embed_dim,
            width=config.mapping_width,
            layers=config.mapping_layers,
            rate=config.mapping_rate,
        )
    inputs = math.prod(config.base_size) * last
    params["b4"] |= {
        "conv": convolution(3, last + config.deviation_channels, last),
        "fc": {"weight": draw(inputs, last), "bias": jnp.zeros(last)},
        "out": {"weight": draw(last, outputs), "bias": jnp.zeros(outputs)},
    }
    return params


def discriminate(
    params: Params,
    config: Config,
    images: jax.Array,
    label: jax.Array | None = None,
) -> jax.Array:
    """Images [N, H, W, C] in [-1, 1] -> logits [N, 1], high for real ones.

    Args:
        params: the discriminator's parameters.
        config: its config.
        images: the batch; its size must suit the minibatch deviation's groups.
        label: int [N] or weights [N, classes], for a conditional discriminator.
    """
    check_images(images, config)
    dtype = params["b4"]["out"]["weight"].dtype
    onehot = as_label(label, config.label_dim, dtype)
    taps = make_filter(config.filter)
    skip, residual = (config.architecture == name for name in ("skip", "resnet"))
    image, x = images.astype(dtype), None
    for level in reversed(range(len(config.channels))):
        block = params[f"b{4 << level}"]
        if "fromrgb" in block:
            clamp = config.clamp if level else None
            y = _layer(image, block["fromrgb"], config, clamp=clamp)
            x = y if x is None else x + y
            image = downsample(image, taps) if skip and level else image
        assert x is not None  # the first block has a fromrgb layer
        if level == 0:
            break
        y = _layer(x, block["conv0"], config, clamp=config.clamp)
        gain = math.sqrt(0.5) if residual else 1.0
        y = _layer(y, block["conv1"], config, down=taps, gain=gain, clamp=config.clamp)
        if residual:
            kernel = block["skip"]["weight"] * math.sqrt(0.5 / x.shape[3])
            y = y + ops.downsample_convolve(x, kernel, taps)
        x = y
    assert x is not None
    return _judge(params, config, x, onehot)


def _layer(
    x: jax.Array,
    params: Params,
    config: Config,
    *,
    down: np.ndarray | None = None,
    gain: float = 1.0,
    clamp: float | None = None,
) -> jax.Array:
    """Convolution at the equalised learning rate, bias, activation."""
    kernel = params["weight"]
    kernel = kernel / math.sqrt(math.prod(kernel.shape[:3]))
    if down is not None:
        x = ops.downsample_convolve(x, kernel, down)
    else:
        padding = SAME if kernel.shape[0] == 3 else VALID
        x = convolve(x, kernel, padding=padding)
    return ops.activate(
        x,
        params["bias"],
        config.activation,
        gain=ops.ACTIVATIONS[config.activation].gain * gain,
        clamp=None if clamp is None else clamp * gain,
    )


def _judge(
    params: Params,
    config: Config,
    x: jax.Array,
    onehot: jax.Array | None,
) -> jax.Array:
    """The last block: features [N, 4, 4, C] and labels -> logits [N, 1]."""
    block = params["b4"]
    if config.deviation_channels:
        x = ops.append_batch_deviation(
            x, config.deviation_group, config.deviation_channels
        )
    x = _layer(x, block["conv"], config, clamp=config.clamp)
    x = dense(x.reshape(x.shape[0], -1), block["fc"], activation=config.activation)
    x = dense(x, block["out"])
    if onehot is None:
        return x
    if not config.projects:
        return jnp.sum(x * onehot, axis=1, keepdims=True)
    mapped = run_layers(
        embed_label(params["mapping"]["embed"], onehot),
        params["mapping"],
        layers=config.mapping_layers,
        rate=config.mapping_rate,
        activation=config.activation,
    )
    return jnp.sum(x * mapped, axis=1, keepdims=True) / math.sqrt(config.map_dim)
