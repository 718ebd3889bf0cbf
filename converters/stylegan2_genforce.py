"""StyleGAN2 as genforce's repositories (genforce, SeFa, ReSeFa) store it.

Style biases lack the one that is added at run time, upsampling kernels are mirrored,
convolutions are scaled by 1 / sqrt(fan in); the conversion applies all three.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converters import genforce
from converters.entries import Entry
from converters.plans import Plan, Source, dense, kernel, override
from converters.stylegan2 import (
    base_size,
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
from converters.stylegan2_higan import has_fc
from jaxlatent.generators import stylegan2, stylegan2_discriminator

ASSUMES = ("mapping_rate", "final_tanh", "deviation_group", "base_size")
SIGNS = (
    "synthesis.early_layer.const",
    "synthesis.layer0.weight",
    "synthesis.output0.weight",
    "mapping.dense0.weight",
    "truncation.w_avg",
)

FORMAT = "genforce"
SIGNATURE = "synthesis.early_layer.const"


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    if part == "generator" and SIGNATURE in tensors and not has_fc(tensors):
        return _generator(tensors, config)
    if part == "discriminator" and genforce.is_discriminator(tensors):
        generator = genforce.generator_beside(entry, SIGNATURE)
        if generator is not None:
            return _discriminator(tensors, generator, config)
    return None


def _label_dim(tensors: Mapping[str, np.ndarray]) -> int:
    if "mapping.label_weight" in tensors:
        return size(tensors, "mapping.label_weight", 0)
    if "mapping.LabelEmbed.weight" in tensors:
        return size(tensors, "mapping.LabelEmbed.weight", 1)
    return 0


def _generator(
    tensors: Mapping[str, np.ndarray], changes: Mapping[str, Any] | None
) -> Plan:
    convolutions = count(tensors, "synthesis.layer{}.weight")
    channels = [
        size(tensors, f"synthesis.layer{index}.weight", 0)
        for index in range(0, convolutions, 2)
    ]
    base, last = base_size(tensors, SIGNATURE), len(channels) - 1
    label_dim = _label_dim(tensors)
    joint = "mapping.label_weight" in tensors
    if joint:
        embed_dim = size(tensors, "mapping.label_weight", 1)
    else:
        embed_dim = size(tensors, "mapping.LabelEmbed.weight", 0) if label_dim else 0
    filters = [tensors[name] for name in sorted(_kernels(tensors))]
    inferred = stylegan2.Config(
        resolution=resolution(base, len(channels)),
        channels=tuple(channels),
        z_dim=size(tensors, "mapping.dense0.weight", 1) - embed_dim,
        w_dim=size(tensors, "truncation.w_avg", 0),
        label_dim=label_dim,
        image_channels=size(tensors, f"synthesis.output{last}.weight", 0),
        mapping_layers=count(tensors, "mapping.dense{}.weight"),
        mapping_width=size(tensors, "mapping.dense0.weight", 0),
        embed_dim=embed_dim,
        joint_normalization=joint,
        architecture="skip" if "synthesis.output0.weight" in tensors else "orig",
        use_noise="synthesis.layer0.noise" in tensors,
        filter=separate(filters[0]) if filters else (1.0, 3.0, 3.0, 1.0),
        base_size=base,
    )
    config = override(inferred, changes)
    label_embedding = (
        {"weight": Source("mapping.label_weight")}
        if joint
        else {
            "weight": dense("mapping.LabelEmbed.weight"),
            "bias": Source("mapping.LabelEmbed.bias"),
        }
    )
    return Plan(
        part="generator",
        family="stylegan2",
        format=FORMAT if not label_dim or joint else "genforce (ADA flavour)",
        config=config,
        assumed={
            "mapping_rate": config.mapping_rate,
            "final_tanh": config.final_tanh,
        },
        tensors=tensors,
        sources=generator_sources(
            config,
            _layer_source,
            const=Source(SIGNATURE, axes=(1, 2, 0), leading=1),
            mean=Source("truncation.w_avg"),
            mapping=lambda index: f"mapping.dense{index}",
            embedding=label_embedding,
        ),
        shapes=generator_shapes(config),
        ignored=_kernels(tensors),
    )


def _layer_source(layer: stylegan2.Layer, parameter: str) -> Source:
    image = layer.rgb
    module = f"output{layer.row // 2}" if image else f"layer{layer.row}"
    module = f"synthesis.{module}"
    match parameter:
        case "weight":
            gain = 1.0 if image else fan_in_gain(layer)
            return kernel(f"{module}.weight", gain=gain, flip=layer.up)
        case "bias" | "noise_strength":
            return Source(f"{module}.{parameter}")
        case "affine.weight":
            return dense(f"{module}.style.weight")
        case "affine.bias":
            return Source(f"{module}.style.bias", offset=1.0)
        case "noise_const":
            return Source(f"{module}.noise", leading=2)
    raise AssertionError(parameter)


def _discriminator(
    tensors: Mapping[str, np.ndarray],
    generator: Mapping[str, np.ndarray],
    changes: Mapping[str, Any] | None,
) -> Plan:
    layers = count(tensors, "layer{}.weight")
    blocks = (layers - 3) // 2
    widths = [size(tensors, f"layer{2 * index}.weight", 0) for index in range(blocks)]
    last = size(tensors, f"layer{2 * blocks}.weight", 0)
    if "input1.weight" in tensors:
        architecture = "skip"
    else:
        architecture = "resnet" if "skip_layer0.weight" in tensors else "orig"
    base, guessed = judged_size(
        size(tensors, f"layer{2 * blocks + 1}.weight", 1),
        last,
        generator[SIGNATURE],
        changes,
    )
    inferred = stylegan2_discriminator.Config(
        resolution=resolution(base, blocks + 1),
        channels=(last, *reversed(widths)),
        label_dim=_label_dim(generator),
        image_channels=size(tensors, "input0.weight", 1),
        architecture=architecture,
        conditioning="select",
        deviation_channels=size(tensors, f"layer{2 * blocks}.weight", 1) - last,
        base_size=base,
    )
    config = override(inferred, changes)

    def name(ours: str) -> str:
        block, module, parameter = ours.split(".")
        number = blocks + 3 - int(block[1:]).bit_length()
        theirs = {
            "fromrgb": f"input{number}",
            "conv0": f"layer{2 * number}",
            "conv1": f"layer{2 * number + 1}",
            "skip": f"skip_layer{number}",
            "conv": f"layer{2 * blocks}",
            "fc": f"layer{2 * blocks + 1}",
            "out": f"layer{2 * blocks + 2}",
        }
        return f"{theirs[module]}.{parameter}"

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
