"""The options that spread a command over devices and processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import tyro
from jax.sharding import Mesh

from jaxlatent import parallel
from jaxlatent.cli import arguments
from jaxlatent.cli.options import option


@dataclass(frozen=True)
class Devices:
    """Where to compute; one device if left out. Every process runs the same words."""

    devices: Annotated[int | None, option("N")] = None
    """How many devices to use; on CPUs, N virtual ones in each process."""
    coordinator: Annotated[str | None, option("HOST:PORT")] = None
    """Where process 0 of several listens, the same for all."""
    processes: Annotated[int | None, option("N")] = None
    """How many processes there are."""
    rank: Annotated[int | None, option("K")] = None
    """Which of them this one is, from 0; that one writes and prints."""


ONE_DEVICE = Devices()
DevicesGroup = Annotated[Devices, tyro.conf.arg(name="device")]


def open_mesh(options: Devices, words: Mapping[str, Any]) -> Mesh | None:
    """Join the other processes and collect the devices; before any array exists.

    Args:
        options: the options.
        words: all arguments of the command, which every process must be given alike.

    Returns:
        A mesh over all devices that are to be used, None for the default device.

    Raises:
        ValueError: names the option that is missing or asks for too much.
    """
    count = options.devices
    alike = {name: value for name, value in words.items() if value is not options}
    several = (options.coordinator, options.processes, options.rank)
    if count is not None:
        _ask_for(arguments.at_least_one(count, "--devices"))
    names = {name: f"--{name}" for name in ("coordinator", "processes", "rank")}
    names["same"] = "the command's arguments"
    if any(one is not None for one in several):
        with arguments.naming(**names):
            parallel.start(*several, same=alike)
        here = jax.local_device_count()
        if count not in (None, here):
            raise ValueError(
                f"--devices: {count} given; each of several processes uses all of its "
                f"{here} devices"
            )
        return parallel.mesh()
    if count is None:
        return None
    with arguments.naming(count="--devices"):
        return parallel.mesh(count)


def _ask_for(count: int) -> None:
    """Let a CPU stand for so many devices; more than were asked for stay."""
    if jax.config.values["jax_num_cpu_devices"] < count:
        try:
            jax.config.update("jax_num_cpu_devices", count)
        except RuntimeError:  # too late: within Python, those that there are
            return
