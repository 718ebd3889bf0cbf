"""AlexNet with torchvision's names."""

from collections.abc import Mapping
from functools import partial
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
from converters.vgg import PLACES
from jaxlatent.networks.alexnet import CONVOLUTIONS, SIDE, AlexNet

ASSUMES = ("mean", "std", "resize")


def plan(
    checkpoint: Checkpoint, *, part: str, config: Mapping[str, Any] | None
) -> Plan | None:
    """How an AlexNet's file converts, with dense layers or without; None if it is none.

    Args:
        checkpoint: a file of tensors by dotted name.
        part: "network".
        config: changes of `AlexNet`, of its `mean`, `std` or `resize` say.
    """
    tensors = state_dict(checkpoint.tensors)
    known = PLACES | {"alexnet": set(CONVOLUTIONS)}
    places = numbers(tensors, r"features\.(\d+)\.weight")
    if part != "network" or closest(places, known) != "alexnet":
        return None

    found = partial(out_features, tensors)

    plain = AlexNet()
    layers = (f"features.{index}" for index in CONVOLUTIONS)
    module = AlexNet(
        channels=tuple(map(found, layers, plain.channels)),
        hidden=tuple(map(found, ("classifier.1", "classifier.4"), plain.hidden)),
        outputs=outputs(tensors, "classifier.6"),
        **input_settings(tensors, "features.0"),
    )
    module = override(module, config)
    image = (module.channels[-1], SIDE, SIDE)
    tree = image_network_shapes(module)
    return image_network_plan(
        module,
        tree,
        family="alexnet",
        tensors=tensors,
        sources=sources(tree, images={"classifier.1": image}),
    )
