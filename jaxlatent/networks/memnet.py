"""MemNet, which rates how memorable a picture is, as GANalyze uses it.

Khosla, Raju, Torralba and Oliva, "Understanding and predicting image memorability at a
large scale", 2015: an AlexNet in two groups with local response normalisation.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxlatent.networks.base import Network
from jaxlatent.networks.crops import of_crops, ten_crops
from jaxlatent.networks.layers import conv, dense, max_pool
from jaxlatent.networks.preprocess import check_channels, resized

RESOLUTION = 256
CROP = 227
CENTRE = 15
CHANNEL_MEANS = (104.9, 114.8, 118.4)
"""Of the mean image, blue, green, red."""

GROUPED = (2, 4, 5)
"""The convolutions of two groups."""


class MemNet(nn.Module):
    """Images [N, H, W, 3] in [-1, 1] -> memorability [N] in [0, 1], over ten crops.

    Images are brought to 0..255 as (x + 1) 128, clipped and resized to 256 x 256
    pixels; the mean image is a parameter, `mean_image` [256, 256, 3], blue first.

    Attributes:
        channels: of the five convolutions.
        hidden: widths of the dense layers before the last.
        clip: whether scores end at 0 and 1, where their gradient is zero.
    """

    channels: tuple[int, ...] = (96, 256, 384, 384, 256)
    hidden: tuple[int, ...] = (4096, 4096)
    clip: bool = True

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Rate images.

        Raises:
            ValueError: for images that are not RGB.
        """
        check_channels(images, 3)
        mean = self.param("mean_image", mean_images, (RESOLUTION, RESOLUTION, 3))
        x = jnp.clip((images + 1) * 128, 0, 255)[..., ::-1]
        x = ten_crops(resized(x, RESOLUTION) - mean[None], CROP, CENTRE)
        x = x.reshape(-1, CROP, CROP, 3)
        for index, channels in enumerate(self.channels, start=1):
            x = conv(
                x,
                channels,
                {1: 11, 2: 5}.get(index, 3),
                f"conv{index}",
                strides=4 if index == 1 else 1,
                padding={1: 0, 2: 2}.get(index, 1),
                groups=2 if index in GROUPED else 1,
            )
            x = nn.relu(x)
            if index in (1, 2, 5):
                x = max_pool(x, 3, 2)
            if index in (1, 2):
                x = response_normalised(x)
        x = x.reshape(len(x), -1)
        for index, width in enumerate(self.hidden, start=6):
            x = nn.relu(dense(x, width, f"fc{index}"))
        score = 2 * (of_crops(dense(x, 1, "fc8")) - 0.7626) + 0.65
        return jnp.clip(score, 0, 1) if self.clip else score


def mean_images(
    key: jax.Array, shape: tuple[int, ...], dtype: jax.typing.DTypeLike = jnp.float32
) -> jax.Array:
    """The known means of the mean image's channels, at every pixel; no key is used."""
    del key
    return jnp.broadcast_to(jnp.asarray(CHANNEL_MEANS, dtype)[None, None], shape)


def with_mean_image(network: Network, image: jax.Array) -> Network:
    """A MemNet with its own mean image.

    Args:
        network: of a MemNet.
        image: [256, 256, 3] in 0..255, blue first: `image_mean` of `memnet_mean.mat`,
            as `scipy.io.loadmat` reads it.

    Raises:
        ValueError: for another shape.
    """
    old = network.params["mean_image"]
    if jnp.shape(image) != old.shape:
        raise ValueError(
            f"image: shape {jnp.shape(image)} given; {old.shape} is accepted"
        )
    params = network.params | {"mean_image": jnp.asarray(image, old.dtype)}
    return Network(params, network.module)


def response_normalised(x: jax.Array) -> jax.Array:
    """x / (1 + 2e-5 sum of squares over five neighbouring channels) ** 0.75."""
    squares = jnp.pad(x**2, ((0, 0),) * 3 + ((2, 2),))
    total = sum(squares[..., i : i + x.shape[-1]] for i in range(5))
    return x / (1 + 2e-5 * total) ** 0.75
