"""The layers of a chain that hold weights.

Kernels are [height, width, in, out] and dense weights [in, out].
"""

import functools
import operator
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from jaxlatent.generators.convolutions import convolve
from jaxlatent.generators.fields import Count, Flag, Margin, Real
from jaxlatent.generators.filters import Padding
from jaxlatent.generators.sequential_layers import Layer, Shape
from jaxlatent.types import Params

STATISTICS = frozenset({"running_mean", "running_var"})
"""Parameters that training leaves alone."""


@dataclass(frozen=True)
class Weighted(Layer):
    """A linear map and, unless `bias` is false, an offset per output feature.

    Attributes:
        features: channels or dimensions that come out.
        bias: whether the checkpoint holds a bias.
    """

    features: Count
    bias: Flag = field(default=True, kw_only=True)

    def weight_shape(self, channels: int) -> Shape:
        """The shape of the weight for items of so many channels."""
        raise NotImplementedError

    def linear(self, weight: jax.Array, x: jax.Array) -> jax.Array:
        """The linear map alone, on a batch [N, ...]."""
        raise NotImplementedError

    def init(self, key: jax.Array, incoming: Shape) -> Params:
        """Weights uniform in ±1/sqrt(fan-in), as PyTorch's; biases zero."""
        draw = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        params = {"weight": draw(key, self.weight_shape(incoming[-1]))}
        if self.bias:
            params["bias"] = jnp.zeros(self.features)
        return params

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """Linear in `x` [N, ...], then the bias."""
        y = self.linear(params["weight"], x)
        return y + along_channels(params["bias"], y) if self.bias else y


@dataclass(frozen=True)
class Linear(Weighted):
    """[N, D] -> [N, features]."""

    kind: str = field(default="linear", init=False)
    item_rank: ClassVar[int | None] = 1

    def weight_shape(self, channels: int) -> Shape:
        """[in, out]."""
        return (channels, self.features)

    def linear(self, weight: jax.Array, x: jax.Array) -> jax.Array:
        """x @ weight."""
        return x @ weight


@dataclass(frozen=True)
class Kernelled(Weighted):
    """A linear map of a square kernel over maps, [N, H, W, C] -> [N, H', W', features].

    Attributes:
        kernel: side of the kernel.
        stride: pixels from one place of the kernel to the next.
        padding: pixels around the larger of the two maps.
    """

    kernel: Count
    stride: Count = 1
    padding: Margin = 0

    item_rank: ClassVar[int | None] = 3

    def weight_shape(self, channels: int) -> Shape:
        """[height, width, in, out]."""
        return (self.kernel, self.kernel, channels, self.features)


@dataclass(frozen=True)
class Convolution(Kernelled):
    """A cross-correlation over maps with zeros around them (`torch.nn.Conv2d`)."""

    kind: str = field(default="convolution", init=False)

    def linear(self, weight: jax.Array, x: jax.Array) -> jax.Array:
        """The correlation alone."""
        return convolve(x, weight, padding=_margin(self.padding), stride=self.stride)


