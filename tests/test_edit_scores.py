"""Scores of edits on effects that are straight lines: everything in closed form."""

import itertools

import numpy as np
import pytest

from jaxlatent.evaluation.edit_scores import diversity, score_edit
from jaxlatent.evaluation.effects import Effects

FACTORS = ("age", "hair", "smile", "light", "pose")
COUNT = len(FACTORS)
STRENGTHS = np.linspace(-2, 2, 5)
START = np.random.default_rng(0).normal(size=(8, COUNT))
START = (START - START.mean(axis=0)) / START.std(axis=0)
TRUTH = np.eye(COUNT)


def effects(slopes):
    """Lines of unit deviation: [K, F] changes per unit of strength."""
    slopes = np.asarray(slopes, np.float64)
    values = START[:, None, None] + np.multiply.outer(STRENGTHS, slopes).swapaxes(0, 1)
    names = tuple(f"d{index}" for index in range(len(slopes)))
    return Effects(STRENGTHS, values, names, FACTORS, np.ones(len(slopes)))


def draws(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, COUNT))


CHANCE = effects(draws(120))


def test_the_truth_scores_one():
    for truth in (effects(TRUTH), None):
        found = score_edit(effects(TRUTH), CHANCE, truth)
        np.testing.assert_allclose(found.coverage, 1)
        np.testing.assert_allclose(found.purity, 1)
        np.testing.assert_allclose(found.diversity, 1)
        wanted = [1, 1, 1, 1, 1, 0, np.nan]  # what leaks is not known here
        np.testing.assert_allclose([*found.summary.values()], wanted)
        np.testing.assert_array_equal(found.best, range(COUNT))
        np.testing.assert_array_equal(found.reached, 1)


def test_a_truth_that_is_not_clean_scores_one_all_the_same():
    leaky = effects(TRUTH + 0.1)
    found = score_edit(leaky, CHANCE, leaky)
    np.testing.assert_allclose(found.coverage, 1)
    np.testing.assert_allclose(found.purity, 1)
    np.testing.assert_allclose(found.diversity, 1)
    assert found.ceiling["coverage"] == pytest.approx(1.1 / 1.5)


@pytest.mark.parametrize("count", [2, COUNT])
def test_random_scores_zero_whatever_its_number(count):
    scores = [
        score_edit(effects(draws(count, seed)), CHANCE).summary
        for seed in range(100, 140)
    ]
    for name in ("coverage", "purity", "diversity"):
        values = np.asarray([one[name] for one in scores])
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean()) < 3 * error
        assert 0 < error < 0.2


def test_the_expected_best_is_the_mean_over_all_choices():
    pool = effects(draws(7))
    share = pool.selectivity
    chosen = itertools.combinations(range(7), 3)
    mean = np.mean([share[list(some)].max(axis=0) for some in chosen], axis=0)
    found = score_edit(effects(draws(3, 5)), pool)
    assert found.chance["coverage"] == pytest.approx(mean.mean(), abs=1e-12)


def test_a_mixture_of_two_factors_is_half_as_pure():
    mixed = TRUTH.copy()
    mixed[:2] = np.asarray([[1, 1, 0, 0, 0], [1, -1, 0, 0, 0]]) / np.sqrt(2)
    found = score_edit(effects(mixed), CHANCE)
    chance = found.chance["purity"]
    half = (0.5 - chance) / (1 - chance)
    np.testing.assert_allclose(found.purity, [half, half, 1, 1, 1])
    assert found.raw["purity"] == pytest.approx(0.8)
    assert found.raw["coverage"] == pytest.approx(0.8)
    # both span what both factors span, and do two things
    assert found.raw["diversity"] == pytest.approx(1)
    np.testing.assert_allclose(found.steepness, [np.sqrt(0.5)] * 2 + [1] * 3)
    # when the one has gone half a deviation, so has one of four others
    np.testing.assert_allclose(found.drift, [0.125, 0.125, 0, 0, 0], atol=1e-12)


