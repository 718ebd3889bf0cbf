"""LeNet-5 with rectifiers and max pooling: of digits, and with batch norms.

LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
recognition", 1998. The layers of `LeNet` bear the names of
csinva/gan-vae-pretrained-pytorch.
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxlatent.networks.layers import BatchNorm, conv, dense, max_pool
from jaxlatent.networks.preprocess import check_channels, collected

RESOLUTION = 32


class LeNet(nn.Module):
    """Images [N, H, W, C] in [-1, 1] -> log-probabilities of the ten digits [N, 10].

    Pictures are white on black, as MNIST's; several channels are averaged.

    Attributes:
        fit: how images come to 32 x 32 pixels. "pad" puts black around them evenly,
            "bilinear" resizes them.
    """

    fit: str = "pad"

    @nn.compact
    def __call__(
        self, images: jax.Array, *, names: tuple[str, ...] | None = None
    ) -> Any:
        """Classify.

        Args:
            images: [N, H, W, C] in [-1, 1].
            names: activations to return instead, as a dict: behind the rectifiers of
                "c1", "c3", "c5" and "f6", or "f7", the log-probabilities.

        Raises:
            ValueError: for images that no even margin brings to 32 x 32 pixels, where
                `fit` is "pad"; or for another `fit`, or an unknown name.
        """
        return collected(self._steps(images), names)

    @nn.nowrap
    def _steps(self, images: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        x = (images.mean(axis=-1, keepdims=True) + 1) / 2
        x = fitted(x, self.fit)
        for name, features in (("c1", 6), ("c3", 16)):
            x = nn.relu(nn.Conv(features, (5, 5), padding="VALID", name=name)(x))
            yield name, x
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Conv(120, (5, 5), padding="VALID", name="c5")(x))
        x = x.reshape(-1, 120)  # [N, 1, 1, 120] -> [N, 120]
        yield "c5", x
        x = nn.relu(nn.Dense(84, name="f6")(x))
        yield "f6", x
        yield "f7", nn.log_softmax(nn.Dense(10, name="f7")(x))


class PictureLeNet(nn.Module):
    """Images [N, H, W, C] in [-1, 1] -> logits [N, outputs], with batch norms.

    That of Voynov and Babenko, "Unsupervised discovery of interpretable directions in
    the GAN latent space", 2020. Images have 32 pixels or more along a side.

    Attributes:
        outputs: classes.
        image_channels: C.
        channels: of the three convolutions.
        hidden: width of the dense layer.
    """

    outputs: int = 2
    image_channels: int = 3
    channels: tuple[int, ...] = (6, 16, 120)
    hidden: int = 84

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """Logits; with `train`, batch norms use the batch's own statistics.

        Raises:
            ValueError: for images of another number of channels, or too small.
        """
        check_channels(images, self.image_channels)
        x = lenet_trunk(images, self.channels, train=train)
        return lenet_head(x, self.hidden, self.outputs, "fc_logits", train=train)


def lenet_trunk(
    x: jax.Array, channels: tuple[int, ...], *, train: bool = False
) -> jax.Array:
    """The convolutions with batch norms, [N, H, W, C] -> [N, channels[-1]].

    Raises:
        ValueError: for images below 32 pixels along a side.
    """
    if min(x.shape[1:3]) < RESOLUTION:
        raise ValueError(
            f"images: {x.shape[1]} x {x.shape[2]} pixels given; {RESOLUTION} or more "
            "along a side are accepted"
        )
    for index, features in zip((0, 4, 8), channels, strict=True):
        x = conv(x, features, 5, f"convnet_{index}")
        x = nn.relu(BatchNorm(name=f"convnet_{index + 1}")(x, train=train))
        x = x.mean(axis=(1, 2)) if index == 8 else max_pool(x, 2, 2)
    return x


def lenet_head(
    x: jax.Array, hidden: int, outputs: int, name: str, *, train: bool = False
) -> jax.Array:
    """Two dense layers behind the trunk, [N, C] -> [N, outputs]."""
    x = dense(x, hidden, f"{name}_0")
    x = nn.relu(BatchNorm(name=f"{name}_1")(x, train=train))
    return dense(x, outputs, f"{name}_3")


def fitted(x: jax.Array, fit: str) -> jax.Array:
    """Bring [N, H, W, C] to 32 x 32 pixels: "pad" with zeros or "bilinear"."""
    count, height, width, channels = x.shape
    if fit == "bilinear":
        return jax.image.resize(x, (count, RESOLUTION, RESOLUTION, channels), fit)
    if fit != "pad":
        raise ValueError(f'fit: {fit!r} given; "pad" or "bilinear" is accepted')
    margins = [(RESOLUTION - side) // 2 for side in (height, width)]
    if any(
        margin < 0 or side + 2 * margin != RESOLUTION
        for side, margin in zip((height, width), margins, strict=True)
    ):
        raise ValueError(
            f"images: {height} x {width} pixels given; even sides up to {RESOLUTION} "
            'can be padded, others need fit="bilinear"'
        )
    rows, columns = ((margin, margin) for margin in margins)
    return jnp.pad(x, ((0, 0), rows, columns, (0, 0)))
