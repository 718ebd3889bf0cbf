"""SqueezeNet 1.1 with torchvision's names."""

from collections.abc import Mapping
from typing import Any

from converters.checkpoints import Checkpoint
from converters.network_layouts import (
    closest,
    entrance,
    features,
    numbers,
    outputs,
    picture_plan,
    picture_shapes,
    sources,
    state,
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
        checkpoint: tensors by dotted name.
        part: "network".
        config: changes of `SqueezeNet`, of its `mean`, `std` or `resize` say.
    """
    tensors = state(checkpoint.tensors)
    fires = numbers(tensors, r"features\.(\d+)\.(?:squeeze|expand).*")
    if part != "network" or not closest(fires, {True: set(FIRES)}):
        return None

    plain = SqueezeNet()
    module = SqueezeNet(
        channels=features(tensors, "features.0", plain.channels),
        fires=tuple(
            tuple(
                features(tensors, f"features.{index}.{part}", default)
                for part, default in zip(PARTS, fire, strict=True)
            )
            for index, fire in zip(FIRES, plain.fires, strict=True)
        ),
        outputs=outputs(tensors, "classifier.1"),
        **entrance(tensors, "features.0"),
    )
    module = override(module, config)
    tree = picture_shapes(module)
    return picture_plan(
        module, tree, family="squeezenet", tensors=tensors, sources=sources(tree)
    )
