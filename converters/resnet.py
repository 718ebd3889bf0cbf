"""ResNets with torchvision's names, whatever they were trained for."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from converters.entries import Entry
from converters.heads import find_head, headed_plan
from converters.network_layouts import (
    Tensors,
    described_settings,
    input_settings,
    length,
    numbers,
    width,
)
from converters.plans import Plan, override
from jaxlatent.networks.resnet import EXPANSION, ResNet

ASSUMES = ("mean", "std", "resize")
SIGNS = (
    "conv1.weight",
    "bn1.weight",
    "layer1.0.conv1.weight",
    "layer2.0.conv1.weight",
    "layer3.0.conv1.weight",
    "layer4.0.conv1.weight",
    "fc.weight",
)

STAGES = (1, 2, 3, 4)
TRUNK = re.compile(r"(conv1|bn1|layer[1-4])\.")

_NORM = ("weight", "bias", "running_mean", "running_var")


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a ResNet's file converts; None if it is none.

    The mean and deviation of colours are those of a timm `config.json` beside it. The
    last layer may have any name, and lie beside the others or around them.

    Args:
        entry: tensors by dotted name.
        part: "network".
        config: changes of `ResNet`, of its `mean`, `std` or `resize` say.
    """
    tensors = entry.tensors
    if part != "network" or not recognised(tensors):
        return None
    described = described_settings(entry.description)
    sizes, deep = architecture(tensors), bottlenecks(tensors)
    features = sizes["channels"][-1] * (EXPANSION if deep else 1)
    last = "last_linear" if "last_linear.weight" in tensors else "fc"
    head = find_head(entry, TRUNK, (last,), features, config)
    module = ResNet(
        **sizes,
        bottleneck=deep,
        outputs=head.outputs,
        **input_settings(tensors, "conv1") | described,
    )
    module = override(module, config)
    head = replace(head, names={"fc": head.names.get(last, last)})
    guesses = head.guesses + _rater(entry, module, last)
    found = headed_plan(module, head, family="resnet", guesses=guesses)
    assumed = {n: v for n, v in found.assumed.items() if n not in described}
    return replace(found, assumed=assumed)


def _rater(entry: Entry, module: ResNet, last: str) -> tuple[str, ...]:
    """A word of EmoNet where a network that differs from it in nothing is read."""
    under = entry.name.rpartition(".")[2] == "model" and last == "last_linear"
    if entry.asked or not (under and module.bottleneck and module.outputs == 1):
        return ()
    return (
        "a ResNet with one output called model.last_linear is read as what it is; the "
        "argument family = emonet takes it for GANalyze's EmoNet",
    )


def recognised(tensors: Tensors, prefix: str = "") -> bool:
    """Whether the tensors are a ResNet's."""
    stem = (f"{prefix}conv1.weight", f"{prefix}bn1.weight")
    blocks = (f"{prefix}layer{stage}.0.conv1.weight" for stage in STAGES)
    return any(name in tensors for name in stem) and any(
        name in tensors for name in blocks
    )


def bottlenecks(tensors: Tensors, prefix: str = "") -> bool:
    """Whether its blocks have three convolutions."""
    return any(f"{prefix}layer{stage}.0.conv3.weight" in tensors for stage in STAGES)


def architecture(tensors: Tensors, prefix: str = "") -> dict[str, Any]:
    """`blocks` and `channels` of a ResNet."""
    blocks = tuple(
        length(numbers(tensors, rf"{prefix}layer{stage}\.(\d+)\..*"))
        for stage in STAGES
    )
    stem = [(f"{prefix}conv1.weight", 0)]
    stem += [(f"{prefix}bn1.{kind}", 0) for kind in _NORM]
    channels = [width(tensors, *stem, default=64)]
    for stage, count in zip(STAGES, blocks, strict=True):
        places = []
        for index in range(count):
            block = f"{prefix}layer{stage}.{index}"
            places += [(f"{block}.conv1.weight", 0), (f"{block}.conv2.weight", 0)]
            places += [(f"{block}.bn1.{kind}", 0) for kind in _NORM]
        channels.append(width(tensors, *places, default=32 * 2**stage))
    return {"blocks": blocks, "channels": tuple(channels)}
