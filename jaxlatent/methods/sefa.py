"""SeFa: Closed-Form Factorization of Latent Semantics in GANs.

Yujun Shen, Bolei Zhou, CVPR 2021, arXiv 2007.06600.

The first affine step of a generator is y = A w + b. The unit directions n that change y
most, maximising ||A n||^2 (eq. 4-6), are the eigenvectors of A^T A with the largest
eigenvalues. No data and no training. With several style layers, A stacks their rows.

Where this differs from the original code, and why:

- Directions are sorted by eigenvalue; the original returns a general eigensolver's
  order. `order="lapack"` gives that order, which depends on the platform.
- The solver is symmetric, in float64, on the host; it cannot return complex pairs.
- Each style channel (row of A) is scaled to unit length as in the original's code,
  which the paper's formula lacks; `normalize=False` is the formula. A zero row stays
  zero where the original divides by zero.
- Directions beyond the rank of A are arbitrary and refused unless asked for.

Defaults of the original: all layers, 5 directions, strengths -3 to 3 in 11 steps,
truncation 0.7 in the first 8 layers, edit after truncation, on the chosen layers only.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxlatent.edits.directions import Directions, directions
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.numerics.spectral import canonical_sign, symmetric_spectrum
from jaxlatent.types import Affine, parse_layers

ORDERS = ("descending", "lapack")


class LayerGrams(NamedTuple):
    """A^T A of every layer apart; any choice of layers is the sum of theirs.

    Attributes:
        grams: [L, D, D] float64.
        columns: [L] style channels that are not zero; the trace of a layer's Gram if
            channels are normalised.
    """

    grams: np.ndarray
    columns: np.ndarray


def layer_grams(
    affines: Sequence[Affine], *, normalize: bool = True, rgb: bool = False
) -> LayerGrams:
    """The Gram matrix of each layer's affine maps.

    Args:
        affines: where the latent enters; the layers are their `layer` values.
        normalize: scale every output channel to unit length.
        rgb: count to-RGB layers that share their row with another layer. The original
            leaves them out, and so does the default.

    Raises:
        ValueError: if there are no affines.
    """
    if not affines:
        raise ValueError(
            "affines: none given; this generator has no known affine layer"
        )
    depth = 1 + max(affine.layer for affine in affines)
    width = max(
        affine.chunk[1] if affine.chunk else affine.matrix.shape[0]
        for affine in affines
    )
    owned = {affine.layer for affine in affines if not affine.rgb}
    grams = np.zeros((depth, width, width))
    columns = np.zeros(depth, np.int64)
    for affine in affines:
        if affine.rgb and affine.layer in owned and not rgb:
            continue
        matrix = np.asarray(affine.matrix, np.float64)
        norms = np.linalg.norm(matrix, axis=0)
        if normalize:
            matrix = matrix / np.where(norms == 0, 1, norms)
        part = slice(*affine.chunk) if affine.chunk else slice(None)
        grams[affine.layer, part, part] += matrix @ matrix.T
        columns[affine.layer] += np.count_nonzero(norms)
    return LayerGrams(grams, columns)


def sefa(
    affines: Sequence[Affine],
    *,
    layers: Sequence[int] | str | None = None,
    normalize: bool = True,
    k: int | None = None,
    order: str = "descending",
    rgb: bool = False,
    beyond_rank: bool = False,
    space: str = "w",
) -> Directions:
    """Factorise a generator's affine maps. Runs on the host.

    Args:
        affines: every place where the latent enters linearly.
        layers: rows of w+ to factorise and to edit: indices, "all", or a selection
            such as "0-1" or "2-5,8"; None for all.
        normalize: scale every style channel to unit length, as the original's code.
        k: number of directions; None for as many as the rank.
        order: "descending" eigenvalues, or the original's "lapack" order.
        rgb: see `layer_grams`.
        beyond_rank: allow more directions than the rank, in the null space.
        space: the space of the latent.

    Returns:
        Unit directions [K, D]; `report` holds "eigenvalues" and their "share" of the
        trace, `facts` the "rank".

    Raises:
        ValueError: for layers out of range, an unknown order, or too large a k.
    """
    if order not in ORDERS:
        raise ValueError(f"order: {order!r} given; one of {ORDERS} is accepted")
    grams = layer_grams(affines, normalize=normalize, rgb=rgb).grams
    rows = parse_layers(layers, len(grams))
    chosen = range(len(grams)) if rows is None else rows
    gram = grams[list(chosen)].sum(axis=0)
    spectrum = symmetric_spectrum(gram)
    values, vectors = spectrum.values, spectrum.vectors
    if order == "lapack":
        values, columns = np.linalg.eig(gram.astype(np.float32))
        values, vectors = np.real(values), canonical_sign(np.real(columns.T))
    limit = len(values) if beyond_rank or order == "lapack" else spectrum.rank
    count = limit if k is None else k
    if not 1 <= count <= limit:
        raise ValueError(
            f"k: {count} given; 1 to {limit} directions exist in layers {list(chosen)}"
        )
    return directions(
        vectors[:count].astype(np.float32),
        space=space,
        report={
            "eigenvalues": values[:count].astype(np.float32),
            "share": (values[:count] / np.trace(gram)).astype(np.float32),
        },
        facts={"rank": spectrum.rank},
        layers=rows,
        method="sefa",
    )


def discover(
    generator: Generator,
    *,
    layers: Sequence[int] | str | None = None,
    normalize: bool = True,
    k: int | None = None,
    order: str = "descending",
) -> Directions:
    """SeFa of a generator; see `sefa` for the arguments."""
    found = sefa(
        generator.affines(),
        layers=layers,
        normalize=normalize,
        k=k,
        order=order,
        space=generator.latent_space,
    )
    return dataclasses.replace(found, generator=fingerprint(generator))
