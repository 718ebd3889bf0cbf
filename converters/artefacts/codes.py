"""Codes that other tools left behind."""

import os

import numpy as np

from converters.artefacts.contents import find_array, read_artefact
from jaxlatent.types import CheckpointError

CODE_NAMES = ("w+", "wp", "w", "z", "codes", "latents", "latent_codes")


def load_codes(path: str | os.PathLike[str]) -> np.ndarray:
    """Read codes: a NumPy, torch, pickle or safetensors file with one array.

    Accepted are z or w as [D] or [N, D], w+ as [N, L, D] (an encoder's or projector's
    result, SeFa's released codes), alone or under one of `CODE_NAMES`.

    Returns:
        [N, D] or [N, L, D], floating.

    Raises:
        CheckpointError: if there is no such array in the file.
    """
    accepted = f"one array, or one of {CODE_NAMES}"
    _, array = find_array(path, read_artefact(path), CODE_NAMES, accepted)
    array = array[None] if array.ndim == 1 else array
    if array.ndim not in (2, 3) or not array.size or not np.isfinite(array).all():
        raise CheckpointError(
            f"{path}: an array of shape {array.shape}; finite [N, D] or [N, L, D] is "
            "accepted"
        )
    return array
