"""BigGAN as GANalyze stores it, a port of the published TensorFlow weights.

Batch norms see the chunk of z before the label, and the first linear layer makes its
map by row, column, channel. One attention layer stands at a place that the sizes of the
three published models tell, and that the file does not.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from converters.biggan import ganalyze_norm
from converters.entries import Entry
from converters.plans import Plan, Source, dense, kernel, override, parameter_shapes
from converters.stylegan2 import count, size
from jaxlatent.generators import biggan

ASSUMES = ("attention", "bn_eps", "output_eps")
SIGNS = (
    "GBlock.0.conv0.module.weight_bar",
    "G_linear.module.weight_bar",
    "colorize.module.weight_bar",
    "linear.weight",
)

FORMAT = "GANalyze"

_ATTENTION = {128: 64, 256: 128, 512: 64}

_MODULES = {
    "linear": "G_linear",
    "output_layer.2": "colorize",
    "theta": "attention.theta",
    "phi": "attention.phi",
    "g": "attention.g",
    "o": "attention.o_conv",
    "conv1": "conv0",
    "conv2": "conv1",
    "conv_sc": "conv_sc",
    "bn1": "HyperBN",
    "bn2": "HyperBN_1",
    "gain": "gamma_embed",
    "bias": "beta_embed",
}
_LEAVES = {
    "gain": "weight",
    "bias": "bias",
    "stored_mean": "running_mean",
    "stored_var": "running_var",
}


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors: Mapping[str, np.ndarray] = entry.tensors
    if part != "generator" or "GBlock.0.conv0.module.weight_bar" not in tensors:
        return None
    blocks = count(tensors, "GBlock.{}.conv0.module.weight_bar")
    resolution = 4 << blocks
    chosen = override(
        biggan.Config(
            channels=(
                size(tensors, "GBlock.0.conv0.module.weight_bar", 1),
                *(
                    size(tensors, f"GBlock.{block}.conv0.module.weight_bar", 0)
                    for block in range(blocks)
                ),
            ),
            z_dim=size(tensors, "G_linear.module.weight_bar", 1) * (blocks + 1),
            label_dim=size(tensors, "linear.weight", 1),
            embed_dim=size(tensors, "linear.weight", 0),
            attention=(min(_ATTENTION.get(resolution, 64), resolution),),
            image_channels=size(tensors, "colorize.module.weight_bar", 0),
            bn_eps=1e-4,
            output_eps=1e-5 if resolution == 512 else 1e-4,
        ),
        config,
    )
    shapes = parameter_shapes(biggan.init, chosen)
    return Plan(
        part=part,
        family="biggan",
        format=FORMAT,
        config=chosen,
        assumed={
            name: getattr(chosen, name)
            for name in ("attention", "bn_eps", "output_eps")
        },
        tensors=tensors,
        sources={
            ours: _source(ours, chosen.chunk) for ours in flatten_dict(shapes, sep=".")
        },
        shapes=shapes,
        ignored=frozenset(name for name in tensors if name.endswith(".weight_v")),
    )


def _source(ours: str, chunk: int) -> Source:
    if ours == "shared.weight":
        return dense("linear.weight")
    if ours.endswith(".gamma"):
        return Source("attention.gamma", leading=1)
    module, _, leaf = ours.rpartition(".")
    if module == "output_layer.0":
        return Source(f"ScaledCrossReplicaBN.{_LEAVES[leaf]}")
    if module in _MODULES:
        theirs = f"{_MODULES[module]}.module"
        if leaf == "bias":
            return Source(f"{theirs}.bias")
        weight = f"{theirs}.weight_bar"
        norm = ganalyze_norm(theirs)
        return (dense if module == "linear" else kernel)(weight, divisor=norm)
    _, block, number, *below = module.split(".")
    if number == "1":
        theirs = f"{_MODULES[below[0]]}.module"
        return kernel(f"{theirs}.weight_bar", divisor=ganalyze_norm(theirs))
    theirs = ".".join([f"GBlock.{block}", *(_MODULES[name] for name in below)])
    if leaf.startswith("stored"):
        return Source(f"{theirs}.bn.{_LEAVES[leaf]}")
    theirs = f"{theirs}.module"
    if leaf == "bias":
        return Source(f"{theirs}.bias")
    norm = ganalyze_norm(theirs)
    if below[0].startswith("bn"):
        return dense(
            f"{theirs}.weight_bar",
            divisor=norm,
            # the label first, then the chunk of z
            change=lambda weight: np.roll(weight, -chunk, axis=0),
        )
    return kernel(f"{theirs}.weight_bar", divisor=norm)
