"""SqueezeNet 1.1, with the names of torchvision.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
<0.5MB model size", 2016.
"""

from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxlatent.networks.layers import conv, max_pool
from jaxlatent.networks.preprocess import PictureModule

FIRES = (3, 4, 6, 7, 9, 10, 11, 12)
"""Their places in `features`."""

POOLINGS = (2, 5, 8)
"""Their places in `features`; a last window may stand over the edge."""


class SqueezeNet(PictureModule):
    """Images [N, H, W, C] in [-1, 1] -> logits [N, outputs], rectified.

    Activations: "features.0" to "features.12", "classifier.1", its rectified
    "classifier.2", "classifier.3" [N, outputs].

    Attributes:
        channels: of the first convolution.
        fires: channels of each fire module's squeezing, 1 x 1 and 3 x 3 convolutions.
        outputs: of the last convolution; None for none, which leaves the map.
    """

    channels: int = 64
    fires: tuple[tuple[int, ...], ...] = (
        *((16, 64, 64),) * 2,
        *((32, 128, 128),) * 2,
        *((48, 192, 192),) * 2,
        *((64, 256, 256),) * 2,
    )
    outputs: int | None = 1000

    @nn.nowrap
    def steps(self, x: jax.Array, train: bool) -> Iterator[tuple[str, jax.Array]]:
        """Every activation by name."""
        x = conv(x, self.channels, 3, "features_0", strides=2)
        yield "features.0", x
        x = nn.relu(x)
        yield "features.1", x
        fires: dict[int, tuple[int, ...]] = dict(zip(FIRES, self.fires, strict=True))
        for index in range(2, max(FIRES) + 1):
            if index in POOLINGS:
                x = max_pool(x, 3, 2, ceil=True)
            else:
                x = Fire(fires[index], name=f"features_{index}")(x)
            yield f"features.{index}", x
        if self.outputs is not None:
            x = conv(x, self.outputs, 1, "classifier_1")
            yield "classifier.1", x
            x = nn.relu(x)
            yield "classifier.2", x
            yield "classifier.3", x.mean(axis=(1, 2))


class Fire(nn.Module):
    """Squeeze by 1 x 1, then expand by 1 x 1 and by 3 x 3, side by side.

    Attributes:
        channels: of the three convolutions.
    """

    channels: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[N, H, W, C] -> [N, H, W, both expansions]."""
        squeezed, narrow, wide = self.channels
        x = nn.relu(conv(x, squeezed, 1, "squeeze"))
        parts = (
            conv(x, narrow, 1, "expand1x1"),
            conv(x, wide, 3, "expand3x3", padding=1),
        )
        return nn.relu(jnp.concatenate(parts, axis=-1))
