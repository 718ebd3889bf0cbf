"""EmoNet of GANalyze: a ResNet-50 under `module.model`."""

from collections.abc import Mapping
from typing import Any

from converters.checkpoints import Checkpoint
from converters.network_layouts import counters, shapes, sources, state_dict
from converters.plans import Plan, override
from converters.resnet import architecture, recognised
from jaxlatent.networks.emonet import RESOLUTION, EmoNet

ASSUMES = ("mean", "std")

PREFIX = "model."


def plan(
    checkpoint: Checkpoint, *, part: str, config: Mapping[str, Any] | None
) -> Plan | None:
    """How an EmoNet's file converts; None if it is none.

    Args:
        checkpoint: an entry `state_dict` of tensors, or the tensors.
        part: "network".
        config: changes of `EmoNet`.
    """
    tensors = state_dict(checkpoint.tensors)
    if part != "network" or not recognised(tensors, PREFIX):
        return None
    module = override(EmoNet(**architecture(tensors, PREFIX)), config)
    tree = shapes(module, (1, RESOLUTION, RESOLUTION, 3))
    return Plan(
        part=part,
        family="emonet",
        format="GANalyze",
        config=module,
        assumed={"mean": module.mean, "std": module.std},
        tensors=tensors,
        sources=sources(tree, rename=lambda name: name.replace(".fc", ".last_linear")),
        shapes=tree,
        ignored=counters(tensors),
    )
