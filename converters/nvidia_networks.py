"""A network in one of NVlabs' files: a pickled object, or a flat state dict."""

from collections.abc import Callable, Mapping
from typing import Any

from converters.containers import nvidia

LICENCE = "NVIDIA's weights carry NVIDIA's licence; most are for non-commercial use"


class StoredNetwork:
    """A network's tensors, and its attributes where the file is a pickle.

    Attributes:
        pickled: whether the file tells attributes.
        record: what the file holds.
        tensors: by dotted name.
        assumed: the config values that the file was asked for and did not tell.
    """

    def __init__(self, network: Mapping[str, Any]) -> None:
        self.pickled = "class_name" in network and "state" in network
        self.record = network
        self.tensors = nvidia.tensors(network) if self.pickled else dict(network)
        self.assumed: dict[str, Any] = {}

    def attribute(self, field: str, path: str, name: str, default: Any) -> Any:
        """An attribute of a module; `field` is assumed where the file has none."""
        if self.pickled:
            found = nvidia.attributes(self.record, path)
            if name in found:
                return found[name]
        self.assumed[field] = default
        return default

    def attribute_or(self, path: str, name: str, otherwise: Callable[[], Any]) -> Any:
        """An attribute of a module, or what tensors tell where the file has none."""
        found = nvidia.attributes(self.record, path) if self.pickled else {}
        return found[name] if name in found else otherwise()

    def option(self, field: str, path: str, name: str, default: Any) -> Any:
        """What a module's constructor was called with, `default` if it was not named.

        `field` is assumed where the file does not tell how a module was called.
        """
        options = nvidia.options(self.record, path) if self.pickled else {}
        if options:
            return options.get(name, default)
        self.assumed[field] = default
        return default


def find_network(
    content: Mapping[str, Any], names: tuple[str, ...], signature: str
) -> StoredNetwork | None:
    """The first of the named networks, or the content itself, that has `signature`.

    Args:
        content: what a file holds.
        names: under which a pickle may hold the network.
        signature: the name of a tensor by which it is known.
    """
    for candidate in (*(content.get(name) for name in names), content):
        if isinstance(candidate, Mapping) and (
            signature in candidate or {"class_name", "state"} <= set(candidate)
        ):
            network = StoredNetwork(candidate)
            if signature in network.tensors:
                return network
    return None
