import numpy as np
import pytest
from known_codes import GRID, recorded, uniform

from jaxlatent.evaluation import disentanglement_interventions
from jaxlatent.evaluation.disentanglement_interventions import (
    Votes,
    beta_vae,
    factor_vae,
    majority,
    told_by_majority,
    told_by_regression,
)

VOTES = Votes(train=300, evaluation=200, batch=16, variance=400)
RECORDED = ("perfect", "rotated", "partial")


def test_perfect_codes_are_told_and_a_missing_one_costs_what_it_must():
    for codes in (GRID * 1.0, -3.0 * GRID[:, ::-1]):
        assert beta_vae(codes, GRID, VOTES).accuracy == 1
        found = factor_vae(codes, GRID, VOTES)
        assert found[:2] == (1, 1)
        assert found.active.all()
    # no code tells the third factor: its votes go to the other two
    found = factor_vae(GRID * [1.0, 1.0, 0.0], GRID, VOTES)
    assert abs(found.accuracy - 2 / 3) < 3 * np.sqrt(2 / 9 / 200)
    np.testing.assert_array_equal(found.active, [True, True, False])
    assert found.votes.sum() == 500
    assert not found.votes[:, 2].any()


def test_pairs_share_a_factor_and_nothing_else(monkeypatch):
    """The mean difference of two independent values, and of two equal ones."""
    seen = []

    def look(points, factor, train):
        seen.append((points, factor))

    monkeypatch.setattr(disentanglement_interventions, "told_by_regression", look)
    beta_vae(GRID * 1.0, GRID, Votes(train=2000, evaluation=1, batch=30))
    ((points, factor),) = seen
    values = np.array([3, 4, 5])
    apart = (values**2 - 1) / (3 * values)
    for held in range(3):
        mean = points[factor == held].mean(axis=0)
        assert mean[held] == 0
        rest = np.arange(3) != held
        np.testing.assert_allclose(mean[rest], apart[rest], rtol=0.03)


def test_unrelated_codes_are_at_chance():
    """1 time in F, as long as each value has many rows."""
    rng = np.random.default_rng(3)
    codes, factors = rng.normal(size=(3000, 5)), uniform(rng, 3000, (2, 3, 4))
    for score in (beta_vae, factor_vae):
        found = [score(codes, factors, VOTES, seed=seed).accuracy for seed in range(5)]
        assert abs(np.mean(found) - 1 / 3) < 3 * np.sqrt(2 / 9 / 1000)


@pytest.mark.parametrize("score", [beta_vae, factor_vae])
def test_a_seed_decides_and_the_size_of_parts_does_not(score, monkeypatch):
    codes = GRID @ [[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.5, 0.0, 1.0]]
    first = score(codes, GRID, VOTES, seed=1)
    monkeypatch.setattr(disentanglement_interventions, "_MOST_NUMBERS", 1000)
    again, other = (score(codes, GRID, VOTES, seed=seed) for seed in (1, 2))
    assert repr(first) == repr(again)
    assert repr(first) != repr(other)


def test_codes_that_all_rest_score_nothing():
    found = told_by_majority(np.zeros((5, 2)), np.arange(5) % 2, np.zeros(2), VOTES, 2)
    assert found.accuracy == 0
    assert not found.active.any()
    assert found.votes.shape == (2, 2)


def test_a_single_factor_is_always_told():
    for score in (beta_vae, factor_vae):
        assert score(GRID * 1.0, GRID[:, :1], VOTES).accuracy == 1
    # of votes that were all of one factor, that one is told
    points = np.arange(8.0).reshape(4, 2)
    found = told_by_regression(points, np.array([2, 2, 0, 2]), train=2)
    assert found == (0.5, 1.0)


def test_small_deviations_are_pruned_as_shares_of_the_largest():
    local, factor, votes = np.ones((6, 3)), np.zeros(6, int), Votes(train=3)
    for unit in (1.0, 1e-6):
        overall = np.array([1.0, 0.051, 0.049]) ** 2 * unit
        found = told_by_majority(local, factor, overall, votes, 2)
        np.testing.assert_array_equal(found.active, [True, True, False])


def test_majority_of_known_votes():
    train = np.array([[5, 0, 2], [1, 4, 2]])  # of equal votes, the first factor
    assert majority(train, train) == 11 / 14
    assert majority(train, np.array([[0, 1, 1], [1, 0, 1]])) == 1 / 4
    assert majority(np.zeros((2, 3)), train) == 7 / 14


@pytest.mark.parametrize("name", RECORDED)
def test_regressions_are_the_originals(name):
    case, _ = recorded(name)
    parts = ("train", "eval")
    points = np.concatenate([case[f"beta_vae/{part}_points"] for part in parts])
    labels = np.concatenate([case[f"beta_vae/{part}_labels"] for part in parts])
    found = told_by_regression(points, labels, 300)
    assert [found.train_accuracy, found.accuracy] == case[
        "beta_vae/accuracy_train_eval"
    ].tolist()


@pytest.mark.parametrize("name", RECORDED)
def test_votes_are_the_originals(name):
    case, _ = recorded(name)
    batches = case["factor_vae/batches"].astype(np.float64)
    overall = case["factor_vae/global_variances"]
    tables = [case[f"factor_vae/{part}_votes"] for part in ("train", "eval")]
    accuracies = [majority(tables[0], table) for table in tables]
    assert accuracies == case["factor_vae/accuracy_train_eval"].tolist()
    votes = Votes(train=120)
    local = batches.var(axis=1, ddof=1)
    found = told_by_majority(local, np.zeros(200, int), overall, votes, 4)
    np.testing.assert_array_equal(found.active, case["factor_vae/active_dims"])
    # which factor was held is not recorded, only how often each code rested
    cells = np.sum(tables, axis=0).sum(axis=0)
    np.testing.assert_array_equal(found.votes.sum(axis=0), cells)
    if name == "perfect":  # here the code that rests tells it
        held = 3 - (local / overall).argmin(axis=1)
        found = told_by_majority(local, held, overall, votes, 4)
        np.testing.assert_array_equal(found.votes, np.sum(tables, axis=0))
