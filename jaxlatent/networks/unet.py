"""U-Net, which tells foreground from background pixel by pixel.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", 2015, in the form of milesial/Pytorch-UNet with bilinear upsampling,
which Voynov and Babenko (2020) train on masks that a generator makes.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.networks.layers import BatchNorm, conv, max_pool
from jaxlatent.networks.preprocess import check_channels


class UNet(nn.Module):
    """Images [N, H, W, C] in [-1, 1] -> logits [N, H, W, outputs].

    Any size will do whose shorter side is not below 2^(levels - 1) pixels.

    Attributes:
        outputs: classes of pixels.
        image_channels: C.
        channels: of each level, at full size first.
        resolution: pixels of the shorter side of the pictures that it was trained on;
            nothing here depends on it, `methods.segmentation.probabilities` does.
    """

    outputs: int = 2
    image_channels: int = 3
    channels: tuple[int, ...] = (64, 128, 256, 512, 512)
    resolution: int = 128

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool = False) -> jax.Array:
        """Logits; with `train`, batch norms use the batch's own statistics.

        Raises:
            ValueError: for images of another number of channels, or too small.
        """
        check_channels(images, self.image_channels)
        first, *deeper = self.channels
        x = DoubleConv(first, name="inc")(images, train=train)
        skips = [x]
        for level, features in enumerate(deeper, start=1):
            x = max_pool(x, 2, 2)
            x = DoubleConv(features, name=f"down{level}")(x, train=train)
            skips.append(x)
        # a level ends as wide as the one that it is then joined with, but for the last
        widths = (*self.channels[-3::-1], first)
        for level, features in enumerate(widths[: len(deeper)], start=1):
            skip = skips[-1 - level]
            x = jnp.concatenate([skip, padded(doubled(x), skip.shape)], axis=-1)
            x = DoubleConv(features, name=f"up{level}")(x, train=train)
        return conv(x, self.outputs, 1, "outc")


class DoubleConv(nn.Module):
    """Two convolutions of 3 x 3 pixels with batch norms and rectifiers.

    Attributes:
        channels: of both.
    """

    channels: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """[N, H, W, C] -> [N, H, W, channels]."""
        for index in (0, 3):
            x = conv(x, self.channels, 3, f"double_conv_{index}", padding=1)
            norm = BatchNorm(name=f"double_conv_{index + 1}")
            x = nn.relu(norm(x, train=train))
        return x


def doubled(x: jax.Array) -> jax.Array:
    """[N, H, W, C] -> [N, 2 H, 2 W, C], bilinear, corners on corners."""
    rows, columns = (jnp.asarray(_doubling(side), x.dtype) for side in x.shape[1:3])
    return jnp.einsum("ih,nhwc,jw->nijc", rows, x, columns)


def padded(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """[N, h, w, C] with zeros around it, to the height and width of `shape`."""
    spare = [side - own for side, own in zip(shape[1:3], x.shape[1:3], strict=True)]
    rows, columns = ((one // 2, one - one // 2) for one in spare)
    return jnp.pad(x, ((0, 0), rows, columns, (0, 0)))


def _doubling(side: int) -> np.ndarray:
    """[2 side, side]: how much of each pixel is in each new one."""
    place = np.arange(2 * side) * (side - 1) / (2 * side - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(side)[None]))
