"""The last layers of classifiers, which everybody replaces and names anew."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from converters.entries import Entry, Tensors, levels
from converters.network_layouts import (
    image_network_plan,
    image_network_shapes,
    out_features,
    sources,
)
from converters.plans import Plan
from jaxlatent.texts import printable
from jaxlatent.types import CheckpointError

_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Head:
    """What a file has behind the trunk of a network.

    Attributes:
        tensors: the file's, those of a head beside the trunk among them.
        layers: the file's names of the head's layers, in their order.
        names: torchvision's name of each -> the file's.
        ignored: tensors of a head that is not wanted.
        guesses: what was decided, in words.
    """

    tensors: Tensors
    layers: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    guesses: tuple[str, ...] = ()

    @property
    def outputs(self) -> int | None:
        """Outputs of the last layer, None if there is none."""
        last = self.layers[-1] if self.layers else ""
        return out_features(self.tensors, last, 0) or None


def find_head(
    entry: Entry,
    trunk: re.Pattern[str],
    standard: tuple[str, ...],
    features: int,
    config: Mapping[str, Any] | None,
    *,
    rank: int = 2,
) -> Head:
    """The head of a network: torchvision's, or one layer of whatever name.

    Args:
        entry: the network's tensors, whose head may also lie beside them.
        trunk: what the names of all other tensors begin with.
        standard: torchvision's names of the head's layers.
        features: what the first of them takes.
        config: the caller's changes; where "outputs" is None, the head is left out.
        rank: of the layers' weights.

    Raises:
        CheckpointError: for a head of several layers that are not torchvision's: no
            file tells what stands between them.
    """
    tensors = entry.tensors
    behind = {name for name in tensors if not trunk.match(name)}
    if config and config.get("outputs", features) is None:
        return Head(tensors, ignored=frozenset(behind))
    layers = tuple(_layers({name: tensors[name] for name in behind}, rank, tensors))
    known = {f"{name}.{leaf}" for name in standard for leaf in ("weight", "bias")}
    last = {f"{standard[-1]}.weight", f"{standard[-1]}.bias"}
    if last & behind and {f"{layer}.weight" for layer in layers} <= known:
        return Head(tensors, standard, dict(zip(standard, standard, strict=True)))
    if not layers:
        return _beside(entry, standard, features, rank)
    as_known = all(
        f"{layer}.".startswith(f"{name}.")
        for layer, name in zip(layers, standard, strict=False)
    )
    if len(layers) == 1 or (len(layers) == len(standard) and as_known):
        names = dict(zip(standard[-len(layers) :], layers, strict=True))
        return Head(tensors, layers, names)
    raise _unknown(layers)


def headed_plan(
    module: Any,
    head: Head,
    *,
    images: Mapping[str, tuple[int, int, int]] | None = None,
    **parts: Any,
) -> Plan:
    """A plan for a `PictureModule` with the head that its file has.

    Args:
        module: the architecture.
        head: its head; the keys of `names` are the names of our layers.
        images: as `network_layouts.sources` takes them.
        parts: `family`, and what else of a `Plan` is not as usual.
    """
    tree = image_network_shapes(module)
    found = sources(tree, rename=lambda name: head.names.get(name, name), images=images)
    usual = {"ignored": head.ignored, "guesses": head.guesses}
    return image_network_plan(
        module, tree, tensors=head.tensors, sources=found, **usual | parts
    )


def _beside(entry: Entry, standard: tuple[str, ...], features: int, rank: int) -> Head:
    """One layer that takes the trunk's features and lies around the trunk."""
    own, everything = set(entry.places.values()), entry.content.tensors
    for level in levels(entry.name)[1:]:
        start = f"{level}." if level else ""
        around = {
            name: tensor
            for name, tensor in everything.items()
            if name.startswith(start) and name not in own
        }
        layers = _layers(around, rank, everything)
        fitting = [
            name for name in layers if everything[f"{name}.weight"].shape[1] == features
        ]
        if not fitting:
            continue
        outputs = {everything[f"{name}.weight"].shape[0] for name in fitting}
        further = [
            name
            for name in layers
            if everything[f"{name}.weight"].shape[1] in outputs | {features}
        ]
        if len(further) > 1:
            raise _unknown(further)
        (layer,) = fitting
        found = {
            f"{layer}.{leaf}": everything[f"{layer}.{leaf}"]
            for leaf in ("weight", "bias")
            if f"{layer}.{leaf}" in everything
        }
        guess = (
            f"{printable(layer, 60)}, which lies beside the network, is taken for its "
            "last layer; the config value outputs = null leaves it out"
        )
        tensors = {**entry.tensors, **found}
        return Head(tensors, (layer,), {standard[-1]: layer}, guesses=(guess,))
    guess = "no last layer is there: what comes out are features, and no scores"
    return Head(entry.tensors, guesses=(guess,))


def _layers(tensors: Tensors, rank: int, order: Tensors) -> list[str]:
    """Names of the dense layers among tensors, in the file's order."""

    def is_layer(name: str) -> bool:
        shape = np.shape(tensors.get(name, 0))
        return name.endswith(".weight") and len(shape) == rank and set(shape[2:]) <= {1}

    return [name.removesuffix(".weight") for name in order if is_layer(name)]


def _unknown(layers: tuple[str, ...] | list[str]) -> CheckpointError:
    names = ", ".join(printable(f"{layer}.weight", 60) for layer in layers[:_SHOWN])
    return CheckpointError(
        f"a head of {len(layers)} layers ({names}), and no file tells what stands "
        "between them; one linear layer is accepted, and the config value outputs = "
        "null leaves the head out"
    )
