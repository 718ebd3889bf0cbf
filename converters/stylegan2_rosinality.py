"""StyleGAN2 as rosinality's stylegan2-pytorch stores it, converted or trained.

`latent_avg`, the mean w, lies beside the generator, in encoders' files once for every
row of w+; training snapshots lack it, and some old files the noise maps. Convolutions
are scaled by 1 / sqrt(fan in) before demodulation, which the conversion applies.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.entries import Entry
from converters.plans import Plan, Source, dense, kernel, override
from converters.stylegan2 import (
    add_mean,
    add_noise,
    base_size,
    constant_beside,
    count,
    discriminator_shapes,
    discriminator_sources,
    fan_in_gain,
    generator_shapes,
    generator_sources,
    judged_size,
    resolution,
    separate,
    size,
)
from jaxlatent.generators import stylegan2, stylegan2_discriminator
from jaxlatent.types import CheckpointError, Params

ASSUMES = ("mapping_rate", "w_avg", "noise_const", "deviation_group", "base_size")
CONST = "input.input"
SIGNS = (
    CONST,
    "conv1.conv.modulation.weight",
    "conv1.conv.weight",
    "convs.0.conv.weight",
    "to_rgb1.conv.weight",
    "style.1.weight",
)

FORMAT = "rosinality"


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    if part == "generator" and "conv1.conv.modulation.weight" in tensors:
        return _generator(entry, config)
    if part == "discriminator" and "final_conv.0.weight" in tensors:
        return _discriminator(tensors, constant_beside(entry, CONST), config)
    return None


def _generator(entry: Entry, changes: Mapping[str, Any] | None) -> Plan:
    tensors: dict[str, np.ndarray] = dict(entry.tensors)
    wavelets = any(".iwt." in name or name.startswith("iwt.") for name in tensors)
    if wavelets and size(tensors, "to_rgb1.conv.weight", 1) == 12:
        raise CheckpointError(
            "a SWAGAN generator, which draws wavelet coefficients and is not supported"
        )
    blocks = count(tensors, "to_rgbs.{}.conv.weight")
    channels = [size(tensors, "conv1.conv.weight", 1)]
    channels += [
        size(tensors, f"convs.{2 * block + 1}.conv.weight", 1)
        for block in range(blocks)
    ]
    base = base_size(tensors, CONST)
    width = size(tensors, "style.1.weight", 1)
    inferred = stylegan2.Config(
        resolution=resolution(base, len(channels)),
        channels=tuple(channels),
        z_dim=width,
        w_dim=size(tensors, "conv1.conv.modulation.weight", 1),
        image_channels=size(tensors, "to_rgb1.conv.weight", 1),
        # style.0 is a normalisation without parameters
        mapping_layers=count(tensors, "style.{}.weight", start=1),
        mapping_width=size(tensors, "style.1.weight", 0),
        embed_dim=0,
        filter=separate(tensors["convs.0.conv.blur.kernel"])
        if "convs.0.conv.blur.kernel" in tensors
        else (1.0, 3.0, 3.0, 1.0),
        base_size=base,
    )
    config = override(inferred, changes)
    assumed: dict[str, Any] = {"mapping_rate": config.mapping_rate}
    guesses: tuple[str, ...] = ()
    mean = entry.near("latent_avg")
    if mean is not None:
        tensors["latent_avg"], guesses = _mean(mean, config.w_dim)
    sources = generator_sources(
        config,
        _layer_source,
        const=Source(CONST, axes=(1, 2, 0), leading=1),
        mean=Source("latent_avg"),
        mapping=lambda index: f"style.{index + 1}",
        embedding={},
    )
    complete = []
    if "latent_avg" not in tensors:
        del sources["mapping.w_avg"]
        assumed["w_avg"] = "mean of 4096 mapped codes"
        complete.append(add_mean)
    if not any(name.startswith("noises.") for name in tensors):
        sources = {k: v for k, v in sources.items() if not k.endswith("noise_const")}
        assumed["noise_const"] = "drawn from a standard normal"
        complete.append(add_noise)

    def fill(params: Params, config: stylegan2.Config) -> Params:
        for step in complete:
            params = step(params, config)
        return params

    return Plan(
        part="generator",
        family="stylegan2",
        format=FORMAT,
        config=config,
        assumed=assumed,
        tensors=tensors,
        sources=sources,
        shapes=generator_shapes(config),
        ignored=_kernels(tensors),
        complete=fill,
        guesses=guesses,
    )


def _mean(stored: np.ndarray, width: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The mean w, stored once or once for every row of w+; and a guess, if any."""
    if stored.shape[-1:] != (width,):
        return stored.reshape(-1), ()
    rows = stored.reshape(-1, width)
    if (rows == rows[:1]).all() or not np.isfinite(rows).all():
        return rows[0], ()
    mean = rows.astype(np.float64).mean(axis=0)
    return mean, (f"the {len(rows)} rows of latent_avg differ; w_avg is their mean",)


