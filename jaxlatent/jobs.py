"""Long runs over numbered items that may be killed at any moment and go on later."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxlatent.collectives import gather, is_main
from jaxlatent.files import atomic_write, encode_arrays, keep_record, read_arrays

JOB_FILE = "job.json"
_DONE, _PENDING, _REFUSED = 0, 1, 2


def run_job(
    path: Path,
    config: Mapping[str, Any],
    count: int,
    compute: Callable[[int], Mapping[str, Any]],
    *,
    progress: Callable[[int], None] | None = None,
) -> list[Path]:
    """Compute items 0 to `count` - 1 into a folder, `NNNNN.npz` each.

    Every file is written whole or not at all. Called again on the same folder, it skips
    what is there and computes the rest; where `compute` depends on its index alone, the
    files are those of a run that nothing killed, to the bit. An item that cannot be
    read any more is computed again. A later call may ask for more items.

    With several processes all of them call it and all compute every item, so that an
    item may itself be split over a mesh; process 0 alone reads and writes the folder.

    Args:
        path: the folder, made if it is missing. One job at a time may use it.
        config: JSON values that the results depend on: the generator's fingerprint,
            options, seeds. They are recorded in `job.json`.
        count: how many items.
        compute: from an item's number to its arrays by name, each held in full by this
            process (see `parallel.gather`).
        progress: called with the number of items just finished, or found finished.

    Returns:
        The files, by number.

    Raises:
        ValueError: the folder belongs to a job with another configuration, which names
            the keys that differ, or holds items of no job; or `count` is negative.
        ConnectionError: process 0 could not use the folder, or another one is gone.
    """
    if count < 0:
        raise ValueError(f"count: {count} given; 0 or more is accepted")
    path = Path(path)
    files = [path / f"{index:05d}.npz" for index in range(count)]
    state = np.zeros(count + 1, np.uint8)
    problem: Exception | None = None
    if is_main():
        try:
            _open(path, config)
            state[:count] = [_PENDING if _is_missing(file) else _DONE for file in files]
        except (OSError, ValueError) as error:
            problem, state[count] = error, _REFUSED
    state = gather(state[None])[0]
    if problem is not None:
        raise problem
    if state[count] == _REFUSED:
        raise ConnectionError(f"path: process 0 cannot use {path}")
    if progress is not None and (finished := int(np.sum(state[:count] == _DONE))):
        progress(finished)
    for index in np.flatnonzero(state[:count] == _PENDING):
        arrays = compute(int(index))
        if is_main():
            atomic_write(files[index], encode_arrays(arrays))
        if progress is not None:
            progress(1)
    return files


def _open(path: Path, config: Mapping[str, Any]) -> None:
    """Make the folder, or see that it is that of the same job."""
    path.mkdir(parents=True, exist_ok=True)
    for left in path.glob(".*.tmp"):  # what a killed process was writing
        left.unlink()
    record = path / JOB_FILE
    if not record.exists() and any(path.glob("[0-9]*.npz")):
        raise ValueError(f"path: {path} holds items, but no {JOB_FILE}")
    if differing := keep_record(record, config):
        raise ValueError(
            f"config: {path} is another job's, which differs in {', '.join(differing)}"
        )


def _is_missing(file: Path) -> bool:
    """Whether an item has to be computed: it is not there, or not readable."""
    try:
        read_arrays(file)
    except (FileNotFoundError, ValueError):
        return True
    return False
