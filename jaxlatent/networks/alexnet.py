"""AlexNet, with the names of torchvision.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014: one
column of convolutions and no response normalisation.
"""

from collections.abc import Iterator

import flax.linen as nn
import jax

from jaxlatent.networks.chains import head
from jaxlatent.networks.layers import conv, max_pool
from jaxlatent.networks.preprocess import PictureModule

CONVOLUTIONS = {0: (11, 4, 2), 3: (5, 1, 2), 6: (3, 1, 1), 8: (3, 1, 1), 10: (3, 1, 1)}
"""Size, strides and padding, by the place in `features`."""

POOLINGS = (2, 5, 12)
"""Their places in `features`."""

SIDE = 6
"""Pixels along a side of the map that the first dense layer takes."""

HEAD = (1, 4, 6)
"""The dense layers' places in `classifier`."""


class AlexNet(PictureModule):
    """Images [N, H, W, C] in [-1, 1] -> logits [N, outputs].

    Activations: "features.0" to "features.12" for every convolution, rectifier and
    pooling, "avgpool", "classifier.1" and so on, with torchvision's numbers.

    Attributes:
        channels: of the five convolutions.
        hidden: widths of the dense layers before the last, two or none.
        outputs: of the last layer; None for no dense layers, which leaves the map.
    """

    channels: tuple[int, ...] = (64, 192, 384, 256, 256)
    hidden: tuple[int, ...] = (4096, 4096)
    outputs: int | None = 1000

    @nn.nowrap
    def steps(self, x: jax.Array, train: bool) -> Iterator[tuple[str, jax.Array]]:
        """Every activation by name."""
        for channels, (index, (size, strides, padding)) in zip(
            self.channels, CONVOLUTIONS.items(), strict=True
        ):
            name = f"features_{index}"
            x = conv(x, channels, size, name, strides=strides, padding=padding)
            yield f"features.{index}", x
            x = nn.relu(x)
            yield f"features.{index + 1}", x
            if index + 2 in POOLINGS:
                x = max_pool(x, 3, 2)
                yield f"features.{index + 2}", x
        if self.outputs is not None:
            yield from head(x, (*self.hidden, self.outputs), HEAD, SIDE)
