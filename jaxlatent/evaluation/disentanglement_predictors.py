"""What trees, linear machines and regressions can tell of factors from codes.

The predictors of "Challenging common assumptions" (Locatello et al., 2019), fitted by
scikit-learn with the same settings. Figures of trees differ a little between versions
of scikit-learn, and between seeds where two splits are equally good.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxlatent.evaluation.disentanglement_information import contingency

_Progress = Callable[[int], None] | None


class Split(NamedTuple):
    """Codes and factors to learn from, and others to be judged by.

    Attributes:
        codes: [N, C].
        factors: [N, F] integers from 0, each of two values or more.
        unseen_codes: [M, C].
        unseen_factors: [M, F].
    """

    codes: np.ndarray
    factors: np.ndarray
    unseen_codes: np.ndarray
    unseen_factors: np.ndarray


class Boosted(NamedTuple):
    """Gradient boosted trees that tell each factor from all codes.

    Attributes:
        importance: [C, F] shares of the impurity that splits at a code took away; the
            columns sum to 1.
        train_accuracy: [F].
        accuracy: [F] on what was not seen: the informativeness of DCI.
        predictions: [M, F] values told of what was not seen.
    """

    importance: np.ndarray
    train_accuracy: np.ndarray
    accuracy: np.ndarray
    predictions: np.ndarray


def boosted(
    split: Split, *, trees: int = 100, seed: int = 0, progress: _Progress = None
) -> Boosted:
    """Fit trees, one classifier for each factor.

    Eastwood and Williams (2018), with the study's classifier: `trees` rounds of depth
    3, rate 0.1, one tree for each value of a factor (one for two values). 10,000 rows
    of 10 codes take a second for some 20 trees.

    Args:
        split: the rows.
        trees: rounds of boosting.
        seed: decides between splits that are equally good.
        progress: called with 1 after each factor.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    importance, seen, unseen = [], [], []
    for column in split.factors.T:
        model: Any = GradientBoostingClassifier(n_estimators=trees, random_state=seed)
        model.fit(split.codes, column)
        importance.append(model.feature_importances_)
        seen.append(model.predict(split.codes))
        unseen.append(model.predict(split.unseen_codes))
        if progress is not None:
            progress(1)
    told, predictions = np.stack(seen, axis=1), np.stack(unseen, axis=1)
    return Boosted(
        np.stack(importance, axis=1),
        (told == split.factors).mean(axis=0),
        (predictions == split.unseen_factors).mean(axis=0),
        predictions,
    )


def machine_accuracy(split: Split, *, C: float = 0.01, seed: int = 0) -> np.ndarray:
    """How well a linear machine tells each factor from each code by itself.

    Kumar et al., "Variational inference of disentangled latent concepts from unlabeled
    observations" (2018), section 3: the score SAP is the mean lead of a factor's best
    code, `top_two_gap`. Perfect codes are far from 1: a machine of one weight for each
    of many values, with so strong a penalty, is not right, and the second code is
    better than zero.

    Args:
        split: the rows.
        C: as scikit-learn has it; squared hinge, values weighted alike.
        seed: of the solver.

    Returns:
        [C, F] accuracies on what was not seen.
    """
    from sklearn.svm import LinearSVC

    def accuracy(code: int, factor: int) -> float:
        model = LinearSVC(C=C, class_weight="balanced", random_state=seed)
        column = split.codes[:, code : code + 1]
        with quiet():
            model.fit(column, split.factors[:, factor])
        told = model.predict(split.unseen_codes[:, code : code + 1])
        return float(np.mean(told == split.unseen_factors[:, factor]))

    shape = split.codes.shape[1], split.factors.shape[1]
    return np.array([accuracy(*where) for where in np.ndindex(shape)]).reshape(shape)


