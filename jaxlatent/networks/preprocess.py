"""`PictureModule`: what all networks do with pictures before the first layer."""

import math
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PictureModule(nn.Module):
    """Images [N, H, W, C] in [-1, 1] -> the output of the last step.

    Subclasses define `steps`; its names are those of the reference checkpoint.

    Attributes:
        mean: the first layer gets (x - mean) / std of x in [0, 1], by channel, RGB.
            None: images enter as they are, in [-1, 1].
        std: see `mean`.
        resize: pixels of the square that images are resized to, bilinearly and with
            antialiasing, as pictures for training are; None to leave them as they are.
        input_channels: channels of the images.
    """

    mean: tuple[float, ...] | None = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    resize: int | None = None
    input_channels: int = 3

    @nn.nowrap
    def steps(self, x: jax.Array, train: bool) -> Iterator[tuple[str, jax.Array]]:
        """Every activation by name, in the network's order."""
        raise NotImplementedError

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        *,
        names: tuple[str, ...] | None = None,
        train: bool = False,
    ) -> Any:
        """Look at images.

        Args:
            images: [N, H, W, C] in [-1, 1].
            names: activations to return instead, as a dict; nothing behind the last of
                them is run.
            train: whether batch norms use the batch's own statistics. Dropout is never
                applied.

        Raises:
            ValueError: for an unknown name, or images with another number of channels.
        """
        return collected(self.steps(self.entered(images), train), names)

    @nn.nowrap
    def entered(self, images: jax.Array) -> jax.Array:
        """Images as the first layer expects them: resized and normalised."""
        check_channels(images, self.input_channels)
        self._check_settings()
        if self.resize is not None:
            images = resized(images, self.resize)
        if self.mean is None:
            return images
        mean, std = (
            jnp.asarray(values, images.dtype)[None, None, None]
            for values in (self.mean, self.std)
        )
        return ((images + 1) / 2 - mean) / std

    @nn.nowrap
    def _check_settings(self) -> None:
        if self.mean is not None:
            for name, values in (("mean", self.mean), ("std", self.std)):
                sound = all(math.isfinite(one) for one in values)
                if len(values) != self.input_channels or not sound:
                    raise ValueError(
                        f"{name}: {values} given; {self.input_channels} finite numbers "
                        "are accepted"
                    )
            if min(self.std) <= 0:
                raise ValueError(f"std: {self.std} given; numbers above 0 are accepted")
        if self.resize is not None and self.resize < 1:
            raise ValueError(f"resize: {self.resize} given; 1 or more is accepted")


def check_channels(images: jax.Array, channels: int) -> None:
    """Refuse images that are not [N, H, W, channels].

    Raises:
        ValueError: naming both.
    """
    if images.ndim != 4 or images.shape[-1] != channels:
        raise ValueError(
            f"images: shape {images.shape} given; [N, H, W, {channels}] is accepted, "
            f"since this network takes {channels} channel{'s' * (channels != 1)}"
        )


def resized(images: jax.Array, size: int) -> jax.Array:
    """[N, H, W, C] -> [N, size, size, C], bilinearly, antialiased where it shrinks."""
    count, height, width, channels = images.shape
    if (height, width) == (size, size):
        return images
    return jax.image.resize(images, (count, size, size, channels), "bilinear")


def collected(
    steps: Iterator[tuple[str, jax.Array]], names: tuple[str, ...] | None
) -> Any:
    """The last activation; or those called `names`, as a dict in that order.

    Raises:
        ValueError: for a name that the steps do not hand out.
    """
    found: dict[str, jax.Array] = {}
    offered: list[str] = []
    last = None
    for name, last in steps:
        offered.append(name)
        if names is not None and name in names:
            found[name] = last
            if len(found) == len(set(names)):
                break
    if names is None:
        return last
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(f"names: {unknown} given; {offered} are accepted")
    return {name: found[name] for name in names}