def _layer_source(layer: stylegan2.Layer, parameter: str) -> Source:
    level = layer.row // 2
    if layer.rgb:
        module = f"to_rgbs.{level - 1}" if level else "to_rgb1"
    else:
        module = f"convs.{layer.row - 1}" if layer.row else "conv1"
    match parameter:
        case "weight":
            gain = 1.0 if layer.rgb else fan_in_gain(layer)
            return kernel(f"{module}.conv.weight", leading=1, gain=gain)
        case "bias" if layer.rgb:
            return Source(f"{module}.bias", leading=1, trailing=2)
        case "bias":
            return Source(f"{module}.activate.bias")
        case "affine.weight":
            return dense(f"{module}.conv.modulation.weight")
        case "affine.bias":
            return Source(f"{module}.conv.modulation.bias")
        case "noise_const":
            return Source(f"noises.noise_{layer.row}", leading=2)
        case "noise_strength":
            return Source(f"{module}.noise.weight", leading=1)
    raise AssertionError(parameter)


def _discriminator(
    tensors: Mapping[str, np.ndarray],
    drawn: np.ndarray | None,
    changes: Mapping[str, Any] | None,
) -> Plan:
    channels = [size(tensors, "final_conv.0.weight", 0)]
    blocks = count(tensors, "convs.{}.conv1.0.weight", start=1)
    channels += [
        size(tensors, f"convs.{block}.conv1.0.weight", 0)
        for block in range(blocks, 0, -1)
    ]
    base, guessed = judged_size(
        size(tensors, "final_linear.0.weight", 1),
        channels[0],
        drawn,
        changes,
    )
    config = override(
        stylegan2_discriminator.Config(
            resolution=resolution(base, len(channels)),
            channels=tuple(channels),
            image_channels=size(tensors, "convs.0.0.weight", 1),
            deviation_channels=size(tensors, "final_conv.0.weight", 1) - channels[0],
            base_size=base,
        ),
        changes,
    )
    block_names = {
        "conv0.weight": "conv1.0.weight",
        "conv0.bias": "conv1.1.bias",
        "conv1.weight": "conv2.1.weight",
        "conv1.bias": "conv2.2.bias",
        "skip.weight": "skip.1.weight",
    }
    last_names = {
        "b4.conv.weight": "final_conv.0.weight",
        "b4.conv.bias": "final_conv.1.bias",
        "b4.fc.weight": "final_linear.0.weight",
        "b4.fc.bias": "final_linear.0.bias",
        "b4.out.weight": "final_linear.1.weight",
        "b4.out.bias": "final_linear.1.bias",
    }

    def name(ours: str) -> str:
        if ours in last_names:
            return last_names[ours]
        block, parameter = ours.split(".", 1)
        if parameter.startswith("fromrgb"):
            return f"convs.0.{'0.weight' if parameter.endswith('weight') else '1.bias'}"
        number = blocks + 3 - int(block[1:]).bit_length()
        return f"convs.{number + 1}.{block_names[parameter]}"

    return Plan(
        part="discriminator",
        family="stylegan2",
        format=FORMAT,
        config=config,
        assumed={"deviation_group": config.deviation_group} | guessed,
        tensors=tensors,
        sources=discriminator_sources(config, name),
        shapes=discriminator_shapes(config),
        ignored=_kernels(tensors),
    )


def _kernels(tensors: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name in tensors if name.endswith(".kernel"))
