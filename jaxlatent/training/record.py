"""Which run a folder belongs to, so that no other goes on with its state."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.collectives import is_key
from jaxlatent.files import keep_record

RECORD_FILE = "fit.json"
_MOST_NAMED = 5
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def describe(
    method: Any, state: Any, *, key: jax.Array, batch: int, rows: int | None
) -> dict[str, Any]:
    """What the result of a run depends on, but for the number of steps.

    Args:
        method: its static fields count by their values, its models by a SHA-256 of
            their weights and of their own static fields.
        state: the one before the first step; counts by its shapes and dtypes.
        key: the run's.
        batch: samples of a step.
        rows: how many rows of data there are, None without data.

    Returns:
        JSON values by name.
    """
    values: dict[str, Any] = {
        "method": type(method).__qualname__,
        "batch": batch,
        "data": rows,
        "key": {
            "impl": str(jax.random.key_impl(key)),
            "data": np.asarray(jax.random.key_data(key)).tolist(),
        },
    }
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        if field.metadata.get("pytree_node", True):
            values[f"models.{field.name}"] = _digest(value)
        else:
            values[f"settings.{field.name}"] = _plain(value)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        shape, dtype = np.shape(leaf), jnp.result_type(leaf)
        values[f"state{jax.tree_util.keystr(path)}"] = f"{dtype} {shape}"
    return values


def claim(folder: Path, values: dict[str, Any]) -> None:
    """Make a folder a run's own, or see that it is the same run's.

    Raises:
        ValueError: it is another run's, which names what differs; or its record is
            damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if differing := keep_record(folder / RECORD_FILE, values):
        named = ", ".join(differing[:_MOST_NAMED])
        more = len(differing) - _MOST_NAMED
        raise ValueError(
            f"folder: {folder} is another run's, which differs in {named}"
            f"{f' and {more} more' if more > 0 else ''}"
        )


def by_path(tree: Any) -> dict[str, np.ndarray]:
    """Every leaf as NumPy's, by its path; keys as the numbers that they are made of."""
    return {
        jax.tree_util.keystr(path): np.asarray(
            jax.random.key_data(leaf) if is_key(leaf) else leaf
        )
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def sha256(arrays: Mapping[str, np.ndarray], text: str = "") -> bytes:
    """The digest of named arrays and of a text, [32]; the arrays' order is nothing."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.digest()


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return _text(value)


def _text(value: Any) -> str:
    # a function's address is another one in the next process
    return _ADDRESS.sub("", repr(value))


def _digest(tree: Any) -> str:
    structure = jax.tree.structure(tree)
    return sha256(by_path(tree), _text(structure)).hex()