@dataclass(frozen=True)
class TransposedConvolution(Kernelled):
    """Stamps its kernel, times each input value, on the output every `stride` pixels.

    The adjoint of the convolution with the same numbers (`torch.nn.ConvTranspose2d`):
    H' = (H - 1) * stride - 2 * padding + kernel + output_padding.

    Attributes:
        output_padding: pixels added at the bottom and on the right.
    """

    output_padding: Margin = 0
    kind: str = field(default="transposed_convolution", init=False)

    def linear(self, weight: jax.Array, x: jax.Array) -> jax.Array:
        """The stamping alone.

        On a CPU as one product of matrices, whose results are then added where stamps
        overlap; XLA takes the gradient of a convolution's kernel there up to a hundred
        times longer than that of a product. Elsewhere as one ordinary convolution at
        the low resolution, as `_stamp_by_convolution` has it.
        """
        stamp = self.kernel + self.output_padding
        taps = -(-stamp // self.stride)
        missing = (0, taps * self.stride - self.kernel)
        weight = jnp.pad(weight, (missing, missing, (0, 0), (0, 0)))
        y = lax.platform_dependent(
            x,
            weight,
            cpu=partial(_stamp_by_product, stride=self.stride),
            default=partial(_stamp_by_convolution, stride=self.stride),
        )
        bottom, right = (
            max((side - 1) * self.stride + stamp - self.padding, self.padding)
            for side in x.shape[1:3]
        )
        return y[:, self.padding : bottom, self.padding : right]


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalisation by stored statistics, of vectors or of maps per channel.

    Attributes:
        epsilon: added to the variance.
        affine: whether the checkpoint holds a weight and a bias.
    """

    epsilon: Real = 1e-5
    affine: Flag = True
    kind: str = field(default="batch_norm", init=False)
    momentum: ClassVar[float] = 0.1

    def init(self, key: jax.Array, incoming: Shape) -> Params:
        """Parameters of the identity."""
        channels = incoming[-1]
        params = {
            "running_mean": jnp.zeros(channels),
            "running_var": jnp.ones(channels),
        }
        if self.affine:
            params |= {"weight": jnp.ones(channels), "bias": jnp.zeros(channels)}
        return params

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """(x - running_mean) / sqrt(running_var + epsilon) * weight + bias."""
        gain = lax.rsqrt(params["running_var"] + self.epsilon)
        if self.affine:
            gain = gain * params["weight"]
        y = (x - along_channels(params["running_mean"], x)) * along_channels(gain, x)
        return y + along_channels(params["bias"], x) if self.affine else y

    def train(self, params: Params, x: jax.Array) -> tuple[jax.Array, Params]:
        """Normalise by the batch's own statistics, which the stored ones follow.

        As PyTorch does: by the biased variance, while the stored one follows the
        unbiased one. No gradient flows into them.
        """
        axes = tuple(range(x.ndim - 1))
        mean, var = x.mean(axes), x.var(axes)
        count = x.size // x.shape[-1]
        seen = {"running_mean": mean, "running_var": var * count / max(count - 1, 1)}
        moved = {
            name: params[name] + self.momentum * (new - params[name])
            for name, new in seen.items()
        }
        batch = {"running_mean": mean, "running_var": var}
        return self({**params, **batch}, x), jax.lax.stop_gradient(moved)


def along_channels(values: jax.Array, x: jax.Array) -> jax.Array:
    """One value per channel [C], shaped to combine with a batch [N, ..., C]."""
    return values.reshape((1,) * (x.ndim - 1) + (-1,))


def _margin(width: int) -> Padding:
    return ((width, width), (width, width))


def _stamp_by_product(x: jax.Array, kernel: jax.Array, *, stride: int) -> jax.Array:
    """Stamp a kernel, whose side is `taps` times the stride, and cut nothing off."""
    count, height, width, incoming = x.shape
    taps, outgoing = kernel.shape[0] // stride, kernel.shape[-1]
    matrix = kernel.transpose(2, 0, 1, 3).reshape(incoming, -1)
    stamps = lax.dot(x.reshape(-1, incoming), matrix)
    split = (count, height, width, taps, stride, taps, stride, outgoing)
    stamps = stamps.reshape(split)
    whole = [
        jnp.pad(
            stamps[:, :, :, row, :, column],
            (
                (0, 0),
                (row, taps - 1 - row),
                (column, taps - 1 - column),
                *[(0, 0)] * 3,
            ),
        )
        for row in range(taps)
        for column in range(taps)
    ]
    y = functools.reduce(operator.add, whole)
    return _interleave(y.reshape(*y.shape[:3], -1), stride)


def _stamp_by_convolution(x: jax.Array, kernel: jax.Array, *, stride: int) -> jax.Array:
    """As `_stamp_by_product`.

    out[i * stride + r] = sum_j x[i - j] kernel[j * stride + r]: all phases r are
    channels of one convolution, which are then interleaved.
    """
    taps = kernel.shape[0] // stride
    split = kernel.reshape(taps, stride, taps, stride, *kernel.shape[2:])
    phases = split[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    phases = phases.reshape(taps, taps, x.shape[-1], -1)
    return _interleave(convolve(x, phases, padding=_margin(taps - 1)), stride)


def _interleave(x: jax.Array, factor: int) -> jax.Array:
    """[N, H, W, factor * factor * C] -> [N, factor * H, factor * W, C]."""
    count, height, width, _ = x.shape
    x = x.reshape(count, height, width, factor, factor, -1).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, height * factor, width * factor, -1)
