"""Codes that other tools left behind."""

import numpy as np

from converters.artefacts.contents import find_array
from converters.checkpoints import CheckpointFile, opened
from jaxlatent.types import CheckpointError

CODE_NAMES = ("w+", "wp", "w", "z", "codes", "latents", "latent_codes")


def load_codes(file: CheckpointFile) -> np.ndarray:
    """Read codes: a NumPy, torch, pickle or safetensors file with one array.

    Accepted are z or w as [D] or [N, D], w+ as [N, L, D] (an encoder's or projector's
    result, SeFa's released codes), alone or under one of `CODE_NAMES`.

    Args:
        file: its path, or what `read` returned.

    Returns:
        [N, D] or [N, L, D], floating, read-only.

    Raises:
        CheckpointError: if there is no such array in the file.
    """
    checkpoint = opened(file, numpy_files=True)
    accepted = f"one array, or one of {CODE_NAMES}"
    _, array = find_array(checkpoint, CODE_NAMES, accepted)
    array = array[None] if array.ndim == 1 else array
    if array.ndim not in (2, 3) or not array.size or not np.isfinite(array).all():
        raise CheckpointError(
            f"{checkpoint.path}: an array of shape {array.shape}; finite [N, D] or "
            "[N, L, D] is accepted"
        )
    return array
