"""AlexNet with torchvision's names."""

from collections.abc import Mapping
from functools import partial
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
from converters.vgg import PLACES, TRUNK, hidden
from jaxlatent.networks.alexnet import CONVOLUTIONS, HEAD, SIDE, AlexNet

ASSUMES = ("mean", "std", "resize")
SIGNS = (
    "features.0.weight",
    "features.3.weight",
    "features.6.weight",
    "features.8.weight",
    "features.10.weight",
)

LAYERS = tuple(f"classifier.{index}" for index in HEAD)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How an AlexNet's file converts, with dense layers or without; None if it is none.

    Args:
        entry: tensors by dotted name.
        part: "network".
        config: changes of `AlexNet`, of its `mean`, `std` or `resize` say.
    """
    tensors = entry.tensors
    known = PLACES | {"alexnet": set(CONVOLUTIONS)}
    places = numbers(tensors, r"features\.(\d+)\.weight")
    if part != "network" or closest(places, known) != "alexnet":
        return None

    found = partial(out_features, tensors)

    plain = AlexNet()
    layers = (f"features.{index}" for index in CONVOLUTIONS)
    channels = tuple(map(found, layers, plain.channels))
    head = find_head(entry, TRUNK, LAYERS, channels[-1] * SIDE**2, config)
    module = AlexNet(
        channels=channels,
        hidden=hidden(head, plain.hidden),
        outputs=head.outputs,
        **input_settings(tensors, "features.0"),
    )
    module = override(module, config)
    image = (module.channels[-1], SIDE, SIDE)
    first = LAYERS[-len(head.layers) :][0]
    return headed_plan(module, head, family="alexnet", images={first: image})
