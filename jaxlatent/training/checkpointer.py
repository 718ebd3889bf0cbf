"""What a run leaves in its folder, and how it is found again after a kill.

The last two states are kept, each with all metrics so far. Orbax writes a checkpoint
whole or not at all, but it has no checksums: a manifest with the SHA-256 of every file,
written last, tells a sound one from one that is damaged or that a kill cut short.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxlatent.collectives import is_main
from jaxlatent.files import UNREADABLE, atomic_write
from jaxlatent.training.record import by_path
from jaxlatent.types import CheckpointError

MANIFEST_FILE = "MANIFEST.json"
_KEPT = 2
_HISTORY = "history:"


class Found(NamedTuple):
    """A checkpoint: how many steps were done, and what they led to."""

    steps: int
    state: Any
    history: dict[str, np.ndarray]


class Checkpointer:
    """The last checkpoints of one run.

    All processes of a run call every method; each must hold the state in full.

    Attributes:
        folder: where they are, made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._orbax = _opened(self.folder)

    def save(self, steps: int, state: Any, history: Mapping[str, np.ndarray]) -> None:
        """Write a state and the metrics so far; a kill leaves all of it or nothing.

        An interrupt waits until it is written.

        Args:
            steps: how many steps led there.
            state: a pytree of arrays.
            history: [steps] values by name.
        """
        # interrupts meet the main thread: within orbax they would be swallowed
        with ThreadPoolExecutor(1) as writer:
            written = writer.submit(self._write, steps, state, history)
            written.result()

    def _write(self, steps: int, state: Any, history: Mapping[str, np.ndarray]) -> None:
        arrays = by_path(state)
        arrays |= {f"{_HISTORY}{name}": values for name, values in history.items()}
        # `load` went past them, so they are damaged; they would count as the latest
        damaged = [one.step for one in self._orbax.checkpoints if one.step >= steps]
        if damaged:
            # not every orbax that is accepted can delete
            self._orbax.close()
            for step in damaged if is_main() else ():
                shutil.rmtree(self.folder / str(step), ignore_errors=True)
            self._orbax = _opened(self.folder)
        # orbax refuses empty arrays, and shapes alone restore them
        kept = {name: array for name, array in arrays.items() if array.size}
        self._orbax.save(steps, kept, force=True)
        if is_main():
            there = self.folder / str(steps)
            atomic_write(there / MANIFEST_FILE, json.dumps(_hashes(there)).encode())

    def load(self, like: Any) -> Found | None:
        """The last sound checkpoint, or None where there is not any.

        Args:
            like: a state of the same structure, shapes and dtypes.

        Returns:
            NumPy arrays, which belong to no device yet.

        Raises:
            CheckpointError: there are checkpoints, but none of them can be used.
        """
        reasons = []
        for one in reversed(self._orbax.checkpoints):
            if not (self.folder / str(one.step) / MANIFEST_FILE).is_file():
                continue  # a kill came before it was complete
            try:
                return self._read(one.step, like)
            except UNREADABLE as error:
                reasons.append(f"{one.step}: {str(error) or type(error).__name__}")
        if reasons:
            raise CheckpointError(
                f"folder: none of the checkpoints in {self.folder} can be used: "
                f"{'; '.join(reasons)}"
            )
        return None

    def close(self) -> None:
        """Let go of the folder."""
        self._orbax.close()

    def _read(self, steps: int, like: Any) -> Found:
        there = self.folder / str(steps)
        # first, for orbax is loud about damaged files where it notices them at all
        if json.loads((there / MANIFEST_FILE).read_bytes()) != _hashes(there):
            raise ValueError("not as it was written")
        saved: Any = self._orbax.metadata(steps).metadata
        # NumPy templates: without any, orbax commits what it loads to devices
        templates = {
            name: np.zeros(entry.shape, entry.dtype) for name, entry in saved.items()
        }
        loaded: Any = self._orbax.load(steps, templates)
        arrays = {name: np.asarray(array) for name, array in loaded.items()}
        history = {
            name.removeprefix(_HISTORY): arrays.pop(name)
            for name in list(arrays)
            if name.startswith(_HISTORY)
        }
        wanted = by_path(like)
        arrays |= {name: array for name, array in wanted.items() if not array.size}
        for name, array in wanted.items():
            found = arrays[name]
            if (found.shape, found.dtype) != (array.shape, array.dtype):
                raise ValueError(f"{name}: {found.dtype} {found.shape} is there")
        leaves = [arrays[name] for name in wanted]
        return Found(
            steps, jax.tree.unflatten(jax.tree.structure(like), leaves), history
        )


def _opened(folder: Path) -> Any:
    from orbax.checkpoint import v1 as ocp

    latest: Any = ocp.training.preservation_policies.LatestN(_KEPT)
    return ocp.training.Checkpointer(
        str(folder), preservation_policy=latest, cleanup_tmp_directories=True
    )


def _hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, but for its manifest."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file != folder / MANIFEST_FILE:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found[file.relative_to(folder).as_posix()] = digest
    return found
