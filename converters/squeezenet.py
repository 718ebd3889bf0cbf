"""SqueezeNet 1.1 with torchvision's names."""

from collections.abc import Mapping
from typing import Any

from converters.entries import Entry
from converters.heads import find_head, headed_plan
from converters.network_layouts import (
    closest,
    input_settings,
    numbers,
    out_features,
)
from converters.plans import Plan, override
from converters.vgg import TRUNK
from jaxlatent.networks.squeezenet import FIRES, SqueezeNet

ASSUMES = ("mean", "std", "resize")
SIGNS = (
    "features.0.weight",
    "features.3.squeeze.weight",
    "features.3.expand1x1.weight",
    "features.12.expand3x3.weight",
)

LAST = "classifier.1"
PARTS = ("squeeze", "expand1x1", "expand3x3")


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a SqueezeNet's file converts, with its last layer or without; else None.

    Args:
        entry: tensors by dotted name.
        part: "network".
        config: changes of `SqueezeNet`, of its `mean`, `std` or `resize` say.
    """
    tensors = entry.tensors
    fires = numbers(tensors, r"features\.(\d+)\.(?:squeeze|expand).*")
    if part != "network" or not closest(fires, {True: set(FIRES)}):
        return None

    plain = SqueezeNet()
    features = out_features(tensors, "features.12.expand1x1", 256)
    features += out_features(tensors, "features.12.expand3x3", 256)
    head = find_head(entry, TRUNK, (LAST,), features, config, rank=4)
    module = SqueezeNet(
        channels=out_features(tensors, "features.0", plain.channels),
        fires=tuple(
            tuple(
                out_features(tensors, f"features.{index}.{part}", default)
                for part, default in zip(PARTS, fire, strict=True)
            )
            for index, fire in zip(FIRES, plain.fires, strict=True)
        ),
        outputs=head.outputs,
        **input_settings(tensors, "features.0"),
    )
    module = override(module, config)
    return headed_plan(module, head, family="squeezenet")
