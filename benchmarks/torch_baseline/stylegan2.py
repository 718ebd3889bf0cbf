"""StyleGAN2 synthesis: inputs scaled, one shared kernel, outputs scaled."""

import math
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.torch_baseline.layers import (
    Weights,
    as_kernels,
    depthwise,
    products,
    spread,
    to_torch,
    transposed,
    upsample,
)
from jaxlatent.generators.stylegan2 import Config, layers

GAIN = math.sqrt(2)
"""That of the leaky ReLU, the one activation that this module knows."""


def load(params: Any, config: Config) -> Weights:
    """Our parameters, gains folded in, and the filter."""
    if config.activation != "lrelu":
        raise ValueError(
            f"activation: {config.activation!r} given; 'lrelu' is accepted"
        )
    tree = to_torch(params["synthesis"])
    weights: Weights = {
        "const": tree["b4"]["const"],
        "filter": as_kernels(config.filter, 4.0).to(tree["b4"]["const"].dtype),
    }
    for layer in layers(config):
        block = tree[layer.block]
        entry = block[layer.kind]
        weight, affine = entry["weight"], entry["affine"]
        found = {
            "affine": affine["weight"] / math.sqrt(config.w_dim),
            "offset": affine["bias"],
            "bias": spread(entry["bias"]),
        }
        if layer.rgb:
            found["weight"] = weight / math.sqrt(layer.inputs)
        else:
            found["weight"] = transposed(weight) if layer.up else weight
            found["energy"] = weight.square().sum((2, 3))
            if config.use_noise:
                found["noise"] = entry["noise_const"] * entry["noise_strength"]
        if layer.up and config.architecture == "resnet":
            found["skip"] = block["skip"]["weight"] * math.sqrt(0.5 / layer.inputs)
        weights[layer.name] = found
    return weights


def synthesize(
    weights: Weights,
    config: Config,
    latent: torch.Tensor,
    label: Any = None,
    *,
    functional: bool = False,
) -> torch.Tensor:
    """w [N, D] or w+ [N, L, D] -> images [N, C, H, W].

    A functional one writes over nothing, as derivatives of it need.
    """
    del label
    add = torch.Tensor.add if functional else torch.Tensor.add_
    multiply = torch.Tensor.mul if functional else torch.Tensor.mul_
    leaky_relu = F.leaky_relu if functional else F.leaky_relu_
    clamp = torch.Tensor.clamp if functional else torch.Tensor.clamp_
    taps = len(config.filter)
    x = weights["const"].expand(latent.shape[0], -1, -1, -1)
    image = shortcut = None
    for layer in layers(config):
        entry = weights[layer.name]
        w = latent if latent.ndim == 2 else latent[:, layer.row]
        style = F.linear(w, entry["affine"], entry["offset"])
        scaled = x * spread(style)
        if layer.rgb:
            y = F.conv2d(scaled, entry["weight"], entry["bias"].flatten())
            if config.clamp is not None:
                y = y.clamp(-config.clamp, config.clamp)
            image = y if image is None else upsample(image, weights["filter"]) + y
            continue
        if "skip" in entry:
            shortcut = upsample(F.conv2d(x, entry["skip"]), weights["filter"])
        if layer.up:
            y = F.conv_transpose2d(scaled, entry["weight"], stride=2)
            before, after = (taps + 1) // 2 - 1, taps // 2 - 1
            y = depthwise(y, weights["filter"], before, after)
        else:
            y = F.conv2d(scaled, entry["weight"], padding=1)
        norm = torch.rsqrt(F.linear(style.square(), entry["energy"]) + 1e-8)
        y = multiply(y, spread(norm))
        if config.use_noise:
            y = add(y, entry["noise"])
        merges = shortcut is not None and layer.kind == "conv1"
        gain = GAIN * (math.sqrt(0.5) if merges else 1.0)
        x = multiply(leaky_relu(add(y, entry["bias"]), 0.2), gain)
        if config.clamp is not None:
            bound = config.clamp * gain / GAIN
            x = clamp(x, -bound, bound)
        if merges:
            x, shortcut = x + shortcut, None
    assert image is not None
    return image.tanh() if config.final_tanh else image


def operations(config: Config) -> float:
    """Of one image."""
    total = 0.0
    for layer in layers(config):
        pixels = math.prod(layer.size)
        size, skip = layer.inputs, layer.outputs
        if layer.up:
            # nine products of every pixel of the small image
            pixels //= 4
            if config.architecture == "resnet":
                total += products(pixels, 1, size, skip)
        total += products(pixels, 1 if layer.rgb else 9, size, layer.outputs)
        total += products(1, 1, config.w_dim, size)
    return total
