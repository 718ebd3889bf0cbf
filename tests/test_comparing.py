"""What a page of several edits tells of them."""

import numpy as np

from jaxlatent.evaluation.edit_comparison import Compared
from jaxlatent.evaluation.edit_scores import score_edit
from jaxlatent.evaluation.effects import Effects
from jaxlatent.gallery.comparing import score_tables, told

STRENGTHS = np.asarray([-1.0, 0.0, 1.0])
RNG = np.random.default_rng(1)
START = RNG.normal(size=(6, 3))
START = (START - START.mean(axis=0)) / START.std(axis=0)


def effects(slopes, names):
    lines = np.multiply.outer(STRENGTHS, np.asarray(slopes, np.float64)).swapaxes(0, 1)
    values = START[:, None, None] + lines
    return Effects(STRENGTHS, values, names, ("x", "y", "z"), np.ones(len(slopes)))


CHANCE = effects(RNG.normal(size=(50, 3)), tuple(map(str, range(50))))
FOUND = effects(
    [[0, 3, 1], [0, 0, 0], [-2, 0, 0]], ("tilt", "direction 1", "direction 2")
)


def test_directions_are_told_by_the_factors_that_they_change():
    assert told(FOUND, 0) == "y 75%, z 25%"
    assert told(FOUND, 1) == "nothing"
    assert told(FOUND, 2) == "x 100%"
    np.testing.assert_array_equal(FOUND.order(), [2, 0, 1])


def test_tables_hold_the_scores_that_are_known():
    scores = score_edit(FOUND, CHANCE, targets=["y", None, None])
    whole, factors = score_tables({"mine": Compared((), FOUND, scores)})
    assert whole.columns[:4] == ("edit", "directions", "coverage", "purity")
    assert "leak" not in whole.columns
    assert whole.rows[0][:2] == ("mine", "3")
    assert factors.folded
    assert factors.columns[:3] == ("factor", "direction", "share")
    # the one that was asked for, and its direction with its name
    ((name, direction, share, *_),) = factors.rows
    assert (name, direction, share) == ("y", "0 tilt", "0.75")
