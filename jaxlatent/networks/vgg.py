"""VGG without batch norm, with the names of torchvision.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
recognition", 2014.
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax

from jaxlatent.networks.chains import head
from jaxlatent.networks.layers import conv, max_pool
from jaxlatent.networks.preprocess import PictureModule

DEPTHS: dict[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Convolutions of the five blocks, by depth."""

SIDE = 7
"""Pixels along a side of the map that the first dense layer takes."""

HEAD = (0, 3, 6)
"""The dense layers' places in `classifier`."""


class VGG(PictureModule):
    """Images [N, H, W, C] in [-1, 1] -> logits [N, outputs].

    Activations: "features.0" and so on for every convolution, rectifier and pooling,
    "avgpool", "classifier.0" and so on. With torchvision's numbers: of VGG-16,
    "features.3", ".8", ".15", ".22" and ".29" are the last rectifiers before poolings.

    Attributes:
        blocks: convolutions of each block; a pooling ends it.
        channels: of each block.
        hidden: widths of the dense layers before the last, two or none.
        outputs: of the last layer; None for no dense layers, which leaves the map.
    """

    blocks: tuple[int, ...] = (2, 2, 3, 3, 3)
    channels: tuple[int, ...] = (64, 128, 256, 512, 512)
    hidden: tuple[int, ...] = (4096, 4096)
    outputs: int | None = 1000

    @nn.nowrap
    def steps(self, x: jax.Array, train: bool) -> Iterator[tuple[str, jax.Array]]:
        """Every activation by name."""
        index = 0
        for count, channels in zip(self.blocks, self.channels, strict=True):
            for _ in range(count):
                x = conv(x, channels, 3, f"features_{index}", padding=1)
                yield f"features.{index}", x
                x = nn.relu(x)
                yield f"features.{index + 1}", x
                index += 2
            x = max_pool(x, 2, 2)
            yield f"features.{index}", x
            index += 1
        if self.outputs is not None:
            yield from head(x, (*self.hidden, self.outputs), HEAD, SIDE)


def vgg(depth: int, **changes: Any) -> VGG:
    """The VGG of a depth, 11, 13, 16 or 19; `changes` replace attributes.

    Raises:
        ValueError: for another depth.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth: {depth} given; one of {tuple(DEPTHS)} is accepted")
    return VGG(blocks=DEPTHS[depth], **changes)
