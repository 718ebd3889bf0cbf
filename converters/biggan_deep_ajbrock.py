"""BigGAN-deep as ajbrock's BigGAN-PyTorch stores it: `G_ema.pth`.

Its batch norms hold one statistic for all truncations and see the label before z. How
many blocks there are per resolution the file does not tell; the last one doubles it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from converters.biggan import UNUSED, ajbrock_norm, channels_last, statistics
from converters.entries import Entry
from converters.plans import Plan, Source, dense, kernel, override, parameter_shapes
from converters.stylegan2 import count, size
from jaxlatent.generators import biggan_deep
from jaxlatent.generators.biggan import ATTENTION
from jaxlatent.types import CheckpointError

ASSUMES = ("upsamples", "eps")
SIGNS = (
    "blocks.0.0.conv4.weight",
    "blocks.0.0.conv1.weight",
    "shared.weight",
    "linear.weight",
    "output_layer.2.weight",
)

FORMAT = "ajbrock"
SIGNATURE = "blocks.0.0.conv4.weight"
DEPTH = 2

_LEAVES = {"running_means": "stored_mean", "running_vars": "stored_var"}
_LAYERS = {
    "scale": "gain",
    "offset": "bias",
    **{f"bn_{i}": f"bn{i + 1}" for i in range(4)},
    **{f"conv_{i}": f"conv{i + 1}" for i in range(4)},
    **{deep: ATTENTION[name] for name, deep in biggan_deep.ATTENTION.items()},
}


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a file of this layout converts; None if it is of another."""
    tensors: Mapping[str, np.ndarray] = entry.tensors
    if part != "generator" or SIGNATURE not in tensors:
        return None
    blocks = count(tensors, "blocks.{}.0.conv4.weight")
    prefix, words = statistics(tensors, "blocks.0.0.bn1")
    if words:
        raise CheckpointError(
            "a BigGAN-deep with cross-replica batch norms, which is not supported"
        )
    depth = DEPTH if blocks % DEPTH == 0 else 1
    embed_dim = size(tensors, "shared.weight", 1)
    chosen = override(
        biggan_deep.Config(
            channels=(
                size(tensors, "blocks.0.0.conv1.weight", 1),
                *(
                    size(tensors, f"blocks.{block}.0.conv4.weight", 0)
                    for block in range(blocks)
                ),
            ),
            upsamples=tuple(block % depth == depth - 1 for block in range(blocks)),
            z_dim=size(tensors, "linear.weight", 1) - embed_dim,
            label_dim=size(tensors, "shared.weight", 0),
            embed_dim=embed_dim,
            attention=tuple(
                block + 1
                for block in range(blocks)
                if f"blocks.{block}.1.gamma" in tensors
            ),
            n_stats=0,
            image_channels=size(tensors, "output_layer.2.weight", 0),
            output_width=size(tensors, "output_layer.2.weight", 0),
            eps=1e-5,
            output_eps=1e-5,
        ),
        config,
    )
    shapes = parameter_shapes(biggan_deep.init, chosen)
    normed = any(name.endswith(".u0") for name in tensors)
    modules = _modules(chosen)

    def source(ours: str) -> Source:
        module, _, leaf = ours.rpartition(".")
        if ours == "embeddings.weight":
            return Source("shared.weight")
        theirs = _translate(module, modules)
        if leaf in _LEAVES:
            return Source(f"{theirs}.{prefix}{_LEAVES[leaf]}")
        if module == "generator.bn":
            return Source(f"{theirs}.{'gain' if leaf == 'weight' else leaf}")
        if leaf != "weight":
            at_first = theirs == "linear"
            return Source(
                f"{theirs}.{leaf}", change=channels_last if at_first else None
            )
        norm = ajbrock_norm(theirs) if normed else None
        if theirs != "linear" and not theirs.endswith((".gain", ".bias")):
            return kernel(f"{theirs}.weight", divisor=norm)

        def change(weight: np.ndarray) -> np.ndarray:
            # z first, then the label
            weight = np.roll(weight, -embed_dim, axis=0)
            return channels_last(weight) if theirs == "linear" else weight

        return dense(f"{theirs}.weight", divisor=norm, change=change)

    return Plan(
        part=part,
        family="biggan_deep",
        format=FORMAT,
        config=chosen,
        assumed={name: getattr(chosen, name) for name in ("upsamples", "eps")},
        tensors=tensors,
        sources={ours: source(ours) for ours in flatten_dict(shapes, sep=".")},
        shapes=shapes,
        ignored=frozenset(name for name in tensors if UNUSED.search(name)),
    )


def _modules(config: biggan_deep.Config) -> dict[str, str]:
    """The file's name of each block and attention layer, by ours."""
    found, last = {}, -1
    for module in config.modules:
        if module.block is not None:
            last = module.block
        found[module.name] = f"blocks.{last}.{0 if module.block is not None else 1}"
    return found


def _translate(module: str, modules: Mapping[str, str]) -> str:
    """The file's name of a module."""
    known = {
        "generator.gen_z": "linear",
        "generator.bn": "output_layer.0",
        "generator.conv_to_rgb": "output_layer.2",
    }
    if module in known:
        return known[module]
    name = ".".join(module.split(".")[:3])
    below = [_LAYERS[part] for part in module.split(".")[3:]]
    return ".".join([modules[name], *below])
