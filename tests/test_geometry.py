"""Distances in the output: polar coordinates, whose geometry is the plane's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.numerics.geometry import (
    effective_rank,
    energy_dimension,
    geodesic,
    grassmann_distance,
    homogeneity,
    metric,
    path_length,
    principal_angles,
)


def polar(point):
    return point[0] * jnp.stack([jnp.cos(point[1]), jnp.sin(point[1])])


def test_the_metric_of_polar_coordinates():
    found = metric(polar, jnp.asarray([2.0, 0.7]))
    np.testing.assert_allclose(found, [[1, 0], [0, 4]], atol=1e-6)


def test_the_length_of_an_arc():
    angles = jnp.linspace(0, 1.5, 400)
    path = jnp.stack([jnp.full(400, 2.0), angles], axis=1)
    assert float(path_length(polar, path)) == pytest.approx(3, rel=1e-5)


def test_a_geodesic_is_the_chord():
    start, stop = jnp.asarray([1.0, 0.0]), jnp.asarray([1.0, 2.0])
    straight = jnp.linspace(start, stop, 17)
    found = jax.jit(lambda: geodesic(polar, start, stop, num=17, steps=60))()
    chord = 2 * np.sin(1)
    assert float(path_length(polar, straight)) > 1.15 * chord
    assert float(found.length) == pytest.approx(chord, rel=1e-4)
    assert float(found.gradient) < 1e-2
    points = np.asarray(jax.vmap(polar)(found.path))
    ends = np.asarray([polar(start), polar(stop)])
    even = ends[0] + np.linspace(0, 1, 17)[:, None] * (ends[1] - ends[0])
    np.testing.assert_allclose(points, even, atol=3e-3)


def test_the_effective_rank_of_equal_eigenvalues_counts_them():
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    values = np.stack([[1, 1, 1, 0, 0, 0], [7, 0, 0, 0, 0, 0]]).astype(np.float32)
    grams = np.einsum("ij,nj,kj->nik", turn, values, turn)
    np.testing.assert_allclose(effective_rank(jnp.asarray(grams)), [3, 1], rtol=1e-3)


def test_ends_that_do_not_fit():
    with pytest.raises(ValueError, match="num: 2 given"):
        geodesic(polar, jnp.zeros(2), jnp.ones(2), num=2)
    with pytest.raises(ValueError, match="equal shapes"):
        geodesic(polar, jnp.zeros(2), jnp.ones(3))


def test_angles_between_subspaces_that_were_turned_by_them():
    """Columns turn into directions at right angles to all of both."""
    rng = np.random.default_rng(5)
    basis = np.linalg.qr(rng.normal(size=(3, 9, 8)))[0]
    first, rest = basis[..., :4], basis[..., 4:]
    angles = np.asarray([1e-9, 0.3, 1.2, np.pi / 2])
    second = first * np.cos(angles) + rest * np.sin(angles)
    mixed = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    found = principal_angles(first, second @ mixed)
    np.testing.assert_allclose(found, np.tile(angles, (3, 1)), atol=1e-15, rtol=1e-9)
    distance = grassmann_distance(first, second @ mixed)
    np.testing.assert_allclose(distance, np.linalg.norm(angles))
    np.testing.assert_allclose(grassmann_distance(first, first @ mixed), 0, atol=1e-14)


def test_the_dimension_that_holds_a_share():
    values = np.asarray([[1.0, 90, 9, 0], [25, 25, 25, 25], [0, 0, 7, -1e-9]])
    np.testing.assert_array_equal(energy_dimension(values, 0.99), [2, 4, 1])
    np.testing.assert_array_equal(energy_dimension(values, 0.9), [1, 4, 1])
    np.testing.assert_array_equal(energy_dimension(values, 1), [3, 4, 1])
    with pytest.raises(ValueError, match="share: 0 given; above 0 and up to 1"):
        energy_dimension(values, 0)


def test_how_alike_metrics_are():
    """The same axes in another order, and an axis along which nothing changes."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    one, two = [8.0, 4, 1, 0], [1.0, 4, 8, 0]
    metrics = np.stack([turn @ np.diag(some) @ turn.T for some in (one, two, one)])
    found = homogeneity(metrics)
    linear = np.corrcoef(one, two)[0, 1]
    log = np.corrcoef(np.log(one[:3]), np.log(two[:3]))[0, 1]
    kinds = np.asarray([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    np.testing.assert_allclose(found.linear, np.where(kinds, linear, 1), atol=1e-12)
    np.testing.assert_allclose(found.log, np.where(kinds, log, 1), atol=1e-12)
    np.testing.assert_allclose(found.mean(), [(1 + 2 * x) / 3 for x in (linear, log)])
    # a metric that is the same in every direction
    np.testing.assert_array_equal(homogeneity(np.stack([np.eye(3)] * 2)).linear, 1)
    with pytest.raises(ValueError, match=r"metrics: shape \(1, 4, 4\) given; \[N, D"):
        homogeneity(metrics[:1])
