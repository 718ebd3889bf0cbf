"""A network in one of NVlabs' files: a pickled object, or a flat state dict."""

from collections.abc import Callable
from typing import Any

from converters.containers import nvidia
from converters.entries import Entry

LICENCE = "NVIDIA's weights carry NVIDIA's licence; most are for non-commercial use"


class StoredNetwork:
    """A network's tensors, and its attributes where the file is a pickle.

    Attributes:
        record: the pickled object, None where the file holds tensors alone.
        tensors: by dotted name.
        assumed: the config values that the file was asked for and did not tell.
    """

    def __init__(self, entry: Entry) -> None:
        self.record = entry.record
        self.tensors = entry.tensors
        self.assumed: dict[str, Any] = {}

    @property
    def format(self) -> str:
        """The layout's name."""
        return "NVlabs state dict" if self.record is None else "NVlabs pickle"

    def attribute(self, field: str, path: str, name: str, default: Any) -> Any:
        """An attribute of a module; `field` is assumed where the file has none."""
        found = self._attributes(path)
        if name in found:
            return found[name]
        self.assumed[field] = default
        return default

    def attribute_or(self, path: str, name: str, otherwise: Callable[[], Any]) -> Any:
        """An attribute of a module, or what tensors tell where the file has none."""
        found = self._attributes(path)
        return found[name] if name in found else otherwise()

    def option(self, field: str, path: str, name: str, default: Any) -> Any:
        """What a module's constructor was called with, `default` if it was not named.

        `field` is assumed where the file does not tell how a module was called.
        """
        options = {} if self.record is None else nvidia.options(self.record, path)
        if options:
            return options.get(name, default)
        self.assumed[field] = default
        return default

    def _attributes(self, path: str) -> dict[str, Any]:
        return {} if self.record is None else nvidia.attributes(self.record, path)
