"""The cases of `benchmarks.training`: a module for each method.

A module offers `make(name, batch) -> Case`, where a batch of None is the paper's.
"""

import importlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from benchmarks.synthesis_sides import Side

CASES = {
    "ganalyze-brightness": "ganalyze",
    "ganalyze-resnet50": "ganalyze",
    "steerability": "steerability",
    "enjoy-stylegan2-64": "enjoy",
    "factors-sngan": "factors",
    "glo-64": "glo",
    "inversion": "inversion",
    "voynov": "voynov",
    "warped-sngan-mnist": "warped",
}
"""The module of each case."""


class Case(Protocol):
    """The same work in both frameworks; `steps.StepCase` is one step of a method."""

    batch: int

    def makers(self) -> dict[str, Callable[[], Callable[[], Side]]]:
        """Sides by name, "ours" and "eager" among them.

        Each loads its weights when it is called, and returns what compiles it. Neither
        holds the case, so that memory can be told apart.
        """
        ...

    def steps(self, name: str) -> int:
        """How many steps one call of a side takes."""
        ...

    def outcome(self, name: str, returned: Any) -> tuple[float, np.ndarray] | None:
        """The loss and the gradient [D] that a side's first call found, if it can."""
        ...


def make(name: str, batch: int | None) -> Case:
    """A case by its name."""
    module = importlib.import_module(f"{__name__}.{CASES[name]}")
    return module.make(name, batch)
