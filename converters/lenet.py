"""The MNIST classifier of csinva/gan-vae-pretrained-pytorch."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from converters.entries import Entry
from converters.plans import Plan, Source, dense, kernel, override
from jaxlatent.networks.lenet import RESOLUTION, LeNet

ASSUMES = ("fit",)
SIGNS = (
    "convnet.c1.weight",
    "convnet.c3.weight",
    "convnet.c5.weight",
    "fc.f6.weight",
    "fc.f7.weight",
)

FORMAT = "csinva/gan-vae-pretrained-pytorch mnist_classifier"

_WEIGHTS = {
    "c1": kernel("convnet.c1.weight"),
    "c3": kernel("convnet.c3.weight"),
    "c5": kernel("convnet.c5.weight"),
    "f6": dense("fc.f6.weight"),
    "f7": dense("fc.f7.weight"),
}
_SOURCES = {f"{layer}.kernel": weight for layer, weight in _WEIGHTS.items()} | {
    f"{layer}.bias": Source(weight.name.replace("weight", "bias"))
    for layer, weight in _WEIGHTS.items()
}


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """Plan the conversion of a LeNet; None if the file is none.

    Args:
        entry: tensors by dotted name.
        part: "network".
        config: `{"fit": ...}` to change how images come to 32 x 32 pixels.

    Raises:
        ValueError: for another value that LeNet does not have.
    """
    tensors = entry.tensors
    if part != "network" or not all(
        source.name in tensors for source in _SOURCES.values()
    ):
        return None
    module = override(LeNet(), config)
    images = jnp.zeros((1, RESOLUTION, RESOLUTION, 1))
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), images))
    return Plan(
        part=part,
        family="lenet",
        format=FORMAT,
        config=module,
        assumed={} if config else {"fit": module.fit},
        tensors=tensors,
        sources=_SOURCES,
        shapes=shapes["params"],
        licence="MIT badge in the readme, no licence file",
    )
