"""ProGAN: pixel norms, repeated pixels, convolutions."""

import math
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.torch_baseline.layers import (
    Weights,
    compose,
    enlarge,
    fused_kernel,
    normalize,
    one_hot,
    products,
    to_torch,
    transposed,
)
from jaxlatent.generators.progan import Config
from jaxlatent.generators.progressive import image_levels, last_level


def load(params: Any, config: Config) -> Weights:
    """Our parameters at the scale they have when they run."""
    weights = to_torch(params)
    for name, entry in weights.items():
        weight = entry["weight"]
        gain = 1.0 if name.startswith("output") else math.sqrt(2)
        weight = weight * (gain / math.sqrt(weight[0].numel()))
        if name == "layer0":
            # one pixel, padded by three: the kernel mirrored, once
            weight = transposed(weight.flip(2, 3))
        elif config.fused_scale and name.startswith("layer") and _up(int(name[5:])):
            weight = fused_kernel(weight)
        entry["weight"] = weight
    return weights


def synthesize(
    weights: Weights,
    config: Config,
    latent: torch.Tensor,
    label: torch.Tensor | None = None,
) -> torch.Tensor:
    """z [N, D] -> images [N, C, R, R]."""
    last, _ = last_level(config)
    x = normalize(latent) if config.normalize_z else latent
    if config.label_dim:
        x = torch.cat([x, one_hot(label, config.label_dim, x)], 1)
    x = x[..., None, None]
    images = {}
    for index in range(2 * last + 2):
        entry = weights[f"layer{index}"]
        weight, bias = entry["weight"], entry["bias"]
        x = normalize(x)
        if index == 0:
            x = F.conv_transpose2d(x, weight, bias)
        elif _up(index) and config.fused_scale:
            x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1)
        else:
            x = F.conv2d(enlarge(x) if _up(index) else x, weight, bias, padding=1)
        x = F.leaky_relu_(x, 0.2)
        level = index // 2
        if index % 2 and level in image_levels(config):
            images[level] = F.conv2d(normalize(x), **weights[f"output{level}"])
    image = compose(images, config)
    return image.tanh() if config.final_tanh else image


def operations(config: Config) -> float:
    """Of one image."""
    last, _ = last_level(config)
    inputs, total = config.z_dim + config.label_dim, 0.0
    for index in range(2 * last + 2):
        level = index // 2
        pixels, outputs = (4 << level) ** 2, config.channels[level]
        taps = 4 if _up(index) and config.fused_scale else 9 if index else 1
        total += products(pixels, taps, inputs, outputs)
        if index % 2 and level in image_levels(config):
            total += products(pixels, 1, outputs, config.image_channels)
        inputs = outputs
    return total


def _up(index: int) -> bool:
    return index > 0 and index % 2 == 0
