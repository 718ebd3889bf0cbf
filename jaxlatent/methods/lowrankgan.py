"""LowRankGAN: Low-Rank Subspaces in GANs.

Jiapeng Zhu, Ruili Feng, Yujun Shen, Deli Zhao, Zheng-Jun Zha, Jingren Zhou, Qifeng
Chen, NeurIPS 2021, arXiv 2106.04488.

With the derivative J of the picture by the latent, the principal directions of a region
are the leading eigenvectors of its Gram matrix M = J^T J / P. Those that leave the rest
of the picture alone lie in the null space of the rest's Gram matrix. So each principal
direction is projected on the complement of the rest's leading eigenvectors and scaled
to unit length. How many eigenvectors lead is the question; the paper splits M into low
rank plus sparse by robust PCA and takes the low-rank part's rank and eigenvectors.
Relaxation counts the last few of the rest's leading eigenvectors to its null space.

`RANKS` are the ways to decide:

- "energy": as many eigenvalues of M as hold the share `energy` of its trace.
- "tol": the eigenvalues of M above `tolerance` times the largest.
- "reference": the original's robust PCA (`numerics.robust_pca`), penalty 1 / 60.
- "pcp": the minimum of robust PCA's problem, penalty 1 / sqrt(D).
- a number.

What to know of "reference": its loop stops once low rank plus sparse make up M, which
may be long before the minimum (that is often zero at this penalty), so its rank is a
property of the loop. It may stop with full rank; the original then keeps one null
direction, and every projected direction is that one. This is kept for parity, and so
is the opposite end: of a rest of rank zero one eigenvector is still removed. The null
space of the low-rank part is not that of M, so something leaks: `report` has how much.

The region's first principal directions are often those that move the whole picture. Of
such a one the projection leaves a "residual" near zero in `report`; scaled to unit
length, that is a mixture of whatever faint changes the rest's rank left out. Prefer
directions of a large residual, or a higher `energy` of the rest.

Where this differs from the original code, and why:

- F - (F V) V^T with the removed eigenvectors V, in place of a basis of the null space.
- A direction that lies almost inside the rest's span is dropped, but for "reference":
  after scaling it would be rounding alone. A rest that leaves no null space is refused.
- Gain, leak, length before scaling, ranks and iterations are returned.
- Everything is in float64 from the Gram matrices on.

Defaults of the original: 5 pictures of seed 4, each with directions of its own, without
truncation, the derivative at 256 x 256 by the mean over RGB; at most 10,000 iterations,
relaxation 0. Edits on layers 4-7, strengths -4 to 4 in 7 steps, without truncation, the
first direction alone. The derivative moves the latent in all layers.
"""

import dataclasses
import math
from typing import Any, NamedTuple, Unpack

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
from jaxlatent.numerics.robust_pca import (
    RobustPCA,
    principal_component_pursuit,
    robust_pca,
)
from jaxlatent.numerics.spectral import canonical_sign

RANKS = ("energy", "tol", "reference", "pcp")
"""Ways to decide how many eigenvectors lead; a number is another."""

_SHORTEST = 1e-3
"""The length below which a projected unit direction is dropped."""


@dataclasses.dataclass(frozen=True)
class Leading:
    """How many eigenvectors of a Gram matrix lead."""

    rank: str | int = "energy"
    """How it is decided: energy, tol, reference, pcp or a number."""
    energy: float = 0.99
    """Share of the change that leads, for energy."""
    tolerance: float = 1e-5
    """Share of the largest eigenvalue, for tol."""
    penalty: float | None = None
    """Of the sparse part of robust PCA; that of the original or of the paper if left
    out."""
    max_iterations: int = 10_000
    """Of robust PCA."""

    def check(self) -> None:
        """Refuse values that decide nothing.

        Raises:
            ValueError: names the field.
        """
        rank = self.rank
        whole = isinstance(rank, int | np.integer) and not isinstance(rank, bool)
        if not (rank in RANKS if isinstance(rank, str) else whole):
            raise ValueError(
                f"rank: {rank!r} given; one of {RANKS} or a number is accepted"
            )
        if not 0 < self.energy <= 1:
            raise ValueError(
                f"energy: {self.energy} given; above 0 and up to 1 is accepted"
            )
        if not 0 <= self.tolerance < 1:
            raise ValueError(
                f"tolerance: {self.tolerance} given; 0 up to below 1 is accepted"
            )
        if self.penalty is not None and not 0 < self.penalty < math.inf:
            raise ValueError(f"penalty: {self.penalty} given; above 0 is accepted")
        if self.max_iterations < 1:
            raise ValueError(
                f"max_iterations: {self.max_iterations} given; 1 or more is accepted"
            )


