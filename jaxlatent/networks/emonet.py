"""EmoNet, which rates how pleasant a picture is, as GANalyze uses it.

Goetschalckx, Andonian, Oliva and Isola, "GANalyze: toward visual definitions of
cognitive image properties", 2019.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxlatent.networks.crops import of_crops, ten_crops
from jaxlatent.networks.preprocess import IMAGENET_MEAN, IMAGENET_STD, resized
from jaxlatent.networks.resnet import ResNet

RESOLUTION = 256
CROP = 224
CENTRE = 17


class EmoNet(nn.Module):
    """Images [N, H, W, 3] in [-1, 1] -> valence [N], the mean over ten crops.

    Images are clipped, resized to 256 x 256 pixels (GANalyze looks at their top left
    256 x 256 instead, so its images of 512 score otherwise) and normalised.

    Attributes:
        mean: subtracted from images in [0, 1], by channel, RGB.
        std: by which they are divided then.
        blocks: residual blocks of each stage of a ResNet of bottlenecks.
        channels: of the stem and of the inside of each stage's bottlenecks.
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    channels: tuple[int, ...] = (64, 64, 128, 256, 512)

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Rate images."""
        images = resized(jnp.clip(images, -1, 1), RESOLUTION)
        crops = ten_crops(images, CROP, CENTRE)
        network = ResNet(
            mean=self.mean,
            std=self.std,
            blocks=self.blocks,
            bottleneck=True,
            channels=self.channels,
            outputs=1,
            name="model",
        )
        return of_crops(network(crops.reshape(-1, CROP, CROP, images.shape[-1])))
