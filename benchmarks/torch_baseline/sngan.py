"""SNGAN: residual blocks between batch norms, which are folded to scale and shift."""

from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.torch_baseline.layers import (
    Weights,
    enlarge,
    products,
    spread,
    to_torch,
)
from jaxlatent.generators.biggan_layers import SEED
from jaxlatent.generators.sngan import Config


def load(params: Any, config: Config) -> Weights:
    """Our parameters; a batch norm is its scale and shift."""
    model = to_torch(params["model"])

    def fold(norm: Weights) -> Weights:
        scale = norm["weight"] * torch.rsqrt(norm["running_var"] + config.bn_eps)
        shift = norm["bias"] - norm["running_mean"] * scale
        return {"scale": spread(scale), "shift": spread(shift)}

    for name, _, _ in config.blocks:
        block = model[name]["model"]
        block["0"], block["4"] = fold(block["0"]), fold(block["4"])
    norm, _ = config.last
    model[norm] = fold(model[norm])
    return model


def synthesize(
    weights: Weights, config: Config, latent: torch.Tensor, label: Any = None
) -> torch.Tensor:
    """z [N, D] -> images [N, C, R, R]."""
    del label
    x = F.linear(latent, **weights["0"]).reshape(-1, SEED, SEED, config.channels[0])
    x = x.permute(0, 3, 1, 2).contiguous()
    for name, _, _ in config.blocks:
        block = weights[name]["model"]
        h = enlarge(_activate(x, block["0"]))
        h = F.conv2d(h, **block["3"], padding=1)
        h = F.conv2d(_activate(h, block["4"]), **block["6"], padding=1)
        skip = enlarge(x)
        if "bypass" in weights[name]:
            skip = F.conv2d(skip, **weights[name]["bypass"]["1"], padding=1)
        x = h.add_(skip)
    norm, last = config.last
    return F.conv2d(_activate(x, weights[norm]), **weights[last], padding=1).tanh()


def _activate(x: torch.Tensor, norm: Weights) -> torch.Tensor:
    return torch.addcmul(norm["shift"], x, norm["scale"]).relu_()


def operations(config: Config) -> float:
    """Of one image."""
    seed = SEED * SEED
    total = products(seed, 1, config.z_dim, config.channels[0])
    for index, (_, inputs, outputs) in enumerate(config.blocks):
        pixels = seed * 4 ** (index + 1)
        bypass = inputs if inputs != outputs else 0
        total += products(pixels, 9, inputs + bypass + outputs, outputs)
    last, shown = config.channels[-1], config.image_channels
    return total + products(config.resolution**2, 9, last, shown)
