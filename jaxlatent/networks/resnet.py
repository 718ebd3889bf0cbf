"""ResNet, with the names of torchvision.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015; the
bottlenecks stride in their 3 x 3 convolution, as torchvision's do.
"""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax

from jaxlatent.networks.layers import BatchNorm, conv, dense, max_pool
from jaxlatent.networks.preprocess import PictureModule

DEPTHS: dict[int, tuple[tuple[int, ...], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
"""Blocks of the four stages, and whether they are bottlenecks, by depth."""

EXPANSION = 4
"""How many times wider a bottleneck's output is than its inside."""

_KAIMING = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class ResNet(PictureModule):
    """Images [N, H, W, C] in [-1, 1] -> logits [N, outputs].

    Activations: "relu", "maxpool", "layer1.0" and so on for every block, "layer1" to
    "layer4", "avgpool" [N, C], "fc".

    Attributes:
        blocks: residual blocks of each stage.
        bottleneck: whether blocks are of three convolutions.
        channels: of the stem and of each stage (of the inside of bottlenecks).
        outputs: of the last layer; None for no such layer, which leaves "avgpool".
    """

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    bottleneck: bool = False
    channels: tuple[int, ...] = (64, 64, 128, 256, 512)
    outputs: int | None = 1000

    @nn.nowrap
    def steps(self, x: jax.Array, train: bool) -> Iterator[tuple[str, jax.Array]]:
        """Every activation by name."""
        x = _conv(x, self.channels[0], 7, "conv1", strides=2)
        x = nn.relu(BatchNorm(name="bn1")(x, train=train))
        yield "relu", x
        x = max_pool(x, 3, 2, padding=1)
        yield "maxpool", x
        for stage, count in enumerate(self.blocks, start=1):
            for index in range(count):
                x = Block(
                    self.channels[stage],
                    strides=2 if stage > 1 and index == 0 else 1,
                    bottleneck=self.bottleneck,
                    name=f"layer{stage}_{index}",
                )(x, train=train)
                yield f"layer{stage}.{index}", x
            yield f"layer{stage}", x
        x = x.mean(axis=(1, 2))
        yield "avgpool", x
        if self.outputs is not None:
            yield "fc", dense(x, self.outputs, "fc")


class Block(nn.Module):
    """A residual block, [N, H, W, C] -> [N, h, w, channels or four times as many].

    Attributes:
        channels: of its convolutions.
        strides: 2 to halve the map.
        bottleneck: whether it has three convolutions, the last of 1 x 1 and wider.
    """

    channels: int
    strides: int = 1
    bottleneck: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """Add to the map what the convolutions make of it."""
        wide = self.channels * (EXPANSION if self.bottleneck else 1)
        if self.bottleneck:
            shapes = [(self.channels, 1, 1), (self.channels, 3, self.strides)]
            shapes += [(wide, 1, 1)]
        else:
            shapes = [(wide, 3, self.strides), (wide, 3, 1)]
        y = x
        for index, (features, size, strides) in enumerate(shapes, start=1):
            y = y if index == 1 else nn.relu(y)
            y = _conv(y, features, size, f"conv{index}", strides=strides)
            y = BatchNorm(name=f"bn{index}")(y, train=train)
        if self.strides != 1 or x.shape[-1] != wide:
            x = _conv(x, wide, 1, "downsample_0", strides=self.strides)
            x = BatchNorm(name="downsample_1")(x, train=train)
        return nn.relu(x + y)


def resnet(depth: int, **changes: Any) -> ResNet:
    """The ResNet of a depth, 18, 34, 50, 101 or 152; `changes` replace attributes.

    Raises:
        ValueError: for another depth.
    """
    if depth not in DEPTHS:
        raise ValueError(f"depth: {depth} given; one of {tuple(DEPTHS)} is accepted")
    blocks, bottleneck = DEPTHS[depth]
    return ResNet(blocks=blocks, bottleneck=bottleneck, **changes)


def _conv(
    x: jax.Array, features: int, size: int, name: str, *, strides: int = 1
) -> jax.Array:
    return conv(
        x,
        features,
        size,
        name,
        strides=strides,
        padding=size // 2,
        use_bias=False,
        kernel_init=_KAIMING,
    )
