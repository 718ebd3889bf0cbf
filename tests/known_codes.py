"""Codes whose scores are known: of factors that take all combinations of values."""

import itertools

import numpy as np
from helpers import golden

from jaxlatent.evaluation.disentanglement_predictors import Split

SIZES = (3, 4, 5)
GRID = np.array(list(itertools.product(*map(range, SIZES))))
"""Each combination once, so that factors are exactly independent: [60, 3]."""

REPRESENTATIONS = ("perfect", "rotated", "duplicated", "noise", "partial")


def recorded(name):
    """A recorded representation, and its codes and factors as ours."""
    case = golden(f"disentanglement_{name}_a")
    arrays = (
        case[f"{part}_{half}"].T for half in ("train", "test") for part in ("mus", "ys")
    )
    split = Split(*arrays)
    return case, split._replace(
        factors=split.factors.astype(int),
        unseen_factors=split.unseen_factors.astype(int),
    )


def uniform(rng, num, sizes=(3, 4, 5, 6)):
    """Independent factors [num, F] that are uniform in as many values."""
    return rng.integers(0, sizes, (num, len(sizes)))


def turned(factors, one=0, two=1):
    """Factors as codes, two of them turned by 45 degrees into each other."""
    codes = factors - factors.mean(axis=0)
    codes = codes / np.sqrt((codes**2).mean(axis=0))
    first, second = codes[:, one].copy(), codes[:, two].copy()
    codes[:, one], codes[:, two] = first + second, first - second
    return codes / np.where(np.isin(np.arange(codes.shape[1]), (one, two)), 2**0.5, 1)
