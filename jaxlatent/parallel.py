"""Many devices and many processes: meshes, placement, and the start of a script.

A mesh is an argument of the functions that cost time. With several processes each runs
the same script on the same values, and holds a part of the devices.
"""

import os
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxlatent.collectives import agree, is_key

LATENTS = "latents"
"""The axis of a mesh whose devices take latents of their own."""

_PATIENCE_FLAG = "--xla_cpu_collective_timeout_seconds"
_TOPOLOGY_MINUTES = "jax_cpu_get_local_topology_timeout_minutes"


def start(
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    *,
    same: Any = None,
    timeout: int = 50,
    heartbeat: int = 30,
) -> None:
    """Join the other processes of a script; once, before anything asks for a device.

    Without arguments jax detects the job: Slurm, Open MPI, Cloud TPU and others.

    Args:
        coordinator: "host:port" of process 0, the same for all.
        processes: how many there are.
        process_id: which of them this one is, from 0.
        same: configuration and host arrays that must not differ between the processes;
            see `agree`.
        timeout: seconds to wait for a process, here and (on CPUs) whenever values are
            exchanged. An `XLA_FLAGS` that names `--xla_cpu_collective_timeout_seconds`
            takes its place for the latter.
        heartbeat: seconds of silence after which a process counts as dead.

    Raises:
        ValueError: some of the three are missing or wrong, no job is detected, or
            `same` differs.
        RuntimeError: called twice, or after an array was made.
        ConnectionError: a process is late or gone.

    A process that never comes ends the others within the timeout and some seconds: they
    are aborted by jax's runtime, which Python cannot catch.
    """
    given = {
        "coordinator": coordinator,
        "processes": processes,
        "process_id": process_id,
    }
    missing = [name for name, value in given.items() if value is None]
    if 0 < len(missing) < 3:
        raise ValueError(f"{missing[0]}: missing; {', '.join(given)} go together")
    if coordinator is not None and not coordinator.rpartition(":")[2].isdecimal():
        raise ValueError(f"coordinator: {coordinator!r} given; host:port is accepted")
    if processes is not None and processes < 1:
        raise ValueError(f"processes: {processes} given; 1 or more is accepted")
    if process_id is not None and processes and not 0 <= process_id < processes:
        raise ValueError(
            f"process_id: {process_id} given; 0 to {processes - 1} is accepted"
        )
    flags = os.environ.get("XLA_FLAGS", "")
    if _PATIENCE_FLAG not in flags:
        # there is no other way to shorten this wait; read when the backend starts
        os.environ["XLA_FLAGS"] = f"{flags} {_PATIENCE_FLAG}={timeout}".strip()
    try:
        jax.config.update(_TOPOLOGY_MINUTES, -(-timeout // 60))
        jax.distributed.initialize(
            coordinator,
            num_processes=processes,
            process_id=process_id,
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=heartbeat,
        )
    except ValueError as error:
        raise ValueError(
            "coordinator: none given, and no job of several processes is detected "
            f"({error}); coordinator, processes and process_id are accepted"
        ) from error
    except jax.errors.JaxRuntimeError as error:
        raise ConnectionError(f"start: {error}") from error
    except RuntimeError as error:
        raise RuntimeError(
            "start: called too late; call it once, before anything makes an array or "
            f"asks for devices ({error})"
        ) from error
    agree(same, "same")


def mesh(
    devices: int | None = None, *, axis: str = "data", latents: int | None = None
) -> Mesh:
    """A mesh over the devices of all processes, with Auto axes.

    One axis, over which rows or the columns of a Jacobian are divided. With `latents`
    there is an axis `LATENTS` in front: the devices form that many groups, each for
    latents of its own (see `jaxlatent.numerics.jacobian.grams`), within which columns
    are divided. As many groups as devices exchange nothing; one group is soonest done
    with a single latent, and needs the least memory where columns are stored.

    Args:
        devices: how many, None for all.
        axis: the axis' name.
        latents: the number of groups, which divides that of the devices.

    Raises:
        ValueError: if there are not that many devices, or groups would be uneven.
    """
    there = jax.devices()
    size = len(there) if devices is None else devices
    if not 1 <= size <= len(there):
        raise ValueError(f"devices: {size} given; 1 to {len(there)} devices exist")
    if latents is None:
        shape, names = (size,), (axis,)
    elif latents >= 1 and size % latents == 0:
        shape, names = (latents, size // latents), (LATENTS, axis)
    else:
        raise ValueError(
            f"latents: {latents} given; a number that divides {size} is accepted"
        )
    kinds = (AxisType.Auto,) * len(shape)
    return jax.make_mesh(shape, names, axis_types=kinds, devices=there[:size])


def check_mesh(mesh: Mesh) -> None:
    """Raise ValueError unless all axes of a mesh are Auto."""
    if any(kind != AxisType.Auto for kind in mesh.axis_types):
        raise ValueError(
            f"mesh: axes of types {mesh.axis_types} given; Auto axes are accepted, as "
            "of jaxlatent.parallel.mesh or jax.make_mesh(..., axis_types=)"
        )


def place(tree: Any, mesh: Mesh, spec: PartitionSpec | None = None) -> Any:
    """Put every array of a pytree on a mesh; works for one and for many processes.

    Args:
        tree: arrays that every process holds in full.
        mesh: where to.
        spec: how to split them; None for a copy on every device.

    Raises:
        ValueError: if an array cannot be split evenly, or an axis is not Auto.
    """
    check_mesh(mesh)
    sharding = NamedSharding(mesh, PartitionSpec() if spec is None else spec)

    def put(array: Any) -> jax.Array:
        if is_key(array):
            data = put(jax.random.key_data(array))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))
        if isinstance(array, jax.Array) and array.sharding == sharding:
            return array
        whole = np.asarray(array)
        return jax.make_array_from_callback(
            whole.shape, sharding, lambda index: whole[index]
        )

    return jax.tree.map(put, tree)


def split(tree: Any, mesh: Mesh) -> tuple[Any, int]:
    """Split rows evenly among devices, whatever their number.

    Args:
        tree: arrays [N, ...] that every process holds in full, N >= 1.
        mesh: where to; rows are split over all of its axes.

    Returns:
        The arrays with a multiple of the devices' number of rows, the first ones again
        behind the last, and N: of what is computed with them, `[:N]` counts.

    Raises:
        ValueError: without rows, for arrays of several numbers of rows, or if an axis
            is not Auto.
    """
    counts = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(tree)}
    if len(counts) != 1 or counts & {(), (0,)}:
        raise ValueError(f"tree: arrays of {sorted(counts)} rows given; one N >= 1")
    ((count,),) = counts
    rows = np.arange(-(-count // mesh.size) * mesh.size) % count
    filled = jax.tree.map(lambda leaf: leaf[rows], tree) if len(rows) > count else tree
    return place(filled, mesh, PartitionSpec(mesh.axis_names)), count
