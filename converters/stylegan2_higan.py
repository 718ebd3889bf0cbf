"""StyleGAN2 as HiGAN and mGANprior store it, with dense layers called "fc".

Kernels are stored [h, w, in, out], mirrored where they double the resolution. Style
biases lack the one that is added at run time, convolutions are scaled by 1 / sqrt(fan
in); the conversion applies all three. The truncation that the originals apply by
default is not in the file, and left to `truncate`.
"""

from collections.abc import Mapping
from typing import Any

from converters.entries import Entry
from converters.plans import Plan, Source, dense, override
from converters.progressive import blocks, numbers
from converters.stylegan2 import (
    base_size,
    fan_in_gain,
    generator_shapes,
    generator_sources,
    resolution,
    separate,
    size,
)
from jaxlatent.generators import stylegan2

ASSUMES = ("mapping_rate",)

SIGNS = (
    "synthesis.early_layer.const",
    "synthesis.layer0.style.fc.weight",
    "synthesis.layer0.noise_strength",
    "mapping.dense0.fc.weight",
    "truncation.w_avg",
)

SIGNATURE = "synthesis.early_layer.const"


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    if part != "generator" or SIGNATURE not in tensors or not has_fc(tensors):
        return None
    base = base_size(tensors, SIGNATURE)
    last = blocks(numbers(tensors, "synthesis.layer")) - 1
    channels = [
        size(tensors, f"synthesis.layer{2 * level}.weight", 3)
        for level in range(last + 1)
    ]
    images = numbers(tensors, "synthesis.output")
    filters = sorted(name for name in tensors if name.endswith(".kernel"))
    inferred = stylegan2.Config(
        resolution=resolution(base, last + 1),
        channels=tuple(channels),
        z_dim=size(tensors, "mapping.dense0.fc.weight", 1),
        w_dim=size(tensors, "truncation.w_avg", 0),
        image_channels=size(tensors, f"synthesis.output{last}.weight", 3),
        mapping_layers=len(numbers(tensors, "mapping.dense")),
        mapping_width=size(tensors, "mapping.dense0.fc.weight", 0),
        embed_dim=0,
        architecture="skip" if images - {last} else "orig",
        filter=separate(tensors[filters[0]]) if filters else (1.0, 3.0, 3.0, 1.0),
        base_size=base,
    )
    found = override(inferred, config)
    sources = generator_sources(
        found,
        _layer_source,
        const=Source(SIGNATURE, axes=(1, 2, 0), leading=1),
        mean=Source("truncation.w_avg"),
        mapping=lambda index: f"mapping.dense{index}",
        embedding={},
    )
    for index in range(found.mapping_layers):
        weight = dense(f"mapping.dense{index}.fc.weight")
        sources[f"mapping.fc{index}.weight"] = weight
    return Plan(
        part="generator",
        family="stylegan2",
        format="HiGAN",
        config=found,
        assumed={"mapping_rate": found.mapping_rate},
        tensors=tensors,
        sources=sources,
        shapes=generator_shapes(found),
        ignored=frozenset(filters) | {"truncation.truncation"} & tensors.keys(),
    )


def has_fc(tensors: Mapping[str, Any]) -> bool:
    """Whether dense layers keep their weights in a module "fc"."""
    return any(name.endswith(".fc.weight") for name in tensors)


def _layer_source(layer: stylegan2.Layer, parameter: str) -> Source:
    kind = "output" if layer.rgb else "layer"
    number = layer.row // 2 if layer.rgb else layer.row
    module = f"synthesis.{kind}{number}"
    match parameter:
        case "weight":
            gain = 1.0 if layer.rgb else fan_in_gain(layer)
            return Source(f"{module}.weight", gain=gain, flip=layer.up)
        case "affine.weight":
            return dense(f"{module}.style.fc.weight")
        case "affine.bias":
            return Source(f"{module}.style.bias", offset=1.0)
        case "noise_const":
            return Source(f"{module}.noise", leading=2)
    return Source(f"{module}.{parameter}")
