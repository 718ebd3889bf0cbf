"""StyleGAN2 as NVlabs' stylegan2-ada-pytorch and stylegan3 repositories store it.

Either a pickled network object, which tells every option, or a state dict with the same
names, from which clamp, activation and the mapping's learning rate cannot be read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.entries import Entry
from converters.nvidia_networks import LICENCE, StoredNetwork
from converters.plans import Plan, Source, dense, kernel, override
from converters.stylegan2 import (
    base_size,
    constant_beside,
    count,
    discriminator_shapes,
    discriminator_sources,
    generator_shapes,
    generator_sources,
    judged_size,
    resolution,
    separate,
    size,
)
from jaxlatent.generators import stylegan2, stylegan2_discriminator

ASSUMES = (
    "mapping_rate",
    "clamp",
    "filter",
    "activation",
    "deviation_group",
    "base_size",
)
CONST = "synthesis.b4.const"
SIGNS = (
    CONST,
    "synthesis.b4.conv1.weight",
    "synthesis.b8.conv0.weight",
    "mapping.fc0.weight",
    "mapping.w_avg",
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    if part == "generator" and CONST in entry.tensors:
        return _generator(StoredNetwork(entry), config)
    if part == "discriminator" and "b4.out.weight" in entry.tensors:
        return _discriminator(
            StoredNetwork(entry), constant_beside(entry, CONST), config
        )
    return None


def _generator(network: StoredNetwork, changes: Mapping[str, Any] | None) -> Plan:
    tensors = network.tensors
    channels = []
    while f"synthesis.b{4 << len(channels)}.conv1.weight" in tensors:
        name = f"synthesis.b{4 << len(channels)}.conv1.weight"
        channels.append(size(tensors, name, 0))
    base, last = base_size(tensors, CONST), f"b{2 << len(channels)}"
    layers = count(tensors, "mapping.fc{}.weight")
    labelled = "mapping.embed.weight" in tensors
    embed_dim = size(tensors, "mapping.embed.weight", 0) if labelled else 0
    if "synthesis.b4.torgb.weight" in tensors:
        architecture = "skip"
    else:
        skips = any(name.endswith(".skip.weight") for name in tensors)
        architecture = "resnet" if skips else "orig"
    first = "synthesis.b4.conv1"
    inferred = stylegan2.Config(
        resolution=resolution(base, len(channels)),
        channels=tuple(channels),
        z_dim=size(tensors, "mapping.fc0.weight", 1) - embed_dim,
        w_dim=size(tensors, "mapping.w_avg", 0),
        label_dim=size(tensors, "mapping.embed.weight", 1) if labelled else 0,
        image_channels=size(tensors, f"synthesis.{last}.torgb.weight", 0),
        mapping_layers=layers,
        mapping_width=size(tensors, "mapping.fc0.weight", 0),
        embed_dim=embed_dim,
        mapping_rate=network.attribute(
            "mapping_rate", "mapping.fc0", "bias_gain", 0.01
        ),
        architecture=architecture,
        use_noise=f"{first}.noise_const" in tensors,
        clamp=network.attribute("clamp", first, "conv_clamp", None),
        filter=_filter(network, "synthesis.b8.resample_filter"),
        activation=network.attribute("activation", first, "activation", "lrelu"),
        base_size=base,
    )
    config = override(inferred, changes)

    def layer_source(layer: stylegan2.Layer, parameter: str) -> Source:
        if parameter == "skip.weight":
            return kernel(f"synthesis.{layer.block}.skip.weight")
        name = f"synthesis.{layer.name}.{parameter}"
        if parameter == "weight":
            return kernel(name)
        return dense(name) if parameter == "affine.weight" else Source(name)

    return Plan(
        part="generator",
        family="stylegan2",
        format=network.format,
        config=config,
        assumed=network.assumed,
        tensors=tensors,
        sources=generator_sources(
            config,
            layer_source,
            const=Source(CONST, axes=(1, 2, 0)),
            mean=Source("mapping.w_avg"),
            mapping=lambda index: f"mapping.fc{index}",
            embedding={
                "weight": dense("mapping.embed.weight"),
                "bias": Source("mapping.embed.bias"),
            },
        ),
        shapes=generator_shapes(config),
        ignored=_filters(tensors),
        licence=LICENCE,
    )


def _discriminator(
    network: StoredNetwork,
    drawn: np.ndarray | None,
    changes: Mapping[str, Any] | None,
) -> Plan:
    tensors = network.tensors
    channels = [size(tensors, "b4.fc.weight", 0)]
    while f"b{4 << len(channels)}.conv0.weight" in tensors:
        channels.append(size(tensors, f"b{4 << len(channels)}.conv0.weight", 0))
    base, guessed = judged_size(
        size(tensors, "b4.fc.weight", 1),
        channels[0],
        drawn,
        changes,
    )
    network.assumed |= guessed
    last = f"b{2 << len(channels)}"
    labelled = "mapping.embed.weight" in tensors
    layers = count(tensors, "mapping.fc{}.weight")
    embed_dim = size(tensors, "mapping.embed.weight", 0) if labelled else 0
    if "b4.fromrgb.weight" in tensors:
        architecture = "skip"
    else:
        skips = any(name.endswith(".skip.weight") for name in tensors)
        architecture = "resnet" if skips else "orig"
    first = f"{last}.conv0"
    inferred = stylegan2_discriminator.Config(
        resolution=resolution(base, len(channels)),
        channels=tuple(channels),
        label_dim=size(tensors, "mapping.embed.weight", 1) if labelled else 0,
        image_channels=size(tensors, f"{last}.fromrgb.weight", 1),
        architecture=architecture,
        map_dim=size(tensors, "b4.out.weight", 0) if labelled else 0,
        mapping_layers=layers,
        mapping_width=size(tensors, "mapping.fc0.weight", 0) if layers else embed_dim,
        embed_dim=embed_dim,
        mapping_rate=(
            network.attribute("mapping_rate", "mapping.fc0", "bias_gain", 0.01)
            if layers
            else 0.01
        ),
        deviation_group=network.attribute(
            "deviation_group", "b4.mbstd", "group_size", 4
        ),
        deviation_channels=size(tensors, "b4.conv.weight", 1) - channels[0],
        clamp=network.attribute("clamp", first, "conv_clamp", None),
        filter=_filter(network, f"{last}.resample_filter"),
        activation=network.attribute("activation", first, "activation", "lrelu"),
        base_size=base,
    )
    config = override(inferred, changes)
    return Plan(
        part="discriminator",
        family="stylegan2",
        format=network.format,
        config=config,
        assumed=network.assumed,
        tensors=tensors,
        sources=discriminator_sources(config, lambda name: name),
        shapes=discriminator_shapes(config),
        ignored=_filters(tensors),
        licence=LICENCE,
    )


def _filter(network: StoredNetwork, name: str) -> tuple[float, ...]:
    """The taps stored under `name`."""
    if name in network.tensors:
        return separate(network.tensors[name])
    network.assumed["filter"] = (1.0, 3.0, 3.0, 1.0)
    return network.assumed["filter"]


def _filters(tensors: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name in tensors if name.endswith("resample_filter"))
