"""VGG without batch norm: torchvision's files, and genforce's perceptual model."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from converters.entries import Entry
from converters.heads import Head, find_head, headed_plan
from converters.network_layouts import (
    Tensors,
    closest,
    image_network_plan,
    image_network_shapes,
    input_settings,
    numbers,
    out_features,
    sources,
    width,
)
from converters.plans import Plan, kernel, override
from jaxlatent.networks.alexnet import CONVOLUTIONS
from jaxlatent.networks.vgg import DEPTHS, HEAD, SIDE, VGG

ASSUMES = ("mean", "std", "resize")
SIGNS = (
    "features.0.weight",
    "features.5.weight",
    "features.10.weight",
    "classifier.0.weight",
    "classifier.6.weight",
)

MEAN = tuple(value / 255 for value in (123.68, 116.779, 103.939))
"""Of Keras' weights, red, green, blue."""

STD = (1 / 255,) * 3

TRUNK = re.compile(r"features\.")
LAYERS = tuple(f"classifier.{index}" for index in HEAD)


def indices(blocks: tuple[int, ...]) -> list[list[int]]:
    """The places of each block's convolutions in `features`."""
    found, index = [], 0
    for count in blocks:
        found.append([index + 2 * i for i in range(count)])
        index += 2 * count + 1
    return found


PLACES: dict[int | str, set[int]] = {
    depth: {index for block in indices(blocks) for index in block}
    for depth, blocks in DEPTHS.items()
}


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a VGG's file converts, with dense layers or without; None if it is none.

    Args:
        entry: tensors by dotted name; genforce's are `layer0.weight`
            and so on.
        part: "network".
        config: changes of `VGG`, of its `mean`, `std` or `resize` say.
    """
    tensors = entry.tensors
    if part != "network":
        return None
    known = PLACES | {"alexnet": set(CONVOLUTIONS)}
    depth = closest(numbers(tensors, r"features\.(\d+)\.weight"), known)
    if isinstance(depth, int):
        return _torchvision(entry, DEPTHS[depth], config)
    layers = numbers(tensors, r"layer(\d+)\.weight")
    return _genforce(tensors, config) if closest(layers, {16: PLACES[16]}) else None


def _torchvision(
    entry: Entry, blocks: tuple[int, ...], config: Mapping[str, Any] | None
) -> Plan:
    plain, tensors = VGG(), entry.tensors
    channels = _channels(tensors, blocks, "features.")
    head = find_head(entry, TRUNK, LAYERS, channels[-1] * SIDE**2, config)
    module = VGG(
        blocks=blocks,
        channels=channels,
        hidden=hidden(head, plain.hidden),
        outputs=head.outputs,
        **input_settings(tensors, "features.0"),
    )
    module = override(module, config)
    image = (module.channels[-1], SIDE, SIDE)
    first = LAYERS[-len(head.layers) :][0]
    return headed_plan(module, head, family="vgg", images={first: image})


def hidden(head: Head, plain: tuple[int, ...]) -> tuple[int, ...]:
    """Widths of the dense layers before the last; `plain` without a head."""
    if not head.layers:
        return plain
    missing = plain[: len(head.layers) - 1]
    return tuple(map(partial(out_features, head.tensors), head.layers[:-1], missing))


def _genforce(tensors: Tensors, config: Mapping[str, Any] | None) -> Plan:
    blocks = DEPTHS[16]
    module = VGG(channels=_channels(tensors, blocks, "layer"), outputs=None)
    module = override(module.clone(mean=MEAN, std=STD), config)
    tree = image_network_shapes(module)
    found = sources(tree, rename=lambda name: name.replace("features.", "layer"))
    first = kernel("layer0.weight", change=_red_first)
    return image_network_plan(
        module,
        tree,
        family="vgg",
        format="genforce perceptual model",
        tensors=tensors,
        sources=found | {"features_0.kernel": first},
    )


def _channels(
    tensors: Tensors, blocks: tuple[int, ...], prefix: str
) -> tuple[int, ...]:
    return tuple(
        width(
            tensors,
            *((f"{prefix}{index}.{kind}", 0) for index in block for kind in _KINDS),
            default=default,
        )
        for block, default in zip(indices(blocks), VGG().channels, strict=True)
    )


_KINDS = ("weight", "bias")


def _red_first(weight: np.ndarray) -> np.ndarray:
    """A kernel [h, w, in, out] for RGB instead of BGR."""
    return weight[:, :, ::-1]
