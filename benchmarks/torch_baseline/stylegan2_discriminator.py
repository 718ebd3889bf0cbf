"""StyleGAN2's discriminator, unconditional and residual, as a frozen network runs."""

import math
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.torch_baseline.layers import Weights, as_kernels, spread, to_torch
from jaxlatent.generators.stylegan2_discriminator import Config

GAIN = math.sqrt(2)


def load(params: Any, config: Config) -> Weights:
    """Our parameters, gains folded in, and the filter."""
    if config.architecture != "resnet" or config.label_dim:
        raise ValueError("config: an unconditional residual discriminator is accepted")
    tree = to_torch(params)
    for block in tree.values():
        for name, entry in block.items():
            weight = entry["weight"]
            gain = weight[0].numel() ** -0.5
            gain *= math.sqrt(0.5) if name == "skip" else 1.0
            entry["weight"] = weight * gain
    kernel = as_kernels(config.filter).float()
    return tree | {"filter": kernel}


def discriminate(
    weights: Weights, config: Config, images: torch.Tensor
) -> torch.Tensor:
    """[N, 3, H, W] -> logits [N]."""
    x = images
    for level in reversed(range(1, len(config.channels))):
        block = weights[f"b{4 << level}"]
        if "fromrgb" in block:
            x = _activate(F.conv2d(x, block["fromrgb"]["weight"]), block["fromrgb"])
        y = _activate(F.conv2d(x, block["conv0"]["weight"], padding=1), block["conv0"])
        y = F.conv2d(
            _filtered(y, weights["filter"], 2), block["conv1"]["weight"], stride=2
        )
        y = _activate(y, block["conv1"], math.sqrt(0.5))
        x = y + F.conv2d(
            _filtered(x, weights["filter"], 1, stride=2), block["skip"]["weight"]
        )
    block = weights["b4"]
    x = torch.cat([x, _deviation(x, config)], 1)
    x = _activate(F.conv2d(x, block["conv"]["weight"], padding=1), block["conv"])
    # dense weights count their inputs by row, column, channel
    x = x.permute(0, 2, 3, 1).flatten(1)
    x = F.linear(x, block["fc"]["weight"], block["fc"]["bias"])
    x = F.leaky_relu(x, 0.2) * GAIN
    return F.linear(x, block["out"]["weight"], block["out"]["bias"])[:, 0]


def _activate(x: torch.Tensor, entry: Weights, gain: float = 1.0) -> torch.Tensor:
    return F.leaky_relu(x + spread(entry["bias"]), 0.2) * (GAIN * gain)


def _filtered(
    x: torch.Tensor, kernel: torch.Tensor, padding: int, stride: int = 1
) -> torch.Tensor:
    channels = x.shape[1]
    kernel = kernel.expand(channels, 1, *kernel.shape)
    return F.conv2d(x, kernel, padding=padding, stride=stride, groups=channels)


def _deviation(x: torch.Tensor, config: Config) -> torch.Tensor:
    """How much the samples of a group differ, as feature maps."""
    count, channels, height, width = x.shape
    group = min(config.deviation_group or count, count)
    maps = config.deviation_channels
    y = x.reshape(group, -1, maps, channels // maps, height, width)
    y = (y - y.mean(0)).square().mean(0).add(1e-8).sqrt().mean((2, 3, 4))
    return y.reshape(-1, maps, 1, 1).repeat(group, 1, height, width)
