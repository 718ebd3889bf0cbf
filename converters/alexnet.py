"""AlexNet with torchvision's names."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from converters.pictures import (
    closest,
    features,
    numbers,
    outputs,
    picture_plan,
    shapes,
    sources,
    state,
    width,
)
from converters.plans import Plan, override
from converters.vgg import PLACES
from jaxlatent.networks.alexnet import CONVOLUTIONS, SIDE, AlexNet


def plan(
    checkpoint: Mapping[str, Any], *, part: str, config: Mapping[str, Any] | None
) -> Plan | None:
    """How an AlexNet's file converts, with dense layers or without; None if it is none.

    Args:
        checkpoint: tensors by dotted name.
        part: "network".
        config: changes of `AlexNet`, of its `mean`, `std` or `resize` say.
    """
    tensors = state(checkpoint)
    known = PLACES | {"alexnet": set(CONVOLUTIONS)}
    places = numbers(tensors, r"features\.(\d+)\.weight")
    if part != "network" or closest(places, known) != "alexnet":
        return None

    found = partial(features, tensors)

    plain = AlexNet()
    layers = (f"features.{index}" for index in CONVOLUTIONS)
    module = AlexNet(
        channels=tuple(map(found, layers, plain.channels)),
        hidden=tuple(map(found, ("classifier.1", "classifier.4"), plain.hidden)),
        outputs=outputs(tensors, "classifier.6"),
        input_channels=width(tensors, ("features.0.weight", 1), default=3),
    )
    module = override(module, config)
    image = (module.channels[-1], SIDE, SIDE)
    tree = shapes(module, (1, 64, 64, module.input_channels))
    return picture_plan(
        module,
        64,
        family="alexnet",
        tensors=tensors,
        sources=sources(tree, images={"classifier.1": image}),
    )