DEFAULT = Leading()


class NoDirectionError(ValueError):
    """A region and its rest have no direction that changes the one and not the other.

    The arguments fit; other ways to decide the ranks may find some.
    """


class Subspace(NamedTuple):
    """The leading eigenvectors of a Gram matrix.

    Attributes:
        values: [D] float64 eigenvalues, of its low-rank part if there is one, the
            largest magnitude first.
        vectors: [D, D] float64, rows; largest entry positive.
        rank: how many lead.
        split: the robust PCA, None without one.
    """

    values: np.ndarray
    vectors: np.ndarray
    rank: int
    split: RobustPCA | None


def leading_subspace(
    gram: np.ndarray, leading: Leading = DEFAULT, *, label: str = "gram"
) -> Subspace:
    """Decide how many eigenvectors of a Gram matrix [D, D] lead. Runs on the host.

    Args:
        gram: [D, D] float64, symmetric.
        leading: how it is decided; a number lies from 0 to the matrix's rank.
        label: of the matrix, for messages.

    Raises:
        ValueError: names the argument that does not fit.
    """
    leading.check()
    rank, energy, tolerance = leading.rank, leading.energy, leading.tolerance
    split = None
    if rank == "reference" and gram.any():
        penalty = 1 / 60 if leading.penalty is None else leading.penalty
        split = robust_pca(gram, penalty=penalty, max_iterations=leading.max_iterations)
    elif rank == "pcp" and gram.any():
        split = principal_component_pursuit(
            gram, penalty=leading.penalty, max_iterations=leading.max_iterations
        )
    values, vectors = np.linalg.eigh(gram if split is None else split.low_rank)
    order = np.argsort(-np.abs(values), kind="stable")
    values, vectors = values[order], canonical_sign(vectors.T[order])
    if split is not None:
        return Subspace(values, vectors, split.rank, split)
    rounding = len(values) * np.finfo(np.float64).eps * values[0]
    if isinstance(rank, str):
        positive = np.maximum(values, 0)
        if rank == "tol":
            count = int(np.sum(positive > max(tolerance * values[0], rounding)))
        else:
            before = np.cumsum(positive) - positive
            count = int(np.sum(before < energy * positive.sum() - rounding))
    else:
        count, limit = int(rank), int(np.sum(values > rounding))
        if not 0 <= count <= limit:
            raise ValueError(
                f"rank: {count} given for {label}; 0 to its rank {limit} is accepted"
            )
    return Subspace(values, vectors, count, None)


