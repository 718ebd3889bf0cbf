"""SNGAN as GANLatentDiscovery and WarpedGANSpace store it: `generator.pt`.

A flat state dict in which a block's convolutions appear twice, under names of their own
and as members of the block's chain.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from converters.biggan import channels_last
from converters.entries import Entry
from converters.plans import Plan, Source, dense, kernel, override, parameter_shapes
from converters.stylegan2 import count, size
from jaxlatent.generators import sngan
from jaxlatent.types import CheckpointError

ASSUMES = ("bn_eps",)
SIGNS = (
    "model.0.weight",
    "model.2.model.0.running_mean",
    "model.2.model.3.weight",
    "model.2.model.6.weight",
)

FORMAT = "GANLatentDiscovery"
SIGNATURE = "model.2.model.0.running_mean"

_TWINS = {"conv1": "model.3", "conv2": "model.6"}


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another.

    Raises:
        CheckpointError: if a convolution differs from its double.
    """
    tensors: Mapping[str, np.ndarray] = entry.tensors
    if part != "generator" or SIGNATURE not in tensors:
        return None
    blocks = count(tensors, "model.{}.model.3.weight", start=2)
    chosen = override(
        sngan.Config(
            channels=(
                size(tensors, SIGNATURE, 0),
                *(
                    size(tensors, f"model.{block}.model.3.weight", 0)
                    for block in range(2, blocks + 2)
                ),
            ),
            z_dim=size(tensors, "model.0.weight", 1),
            image_channels=size(tensors, f"model.{blocks + 4}.weight", 0),
        ),
        config,
    )
    shapes = parameter_shapes(sngan.init, chosen)
    twins = {
        f"model.{block}.{twin}.{leaf}": f"model.{block}.{own}.{leaf}"
        for block, _, _ in chosen.blocks
        for twin, own in _TWINS.items()
        for leaf in ("weight", "bias")
    }
    for twin, own in twins.items():
        both = twin in tensors and own in tensors
        if both and not np.array_equal(tensors[twin], tensors[own], equal_nan=True):
            raise CheckpointError(
                f"{twin} and {own} differ, but are one tensor in this layout"
            )
    return Plan(
        part=part,
        family="sngan",
        format=FORMAT,
        config=chosen,
        assumed={"bn_eps": chosen.bn_eps},
        tensors=tensors,
        sources={
            ours: _source(ours, len(leaf.shape))  # pyright: ignore
            for ours, leaf in flatten_dict(shapes, sep=".").items()
        },
        shapes=shapes,
        ignored=frozenset(twins),
    )


def _source(ours: str, rank: int) -> Source:
    """A parameter lies under its own name in the file, its axes in PyTorch's order."""
    change = channels_last if ours.startswith("model.0.") else None
    if rank == 1:
        return Source(ours, change=change)
    return dense(ours, change=change) if rank == 2 else kernel(ours)
