"""ResNets with torchvision's names, whatever they were trained for."""

from collections.abc import Mapping
from typing import Any

from converters.checkpoints import Checkpoint
from converters.network_layouts import (
    Tensors,
    image_network_plan,
    image_network_shapes,
    input_settings,
    numbers,
    outputs,
    sources,
    state_dict,
    width,
)
from converters.plans import Plan, override
from jaxlatent.networks.resnet import ResNet

ASSUMES = ("mean", "std", "resize")

STAGES = (1, 2, 3, 4)

_NORM = ("weight", "bias", "running_mean", "running_var")


def plan(
    checkpoint: Checkpoint, *, part: str, config: Mapping[str, Any] | None
) -> Plan | None:
    """How a ResNet's file converts; None if it is none.

    The last layer may be called `fc`, or `last_linear`.

    Args:
        checkpoint: a file of tensors by dotted name, or an entry `state_dict` or
            `model` of them.
        part: "network".
        config: changes of `ResNet`, of its `mean`, `std` or `resize` say.
    """
    tensors = state_dict(checkpoint.tensors)
    if part != "network" or not recognised(tensors):
        return None
    last = "last_linear" if "last_linear.weight" in tensors else "fc"
    module = ResNet(
        **architecture(tensors),
        bottleneck=bottlenecks(tensors),
        outputs=outputs(tensors, last),
        **input_settings(tensors, "conv1"),
    )
    module = override(module, config)
    tree = image_network_shapes(module)
    return image_network_plan(
        module,
        tree,
        family="resnet",
        tensors=tensors,
        sources=sources(tree, rename=lambda name: last if name == "fc" else name),
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
        max(numbers(tensors, rf"{prefix}layer{stage}\.(\d+)\..*"), default=0) + 1
        for stage in STAGES
    )
    stem = [(f"{prefix}conv1.weight", 0)]
    stem += [(f"{prefix}bn1.{kind}", 0) for kind in _NORM]
    channels = [width(tensors, *stem, default=64)]
    for stage, count in zip(STAGES, blocks, strict=True):
        places = []
        # a file of one block with a huge number must not make a list as long
        for index in range(min(count, 64)):
            block = f"{prefix}layer{stage}.{index}"
            places += [(f"{block}.conv1.weight", 0), (f"{block}.conv2.weight", 0)]
            places += [(f"{block}.bn1.{kind}", 0) for kind in _NORM]
        channels.append(width(tensors, *places, default=32 * 2**stage))
    return {"blocks": blocks, "channels": tuple(channels)}
