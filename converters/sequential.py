"""Chains of layers: the MNIST networks of csinva, and whatever a user describes.

A file of tensors does not say in which order they are applied, nor what happens between
them. For the released networks that is written down here; for others the user writes it
as `config={"layers": [...], ...}`, in the words of `jaxlatent.generators.sequential`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from converters.entries import Entry
from converters.plans import (
    Plan,
    Source,
    compare,
    dense,
    kernel,
    override,
    parameter_shapes,
)
from jaxlatent.generators import sequential
from jaxlatent.generators.sequential import Config, DiscriminatorConfig
from jaxlatent.generators.sequential_chain import Chain
from jaxlatent.generators.sequential_layers import (
    Activation,
    Flatten,
    Layer,
    Unflatten,
)
from jaxlatent.generators.sequential_weighted import (
    BatchNorm,
    Convolution,
    Linear,
    TransposedConvolution,
)

ASSUMES = ("image_range", "layers")
SIGNS = (
    "0.weight",
    "2.weight",
    "4.weight",
)

FORMAT = "state dict"

_CONFIGS: dict[str, type[Chain]] = {
    "generator": Config,
    "discriminator": DiscriminatorConfig,
}

# What the shapes of a file's tensors tell; everything else is assumed.
_HELD = frozenset({"z_dim"})


@dataclass(frozen=True)
class Release:
    """A published network whose file holds tensors and nothing else.

    Attributes:
        format: whose file it is.
        config: the network.
        ignored: tensors of the file that belong to another network.
        licence: what is known of the weights' licence.
    """

    format: str
    config: Chain
    ignored: frozenset[str] = frozenset()
    licence: str = "MIT badge in the readme, no licence file"


def _leaky(name: str) -> Activation:
    return Activation(name, "leaky_relu", slope=0.2)


def _halving(name: str, features: int) -> Convolution:
    return Convolution(name, features, kernel=4, stride=2, padding=1, bias=False)


_DIGIT = (28, 28, 1)

RELEASES = (
    Release(
        "csinva/gan-vae-pretrained-pytorch mnist_gan_mlp",
        Config(
            (
                Linear("0", 256),
                Activation("1", "relu"),
                Linear("2", 256),
                Activation("3", "relu"),
                Linear("4", 784),
                Activation("5", "tanh"),
                Unflatten("unflatten", _DIGIT),
            ),
            z_dim=64,
        ),
    ),
    Release(
        "csinva/gan-vae-pretrained-pytorch mnist_gan_mlp",
        DiscriminatorConfig(
            (
                Flatten("flatten"),
                Linear("0", 256),
                _leaky("1"),
                Linear("2", 256),
                _leaky("3"),
                Linear("4", 1),
            ),
            image_shape=_DIGIT,
        ),
    ),
    Release(
        "csinva/gan-vae-pretrained-pytorch mnist_vae",
        Config(
            (
                Linear("fc3", 400),
                Activation("relu", "relu"),
                Linear("fc4", 784),
                Activation("sigmoid", "sigmoid"),
                Unflatten("unflatten", _DIGIT),
            ),
            z_dim=20,
            image_range=(0.0, 1.0),
        ),
        ignored=frozenset(
            f"{encoder}.{tensor}"
            for encoder in ("fc1", "fc21", "fc22")
            for tensor in ("weight", "bias")
        ),
    ),
    Release(
        "csinva/gan-vae-pretrained-pytorch mnist_dcgan",
        DiscriminatorConfig(
            (
                _halving("main.0", 64),
                _leaky("main.1"),
                _halving("main.2", 128),
                BatchNorm("main.3"),
                _leaky("main.4"),
                _halving("main.5", 256),
                BatchNorm("main.6"),
                _leaky("main.7"),
                _halving("main.8", 1),
                Flatten("flatten"),
            ),
            image_shape=_DIGIT,
        ),
    ),
)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """Plan the conversion of a flat state dict to a chain of layers.

    Args:
        entry: tensors by dotted name.
        part: "generator" or "discriminator".
        config: a whole description, which has "layers"; or values that replace those
            of a released network; or None.

    Returns:
        A plan; None where no layers are given, and names and shapes are those of no
        released network.

    Raises:
        ValueError: for a config that describes no chain.
    """
    tensors = entry.tensors
    if part not in _CONFIGS:
        return None
    chain, changes = _CONFIGS[part], config or {}
    given = frozenset(changes)
    if "layers" in changes:
        described = Release(FORMAT, chain.from_json(changes), licence="")
        found = release_plan(described, tensors, given)
        needed = {source.name for source in found.sources.values()}
        # what is misspelt in a description is told of the whole file
        return found if not entry.name or needed & tensors.keys() else None
    for release in RELEASES:
        if isinstance(release.config, chain) and _fits(release, tensors):
            changed = replace(release, config=override(release.config, changes))
            return release_plan(changed, tensors, given)
    return None


def _fits(release: Release, tensors: Mapping[str, np.ndarray]) -> bool:
    expected = parameter_shapes(sequential.init, release.config)
    if not flatten_dict(expected, sep=".").keys() <= tensors.keys():
        return False
    return not compare(release_plan(release, tensors, frozenset()))


def release_plan(
    release: Release, tensors: Mapping[str, np.ndarray], given: frozenset[str]
) -> Plan:
    """How a file becomes the network of a release.

    Args:
        release: the network, with the caller's changes.
        tensors: the file's.
        given: names of the config values that the caller gave.
    """
    config = release.config
    shapes = parameter_shapes(sequential.init, config)
    layers = {layer.name: layer for layer in config.layers}
    return Plan(
        part="generator" if isinstance(config, Config) else "discriminator",
        family="sequential",
        format=release.format,
        config=config,
        assumed={
            name: value
            for name, value in config.to_json().items()
            if name not in given | _HELD
        },
        tensors=tensors,
        sources={
            name: _source(layers[name.rpartition(".")[0]], name)
            for name in flatten_dict(shapes, sep=".")
        },
        shapes=shapes,
        ignored=release.ignored,
        licence=release.licence,
    )


def _source(layer: Layer, name: str) -> Source:
    """A parameter lies under its own name in the file, its axes in PyTorch's order."""
    if name.endswith(".weight"):
        match layer:
            case Linear():
                return dense(name)
            case Convolution():
                return kernel(name)
            case TransposedConvolution():
                return Source(name, axes=(2, 3, 0, 1))
    return Source(name)
