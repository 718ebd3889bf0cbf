"""Paths as points: straight ones, circles, and all of an edit's at once."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations

from jaxlatent import parallel
from jaxlatent.edits.directions import directions
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.evaluation.paths import (
    follow_paths,
    overshoot,
    path_strengths,
    project_paths,
    straightness,
    turning,
)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


K, N, D = 5, 2, 3
CODES = normal(0, N, D)
STRENGTHS = path_strengths(0.3, 2)
FIELD = rbf_field(
    normal(1, K, 4, D), normal(2, K, 4), np.full(K, 0.4), space="z", step=0.3, steps=2
)


def test_strengths_of_both_sides():
    np.testing.assert_allclose(path_strengths(0.5, 2), [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(path_strengths(0.5, 4, leap=2), [-2, -1, 0, 1, 2])
    with pytest.raises(ValueError, match="leap: 0 given; 1 or more"):
        path_strengths(0.5, 2, leap=0)


@pytest.mark.parametrize(
    "edit",
    [FIELD, directions(np.eye(K, D), space="z")],
    ids=["field", "directions"],
)
def test_all_paths_are_those_of_each(edit):
    found = follow_paths(edit, CODES, STRENGTHS)
    assert found.shape == (K, N, 5, D)
    for number in (0, K - 1):
        alone = np.moveaxis(edit.traverse(CODES, number, STRENGTHS), 0, 1)
        np.testing.assert_allclose(found[number], alone, atol=1e-6)
    np.testing.assert_allclose(found[:, :, 2], np.tile(CODES, (K, 1, 1)), atol=1e-6)
    other = edit.rename({0: "another"})
    with compilations() as count:
        follow_paths(other, CODES + 1, STRENGTHS)
        assert count() == 0


def test_paths_split_among_devices():
    whole = follow_paths(FIELD, CODES, STRENGTHS)
    seen = []
    found = follow_paths(
        FIELD,
        CODES,
        STRENGTHS,
        chunk=3,
        mesh=parallel.mesh(4),
        progress=seen.append,
    )
    np.testing.assert_allclose(found, whole, rtol=1e-6, atol=1e-6)
    assert seen == [4, 1]
    rows = jnp.broadcast_to(CODES[:, None], (N, 2, D))
    assert follow_paths(FIELD, rows, STRENGTHS).shape == (K, N, 5, 2, D)


def circle(turns, points):
    angles = np.linspace(0, 2 * np.pi * turns, points)
    return np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)


def test_straight_paths_and_circles():
    line = np.outer(np.asarray([0, 1, 3, 4.5]), [3, 4, 0]) + 1
    assert straightness(line) == pytest.approx(1)
    assert turning(line) == pytest.approx(0, abs=1e-6)
    # half a circle: the diameter over 20 chords of 9 degrees
    half = circle(0.5, 21)
    chords = 20 * 2 * np.sin(np.radians(4.5))
    assert straightness(half) == pytest.approx(2 / chords)
    assert turning(half) == pytest.approx(9)
    assert straightness(circle(1, 9)) == pytest.approx(0, abs=1e-12)
    both = np.stack([half, half @ np.diag([2, 2, 1])])
    np.testing.assert_allclose(turning(both), 9)
    assert np.isnan(straightness(np.zeros((3, 2))))
    assert np.isnan(turning(np.zeros((3, 2))))
    with pytest.raises(ValueError, match=r"points: shape \(2, 3\) given"):
        turning(half[:2])


def test_overshooting_adds_the_last_step_again():
    points = np.asarray([[-4.0, -1, 0, 2, 5]])[..., None]
    found = overshoot(points)[..., 0]
    np.testing.assert_array_equal(found, [[-7, -2, 0, 4, 8]])


def test_a_plane_that_holds_all_paths_shows_them_as_they_are():
    flat = normal(4, K, 6, 2) @ np.diag([3, 1]) + [5, 7]
    turn = np.linalg.qr(normal(5, D, D))[0][:2]
    places, shares = project_paths(flat @ turn)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] > shares[1]
    apart = [
        np.linalg.norm(some[:, :, None, None] - some[None, None], axis=-1)
        for some in (flat, places)
    ]
    np.testing.assert_allclose(*apart, atol=1e-5)
