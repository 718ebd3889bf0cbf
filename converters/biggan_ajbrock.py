"""BigGAN as ajbrock's BigGAN-PyTorch stores it: `G_ema.pth`.

Spectral norms are not stored but found by one power iteration, also when pictures are
drawn; the conversion divides them out. Batch norms come in three layouts: plain ones;
"mybn", whose statistics may be sums ("standing statistics", which a switch outside the
file decides on); and "cross-replica" ones, which outside of training on several devices
add their gain.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from converters.biggan import UNUSED, ajbrock_norm, channels_last, statistics
from converters.entries import Entry
from converters.plans import Plan, Source, dense, kernel, override, parameter_shapes
from converters.stylegan2 import count, size
from jaxlatent.generators import biggan

ASSUMES = ("bn_eps", "additive_gain", "standing")
SIGNS = (
    "blocks.0.0.conv_sc.weight",
    "blocks.0.0.conv1.weight",
    "blocks.0.0.bn1.gain.weight",
    "linear.weight",
    "output_layer.2.weight",
)

FORMAT = "ajbrock"


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors: Mapping[str, np.ndarray] = entry.tensors
    if part != "generator" or "blocks.0.0.conv_sc.weight" not in tensors:
        return None
    blocks = count(tensors, "blocks.{}.0.conv1.weight")
    gain = "blocks.0.0.bn1.gain.weight"
    shared = "shared.weight" in tensors
    label_dim = size(tensors, "shared.weight" if shared else gain, 0)
    embed_dim = size(tensors, "shared.weight", 1) if shared else 0
    hierarchical = shared and size(tensors, gain, 1) > embed_dim
    prefix, words = statistics(tensors, "blocks.0.0.bn1")
    chosen = override(
        biggan.Config(
            channels=(
                size(tensors, "blocks.0.0.conv1.weight", 1),
                *(
                    size(tensors, f"blocks.{block}.0.conv1.weight", 0)
                    for block in range(blocks)
                ),
            ),
            z_dim=size(tensors, "linear.weight", 1)
            * (blocks + 1 if hierarchical else 1),
            label_dim=label_dim,
            embed_dim=embed_dim,
            hierarchical=hierarchical,
            attention=tuple(
                8 << block
                for block in range(blocks)
                if f"blocks.{block}.1.gamma" in tensors
            ),
            image_channels=size(tensors, "output_layer.2.weight", 0),
            additive_gain=bool(words),
        ),
        config,
    )
    assumed: dict[str, Any] = {"bn_eps": chosen.bn_eps}
    if words:
        assumed["additive_gain"] = chosen.additive_gain
    elif prefix:
        assumed["standing"] = chosen.standing
    normed = any(name.endswith(".u0") for name in tensors)
    shapes = parameter_shapes(biggan.init, chosen)

    def source(ours: str) -> Source:
        module, _, leaf = ours.rpartition(".")
        if leaf in ("stored_mean", "stored_var", "accumulation_counter"):
            return Source(f"{module}.{prefix}{words.get(leaf, leaf)}")
        norm = ajbrock_norm(module) if normed else None
        if ours == "linear.weight":
            return dense(ours, divisor=norm, change=channels_last)
        if ours == "linear.bias":
            return Source(ours, change=channels_last)
        if leaf != "weight" or module == "shared":
            return Source(ours)
        if module.endswith((".gain", ".bias")):
            # without a shared embedding they are tables, one row per class
            return dense(ours, divisor=norm) if embed_dim else Source(ours)
        return kernel(ours, divisor=norm)

    sources = {ours: source(ours) for ours in flatten_dict(shapes, sep=".")}
    return Plan(
        part=part,
        family="biggan",
        format=FORMAT,
        config=chosen,
        assumed=assumed,
        tensors=tensors,
        sources=sources,
        shapes=shapes,
        ignored=frozenset(name for name in tensors if UNUSED.search(name)),
    )
