"""Networks that were trained here, on disk: one `.npz` without pickles, as edits are.

It holds a JSON header (the architecture, its settings, where the network is from, and
facts about it) and the parameters by dotted name. Zip keeps a checksum of every member.
"""

import dataclasses
import json
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxlatent.checkpoint import origin_of, save_arrays
from jaxlatent.files import UNREADABLE, read_arrays
from jaxlatent.networks.alexnet import AlexNet
from jaxlatent.networks.base import Network
from jaxlatent.networks.emonet import EmoNet
from jaxlatent.networks.lenet import LeNet, PictureLeNet
from jaxlatent.networks.memnet import MemNet
from jaxlatent.networks.reconstructors import PairLeNet, PairResNet
from jaxlatent.networks.resnet import ResNet
from jaxlatent.networks.squeezenet import SqueezeNet
from jaxlatent.networks.unet import UNet
from jaxlatent.networks.vgg import VGG
from jaxlatent.texts import printable, shown
from jaxlatent.types import CheckpointError

HEADER = "network"
VERSION = 1
MODULES: dict[str, type[nn.Module]] = {
    module.__name__: module
    for module in (
        *(AlexNet, EmoNet, LeNet, MemNet, PairLeNet, PairResNet, PictureLeNet),
        *(ResNet, SqueezeNet, UNet, VGG),
    )
}
"""Architectures that can be kept, by the name under which files hold them."""

_FLAX = ("parent", "name")
_MOST_WORDS = 300


def save_network(
    path: str | os.PathLike[str],
    network: Network,
    *,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a network as `.npz`, whole or not at all.

    Args:
        path: the file, replaced if it exists.
        network: of one of `MODULES`.
        facts: JSON values about it: what it was trained on, how well it does.

    Raises:
        TypeError: for another architecture, or facts that JSON has no word for.
    """
    name = type(network.module).__name__
    if MODULES.get(name) is not type(network.module):
        raise TypeError(
            f"network: of {name} given; of {', '.join(MODULES)} can be kept"
        )
    header = {
        "version": VERSION,
        "module": name,
        "settings": settings_of(network.module),
        "origin": dataclasses.asdict(network.origin),
        "facts": dict(facts or {}),
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    flat = flatten_dict(network.params, sep=".")
    save_arrays(path, {HEADER: text} | {f"params.{k}": v for k, v in flat.items()})


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read a network that `save_network` wrote.

    Raises:
        CheckpointError: if the file is none, is damaged, or of a later version.
    """
    return _read(path)[0]


def read_facts(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a network's file tells about it; errors as of `load_network`."""
    return _read(path)[1]


def is_network(path: str | os.PathLike[str]) -> bool:
    """Whether a file looks like one that `save_network` wrote."""
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{HEADER}.npy" in archive.namelist()
    except UNREADABLE:
        return False


def settings_of(module: nn.Module) -> dict[str, Any]:
    """The settings of an architecture as JSON values."""
    names = (field.name for field in dataclasses.fields(module))
    return {name: getattr(module, name) for name in names if name not in _FLAX}


def _read(path: str | os.PathLike[str]) -> tuple[Network, dict[str, Any]]:
    try:
        arrays = read_arrays(path)
        if not isinstance(arrays, dict):
            raise ValueError("one array alone")
        header = json.loads(arrays.pop(HEADER).tobytes())
        if header["version"] != VERSION:
            raise ValueError(
                f"version {shown(header['version'])}; {VERSION} is accepted"
            )
        if header["module"] not in MODULES:
            raise ValueError(
                f"architecture {shown(header['module'])}; {', '.join(MODULES)} are "
                "known here"
            )
        settings = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in header["settings"].items()
        }
        module = MODULES[header["module"]](**settings)
        for name, array in arrays.items():
            if not (array.dtype.kind == "f" and np.isfinite(array).all()):
                raise ValueError(f"{shown(name)}: finite floats are accepted")
        params = unflatten_dict(
            {
                name.removeprefix("params."): jnp.asarray(array)
                for name, array in arrays.items()
            },
            sep=".",
        )
        origin = origin_of(header["origin"])
        return Network(params, module, origin), dict(header["facts"])
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        reason = printable(str(error) or type(error).__name__, _MOST_WORDS)
        raise CheckpointError(f"{path}: not a network, or damaged: {reason}") from error
