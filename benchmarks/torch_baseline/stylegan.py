"""StyleGAN (1) synthesis: convolution, noise, instance norm, style."""

import math
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.torch_baseline.layers import (
    Weights,
    as_kernels,
    compose,
    depthwise,
    enlarge,
    fused_kernel,
    products,
    spread,
    to_torch,
)
from jaxlatent.generators.progressive import image_levels
from jaxlatent.generators.stylegan import Config, layers


def load(params: Any, config: Config) -> Weights:
    """Our parameters at the scale they have when they run, and the filter."""
    tree = to_torch(params["synthesis"])
    const = tree["layer0"]["const"]
    weights: Weights = {
        "const": const,
        "filter": as_kernels(config.filter).to(const.dtype),
    }
    for layer in layers(config):
        entry = tree[layer.name]
        noise, style = entry["apply_noise"], entry["style"]
        found = {
            "noise": noise["noise"],
            "strength": spread(noise["weight"]),
            "bias": spread(entry["bias"]),
            "affine": style["weight"] / math.sqrt(config.w_dim),
            "offset": style["bias"],
        }
        if layer.index:
            weight = entry["weight"] * math.sqrt(2 / (9 * layer.inputs))
            fused = layer.up and layer.fused
            found["weight"] = fused_kernel(weight) if fused else weight
        weights[layer.name] = found
    for level in image_levels(config):
        weight, bias = (tree[f"output{level}"][name] for name in ("weight", "bias"))
        found = {"weight": weight / math.sqrt(weight.shape[1]), "bias": bias}
        weights[f"output{level}"] = found
    return weights


def synthesize(
    weights: Weights, config: Config, latent: torch.Tensor, label: Any = None
) -> torch.Tensor:
    """w [N, D] or w+ [N, L, D] -> images [N, C, R, R]."""
    del label
    taps = len(config.filter)
    x = weights["const"].expand(latent.shape[0], -1, -1, -1)
    images = {}
    for layer in layers(config):
        entry = weights[layer.name]
        if layer.up:
            if layer.fused:
                x = F.conv_transpose2d(x, entry["weight"], stride=2, padding=1)
            else:
                x = F.conv2d(enlarge(x), entry["weight"], padding=1)
            x = depthwise(x, weights["filter"], taps // 2, (taps - 1) // 2)
        elif layer.index:
            x = F.conv2d(x, entry["weight"], padding=1)
        x = torch.addcmul(x, entry["noise"], entry["strength"]).add_(entry["bias"])
        x = F.leaky_relu_(x, 0.2)
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        w = latent if latent.ndim == 2 else latent[:, layer.index]
        style = F.linear(w, entry["affine"], entry["offset"])
        scale, shift = (spread(half) for half in style.chunk(2, dim=1))
        scale = (1 + scale) * torch.rsqrt(variance + 1e-8)
        x = torch.addcmul(shift - mean * scale, x, scale)
        level = layer.index // 2
        if layer.index % 2 and level in image_levels(config):
            images[level] = F.conv2d(x, **weights[f"output{level}"])
    image = compose(images, config)
    return image.tanh() if config.final_tanh else image


def operations(config: Config) -> float:
    """Of one image."""
    total = 0.0
    for layer in layers(config):
        pixels = math.prod(layer.size)
        if layer.index:
            taps = 4 if layer.up and layer.fused else 9
            total += products(pixels, taps, layer.inputs, layer.outputs)
        total += products(1, 1, config.w_dim, 2 * layer.outputs)
        if layer.index % 2 and layer.index // 2 in image_levels(config):
            total += products(pixels, 1, layer.outputs, config.image_channels)
    return total
