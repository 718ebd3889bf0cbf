import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden

from jaxlatent.numerics.moments import (
    covariance,
    init_moments,
    least_squares,
    merge_moments,
    regress,
    spread,
    update_joint,
    update_moments,
)

update = jax.jit(update_moments)
merge = jax.jit(merge_moments)


def rows(count, dim=5, offset=100.0, seed=0):
    """Correlated rows of unequal scale, far from the origin."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(dim, dim)) * np.logspace(0, -1, dim)
    return (rng.normal(size=(count, dim)) @ mix + offset).astype(np.float32)


def moments_of(*parts):
    moments = init_moments(parts[0].shape[1])
    for part in parts:
        moments = update(moments, part)
    return moments


def exact(data):
    data = data.astype(np.float64)
    return data.mean(axis=0), np.cov(data.T)


def test_match_float64_far_from_the_origin():
    data = rows(4000)
    mean, matrix = covariance(moments_of(*np.split(data, 20)))
    expected_mean, expected = exact(data)
    assert error(mean, expected_mean) < 1e-9
    assert error(matrix, expected) < 1e-6


def test_chunks_change_nothing():
    data = rows(4000)
    (_, one), (_, many) = (
        covariance(moments_of(*np.split(data, count))) for count in (2, 200)
    )
    assert np.linalg.norm(one - many) < 1e-6 * np.linalg.norm(one)


def test_many_chunks_lose_nothing():
    # a plain float32 sum of 20 000 equal products is off by 1e-4
    part = rows(50, offset=0.0)

    def step(moments, _):
        return update_moments(moments, part), None

    moments, _ = jax.jit(lambda start: jax.lax.scan(step, start, length=20_000))(
        init_moments(5)
    )
    mean, matrix = covariance(moments)
    expected_mean, expected = exact(part)
    assert int(moments.count) == 1_000_000
    assert error(mean, expected_mean) < 1e-6
    assert error(matrix * (1 - 1e-6), expected * 49 / 50) < 1e-6


def test_rows_that_do_not_count_may_hold_anything():
    data = rows(40)
    padded = np.concatenate([data, np.full((10, 5), np.nan, np.float32)])
    moments = update(init_moments(5), padded, np.arange(50) < 40)
    assert int(moments.count) == 40
    assert error(covariance(moments)[1], exact(data)[1]) < 1e-6


def test_merging_in_any_order():
    data = rows(900)
    a, b, c = (moments_of(part) for part in np.split(data, [100, 400]))
    empty = init_moments(5)
    orders = [
        merge(merge(a, b), c),
        merge(c, merge(b, a)),
        merge(empty, merge(merge(c, a), b)),
        merge(merge(merge(b, c), a), empty),
    ]
    mean, matrix = exact(data)
    for merged in orders:
        assert int(merged.count) == 900
        assert error(covariance(merged)[0], mean) < 1e-7
        assert error(covariance(merged)[1], matrix) < 1e-6


def test_float64_when_the_rows_are():
    with jax.enable_x64(True):
        data = rows(300).astype(np.float64)
        moments = update(init_moments(5, jnp.float64), data)
        assert moments.scatter.dtype == jnp.float64
        assert error(covariance(moments)[1], np.cov(data.T)) < 1e-13


def test_too_few_rows():
    with pytest.raises(ValueError, match="moments: 1 rows seen"):
        covariance(moments_of(rows(1)))


def test_values_that_are_not_finite():
    data = rows(10)
    data[3, 2] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        covariance(moments_of(data))


def test_spread_along_vectors():
    data = rows(500, offset=0.0)
    vectors = np.random.default_rng(1).normal(size=(3, 5))
    expected = np.std(data.astype(np.float64) @ vectors.T, axis=0, ddof=1)
    assert error(spread(exact(data)[1], vectors), expected) < 1e-12


# regression


def test_regression_recovers_a_linear_map():
    rng = np.random.default_rng(2)
    data = rng.normal(size=(500, 4)).astype(np.float32)
    slope = rng.normal(size=(4, 3)).astype(np.float32)
    latents = data @ slope + np.float32(7)
    valid = np.ones(500, bool)
    moments = jax.jit(update_joint)(init_moments(7), data, latents, valid)
    assert error(regress(moments, np.eye(4)), slope) < 1e-6
    assert error(regress(moments, 2 * np.eye(4)), slope / 2) < 1e-6


def test_regression_of_dependent_columns_has_least_norm():
    gram, cross = np.ones((2, 2)), np.ones((2, 1))
    assert np.allclose(least_squares(gram, cross), 0.5)


def test_original_regression():
    stored = golden("ganspace_regression_z_act_pca")
    pairs = np.concatenate([stored["coords"], stored["latents"]], axis=1)
    moments = moments_of(*np.split(pairs, 4))
    solution = regress(moments, np.eye(3), intercept=False)
    assert error(solution, stored["solution"]) < 1e-5
    units = solution / np.linalg.norm(solution, axis=1, keepdims=True)
    assert error(units, stored["out_lat_comp"][:, 0]) < 1e-5
    assert error(covariance(moments)[0][3:], stored["out_lat_mean"][0]) < 1e-5
