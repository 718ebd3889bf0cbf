"""Tangent spaces of a function's image: singular vectors of its Jacobian, code by code.

Source: Choi, Lee, Yoon, Park, Hwang and Kang, "Do Not Escape From the Manifold:
Discovering the Local Coordinates on the Latent Space of GANs" (ICLR 2022): the Local
Basis of a latent space at w = f(z) are the left singular vectors of the Jacobian of f.
"""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from jaxlatent.types import Model, as_model


class LocalBases(NamedTuple):
    """Singular value decompositions of Jacobians [M, D], of rank R at most.

    Attributes:
        values: [N, R] float64, descending.
        outputs: [N, R, M], orthonormal rows: the local basis of f(z).
        inputs: [N, R, D], orthonormal rows, what moves z along it.
    """

    values: np.ndarray
    outputs: np.ndarray
    inputs: np.ndarray


def local_bases(f: Model, codes: jax.Array, *, chunk: int = 8) -> LocalBases:
    """The local basis at each code; decomposed on the host, in float64.

    Args:
        f: z [N, D] -> [N, ...], each row by itself.
        codes: [N, D].
        chunk: Jacobians per compiled call.

    Raises:
        ValueError: for codes of another shape, a chunk below one, or a Jacobian that is
            not finite.
    """
    if codes.ndim != 2 or not len(codes):
        raise ValueError(f"codes: shape {codes.shape} given; [N, D] is accepted")
    if chunk < 1:
        raise ValueError(f"chunk: {chunk} given; 1 or more is accepted")
    found, size = [], min(chunk, len(codes))
    for start in range(0, len(codes), size):
        # the last call is filled up, so that one compilation serves all
        rows = np.minimum(np.arange(start, start + size), len(codes) - 1)
        matrices = np.asarray(_jacobians(as_model(f), codes[rows]), np.float64)
        kept = matrices[: len(codes) - start]
        wrong = ~np.isfinite(kept).all(axis=(1, 2))
        if wrong.any():
            raise ValueError(
                f"f: its Jacobian at code {start + int(wrong.argmax())} is not finite"
            )
        found.append(np.linalg.svd(kept, full_matrices=False))
    outputs, values, inputs = map(np.concatenate, zip(*found, strict=True))
    return LocalBases(values, np.swapaxes(outputs, 1, 2), inputs)


def jacobian_at(f: Model, code: jax.Array) -> jax.Array:
    """The Jacobian [M, D] of f: z [D] -> [...] at a code, at the highest precision."""
    with jax.default_matmul_precision("highest"):
        return jax.jacfwd(lambda code: f(code).ravel())(code)


@jax.jit
def _jacobians(f: Model, codes: jax.Array) -> jax.Array:
    def alone(code: jax.Array) -> jax.Array:
        return f(code[None])[0]

    return jax.vmap(partial(jacobian_at, alone))(codes)
