"""How much else changes with an attribute: by hand, and of edits."""

import re

import jax.numpy as jnp
import numpy as np
import painter
import pytest
from families import normal
from helpers import error

from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.attribute_dependency import (
    attribute_dependency,
    edit_dependency,
)
from jaxlatent.latents import Latents, to_space

BEFORE = np.array([[0.0, 1.0, 5.0], [2.0, 3.0, 1.0]])
AFTER = np.array([[1.0, 1.0, 6.0], [2.0, 0.0, 1.0]])


def test_the_changes_of_others_in_their_deviations():
    """The deviations over the two pictures are 1, 1 and 2."""
    found = attribute_dependency(BEFORE, AFTER, 0)
    np.testing.assert_allclose(found.change, [1, 0])
    np.testing.assert_allclose(found.mean, [0.25, 1.5])
    np.testing.assert_allclose(found.largest, [0.5, 3])
    wide = attribute_dependency(BEFORE, AFTER, 1, [1.0, 2.0, 4.0])
    np.testing.assert_allclose(wide.change, [0, 1.5])
    np.testing.assert_allclose(wide.mean, [0.625, 0])


def test_a_curve_is_the_means_of_pictures_that_change_alike():
    several = np.stack([AFTER, BEFORE], axis=1)
    found = attribute_dependency(BEFORE, several, 0)
    np.testing.assert_allclose(found.change, [1, 0, 0, 0])
    curve = found.curve([0, 0.5, 1.5, 2])
    np.testing.assert_allclose(curve.change, [0, 1, np.nan])
    np.testing.assert_allclose(curve.mean, [0.5, 0.25, np.nan])
    np.testing.assert_allclose(curve.largest, [1, 0.5, np.nan])


PAINTER = painter.make()
LATENTS = Latents(normal(3, 3, painter.D), "z")
MASKS = painter.quarters()


def blocks(images):
    """The sum of each block: what none but its own channels change."""
    return jnp.einsum("nhwc,bhw->nb", images, jnp.asarray(MASKS))


def test_a_channel_of_one_block_has_no_dependency_and_a_mixture_has():
    eye = np.eye(painter.CHANNELS)
    edit = directions(np.stack([eye[3], eye[4], eye[4] + eye[5]]), space="s")
    found = edit_dependency(
        PAINTER,
        edit,
        {"block": blocks},
        LATENTS,
        [1.0],
        targets={1: 0, 2: "1"},
    )
    assert error(1 + found[1].mean, np.ones(3)) <= 1e-6
    codes = np.asarray(to_space(PAINTER, LATENTS, "s").codes, np.float64)
    sums = np.einsum("shwc,bhw->sb", painter.PATTERNS.astype(np.float64), MASKS)
    before, moved = np.sin(codes), codes + eye[4] + eye[5]
    change = (np.sin(moved) - before) @ sums / (before @ sums).std(axis=0)
    assert error(found[2].change, np.abs(change[:, 1])) <= 1e-4
    assert error(found[2].largest, np.abs(change[:, 0])) <= 1e-4
    assert error(found[2].mean, np.abs(change[:, 0]) / 3) <= 1e-4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((BEFORE, AFTER[:1], 0), "before, after: shapes (2, 3), (1, 3) given"),
        ((BEFORE[:, :1], AFTER[:, :1], 0), "before, after: shapes (2, 1), (2, 1)"),
        ((BEFORE, AFTER, 3), "target: 3 given; 0 to 2 is accepted"),
        ((BEFORE[:1], AFTER[:1], 0), "spread: [0. 0. 0.] given; 3 numbers above 0"),
        ((BEFORE, AFTER * np.nan, 0), "before, after: scores that are not finite"),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        attribute_dependency(*given)


@pytest.mark.parametrize(
    ("edges", "told"), [([2, 1, 0], "[2. 1. 0.]"), ([0, 2, 1], "[0."), ([1], "[1.]")]
)
def test_edges_ascend(edges, told):
    """Descending ones would turn the intervals around without a word."""
    found = attribute_dependency(BEFORE, AFTER, 0)
    with pytest.raises(ValueError, match=rf"^edges: {re.escape(told)}.* ascending"):
        found.curve(edges)


@pytest.mark.parametrize(
    ("targets", "strengths", "message"),
    [
        ({}, [1.0], "targets: none given; one or more is accepted"),
        ({0: 0}, [0.0], "strengths: [0.0] given; others than 0 are needed"),
        ({0: "9"}, [1.0], "targets: '9' given; one of 0, 1, 2, 3 is accepted"),
    ],
)
def test_directions_without_a_target_or_a_strength_are_refused(
    targets, strengths, message
):
    edit = directions(np.eye(painter.CHANNELS), space="s")
    scorers = {"block": blocks}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        edit_dependency(PAINTER, edit, scorers, LATENTS, strengths, targets=targets)
