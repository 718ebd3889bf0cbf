import numpy as np
import pytest
from helpers import golden
from known_codes import REPRESENTATIONS, recorded

from jaxlatent.evaluation.disentanglement_matrices import (
    AGGREGATIONS,
    certainty,
    completeness,
    disentanglement,
    independent_groups,
    independent_groups_area,
    modularity,
    top_two_gap,
)

EYE = np.eye(5)
TWICE = np.r_[EYE, EYE]
HALF = 1 - np.log(2) / np.log(10)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (5 * EYE, (1, 1, 1, 5, 1)),
        (TWICE, (1, HALF, 1, 0, 1)),
        (TWICE.T, (HALF, 1, 1 - 1 / 9, 1, 0.5)),
        ([[1, 0], [0, 1], [0, 0]], (1, 1, 2 / 3, 1, 1)),
        (np.zeros((10, 10)), (0, 0, 0, 0, 0)),
        (np.ones((4, 4)), (0, 0, 0, 0, 1 / 4)),
        ([[3.0]], (1, 1, 1, 3, 1)),
        # of two factors that depend on one code, one half of what there is
        ([[1, 1]], (0, 1, 0, 1, 0.5)),
    ],
)
def test_aggregations_of_known_matrices(matrix, expected):
    found = [
        aggregate(np.asarray(matrix, float)) for aggregate in AGGREGATIONS.values()
    ]
    np.testing.assert_allclose(found, expected, atol=2e-9)


@pytest.mark.parametrize("factors", [2, 4, 14])
def test_a_mixture_of_two_factors_loses_the_predicted_disentanglement(factors):
    """Two rows of two halves among the rows of an identity."""
    matrix = np.eye(factors)
    matrix[:2, :2] = 0.5
    lost = 2 / factors * np.log(2) / np.log(factors)
    assert disentanglement(matrix) == pytest.approx(1 - lost, abs=2e-9)
    assert completeness(matrix) == pytest.approx(1 - lost, abs=2e-9)
    assert modularity(matrix) == pytest.approx(1 - 2 / factors / (factors - 1))


def test_rows_weigh_by_their_sums():
    """A pure code of weight 3 beside a mixed one of weight 1, of two factors."""
    matrix = np.array([[3.0, 0.0], [0.5, 0.5]])
    np.testing.assert_allclose(certainty(matrix), [1, 0], atol=1e-9)
    assert disentanglement(matrix) == pytest.approx(0.75, abs=1e-9)


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_order_does_not_matter_and_scale_only_to_the_gap(name):
    matrix = RNG.uniform(size=(7, 4))
    shuffled = matrix[RNG.permutation(7)][:, RNG.permutation(4)]
    aggregate, scale = AGGREGATIONS[name], 3.0 if name == "top_two_gap" else 1.0
    assert aggregate(shuffled) == pytest.approx(aggregate(matrix), rel=1e-12)
    assert aggregate(3 * matrix) == pytest.approx(scale * aggregate(matrix), rel=1e-9)


def components(matrix, threshold):
    """Connected components of two nodes and more, by walking along bonds."""
    bonds, left, found = matrix > threshold, set(range(len(matrix))), 0
    while left:
        codes, before = {left.pop()}, set()
        while codes != before:
            before = set(codes)
            reached = bonds[sorted(codes)].any(axis=0)
            codes |= set(np.flatnonzero(bonds[:, reached].any(axis=1)))
        left -= codes
        found += bool(bonds[sorted(codes)].any())
    return found


def test_independent_groups_are_connected_components():
    for shape in [(5, 5), (8, 3), (2, 6)]:
        # some entries are equal, some zero
        matrix = np.round(RNG.uniform(-0.3, 1, shape).clip(0), 1)
        marks = np.arange(0, 1.05, 0.05)
        found = independent_groups(matrix, marks)
        assert found.tolist() == [components(matrix, mark) for mark in marks]


def test_the_area_of_independent_groups_is_their_integral():
    matrix = RNG.uniform(size=(6, 4))
    marks = np.concatenate([[0], np.sort(matrix.ravel())])
    steps = np.diff(marks) @ independent_groups(matrix, marks[:-1])
    expected = steps / matrix.max() / 4
    assert independent_groups_area(matrix) == pytest.approx(expected, rel=1e-12)


def test_the_originals_scores_of_matrices():
    case = golden("disentanglement_aggregation_a")
    names = ("disentanglement", "completeness", "modularity", "top_two_gap")
    keys = (*names[:3], "avg_diff_top_two")
    matrices = [name for name in case if "/" not in name]
    assert len(matrices) == 6
    for name in matrices:
        for ours, theirs in zip(names, keys, strict=True):
            found = AGGREGATIONS[ours](case[name])
            assert abs(found - case[f"{name}/{theirs}"]) < 1e-14


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_the_originals_scores_of_importance_and_accuracy(name):
    case, _ = recorded(name)
    importance = case["dci_importance"]
    assert abs(disentanglement(importance) - case["dci"][0]) < 1e-14
    assert abs(completeness(importance) - case["dci"][1]) < 1e-14
    np.testing.assert_allclose(certainty(importance), case["dci_per_code"], atol=1e-14)
    np.testing.assert_allclose(
        certainty(importance.T), case["dci_per_factor"], atol=1e-14
    )
    for kind in ("discrete", "continuous"):
        found = top_two_gap(case[f"sap_matrix_{kind}"])
        assert abs(found - case[f"sap_{kind}"]) < 1e-14
