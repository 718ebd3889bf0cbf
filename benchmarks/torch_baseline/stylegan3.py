"""StyleGAN3 synthesis, configuration T: one shared kernel, separable filters."""

import math
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.torch_baseline.layers import Weights, products, spread, to_torch
from jaxlatent.generators.stylegan3 import Config, Layer, layers

GAIN = math.sqrt(2)
"""That of the leaky ReLU."""


def load(params: Any, config: Config) -> Weights:
    """Our parameters, gains folded in; filters are mirrored."""
    tree = to_torch(params["synthesis"])
    entry = tree["input"]
    width = config.channels[0]
    weights: Weights = {
        "input": _affine(entry, config)
        | {name: entry[name] for name in ("freqs", "phases", "transform")}
        | {"weight": entry["weight"] / math.sqrt(width)}
    }
    for layer in layers(config):
        entry = tree[layer.name]
        weight, magnitude = entry["weight"], entry["magnitude_ema"]
        found = _affine(entry, config) | {"bias": spread(entry["bias"])}
        if layer.rgb:
            fan_in = layer.inputs * layer.kernel**2
            weight = weight * torch.rsqrt(magnitude * fan_in)
        else:
            weight = weight * torch.rsqrt(weight.square().mean((1, 2, 3), keepdim=True))
            # dividing by the norm and by the root of the magnitude at once
            found["energy"] = weight.square().sum((2, 3)) * magnitude
            found["floor"] = (1e-8 * magnitude).expand(layer.outputs)
        for name in ("up_filter", "down_filter"):
            if name in entry and entry[name].ndim != 1:
                raise ValueError("radial: given; configuration T is accepted")
            found[name] = entry[name].flip(0) if name in entry else None
        weights[layer.name] = found | {"weight": weight}
    return weights


def _affine(entry: Any, config: Config) -> Weights:
    affine = entry["affine"]
    return {
        "affine": affine["weight"] / math.sqrt(config.w_dim),
        "offset": affine["bias"],
    }


def synthesize(
    weights: Weights, config: Config, latent: torch.Tensor, label: Any = None
) -> torch.Tensor:
    """w [N, D] or w+ [N, L, D] -> images [N, C, R, R]."""
    del label
    rows = latent
    if latent.ndim == 2:
        rows = latent[:, None].expand(-1, config.num_layers, -1)
    x = _waves(weights["input"], config, rows[:, 0])
    for layer in layers(config):
        entry = weights[layer.name]
        style = F.linear(rows[:, layer.row], entry["affine"], entry["offset"])
        if not layer.rgb:
            style = style * torch.rsqrt(style.square().mean())
        y = F.conv2d(x * spread(style), entry["weight"], padding=layer.kernel - 1)
        if layer.rgb:
            y = y.add_(entry["bias"])
        else:
            power = F.linear(style.square(), entry["energy"], entry["floor"])
            norm = torch.rsqrt(power)
            y = torch.addcmul(entry["bias"], y, spread(norm))
        x = _filtered(y, entry, layer, config.clamp)
    return x * config.output_scale


def _waves(entry: Weights, config: Config, w: torch.Tensor) -> torch.Tensor:
    """The input [N, C, S, S]."""
    style = F.linear(w, entry["affine"], entry["offset"])
    style = style / style[:, :2].norm(dim=1, keepdim=True)
    cosine, sine, x, y = style.unbind(1)
    plane = torch.stack(
        [cosine, -sine, sine * y - cosine * x, sine, cosine, -sine * x - cosine * y], 1
    )
    plane = plane.reshape(-1, 2, 3) @ entry["transform"]
    waves = entry["freqs"] @ plane  # [N, C, 3]
    phases = entry["phases"] + waves[:, :, 2]
    band, rate, size = config.first_cutoff, config.rates[0], config.sizes[0]
    amplitude = 1 - (waves[:, :, :2].norm(dim=2) - band) / (rate / 2 - band)
    line = (torch.arange(size, dtype=w.dtype) + 0.5 - size / 2) / rate
    across = waves[:, :, 0, None, None] * line
    down = waves[:, :, 1, None, None] * line[:, None]
    turns = across + down + spread(phases)
    x = torch.sin(2 * math.pi * turns) * spread(amplitude.clamp(0, 1))
    return torch.einsum("nchw,cd->ndhw", x, entry["weight"].T)


def _filtered(
    x: torch.Tensor, entry: Weights, layer: Layer, clamp: float | None
) -> torch.Tensor:
    """Up, the leaky ReLU, down."""
    x = resample(x, entry["up_filter"], layer.up, 1, layer.padding, layer.up)
    if not layer.rgb:
        x = F.leaky_relu_(x, 0.2).mul_(GAIN)
    if clamp is not None:
        x = x.clamp_(-clamp, clamp)
    return resample(x, entry["down_filter"], 1, layer.down, (0, 0), 1)


def resample(
    x: torch.Tensor,
    taps: torch.Tensor | None,
    up: int,
    down: int,
    padding: tuple[int, int],
    gain: float,
) -> torch.Tensor:
    """Stuff with zeros, pad, filter and decimate along both axes."""
    for axis in (2, 3):
        if up > 1:
            shape = list(x.shape)
            shape.insert(axis + 1, up)
            stuffed = x.new_zeros(shape)
            stuffed.select(axis + 1, 0).copy_(x)
            x = stuffed.flatten(axis, axis + 1)
        low, high = padding
        if low or high:
            x = F.pad(x, (0, 0, low, high) if axis == 2 else (low, high))
        if taps is not None:
            kernel = (taps * gain).reshape((-1, 1) if axis == 2 else (1, -1))
            kernel = kernel.expand(x.shape[1], 1, *kernel.shape)
            stride = (down, 1) if axis == 2 else (1, down)
            x = F.conv2d(x, kernel, stride=stride, groups=x.shape[1])
    return x


def operations(config: Config) -> float:
    """Of one image, without the filters."""
    pixels, width = config.sizes[0] ** 2, config.channels[0]
    total = products(pixels, 1, width, width)
    total += products(1, 1, config.w_dim, 4) + products(1, 1, width + 3, 6)
    for layer in layers(config):
        side = config.sizes[max(layer.row - 2, 0)] + layer.kernel - 1
        total += products(side**2, layer.kernel**2, layer.inputs, layer.outputs)
        total += products(1, 1, config.w_dim, layer.inputs)
        if not layer.rgb:  # what demodulation adds up
            total += products(1, 1, layer.inputs, layer.outputs)
    return total
