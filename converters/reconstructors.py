"""Reconstructors of GANLatentDiscovery and WarpedGANSpace: the same, named otherwise.

`shift_predictor_*.pt` and `reconstructor.pt` are state dicts.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from converters import resnet
from converters.entries import Entry
from converters.network_layouts import (
    Tensors,
    out_features,
    outputs,
    shapes,
    sources,
    width,
)
from converters.plans import Plan, override
from jaxlatent.networks.reconstructors import PairLeNet, PairResNet

ASSUMES = ("downsample",)
SIGNS = (
    "features_extractor.conv1.weight",
    "type_estimator.weight",
    "shift_estimator.weight",
)

DISCOVERY, WARPED = "GANLatentDiscovery", "WarpedGANSpace"

# the layers' names, ours and GANLatentDiscovery's -> WarpedGANSpace's
RESNET = {
    "features_extractor": "features_extractor",
    "type_estimator": "path_indices",
    "shift_estimator": "shift_magnitudes",
}
LENET = {
    "convnet": "feature_extractor",
    "fc_logits": "path_indices",
    "fc_shift": "shift_magnitudes",
}
EXTRACTOR = "features_extractor."


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """How a reconstructor's file converts; None if it is none.

    Args:
        entry: tensors by dotted name.
        part: "network".
        config: `{"downsample": ...}` for a ResNet trained on smaller images.
    """
    tensors = entry.tensors
    if part != "network":
        return None
    if resnet.recognised(tensors, EXTRACTOR):
        return _resnet(tensors, config)
    stems = [f"{name}.0.weight" for name in (*LENET, *LENET.values())]
    known = sum(stem in tensors for stem in stems)
    return _lenet(tensors, config) if known >= 2 else None


def _resnet(tensors: Tensors, config: Mapping[str, Any] | None) -> Plan:
    names, layout = _names(tensors, RESNET, "path_indices")
    module = PairResNet(
        directions=outputs(tensors, names["type_estimator"]) or 1,
        image_channels=width(tensors, (f"{EXTRACTOR}conv1.weight", 1), default=6) // 2,
        **resnet.architecture(tensors, EXTRACTOR),
    )
    # the ResNet's own last layer is in the file, but nothing uses its outputs
    unused = {f"{EXTRACTOR}fc.weight", f"{EXTRACTOR}fc.bias"}
    return _plan(tensors, override(module, config), names, layout, frozenset(unused))


def _lenet(tensors: Tensors, config: Mapping[str, Any] | None) -> Plan:
    names, layout = _names(tensors, LENET, "feature_extractor")

    stem = names["convnet"]
    layers = (f"{stem}.{index}" for index in (0, 4, 8))
    module = PairLeNet(
        directions=outputs(tensors, f"{names['fc_logits']}.3") or 1,
        image_channels=width(tensors, (f"{stem}.0.weight", 1), default=6) // 2,
        channels=tuple(map(partial(out_features, tensors), layers, (6, 16, 120))),
        hidden=out_features(tensors, f"{names['fc_logits']}.0", 84),
    )
    return _plan(tensors, override(module, config), names, layout, frozenset())


def _names(
    tensors: Tensors, names: Mapping[str, str], signature: str
) -> tuple[Mapping[str, str], str]:
    warped = any(name.startswith(f"{signature}.") for name in tensors)
    return (names, WARPED) if warped else ({name: name for name in names}, DISCOVERY)


def _plan(
    tensors: Tensors,
    module: PairResNet | PairLeNet,
    names: Mapping[str, str],
    layout: str,
    unused: frozenset[str],
) -> Plan:
    shape = (1, 32, 32, module.image_channels)
    tree = shapes(module, shape, shape)

    def rename(layer: str) -> str:
        return re.sub(r"^[a-z_]+", lambda match: names[match[0]], layer)

    return Plan(
        part="network",
        family="reconstructors",
        format=layout,
        config=module,
        assumed=(
            {"downsample": module.downsample} if isinstance(module, PairResNet) else {}
        ),
        tensors=tensors,
        sources=sources(tree, rename=rename),
        shapes=tree,
        ignored=unused,
    )