def lowrankgan(
    gram_region: Gram,
    gram_rest: Gram,
    leading: Leading | tuple[Leading, Leading] = DEFAULT,
    *,
    relax: int = 0,
    project: bool = True,
    average: bool = False,
    **told: Unpack[Told],
) -> Directions:
    """Directions that change a region and not the rest. Runs on the host.

    Args:
        gram_region: [D, D], J^T J / P over the region; the scale does not count.
        gram_rest: [D, D], of the rest.
        leading: how many eigenvectors lead; two of them for the region and the rest.
        relax: how many of the rest's leading eigenvectors, from the last, count to its
            null space; at least one is always removed.
        project: False for the region's principal directions as they are.
        average: take the mean of stacks [N, D, D].
        **told: what to record: `space` ("w" if left out), `layers`, `names`,
            `generator`.

    Returns:
        Unit directions [K, D], the region's largest eigenvalue first; projected ones
        are not orthogonal to each other. `report` holds "gain" and "leak" (of the
        directions as returned), "residual" (the length before scaling), "eigenvalues"
        of the region's (low-rank) matrix; `facts` hold "rank_region", "rank_rest",
        "removed" (how many eigenvectors of the rest were projected out); and after
        robust PCA "iterations_region", "converged_region", and the same of the rest.

    Raises:
        NoDirectionError: where the region's rank is zero; where the rest's rank leaves
            no null space (but for "reference") or every direction lies in the rest's
            span.
        ValueError: names the argument that does not fit.
    """
    region, rest = gram_pair(gram_region, gram_rest, average=average)
    both = leading if isinstance(leading, tuple) else (leading, leading)
    if len(both) != 2:
        raise ValueError(f"leading: {leading} given; one, or two of them are accepted")
    ranks = [own.rank for own in both]
    if isinstance(relax, bool) or relax != int(relax) or relax < 0:
        raise ValueError(f"relax: {relax} given; a whole number from 0 is accepted")
    inside = leading_subspace(region, both[0], label="gram_region")
    outside = leading_subspace(rest, both[1], label="gram_rest")
    if inside.rank == 0:
        raise NoDirectionError(
            f"gram_region: its rank by {ranks[0]!r} is 0, so there is no direction; "
            'another rank ("energy", or a number) or a smaller penalty may find some'
        )
    vectors = inside.vectors[: inside.rank]
    removed, lengths = 0, np.ones(inside.rank)
    kept = np.arange(inside.rank)
    if project:
        removed = _removed(outside.rank, relax, len(region), ranks[1])
        span = outside.vectors[:removed]
        vectors = vectors - (vectors @ span.T) @ span
        # a second time, since a short rest carries the first one's rounding
        vectors = vectors - (vectors @ span.T) @ span
        lengths = np.linalg.norm(vectors, axis=1)
        kept = np.flatnonzero(lengths > (0 if ranks[1] == "reference" else _SHORTEST))
        if not len(kept):
            raise NoDirectionError(
                "gram_region: every principal direction lies in the span of the rest's "
                f"{removed} leading ones; relax, a lower rank of the rest or ReSeFa's "
                "ratio (`resefa`) leave more room"
            )
        vectors = vectors[kept] / lengths[kept, None]
    vectors = canonical_sign(vectors).astype(np.float32)
    gain, leak = unit_locality(vectors.astype(np.float64), region, rest)
    report = {
        "gain": gain.astype(np.float32),
        "leak": leak.astype(np.float32),
        "residual": lengths[kept].astype(np.float32),
        "eigenvalues": inside.values[kept].astype(np.float32),
    }
    facts = {
        "rank_region": inside.rank,
        "rank_rest": outside.rank,
        "removed": removed,
    }
    for part, found in (("region", inside), ("rest", outside)):
        if found.split is not None:
            facts[f"iterations_{part}"] = int(found.split.iterations)
            facts[f"converged_{part}"] = bool(found.split.converged)
    record: dict[str, Any] = {"space": "w", **told}
    return directions(
        vectors,
        **record,
        report=report,
        facts=facts,
        method="lowrankgan",
    )


def discover(
    generator: Generator,
    mask: np.ndarray,
    latents: Latents,
    view: View = AS_IT_IS,
    leading: Leading | tuple[Leading, Leading] = DEFAULT,
    *,
    relax: int = 0,
    **options: Unpack[Columns],
) -> Directions:
    """LowRankGAN of a generator, from the mean Gram matrices of some codes.

    Args:
        generator: the generator; prepare it first.
        mask: [size, size] weights of the region, from 0 to 1, see `data.regions`.
        latents: the codes to differentiate at; z is carried to w where there is one.
        view: which rows move, and how the picture is seen.
        leading: see `lowrankgan`; so is `relax`.
        relax: see `lowrankgan`.
        **options: of `jaxlatent.jacobians.mean_region_grams`.

    Raises:
        NoDirectionError: as `lowrankgan`.
        ValueError: names the argument that does not fit.
    """
    at = pictures_at(generator, latents, view)
    region, rest = mean_region_grams(at, mask, **options)
    return lowrankgan(region, rest, leading, relax=relax, **recorded(generator, at[0]))


def _removed(rank: int, relax: int, dim: int, how: str | int) -> int:
    """How many of the rest's eigenvectors to project out."""
    if how == "reference":
        return min(max(1, rank - relax), dim - 1)
    if rank == 0:
        return 0
    count = max(1, rank - relax)
    if count >= dim:
        raise NoDirectionError(
            f"gram_rest: its rank by {how!r} is {rank} of {dim}, which leaves no "
            "direction that keeps the rest; relax, a smaller energy or a lower number, "
            "or ReSeFa's ratio (`resefa`), which needs no null space"
        )
    return count
