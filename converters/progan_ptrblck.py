"""ProGAN as ptrblck's port stores it, used by Voynov & Babenko and WarpedGANSpace.

The image of the last level is there alone. The run-time gain of every layer is stored;
the conversion divides it by the one that ours has. z is normalised
once.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from converters import progan
from converters.entries import Entry
from converters.plans import Plan, Source, kernel
from converters.progressive import numbers
from jaxlatent.generators.progan import Config

ASSUMES = ()
SIGNS = (
    "features.0.conv.weight",
    "features.0.wscale.scale",
    "features.0.wscale.b",
    "output.conv.weight",
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    ours = "features.0.conv.weight" in tensors and any(
        name.endswith(".wscale.scale") for name in tensors
    )
    if part != "generator" or not ours:
        return None
    last = f"output{(len(numbers(tensors, 'features.')) - 1) // 2}"

    def theirs(module: str) -> str:
        if module.startswith("layer"):
            return f"features.{module.removeprefix('layer')}"
        # images of other levels are not stored
        return "output" if module == last else module

    def weight(module: str) -> Source:
        name = theirs(module)
        gain = math.sqrt(2) if module.startswith("layer") else 1.0
        return _scaled(tensors, name, gain)

    layout = progan.Layout(
        format="ptrblck",
        prefix="features.",
        weight=weight,
        bias=lambda module: Source(f"{theirs(module)}.wscale.b"),
    )
    inferred = Config(**progan.sizes(tensors, layout), normalize_z=False)
    found = progan.generator(tensors, inferred, config, layout)
    used = (source.name for source in found.sources.values())
    weights = [name for name in used if name.endswith(".conv.weight")]
    scales = (name.replace(".conv.weight", ".wscale.scale") for name in weights)
    return replace(found, read=dict.fromkeys(scales, (1,)))


def _scaled(tensors: Mapping[str, np.ndarray], name: str, gain: float) -> Source:
    """A kernel whose gain is stored beside it, where ours is `gain / sqrt(fan in)`."""
    weight, scale = f"{name}.conv.weight", tensors.get(f"{name}.wscale.scale")
    if scale is None or scale.shape != (1,) or weight not in tensors:
        return kernel(weight)
    fan_in = math.prod(tensors[weight].shape[1:])
    return kernel(weight, gain=float(scale[0]) * math.sqrt(fan_in) / gain)
