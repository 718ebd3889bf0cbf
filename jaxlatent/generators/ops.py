"""Layers that families share, on images [N, H, W, C] and kernels [h, w, I, O].

Kernels are applied as correlations. Modulation scales the inputs of a shared kernel and
demodulation its outputs, instead of building one kernel per sample: batches stay one
ordinary convolution, and so do tangents.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from numpy.typing import ArrayLike

from jaxlatent.generators.convolutions import (
    VALID,
    convolve,
    transposed_convolve,
    transposed_phases,
)
from jaxlatent.generators.filters import (
    Padding,
    downsample,
    filter_padding,
    upfirdn,
    upsample,
)
from jaxlatent.generators.kernels import apply_kernel, kernel_energy
from jaxlatent.types import Params


class Activation(NamedTuple):
    """An elementwise function and the gain that keeps a signal's variance."""

    function: Callable[[jax.Array], jax.Array]
    gain: float


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(lambda x: x, 1.0),
    "relu": Activation(jax.nn.relu, math.sqrt(2)),
    "lrelu": Activation(lambda x: jax.nn.leaky_relu(x, 0.2), math.sqrt(2)),
    "tanh": Activation(jnp.tanh, 1.0),
    "sigmoid": Activation(jax.nn.sigmoid, 1.0),
    "elu": Activation(jax.nn.elu, 1.0),
    "selu": Activation(jax.nn.selu, 1.0),
    "softplus": Activation(jax.nn.softplus, 1.0),
    "swish": Activation(jax.nn.silu, math.sqrt(2)),
}


def activate(
    x: jax.Array,
    bias: jax.Array | None = None,
    activation: str = "linear",
    *,
    gain: float | None = None,
    clamp: float | None = None,
) -> jax.Array:
    """`clip(activation(x + bias) * gain, -clamp, clamp)` over the last axis' channels.

    Args:
        x: [..., C].
        bias: [C].
        activation: a key of `ACTIVATIONS`.
        gain: None for the activation's own.
        clamp: applied after the gain; None for none.
    """
    function, default = ACTIVATIONS[activation]
    if bias is not None:
        x = x + jnp.expand_dims(bias, tuple(range(x.ndim - 1)))
    x = function(x) * (default if gain is None else gain)
    return x if clamp is None else jnp.clip(x, -clamp, clamp)


def upsample_convolve(x: jax.Array, kernel: jax.Array, taps: ArrayLike) -> jax.Array:
    """Convolve at twice the resolution: [N, H, W, I] -> [N, 2H, 2W, O].

    A 3 x 3 kernel acts as a transposed convolution, followed by the filter; a 1 x 1
    kernel acts before a plain upsampling.

    Args:
        x: the image.
        kernel: [3, 3, I, O] or [1, 1, I, O].
        taps: 1-D or 2-D filter.
    """
    if kernel.shape[0] == 1:
        return upsample(convolve(x, kernel), taps)
    return _upsample_transposed(x, transposed_phases(kernel), taps)


def _upsample_transposed(
    x: jax.Array, phases: Mapping[str, jax.Array], taps: ArrayLike
) -> jax.Array:
    x = transposed_convolve(x, phases)
    padding = filter_padding(taps, lambda n: ((n + 1) // 2 - 1, n // 2 - 1))
    return upfirdn(x, taps, padding=padding, gain=4.0)


def downsample_convolve(x: jax.Array, kernel: jax.Array, taps: ArrayLike) -> jax.Array:
    """Convolve at half the resolution: [N, H, W, I] -> [N, H/2, W/2, O].

    Args:
        x: the image.
        kernel: [3, 3, I, O] or [1, 1, I, O].
        taps: 1-D or 2-D filter.
    """
    if kernel.shape[0] == 1:
        return convolve(downsample(x, taps), kernel)
    padding = filter_padding(taps, lambda n: ((n + 1) // 2, n // 2))
    return convolve(upfirdn(x, taps, padding=padding), kernel, stride=2)


def modulated_convolve(
    x: jax.Array,
    layer: Params,
    style: jax.Array,
    *,
    demodulate: bool = True,
    padding: Padding = VALID,
    up_taps: ArrayLike | None = None,
) -> jax.Array:
    """Convolution whose input channels are scaled by a style.

    Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN"
    (2020), eq. 1-3; demodulation divides by the norm of each sample's scaled kernel.

    Args:
        x: [N, H, W, I].
        layer: its kernel, shared by the batch: "weight" [h, w, I, O] or what
            `kernels.precompute` left in its place, with the energy.
        style: [N, I].
        demodulate: whether to normalise the output channels.
        padding: without upsampling.
        up_taps: filter of an upsampling layer, None for a layer that keeps its size.
    """
    x = x * style[:, None, None, :]
    if up_taps is None:
        x = apply_kernel(x, layer, padding=padding)
    elif "phase_kernels" in layer:
        x = _upsample_transposed(x, layer["phase_kernels"], up_taps)
    else:
        x = upsample_convolve(x, layer["weight"], up_taps)
    if not demodulate:
        return x
    energy = kernel_energy(layer["weight"]) if "weight" in layer else layer["energy"]
    scale = lax.rsqrt(jnp.square(style) @ energy + 1e-8)
    return x * scale[:, None, None, :]


def filtered_leaky_relu(
    x: jax.Array,
    bias: jax.Array | None,
    *,
    up_taps: ArrayLike | None,
    down_taps: ArrayLike | None,
    up: int,
    down: int,
    padding: Padding,
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> jax.Array:
    """Leaky ReLU at a raised sampling rate, as in StyleGAN3.

    Adds the bias [C], upsamples by `up`, applies `leaky_relu * gain`, clamps to
    +-`clamp`, filters and decimates by `down`.

    Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021), 3.2.
    """
    if bias is not None:
        x = x + bias[None, None, None, :]
    x = upfirdn(x, up_taps, up=up, padding=padding, gain=up**2)
    x = jax.nn.leaky_relu(x, slope) * gain
    if clamp is not None:
        x = jnp.clip(x, -clamp, clamp)
    return upfirdn(x, down_taps, down=down)


def normalize_second_moment(x: jax.Array) -> jax.Array:
    """Scale the last axis of [..., C] to a mean square of one ("pixel norm")."""
    return x * lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-8)


def append_batch_deviation(
    x: jax.Array, group_size: int | None, channels: int = 1
) -> jax.Array:
    """Append the minibatch standard deviation as `channels` more feature maps.

    Source: Karras et al., "Progressive Growing of GANs" (2018), section 3. Sample n is
    compared with the samples whose number agrees with n modulo N / group.

    Args:
        x: [N, H, W, C].
        group_size: samples per group, None for the whole batch; never more than N.
        channels: maps to append; must divide C.
    """
    count, height, width, depth = x.shape
    group = count if group_size is None else min(group_size, count)
    if count % group or depth % channels:
        raise ValueError(
            f"x: {count} samples of {depth} channels given; multiples of the group "
            f"size {group} and of {channels} are accepted"
        )
    shape = (group, count // group, height, width, channels, depth // channels)
    split = x.reshape(shape)
    deviation = jnp.sqrt(jnp.var(split, axis=0) + 1e-8)
    deviation = jnp.mean(deviation, axis=(1, 2, 4))  # [N / group, channels]
    maps = jnp.tile(deviation[:, None, None, :], (group, height, width, 1))
    return jnp.concatenate([x, maps], axis=3)
