import numpy as np
import pytest
from helpers import error, golden
from known_codes import GRID, REPRESENTATIONS, SIZES, recorded, turned

from jaxlatent.evaluation.disentanglement_information import (
    contingency,
    discretise,
    entropy,
    mutual_information,
    mutual_information_gap,
)
from jaxlatent.evaluation.disentanglement_matrices import modularity


def gaps(codes, factors=GRID, bins=20):
    information = mutual_information(discretise(codes, bins), factors)
    return mutual_information_gap(information, entropy(factors))


def test_bins_are_of_equal_width_and_hold_the_largest():
    values = np.array([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6]])
    assert discretise(values, 3).T.tolist() == [[0, 0, 1, 1, 2, 2]]
    assert np.ptp(discretise(np.full((4, 1), 7.0), 5)) == 0
    assert discretise(values, 1).max() == 0


def test_bins_are_those_of_numpys_histogram():
    rng = np.random.default_rng(0)
    values = np.c_[rng.normal(size=300), rng.uniform(size=300) ** 4, np.full(300, 2.0)]
    for bins in (2, 7, 20):
        found = discretise(values, bins)
        for column, ours in zip(values.T, found.T, strict=True):
            counts = np.bincount(ours, minlength=bins)
            np.testing.assert_array_equal(counts, np.histogram(column, bins)[0])


def test_entropy_of_a_uniform_factor_is_the_logarithm_of_its_values():
    np.testing.assert_allclose(entropy(GRID), np.log(SIZES), rtol=1e-14)


def test_counts_of_all_pairs():
    one, two = np.array([[0, 1], [1, 1], [1, 2]]), np.array([[1], [0], [1]])
    counts = contingency(one, two)
    assert counts.shape == (2, 1, 3, 2)
    np.testing.assert_array_equal(counts[0, 0], [[0, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(counts[1, 0], [[0, 0], [1, 1], [0, 1]])
    many = np.tile(one, (3000, 1)), np.tile(two, (3000, 1))  # more than one batch
    np.testing.assert_array_equal(contingency(*many), 3000 * counts)


def test_information_of_factors_is_their_entropy_and_of_others_nothing():
    found = mutual_information(GRID, GRID)
    np.testing.assert_allclose(found, np.diag(np.log(SIZES)), atol=1e-14)


def test_information_of_a_binary_channel():
    """A bit that is flipped 1 time in 4: ln 2 minus the entropy of the flip."""
    sent = np.repeat([0, 1], 4)[:, None]
    told = sent ^ np.tile([1, 0, 0, 0], 2)[:, None]
    flip = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    found = mutual_information(told, sent)
    np.testing.assert_allclose(found, np.log(2) - flip, rtol=1e-14)


def test_a_constant_code_tells_nothing_to_the_last_bit():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        factors = np.stack([rng.integers(0, size, 1000) for size in (3, 5, 7)], axis=1)
        information = mutual_information(discretise(np.ones((1000, 1))), factors)
        np.testing.assert_array_equal(information, 0)
        assert modularity(information) == 0


def test_gaps_of_known_codes():
    np.testing.assert_allclose(gaps(-2.5 * GRID[:, ::-1]), 1, rtol=1e-14)
    np.testing.assert_allclose(gaps(np.c_[GRID, GRID]), 0, atol=1e-14)
    np.testing.assert_allclose(gaps(np.ones_like(GRID)), 0, atol=1e-14)
    # a single code for one of the factors leads before nothing at all
    np.testing.assert_allclose(gaps(GRID[:, :1]), [1, 0, 0], atol=1e-14)


def test_a_mixture_of_two_factors_loses_their_gaps():
    """Their sum and their difference tell as much of each."""
    grid = np.array([(i, j, k) for i in range(4) for j in range(4) for k in range(3)])
    np.testing.assert_allclose(gaps(turned(grid), grid), [0, 0, 1], atol=1e-14)


def test_a_factor_of_one_value_has_no_gap():
    found = mutual_information_gap(np.ones((3, 2)), np.array([0.0, 1.0]))
    assert np.isnan(found[0])
    assert found[1] == 0


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_bins_information_and_scores_are_the_originals(name):
    case, split = recorded(name)
    cut = discretise(split.codes)
    np.testing.assert_array_equal(cut.T + 1, case["discretized"])
    information = mutual_information(cut, split.factors)
    assert error(information, case["mutual_info"]) < 1e-14
    assert error(entropy(split.factors), case["entropy"]) < 1e-14
    gap = mutual_information_gap(information, entropy(split.factors))
    assert abs(gap.mean() - case["mig"]) < 1e-14
    assert abs(modularity(information) - case["modularity"]) < 1e-14


def test_bins_of_numbers_and_integers_are_the_originals():
    case = golden("disentanglement_primitives_a")
    for bins in (3, 10, 20):
        found = discretise(case["x"].T, bins).T + 1
        np.testing.assert_array_equal(found, case[f"disc/{bins}"])
    np.testing.assert_array_equal(discretise(case["xi"].T, 3).T + 1, case["disc_int/3"])
