"""ProGAN as genforce's repositories (genforce, SeFa) store it.

The file holds the images of all levels, and a level of detail that says which of them
are shown. It does not tell labels from codes: a discriminator beside the generator
does. Kernels of transposed convolutions have inputs and outputs the other way round.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from converters import genforce, progan, progressive
from converters.entries import Entry
from converters.plans import Plan, Source, kernel
from jaxlatent.generators.progan import Config

ASSUMES = ("final_tanh", "fused_scale", "label_dim", "average_first", "deviation_group")
SIGNS = (
    "layer0.weight",
    "layer1.weight",
    "output0.weight",
    "output1.weight",
    "lod",
)

SIGNATURE = "layer0.weight"
LAYOUT = progan.Layout(
    format="genforce",
    prefix="layer",
    weight=lambda module: kernel(f"{module}.weight"),
    bias=lambda module: Source(f"{module}.bias"),
    fused=lambda module: Source(f"{module}.weight", axes=(2, 3, 0, 1)),
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors = entry.tensors
    if part == "generator" and _grows(tensors):
        discriminator = genforce.discriminator_beside(entry)
        label_dim = None if discriminator is None else _label_dim(discriminator)
        return _generator(tensors, label_dim, config)
    if part != "discriminator" or not genforce.is_discriminator(tensors):
        return None
    if not any(map(_grows, entry.siblings())):
        return None
    found = progressive.discriminator(
        tensors,
        config,
        family="progan",
        label_dim=_label_dim(tensors) or 0,
        conditioning="classify",
        deviation_group=16,
    )
    assumed = {**found.assumed, "average_first": found.config.average_first}
    return replace(found, assumed=assumed)


def _grows(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether this is a generator that begins with 4 x 4 pixels and makes images."""
    images = any(name.startswith("output") for name in tensors)
    return images and np.shape(tensors.get(SIGNATURE, 0))[2:] == (4, 4)


def _label_dim(discriminator: Mapping[str, np.ndarray]) -> int | None:
    """Classes that the discriminator tells apart, behind its first output."""
    last = max(progressive.numbers(discriminator, "layer"), default=0)
    bias = discriminator.get(f"layer{last}.bias")
    return len(bias) - 1 if bias is not None and bias.ndim == 1 and len(bias) else None


def _generator(
    tensors: Mapping[str, np.ndarray],
    label_dim: int | None,
    changes: Mapping[str, Any] | None,
) -> Plan:
    sizes = progan.sizes(tensors, LAYOUT)
    given = (changes or {}).get("label_dim", label_dim)
    sizes["z_dim"] -= given if isinstance(given, int) else 0
    fused = _fused(tensors, sizes["channels"])
    detail, read = progressive.read_lod(tensors, "lod", changes, len(sizes["channels"]))
    inferred = Config(
        **sizes, label_dim=label_dim or 0, fused_scale=bool(fused), lod=detail
    )
    assumed = ["final_tanh"]
    assumed += ["fused_scale"] if fused is None else []
    assumed += ["label_dim"] if label_dim is None else []
    return progan.generator(
        tensors,
        inferred,
        changes,
        LAYOUT,
        assumed=tuple(assumed),
        read=read,
        ignored=lambda config: progressive.unused_levels(
            tensors, config, "layer{}.", "output{}."
        ),
    )


def _fused(tensors: Mapping[str, np.ndarray], channels: tuple[int, ...]) -> bool | None:
    """Whether upsampling kernels are stored [in, out]; None if they are all square."""
    for level in range(1, len(channels)):
        before, after = channels[level - 1 : level + 1]
        stored = np.shape(tensors.get(f"layer{2 * level}.weight", 0))[:2]
        if before != after and stored in ((before, after), (after, before)):
            return stored == (before, after)
    return None
