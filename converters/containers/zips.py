"""Zip archives in memory, checked before anything in them is read or inflated.

Members that are stored as they are, as torch and NumPy store theirs, are views of the
archive's bytes: a file's arrays take no memory beside the file. Nothing is ever
extracted to disk.
"""

import contextlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from converters.containers.limits import Budget, shown
from jaxlatent.files import MAX_EXPANSION
from jaxlatent.types import CheckpointError

MAGIC = b"PK"

_ENCRYPTED = 0x1
_LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a member: the lengths of the name and of the extra field that follow it."""

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


class Archive:
    """A sound archive.

    Attributes:
        members: its directory, by name.
    """

    def __init__(self, data: bytes, archive: zipfile.ZipFile, budget: Budget) -> None:
        self._data = data
        self._archive = archive
        self._ends: dict[str, int] = {}
        self.members: dict[str, zipfile.ZipInfo] = {}
        self._check(budget)

    def _check(self, budget: Budget) -> None:
        """Holds the directory against the file."""
        members = sorted(self._archive.infolist(), key=lambda m: m.header_offset)
        names = [member.filename for member in members]
        if len(set(names)) != len(names):
            raise CheckpointError("a zip archive that holds two members of one name")
        offsets = [*(m.header_offset for m in members), self._archive.start_dir]
        for member, end in zip(members, offsets[1:], strict=True):
            label = f"zip member {shown(member.filename)}"
            start = member.header_offset + _LOCAL_HEADER.size
            if member.header_offset < 0 or start + member.compress_size > end:
                raise CheckpointError(f"{label} overlaps with what follows it")
            if member.flag_bits & _ENCRYPTED:
                raise CheckpointError(f"{label} is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise CheckpointError(f"{label} is compressed in an unusual way")
            stored = member.compress_type == zipfile.ZIP_STORED
            if stored and member.compress_size != member.file_size:
                raise CheckpointError(f"{label} declares two sizes")
            self.members[member.filename] = member
            self._ends[member.filename] = end
        expanded = sum(member.file_size for member in members)
        if expanded > budget.allowed_expansion:
            raise CheckpointError(
                f"a zip archive that expands to {expanded} bytes, over {MAX_EXPANSION} "
                "times its size"
            )

    def contents(self, name: str) -> bytes | memoryview:
        """The bytes of one member.

        Raises:
            CheckpointError: if they are not what the directory says of them.
        """
        member = self.members[name]
        with self._archive.open(member) as file:
            if member.compress_type == zipfile.ZIP_STORED:
                return self._stored(member)
            # reading without a length would inflate a lying member to its end first
            contents = file.read(member.file_size)
        if len(contents) != member.file_size:
            raise CheckpointError(f"zip member {shown(name)} is too short")
        return contents

    def _stored(self, member: zipfile.ZipInfo) -> memoryview:
        """A view of a member whose local header zipfile has checked."""
        label = f"zip member {shown(member.filename)}"
        lengths = _LOCAL_HEADER.unpack_from(self._data, member.header_offset)
        start = member.header_offset + _LOCAL_HEADER.size + sum(lengths)
        stop = start + member.file_size
        if stop > self._ends[member.filename]:
            raise CheckpointError(f"{label} overlaps with what follows it")
        contents = memoryview(self._data)[start:stop]
        if zlib.crc32(contents) != member.CRC:
            raise CheckpointError(f"a damaged zip archive: {label} has another CRC-32")
        return contents


@contextlib.contextmanager
def opened(data: bytes, budget: Budget) -> Iterator[Archive]:
    """An archive whose directory is sound; what its members raise is one error.

    Args:
        data: the whole file.
        budget: knows what it may expand to.

    Raises:
        CheckpointError: if the archive is damaged, also from within the block.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield Archive(data, archive, budget)
    except CheckpointError:
        raise
    except _ZIP_ERRORS as error:
        raise CheckpointError(f"a damaged zip archive: {shown(str(error))}") from None
