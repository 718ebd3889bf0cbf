"""How genforce's repositories (genforce, SeFa, ReSeFa) wrap what they store.

A bare dict of `generator`, `discriminator` and `generator_smooth`, or a training
snapshot that wraps it in `models`, or the state dict of a generator alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


def generator_state(
    content: Mapping[str, Any], signature: str
) -> dict[str, np.ndarray] | None:
    """The generator's tensors, smoothed ones first; None without `signature`."""
    models = _models(content)
    state = _state(models, "generator_smooth", "generator")
    if state is None and {signature, f"module.{signature}"} & set(models):
        state = _without_prefix(models)
    return state if state is not None and signature in state else None


def discriminator_state(content: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """The discriminator's tensors, None if there are none."""
    return _state(_models(content), "discriminator")


def _models(content: Mapping[str, Any]) -> Mapping[str, Any]:
    models = content.get("models", content)
    return models if isinstance(models, Mapping) else {}


def _state(models: Mapping[str, Any], *names: str) -> dict[str, np.ndarray] | None:
    for name in names:
        if isinstance(models.get(name), Mapping):
            return _without_prefix(models[name])
    return None


def _without_prefix(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Names without the "module." that data-parallel training puts before them."""
    return {name.removeprefix("module."): value for name, value in state.items()}
