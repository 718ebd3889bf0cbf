"""LPIPS: the linear heads of PerceptualSimilarity, and the network they weigh."""

import re
from typing import Any

import numpy as np

from converters.checkpoints import Checkpoint, CheckpointFile, opened
from converters.entries import Tensors, entries
from converters.network_layouts import shapes, sources
from converters.plans import Plan, Source, assemble
from jaxlatent.networks.lpips import CHANNELS, TRUNKS, Lpips
from jaxlatent.types import CheckpointError

HEAD = "lin{}.model.1.weight"


def load_lpips(
    heads: CheckpointFile,
    trunk: CheckpointFile | None = None,
    *,
    version: str = "0.1",
    dtype: Any = None,
) -> Lpips:
    """Read the distance `jaxlatent.networks.lpips.Lpips`.

    Both are files, by path, or what `read` returned.

    Args:
        heads: PerceptualSimilarity's `weights/v0.1/alex.pth`, `vgg.pth` or
            `squeeze.pth`, or those of v0.0; or the state dict of a whole LPIPS module.
        trunk: torchvision's AlexNet, VGG-16 or SqueezeNet 1.1; None if `heads` is a
            whole module.
        version: of the heads, "0.1" or "0.0"; nothing in the files tells it.
        dtype: of the parameters, None for float32.

    Raises:
        CheckpointError: if a file is unsound, or the tensors do not fit: every missing,
            extra and misshapen one is named in one error.
    """
    below = None if trunk is None else opened(trunk)
    return Lpips(assemble(plan(opened(heads), below), dtype), version)


def plan(heads: Checkpoint, trunk: Checkpoint | None = None) -> Plan:
    """How the tensors of `load_lpips` convert.

    Raises:
        CheckpointError: if `heads` has no heads.
    """
    tensors = {
        _trunk_name(name): value
        for name, value in _entry(heads, HEAD.format(0), HEAD.format(1)).items()
    }
    net = _network(tensors)
    # a whole module has its heads twice, and its scaling
    ignored = {n for n in tensors if n.startswith(("lins.", "scaling_layer."))}
    if trunk is not None:
        tensors = {**_entry(trunk, "features.0.weight", "features.3.weight"), **tensors}
        ignored |= {name for name in tensors if name.startswith("classifier.")}
    trees = {
        "trunk": shapes(TRUNKS[net], (1, 64, 64, 3)),
        "heads": {
            f"lin{index}": np.empty(channels, np.float32)
            for index, channels in enumerate(CHANNELS[net])
        },
    }
    found = {f"trunk.{k}": source for k, source in sources(trees["trunk"]).items()}
    for index in range(len(CHANNELS[net])):
        name = HEAD.format(index)
        found[f"heads.lin{index}"] = Source(name, leading=1, trailing=2)
    return Plan(
        part="network",
        family="lpips",
        format=f"PerceptualSimilarity, {net}",
        config=TRUNKS[net],
        assumed={},
        tensors=tensors,
        sources=found,
        shapes=trees,
        ignored=frozenset(ignored),
        licence="BSD 2-clause (the heads)",
    )


def _entry(file: Checkpoint, *signs: str) -> Tensors:
    """The entry that has one of the named tensors, or else the whole file."""
    found = entries(file)
    known = (one for one in found if any(sign in one.tensors for sign in signs))
    return next(known, found[0]).tensors


def _trunk_name(name: str) -> str:
    """torchvision's name for a tensor of a whole module's trunk."""
    return re.sub(r"^net\.slice\d+\.", "features.", name)


def _network(tensors: Tensors) -> str:
    """The trunk whose channels most heads have."""

    def shared(net: str) -> int:
        return sum(
            tensors[HEAD.format(index)].size == channels
            for index, channels in enumerate(CHANNELS[net])
            if HEAD.format(index) in tensors
        )

    best = max(CHANNELS, key=shared)
    if not shared(best):
        raise CheckpointError(
            f"no heads of LPIPS in this file; {', '.join(CHANNELS)} are known"
        )
    return best
