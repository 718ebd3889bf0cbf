"""Resampling of images [N, H, W, C] by finite impulse response (FIR) filters.

The conventions are those of the StyleGAN line: zeros are inserted after each sample,
the image is padded with zeros, convolved (a true convolution: the filter is mirrored)
and decimated from its first sample on. A filter is 1-D, applied along both axes, or
2-D; `make_filter` scales its taps to sum 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import ArrayLike

Padding = tuple[tuple[int, int], tuple[int, int]]
"""((top, bottom), (left, right)); negative values crop."""


def make_filter(taps: ArrayLike) -> np.ndarray:
    """A float64 filter with sum 1: 1-D taps stay 1-D, 2-D ones stay 2-D."""
    array = np.asarray(taps, np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"taps: shape {array.shape} given; 1-D or 2-D is accepted")
    return array / array.sum()


def filter_padding(
    taps: ArrayLike, padding: Callable[[int], tuple[int, int]]
) -> Padding:
    """Padding per axis, given the rule (taps along the axis) -> (before, after)."""
    shape = np.shape(taps)
    return padding(shape[0]), padding(shape[-1])


def upfirdn(
    x: jax.Array,
    taps: ArrayLike | None,
    *,
    up: int | tuple[int, int] = 1,
    down: int | tuple[int, int] = 1,
    padding: Padding = ((0, 0), (0, 0)),
    gain: float = 1.0,
    mirror: bool = True,
) -> jax.Array:
    """Upsample, pad, filter and decimate an image.

    Args:
        x: [N, H, W, C].
        taps: 1-D or 2-D filter, None for the identity.
        up: zeros inserted after each sample, plus one; or (vertical, horizontal).
        down: every how many-th sample is kept.
        padding: in samples of the upsampled image.
        gain: total factor on the output.
        mirror: convolve as in signal processing; False correlates instead.

    Returns:
        [N, (up H + pads - taps) // down + 1, ..., C].
    """
    ups, downs = _pair(up), _pair(down)
    if taps is None or np.ndim(taps) == 2:
        x = _stuff(x, ups, padding)
    if taps is None:
        return x[:, :: downs[0], :: downs[1]] * gain
    weights = np.asarray(taps) if not isinstance(taps, jax.Array) else taps
    if mirror:
        weights = weights[::-1] if weights.ndim == 1 else weights[::-1, ::-1]
    if weights.ndim == 1:
        weights = weights * gain**0.5
        for axis in (0, 1):
            x = _resample(
                x,
                weights,
                axis=axis + 1,
                up=ups[axis],
                down=downs[axis],
                padding=padding[axis],
            )
        return x
    single = jnp.moveaxis(x, 3, 1).reshape(-1, *x.shape[1:3], 1)
    filtered = lax.conv_general_dilated(
        single,
        jnp.asarray(weights * gain, x.dtype)[:, :, None, None],
        window_strides=downs,
        padding=[(0, 0), (0, 0)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    rows, columns = filtered.shape[1:3]
    return jnp.moveaxis(filtered.reshape(x.shape[0], -1, rows, columns), 1, 3)


def upsample(x: jax.Array, taps: ArrayLike, factor: int = 2) -> jax.Array:
    """Enlarge [N, H, W, C] by `factor`, keeping the brightness."""
    padding = filter_padding(taps, lambda n: ((n + factor - 1) // 2, (n - factor) // 2))
    return upfirdn(x, taps, up=factor, padding=padding, gain=factor**2)


def downsample(x: jax.Array, taps: ArrayLike, factor: int = 2) -> jax.Array:
    """Filter [N, H, W, C] and keep every `factor`-th sample."""
    padding = filter_padding(taps, lambda n: ((n - factor + 1) // 2, (n - factor) // 2))
    return upfirdn(x, taps, down=factor, padding=padding)


def smooth(x: jax.Array, taps: ArrayLike) -> jax.Array:
    """Filter [N, H, W, C] at its own size."""
    padding = filter_padding(taps, lambda n: (n // 2, (n - 1) // 2))
    return upfirdn(x, taps, padding=padding)


def lowpass(
    num_taps: int, cutoff: float, width: float, rate: float, *, radial: bool = False
) -> np.ndarray | None:
    """Design a Kaiser-windowed low-pass filter, as StyleGAN3 does.

    Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021), app. C;
    the window's shape follows Kaiser's formulas for attenuation.

    Args:
        num_taps: length; 1 means no filter.
        cutoff: in cycles per unit, half way down the transition.
        width: of the transition, same unit.
        rate: samples per unit.
        radial: a circularly symmetric 2-D filter (jinc) instead of a separable one.

    Returns:
        float64 [num_taps], or [num_taps, num_taps] if radial; None for one tap.
    """
    if num_taps == 1:
        return None
    attenuation = 2.285 * (num_taps - 1) * np.pi * width / (rate / 2) + 7.95
    window = np.kaiser(num_taps, _kaiser_beta(attenuation))
    time = (np.arange(num_taps) - (num_taps - 1) / 2) / rate
    if not radial:
        return make_filter(np.sinc(2 * cutoff * time) * window)
    from scipy.special import j1

    radius = np.hypot(*np.meshgrid(time, time))
    # only an odd length has a sample at the centre, where J1(x)/x tends to 1/2
    centre = radius == 0
    safe = np.where(centre, 1.0, radius)
    jinc = np.where(
        centre, np.pi * cutoff**2, j1(2 * np.pi * cutoff * safe) * cutoff / safe
    )
    return make_filter(jinc * np.outer(window, window))


def _kaiser_beta(attenuation: float) -> float:
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0


def _stuff(x: jax.Array, ups: tuple[int, int], padding: Padding) -> jax.Array:
    """Insert zeros after each sample of an image, then pad or crop it."""
    config = [
        # the samples inserted after the last one are part of the padding here
        (low, high + factor - 1, factor - 1)
        for (low, high), factor in zip(padding, ups, strict=True)
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *config, (0, 0, 0)])


# compiled on its own too: op by op, each tap would be a pass over memory
@partial(jax.jit, static_argnames=("axis", "up", "down", "padding"))
def _resample(
    x: jax.Array,
    taps: ArrayLike,
    *,
    axis: int,
    up: int,
    down: int,
    padding: tuple[int, int],
) -> jax.Array:
    """Stuff with zeros, pad, correlate with 1-D taps and decimate along one axis."""
    how: Any = {"axis": axis, "up": up, "down": down, "padding": padding}
    return lax.platform_dependent(
        x,
        jnp.asarray(taps, x.dtype),
        tpu=partial(_convolve_channels, **how),
        default=partial(_add_slices, **how),
    )


def _convolve_channels(
    x: jax.Array,
    taps: jax.Array,
    *,
    axis: int,
    up: int,
    down: int,
    padding: tuple[int, int],
) -> jax.Array:
    """`_resample` as one convolution, every channel with the same kernel.

    TPUs multiply no inserted zero, and interleaving phases costs them several passes.
    """
    depth = x.shape[-1]
    kernel = jnp.tile(taps[:, None, None, None], (1, 1, 1, depth))
    strides, ups, pads = [1, 1], [1, 1], [(0, 0), (0, 0)]
    strides[axis - 1], ups[axis - 1] = down, up
    pads[axis - 1] = (padding[0], padding[1] + up - 1)
    return lax.conv_general_dilated(
        x,
        jnp.moveaxis(kernel, 0, axis - 1),
        window_strides=strides,
        padding=pads,
        lhs_dilation=ups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=depth,
    )


def _add_slices(
    x: jax.Array,
    taps: jax.Array,
    *,
    axis: int,
    up: int,
    down: int,
    padding: tuple[int, int],
) -> jax.Array:
    """`_resample` by shifted slices.

    Where nothing is decimated, each of the `up` phases of the output is a correlation
    of the image itself with every `up`-th tap, and no inserted zero is multiplied.
    """
    count = taps.shape[0]
    if up == 1 or down > 1 or count < up:
        ups, pads = [1, 1], [(0, 0), (0, 0)]
        ups[axis - 1], pads[axis - 1] = up, padding
        x = _stuff(x, (ups[0], ups[1]), (pads[0], pads[1]))
        return _correlate(x, taps, axis=axis, step=down)
    size = x.shape[axis]
    length = up * size + sum(padding) - count + 1
    steps = -(-length // up)
    # the first tap of each phase that meets a sample, and the sample that it meets
    firsts = [(padding[0] - phase) % up for phase in range(up)]
    starts = [(p + t - padding[0]) // up for p, t in enumerate(firsts)]
    parts = [taps[first::up] for first in firsts]
    stops = [s + steps + len(p) - 1 for s, p in zip(starts, parts, strict=True)]
    low, high = -min(starts), max(stops) - size
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (max(low, 0), max(high, 0), 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), pads)
    phases = [
        _correlate(
            lax.slice_in_dim(x, s + max(low, 0), e + max(low, 0), axis=axis),
            part,
            axis=axis,
            step=1,
        )
        for s, e, part in zip(starts, stops, parts, strict=True)
    ]
    shape = (*x.shape[:axis], up * steps, *x.shape[axis + 1 :])
    merged = jnp.stack(phases, axis=axis + 1).reshape(shape)
    return lax.slice_in_dim(merged, 0, length, axis=axis)


def _correlate(x: jax.Array, taps: ArrayLike, *, axis: int, step: int) -> jax.Array:
    """Valid correlation with 1-D taps along one axis, every `step`-th sample.

    Shifted slices rather than a convolution: XLA fuses them into one pass over memory,
    where a depthwise convolution on a CPU is many times slower.
    """
    weights = jnp.asarray(taps, x.dtype)
    count = weights.shape[0]
    length = (x.shape[axis] - count) // step + 1
    total = None
    for offset in range(count):
        stop = offset + (length - 1) * step + 1
        term = weights[offset] * lax.slice_in_dim(x, offset, stop, step, axis)
        total = term if total is None else total + term
    assert total is not None
    return total


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
