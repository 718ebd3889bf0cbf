"""U-Nets of milesial/Pytorch-UNet, among them GANLatentDiscovery's `segmentation.pth`.

Those of bilinear upsampling, which has no weights.
"""

import re
from collections.abc import Mapping
from typing import Any

from converters.entries import Entry
from converters.network_layouts import (
    Tensors,
    length,
    numbers,
    out_features,
    shapes,
    sources,
    width,
)
from converters.plans import Plan, override
from jaxlatent.networks.unet import UNet

ASSUMES = ("resolution",)
SIGNS = (
    "inc.double_conv.0.weight",
    "down1.maxpool_conv.1.double_conv.0.weight",
    "up1.conv.double_conv.0.weight",
    "outc.conv.weight",
)

FORMAT = "milesial/Pytorch-UNet"

_PLACES = {"down": "maxpool_conv.1", "up": "conv"}


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a U-Net's file converts; None if it is none.

    Args:
        entry: tensors by dotted name.
        part: "network".
        config: `{"resolution": ...}` for one that was trained on other pictures.
    """
    tensors = entry.tensors
    if part != "network" or sum(name in tensors for name in SIGNS) < 3:
        return None
    levels = length({0} | numbers(tensors, r"down(\d+)\.maxpool_conv\..*"))
    names = ["inc", *(f"down{level}" for level in range(1, levels))]
    module = UNet(
        outputs=out_features(tensors, "outc.conv", 2),
        image_channels=width(tensors, ("inc.double_conv.0.weight", 1), default=3),
        channels=tuple(_channels(tensors, _file_name(name)) for name in names),
    )
    module = override(module, config)
    side = 2 ** (len(module.channels) - 1)
    tree = shapes(module, (1, side, side, module.image_channels))
    return Plan(
        part=part,
        family="unet",
        format=FORMAT,
        config=module,
        assumed={"resolution": module.resolution},
        tensors=tensors,
        sources=sources(tree, rename=_file_name),
        shapes=tree,
    )


def _channels(tensors: Tensors, layer: str) -> int:
    """Outputs of two convolutions, as most of their tensors have it."""
    kinds = ("weight", "bias", "running_mean", "running_var")
    layers = (f"{layer}.double_conv.{index}" for index in (0, 1, 3, 4))
    places = ((f"{one}.{kind}", 0) for one in layers for kind in kinds)
    return width(tensors, *places, default=64)


def _file_name(layer: str) -> str:
    """Our name of a layer -> the file's."""
    if layer == "outc":
        return "outc.conv"
    return re.sub(
        r"^(down|up)(\d+)", lambda match: f"{match[0]}.{_PLACES[match[1]]}", layer
    )
