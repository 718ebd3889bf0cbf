"""SqueezeNet 1.1 with torchvision's names."""

from collections.abc import Mapping
from typing import Any

from converters.checkpoints import Checkpoint
from converters.network_layouts import (
    closest,
    image_network_plan,
    image_network_shapes,
    input_settings,
    numbers,
    out_features,
    outputs,
    sources,
    state_dict,
)
from converters.plans import Plan, override
from jaxlatent.networks.squeezenet import FIRES, SqueezeNet

ASSUMES = ("mean", "std", "resize")

PARTS = ("squeeze", "expand1x1", "expand3x3")


def plan(
    checkpoint: Checkpoint, *, part: str, config: Mapping[str, Any] | None
) -> Plan | None:
    """How a SqueezeNet's file converts, with its last layer or without; else None.

    Args:
        checkpoint: a file of tensors by dotted name.
        part: "network".
        config: changes of `SqueezeNet`, of its `mean`, `std` or `resize` say.
    """
    tensors = state_dict(checkpoint.tensors)
    fires = numbers(tensors, r"features\.(\d+)\.(?:squeeze|expand).*")
    if part != "network" or not closest(fires, {True: set(FIRES)}):
        return None

    plain = SqueezeNet()
    module = SqueezeNet(
        channels=out_features(tensors, "features.0", plain.channels),
        fires=tuple(
            tuple(
                out_features(tensors, f"features.{index}.{part}", default)
                for part, default in zip(PARTS, fire, strict=True)
            )
            for index, fire in zip(FIRES, plain.fires, strict=True)
        ),
        outputs=outputs(tensors, "classifier.1"),
        **input_settings(tensors, "features.0"),
    )
    module = override(module, config)
    tree = image_network_shapes(module)
    return image_network_plan(
        module, tree, family="squeezenet", tensors=tensors, sources=sources(tree)
    )
