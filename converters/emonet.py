"""EmoNet of GANalyze: a ResNet-50 under `module.model`."""

from collections.abc import Mapping
from typing import Any

from converters.entries import Entry
from converters.network_layouts import out_features, shapes, sources
from converters.plans import Plan, override
from converters.resnet import architecture, recognised
from jaxlatent.networks.emonet import RESOLUTION, EmoNet

ASSUMES = ("mean", "std")
SIGNS = (
    "model.conv1.weight",
    "model.bn1.weight",
    "model.layer1.0.conv1.weight",
    "model.last_linear.weight",
)

PREFIX = "model."
LAST = "model.last_linear"
GUESS = (
    "a ResNet-50 with one output called module.model.last_linear is taken for EmoNet, "
    "which looks at ten crops; the argument family = resnet reads it as what it is"
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How an EmoNet's file converts; None if it is none.

    Args:
        entry: tensors by dotted name.
        part: "network".
        config: changes of `EmoNet`.
    """
    tensors = entry.tensors
    if part != "network" or not recognised(tensors, PREFIX):
        return None
    # any network with one output may lie under "model"; EmoNet's own file has these
    places = entry.name.split(".")
    if not entry.asked and (
        places[-1] != "module" or out_features(tensors, LAST, 0) != 1
    ):
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
        guesses=() if entry.asked else (GUESS,),
    )
