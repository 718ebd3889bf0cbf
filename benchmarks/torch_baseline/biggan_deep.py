"""BigGAN-deep: bottleneck blocks that all see the class and the whole of z."""

import math
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.torch_baseline.layers import (
    Weights,
    attend,
    attention_operations,
    enlarge,
    one_hot,
    products,
    spread,
    to_torch,
)
from jaxlatent.generators.biggan_deep import ATTENTION, Config
from jaxlatent.generators.biggan_layers import SEED


def load(params: Any, config: Config, truncation: float = 1.0) -> Weights:
    """Our parameters; the statistics of one truncation as scale and shift."""
    weights = to_torch(params)
    generator = weights["generator"]

    def fold(norm: Weights, eps: float) -> Weights:
        mean, variance = (
            _statistics(norm[name], config, truncation)
            for name in ("running_means", "running_vars")
        )
        rate = torch.rsqrt(variance + eps)
        return {"rate": rate, "start": -mean * rate} | norm

    for module in config.modules:
        if module.block is not None:
            entry = generator["layers"][str(module.number)]
            for name, _ in module.norms:
                entry[name] = fold(entry[name], config.eps)
    generator["bn"] = fold(generator["bn"], config.output_eps)
    last, kept = generator["conv_to_rgb"], config.image_channels
    generator["conv_to_rgb"] = {name: last[name][:kept].clone() for name in last}
    return weights


def _statistics(
    stored: torch.Tensor, config: Config, truncation: float
) -> torch.Tensor:
    """Between two rows, the nearer one has the smaller weight, as published."""
    if not config.n_stats:
        return stored
    last = config.n_stats - 1
    part, whole = math.modf(truncation / (1.0 / last))
    row = int(whole)
    if part == 0:
        return stored[row]
    return part * stored[row] + (1 - part) * stored[min(row + 1, last)]


def synthesize(
    weights: Weights,
    config: Config,
    latent: torch.Tensor,
    label: torch.Tensor | None = None,
) -> torch.Tensor:
    """z [N, D], or rows [N, L, D], and labels -> images [N, C, R, R]."""
    y = F.linear(
        one_hot(label, config.label_dim, latent), weights["embeddings"]["weight"]
    )

    def condition(row: int) -> torch.Tensor:
        z = latent if latent.ndim == 2 else latent[:, row]
        return torch.cat([z, y], 1)

    generator = weights["generator"]
    x = F.linear(condition(0), **generator["gen_z"])
    x = x.reshape(-1, SEED, SEED, config.channels[0]).permute(0, 3, 1, 2).contiguous()
    for module in config.modules:
        entry = generator["layers"][str(module.number)]
        if module.block is None:
            x = attend(x, entry, ATTENTION)
            continue
        c = condition(module.block + 1)
        h, skip = x, x[:, : module.outputs]
        for index in range(4):
            norm = entry[f"bn_{index}"]
            gain = 1 + F.linear(c, norm["scale"]["weight"])
            bias = F.linear(c, norm["offset"]["weight"])
            h = _activate(norm, h, gain, bias)
            if module.up and index == 1:
                h, skip = enlarge(h), enlarge(skip)
            padding = 1 if index in (1, 2) else 0
            h = F.conv2d(h, **entry[f"conv_{index}"], padding=padding)
        x = h.add_(skip)
    norm = generator["bn"]
    x = _activate(norm, x, norm["weight"][None], norm["bias"][None])
    return F.conv2d(x, **generator["conv_to_rgb"], padding=1).tanh()


def _activate(
    norm: Weights, x: torch.Tensor, gain: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    scale, shift = norm["rate"] * gain, norm["start"] * gain + bias
    return torch.addcmul(spread(shift), x, spread(scale)).relu_()


def operations(config: Config) -> float:
    """Of one image; an embedded label costs nothing, it is a row of a table."""
    total = products(SEED * SEED, 1, config.condition_dim, config.channels[0])
    side = SEED
    for module in config.modules:
        if module.block is None:
            total += attention_operations(side, module.inputs)
            continue
        for index, (_, (height, width, *sizes)) in enumerate(module.kernels):
            side *= 2 if module.up and index == 1 else 1
            total += products(side**2, height * width, *sizes)
        norms = sum(channels for _, channels in module.norms)
        total += products(1, 1, config.condition_dim, 2 * norms)
    last, shown = config.channels[-1], config.image_channels
    return total + products(side**2, 9, last, shown)
