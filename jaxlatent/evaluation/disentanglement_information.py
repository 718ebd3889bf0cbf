"""What codes tell of factors in nats: bins, mutual information, and scores of those.

The plug-in estimates of "Challenging common assumptions in the unsupervised learning of
disentangled representations" (Locatello et al., 2019): codes are cut into bins of equal
width, and the tables of counts are taken for the law. These estimates are too high, by
about (B - 1)(V - 1) / 2N nats for B bins, V values and N points, for codes that tell
nothing; so a score of theirs means nothing without its chance.
"""

import numpy as np

from jaxlatent.evaluation.disentanglement_matrices import modularity

BINS = 20
"""Of the original."""

_ROWS = 4096


def discretise(values: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The bins of numbers, of equal width from the least to the largest of a column.

    Args:
        values: [N, C].
        bins: how many.

    Returns:
        [N, C] integers from 0; the largest number is in the last bin, a constant
        column is in one.
    """
    values = np.asarray(values, np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    # as histograms do, so that a constant lies in a bin
    low, high = np.where(low == high, (low - 0.5, high + 0.5), (low, high))
    edges = np.linspace(low, high, bins + 1)[1:-1]
    found = np.zeros(values.shape, np.int64)
    for edge in edges:
        found += values >= edge
    return found


def contingency(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How often values meet, of all pairs of columns at once.

    Args:
        first: [N, C] integers from 0.
        second: [N, F] integers from 0.

    Returns:
        [C, F, B, V] counts, where B and V are as many as the values of each.
    """
    sizes = int(first.max()) + 1, int(second.max()) + 1
    shape = first.shape[1], sizes[0], second.shape[1], sizes[1]
    counts = np.zeros((shape[0] * shape[1], shape[2] * shape[3]))
    for start in range(0, len(first), _ROWS):  # one-hot rows are many times the codes
        one, two = (
            (part[start : start + _ROWS, :, None] == np.arange(size)).astype(np.float32)
            for part, size in zip((first, second), sizes, strict=True)
        )
        counts += one.reshape(len(one), -1).T @ two.reshape(len(two), -1)
    return counts.reshape(shape).transpose(0, 2, 1, 3)


def mutual_information(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """I(c; f) in nats [C, F], of all pairs of columns of integers [N, C] and [N, F]."""
    counts, total = contingency(first, second), len(first)
    rows, columns = counts.sum(axis=3, keepdims=True), counts.sum(axis=2, keepdims=True)
    # products of counts are exact: what is independent in the table has 0, not rounding
    ratio = np.divide(
        counts * total, rows * columns, out=np.ones_like(counts), where=counts > 0
    )
    return np.sum(counts * np.log(ratio), axis=(2, 3)) / total


def entropy(values: np.ndarray) -> np.ndarray:
    """H(f) in nats of columns of integers: [N, F] -> [F]."""
    share = (values[..., None] == np.arange(int(values.max()) + 1)).mean(axis=0)
    return -np.sum(share * np.log(np.where(share > 0, share, 1)), axis=1)


def mutual_information_gap(
    information: np.ndarray, entropies: np.ndarray
) -> np.ndarray:
    """MIG: the lead of the code that tells most of a factor, in its entropy.

    Chen et al., "Isolating sources of disentanglement in variational autoencoders"
    (2018), section 4.1.

    Args:
        information: [C, F].
        entropies: [F].

    Returns:
        [F], whose mean is the score; NaN for a factor of one value.
    """
    top = np.sort(np.pad(information, ((1, 0), (0, 0))), axis=0)[-2:]
    gap = top[1] - top[0]
    return np.divide(gap, entropies, out=np.full_like(gap, np.nan), where=entropies > 0)


def information_scores(
    codes: np.ndarray, factors: np.ndarray, bins: int = BINS
) -> dict[str, float]:
    """MIG and modularity of codes.

    Args:
        codes: [N, C].
        factors: [N, F] integers from 0.
        bins: of codes.
    """
    information = mutual_information(discretise(codes, bins), factors)
    gap = mutual_information_gap(information, entropy(factors))
    return {"mig": float(gap.mean()), "modularity": modularity(information)}
