"""A run's metrics as text."""

from collections.abc import Mapping

import numpy as np

CURVES_FILE = "losses.csv"


def to_csv(history: Mapping[str, np.ndarray]) -> str:
    """A table with one line for each step: `step,loss,...`.

    Args:
        history: [steps] values by name.

    Returns:
        A header and the values, as exact text: the loss, then the others by name.
    """
    names = sorted(history, key=lambda name: (name != "loss", name))
    lines = [",".join(["step", *(_quoted(name) for name in names)])]
    # the shortest text that is this value and no other
    columns = [np.asarray(history[name]).astype(str).tolist() for name in names]
    for step, values in enumerate(zip(*columns, strict=True)):
        lines.append(",".join([str(step), *values]))
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    if not any(mark in name for mark in ',"\r\n'):
        return name
    return '"' + name.replace('"', '""') + '"'
