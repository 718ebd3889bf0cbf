"""ReSeFa in closed form, and the original's directions."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import golden

from jaxlatent.edits.directions import directions
from jaxlatent.methods.lowrankgan import Leading, lowrankgan
from jaxlatent.methods.resefa import resefa

RECORDED = golden("resefa_directions_a")
OPTIONS = {
    "default": {},
    "full_rank": {"tau": 1e-3, "tau_of": "trace"},
    "full_rank_tao0.1": {"tau": 0.1, "tau_of": "trace"},
}


def one_minus_cosine(left, right):
    left, right = (np.asarray(rows, np.float64) for rows in (left, right))
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (1 - np.abs(np.sum(left * right, axis=1)) / lengths).max()


def pair(dim=8, seed=0):
    """Two positive definite matrices."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(2, 3 * dim, dim))
    return tuple(part.T @ part / len(part) for part in rows)


def test_ratios_of_diagonals():
    region, rest = np.diag([1.0, 6, 3, 2]), np.diag([1.0, 2, 4, 0.5])
    found = resefa(region, rest)
    np.testing.assert_allclose(found.vectors, np.eye(4)[[3, 1, 0, 2]], atol=1e-7)
    np.testing.assert_allclose(found.report["eigenvalues"], [4, 3, 1, 0.75], rtol=1e-6)
    np.testing.assert_allclose(found.report["gain"], [2, 6, 1, 3], rtol=1e-6)
    np.testing.assert_allclose(found.report["leak"], [0.5, 2, 1, 4], rtol=1e-6)
    assert float(found.facts["condition"]) == pytest.approx(8)
    assert float(found.facts["added"]) == 0
    assert (found.method, found.space, len(resefa(region, rest, k=2))) == (
        "resefa",
        "w",
        2,
    )


def test_congruent_matrices_have_congruent_directions():
    """Of B^T M B they are B^-1 n, with the same ratios, at any common scale."""
    region, rest = pair()
    change = np.random.default_rng(1).normal(size=(8, 8)) + 3 * np.eye(8)
    found = resefa(region, rest)
    other = resefa(*(5 * change.T @ part @ change for part in (region, rest)))
    np.testing.assert_allclose(
        other.report["eigenvalues"], found.report["eigenvalues"], rtol=1e-5
    )
    back = np.linalg.solve(change, np.asarray(found.vectors, np.float64).T).T
    assert one_minus_cosine(other.vectors, back) < 1e-10


def test_tau_is_added_to_the_diagonal():
    region, rest = pair()
    mean = np.trace(rest) / 8
    found = resefa(region, rest, tau=0.3)
    assert float(found.facts["added"]) == pytest.approx(0.3 * mean)
    by_hand = resefa(region, rest + 0.3 * mean * np.eye(8), tau=0)
    assert np.array_equal(found.vectors, by_hand.vectors)
    # the leak stays that of the matrix as given
    ratio = found.report["gain"] / (found.report["leak"] + found.facts["added"])
    np.testing.assert_allclose(ratio, found.report["eigenvalues"], rtol=1e-5)
    np.testing.assert_array_equal(
        found.vectors, resefa(region, rest, tau=0.3 / 8, tau_of="trace").vectors
    )


def test_a_singular_rest_gets_a_tau_and_tends_to_lowrankgan():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(30, 4)) @ rng.normal(size=(4, 9))
    rest, mover = rows.T @ rows / 30, rng.normal(size=9)
    region = np.outer(mover, mover)
    usual = resefa(region, rest, k=1)
    assert np.isinf(usual.facts["condition"])
    assert float(usual.facts["added"]) == pytest.approx(1e-3 * np.trace(rest) / 9)
    soft = resefa(region, rest, k=1, tau=1e-9)
    hard = lowrankgan(region, rest, Leading(rank="tol"))
    assert one_minus_cosine(soft.vectors, hard.vectors) < 1e-10
    assert float(usual.report["leak"][0]) > float(soft.report["leak"][0])


@pytest.mark.parametrize("picture", [0, 1])
@pytest.mark.parametrize("variant", OPTIONS)
def test_recorded_directions(variant, picture):
    case = {
        key: RECORDED[f"{variant}/img{picture}/{key}"]
        for key in (
            "M_fore_f64",
            "M_back_f64",
            "directions",
            "geig_values_f64_desc",
            "geig_vectors_f64_desc",
        )
    }
    found = resefa(case["M_fore_f64"], case["M_back_f64"], **OPTIONS[variant])
    np.testing.assert_allclose(
        found.report["eigenvalues"], case["geig_values_f64_desc"], rtol=1e-6
    )
    assert one_minus_cosine(found.vectors, case["geig_vectors_f64_desc"]) < 1e-10
    # the original's solver is in float32
    assert one_minus_cosine(found.vectors, case["directions"]) < 1e-6


def test_recorded_edits():
    edit = directions(
        RECORDED["interp_direction"],
        space="w",
        layers=RECORDED["interp_layers"].tolist(),
    )
    code = jnp.asarray(RECORDED["interp_code"])
    for block, strengths in (
        ("interp_out_default", np.linspace(-10, 10, 21)),
        ("interp_out_pm3_4steps", np.linspace(-3, 3, 4)),
    ):
        moved = edit.traverse(code, 0, strengths)
        expected = RECORDED[block].reshape(moved.shape)
        np.testing.assert_allclose(moved, expected, atol=2e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k: 0 given; 1 to 8"),
        ({"k": 9}, "k: 9 given; 1 to 8"),
        ({"tau": -1}, "tau: -1 given"),
        ({"tau_of": "median"}, "tau_of: 'median' given"),
        ({"gram_rest": np.diag([1.0] * 7 + [0]), "tau": 0}, "a larger tau is needed"),
        ({"gram_rest": np.zeros((8, 8))}, "gram_rest: is not positive definite"),
        ({"gram_rest": np.zeros((2, 8, 8))}, "average=True"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    region, rest = pair()
    with pytest.raises(ValueError, match=message):
        resefa(**({"gram_region": region, "gram_rest": rest} | options))
