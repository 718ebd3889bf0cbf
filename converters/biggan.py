"""What the file layouts of BigGAN and BigGAN-deep share: how norms are stored."""

import re
from collections.abc import Mapping

import numpy as np

from converters.plans import Divisor
from jaxlatent.generators.biggan_layers import SEED

AJBROCK_EPS = 1e-6
"""The released models' `SN_eps`; it matters for vectors shorter than that alone."""


UNUSED = re.compile(r"\.(sv\d+|u[1-9]\d*|accumulation_counter)$")
"""What training logged in ajbrock's files, and singular vectors after the first."""


def ajbrock_norm(module: str) -> Divisor:
    """ajbrock's spectral norm: one power iteration from the stored vector."""

    def value(matrix: np.ndarray, u: np.ndarray) -> float:
        v = _unit(u[0] @ matrix)
        response = matrix @ v
        return float(response @ _unit(response))

    def _unit(vector: np.ndarray) -> np.ndarray:
        return vector / max(float(np.linalg.norm(vector)), AJBROCK_EPS)

    return Divisor((f"{module}.u0",), lambda rows, _: ((1, rows),), value)


def ganalyze_norm(module: str) -> Divisor:
    """GANalyze's: the same, with lengths that are never zero."""

    def value(matrix: np.ndarray, u: np.ndarray) -> float:
        v = _unit(u @ matrix)
        response = matrix @ v
        return float(_unit(response) @ response)

    def _unit(vector: np.ndarray) -> np.ndarray:
        return vector / (np.linalg.norm(vector) + 1e-4)

    return Divisor((f"{module}.weight_u",), lambda rows, _: ((rows,),), value)


def torch_norm(module: str) -> Divisor:
    """PyTorch's own: both vectors are stored and none is renewed."""
    return Divisor(
        (f"{module}.weight_u", f"{module}.weight_v"),
        lambda rows, columns: ((rows,), (columns,)),
        lambda matrix, u, v: float(u @ matrix @ v),
    )


def channels_last(array: np.ndarray) -> np.ndarray:
    """[..., C 4 4] counted by channel, row, column -> by row, column, channel."""
    maps = array.reshape(*array.shape[:-1], -1, SEED, SEED)
    return np.moveaxis(maps, -3, -1).reshape(array.shape)


def statistics(
    tensors: Mapping[str, np.ndarray], norm: str
) -> tuple[str, dict[str, str]]:
    """ajbrock's three ways to store a batch norm's mean and variance.

    Args:
        tensors: the file's.
        norm: one of its batch norms.

    Returns:
        The prefix of their names below a batch norm, and the file's words for
        "stored_mean" and "stored_var".
    """
    if f"{norm}.bn.running_mean" in tensors:
        return "bn.", {"stored_mean": "running_mean", "stored_var": "running_var"}
    return "bn." if f"{norm}.bn.stored_mean" in tensors else "", {}
