"""MemNet of GANalyze: a Caffe network's weights with PyTorch's axes.

`memnet_state_dict.p` is a pickle of Python 2; a copy that PyTorch or safetensors wrote
does as well. The mean image is in a file of its own: see `with_mean_image`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax

from converters.entries import Entry
from converters.network_layouts import out_features, shapes, sources
from converters.plans import Plan, override
from jaxlatent.networks.memnet import RESOLUTION, MemNet, mean_images
from jaxlatent.types import Params

ASSUMES = ("mean_image", "clip")
SIGNS = (
    "conv1.weight",
    "conv2.weight",
    "conv5.weight",
    "fc6.weight",
    "fc7.weight",
    "fc8.weight",
)

CONVOLUTIONS = tuple(f"conv{index}" for index in range(1, 6))
DENSE = ("fc6", "fc7", "fc8")


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a MemNet's file converts; None if it is none.

    Args:
        entry: tensors by dotted name.
        part: "network".
        config: `{"clip": ...}` to let scores leave [0, 1].
    """
    tensors = entry.tensors
    found = sum(f"{layer}.weight" in tensors for layer in (*CONVOLUTIONS, *DENSE))
    if part != "network" or found < len((*CONVOLUTIONS, *DENSE)) - 1:
        return None

    outputs = partial(out_features, tensors)

    plain = MemNet()
    module = MemNet(
        channels=tuple(map(outputs, CONVOLUTIONS, plain.channels)),
        hidden=tuple(map(outputs, DENSE[:2], plain.hidden)),
    )
    module = override(module, config)
    tree = shapes(module, (1, RESOLUTION, RESOLUTION, 3))
    layers = {name: leaf for name, leaf in tree.items() if name != "mean_image"}
    return Plan(
        part=part,
        family="memnet",
        format="GANalyze",
        config=module,
        assumed={"mean_image": "the mean of each channel", "clip": module.clip},
        tensors=tensors,
        sources=sources(layers, images={"fc6": (module.channels[-1], 6, 6)}),
        shapes=tree,
        complete=_add_mean,
    )


def _add_mean(params: Params, config: MemNet) -> Params:
    shape = (RESOLUTION, RESOLUTION, 3)
    dtype = params["conv1"]["kernel"].dtype
    return params | {"mean_image": mean_images(jax.random.key(0), shape, dtype)}
