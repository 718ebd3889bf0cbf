"""What VGG and AlexNet share: convolutions in a chain, and a head of dense layers."""

from collections.abc import Iterator

import flax.linen as nn
import jax

from jaxlatent.networks.layers import adaptive_mean, dense


def head(
    x: jax.Array, widths: tuple[int, ...], indices: tuple[int, ...], side: int
) -> Iterator[tuple[str, jax.Array]]:
    """The map's means on side x side windows, and dense layers with rectifiers between.

    Args:
        x: [N, H, W, C].
        widths: outputs of each dense layer.
        indices: their places in torchvision's `classifier`, the last ones if there are
            fewer widths; a rectifier stands behind all but the last.
        side: of the grid of windows.
    """
    x = adaptive_mean(x, side)
    yield "avgpool", x
    x = x.reshape(len(x), -1)
    for index, width in zip(indices[-len(widths) :], widths, strict=True):
        x = dense(x, width, f"classifier_{index}")
        yield f"classifier.{index}", x
        if index != indices[-1]:
            x = nn.relu(x)
            yield f"classifier.{index + 1}", x
