"""From a matrix of codes by factors to a number: every aggregation, for any matrix.

Entry (c, f) is 0 or more and tells how much code c has to do with factor f: importance
to trees, mutual information, accuracy. The scores of "Challenging common assumptions"
(Locatello et al., 2019) are pairs of a matrix and one of these.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

_LEAST = 1e-11
"""What the original adds to shares, so that none is zero; results differ by 1e-9."""


def certainty(matrix: np.ndarray) -> np.ndarray:
    """1 minus the entropy of each row in units of that of equal entries.

    Args:
        matrix: [R, M], 0 or more.

    Returns:
        [R]: 1 where one entry has all, 0 where all are equal or zero; 1 for M = 1.
    """
    share = matrix + _LEAST
    share = share / share.sum(axis=1, keepdims=True)
    most = np.log(matrix.shape[1]) or 1.0
    return 1 + np.sum(share * np.log(share), axis=1) / most


def _weighted(matrix: np.ndarray) -> float:
    """The certainty of rows, each weighted by its sum; 0 of zeros alone."""
    weights = matrix.sum(axis=1)
    if not weights.any():
        return 0.0
    return float(certainty(matrix) @ weights / weights.sum())


def disentanglement(matrix: np.ndarray) -> float:
    """D of DCI: whether each code has to do with one factor: [C, F] -> 0 to 1.

    Eastwood and Williams, "A framework for the quantitative evaluation of disentangled
    representations" (2018), section 2.

    Two codes that are the sum and the difference of two of F factors have rows of two
    equal entries, whose certainty is 1 - ln 2 / ln F; where all other codes have one
    factor each, D is 1 - (2 / F)(ln 2 / ln F).
    """
    return _weighted(matrix)


def completeness(matrix: np.ndarray) -> float:
    """C of DCI: whether each factor is in one code: [C, F] -> 0 to 1."""
    return _weighted(matrix.T)


def modularity(matrix: np.ndarray) -> float:
    """Whether each code has to do with one factor, by squares: [C, F] -> 0 to 1.

    Ridgeway and Mozer, "Learning deep disentangled embeddings with the F-statistic
    loss" (2018), section 3. A row of zeros counts 0. Of mutual information, noise
    scores 0.6 and more: it is not to be read alone.
    """
    squares = matrix**2
    best = squares.max(axis=1)
    rest = (squares.sum(axis=1) - best) / max(matrix.shape[1] - 1, 1)
    share = np.divide(rest, best, out=np.ones_like(best), where=best > 0)
    return float(np.mean(1 - share))


def top_two_gap(matrix: np.ndarray) -> float:
    """The lead of each factor's best code over its second, the mean: [C, F] -> number.

    Of a matrix of one code, over zero.
    """
    top = np.sort(np.pad(matrix, ((1, 0), (0, 0))), axis=0)[-2:]
    return float(np.mean(top[1] - top[0]))


def independent_groups(matrix: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many groups codes and factors fall into, where entries above count as bonds.

    Args:
        matrix: [C, F], 0 or more.
        thresholds: [T].

    Returns:
        [T] numbers of connected components of two nodes or more.
    """
    nodes, bonds = _forest(matrix)
    above = np.asarray(thresholds)[:, None]
    return (nodes > above).sum(axis=1) - (bonds > above).sum(axis=1)


def independent_groups_area(matrix: np.ndarray) -> float:
    """The area below `independent_groups` over thresholds from 0 to the largest entry.

    In units of the number of factors, so that it is 1 where each factor has a code of
    its own, all bonds equally strong. The integral of the curve is that of its two
    counts: the sum of every node's strongest bond, less the sum of all bonds of the
    maximum spanning forest.
    """
    nodes, bonds = _forest(matrix)
    largest = matrix.max()
    if largest <= 0:
        return 0.0
    return float((nodes.sum() - bonds.sum()) / largest / matrix.shape[1])


def _forest(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The strongest bond of each node [C + F]; the bonds of a maximum spanning forest.

    A forest has as many components as nodes less bonds; nodes without any are left out.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    codes, factors = matrix.shape
    graph = np.zeros((codes + factors, codes + factors))
    # the shortest tree of lengths that fall with the bond; length 0 would be no bond
    graph[:codes, codes:] = np.where(matrix > 0, 2 * matrix.max() - matrix, 0)
    tree = minimum_spanning_tree(csr_array(graph)).tocoo()
    bonds = matrix[tree.coords[0], tree.coords[1] - codes]
    return np.concatenate([matrix.max(axis=1), matrix.max(axis=0)]), bonds


AGGREGATIONS: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType(
    {
        "disentanglement": disentanglement,
        "completeness": completeness,
        "modularity": modularity,
        "top_two_gap": top_two_gap,
        "independent_groups": independent_groups_area,
    }
)
"""By name: [C, F] -> number."""
