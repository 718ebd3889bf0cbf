"""Any number of rows through a compiled function that takes a fixed number of them."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxlatent.collectives import agree, gather
from jaxlatent.parallel import place, split


def in_chunks(
    call: Callable[..., Any],
    inputs: tuple[Any, ...],
    total: int,
    chunk: int,
    progress: Callable[[int], None] | None = None,
    *,
    whole: tuple[Any, ...] = (),
    mesh: Mesh | None = None,
) -> Iterator[Any]:
    """Call a compiled function on `chunk` rows at a time; yield its results' rows.

    Args:
        call: takes `whole` and `inputs` with `chunk` rows, returns a pytree of arrays
            with as many.
        inputs: pytrees whose arrays have `total` rows.
        total: how many rows there are.
        chunk: rows per call. The last call is filled up, so that one compilation
            serves all.
        progress: called with the number of rows just finished.
        whole: arguments that every call and every device takes as they are.
        mesh: devices among which the rows of a call are split; their number is rounded
            up to a multiple of the devices'.

    Raises:
        ValueError: if there are no rows, a chunk holds none, an array has another
            number of rows, or processes differ in `whole` or `inputs`.
    """
    if total == 0:
        raise ValueError("latent: no codes given")
    if chunk < 1:
        raise ValueError(f"chunk: {chunk} given; 1 or more is accepted")
    for leaf in jax.tree.leaves(inputs):
        # jax would clamp indices beyond the end and use the last row again
        if np.shape(leaf)[:1] != (total,):
            raise ValueError(
                f"latent, label or noise: shape {np.shape(leaf)} given among {total} "
                "codes"
            )
    size = min(chunk, total)
    if mesh is not None:
        agree({"whole": whole, "inputs": inputs}, "mesh")
        whole = place(whole, mesh)
        size = -(-size // mesh.size) * mesh.size
    for start in range(0, total, size):
        # wrapping around fills the last chunk with rows that are dropped again
        rows = np.arange(start, start + size) % total
        part = jax.tree.map(operator.itemgetter(rows), inputs)
        if mesh is not None:
            part, _ = split(part, mesh)
        part = call(*whole, *part)
        part = jax.tree.map(np.asarray, part) if mesh is None else gather(part)
        kept = slice(min(size, total - start))
        yield jax.tree.map(operator.itemgetter(kept), part)
        if progress is not None:
            progress(kept.stop)
