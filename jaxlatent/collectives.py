"""What processes tell each other: whether they agree, and the parts that each holds."""

import hashlib
import re
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_MOST_NAMED = 3


def is_key(value: Any) -> TypeGuard[jax.Array]:
    """Whether a value is a typed key or an array of them."""
    return isinstance(value, jax.Array) and jnp.issubdtype(
        value.dtype, jax.dtypes.prng_key
    )


def is_main() -> bool:
    """Whether this process writes and prints: process 0, or the only one."""
    # a process that was not started with others need not wake a device to know it
    return not jax.distributed.is_initialized() or jax.process_index() == 0


def gather(tree: Any) -> Any:
    """Every array as NumPy's, whole, on every process; all processes must call it.

    Args:
        tree: arrays on a mesh; with several processes, host arrays are joined along
            their first axis in the order of the processes.

    Raises:
        ConnectionError: a process is late or gone.
    """
    from jax.experimental import multihost_utils

    try:
        return multihost_utils.process_allgather(tree, tiled=True)
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        raise ConnectionError(
            f"process {jax.process_index()} of {jax.process_count()}: another process "
            f"is late or gone: {error}"
        ) from error


def agree(tree: Any, name: str) -> None:
    """Raise on every process unless all of them hold the same values.

    SHA-256 of every array, of other leaves by their text, and of the structure with its
    static fields, so that a generator's config counts. All processes must call it.

    Args:
        tree: host arrays, arrays on every device, numbers, text; say, a generator or
            `{"params": params, "config": config}`.
        name: what to call it.

    Raises:
        ValueError: names what differs, and the processes that differ from process 0.
        ConnectionError: a process is late or gone.
    """
    if jax.process_count() == 1:
        return
    leaves, structure = jax.tree_util.tree_flatten_with_path(
        tree, is_leaf=lambda leaf: leaf is None
    )
    paths = [jax.tree_util.keystr(path) for path, _ in leaves]
    parts = [_content(leaf) for _, leaf in leaves]
    layout = "\n".join([_text(structure), *paths, *(part[0] for part in parts)])
    digests = np.stack([_digest(part[1]) for part in parts] or [_digest(b"")])
    mine = np.stack([_digest(layout.encode()), _digest(digests.tobytes())])
    layouts, values = gather(mine[None]).swapaxes(0, 1)
    if others := _unlike(layouts):
        raise ValueError(
            f"{name}: structure, shapes or configuration of {others} differ from those "
            "of process 0"
        )
    if others := _unlike(values):
        every = gather(digests[None])
        wrong = np.flatnonzero((every != every[:1]).any((0, 2)))
        named = [paths[i] or "the value" for i in wrong[:_MOST_NAMED]]
        more = f" and {len(wrong) - len(named)} more" if len(wrong) > len(named) else ""
        raise ValueError(
            f"{name}: {', '.join(named)}{more} of {others} differ from those of "
            "process 0"
        )


def _content(leaf: Any) -> tuple[str, bytes]:
    """What a leaf is, and its bytes."""
    if is_key(leaf):
        leaf = jax.random.key_data(leaf)
    if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
        return type(leaf).__name__, _text(leaf).encode()
    array = np.asarray(leaf)
    return f"{array.dtype} {array.shape}", array.tobytes()


def _text(value: Any) -> str:
    # a function's address says nothing to another process
    return _ADDRESS.sub("", repr(value))


def _digest(data: bytes) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(data).digest(), np.uint8)


def _unlike(digests: np.ndarray) -> str:
    """The processes whose digest is not that of the first, in words; or nothing."""
    wrong = np.flatnonzero((digests != digests[:1]).any(1))
    return f"process {', '.join(map(str, wrong))}" if len(wrong) else ""
