"""ProGAN as InterFaceGAN's own converter stores it.

The images of all levels are there, and a level of detail that switches between them
without fading. Kernels of transposed convolutions bear another name and are stored
[h, w, in, out]. z is normalised once.
"""

from collections.abc import Mapping
from typing import Any

from converters import progan, progressive
from converters.entries import Entry
from converters.plans import Plan, Source, kernel
from jaxlatent.generators.progan import Config

ASSUMES = ()
SIGNS = (
    "layer0.conv.weight",
    "layer0.wscale.bias",
    "output0.conv.weight",
    "lod",
)

LAYOUT = progan.Layout(
    format="InterFaceGAN",
    prefix="layer",
    weight=lambda module: kernel(f"{module}.conv.weight"),
    bias=lambda module: Source(f"{module}.wscale.bias"),
    fused=lambda module: Source(f"{module}.weight"),
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    ours = "layer0.conv.weight" in tensors and any(
        name.endswith(".wscale.bias") for name in tensors
    )
    if part != "generator" or not ours:
        return None
    sizes = progan.sizes(tensors, LAYOUT)
    levels = len(sizes["channels"])
    detail, read = progressive.read_lod(tensors, "lod", config, levels, fades=False)
    inferred = Config(
        **sizes,
        fused_scale=any(f"layer{2 * i}.weight" in tensors for i in range(1, levels)),
        normalize_z=False,
        lod=detail,
    )
    return progan.generator(
        tensors,
        inferred,
        config,
        LAYOUT,
        read=read,
        ignored=lambda config: progressive.unused_levels(
            tensors, config, "layer{}.", "output{}."
        ),
    )
