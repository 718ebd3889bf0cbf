"""Writing files and folders so that a reader never meets half of one."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def _temporary(path: Path) -> Path:
    # a plain name, not tempfile: its private mode would survive the rename
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
