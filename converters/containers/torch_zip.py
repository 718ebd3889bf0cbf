"""The container of ``torch.save`` since version 1.6: a zip archive of one folder.

``data.pkl`` describes the object, ``data/<key>`` holds the bytes of each storage. The
archive is opened in place and each storage is read once, so that the peak of memory is
the size of the file; nothing is ever extracted to disk.
"""

import contextlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from converters.containers.limits import Budget, shown
from converters.containers.pickles import load
from converters.containers.rebuilding import GLOBALS, plain
from converters.containers.tensors import Storages
from jaxlatent.files import MAX_EXPANSION
from jaxlatent.types import CheckpointError

MAGIC = b"PK"

_Members = dict[str, zipfile.ZipInfo]

_ENCRYPTED = 0x1
_LOCAL_HEADER_BYTES = 30

# Everything that zipfile is known to raise for archives that are not sound.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    EOFError,
    ValueError,
    OverflowError,
    OSError,
)


def read(path: Path, budget: Budget) -> object:
    """Reads a torch file of version 1.6 or later.

    Args:
        path: the file.
        budget: counts what the file makes us spend.

    Returns:
        The saved object with NumPy arrays for tensors.

    Raises:
        CheckpointError: if the file is anything but a sound one.
    """
    with _opened(path, budget) as (archive, members, root):
        return _read_folder(archive, members, root, budget)


def check(path: Path, budget: Budget) -> None:
    """Tells a torch file from other zip archives.

    Args:
        path: the file.
        budget: knows the file's size.

    Raises:
        CheckpointError: if the archive is another kind of file or is damaged.
    """
    with _opened(path, budget):
        pass


@contextlib.contextmanager
def _opened(
    path: Path, budget: Budget
) -> Iterator[tuple[zipfile.ZipFile, _Members, str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(archive, budget)
            yield archive, members, _root(members)
    except CheckpointError:
        raise
    except _ZIP_ERRORS as error:
        raise CheckpointError(f"a damaged zip archive: {shown(str(error))}") from None


def _read_folder(
    archive: zipfile.ZipFile, members: _Members, root: str, budget: Budget
) -> object:
    order = members.get(f"{root}/byteorder")
    if order is not None and _contents(archive, order) != b"little":
        raise CheckpointError("the file was not written by a little-endian machine")
    storages = Storages()
    description = _contents(archive, members[f"{root}/data.pkl"])
    value, end = load(description, 0, GLOBALS, budget, storages.from_persistent_id)
    if end != len(description):
        raise CheckpointError(f"{len(description) - end} bytes after the pickle's end")
    for key, storage in storages.items():
        member = members.get(f"{root}/data/{key}")
        if member is None or member.file_size != storage.nbytes:
            raise CheckpointError(
                f"storage {shown(key)} is missing or is not {storage.nbytes} bytes long"
            )
        storage.contents = _contents(archive, member)
    return plain(value, budget)


def _root(members: _Members) -> str:
    """Finds the one folder of the archive and refuses archives of other kinds."""
    found = [re.fullmatch(r"([^/]+)/data\.pkl", name) for name in members]
    roots = [match[1] for match in found if match]
    if len(roots) != 1:
        raise CheckpointError(
            "a zip archive that torch.save did not write: it needs one FOLDER/data.pkl"
        )
    if f"{roots[0]}/constants.pkl" in members:
        raise CheckpointError(
            "a TorchScript archive, which is a program: save its state_dict() instead"
        )
    return roots[0]


def _checked_members(archive: zipfile.ZipFile, budget: Budget) -> _Members:
    """Checks the directory against the file, before anything is read or inflated."""
    members = sorted(archive.infolist(), key=lambda member: member.header_offset)
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise CheckpointError("a zip archive that holds two members of one name")
    offsets = [*(member.header_offset for member in members), archive.start_dir]
    for member, end in zip(members, offsets[1:], strict=True):
        label = f"zip member {shown(member.filename)}"
        start = member.header_offset + _LOCAL_HEADER_BYTES
        if member.header_offset < 0 or start + member.compress_size > end:
            raise CheckpointError(f"{label} overlaps with what follows it")
        if member.flag_bits & _ENCRYPTED:
            raise CheckpointError(f"{label} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CheckpointError(f"{label} is compressed in an unusual way")
        stored = member.compress_type == zipfile.ZIP_STORED
        if stored and member.compress_size != member.file_size:
            raise CheckpointError(f"{label} declares two sizes")
    expanded = sum(member.file_size for member in members)
    if expanded > budget.allowed_expansion:
        raise CheckpointError(
            f"a zip archive that expands to {expanded} bytes, over {MAX_EXPANSION} "
            "times its size"
        )
    return dict(zip(names, members, strict=True))


def _contents(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    # Reading without a length would inflate a lying member to its end first.
    with archive.open(member) as file:
        contents = file.read(member.file_size)
    if len(contents) != member.file_size:
        raise CheckpointError(f"zip member {shown(member.filename)} is too short")
    return contents
