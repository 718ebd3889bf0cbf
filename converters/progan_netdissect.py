"""ProGAN as netdissect's port stores it, used by GANSpace.

Layers are counted from one; the image of the last level is there alone, and no gains.
z is normalised once.
"""

from collections.abc import Mapping
from typing import Any

from converters import progan
from converters.entries import Entry
from converters.plans import Plan, Source, kernel
from jaxlatent.generators.progan import Config

ASSUMES = ()
SIGNS = (
    "layer1.conv.weight",
    "layer1.wscale.b",
    "layer2.conv.weight",
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    ours = "layer1.conv.weight" in tensors and any(
        name.endswith(".wscale.b") for name in tensors
    )
    if part != "generator" or not ours:
        return None
    layout = progan.Layout(
        format="netdissect",
        prefix="layer",
        weight=lambda module: kernel(f"{_theirs(module)}.conv.weight"),
        bias=lambda module: Source(f"{_theirs(module)}.wscale.b"),
    )
    inferred = Config(**progan.sizes(tensors, layout), normalize_z=False)
    return progan.generator(tensors, inferred, config, layout)


def _theirs(module: str) -> str:
    if module.startswith("layer"):
        return f"layer{int(module.removeprefix('layer')) + 1}"
    size = 4 << int(module.removeprefix("output"))
    return f"output_{size}x{size}"
