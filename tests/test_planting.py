"""Planted layers as a linear map: what it knows can be read off it again."""

import jax
import numpy as np
import pytest

from jaxlatent.generators.planting import plant, planted_directions

READERS = np.asarray([0, 1, 0])
GROUPS = (5, 3, 2)
DIM = 6


def layers(jitter, readers=READERS):
    return plant(
        jax.random.key(0), dim=DIM, groups=GROUPS, readers=readers, jitter=jitter
    )


def slopes(params):
    """[F, L, D] change of each factor's mean by the latent of each layer."""
    pool = np.asarray(params["pool"]["weight"], np.float64)
    names = sorted(name for name in params if name != "pool")
    parts, start = [], 0
    for name in names:
        weight = np.asarray(params[name]["weight"], np.float64)
        parts.append((weight @ pool[start : start + weight.shape[1]]).T)
        start += weight.shape[1]
    assert start == len(pool) == sum(GROUPS)
    return np.stack(parts, axis=1)


def test_without_noise_factors_respond_to_orthonormal_directions():
    found = slopes(layers(0.0)).sum(axis=1)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-6)
    assert (found[np.arange(3), np.abs(found).argmax(axis=1)] > 0).all()


def test_factors_are_read_in_their_own_layer():
    found = np.linalg.norm(slopes(layers(0.3)), axis=2)
    assert (found[np.arange(3), READERS] > 0.9).all()
    np.testing.assert_array_equal(found[np.arange(3), 1 - READERS], 0)


@pytest.mark.parametrize("by_row", [False, True])
def test_directions_move_one_factor_each_and_are_the_shortest(by_row):
    params = layers(0.3)
    found = planted_directions(params, READERS, by_row=by_row)
    table = slopes(params)
    if by_row:
        assert found.shape == (3, 2, DIM)
        moved = np.einsum("fld,kld->kf", table, found)
        np.testing.assert_array_equal(found[np.arange(3), 1 - READERS], 0)
    else:
        assert found.shape == (3, DIM)
        moved = found @ table.sum(axis=1).T
        # what no factor sees is not in them
        *_, unseen = np.linalg.svd(table.sum(axis=1))
        np.testing.assert_allclose(found @ unseen[3:].T, 0, atol=1e-6)
    np.testing.assert_allclose(moved, np.eye(3), atol=1e-6)
