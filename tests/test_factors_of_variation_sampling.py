"""Codes with a chosen distribution of a factor, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxlatent.edits.factor import factors
from jaxlatent.methods.factors_of_variation_sampling import (
    energy_per_chunk,
    implied_cdf,
    implied_density,
    impose,
    quantile_of_cdf,
    quantile_of_density,
)

RNG = np.random.default_rng(3)
CODES = jnp.asarray(RNG.normal(size=(4000, 5)), jnp.float32)
UNIT = np.float32([0.6, 0, -0.8, 0, 0])
R = 0.5
GRID = np.linspace(-5, 5, 401)
# place = R (2 Phi(<z, u>) - 1)
UNIFORM = factors(
    UNIT[None], np.float32([GRID]), np.float32([R * (2 * stats.norm.cdf(GRID) - 1)]),
    space="z",
)  # fmt: skip
LINE = factors(
    3 * UNIT[None], np.float32([[-12, 12]]), np.float32([[-4, 4]]), space="z"
)


def test_a_gaussian_link_makes_a_uniform_factor():
    found = stats.kstest(UNIFORM.coordinate(CODES, 0), stats.uniform(-R, 2 * R).cdf)
    assert found.pvalue > 0.01
    inside = np.linspace(-0.45, 0.45, 41)
    np.testing.assert_allclose(implied_density(UNIFORM, 0, inside), 1, atol=0.02)
    np.testing.assert_allclose(implied_cdf(UNIFORM, 0, inside), inside + R, atol=2e-4)
    np.testing.assert_array_equal(implied_density(UNIFORM, 0, [-0.6, 0.6]), 0)


def test_the_length_of_the_direction_is_counted():
    """A third of <z, 3 u> is <z, u>."""
    values = np.linspace(-2, 2, 9)
    density, cdf = stats.norm.pdf(values), stats.norm.cdf(values)
    np.testing.assert_allclose(implied_density(LINE, 0, values), density, rtol=1e-5)
    np.testing.assert_allclose(implied_cdf(LINE, 0, values), cdf, rtol=1e-5)


@pytest.mark.parametrize("edit", [UNIFORM, LINE], ids=["uniform", "line"])
@pytest.mark.parametrize("kind", ["triangle", "beta", "exact"])
def test_an_imposed_distribution_passes_a_test(edit, kind):
    wanted = {
        "triangle": stats.triang(0.5, -0.4, 0.8),
        "beta": stats.beta(2, 3, -0.4, 0.8),
        "exact": stats.uniform(-0.3, 0.5),
    }[kind]
    quantile = {
        "triangle": quantile_of_density(
            lambda t: 7 * jnp.maximum(0.4 - jnp.abs(t), 0), (-0.45, 0.45)
        ),
        "beta": quantile_of_cdf(lambda t: stats.beta(2, 3, -0.4, 0.8).cdf(t), (-1, 1)),
        "exact": lambda share: 0.5 * share - 0.3,
    }[kind]
    moved, clipped = jax.jit(lambda edit, codes: impose(edit, codes, 0, quantile))(
        edit, CODES
    )
    assert not np.any(clipped)
    assert stats.kstest(edit.coordinate(moved, 0), wanted.cdf).pvalue > 0.01
    across = np.eye(5) - np.outer(UNIT, UNIT)
    np.testing.assert_allclose(moved @ across, CODES @ across, atol=2e-5)
    # the order of the codes along the direction stays
    before, after = (np.asarray(codes @ UNIT) for codes in (CODES, moved))
    assert np.diff(after[np.argsort(before)]).min() > -1e-5


def test_what_cannot_be_reached_is_told():
    moved, clipped = impose(UNIFORM, CODES, 0, lambda share: 1.2 * share - 0.6)
    share = np.mean(clipped)
    assert share == pytest.approx(1 / 6, abs=0.03)
    assert np.abs(UNIFORM.coordinate(moved, 0)).max() <= R + 1e-6


def test_flat_cells_are_atoms():
    edit = factors(
        UNIT[None], np.float32([[-1, 0, 1, 2]]), np.float32([[0, 1, 1, 2]]), space="z"
    )
    below, at = implied_cdf(edit, 0, [1 - 1e-6, 1.0])
    assert float(below) == pytest.approx(0.5, abs=1e-4)
    assert float(at) == pytest.approx(stats.norm.cdf(1), abs=1e-4)
    assert float(implied_cdf(edit, 0, 2.0)) == 1
    assert float(implied_cdf(edit, 0, -0.1)) == 0


def test_truncated_codes_have_their_own_shares():
    below, inside = stats.norm.cdf(-1), 1 - 2 * stats.norm.cdf(-1)
    place = stats.truncnorm(-1, 1).ppf(RNG.uniform(size=3000))
    codes = np.float32(place)[:, None] * UNIT[None]
    moved, _ = impose(
        LINE,
        codes,
        0,
        lambda share: share,
        cdf=lambda s: (jax.scipy.stats.norm.cdf(s) - below) / inside,
    )
    assert stats.kstest(LINE.coordinate(moved, 0), "uniform").pvalue > 0.01


def test_energy_lies_where_the_direction_is():
    energy = energy_per_chunk([3.0, 0, 0, 4, 0], (2, 3))
    np.testing.assert_allclose(energy, [9 / 25, 16 / 25])
    with pytest.raises(ValueError, match=r"sizes: \(2, 2\) given; numbers from 1"):
        energy_per_chunk(UNIT, (2, 2))


def test_what_is_no_distribution_is_named():
    with pytest.raises(ValueError, match=r"density: from -1 to 1 within"):
        quantile_of_density(lambda t: t, (-1.0, 1.0))
    with pytest.raises(ValueError, match=r"cdf: from 1 to -1 within"):
        quantile_of_cdf(lambda t: -t, (-1.0, 1.0))
