import numpy as np
import pytest
from known_codes import GRID

from jaxlatent.evaluation.disentanglement_bench import (
    Settings,
    factor_values,
    prepare,
    standardised,
)

RNG = np.random.default_rng(0)
CODES = RNG.normal(3, 2, (60, 4))
SMALL = Settings(train=30, test=20)


def test_whole_numbers_are_values_and_others_are_cut():
    names = np.array([[7.0, 0.1, 1], [-2.0, 0.2, 0], [7.0, 0.9, 1], [3.0, 1.1, 0]])
    found = factor_values(names, 5)
    np.testing.assert_array_equal(found[:, 0], [2, 0, 2, 1])
    np.testing.assert_array_equal(
        found[:, 1], [0, 0, 1, 1]
    )  # bins without any are none
    np.testing.assert_array_equal(found[:, 2], [1, 0, 1, 0])
    many = np.arange(1000.0)[:, None]
    np.testing.assert_array_equal(factor_values(many, 4)[:, 0], np.arange(1000) // 250)


def test_standardised_codes_have_deviation_one_or_rest():
    found = standardised(np.c_[CODES, np.full(60, 0.1)])
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(found.std(axis=0), [1, 1, 1, 1, 0], atol=1e-14)
    assert not found[:, 4].any()


def test_rows_are_split_once_and_by_the_seed():
    bench = prepare(CODES, GRID, SMALL, seed=1)
    seen, factors, unseen, _ = bench.split
    assert (len(seen), len(unseen)) == (30, 20)
    rows = {row.tobytes() for part in (seen, unseen) for row in part}
    assert len(rows) == 50
    assert rows <= {row.tobytes() for row in bench.codes}
    again = prepare(CODES, GRID, SMALL, seed=1).split
    np.testing.assert_array_equal(factors, again.factors)
    other = prepare(CODES, GRID, SMALL, seed=2).split
    assert (seen != other.codes).any()
    # a third at least is left to be judged by
    assert len(prepare(CODES, GRID).split.codes) == 40
    assert len(prepare(CODES, GRID).split.unseen_codes) == 20


def test_unrelated_codes_have_the_same_laws():
    bench = prepare(np.c_[CODES, CODES[:, 0]], GRID, SMALL)
    found = bench.unrelated(0)
    np.testing.assert_array_equal(np.sort(found.codes, 0), np.sort(bench.codes, 0))
    np.testing.assert_array_equal(found.factors, bench.factors)
    assert (found.codes[:, 0] != found.codes[:, 4]).any()
    np.testing.assert_allclose(standardised(found.given), found.codes, atol=1e-13)
    assert (found.codes != bench.unrelated(1).codes).any()
    assert "information" not in vars(found)  # nothing is inherited


def test_perfect_codes_are_the_factors():
    bench = prepare(CODES, GRID, SMALL).perfect
    assert np.abs(np.corrcoef(bench.codes.T, GRID.T)[:3, 3:]) == pytest.approx(
        np.eye(3)
    )
    np.testing.assert_allclose(bench.codes.std(axis=0), 1)


def test_constant_codes_are_counted_and_raw_ones_stay():
    codes = np.c_[CODES, np.ones(60)]
    assert prepare(codes, GRID).active == 4
    np.testing.assert_array_equal(prepare(codes, GRID, Settings(raw=True)).codes, codes)


@pytest.mark.parametrize(
    ("codes", "factors", "expected"),
    [
        (CODES[:, 0], GRID, r"codes: float64 \(60,\) given; numbers \[N, M\]"),
        (CODES, GRID.astype(str), "factors: <U"),
        (CODES[:, :0], GRID, "codes: float64"),
        (np.where(CODES.max() - 0.1 < CODES, np.inf, CODES), GRID, "codes: inf in row"),
        (CODES[:50], GRID, "codes, factors: 50 and 60 rows given"),
        (CODES[:5], GRID[:5], "codes, factors: 5 and 5 rows given"),
        (CODES, GRID * [1, 0, 1], "factors: factor 1 has one value; two or more"),
        (CODES, np.eye(60, dtype=int)[:, [3]], "factors: factor 0 has one value in"),
    ],
)
def test_what_cannot_be_scored_is_refused(codes, factors, expected):
    seed = next(
        seed
        for seed in range(100)
        if 3 not in np.random.default_rng(seed).permutation(60)[:30]
    )
    with pytest.raises(ValueError, match=expected):
        prepare(codes, factors, SMALL, seed=seed)


@pytest.mark.parametrize(
    "changes",
    [
        {"train": 0},
        {"batch": 1},
        {"bins": 1},
        {"factor_bins": 1},
        {"repeats": -1},
        {"prune": 1.0},
        {"quantile": 0.0},
        {"C": 0.0},
        {"downstream": (10, 0)},
    ],
)
def test_settings_that_do_nothing_are_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"^{name}: .* given; .* accepted"):
        prepare(CODES, GRID, Settings(**changes))
