"""Files and folders of which no reader meets a half; arrays that no file inflates."""

import io
import json
import lzma
import math
import os
import secrets
import shutil
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

MAX_EXPANSION = 8
"""How many times its size a file may expand to, where that is not harmless."""

HARMLESS_BYTES = 16 << 20
"""What any file may expand to: zeros, masks and repeated rows compress very well."""

UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, EOFError),
    *(MemoryError, OverflowError, RuntimeError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    tokenize.TokenError,
)
"""What NumPy and zipfile raise for the files that nobody wrote."""

_ARRAY_MAGIC = b"\x93NUMPY"
_MEMBER_SUFFIX = ".npy"


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all.

    The bytes go to a temporary name in the same folder, which then takes the place of
    `path` in one step. When anything fails, an older file stays as it was and no
    temporary file is left behind.

    Args:
        path: the file to write; its folder must exist.
        data: the file's whole content.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def memory_bytes() -> int:
    """How much memory this machine has; a terabyte where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 40


def check_place(
    path: str | os.PathLike[str], *, folder: bool, argument: str = "out"
) -> None:
    """Refuse a place where nothing can be written; leaves nothing there.

    Args:
        path: where results are to go.
        folder: whether as a folder, which is made with those above it, or as a file,
            whose folder must exist.
        argument: for the error.

    Raises:
        OSError: names the argument, the place and what is wrong with it.
    """
    path = Path(path)
    try:
        found = _first_there(path, argument)
        if found == path and folder and not path.is_dir():
            raise NotADirectoryError(f"{argument}: {path} is not a folder")
        if found == path and not folder and path.is_dir():
            raise IsADirectoryError(f"{argument}: {path} is a folder, not a file")
        if not folder and found not in (path, path.parent):
            raise FileNotFoundError(f"{argument}: there is no folder {path.parent}")
        inside = found if found.is_dir() else path.parent
        if not inside.is_dir():
            raise NotADirectoryError(f"{argument}: {inside} is not a folder")
        probe = _temporary(inside / "probe")
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        if error.strerror is None:
            raise
        raise type(error)(f"{argument}: {path}: {error.strerror}") from error


def _first_there(path: Path, argument: str) -> Path:
    """The path, or the first folder above it that exists."""
    for one in (path, *path.parents):
        try:
            os.lstat(one)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            os.stat(one)
        except FileNotFoundError:
            raise FileNotFoundError(f"{argument}: {one} is a link to nothing") from None
        if one != path and not one.is_dir():
            raise NotADirectoryError(f"{argument}: {one} is not a folder")
        return one
    return Path()


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block ends well.

    When the block fails, an older folder stays as it was and no temporary one is left
    behind.

    Args:
        path: the folder to make or to replace.

    Yields:
        The temporary folder, in the same parent, which is made if it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _temporary(path), _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    # only now: should even the way back fail, the older folder is kept under this name
    shutil.rmtree(old, ignore_errors=True)


def keep_record(path: str | os.PathLike[str], values: Mapping[str, Any]) -> list[str]:
    """Keep JSON values in a file, or hold them against those that it keeps.

    Args:
        path: the file, written if it is missing; its folder must exist.
        values: by name.

    Returns:
        What differs, "NAME (OLD there, NEW given)" by name; nothing for a new file.

    Raises:
        ValueError: the file is damaged.
    """
    path = Path(path)
    wanted = json.loads(json.dumps(dict(values)))
    if not path.exists():
        atomic_write(path, (json.dumps(wanted, indent=1) + "\n").encode())
        return []
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"path: {path} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"path: {path} is damaged: it holds no JSON object")
    return [
        f"{name} ({_shown(found, name)} there, {_shown(wanted, name)} given)"
        for name in sorted({*found, *wanted})
        if _shown(found, name) != _shown(wanted, name)
    ]


def _shown(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values[name], sort_keys=True) if name in values else "nothing"


def encode_arrays(arrays: Mapping[str, Any]) -> bytes:
    """The content of an `.npz` file, uncompressed.

    Raises:
        TypeError: for what is no array of numbers, which NumPy would pickle.
    """
    buffer = io.BytesIO()
    # by hand: `np.savez` takes names for arguments, and "file" is one of its own
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, leaf in arrays.items():
            array = np.asarray(leaf)
            if array.dtype.hasobject:
                raise TypeError(f"{name}: not an array of numbers")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def holds_arrays(path: str | os.PathLike[str]) -> bool:
    """Whether a file is NumPy's by its content: `.npy`, or a zip archive of such."""
    with open(path, "rb") as stream:
        if stream.read(len(_ARRAY_MAGIC)) == _ARRAY_MAGIC:
            return True
        try:
            names = zipfile.ZipFile(stream).namelist()
        except UNREADABLE:
            return False
    return all(name.endswith(_MEMBER_SUFFIX) for name in names)


def read_arrays(path: str | os.PathLike[str]) -> np.ndarray | dict[str, np.ndarray]:
    """Read an `.npy` or an `.npz` file without pickles.

    What its directory and its headers announce is held against the size of the file
    before anything is read or inflated.

    Returns:
        The array of an `.npy` file, the arrays of an `.npz` file by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, holds objects, or expands to more than
            `MAX_EXPANSION` times its size and `HARMLESS_BYTES`.
    """
    # outside, for a missing file is not a damaged one
    with open(path, "rb") as stream:
        try:
            size = os.fstat(stream.fileno()).st_size
            if stream.read(len(_ARRAY_MAGIC)) == _ARRAY_MAGIC:
                return _read_array(stream, size)
            with zipfile.ZipFile(stream) as archive:
                return _read_archive(archive, size)
        except UNREADABLE as error:
            reason = str(error) or type(error).__name__
            raise ValueError(f"not an array file: {reason}") from error


def _read_archive(archive: zipfile.ZipFile, size: int) -> dict[str, np.ndarray]:
    members = archive.infolist()
    expanded = sum(member.file_size for member in members)
    if expanded > max(MAX_EXPANSION * size, HARMLESS_BYTES):
        raise ValueError(
            f"it expands to {expanded} bytes, over {MAX_EXPANSION} times its size"
        )
    found = {}
    for member in members:
        name = member.filename.removesuffix(_MEMBER_SUFFIX)
        if name in found:
            raise ValueError(f"two members are called {name[:60]!a}")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # the others cannot be inflated in steps of a chosen length
            raise ValueError(f"{name[:60]!a} is compressed in an unusual way")
        with archive.open(member) as stream:
            try:
                found[name] = _read_array(stream, member.file_size)
            except ValueError as error:
                raise ValueError(f"{name[:60]!a}: {error}") from None
    return found


def _read_array(stream: IO[bytes], size: int) -> np.ndarray:
    """The array of a stream that must be `size` bytes long."""
    stream.seek(0)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(stream)
    if version not in readers:
        raise ValueError(f"version {version} of NumPy's format is not read")
    shape, _, dtype = readers[version](stream)
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    needed = stream.tell() + math.prod(shape) * dtype.itemsize
    if needed != size:
        raise ValueError(
            f"shape {shape} of {dtype} takes {needed} bytes; {size} are there"
        )
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _temporary(path: Path) -> Path:
    # a plain name, not tempfile: its private mode would survive the rename
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
