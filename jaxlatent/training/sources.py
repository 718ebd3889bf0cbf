"""Data that may be larger than memory: rows by number, epochs, and loading ahead."""

import functools
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import jax
import numpy as np

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


class Source(Protocol):
    """Rows that are read when they are needed."""

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def batch(self, numbers: np.ndarray) -> Any:
        """The rows at `numbers` [N], which may repeat.

        Called from a thread of its own, one call at a time.

        Returns:
            A pytree of host arrays [N, ...].
        """
        ...


@dataclass(frozen=True, eq=False)
class ArraySource:
    """The rows of arrays in memory, or of files that NumPy maps into it.

    Attributes:
        arrays: a pytree of arrays [N, ...] of one N >= 1. A method that keeps something
            for each row adds the rows' numbers: `{"image": images, "number":
            numpy.arange(len(images))}`.
    """

    arrays: Any

    def __post_init__(self) -> None:
        counts = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(self.arrays)}
        if len(counts) != 1 or counts & {(), (0,)}:
            raise ValueError(
                f"arrays: shapes that begin with {sorted(counts)} given; one N >= 1 is "
                "accepted"
            )

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.arrays)[0])

    def batch(self, numbers: np.ndarray) -> Any:
        """The rows at `numbers` [N], a pytree of arrays [N, ...]."""
        return jax.tree.map(lambda leaf: np.asarray(leaf[numbers]), self.arrays)


def epochs(key: jax.Array, count: int) -> Callable[[int, int], np.ndarray]:
    """Which rows the samples of a run see.

    Every epoch is a permutation of all rows: sample n takes entry n mod `count` of
    `permutation(fold_in(key, n // count), count)`. A batch may reach over the end of an
    epoch, and no row is left out.

    Args:
        key: a typed key that nothing else draws from.
        count: how many rows there are.

    Returns:
        A function of the first sample and the one behind the last, to row numbers [N].
    """

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return np.asarray(_order(key, np.uint32(epoch), count))

    def rows(start: int, stop: int) -> np.ndarray:
        met = range(start // count, -(-stop // count))
        offset = met.start * count
        return np.concatenate([order(epoch) for epoch in met])[
            start - offset : stop - offset
        ]

    return rows


@functools.partial(jax.jit, static_argnames="count")
def _order(key: jax.Array, epoch: jax.Array, count: int) -> jax.Array:
    return jax.random.permutation(jax.random.fold_in(key, epoch), count)


def load_rows(source: Source, numbers: np.ndarray, block: int) -> Any:
    """The rows of several steps, read step by step.

    Args:
        source: where from.
        numbers: [steps, batch] numbers of rows, of one step or more.
        block: how many steps to make room for.

    Returns:
        A pytree of host arrays [block, batch, ...]; what is behind `steps` is zero.

    Raises:
        ValueError: the source returns another number of rows.
    """
    room: list[np.ndarray] = []
    structure: Any = None
    for step, wanted in enumerate(numbers):
        leaves, structure = jax.tree.flatten(source.batch(wanted))
        rows = [np.asarray(leaf) for leaf in leaves]
        if shapes := {leaf.shape[:1] for leaf in rows} - {wanted.shape}:
            raise ValueError(
                f"data: its batch of {len(wanted)} numbers has arrays whose shapes "
                f"begin with {sorted(shapes)}; {wanted.shape} is accepted"
            )
        if not room:
            room = [np.zeros((block, *leaf.shape), leaf.dtype) for leaf in rows]
        for space, leaf in zip(room, rows, strict=True):
            space[step] = leaf
    return jax.tree.unflatten(structure, room)


def ahead(
    load: Callable[[Item], Loaded], items: Iterable[Item]
) -> Generator[tuple[Item, Loaded]]:
    """Each item with what was loaded for it, while a thread loads the next one.

    Items are drawn in the caller's thread. What `load` raises is raised here, when its
    item's turn comes.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        coming: deque[tuple[Item, Any]] = deque()
        for item in items:
            coming.append((item, pool.submit(load, item)))
            if len(coming) == 2:
                first, loading = coming.popleft()
                yield first, loading.result()
        for last, loading in coming:
            yield last, loading.result()
    finally:
        # what is being loaded for nothing need not be waited for
        pool.shutdown(wait=False, cancel_futures=True)
