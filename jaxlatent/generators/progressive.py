"""What ProGAN and StyleGAN share: equalised weights, resampling, level of detail.

Source: Karras et al., "Progressive Growing of GANs" (2018), sections 2 to 4. Both
families grow by levels, of 4 x 4, 8 x 8, ... pixels (or twice and twice again another
size that a network begins with), with two layers each; the level of
detail says how many of the last levels are not in use yet, and its fraction how far the
image of one level has faded into that of the level below.
"""

import math
from collections.abc import Mapping
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import lax

from jaxlatent.generators import ops
from jaxlatent.generators.convolutions import (
    convolve,
    repeat_pixels,
)
from jaxlatent.generators.style_mapping import check_sizes
from jaxlatent.types import Params


class Growing(Protocol):
    """What the configs of growing networks hold."""

    @property
    def resolution(self) -> int:
        """Of the image, its larger side."""
        ...

    @property
    def channels(self) -> tuple[int, ...]:
        """Feature maps of each level, the coarsest first."""
        ...

    @property
    def base_size(self) -> tuple[int, int]:
        """Height and width of the coarsest level; each further one doubles both."""
        ...

    @property
    def lod(self) -> float:
        """Level of detail; 0 for a network that is grown up."""
        ...


def check_growth(config: Growing) -> None:
    """Raise ValueError unless a config's sizes and its level of detail agree."""
    check_sizes(config.resolution, config.channels, config.base_size)
    if not 0 <= config.lod <= len(config.channels) - 1:
        raise ValueError(
            f"lod: {config.lod} given; 0 to {len(config.channels) - 1} is accepted"
        )


def last_level(config: Growing) -> tuple[int, float]:
    """The last level in use, and the weight of the level below in the image."""
    unused = math.floor(config.lod)
    return len(config.channels) - 1 - unused, config.lod - unused


def image_levels(config: Growing) -> tuple[int, ...]:
    """Levels whose images are in use, in order: the last, before it one that fades."""
    last, fading = last_level(config)
    return (last - 1, last) if fading else (last,)


def feature_names(config: Growing) -> tuple[str, ...]:
    """Layers ("layer2"), images of a level ("output1"), and the "image" shown."""
    last, _ = last_level(config)
    shown = image_levels(config)
    names = []
    for index in range(2 * last + 2):
        names.append(f"layer{index}")
        if index % 2 and index // 2 in shown:
            names.append(f"output{index // 2}")
    return (*names, "image")


def compose(images: Mapping[int, jax.Array], config: Growing) -> jax.Array:
    """The images of `image_levels` -> the image shown, at full resolution."""
    last, fading = last_level(config)
    image = images[last]
    if fading:
        image = (1 - fading) * image + fading * repeat_pixels(images[last - 1])
    return repeat_pixels(image, 2 ** (len(config.channels) - 1 - last))


def equalize(weight: jax.Array, gain: float = math.sqrt(2)) -> jax.Array:
    """A stored weight [..., O] at run time: times gain / sqrt(fan in)."""
    return weight * (gain / math.sqrt(math.prod(weight.shape[:-1])))


def rectify(x: jax.Array, bias: jax.Array) -> jax.Array:
    """`leaky_relu(x + bias)` of slope 0.2, without a gain."""
    return ops.activate(x, bias, "lrelu", gain=1.0)


def dense_rectified(x: jax.Array, params: Params, *, rate: float = 1.0) -> jax.Array:
    """Leaky ReLU of x W sqrt(2) rate / sqrt(in) + b rate, of [N, in]."""
    weight = equalize(params["weight"], math.sqrt(2) * rate)
    return rectify(x @ weight, params["bias"] * rate)


def to_image(x: jax.Array, params: Params) -> jax.Array:
    """A 1 x 1 convolution at the equalised learning rate, linear, plus a bias."""
    y = convolve(x, equalize(params["weight"], 1.0))
    return ops.activate(y, params["bias"])


def normalize_instance(x: jax.Array, epsilon: float = 1e-8) -> jax.Array:
    """Each feature map of [N, H, W, C] with mean 0 and variance 1."""
    centred = x - jnp.mean(x, axis=(1, 2), keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=(1, 2), keepdims=True)
    return centred * lax.rsqrt(variance + epsilon)


def average(x: jax.Array, factor: int = 2) -> jax.Array:
    """Mean of each `factor` x `factor` square of [N, H, W, C]."""
    count, height, width, depth = x.shape
    shape = (count, height // factor, factor, width // factor, factor, depth)
    return jnp.mean(x.reshape(shape), axis=(2, 4))


def run_time_kernel(kernel: jax.Array, *, fused: bool) -> jax.Array:
    """A stored kernel [3, 3, I, O] as its layer applies it.

    A fused layer scatters each pixel through the kernel, a transposed convolution with
    the sum of the kernel's four shifts by a pixel; that is a repetition of pixels
    followed by the mirrored kernel.
    """
    return equalize(kernel[::-1, ::-1] if fused else kernel)
