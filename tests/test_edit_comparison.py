"""Edits of one judge, of a latent whose coordinates are the factors themselves."""

import jax
import numpy as np
import pytest

from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.edit_comparison import Judge, effects_csv, random_baseline
from jaxlatent.evaluation.effects import Effects

FACTORS = ("age", "hair", "smile", "light")
STRENGTHS = np.linspace(-1, 1, 3)
START = np.random.default_rng(0).normal(size=(8, 4))
KEY = jax.random.key(0)
TRUTH = np.eye(4, dtype=np.float32)
MIXED = np.asarray([[0, 1, 1, 0], [2, 0, 0, 0]], np.float32)


def edit(vectors, names=None, layers=None):
    return directions(vectors, space="w", names=names, layers=layers)


def judge(**options):
    """A judge, and the edits that it measures."""
    measured = []

    def measure(one):
        measured.append(one)
        lines = np.multiply.outer(STRENGTHS, np.float64(one.vectors)).swapaxes(0, 1)
        values = START[:, None, None] + lines
        return Effects(STRENGTHS, values, one.names, FACTORS, np.ones(len(one)))

    return Judge(measure, key=KEY, random=20, **options), measured


def test_several_edits_are_scored_as_one():
    apart, _ = judge(num=5, truth=edit(TRUTH))
    found = apart.compare([edit(MIXED), edit(TRUTH)])
    whole = apart.compare(edit(np.concatenate([MIXED, TRUTH])))
    assert len(found.effects.directions) == 5
    np.testing.assert_array_equal(found.effects.values, whole.effects.values)
    np.testing.assert_array_equal(found.scores.coverage, whole.scores.coverage)
    np.testing.assert_array_equal(found.scores.best, [1, 3, 4, 0])
    for index, wanted in enumerate([*MIXED, *TRUTH[:3]]):
        np.testing.assert_array_equal(found.single(index).vectors, wanted[None])
    with pytest.raises(IndexError, match="index: 0 beyond"):
        found.single(5)
    lines = effects_csv({"both": found}).splitlines()
    assert lines[0] == "edit,direction,name,unit,purity,age,hair,smile,light"
    assert len(lines) == 6


def test_only_the_first_directions_are_measured():
    one, measured = judge(num=3)
    found = one.compare([edit(MIXED), edit(TRUTH), edit(TRUTH)])
    assert [len(part) for part in found.edits] == [2, 1]
    assert sorted(map(len, measured)) == [1, 2, 20]


def test_chance_and_truth_are_measured_once():
    one, measured = judge(truth=edit(TRUTH))
    first = one.compare(edit(MIXED))
    one.compare(edit(TRUTH))
    assert len(measured) == 2 + 2  # and chance, and the truth
    one.compare(edit(MIXED, layers=[0]))
    assert measured[-1].layers == (0,)  # other rows have a chance of their own
    assert len(measured) == 6
    assert first.scores.ceiling["coverage"] == 1


def test_told_directions_answer_for_what_they_were_told():
    names = ["hair", "other"]
    one, _ = judge()
    told = one.compare(edit(MIXED, names), supervised=True)
    np.testing.assert_array_equal(told.scores.best, [-1, 0, -1, -1])
    np.testing.assert_array_equal(
        one.compare(edit(MIXED, names)).scores.best[:2], [1, 0]
    )


def test_factors_that_count():
    one, _ = judge(factors=["hair", 0])
    found = one.compare(edit(MIXED))
    assert found.effects.factors == ("hair", "age")
    # what else a direction changes is not seen
    np.testing.assert_allclose(found.effects.selectivity, TRUTH[:2, :2])


def test_leaks_are_those_of_each_factors_direction():
    def leaks(effects, best):
        assert effects.factors == FACTORS
        return np.asarray(best) / 10

    one, _ = judge(leaks=leaks)
    np.testing.assert_allclose(one.compare(edit(TRUTH)).scores.leak, np.arange(4) / 10)


def test_refusals():
    with pytest.raises(ValueError, match="num: 0 given; 1 or more"):
        judge(num=0)
    one, measured = judge()
    with pytest.raises(ValueError, match="random: 20 given; 24, as many as"):
        one.keep(edit(np.tile(TRUTH, (6, 1))))
    with pytest.raises(ValueError, match="edits: none given; one or more is accepted"):
        one.compare([])
    with pytest.raises(ValueError, match="edits: 2 given, of several spaces or rows"):
        one.compare([edit(TRUTH), edit(TRUTH, layers=[0])])
    assert not measured


def test_random_directions_are_of_the_edits_space_and_rows():
    like = directions(np.ones((2, 3, 4)), space="w+", layers=[0, 2])
    found = random_baseline(like, key=KEY, num=5)
    assert (found.space, found.layers, found.vectors.shape) == ("w+", (0, 2), (5, 4))
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-6)
