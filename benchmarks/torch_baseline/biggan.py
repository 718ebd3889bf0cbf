"""BigGAN: residual blocks whose batch norms see the class and a part of z."""

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
from jaxlatent.generators.biggan import ATTENTION, Config
from jaxlatent.generators.biggan_layers import SEED


def load(params: Any, config: Config) -> Weights:
    """Our parameters; statistics as scale and shift."""
    weights = to_torch(params)

    def fold(norm: Weights, eps: float) -> Weights:
        mean, variance = norm["stored_mean"], norm["stored_var"]
        if config.standing:
            count = norm["accumulation_counter"]
            mean, variance = mean / count, variance / count
        scale = torch.rsqrt(variance + eps)
        return norm | {"scale": scale, "shift": -mean * scale}

    for block in config.blocks:
        entry = weights["blocks"][str(block.index)]["0"]
        for name, _ in block.norms:
            entry[name] = fold(entry[name], config.bn_eps)
    last = weights["output_layer"]
    last["0"] = fold(last["0"], config.output_eps)
    return weights


def synthesize(
    weights: Weights,
    config: Config,
    latent: torch.Tensor,
    label: torch.Tensor | None = None,
) -> torch.Tensor:
    """z [N, D] and labels -> images [N, C, R, R]."""
    y = one_hot(label, config.label_dim, latent)
    if config.embed_dim:
        y = F.linear(y, weights["shared"]["weight"])
    step = config.chunk
    x = F.linear(latent[:, :step], **weights["linear"])
    x = x.reshape(-1, SEED, SEED, config.channels[0]).permute(0, 3, 1, 2).contiguous()
    for block in config.blocks:
        entry = weights["blocks"][str(block.index)]
        condition = y
        if config.hierarchical:
            start = (block.index + 1) * step
            condition = torch.cat([y, latent[:, start : start + step]], 1)
        x = _block(entry["0"], config, x, condition)
        if block.resolution in config.attention:
            x = attend(x, entry["1"], ATTENTION)
    norm, last = weights["output_layer"]["0"], weights["output_layer"]["2"]
    x = _activate(norm, config, x, norm["gain"][None], norm["bias"][None])
    return F.conv2d(x, **last, padding=1).tanh()


def _block(
    entry: Weights, config: Config, x: torch.Tensor, condition: torch.Tensor
) -> torch.Tensor:
    def activate(name: str, h: torch.Tensor) -> torch.Tensor:
        norm = entry[name]
        gain = 1 + F.linear(condition, norm["gain"]["weight"])
        bias = F.linear(condition, norm["bias"]["weight"])
        return _activate(norm, config, h, gain, bias)

    h = F.conv2d(enlarge(activate("bn1", x)), **entry["conv1"], padding=1)
    h = F.conv2d(activate("bn2", h), **entry["conv2"], padding=1)
    # one pixel sees one pixel, so that the skip may be repeated afterwards
    return h.add_(enlarge(F.conv2d(x, **entry["conv_sc"])))


def _activate(
    norm: Weights,
    config: Config,
    x: torch.Tensor,
    gain: torch.Tensor,
    bias: torch.Tensor,
) -> torch.Tensor:
    scale, shift = norm["scale"][None], norm["shift"][None]
    if config.additive_gain:
        shift = shift + gain + bias
    else:
        scale, shift = scale * gain, shift * gain + bias
    return torch.addcmul(spread(shift), x, spread(scale)).relu_()


def operations(config: Config) -> float:
    """Of one image; an embedded label costs nothing, it is a row of a table."""
    total = products(SEED * SEED, 1, config.chunk, config.channels[0])
    for block in config.blocks:
        inputs, outputs = block.inputs, block.outputs
        pixels = block.resolution**2
        total += products(pixels, 9, inputs + outputs, outputs)
        total += products(pixels // 4, 1, inputs, outputs)
        total += products(1, 1, config.condition_dim, 2 * (inputs + outputs))
        if block.resolution in config.attention:
            total += attention_operations(block.resolution, outputs)
    last, shown = config.channels[-1], config.image_channels
    return total + products(config.resolution**2, 9, last, shown)
