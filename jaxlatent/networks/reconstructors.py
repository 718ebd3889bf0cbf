"""What sees a pair of pictures and tells which direction lies between them, how far.

Voynov and Babenko, "Unsupervised discovery of interpretable directions in the GAN
latent space", 2020; WarpedGANSpace (Tzelepis et al., 2021) uses the same networks.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.networks.layers import dense
from jaxlatent.networks.lenet import PictureLeNet, lenet_head, lenet_trunk
from jaxlatent.networks.preprocess import check_channels
from jaxlatent.networks.resnet import ResNet

Guess = tuple[jax.Array, jax.Array]
"""(logits [N, K] of the direction, shift [N])."""

LENET_PIXELS = 32
"""What the convolutions of a LeNet leave one pixel of."""

NORMED = frozenset(
    (*("convnet_0", "convnet_4", "convnet_8"), *("fc_logits_0", "fc_shift_0"))
)
"""The layers of a LeNet with a batch norm behind them."""


class PairResNet(nn.Module):
    """Two batches of images [N, H, W, C] in [-1, 1] -> a guess, by a ResNet-18.

    Attributes:
        directions: how many there are, K.
        image_channels: C.
        downsample: pixels of the square that images are brought to first, by taking
            the nearest pixel as PyTorch does; None to leave them as they are.
        blocks: residual blocks of each stage.
        channels: of the stem and of each stage.
    """

    directions: int
    image_channels: int = 3
    downsample: int | None = None
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    channels: tuple[int, ...] = (64, 64, 128, 256, 512)

    @nn.compact
    def __call__(
        self, before: jax.Array, after: jax.Array, *, train: bool = False
    ) -> Guess:
        """Guess; with `train`, batch norms use the batch's own statistics.

        Raises:
            ValueError: for images of another number of channels.
        """
        pair = paired(before, after, self.image_channels)
        if self.downsample is not None:
            pair = nearest(pair, self.downsample)
        seen = ResNet(
            blocks=self.blocks,
            channels=self.channels,
            outputs=None,
            mean=None,
            input_channels=2 * self.image_channels,
            name="features_extractor",
        )(pair, train=train)
        logits = dense(seen, self.directions, "type_estimator")
        return logits, dense(seen, 1, "shift_estimator")[:, 0]


class PairLeNet(nn.Module):
    """Two batches of images [N, H, W, C] in [-1, 1] -> a guess, by a small network.

    Images of less than 32 pixels along a side are brought to that, as by `nearest`.

    Attributes:
        directions: how many there are, K.
        image_channels: C.
        channels: of the three convolutions.
        hidden: width of the dense layer in each head.
    """

    directions: int
    image_channels: int = 3
    channels: tuple[int, ...] = (6, 16, 120)
    hidden: int = 84

    @nn.compact
    def __call__(
        self, before: jax.Array, after: jax.Array, *, train: bool = False
    ) -> Guess:
        """Guess; with `train`, batch norms use the batch's own statistics.

        Raises:
            ValueError: for images of another number of channels.
        """
        x = paired(before, after, self.image_channels)
        if min(x.shape[1:3]) < LENET_PIXELS:
            x = nearest(x, LENET_PIXELS)
        x = lenet_trunk(x, self.channels, train=train)

        def head(name: str, outputs: int) -> jax.Array:
            return lenet_head(x, self.hidden, outputs, name, train=train)

        return head("fc_logits", self.directions), head("fc_shift", 1)[:, 0]


class PictureEncoder(nn.Module):
    """Images [N, H, W, C] in [-1, 1] -> codes [N, K].

    Images of less than 32 pixels along a side are brought to that, as by `nearest`.

    Attributes:
        codes: how many there are, K.
        image_channels: C.
        kind: "lenet" for the small network of `PairLeNet`, which is enough for pictures
            of 32 and 64 pixels, "resnet" for a ResNet-18.
    """

    codes: int
    image_channels: int = 3
    kind: str = "lenet"

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """Codes; with `train`, batch norms use the batch's own statistics.

        Raises:
            ValueError: for images of another number of channels, or another kind.
        """
        check_channels(images, self.image_channels)
        if min(images.shape[1:3]) < LENET_PIXELS:
            images = nearest(images, LENET_PIXELS)
        if self.kind == "lenet":
            lenet = PictureLeNet(self.codes, self.image_channels, name="lenet")
            return lenet(images, train=train)
        if self.kind != "resnet":
            raise ValueError(
                f"kind: {self.kind!r} given; 'lenet' or 'resnet' is accepted"
            )
        resnet = ResNet(
            outputs=self.codes,
            mean=None,
            input_channels=self.image_channels,
            name="resnet",
        )
        return resnet(images, train=train)


def paired(before: jax.Array, after: jax.Array, channels: int) -> jax.Array:
    """Two batches [N, H, W, C] -> [N, H, W, 2 C].

    Raises:
        ValueError: for images of another number of channels, or of different shapes.
    """
    check_channels(before, channels)
    if before.shape != after.shape:
        raise ValueError(
            f"after: shape {after.shape} given; that of before, {before.shape}, is "
            "accepted"
        )
    return jnp.concatenate([before, after], axis=-1)


def nearest(images: jax.Array, size: int) -> jax.Array:
    """[N, H, W, C] -> [N, size, size, C], pixel i taken from floor(i H / size)."""
    rows, columns = (np.arange(size) * side // size for side in images.shape[1:3])
    return images[:, rows][:, :, columns]
