"""Layers as PyTorch has them: convolutions, pooling and batch norm, NHWC.

The functions create flax layers: call them inside a compact method. Fresh weights are
drawn as PyTorch's layers draw theirs.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.networks.base import STATISTICS

_PLAIN = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def _within(bound: float) -> Any:
    """Draws uniform values in [-bound, bound]."""
    draw = nn.initializers.uniform(2 * bound)
    return lambda key, shape, dtype=jnp.float32: draw(key, shape, dtype) - bound


def conv(
    x: jax.Array,
    features: int,
    size: int,
    name: str,
    *,
    strides: int = 1,
    padding: int = 0,
    groups: int = 1,
    use_bias: bool = True,
    kernel_init: Any = _PLAIN,
) -> jax.Array:
    """A convolution of size x size pixels, [N, H, W, C] -> [N, h, w, features]."""
    fan_in = size * size * x.shape[-1] // groups
    return nn.Conv(
        features,
        (size, size),
        strides,
        padding=padding,
        feature_group_count=groups,
        use_bias=use_bias,
        kernel_init=kernel_init,
        bias_init=_within(fan_in**-0.5),
        name=name,
    )(x)


def dense(x: jax.Array, features: int, name: str) -> jax.Array:
    """A linear layer, [N, C] -> [N, features]."""
    bound = x.shape[-1] ** -0.5
    return nn.Dense(features, kernel_init=_PLAIN, bias_init=_within(bound), name=name)(
        x
    )


class BatchNorm(nn.Module):
    """Batch norm over all axes but the last.

    In training, the batch is normalised by its biased variance, and the running
    variance follows the unbiased one: as PyTorch does, and flax does not.

    Attributes:
        eps: added to the variance.
        momentum: the new batch's share of the running statistics.
    """

    eps: float = 1e-5
    momentum: float = 0.1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """[..., C] -> [..., C]; with `train` by the batch's own statistics."""
        shape = x.shape[-1:]
        ones, zeros = nn.initializers.ones, nn.initializers.zeros
        scale = self.param("scale", ones, shape, jnp.float32)
        bias = self.param("bias", zeros, shape, jnp.float32)
        mean = self.param("running_mean", zeros, shape, jnp.float32)
        var = self.param("running_var", ones, shape, jnp.float32)
        if train:
            running, axes = (mean, var), tuple(range(x.ndim - 1))
            mean, var = x.mean(axes), x.var(axes)
            self._follow(running, (mean, var), x.size // x.shape[-1])
        along = (None,) * (x.ndim - 1)
        gain = scale / jnp.sqrt(var + self.eps)
        return (x - mean[along]) * gain[along] + bias[along]

    def _follow(self, running: Any, batch: Any, count: int) -> None:
        unbiased = count / max(count - 1, 1)
        for name, old, new, factor in zip(
            ("running_mean", "running_var"), running, batch, (1, unbiased), strict=True
        ):
            value = (1 - self.momentum) * old + self.momentum * factor * new
            self.sow(
                STATISTICS,
                name,
                jax.lax.stop_gradient(value),
                reduce_fn=lambda _, value: value,
                init_fn=lambda: None,
            )


def max_pool(
    x: jax.Array, size: int, strides: int, *, padding: int = 0, ceil: bool = False
) -> jax.Array:
    """Maxima over windows of size x size pixels.

    Args:
        x: [N, H, W, C].
        size: of the windows.
        strides: from window to window; at most `size`.
        padding: pixels of minus infinity on every side.
        ceil: whether a last window may stand over the edge; else it is left out.

    Raises:
        ValueError: for a map that is smaller than a window.
    """
    _, height, width, _ = x.shape
    if min(height, width) + 2 * padding < size:
        raise ValueError(
            f"images: too small; {height} x {width} pixels are left where a window of "
            f"{size} x {size} is pooled"
        )

    def margins(side: int) -> tuple[int, int]:
        over = -(side + 2 * padding - size) % strides if ceil else 0
        return padding, padding + over

    around: Any = (margins(height), margins(width))
    return nn.max_pool(x, (size, size), (strides, strides), around)


def adaptive_mean(x: jax.Array, size: int) -> jax.Array:
    """Means over size x size windows that cover the map, [N, H, W, C] -> [N, s, s, C].

    Window i of a side of H pixels covers floor(i H / s) to ceil((i + 1) H / s).
    """
    rows, columns = (
        jnp.asarray(_windows(side, size), x.dtype) for side in x.shape[1:3]
    )
    return jnp.einsum("ih,nhwc,jw->nijc", rows, x, columns)


def _windows(side: int, size: int) -> np.ndarray:
    matrix = np.zeros((size, side))
    for i in range(size):
        first, last = i * side // size, math.ceil((i + 1) * side / size)
        matrix[i, first:last] = 1 / (last - first)
    return matrix
