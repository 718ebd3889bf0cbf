"""What a run leaves in its folder, and how it is found again after a kill.

The last two states are kept, each with all metrics so far. Orbax writes a checkpoint
whole or not at all, but it has no checksums: the SHA-256 beside the arrays tells a
damaged one from a sound one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxlatent.files import UNREADABLE
from jaxlatent.training.record import by_path, sha256
from jaxlatent.types import CheckpointError

_KEPT = 2
_HISTORY, _DIGEST = "history:", "sha256"


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
        from orbax.checkpoint import v1 as ocp

        self.folder = folder
        latest: Any = ocp.training.preservation_policies.LatestN(_KEPT)
        self._orbax = ocp.training.Checkpointer(
            str(folder.resolve()),
            preservation_policy=latest,
            cleanup_tmp_directories=True,
        )

    def save(self, steps: int, state: Any, history: Mapping[str, np.ndarray]) -> None:
        """Write a state and the metrics so far; a kill leaves all of it or nothing.

        Args:
            steps: how many steps led there.
            state: a pytree of arrays.
            history: [steps] values by name.
        """
        arrays = by_path(state)
        arrays |= {f"{_HISTORY}{name}": values for name, values in history.items()}
        arrays[_DIGEST] = _digest(arrays)
        for other in list(self._orbax.checkpoints):
            # `load` went past it, so it is damaged; it would count as the latest
            if other.step >= steps:
                self._orbax.delete(other.step, missing_ok=True)
        # orbax refuses empty arrays, and shapes alone restore them
        kept = {name: array for name, array in arrays.items() if array.size}
        self._orbax.save(steps, kept, force=True)

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
        found: Any = self._orbax.metadata(steps).metadata
        # NumPy templates: without any, orbax commits what it loads to devices
        templates = {
            name: np.zeros(entry.shape, entry.dtype) for name, entry in found.items()
        }
        arrays: dict[str, np.ndarray] = dict(self._orbax.load(steps, templates))
        arrays = {name: np.asarray(array) for name, array in arrays.items()}
        digest = arrays.pop(_DIGEST)
        history = {
            name.removeprefix(_HISTORY): arrays.pop(name)
            for name in list(arrays)
            if name.startswith(_HISTORY)
        }
        wanted = by_path(like)
        arrays |= {name: array for name, array in wanted.items() if not array.size}
        for name, array in wanted.items():
            there = arrays[name]
            if (there.shape, there.dtype) != (array.shape, array.dtype):
                raise ValueError(f"{name}: {there.dtype} {there.shape} is there")
        named = {f"{_HISTORY}{name}": values for name, values in history.items()}
        if not np.array_equal(digest, _digest(arrays | named)):
            raise ValueError("not as it was written")
        leaves = [arrays[name] for name in wanted]
        state = jax.tree.unflatten(jax.tree.structure(like), leaves)
        return Found(steps, state, history)


def _digest(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.frombuffer(sha256(arrays), np.uint8)
