"""Rankings of directions: closed forms, then what the original recorded."""

import csv
import io

import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import golden

from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.ranking import rank_scores, score_directions
from jaxlatent.latents import Latents

RNG = np.random.default_rng(2)
STRENGTHS = np.float64([-2, -1, 0, 1, 2])
SLOPES = np.float64([[2.0, 0.0], [-1.0, 3.0], [0.0, 0.0]])
START = RNG.normal(size=(6, 1, 1, 2))


def lines(folded=False):
    size = np.abs(STRENGTHS) if folded else STRENGTHS
    return START + SLOPES[None, :, None] * size[None, None, :, None]


def test_slopes_and_shares_of_lines():
    found = rank_scores(lines(), STRENGTHS, attributes=["up", "down"])
    np.testing.assert_allclose(found.slope, SLOPES, atol=1e-12)
    unit = START.std(axis=0)[0, 0]
    steep = np.abs(SLOPES) / unit * STRENGTHS.std(ddof=1)
    np.testing.assert_allclose(found.steepness, steep, atol=1e-12)
    np.testing.assert_allclose(found.correlation[[0, 1, 1], [0, 0, 1]], 1)
    assert np.isnan(found.correlation[2]).all()
    share = steep[:2] / steep[:2].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.selectivity[:2], share, atol=1e-12)
    assert np.isnan(found.selectivity[2]).all()
    np.testing.assert_array_equal(found.order("up"), [0, 1, 2])
    np.testing.assert_array_equal(found.order(1, "selectivity"), [1, 0, 2])
    alone = found.choose(["down"])
    np.testing.assert_allclose(alone.selectivity[1], 1)


def test_groups_rank_by_their_targets():
    slopes = np.float64([[3.0, 1, 9], [2, 2, 0], [1, 0, 0], [0, 0, 5]])
    scores = slopes[None, :, None] * STRENGTHS[None, None, :, None]
    ranges = dict.fromkeys("abc", (-100.0, 100.0))
    found = rank_scores(scores, STRENGTHS, attributes=[*ranges], ranges=ranges)
    # shares of a in a and b: 3 / 4, 1 / 2, 1, none
    np.testing.assert_array_equal(found.best(["a", "b"]), [2, 0, 1, 3])
    # of a in all: 3 / 13, 1 / 2, 1, 0
    np.testing.assert_array_equal(found.best(["a", "b", "c"]), [2, 1, 0, 3])
    # of a and b in all: 4 / 13, 1, 1, 0
    np.testing.assert_array_equal(found.best("abc", targets=2), [1, 2, 0, 3])
    np.testing.assert_array_equal(found.best(["a", "b"], "steepness"), [0, 1, 2, 3])
    for group, targets in ((["a", "a"], 1), (["a"], 2), (["a"], 0)):
        with pytest.raises(ValueError, match="group, targets: "):
            found.best(group, targets=targets)
    with pytest.raises(ValueError, match="by: 'slope' given"):
        found.best(["a"], "slope")


def test_signs_of_codes_count():
    signs = np.float64([1, -1, 1, -1, 1, 1])[:, None, None, None]
    scores = signs * STRENGTHS[None, None, :, None]
    ranges = {"0": (-4.0, 4.0)}
    found = rank_scores(scores, STRENGTHS, ranges=ranges)
    np.testing.assert_allclose(found.slope, 1 / 3)
    np.testing.assert_allclose(found.correlation, 1 / 3)
    np.testing.assert_allclose(found.steepness, STRENGTHS.std(ddof=1) / 4 / 3)


def test_a_folded_attribute_is_held_against_the_size_of_the_strength():
    scores = lines(folded=True)
    assert np.abs(rank_scores(scores, STRENGTHS).slope).max() < 1e-12
    found = rank_scores(scores, STRENGTHS, folded=["0", "1"])
    np.testing.assert_allclose(found.slope, SLOPES, atol=1e-12)


def test_a_table_has_a_line_for_each_attribute_and_direction():
    found = rank_scores(lines(), STRENGTHS, attributes=["up", "a,b"])
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [row["attribute"] for row in rows] == ["up"] * 3 + ["a,b"] * 3
    assert [row["direction"] for row in rows[3:]] == ["1", "0", "2"]
    assert float(rows[3]["slope"]) == 3
    assert rows[0]["name"] == "direction 0"


def test_the_original_ranks_alike():
    f = golden("wgs_path_ranking_a")
    names = [str(name) for name in f["attributes"]]
    ranges = {
        name: tuple(map(float, ends))
        for name, ends in zip(names, f["ranges"], strict=True)
    }
    scores = np.moveaxis(f["values"], 2, 3)
    middle = scores.shape[2] // 2
    found = rank_scores(
        scores,
        np.arange(scores.shape[2]) - middle,
        attributes=names,
        ranges=ranges,
        folded=["identity"],
    )
    np.testing.assert_allclose(found.steepness, f["corr"], rtol=1e-6)
    np.testing.assert_allclose(found.selectivity, f["corr_l1"], rtol=1e-6)
    for column in range(len(names)):
        assert list(found.order(column)) == list(f["rank_corr"][column])
        assert list(found.order(column, "selectivity")) == list(
            f["rank_corr_l1"][column]
        )


def pixels(images):
    return images[:, 0, :, 0]


def total(images):
    return jnp.sum(images, axis=(1, 2, 3))


def test_scores_of_every_direction():
    latents = Latents(jnp.asarray(RNG.normal(size=(4, 3)), jnp.float32), "z")
    vectors = np.float32([[1, 0, 0], [0, 0, -2]])
    seen = []
    scores, names = score_directions(
        toy.make(),
        directions(vectors, space="z"),
        {"total": total, "pixels": pixels},
        latents,
        [-1.0, 0.5, 2.0],
        progress=seen.append,
        chunk=5,
    )
    assert names == ("total", "0", "1", "2")
    assert scores.shape == (4, 2, 3, 4)
    assert seen == [1, 1]
    found = rank_scores(scores, [-1.0, 0.5, 2.0], attributes=names)
    # w = 2 z and pixels = 11 w
    expected = np.concatenate([vectors.sum(1, keepdims=True), vectors], axis=1) * 22
    np.testing.assert_allclose(found.slope, expected, rtol=1e-4, atol=1e-4)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"scores, strengths: .* given; \[N, K, S, A"):
        rank_scores(lines(), STRENGTHS[:-1])
    with pytest.raises(ValueError, match="two or more different ones"):
        rank_scores(lines(), [0, 1, 1, 2, 3])
    with pytest.raises(ValueError, match="directions, attributes: 3, 1 names given"):
        rank_scores(lines(), STRENGTHS, attributes=["one"])
    with pytest.raises(ValueError, match="folded: 'two' given; one of 0, 1"):
        rank_scores(lines(), STRENGTHS, folded=["two"])
    found = rank_scores(lines(), STRENGTHS)
    with pytest.raises(ValueError, match="attribute: 2 given; 0 to 1, or one of"):
        found.order(2)
    with pytest.raises(ValueError, match="by: 'size' given"):
        found.order(0, by="size")
