"""Rows that a function makes from numbered random codes, a chunk at a time.

Code i depends on the key and i alone, so that no chunk size and no number of devices
changes a draw, and a second pass makes the same rows again instead of storing them.
One compiled function serves all chunks: the last one is padded with codes that are
marked as not valid.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

from jaxlatent.numerics.moments import Update
from jaxlatent.parallel import place

Progress = Callable[[int], None]

Source = Callable[[jax.Array], tuple[jax.Array, jax.Array]]
"""A model, a pytree that can be called, of what is streamed: typed keys [N] -> latents
[N, d] and what is made of them, [N, ...], flattened to rows."""


@dataclasses.dataclass(frozen=True)
class Stream:
    """Codes by number, `chunk` at a time.

    Attributes:
        source: makes them; on the mesh, if there is one.
        key: code i depends on the key and i alone.
        keep: whether updates see the latents; else they get [N, 0].
        chunk: codes per compiled call, a multiple of the number of devices.
        mesh: devices among which each chunk is split, None for one.
        progress: called with the number of codes just finished.
    """

    source: Source
    key: jax.Array
    keep: bool
    chunk: int
    mesh: Mesh | None
    progress: Progress | None

    def sweep(self, update: Update, state: Any, num: int, start: int = 0) -> Any:
        """Fold the codes from `start` up to `num` into the state."""
        for indices in self._indices(start, num):
            state = _accumulate(
                state,
                self.source,
                self.key,
                indices,
                np.int32(num),
                update=update,
                keep=self.keep,
            )
            self._report(state, indices, num)
        if self.mesh is not None:
            state = jax.device_put(state, NamedSharding(self.mesh, PartitionSpec()))
        return state

    def rows(self, num: int) -> Iterator[np.ndarray]:
        """The features of codes 0 to `num`, on the host."""
        for indices in self._indices(0, num):
            rows = np.asarray(_rows(self.source, self.key, indices))
            self._report(rows, indices, num)
            yield rows[: num - int(indices[0])]

    def _indices(self, start: int, stop: int) -> Iterator[Any]:
        for first in range(start, stop, self.chunk):
            numbers = np.arange(first, first + self.chunk, dtype=np.int32)
            if self.mesh is None:
                yield numbers
            else:
                yield place(numbers, self.mesh, PartitionSpec(self.mesh.axis_names))

    def _report(self, done: Any, indices: Any, stop: int) -> None:
        if self.progress is not None:
            jax.block_until_ready(done)
            self.progress(min(self.chunk, stop - int(indices[0])))


def open_stream(
    source: Source,
    *,
    key: jax.Array,
    keep: bool = False,
    chunk: int,
    mesh: Mesh | None = None,
    progress: Progress | None = None,
) -> Stream:
    """A stream whose source and key lie where its chunks are computed."""
    devices = 1
    if mesh is not None:
        devices = mesh.size
        source = place(source, mesh)
        key = place(key, mesh)
    return Stream(source, key, keep, -(-chunk // devices) * devices, mesh, progress)


def draw_codes(
    source: Source, key: jax.Array, indices: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Latents [N, d] and rows [N, D] of codes by number."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, indices)
    latents, rows = source(keys)
    return latents, rows.reshape(latents.shape[0], -1)


def _add_codes(
    state: Any,
    source: Source,
    key: jax.Array,
    indices: jax.Array,
    stop: jax.Array,
    *,
    update: Update,
    keep: bool,
) -> Any:
    latents, rows = draw_codes(source, key, indices)
    latents = latents if keep else latents[:, :0]
    return update(state, rows, latents, indices < stop)


_accumulate = jax.jit(
    _add_codes, static_argnames=("update", "keep"), donate_argnames="state"
)


@jax.jit
def _rows(source: Source, key: jax.Array, indices: jax.Array) -> jax.Array:
    return draw_codes(source, key, indices)[1]
