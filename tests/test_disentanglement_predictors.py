import numpy as np
import pytest
from helpers import error, golden
from known_codes import REPRESENTATIONS, recorded, turned, uniform

from jaxlatent.evaluation.disentanglement_matrices import (
    completeness,
    disentanglement,
    top_two_gap,
)
from jaxlatent.evaluation.disentanglement_predictors import (
    Split,
    boosted,
    downstream_accuracy,
    explicitness,
    group_counts,
    machine_accuracy,
    squared_correlation,
    unfairness,
)

RNG = np.random.default_rng(0)
FACTORS = uniform(RNG, 600, (3, 3, 2))
NOISE = RNG.normal(size=(600, 4))


def split(codes, factors=FACTORS, count=400):
    parts = (slice(None, count), slice(count, None))
    arrays = (array[part] for part in parts for array in (codes, factors))
    return Split(*arrays)


def test_trees_tell_factors_from_their_own_codes():
    told = []
    codes = -FACTORS[:, ::-1] + 0.1 * RNG.uniform(size=FACTORS.shape)
    found = boosted(split(codes), trees=5, progress=told.append)
    np.testing.assert_allclose(found.importance, np.eye(3)[::-1], atol=1e-12)
    np.testing.assert_array_equal(found.accuracy, 1)
    np.testing.assert_array_equal(found.predictions, FACTORS[400:])
    assert told == [1, 1, 1]
    again = boosted(split(codes), trees=5)
    np.testing.assert_array_equal(found.importance, again.importance)


def test_trees_see_a_mixture_of_two_factors_and_lose_what_is_predicted():
    """Two codes of equal parts of two of F factors: 1 - 2 / F ln 2 / ln F is left.

    Which of the two a tree splits at first is a matter of the sample, so that the
    halves are not exact.
    """
    factors = uniform(np.random.default_rng(1), 900, (4, 4, 3, 3))
    found = boosted(split(turned(factors), factors, 700), trees=12)
    np.testing.assert_allclose(found.importance[:2, :2], 0.5, atol=0.13)
    np.testing.assert_allclose(found.importance[2:, 2:], np.eye(2), atol=1e-2)
    for score in (disentanglement, completeness):
        assert score(found.importance) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_trees_are_the_originals(name):
    """Those of the first factor.

    Of splits that are equally good the original takes one at random, without a seed:
    figures of mixed and noisy codes differ by as much as ours do from seed to seed,
    and of two equal codes any share may go to either.
    """
    case, whole = recorded(name)
    first = {one: getattr(whole, one)[:, :1] for one in ("factors", "unseen_factors")}
    found = boosted(whole._replace(**first)).importance
    theirs = case["dci_importance"][:, :1]
    if name == "duplicated":
        found, theirs = (matrix.reshape(2, -1).sum(0) for matrix in (found, theirs))
    mixed = name in ("rotated", "noise", "partial")
    np.testing.assert_allclose(found, theirs, atol=0.02 if mixed else 1e-12)


def test_linear_machines_see_the_order_of_a_code():
    factors = uniform(np.random.default_rng(2), 600, (2, 2))
    codes = np.c_[factors[:, 0] - 0.5, NOISE[:, 0], np.ones(600)]
    found = machine_accuracy(split(codes, factors))
    assert found[0, 0] == 1
    np.testing.assert_allclose(found[1:], 0.5, atol=0.15)
    np.testing.assert_allclose(found[0, 1], 0.5, atol=0.15)


