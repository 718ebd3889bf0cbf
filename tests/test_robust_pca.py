"""Robust PCA against closed forms, the original's recorded runs and its optimum."""

import numpy as np
import pytest
from helpers import golden

from jaxlatent.numerics.robust_pca import (
    principal_component_pursuit,
    robust_pca,
    shrink,
    threshold_singular_values,
)

RUNS = golden("lowrank_rpca_a")
STOPS = golden("lowrank_rpca_early_stop_a")


def symmetric(values, seed=0):
    """A symmetric matrix with the given eigenvalues."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(len(values), len(values))))[0]
    matrix = (basis * values) @ basis.T
    return (matrix + matrix.T) / 2


def by_svd(matrix, threshold):
    left, values, right = np.linalg.svd(matrix)
    return (left * np.maximum(values - threshold, 0)) @ right


def test_the_two_operators_as_recorded():
    found = shrink(RUNS["shrink_in"], float(RUNS["shrink_tau"]))
    np.testing.assert_allclose(found, RUNS["shrink_out"], atol=1e-15)
    found = threshold_singular_values(RUNS["svt_in"], float(RUNS["svt_tau"]))
    np.testing.assert_allclose(found.matrix, RUNS["svt_out"], atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 40])
@pytest.mark.parametrize("kept", [0, 0.15, 0.6, 1])
@pytest.mark.parametrize("negative", [0, 0.3])
def test_symmetric_thresholding_is_the_general_one(dim, kept, negative):
    """Few and many values above, on both sides of zero."""
    values = np.linspace(0.01, 1, dim) + 0.01 * (np.arange(dim) % 3 == 0)
    signs = np.where(np.random.default_rng(1).random(dim) < negative, -1, 1)
    threshold = {0: 2.0, 1: 0.0}.get(kept, 1 - kept + 1e-4)
    matrix = symmetric(values * signs)
    found = threshold_singular_values(matrix, threshold)
    np.testing.assert_allclose(found.matrix, by_svd(matrix, threshold), atol=1e-13)
    assert np.array_equal(found.matrix, found.matrix.T)
    assert len(found.values) == np.sum(values > threshold)
    total = np.maximum(values - threshold, 0).sum()
    assert found.values.sum() == pytest.approx(total, abs=1e-12)


def test_repeated_eigenvalues():
    values = np.repeat([0.0, 0.5, 1.0], 30)
    matrix = symmetric(values)
    found = threshold_singular_values(matrix, 0.25).matrix
    np.testing.assert_allclose(found, by_svd(matrix, 0.25), atol=1e-13)
    found = threshold_singular_values(np.eye(90), 0.25).matrix
    np.testing.assert_allclose(found, 0.75 * np.eye(90), atol=1e-13)


@pytest.mark.parametrize(
    ("matrix", "block"),
    [
        ("M_planted", "planted_default_rule"),
        ("M_planted", "planted_one_over_60"),
        ("gram_M", "gram_one_over_60"),
    ],
)
def test_recorded_runs(matrix, block):
    case = {
        key: RUNS[f"{block}/{key}"] for key in ("L", "iters", "rank", "lamb", "obj")
    }
    found = robust_pca(RUNS[matrix], penalty=float(case["lamb"]))
    assert found.iterations == case["iters"]
    assert found.converged
    assert found.rank == case["rank"]
    scale = np.abs(RUNS[matrix]).max()
    np.testing.assert_allclose(found.low_rank, case["L"], atol=1e-9 * scale)
    rest = RUNS[matrix] - case["L"]
    np.testing.assert_allclose(found.sparse, rest, atol=1e-6 * scale)
    assert found.objective == pytest.approx(float(case["obj"]), rel=1e-9)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_recorded_states(count):
    found = robust_pca(RUNS["M_planted"], penalty=None, max_iterations=count)
    for key, ours in (("L", found.low_rank), ("S", found.sparse)):
        recorded = RUNS[f"planted_trace_{count}/{key}"]
        np.testing.assert_allclose(ours, recorded, atol=1e-10)
    assert not found.converged


@pytest.mark.parametrize("block", ["one_over_60", "default_rule"])
@pytest.mark.parametrize("name", ["wellcond", "powerlaw", "exp"])
def test_recorded_early_stops_and_optima(name, block):
    penalty = 1 / 60 if block == "one_over_60" else None
    matrix = STOPS[f"{name}_M"]
    recorded = {
        key: STOPS[f"{name}_{block}/{key}"]
        for key in ("ref_iters", "ref_rank", "ref_objective", "opt_objective")
    }
    found = robust_pca(matrix, penalty=penalty)
    assert found.iterations == recorded["ref_iters"]
    assert found.rank == recorded["ref_rank"]
    assert found.objective == pytest.approx(float(recorded["ref_objective"]), rel=1e-9)
    best = principal_component_pursuit(matrix, penalty=penalty)
    assert best.converged
    assert max(best.primal, best.dual) <= 1e-8
    assert best.objective == pytest.approx(float(recorded["opt_objective"]), rel=1e-6)


def test_two_iterations_in_closed_form():
    """Of a well-conditioned matrix the loop only takes a multiple of I away."""
    matrix = symmetric(np.linspace(1, 2, 70))
    penalty, mu = 1 / 60, 70**2 / 4 / np.abs(matrix).sum(axis=0).max()
    found = robust_pca(matrix, penalty=penalty)
    assert (found.iterations, found.rank) == (2, 70)
    taken = 2 * (1 - penalty) / mu * np.eye(70)
    np.testing.assert_allclose(found.sparse, taken, atol=1e-13)
    np.testing.assert_allclose(found.low_rank, matrix - taken, atol=1e-13)


def test_optima_in_closed_form():
    matrix = symmetric(np.exp(-np.arange(30) / 4))
    # no subgradient of the nuclear norm is above 1
    assert np.linalg.norm(np.sign(matrix), 2) / 60 <= 1
    none = principal_component_pursuit(matrix, penalty=1 / 60)
    assert none.rank == 0
    assert not none.low_rank.any()
    np.testing.assert_allclose(none.sparse, matrix, atol=1e-7)
    # and none of the entries' norm below it at a penalty of 1
    everything = principal_component_pursuit(matrix, penalty=1.01)
    assert not everything.sparse.any()
    np.testing.assert_allclose(everything.low_rank, matrix, atol=1e-7)


def test_planted_parts_are_found_without_symmetry():
    rng = np.random.default_rng(2)
    low = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 30))
    sparse = np.zeros((40, 30))
    places = rng.choice(sparse.size, 40, replace=False)
    sparse.flat[places] = 10 * rng.choice([-1, 1], 40)
    found = principal_component_pursuit(low + sparse)
    assert found.rank == 2
    np.testing.assert_allclose(found.low_rank, low, atol=1e-5)
    np.testing.assert_allclose(found.sparse, sparse, atol=1e-5)


@pytest.mark.parametrize("method", [robust_pca, principal_component_pursuit])
def test_scale_and_symmetry_pass_through(method):
    matrix = symmetric(np.exp(-np.arange(24) / 3), seed=3)
    found = method(matrix, penalty=0.2)
    scaled = method(2.0**-20 * matrix, penalty=0.2)
    assert scaled.iterations == found.iterations
    assert np.array_equal(scaled.low_rank, 2.0**-20 * found.low_rank)
    for part in (found.low_rank, found.sparse):
        assert np.array_equal(part, part.T)


@pytest.mark.parametrize(
    ("matrix", "options", "message"),
    [
        (np.zeros((3, 3)), {}, "matrix: is zero"),
        (np.zeros(3), {}, r"matrix: shape \(3,\) given"),
        (np.full((2, 2), np.nan), {}, "matrix: holds values that are not finite"),
        (np.eye(2), {"penalty": 0}, "penalty: 0 given"),
        (np.eye(2), {"max_iterations": 0}, "max_iterations: 0 given"),
    ],
)
def test_what_cannot_be_split_is_named(matrix, options, message):
    with pytest.raises(ValueError, match=message):
        robust_pca(matrix, **options)
