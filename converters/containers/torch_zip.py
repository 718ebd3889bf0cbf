"""The container of ``torch.save`` since version 1.6: a zip archive of one folder.

``data.pkl`` describes the object, ``data/<key>`` holds the bytes of each storage.
"""

import re
from collections.abc import Collection

from converters.containers.contents import content
from converters.containers.limits import Budget, shown
from converters.containers.pickles import load
from converters.containers.rebuilding import GLOBALS
from converters.containers.tensors import Storages, aligned
from converters.containers.zips import Archive
from jaxlatent.types import CheckpointError


def read(archive: Archive, budget: Budget) -> object:
    """Reads a torch file of version 1.6 or later.

    Args:
        archive: the file.
        budget: counts what the file makes us spend.

    Returns:
        The saved object with NumPy arrays for tensors.

    Raises:
        CheckpointError: if the file is anything but a sound one.
    """
    root = _root(archive.members)
    order = f"{root}/byteorder"
    if order in archive.members and archive.contents(order) != b"little":
        raise CheckpointError("the file was not written by a little-endian machine")
    storages = Storages()
    description = bytes(archive.contents(f"{root}/data.pkl"))
    value, end = load(description, 0, GLOBALS, budget, storages.from_persistent_id)
    if end != len(description):
        raise CheckpointError(f"{len(description) - end} bytes after the pickle's end")
    for key, storage in storages.items():
        name = f"{root}/data/{key}"
        member = archive.members.get(name)
        if member is None or member.file_size != storage.nbytes:
            raise CheckpointError(
                f"storage {shown(key)} is missing or is not {storage.nbytes} bytes long"
            )
        storage.contents = aligned(archive.contents(name), storage.dtype)
    return content(value, budget)


def _root(names: Collection[str]) -> str:
    """Finds the one folder of the archive and refuses archives of other kinds."""
    found = [re.fullmatch(r"([^/]+)/data\.pkl", name) for name in names]
    roots = [match[1] for match in found if match]
    if len(roots) != 1:
        raise CheckpointError(
            "a zip archive that torch.save did not write: it needs one FOLDER/data.pkl"
        )
    if f"{roots[0]}/constants.pkl" in names:
        raise CheckpointError(
            "a TorchScript archive, which is a program: save its state_dict() instead"
        )
    return roots[0]