def test_squared_correlation_of_known_codes():
    line = np.linspace(-1, 1, 9)
    x, y = (part.ravel() for part in np.meshgrid(line, line))
    factors = np.c_[x, y]
    found = squared_correlation(np.c_[-3 * x, x + y, x - 2 * y, np.ones(81)], factors)
    expected = [[1, 0], [1 / 2, 1 / 2], [1 / 5, 4 / 5], [0, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    mixture = squared_correlation(np.c_[x + y, x - y], factors)
    assert top_two_gap(mixture) == pytest.approx(0, abs=1e-12)


def test_explicitness_of_perfect_constant_and_unrelated_codes():
    codes = np.c_[FACTORS, np.ones(600)] * 5.0
    train, test = explicitness(split(codes))
    np.testing.assert_allclose([*train, *test], 1, atol=1e-12)
    np.testing.assert_array_equal(explicitness(split(np.ones((600, 2)))), 0.5)
    _, test = explicitness(split(NOISE))
    # the area's deviation for m positives and n negatives is that of Mann and Whitney
    values = np.array([3, 3, 2])
    m, n = 200 / values, 200 - 200 / values
    deviation = np.sqrt((m + n + 1) / (12 * m * n))
    assert (np.abs(test - 0.5) < 3 * deviation).all()


@pytest.mark.parametrize("kind", ["boosted", "logistic"])
def test_predictors_learn_from_few_rows(kind):
    codes = 2.0 * FACTORS[:, 1:]
    part = split(codes, FACTORS[:, 2:], 20)
    np.testing.assert_array_equal(downstream_accuracy(part, kind), 1)


@pytest.mark.parametrize("kind", ["boosted", "logistic"])
def test_predictors_from_unrelated_codes_are_at_chance(kind):
    part = split(NOISE, FACTORS[:, [2]], 60)
    (found,) = downstream_accuracy(part, kind, trees=5)
    assert abs(found - 0.5) < 3 * 0.5 / 540**0.5


@pytest.mark.parametrize("kind", ["boosted", "logistic"])
def test_predictors_of_values_that_hardly_occur(kind):
    """Of one value, that one is told; folds may lack one of two."""
    factors = np.zeros((30, 2), int)
    factors[9:, 0], factors[[3, 25], 1] = 1, 1
    codes = factors + 0.0
    one, rare = downstream_accuracy(split(codes, factors, 9), kind)
    assert one == 0
    assert rare >= 20 / 21


def test_explicitness_of_what_has_one_value_there():
    factors = np.r_[np.arange(20) % 2, np.zeros(5, int)][:, None]
    train, test = explicitness(split(factors * 1.0, factors, 20))
    assert train == 1
    assert np.isnan(test)


def test_another_predictor_is_refused():
    with pytest.raises(ValueError, match="kind: 'forest' given"):
        downstream_accuracy(split(NOISE), "forest")


def test_unfairness_of_known_counts():
    equal = np.array([[10, 20], [30, 60]])
    np.testing.assert_allclose(unfairness(equal), 0, atol=1e-15)
    # each group is always told one value of its own
    mean, most = unfairness(np.diag([30, 10]))
    assert (mean, most) == (pytest.approx(2 * 0.75 * 0.25), pytest.approx(0.75))
    # a group without anybody does not count
    mean, most = unfairness(np.c_[np.diag([30, 10]), [0, 0]])
    assert (mean, most) == (pytest.approx(2 * 0.75 * 0.25), pytest.approx(0.75))


def test_counts_of_groups():
    told = np.array([[0, 1], [1, 1], [1, 0]])
    there = np.array([[0, 0], [1, 1], [1, 1]])
    counts = group_counts(told, there)
    np.testing.assert_array_equal(counts[0, 1], [[1, 0], [0, 2]])
    np.testing.assert_array_equal(counts[1, 0], [[0, 1], [1, 1]])


def test_unfairness_is_the_originals():
    case = golden("disentanglement_udr_fairness_a")
    # the original's sums are in single precision
    found = np.asarray(unfairness(case["fairness/counts"]))
    assert error(found, case["fairness/mean_max"]) < 1e-7


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_machines_correlations_and_explicitness_are_the_originals(name):
    case, whole = recorded(name)
    found = machine_accuracy(whole)
    np.testing.assert_array_equal(found, case["sap_matrix_discrete"])
    found = squared_correlation(whole.codes, whole.factors)
    # the original's covariances are of codes in single precision
    assert error(found, case["sap_matrix_continuous"]) < 1e-8
    if name == "partial":  # the original has none where a code is constant
        assert np.isnan(case["explicitness_train_test_per_factor"]).all()
        return
    found = np.stack(explicitness(whole), axis=1)
    # one pair of 10^6, in the other order
    assert error(found, case["explicitness_train_test_per_factor"]) < 5e-6
