"""DCGANs of any size: PyTorch's example, csinva's, minimal_glo's, and others' alike.

Their files hold tensors and nothing else: transposed convolutions, with a batch norm
behind all but the last, at the numbers n, n + 1 and n + 3 of one module. How many there
are, their channels and kernels are read from the tensors. What tensors do not tell is
assumed: the first makes a map of its kernel's side, the others double it, between them
stand ReLUs, and a tanh at the end.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from converters.entries import Entry
from converters.network_layouts import width
from converters.plans import COUNTERS, Plan, override
from converters.sequential import Release, release_plan
from jaxlatent.generators import descriptions
from jaxlatent.types import CheckpointError

ASSUMES = ("image_range", "layers")
SIGNS = (
    "main.0.weight",
    "main.1.running_mean",
    "main.3.weight",
    "main.4.running_mean",
    "main.6.weight",
)

FORMATS = {"main": "pytorch/examples dcgan", "dcnn": "tneumann/minimal_glo"}
"""By the module that holds the chain."""

CSINVA = "csinva/gan-vae-pretrained-pytorch dcgan"
OTHERS = "a DCGAN"

_NORM = ("weight", "bias", "running_mean", "running_var")
_STATISTICS = re.compile(r"(?:([^.]+)\.)?(\d{1,3})\.running_(?:mean|var)")
_LONGEST, _CHANNELS = 16, 4


@dataclass(frozen=True)
class Chain:
    """Where a file keeps its layers.

    Attributes:
        name: of the module, "" if names begin with numbers.
        first: number of the first transposed convolution.
        count: transposed convolutions.
    """

    name: str
    first: int
    count: int

    def convolution(self, index: int, leaf: str = "weight") -> str:
        """The name of a tensor of a transposed convolution."""
        return self._layer(3 * index, leaf)

    def norm(self, index: int, leaf: str) -> str:
        """The name of a tensor of the batch norm behind it."""
        return self._layer(3 * index + 1, leaf)

    def _layer(self, offset: int, leaf: str) -> str:
        start = f"{self.name}." if self.name else ""
        return f"{start}{self.first + offset}.{leaf}"

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of the tensors that it must have."""
        names = [self.convolution(index) for index in range(self.count)]
        for index in range(self.count - 1):
            names += [self.norm(index, leaf) for leaf in _NORM]
        return tuple(names)


def plan(entry: Entry, *, part: str, config: Mapping[str, Any] | None) -> Plan | None:
    """Plan the conversion of a DCGAN's generator.

    Args:
        entry: tensors by dotted name.
        part: "generator".
        config: values that replace the assumed ones.

    Returns:
        A plan; None where most of the names are not those of such a file.

    Raises:
        CheckpointError: for kernels that tell no stride.
    """
    tensors = entry.tensors
    changes = config or {}
    if part != "generator" or "layers" in changes:
        return None
    chain = _chain(tensors)
    if chain is None or not _enlarges(tensors, chain) or not _ends(tensors, chain):
        return None
    if chain.name not in FORMATS and not _is_alone(entry, chain):
        return None
    found = _release(tensors, chain)
    found = replace(found, config=override(found.config, changes))
    return release_plan(found, tensors, frozenset(changes))


def _is_alone(entry: Entry, chain: Chain) -> bool:
    """Whether no other tensors lie in the same dict.

    The decoder of an autoencoder looks the same, but begins with layers of other names.
    """
    known = {chain.convolution(index, "bias") for index in range(chain.count)}
    known.update(chain.needed)
    homes = entry.content.homes
    own = {full for name, full in entry.places.items() if name in known}
    around = {homes[full] for full in own}
    others = {full for full in entry.content.tensors if homes[full] in around} - own
    return known.issuperset(
        name for name in entry.tensors if not COUNTERS.search(name)
    ) and all(COUNTERS.search(full) for full in others)


def _chain(tensors: Mapping[str, np.ndarray]) -> Chain | None:
    """The chain that most of the file's tensors belong to, None if there is none."""
    norms = [
        (match[1], int(match[2]))
        for name in tensors
        if (
            match := re.fullmatch(
                r"(?:([^.]+)\.)?(\d{1,3})\.running_(?:mean|var)", name
            )
        )
    ]
    if not norms or len({module for module, _ in norms}) > 1:
        return None
    first, last = (limit(number for _, number in norms) for limit in (min, max))
    # what would stand before is missing, not absent
    start = (first - 1) % 3
    count = (last - 1 - start) // 3 + 2
    if first < 1 or count > _LONGEST:
        return None
    chain = Chain(norms[0][0] or "", start, count)
    known = sum(name in tensors for name in chain.needed)
    weights = sum(not COUNTERS.search(name) for name in tensors)
    return chain if 2 * known > max(len(chain.needed), weights) else None


def _enlarges(tensors: Mapping[str, np.ndarray], chain: Chain) -> bool:
    """Whether kernels are stored [in, out], as transposed convolutions have them."""
    shapes = [
        np.shape(tensors.get(chain.convolution(index), 0))
        for index in range(chain.count)
    ]
    pairs = [
        (left, right)
        for left, right in itertools.pairwise(shapes)
        if len(left) == len(right) == 4
    ]
    transposed = sum(left[1] == right[0] for left, right in pairs)
    return transposed > sum(left[0] == right[1] for left, right in pairs)


def _ends(tensors: Mapping[str, np.ndarray], chain: Chain) -> bool:
    """Whether the last layer makes as many channels as pictures have."""
    last = (chain.convolution(chain.count - 1), 1)
    return width(tensors, last, default=3) <= _CHANNELS


def _release(tensors: Mapping[str, np.ndarray], chain: Chain) -> Release:
    last = chain.count - 1

    def made(index: int) -> int:
        places = [(chain.convolution(index), 1), (chain.convolution(index + 1), 0)]
        if index < last:
            places += [(chain.norm(index, leaf), 0) for leaf in _NORM]
        return width(tensors, *places, default=3)

    kernels = [
        width(tensors, (chain.convolution(index), 2), default=4)
        for index in range(chain.count)
    ]
    try:
        config = descriptions.transposed_chain(
            [made(index) for index in range(chain.count)],
            kernels,
            z_dim=width(tensors, (chain.convolution(0), 0), default=100),
            name=chain.name,
            first=chain.first,
            biases=[
                index
                for index in range(chain.count)
                if chain.convolution(index, "bias") in tensors
            ],
        )
    except ValueError as error:
        raise CheckpointError(
            f"{OTHERS}, of which the layers must be described as config ({error})"
        ) from error
    if kernels == [4, 4, 4, 4, 1]:
        return Release(CSINVA, config)
    return Release(FORMATS.get(chain.name, OTHERS), config, licence="")
