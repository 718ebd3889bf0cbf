"""A table of codes and factors, and what the scores of it share, each computed once."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from jaxlatent.evaluation.disentanglement_information import (
    BINS,
    discretise,
    mutual_information,
)
from jaxlatent.evaluation.disentanglement_interventions import Votes
from jaxlatent.evaluation.disentanglement_predictors import (
    Boosted,
    Split,
    boosted,
    machine_accuracy,
)

MOST_VALUES = 256
"""Of a factor of whole numbers; one of more is cut into bins as others are."""


@dataclass(frozen=True)
class Settings:
    """How codes are scored; the study's sizes by default."""

    train: int = 10_000
    """Rows to learn from, and votes of BetaVAE and FactorVAE; at most two thirds of the
    rows."""
    test: int = 5_000
    """Rows, and votes, to be judged by; at most the other third."""
    batch: int = 64
    """Codes of a vote, or pairs of codes."""
    variance: int = 10_000
    """Codes that FactorVAE's variances are of."""
    prune: float = 0.05
    """FactorVAE leaves out codes whose deviation is below this share of the largest."""
    bins: int = BINS
    """Of codes, of equal width."""
    factor_bins: int = 10
    """Of factors that are not whole numbers, of equal width; the study has none. A code
    of correlation r with its factor tells some -ln(1 - r^2) / 2 nats, so that fine bins
    are out of reach of all but exact codes."""
    quantile: float = 0.99
    """Of deviations, for the robustness; 1 for its paper's."""
    trees: int = 100
    """Rounds of boosting."""
    C: float = 0.01
    """Of the linear machines."""
    downstream: tuple[int, ...] = (10, 100, 1000, 10_000)
    """Rows that downstream predictors learn from; what is more than train is left
    out."""
    raw: bool = False
    """Score codes as they are, as the study does; else each is brought to deviation 1,
    so that no score depends on units."""
    repeats: int = 10
    """Tables of unrelated codes that chance is measured on."""
    refits: int = 1
    """The same for scores that fit trees, machines or regressions, or cast votes."""

    def check(self) -> None:
        """Refuse numbers that nothing can be done with.

        Raises:
            ValueError: names the setting.
        """
        counts = ("train", "test", "batch", "variance", "bins", "factor_bins", "trees")
        least = {**dict.fromkeys(counts, 1), "batch": 2, "variance": 2}
        least |= {"bins": 2, "factor_bins": 2, "repeats": 0, "refits": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(
                    f"{name}: {getattr(self, name)} given; {low} or more is accepted"
                )
        for name, open_end in (("prune", True), ("quantile", False)):
            value = getattr(self, name)
            if not (0 <= value < 1 if open_end else 0 < value <= 1):
                raise ValueError(f"{name}: {value} given; a share is accepted")
        if not self.C > 0:
            raise ValueError(f"C: {self.C} given; a number above 0 is accepted")
        if not all(size > 0 for size in self.downstream):
            raise ValueError(
                f"downstream: {self.downstream} given; numbers above 0 are accepted"
            )

    @property
    def votes(self) -> Votes:
        """Those of BetaVAE and FactorVAE."""
        return Votes(self.train, self.test, self.batch, self.variance, self.prune)


@dataclass(frozen=True, eq=False)
class Bench:
    """Codes and factors to be scored; `prepare` makes one.

    Attributes:
        given: [N, C] codes as they are.
        codes: [N, C] codes to be scored.
        factors: [N, F] integers from 0.
        settings: how.
        seed: of all that is drawn and fitted.
    """

    given: np.ndarray
    codes: np.ndarray
    factors: np.ndarray
    settings: Settings
    seed: int

    @property
    def active(self) -> int:
        """How many codes are not constant."""
        return int((np.ptp(self.given, axis=0) > 0).sum())

    @cached_property
    def split(self) -> Split:
        """Rows to learn from, and rows to be judged by, drawn with the seed.

        Raises:
            ValueError: if a factor has one value among those to learn from.
        """
        order = np.random.default_rng(self.seed).permutation(len(self.codes))
        count = min(self.settings.train, 2 * len(order) // 3)
        seen, unseen = order[:count], order[count : count + self.settings.test]
        for number, column in enumerate(self.factors[seen].T):
            if np.ptp(column) == 0:
                raise ValueError(
                    f"factors: factor {number} has one value in {count} rows; two or "
                    "more are accepted"
                )
        return Split(
            *(self.codes[seen], self.factors[seen]),
            *(self.codes[unseen], self.factors[unseen]),
        )

    @cached_property
    def information(self) -> np.ndarray:
        """[C, F] in nats, of the rows to learn from."""
        codes, factors, *_ = self.split
        return mutual_information(discretise(codes, self.settings.bins), factors)

    @cached_property
    def trees(self) -> Boosted:
        """Trees of all codes."""
        return boosted(self.split, trees=self.settings.trees, seed=self.seed)

    @cached_property
    def machines(self) -> np.ndarray:
        """[C, F] accuracies of linear machines of one code."""
        return machine_accuracy(self.split, C=self.settings.C, seed=self.seed)

    def unrelated(self, number: int) -> "Bench":
        """The same with each code's rows in an order of its own, drawn with the seed.

        These codes have the same laws, but tell nothing of factors or of each other.
        """
        rng = np.random.default_rng([self.seed, number])
        order = rng.random(self.codes.shape).argsort(axis=0)
        return replace(
            self,
            given=np.take_along_axis(self.given, order, axis=0),
            codes=np.take_along_axis(self.codes, order, axis=0),
        )

    @cached_property
    def perfect(self) -> "Bench":
        """The same with the factors for codes."""
        codes = np.asarray(self.factors, np.float64)
        return replace(self, given=codes, codes=standardised(codes))


def prepare(
    codes: np.ndarray,
    factors: np.ndarray,
    settings: Settings = Settings(),
    *,
    seed: int = 0,
) -> Bench:
    """Look at codes and factors, and make them ready.

    Args:
        codes: [N, C] finite numbers, N >= 6.
        factors: [N, F] finite numbers; a factor of whole numbers, `MOST_VALUES`
            different ones at most, is taken as it is, any other is cut into bins of
            equal width.
        settings: how.
        seed: of all that is drawn and fitted.

    Raises:
        ValueError: names the argument that does not fit.
    """
    settings.check()
    arrays = {"codes": np.asarray(codes), "factors": np.asarray(factors)}
    for name, array in arrays.items():
        if array.ndim != 2 or not array.size or array.dtype.kind not in "iufb":
            raise ValueError(
                f"{name}: {array.dtype} {array.shape} given; numbers [N, M] are "
                "accepted"
            )
        if not np.isfinite(array).all():
            row, column = np.argwhere(~np.isfinite(array))[0]
            raise ValueError(
                f"{name}: {array[row, column]} in row {row}, column {column} given; "
                "finite numbers are accepted"
            )
    given = np.asarray(codes, np.float64)
    rows = len(given), len(arrays["factors"])
    if rows[0] != rows[1] or rows[0] < 6:
        raise ValueError(
            f"codes, factors: {rows[0]} and {rows[1]} rows given; as many of each, 6 "
            "or more, are accepted"
        )
    values = factor_values(arrays["factors"], settings.factor_bins)
    constant = np.flatnonzero(np.ptp(values, axis=0) == 0)
    if len(constant):
        raise ValueError(
            f"factors: factor {constant[0]} has one value; two or more are accepted"
        )
    scored = given if settings.raw else standardised(given)
    bench = Bench(given, scored, values, settings, seed)
    _ = bench.split  # refuses rows that cannot be learned from
    return bench


def factor_values(factors: np.ndarray, bins: int) -> np.ndarray:
    """Factors [N, F] of numbers as integers from 0; see `prepare`."""
    cut = discretise(factors, bins)

    def column(number: int) -> np.ndarray:
        values = factors[:, number]
        found, inverse = np.unique(values, return_inverse=True)
        if len(found) <= MOST_VALUES and np.array_equal(found, np.round(found)):
            return inverse
        return np.unique(cut[:, number], return_inverse=True)[1]

    return np.stack([column(number) for number in range(factors.shape[1])], axis=1)


def standardised(codes: np.ndarray) -> np.ndarray:
    """Codes [N, C] of mean 0 and deviation 1, and zeros of a constant one."""
    moves = np.ptp(codes, axis=0) > 0
    spread = np.where(moves, codes.std(axis=0), 1)
    return np.where(moves, (codes - codes.mean(axis=0)) / spread, 0.0)
