"""Meshes and placement: the only code that differs between one device and many."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def mesh(count: int | None = None, *, axis: str = "data") -> Mesh:
    """A one-axis mesh over devices, with Auto axes.

    Args:
        count: how many devices, None for all.
        axis: the axis' name.

    Raises:
        ValueError: if there are not that many devices.
    """
    devices = jax.devices()
    size = len(devices) if count is None else count
    if not 1 <= size <= len(devices):
        raise ValueError(f"count: {size} given; 1 to {len(devices)} devices exist")
    return jax.make_mesh(
        (size,), (axis,), axis_types=(AxisType.Auto,), devices=devices[:size]
    )


def place(tree: Any, mesh: Mesh, spec: PartitionSpec | None = None) -> Any:
    """Put every array of a pytree on a mesh; works for one and for many processes.

    Args:
        tree: arrays that every process holds in full.
        mesh: where to.
        spec: how to split them; None for a copy on every device.

    Raises:
        ValueError: if an array cannot be split evenly.
    """
    sharding = NamedSharding(mesh, PartitionSpec() if spec is None else spec)

    def put(array: Any) -> jax.Array:
        if isinstance(array, jax.Array) and jnp.issubdtype(
            array.dtype, jax.dtypes.prng_key
        ):
            return jax.device_put(array, sharding)
        whole = np.asarray(array)
        return jax.make_array_from_callback(
            whole.shape, sharding, lambda index: whole[index]
        )

    return jax.tree.map(put, tree)
