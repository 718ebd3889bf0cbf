"""DCGANs: PyTorch's example, csinva's for MNIST and CIFAR, and minimal_glo's generator.

Their files hold tensors and nothing else; number, order and kind of the layers are
always the same, and the sizes are read from the tensors.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from converters.entries import Entry
from converters.network_layouts import width
from converters.plans import Plan, override
from converters.sequential import Release, release_plan
from jaxlatent.generators import descriptions

ASSUMES = ("image_range", "layers")
SIGNS = (
    "main.0.weight",
    "main.1.weight",
    "main.3.weight",
    "main.4.weight",
    "main.6.weight",
    "main.9.weight",
    "main.12.weight",
)

FORMATS = {"main": "pytorch/examples dcgan", "dcnn": "tneumann/minimal_glo"}
"""By the module that holds the chain."""

CSINVA = "csinva/gan-vae-pretrained-pytorch dcgan"

_NORM = ("weight", "bias", "running_mean", "running_var")
_NAMES = (
    *(f"{number}.weight" for number in (0, 3, 6, 9, 12)),
    *(f"{number}.{leaf}" for number in (1, 4, 7, 10) for leaf in _NORM),
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """Plan the conversion of a DCGAN's generator.

    Args:
        entry: tensors by dotted name.
        part: "generator".
        config: values that replace the assumed ones.

    Returns:
        A plan; None where most of the names are not those of such a file.
    """
    tensors = entry.tensors
    changes = config or {}
    if part != "generator" or "layers" in changes:
        return None
    for name in FORMATS:
        known = sum(f"{name}.{leaf}" in tensors for leaf in _NAMES)
        if 2 * known > len(_NAMES):
            found = _release(tensors, name)
            found = replace(found, config=override(found.config, changes))
            return release_plan(found, tensors, frozenset(changes))
    return None


def _release(tensors: Mapping[str, np.ndarray], name: str) -> Release:
    def most(*places: tuple[str, int], default: int) -> int:
        named = ((f"{name}.{leaf}", axis) for leaf, axis in places)
        return width(tensors, *named, default=default)

    channels = most(("12.weight", 1), default=3)
    side = 64
    if most(("12.weight", 2), default=4) == 1:
        side = 28 if channels == 1 else 32
    norm = ((f"10.{leaf}", 0) for leaf in _NORM)
    config = descriptions.dcgan(
        side,
        z_dim=most(("0.weight", 0), default=100),
        width=most(("12.weight", 0), ("9.weight", 1), *norm, default=64),
        channels=channels,
        name=name,
    )
    if side < 64:
        return Release(CSINVA, config)
    return Release(FORMATS[name], config, licence="")
