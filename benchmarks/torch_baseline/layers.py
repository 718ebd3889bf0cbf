"""Layers that the PyTorch families share, on images [N, C, H, W]."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import torch
import torch.nn.functional as F

from jaxlatent.generators.progressive import Growing, last_level

Weights = dict[str, Any]
"""Tensors by our parameters' names."""


def to_torch(params: Any) -> Any:
    """Our parameters as tensors, weights as [out, in] or [O, I, h, w].

    Constants become [1, C, H, W]; everything else keeps its axes.
    """

    def convert(path: tuple[Any, ...], leaf: jax.Array) -> torch.Tensor:
        array, name = np.asarray(leaf), path[-1].key
        if name == "weight":
            axes = (
                (3, 2, 0, 1) if array.ndim == 4 else tuple(reversed(range(array.ndim)))
            )
            array = array.transpose(axes)
        elif name == "const":
            array = array.transpose(2, 0, 1)[None]
        return torch.tensor(np.array(array, order="C"))

    return jax.tree_util.tree_map_with_path(convert, params)


def spread(values: torch.Tensor) -> torch.Tensor:
    """Values of channels, [C] or [N, C], against images."""
    return values.reshape(-1, values.shape[-1], 1, 1)


def enlarge(x: torch.Tensor, factor: int = 2) -> torch.Tensor:
    """Every pixel, `factor` times each way."""
    return x if factor == 1 else F.interpolate(x, scale_factor=factor, mode="nearest")


def normalize(x: torch.Tensor) -> torch.Tensor:
    """Mean square of one over the channels."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def compose(images: Mapping[int, torch.Tensor], config: Growing) -> torch.Tensor:
    """The picture of a growing network from its levels' images."""
    last, fading = last_level(config)
    image = images[last]
    if fading:
        image = (1 - fading) * image + fading * enlarge(images[last - 1])
    return enlarge(image, 2 ** (len(config.channels) - 1 - last))


def as_kernels(taps: tuple[float, ...], gain: float = 1.0) -> torch.Tensor:
    """A 1-D filter of sum 1 as a mirrored image [n, n] of sum `gain`."""
    line = np.asarray(taps, np.float64)[::-1] / np.sum(taps)
    return torch.tensor(np.outer(line, line) * gain)


def depthwise(
    x: torch.Tensor, kernel: torch.Tensor, before: int, after: int
) -> torch.Tensor:
    """Pad both axes, or crop where negative, and correlate every channel."""
    channels = x.shape[1]
    padding = before if before == after >= 0 else 0
    if before != after or before < 0:
        x = F.pad(x, (before, after, before, after))
    kernel = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    return F.conv2d(x, kernel, padding=padding, groups=channels)


def upsample(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Twice the resolution: zeros between the samples, then the filter."""
    count, channels, height, width = x.shape
    stuffed = x.new_zeros(count, channels, height, 2, width, 2)
    stuffed[:, :, :, 0, :, 0] = x
    taps = kernel.shape[0]
    return depthwise(
        stuffed.reshape(count, channels, 2 * height, 2 * width),
        kernel,
        (taps + 1) // 2,
        (taps - 2) // 2,
    )


def transposed(weight: torch.Tensor) -> torch.Tensor:
    """[O, I, h, w] as `conv_transpose2d` takes it."""
    return weight.transpose(0, 1).contiguous()


def fused_kernel(weight: torch.Tensor) -> torch.Tensor:
    """A 3 x 3 kernel [O, I, 3, 3] as the 4 x 4 one of a fused upsampling layer.

    It is the sum of the kernel's four shifts, for `conv_transpose2d` of stride 2.
    """
    wide = F.pad(weight, (1, 1, 1, 1))
    shifts = wide[..., 1:, 1:] + wide[..., :-1, 1:] + wide[..., 1:, :-1]
    return transposed(shifts + wide[..., :-1, :-1])


def attend(x: torch.Tensor, entry: Weights, names: Mapping[str, str]) -> torch.Tensor:
    """Self-attention with keys and values pooled 2 x 2, plus its input."""

    def project(name: str) -> torch.Tensor:
        y = F.conv2d(x, entry[names[name]]["weight"])
        return (y if name == "query" else F.max_pool2d(y, 2)).flatten(2)

    likeness = project("query").transpose(1, 2) @ project("key")
    found = project("value") @ likeness.softmax(-1).transpose(1, 2)
    found = found.reshape(x.shape[0], -1, *x.shape[2:])
    return x + entry["gamma"] * F.conv2d(found, entry[names["out"]]["weight"])


def one_hot(
    label: torch.Tensor | None, classes: int, like: torch.Tensor
) -> torch.Tensor:
    """Labels, int [N] or weights [N, C], as weights."""
    assert label is not None
    if label.ndim == 1:
        label = F.one_hot(label.long(), classes)
    return label.to(like.dtype)


def products(pixels: int, taps: int, inputs: int, outputs: int) -> float:
    """Operations of a convolution: two for every product."""
    return 2.0 * pixels * taps * inputs * outputs


def attention_operations(resolution: int, channels: int) -> float:
    """Operations of `attend`: four projections and two products of matrices."""
    pixels, narrow, half = resolution**2, channels // 8, channels // 2
    projections = products(pixels, 1, channels, 2 * narrow + 2 * half)
    return projections + products(pixels, 1, pixels // 4, narrow + half)
