"""The discriminators of ProGAN and StyleGAN, which differ in how they scale down.

Sources: Karras et al., "Progressive Growing of GANs" (2018) and "A Style-Based
Generator Architecture" (2019). Parameter names are those of genforce's checkpoints,
where blocks count down from the full resolution; dense weights are [in, out], kernels
[h, w, in, out], and the dense layer after the last convolution counts its inputs by
row, column, channel. Only layers that the level of detail puts to use have parameters.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxlatent.generators import ops, progressive
from jaxlatent.generators.convolutions import SAME, VALID, convolve
from jaxlatent.generators.filters import make_filter, smooth
from jaxlatent.generators.inputs import as_label
from jaxlatent.generators.style_mapping import Draw, check_images, dense
from jaxlatent.types import Params


@dataclass(frozen=True)
class Config:
    """The shape of a growing discriminator.

    Attributes:
        resolution: of the image, its larger side.
        channels: feature maps of each level, the coarsest first.
        dense_width: outputs of the first dense layer.
        label_dim: number of classes, 0 if unconditional.
        image_channels: 3 for colour.
        conditioning: "select": one logit per class, of which the label chooses; or
            "classify": a logit, and those of a classifier behind it.
        filter: 1-D filter in front of a layer that scales down, None for none.
        average_first: whether such a layer averages before it activates.
        deviation_group: samples compared by the minibatch deviation, None for all.
        deviation_channels: feature maps it adds, 0 for none.
        lod: level of detail: how many levels are not grown yet, 0 for none.
        base_size: height and width of the coarsest level.
    """

    resolution: int
    channels: tuple[int, ...]
    dense_width: int = 512
    label_dim: int = 0
    image_channels: int = 3
    conditioning: str = "select"
    filter: tuple[float, ...] | None = None
    average_first: bool = False
    deviation_group: int | None = 4
    deviation_channels: int = 1
    lod: float = 0.0
    base_size: tuple[int, int] = (4, 4)

    def __post_init__(self) -> None:
        progressive.check_growth(self)
        if self.conditioning not in ("select", "classify"):
            raise ValueError(
                f'conditioning: {self.conditioning!r} given; "select" or "classify" is '
                "accepted"
            )

    @property
    def outputs(self) -> int:
        """Logits of the last layer."""
        if self.conditioning == "classify":
            return 1 + self.label_dim
        return max(self.label_dim, 1)

    def block(self, level: int) -> int:
        """The number under which the checkpoint keeps a level."""
        return len(self.channels) - 1 - level


def init(key: jax.Array, config: Config) -> Params:
    """Random discriminator parameters, in the structure of a converted checkpoint."""
    draw = Draw(key)
    params: Params = {}

    def layer(name: str, *shape: int) -> None:
        params[name] = {"weight": draw(*shape), "bias": jnp.zeros(shape[-1])}

    widths = config.channels
    last, _ = progressive.last_level(config)
    for level in progressive.image_levels(config):
        name = f"input{config.block(level)}"
        layer(name, 1, 1, config.image_channels, widths[level])
    for level in range(last, 0, -1):
        first = 2 * config.block(level)
        layer(f"layer{first}", 3, 3, widths[level], widths[level])
        layer(f"layer{first + 1}", 3, 3, widths[level], widths[level - 1])
    first = 2 * config.block(0)
    layer(f"layer{first}", 3, 3, widths[0] + config.deviation_channels, widths[0])
    inputs = math.prod(config.base_size) * widths[0]
    layer(f"layer{first + 1}", inputs, config.dense_width)
    layer(f"layer{first + 2}", config.dense_width, config.outputs)
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
        label: int [N] or weights [N, classes], for a discriminator that selects by it;
            one that classifies ignores it and returns [N, 1 + classes].
    """
    check_images(images, config)
    last, fading = progressive.last_level(config)
    shown = progressive.image_levels(config)
    first = 2 * config.block(0)
    dtype = params[f"layer{first + 2}"]["weight"].dtype
    onehot = None
    if config.conditioning == "select":
        onehot = as_label(label, config.label_dim, dtype)
    image = progressive.average(images.astype(dtype), 2 ** config.block(last))
    x = None
    for level in range(last, -1, -1):
        block = config.block(level)
        if level in shown:
            y = _convolve(image, params[f"input{block}"])
            x = y if x is None else fading * y + (1 - fading) * x
        assert x is not None  # the last level is shown
        if level:
            x = _convolve(x, params[f"layer{2 * block}"])
            x = _shrink(x, params[f"layer{2 * block + 1}"], config)
            image = progressive.average(image)
    assert x is not None
    if config.deviation_channels:
        x = ops.append_batch_deviation(
            x, config.deviation_group, config.deviation_channels
        )
    x = _convolve(x, params[f"layer{first}"])
    x = x.reshape(x.shape[0], -1)
    x = progressive.dense_rectified(x, params[f"layer{first + 1}"])
    logits = dense(x, params[f"layer{first + 2}"])
    if onehot is None:
        return logits
    return jnp.sum(logits * onehot, axis=1, keepdims=True)


def _convolve(x: jax.Array, params: Params) -> jax.Array:
    """A layer that keeps its size."""
    kernel = progressive.equalize(params["weight"])
    padding = SAME if kernel.shape[0] == 3 else VALID
    return progressive.rectify(convolve(x, kernel, padding=padding), params["bias"])


def _shrink(x: jax.Array, params: Params, config: Config) -> jax.Array:
    """A layer that halves its size.

    Where it averages before it activates, a fused layer (a strided convolution with the
    mean of the kernel's four shifts) is the same function.
    """
    if config.filter is not None:
        x = smooth(x, make_filter(config.filter))
    if not config.average_first:
        return progressive.average(_convolve(x, params))
    y = convolve(x, progressive.equalize(params["weight"]), padding=SAME)
    return progressive.rectify(progressive.average(y), params["bias"])