def test_sign_order_and_scale_do_not_count():
    slopes = draws(4, 3)
    values = effects(slopes).values
    bent = values + 0.1 * values**2  # no longer lines
    first = Effects(STRENGTHS, bent, tuple("abcd"), FACTORS, np.ones(4))
    order = [2, 0, 3, 1]
    turned = bent[:, order].copy()
    turned[:, ::2] = turned[:, ::2, ::-1]  # which walk the other way
    names = tuple("abcd"[index] for index in order)
    second = Effects(STRENGTHS, turned, names, FACTORS, np.full(4, 7.0))
    one, two = (score_edit(some, CHANCE) for some in (first, second))
    for name in ("coverage", "monotonicity", "steepness", "drift", "reached"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name))
    np.testing.assert_allclose(one.purity[order], two.purity)
    assert one.diversity == pytest.approx(two.diversity)
    assert [one.directions[k] for k in one.best] == [
        two.directions[k] for k in two.best
    ]


def test_only_the_first_are_scored_and_few_against_as_few():
    many = effects(np.concatenate([TRUTH[:2], draws(6)]))
    cut = score_edit(many, CHANCE, num=2)
    assert cut.directions == ("d0", "d1")
    few = score_edit(effects(TRUTH[:2]), CHANCE, num=9)
    np.testing.assert_array_equal(cut.coverage, few.coverage)
    np.testing.assert_allclose(few.coverage[:2], 1)
    share = CHANCE.selectivity
    pairs = np.maximum(share[::2], share[1::2]).mean(axis=0)
    np.testing.assert_allclose(few.coverage[2:], -pairs[2:] / (1 - pairs[2:]), rtol=0.1)


def test_named_targets_are_asked_for_what_they_were_told():
    slopes = np.asarray([[0, 3, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 9, 0]])
    found = score_edit(effects(slopes), CHANCE, targets=["hair", "pose", None])
    np.testing.assert_array_equal(found.best, [-1, 0, -1, -1, 1])
    share = CHANCE.selectivity.mean(axis=0)
    wanted = (np.asarray([0.75, 0.5]) - share[[1, 4]]) / (1 - share[[1, 4]])
    np.testing.assert_allclose(found.coverage[[1, 4]], wanted)
    assert np.isnan(found.coverage[[0, 2, 3]]).all()
    assert np.isnan(found.drift[[0, 2, 3]]).all()
    assert found.raw["coverage"] == pytest.approx(0.625)


def test_what_does_nothing_is_left_out():
    found = score_edit(effects([*TRUTH, np.zeros(COUNT)]), CHANCE)
    assert np.isnan(found.purity[-1])
    np.testing.assert_allclose(found.summary["purity"], 1)
    nothing = score_edit(effects(np.zeros((2, COUNT))), CHANCE)
    assert np.isnan(nothing.summary["purity"])
    assert np.isnan(nothing.summary["diversity"])
    assert (nothing.coverage < 0).all()


def test_diversity_of_two_directions_is_known_from_their_angle():
    for angle in (0.3, 1.0, np.pi / 2):
        rows = np.asarray([[1, 0, 0], [np.cos(angle), np.sin(angle), 0]])
        parts = (1 + np.asarray([-1, 1]) * np.cos(angle)) / 2
        rank = np.exp(-np.sum(parts * np.log(parts)))
        assert diversity(5 * rows) == pytest.approx(rank - 1)
    assert diversity(np.ones((3, 4))) == pytest.approx(0, abs=1e-6)
    assert np.isnan(diversity(np.ones((1, 4))))


def test_of_a_single_factor_there_is_nothing_to_find():
    one = Effects(STRENGTHS, effects(TRUTH).values[..., :1], ("a",) * 5, ("x",), TRUTH)
    kept = one.select([0])
    assert np.isnan(score_edit(kept, kept).coverage).all()


def test_refusals():
    other = Effects(STRENGTHS, CHANCE.values, CHANCE.directions, tuple("abcde"), TRUTH)
    for arguments, words in (
        (dict(chance=other), "chance, truth: of other factors"),
        (dict(chance=effects(draws(3))), "chance: 3 directions given; 5 or more"),
        (dict(chance=CHANCE, num=0), "num: 0 given; 1 or more"),
        (dict(chance=CHANCE, targets=["age"]), "targets: "),
        (dict(chance=CHANCE, targets=["nose"] * 5), "targets: .*'nose'"),
    ):
        with pytest.raises(ValueError, match=words):
            score_edit(effects(TRUTH), **arguments)
