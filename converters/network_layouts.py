"""What the file layouts of networks that look at pictures share.

Sizes are taken from all tensors that tell them, by majority: a single tensor that is
missing or misshapen is then reported by name, and does not hide the others.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from converters.entries import Tensors
from converters.plans import Plan, Source, dense, kernel, parameter_shapes
from jaxlatent.texts import printable
from jaxlatent.types import CheckpointError, Params

SIDE = 64
"""Pixels of images that every network can look at."""

_LARGEST = 1e4

_LEAVES = {"kernel": "weight", "scale": "weight"}


def width(tensors: Tensors, *places: tuple[str, int], default: int) -> int:
    """What most of the places say, each a tensor's name and an axis of it."""
    votes = Counter(
        tensors[name].shape[axis]
        for name, axis in places
        if name in tensors and axis < tensors[name].ndim
    )
    return votes.most_common(1)[0][0] if votes else default


def out_features(tensors: Tensors, layer: str, default: int) -> int:
    """Outputs of a layer."""
    places = ((f"{layer}.weight", 0), (f"{layer}.bias", 0))
    return width(tensors, *places, default=default)


def outputs(tensors: Tensors, layer: str) -> int | None:
    """Outputs of a last layer, None if the file has no such layer."""
    return out_features(tensors, layer, 0) or None


def numbers(tensors: Tensors, pattern: str) -> set[int]:
    """The numbers that stand for the group in names that match a pattern."""
    found = (re.fullmatch(pattern, name) for name in tensors)
    return {int(match[1]) for match in found if match and len(match[1]) < 9}


def length(found: set[int]) -> int:
    """How long a list is whose numbered members may lack some, or have a stray one.

    At least one; more than half of as many are there.
    """
    runs = (
        number + 1
        for index, number in enumerate(sorted(found), start=1)
        if 2 * index > number + 1
    )
    return max(runs, default=1)


def closest(found: set[int], known: Mapping[Any, set[int]]) -> Any:
    """The known set that shares more than half of all its and the found members.

    Returns:
        The key of the best one, None if there is none.
    """

    def shared(key: Any) -> float:
        return len(found & known[key]) / len(found | known[key])

    best = max(known, key=shared)
    return best if shared(best) > 0.5 else None


def shapes(module: nn.Module, *images: tuple[int, ...]) -> Params:
    """The parameter tree of a module, given the shapes of what it looks at.

    It is not to be changed.
    """
    return parameter_shapes(_init, (module, images))


def _init(key: jax.Array, given: tuple[nn.Module, tuple[tuple[int, ...], ...]]) -> Any:
    module, images = given
    return module.init(key, *map(jnp.zeros, images))["params"]


def sources(
    tree: Params,
    *,
    rename: Callable[[str], str] = lambda name: name,
    images: Mapping[str, tuple[int, int, int]] | None = None,
) -> dict[str, Source]:
    """Where each parameter lies in a PyTorch state dict.

    Args:
        tree: the parameters; a layer called "layer1_0" is the file's "layer1.0".
        rename: the file's name of a layer, given that name.
        images: by the layer's name, (C, H, W) of the map that a dense layer flattens.
    """
    found = {}
    for ours, leaf in flatten_dict(tree, sep=".").items():
        layer, _, kind = str(ours).rpartition(".")
        layer = re.sub(r"_(\d+)(?=\.|$)", r".\1", layer)
        name = f"{rename(layer)}.{_LEAVES.get(kind, kind)}"
        rank = len(leaf.shape)  # pyright: ignore
        if kind != "kernel":
            found[ours] = Source(name)
        elif rank == 4:
            found[ours] = kernel(name)
        else:
            found[ours] = dense(name, image=(images or {}).get(layer))
    return found


def input_settings(tensors: Tensors, layer: str) -> dict[str, Any]:
    """What a `PictureModule` knows of its images from the first layer.

    Only RGB has known means; other images enter as they are.
    """
    channels = width(tensors, (f"{layer}.weight", 1), default=3)
    plain = {"input_channels": channels}
    return plain if channels == 3 else plain | {"mean": None}


def described_settings(description: Mapping[str, Any] | None) -> dict[str, Any]:
    """The mean and deviation of colours in a `config.json` of timm's.

    Raises:
        CheckpointError: for values that are not three numbers.
    """
    told = (description or {}).get("pretrained_cfg")
    found = {}
    for name, least in (("mean", -_LARGEST), ("std", 1 / _LARGEST)):
        value = told.get(name) if isinstance(told, Mapping) else None
        if value is None:
            continue
        if not _are_numbers(value, least):
            raise CheckpointError(
                f"config.json: pretrained_cfg: {name}: {printable(repr(value), 60)}; "
                f"three numbers from {least:g} to {_LARGEST:g} are accepted"
            )
        found[name] = tuple(map(float, value))
    return found


def _are_numbers(value: Any, least: float) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(v) in (int, float) and least <= v <= _LARGEST for v in value)
    )


def image_network_shapes(module: Any) -> Params:
    """The parameter tree of a `PictureModule`."""
    return shapes(module, (1, SIDE, SIDE, module.input_channels))


def image_network_plan(module: Any, tree: Params, **parts: Any) -> Plan:
    """A plan for a `PictureModule` of torchvision's names.

    Args:
        module: the architecture.
        tree: its `image_network_shapes`.
        parts: `family`, `tensors`, and what else of a `Plan` is not as usual.
    """
    assumed = {name: getattr(module, name) for name in ("mean", "std", "resize")}
    return Plan(
        **{
            "part": "network",
            "format": "torchvision",
            "config": module,
            "assumed": assumed,
            "shapes": tree,
        }
        | parts
    )
