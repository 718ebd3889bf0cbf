"""A command spread over devices and processes."""

from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import Mesh

from jaxlatent import parallel
from jaxlatent.cli.arguments import at_least_one
from jaxlatent.cli.options import Devices


def open_mesh(options: Devices, words: Mapping[str, Any]) -> Mesh | None:
    """Join the other processes and collect the devices; before any array exists.

    Args:
        options: the options.
        words: the other arguments of the command, which every process must be given
            alike.

    Returns:
        A mesh over all devices that are to be used, None for the default device.

    Raises:
        ValueError: names the option that is missing or asks for too much.
    """
    count = options.devices
    several = (options.coordinator, options.processes, options.process_id)
    if count is not None:
        _ask_for(at_least_one(count, "devices"))
    if any(one is not None for one in several):
        parallel.start(*several, same={"the command's arguments": dict(words)})
        here = jax.local_device_count()
        if count not in (None, here):
            raise ValueError(
                f"devices: {count} given; each of several processes uses all of its "
                f"{here} devices"
            )
        return parallel.mesh()
    return None if count is None else parallel.mesh(count)


def _ask_for(count: int) -> None:
    """Let a CPU stand for so many devices; more than were asked for stay."""
    if jax.config.values["jax_num_cpu_devices"] < count:
        try:
            jax.config.update("jax_num_cpu_devices", count)
        except RuntimeError:  # too late: within Python, those that there are
            return
