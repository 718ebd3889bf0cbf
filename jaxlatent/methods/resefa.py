"""ReSeFa: Region-Based Semantic Factorization in GANs.

Jiapeng Zhu, Yujun Shen, Yinghao Xu, Deli Zhao, Qifeng Chen, ICML 2022, arXiv
2202.09649.

With the Gram matrices M_f of a region and M_b of the rest (see `methods.grams`), the
directions are the stationary points of n^T M_f n / n^T M_b n, the largest ratio first:
M_f n = lambda M_b n. No rank has to be decided; M_b must have full rank, or gets it by
tau on its diagonal. As tau goes to zero for a singular M_b, the first directions tend
to its null space, which is LowRankGAN's: tau is the soft form of its relaxation.

Where this differs from the original code, and why:

- A Cholesky factor of M_b and a symmetric solver, in float64; the original inverts M_b
  in float32 and takes the real parts of a general solver's result.
- Gain, leak and eigenvalues are returned.
- tau is a share of M_b's mean eigenvalue; the original's is of the trace, D times as
  much (`tau_of="trace"`), so that its 1e-3 adds half of the mean eigenvalue at D = 512.
- tau is 0 unless M_b is ill-conditioned, as the original's is, but then 1e-3.

Defaults of the original: 5 pictures of seed 4, each with directions of its own, without
truncation; the derivative at 256 x 256 by the sum over RGB if the picture is larger, of
every value if it is not. Edits on layers 4-7 (8-11 for colours: eyebrows, lipstick),
strengths -10 to 10 in 7 steps, the first direction alone, the code truncated by 0.7 in
the first 8 layers before the edit.
"""

from typing import Any, Unpack

import numpy as np

from jaxlatent.edits.directions import Directions, directions
from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import (
    AS_IT_IS,
    Columns,
    Told,
    View,
    mean_region_grams,
    pictures_at,
    recorded,
)
from jaxlatent.latents import Latents
from jaxlatent.numerics.grams import Gram, gram_pair, unit_locality
from jaxlatent.numerics.spectral import canonical_sign

TAU_OF = ("mean", "trace")
"""What tau is a share of: the mean of M_b's eigenvalues, or their sum."""

ILL_CONDITIONED = 1e6
"""The condition number of M_b above which tau is 1e-3 unless given: where the smallest
eigenvalues of a float32 Gram matrix are rounding."""


def resefa(
    gram_region: Gram,
    gram_rest: Gram,
    *,
    k: int | None = None,
    tau: float | None = None,
    tau_of: str = "mean",
    average: bool = False,
    **told: Unpack[Told],
) -> Directions:
    """Directions of the largest change in a region over that in the rest; on the host.

    Args:
        gram_region: [D, D], J^T J / P over the region.
        gram_rest: [D, D], of the rest.
        k: number of directions; None for all D.
        tau: added to the diagonal of `gram_rest`, as a share; None for 0, or for 1e-3
            of the mean eigenvalue if its condition number is above `ILL_CONDITIONED`.
        tau_of: what `tau` is a share of: "mean" or "trace".
        average: take the mean of stacks [N, D, D].
        **told: what to record: `space` ("w" if left out), `layers`, `names`,
            `generator`.

    Returns:
        Unit directions [K, D], not orthogonal to each other. `report` holds
        "eigenvalues", "gain" and "leak" (the leak without tau), `facts` the "condition"
        number of `gram_rest` (infinite if it is singular) and what was "added" to its
        diagonal.

    Raises:
        ValueError: names the argument that does not fit, or for a `gram_rest` that is
            not positive definite even with tau.
    """
    from scipy.linalg import eigh

    region, rest = gram_pair(gram_region, gram_rest, average=average)
    dim = len(region)
    count = dim if k is None else k
    if not 1 <= count <= dim:
        raise ValueError(f"k: {k} given; 1 to {dim} directions exist")
    if tau_of not in TAU_OF:
        raise ValueError(f"tau_of: {tau_of!r} given; one of {TAU_OF} is accepted")
    if tau is not None and not 0 <= tau < np.inf:
        raise ValueError(f"tau: {tau} given; a number from 0 is accepted")
    own = np.linalg.eigvalsh(rest)
    regular = own[0] > dim * np.finfo(np.float64).eps * own[-1]
    condition = own[-1] / own[0] if regular else np.inf
    mean = np.trace(rest) / dim
    if tau is None:
        added = 1e-3 * mean if condition > ILL_CONDITIONED else 0.0
    else:
        added = tau * mean * (dim if tau_of == "trace" else 1)
    try:
        values, vectors = eigh(region, rest + added * np.eye(dim))
    except np.linalg.LinAlgError as problem:
        raise ValueError(
            f"gram_rest: is not positive definite (smallest eigenvalue {own[0]:.3g}, "
            f"{added:.3g} added to each); a larger tau is needed"
        ) from problem
    values = values[::-1][:count]
    rows = vectors.T[::-1][:count]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    rows = canonical_sign(rows).astype(np.float32)
    gain, leak = unit_locality(rows.astype(np.float64), region, rest)
    record: dict[str, Any] = {"space": "w", **told}
    return directions(
        rows,
        **record,
        report={
            "eigenvalues": values.astype(np.float32),
            "gain": gain.astype(np.float32),
            "leak": leak.astype(np.float32),
        },
        facts={"condition": float(condition), "added": float(added)},
        method="resefa",
    )


def discover(
    generator: Generator,
    mask: np.ndarray,
    latents: Latents,
    view: View = AS_IT_IS,
    *,
    k: int | None = None,
    tau: float | None = None,
    **options: Unpack[Columns],
) -> Directions:
    """ReSeFa of a generator, from the mean Gram matrices of some codes.

    Args:
        generator: the generator; prepare it first.
        mask: [size, size] weights of the region, from 0 to 1, see `data.regions`.
        latents: the codes to differentiate at; z is carried to w where there is one.
        view: which rows move, and how the picture is seen.
        k: see `resefa`; so is `tau`.
        tau: see `resefa`.
        **options: of `jaxlatent.jacobians.mean_region_grams`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    at = pictures_at(generator, latents, view)
    region, rest = mean_region_grams(at, mask, **options)
    return resefa(region, rest, k=k, tau=tau, **recorded(generator, at[0]))
