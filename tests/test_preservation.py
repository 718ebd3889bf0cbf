"""What edits leave alone, on pictures whose attributes are linear in the code."""

import jax.numpy as jnp
import numpy as np
import pytest
from test_enjoy_your_editing import identity

from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.preservation import (
    EDGES,
    at_change,
    edit_preservation,
    edited_changes,
    preservation,
)
from jaxlatent.latents import Latents

CODES = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)


def attributes(images):
    """Three of them: z_0, z_1 + z_2 and 2 z_3."""
    z = images[:, :, 0, 0]
    return jnp.stack([z[:, 0], z[:, 1] + z[:, 2], 2 * z[:, 3]], axis=1)


def code(images):
    return images[:, :, 0, 0]


def edited(vector, strengths=(-1.0, -0.5, 0.5, 1.0), **how):
    edit = directions(np.asarray([np.zeros(4), vector], np.float32), space="z")
    how = {"embedding": code} | how
    latents = Latents(jnp.asarray(CODES), "z")
    return edit_preservation(
        identity(), edit, attributes, latents, strengths, index=1, **how
    )


def test_changes_are_those_of_the_attributes():
    found = edited([0.6, 0.1, 0.1, 0.2], attribute=0)
    np.testing.assert_array_equal(found.strengths, [-1, -0.5, 0.5, 1])
    np.testing.assert_allclose(
        found.change, np.tile([-0.6, -0.3, 0.3, 0.6], (20, 1)), atol=1e-6
    )
    np.testing.assert_allclose(
        found.others, np.tile([0.3, 0.15, 0.15, 0.3], (20, 1)), atol=1e-6
    )
    moved = CODES + np.float32([0.6, 0.1, 0.1, 0.2])
    cosine = np.sum(moved * CODES, 1) / np.linalg.norm(moved, axis=1)
    cosine /= np.linalg.norm(CODES, axis=1)
    np.testing.assert_allclose(found.identity[:, -1], cosine, rtol=1e-5)


def test_the_attribute_is_that_of_the_direction_if_left_out():
    found = edited([0, 0.5, 0.25, 0], strengths=[0, 1.0], embedding=None)
    np.testing.assert_allclose(found.change, np.full((20, 1), 0.75), atol=1e-6)
    np.testing.assert_allclose(found.others, 0, atol=1e-6)
    assert np.isnan(found.identity).all()
    with pytest.raises(ValueError, match="attribute: 3 given; 0 to 2 of the scorer"):
        edited([0, 1, 0, 0], attribute=3)


def test_bins_hold_their_upper_ends():
    change = np.asarray([[0.0, 0.3, -0.3, 0.31], [0.6, -1.0, 1.01, 0.1]])
    values = np.arange(8.0).reshape(2, 4)
    found = preservation(change, values, 10 * values)
    np.testing.assert_array_equal(found.edges, EDGES)
    np.testing.assert_array_equal(found.count, [3, 2, 1])
    np.testing.assert_allclose(found.others, [10 / 3, 3.5, 5])
    np.testing.assert_allclose(found.identity, [100 / 3, 35, 50])
    empty = preservation(change, values, values, edges=(2.0, 3.0))
    assert empty.count == [0]
    assert np.isnan(empty.others).all()
    with pytest.raises(ValueError, match=r"edges: .* given; two or more ascending"):
        preservation(change, values, values, edges=(0.3, 0.3))


def test_at_one_change_lines_between_strengths_are_followed():
    strengths = [-2.0, -1.0, 1.0, 2.0]
    change = [[-0.4, -0.2, 0.2, 0.4], [0.1, 0.2, -0.4, -0.5], [0.0, 0.0, 0.01, 0.02]]
    others, identity = np.abs(change), 1 - np.abs(change)
    found = at_change(strengths, change, others, identity, wanted=0.3)
    assert found.share == pytest.approx(1 / 3)
    assert found.others == pytest.approx(0.3)
    assert found.identity == pytest.approx(0.7)
    # the second code gets there by strengths below zero
    found = at_change(strengths, change, others, identity, wanted=0.1)
    assert found.share == pytest.approx(2 / 3)
    assert found.others == pytest.approx(0.1)
    found = at_change(strengths, change, others, identity, wanted=0.9)
    assert found.share == 0
    assert np.isnan(found.identity)
    falls = at_change(strengths, change, others, identity, wanted=-0.3)
    assert falls.share == pytest.approx(2 / 3)
    assert falls.others == pytest.approx(0.3)


def test_edits_whose_units_differ_are_alike_at_one_change():
    one = edited([1.0, 0, 0, 0.25], np.linspace(-1, 1, 9), attribute=0)
    two = edited([0.2, 0, 0, 0.05], np.linspace(-5, 5, 9), attribute=0)
    np.testing.assert_allclose(one.at(0.4), two.at(0.4), rtol=1e-5)
    assert one.at(0.4).others == pytest.approx(0.1)
    one, two = (found.binned((0.0, 0.3, 0.7, 1.1)) for found in (one, two))
    np.testing.assert_array_equal(one.count, [40, 40, 80])
    np.testing.assert_allclose(one.others, two.others, rtol=1e-5)


def test_strengths_hold_a_zero():
    with pytest.raises(ValueError, match="strengths: 0 of zero given; one is accepted"):
        edited_changes([-1.0, 1.0], np.zeros((2, 2, 1)), 0)
