import numpy as np
import pytest
from helpers import error, golden
from known_codes import GRID, REPRESENTATIONS, SIZES, recorded

from jaxlatent.evaluation.disentanglement_dependence import (
    gaussian_total_correlation,
    gaussian_wasserstein_correlation,
    mean_mutual_information,
    robustness,
    wasserstein_ceiling,
)


def correlated(rho, scale=1.0):
    return scale * np.array([[1, rho], [rho, 1]])


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.9])
def test_total_correlation_of_two_codes(rho):
    expected = -0.5 * np.log(1 - rho**2)
    for scale in (1.0, 1e-200, 1e200):
        found = gaussian_total_correlation(correlated(rho, scale))
        assert found == pytest.approx(expected, abs=1e-14)


def test_total_correlation_of_codes_that_determine_each_other_or_rest():
    assert gaussian_total_correlation(np.ones((2, 2))) == float("inf")
    assert np.isnan(gaussian_total_correlation(np.diag([1.0, 0.0])))
    # a code that is a mixture of the others, whatever its determinant is rounded to
    for seed in range(8):
        rng = np.random.default_rng(seed)
        codes = rng.normal(size=(500, 3))
        mixed = np.c_[codes, codes @ rng.normal(size=3)]
        assert gaussian_total_correlation(np.cov(mixed.T)) == float("inf")


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, -0.9])
def test_wasserstein_correlation_of_two_codes(rho):
    expected = 4 - 2 * (np.sqrt(1 + rho) + np.sqrt(1 - rho))
    found = gaussian_wasserstein_correlation(correlated(rho))
    assert found == pytest.approx(expected, abs=1e-14)
    share = gaussian_wasserstein_correlation(correlated(rho, 7.0), normalised=True)
    assert share == pytest.approx(expected / 2, abs=1e-14)
    if rho == 0.9:
        assert found == pytest.approx(0.610734, abs=1e-6)


def test_wasserstein_correlation_ends_at_its_ceiling():
    deviations = np.array([1.0, 2.0, 0.5])
    same = np.outer(deviations, deviations)
    for normalised in (False, True):
        found = gaussian_wasserstein_correlation(same, normalised=normalised)
        most = wasserstein_ceiling(same, normalised=normalised)
        assert found == pytest.approx(most, rel=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(20):
        covariance = np.cov(rng.normal(size=(3, 5)) @ rng.normal(size=(5, 9)))
        found = gaussian_wasserstein_correlation(covariance)
        assert 0 < found < wasserstein_ceiling(covariance)
    rest = np.zeros((2, 2))
    assert gaussian_wasserstein_correlation(rest, normalised=True) == 0


def test_information_between_codes():
    value, most = mean_mutual_information(GRID.astype(float))
    assert value == pytest.approx(0, abs=1e-14)
    smaller = [SIZES[0], SIZES[0], SIZES[1]]
    assert most == pytest.approx(np.log(smaller).mean())
    value, most = mean_mutual_information(np.c_[GRID[:, 0], 1.0 - GRID[:, 0]])
    assert value == pytest.approx(np.log(3)) == most
    assert mean_mutual_information(GRID[:, :1]) == (0, 0)


def test_robustness_of_known_codes():
    found = robustness(GRID[:, ::-1] * [1.0, -2.0, 5.0], GRID)
    assert found.score == 1
    np.testing.assert_array_equal(found.parent, [2, 1, 0])
    # a code that is the sum of two: holding one leaves the deviation of the other
    total = GRID[:, :1] + GRID[:, 1:2]
    found = robustness(total, GRID, 1.0)
    spread = (total.max() - total.min()) / 2
    expected = 1 - np.array([[1.5, 1.0, spread]]) / spread
    np.testing.assert_allclose(found.matrix, expected, atol=1e-14)
    assert found.score == pytest.approx(expected.max())


def test_constant_codes_are_left_out_and_counted():
    codes = np.c_[GRID, np.full(len(GRID), 0.1)]
    found = robustness(codes, GRID)
    assert found.score == 1
    assert found.active == 3
    assert np.isnan(found.by_code[3])
    assert np.isnan(found.matrix[3]).all()
    nothing = robustness(np.zeros((60, 2)), GRID)
    assert (nothing.score, nothing.active) == (0, 0)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_robustness_is_the_originals(name):
    case, split = recorded(name)
    found = robustness(split.codes, split.factors)
    moves = np.ptp(split.codes, axis=0) > 0
    assert found.active == moves.sum() == len(case["irs/IRS_matrix"])
    assert error(found.matrix[moves], case["irs/IRS_matrix"]) < 1e-14
    assert error(found.by_code[moves], case["irs/disentanglement_scores"]) < 1e-14
    assert error(found.deviation[moves], case["irs/max_deviations"]) < 1e-14
    np.testing.assert_array_equal(found.parent[moves], case["irs/parents"])
    assert abs(found.score - case["irs/avg_score"]) < 1e-14
    most = robustness(split.codes, split.factors, 1.0).score
    assert abs(most - case["irs/avg_score_q1"]) < 1e-14


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_dependence_is_the_originals(name):
    case, split = recorded(name)
    covariance = np.cov(split.codes.T.astype(float))
    assert error(covariance, case["cov"]) < 1e-14
    total = gaussian_total_correlation(case["cov"])
    np.testing.assert_allclose(
        total, case["gaussian_total_correlation"], rtol=1e-12, atol=1e-14
    )
    found = gaussian_wasserstein_correlation(case["cov"])
    # of a singular matrix, the original's root errs by the root of its rounding
    least = 1e-8 if name == "duplicated" else 1e-13
    assert abs(found - case["gaussian_wasserstein_correlation"]) < least
    value, most = mean_mutual_information(split.codes)
    assert abs(value - case["mutual_info_score"]) < 1e-14
    assert value < most


def test_dependence_of_a_covariance_is_the_originals():
    case = golden("disentanglement_primitives_a")
    covariance = case["cov"]
    assert gaussian_total_correlation(covariance) == pytest.approx(
        float(case["gtc"]), rel=1e-14
    )
    wasserstein = gaussian_wasserstein_correlation
    assert abs(wasserstein(covariance) - case["gwc"]) < 1e-14
    assert abs(wasserstein(covariance, normalised=True) - case["gwc_norm"]) < 1e-14