def squared_correlation(codes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The same for continuous factors: [N, C], [N, F] -> [C, F], 0 of constant codes.

    Kumar et al. (2018): the share of a factor's variance that a line explains.
    """
    one, two = (
        np.asarray(part, np.float64) - np.mean(part, axis=0, dtype=np.float64)
        for part in (codes, factors)
    )
    covariance = one.T @ two / len(one)
    scale = np.outer(one.var(axis=0), two.var(axis=0))
    telling = (one.var(axis=0) > 1e-12)[:, None] & (scale > 0)
    return np.divide(covariance**2, scale, out=np.zeros_like(scale), where=telling)


def explicitness(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Whether a linear map of all codes tells each factor: areas below ROC curves.

    Ridgeway and Mozer (2018), section 3. Codes are standardised, constant ones left
    out; a multinomial regression is fitted to each factor, and the areas of each value
    against the others are averaged. Chance is 0.5.

    Returns:
        [F] on what was learned from, and [F] on what was not seen; 0.5 of codes that
        are all constant, NaN of a factor that has one value there.
    """
    from sklearn.linear_model import LogisticRegression

    mean, spread = split.codes.mean(axis=0), split.codes.std(axis=0)
    telling = spread > 0
    if not telling.any():
        chance = np.full(split.factors.shape[1], 0.5)
        return chance, chance
    seen, unseen = (
        ((part - mean) / np.where(telling, spread, 1))[:, telling]
        for part in (split.codes, split.unseen_codes)
    )
    found = []
    for column, held in zip(split.factors.T, split.unseen_factors.T, strict=True):
        model = LogisticRegression()
        with quiet():
            model.fit(seen, column)
        found.append(
            [
                _area(model.predict_proba(codes), values[:, None] == model.classes_)
                for codes, values in ((seen, column), (unseen, held))
            ]
        )
    train, test = np.array(found).T
    return train, test


def _area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Areas below the ROC curves of columns [N, V], the mean; by ranks, ties halved."""
    from scipy.stats import rankdata

    ahead = positive.sum(axis=0)
    behind = len(positive) - ahead
    ranks = (rankdata(scores, axis=0) * positive).sum(axis=0)
    known = (ahead > 0) & (behind > 0)
    if not known.any():
        return float("nan")
    won = ranks - ahead * (ahead + 1) / 2
    return float(np.mean(won[known] / (ahead * behind)[known]))


def downstream_accuracy(
    split: Split,
    kind: Literal["boosted", "logistic"] = "boosted",
    *,
    trees: int = 100,
    seed: int = 0,
) -> np.ndarray:
    """How well a predictor that learned from a split tells each factor.

    Args:
        split: the rows; of the study, 10, 100, 1000 and 10,000 to learn from.
        kind: "boosted" for trees, "logistic" for a multinomial regression whose penalty
            is chosen out of 10 by cross-validation in 5 folds, or is 1 where a fold
            has too few rows or values. Of one value, that one is told.
        trees: rounds of boosting.
        seed: of the trees.

    Returns:
        [F] accuracies on what was not seen.

    Raises:
        ValueError: for another kind.
    """
    if kind not in ("boosted", "logistic"):
        raise ValueError(f"kind: {kind!r} given; 'boosted' or 'logistic' is accepted")

    def told(column: np.ndarray) -> Any:
        if np.ptp(column) == 0:
            return column[0]
        if kind == "boosted":
            part = split._replace(
                factors=column[:, None], unseen_factors=split.unseen_factors[:, :1]
            )
            return boosted(part, trees=trees, seed=seed).predictions[:, 0]
        with quiet():
            return (
                _regression(column).fit(split.codes, column).predict(split.unseen_codes)
            )

    right = [
        np.mean(told(column) == held)
        for column, held in zip(split.factors.T, split.unseen_factors.T, strict=True)
    ]
    return np.array(right)


def _regression(column: np.ndarray) -> Any:
    """A regression of a factor, cross-validated where all folds have two values."""
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.model_selection import KFold

    folds = KFold(n_splits=5)
    if len(column) < 5 or any(
        np.ptp(column[seen]) == 0 for seen, _ in folds.split(column)
    ):
        return LogisticRegression()
    return LogisticRegressionCV(Cs=10, cv=folds)


def group_counts(predictions: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """How often values were told of each factor where another one has a value.

    Args:
        predictions: [M, F] values told.
        factors: [M, F] values that are there.

    Returns:
        [F, F, V, V]: of the factor told, of the sensitive one, and their values.
    """
    return contingency(predictions, factors)


def unfairness(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far predictions for one group are from those for all, in total variation.

    Locatello et al., "On the fairness of disentangled representations" (2019), section
    4.

    Args:
        counts: [..., V, S] of predicted values by groups; a group may be empty.

    Returns:
        [...] the mean over groups by their sizes, and the largest; 0 is fair.
    """
    sizes = counts.sum(axis=-2)
    share = counts / np.maximum(sizes, 1)[..., None, :]
    total = np.maximum(sizes.sum(axis=-1), 1)
    overall = counts.sum(axis=-1) / total[..., None]
    distance = np.abs(share - overall[..., None]).sum(axis=-2) / 2
    distance = np.where(sizes > 0, distance, 0)
    return (distance * sizes).sum(axis=-1) / total, distance.max(axis=-1)


@contextmanager
def quiet() -> Iterator[None]:
    """One thread; nothing said of iterations, which end where the original's do."""
    from threadpoolctl import threadpool_limits

    # of products as small as these, threads take 5 times as long
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        yield
