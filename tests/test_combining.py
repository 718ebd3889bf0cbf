"""Directions side by side and added up, by hand."""

import jax
import numpy as np
import pytest

from jaxlatent.edits.combining import combine, concatenate
from jaxlatent.edits.directions import directions

K, D, N, L = 3, 4, 2, 5


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


VECTORS, ROW_VECTORS = normal(0, K, D), normal(1, K, L, D)
SCALE, MEAN, BIAS = np.float32([0.5, 2, 3]), normal(2, D), np.float32([1, -1, 0.5])
CODES, ROW_CODES = normal(3, N, D), normal(4, N, L, D)


def edit(vectors=VECTORS, **changes):
    return directions(
        vectors, **{"space": "w", "scale": SCALE, "mean": MEAN, "bias": BIAS} | changes
    )


# side by side


def test_concatenating_the_pieces_gives_the_whole():
    whole = edit(report={"value": np.arange(3.0)}, facts={"rank": 3}, method="m")
    joined = concatenate([whole.select([0]), whole.select([1, 2])])
    for ours, theirs in zip(
        jax.tree.leaves(joined), jax.tree.leaves(whole), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert jax.tree.structure(joined) == jax.tree.structure(whole)


def test_concatenate_joins_what_all_parts_have():
    first = edit(
        report={"value": np.arange(3.0), "own": np.ones(3)},
        facts={"rank": 3},
        method="sefa",
    )
    second = edit(
        bias=None,
        report={"value": np.ones(3)},
        facts={"rank": 4},
        method="ganspace",
    )
    joined = concatenate([first, second])
    assert joined.method == ""
    assert list(joined.report) == ["value"]
    np.testing.assert_array_equal(joined.report["value"], [0, 1, 2, 1, 1, 1])
    assert dict(joined.facts) == {}
    assert dict(concatenate([second, second]).facts) == {"rank": 4}
    np.testing.assert_array_equal(joined.bias, [*BIAS, 0, 0, 0])
    assert concatenate([second, second]).bias is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "z"}, "parts: space differs: 'w' and 'z'"),
        ({"layers": (1,)}, r"parts: layers differs: None and \(1,\)"),
        ({"generator": "g"}, "parts: generator differs: '' and 'g'"),
        ({"vectors": ROW_VECTORS}, "parts: vectors .* differ in more than their num"),
        ({"mean": None}, "parts: their means differ"),
        ({"mean": MEAN + 1}, "parts: their means differ"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(changes, message):
    vectors = changes.pop("vectors", VECTORS)
    with pytest.raises(ValueError, match=f"^{message}"):
        concatenate([edit(), edit(vectors, **changes)])


def test_no_parts_are_refused():
    with pytest.raises(ValueError, match="parts: none given"):
        concatenate([])


# added up


def moved(parts, codes, strength=1.5):
    """One part after the other."""
    for one, index, weight in parts:
        codes = one.shift(codes, index, strength * weight)
    return codes


PARTS = {
    "codes": [(edit(), 0, 1.0), (edit(), 2, -0.5)],
    "same rows": [(edit(layers=(1, 3)), 1, 2.0), (edit(layers=(1, 3)), 0, 1.0)],
    "other rows": [(edit(layers=(1, 3)), 1, 2.0), (edit(layers=(0, 1)), 0, 1.0)],
    "some and all rows": [(edit(layers=(4,)), 1, 2.0), (edit(), 0, 1.0)],
    "row vectors": [(edit(ROW_VECTORS), 1, 2.0), (edit(ROW_VECTORS), 2, 1.0)],
    "row vectors and others": [
        (edit(ROW_VECTORS, layers=(0, 2)), 1, 2.0),
        (edit(space="w+"), 0, 1.0),
    ],
}


@pytest.mark.parametrize("name", PARTS)
def test_a_combination_moves_as_its_parts_one_by_one(name):
    parts = PARTS[name]
    codes = CODES if name == "codes" else ROW_CODES
    whole = combine(parts, num_layers=L)
    np.testing.assert_allclose(
        whole.shift(codes, 0, 1.5), moved(parts, codes), rtol=1e-5, atol=1e-6
    )


def test_rows_that_do_not_differ_need_no_number_of_layers():
    assert combine(PARTS["codes"]).vectors.shape == (1, D)
    assert combine(PARTS["same rows"]).layers == (1, 3)
    assert combine(PARTS["row vectors and others"]).vectors.shape == (1, L, D)
    with pytest.raises(ValueError, match="num_layers: missing"):
        combine(PARTS["other rows"])


def test_what_a_combination_is_called_and_belongs_to():
    one = edit(names=["age", "b", "c"], generator="g")
    two = edit(names=["smile", "e", "f"], generator="g")
    both = combine([(one, 0, 1), (two, 0, -0.5)])
    assert both.names == ("+1 age -0.5 smile",)
    assert (both.method, both.generator, both.space) == ("combined", "g", "w")
    assert combine([(one, 0, 1), (edit(), 0, 1)]).generator == ""
    assert combine([(one, 0, 1)], name="old").names == ("old",)


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        ([], {}, "parts: none given"),
        ([(edit(), 0, 1), (edit(space="z"), 0, 1)], {}, r"parts: spaces \['w', 'z'\]"),
        (
            [(edit(), 0, 1), (edit(normal(5, K, D + 1), mean=None), 0, 1)],
            {},
            r"parts: dimensions \[4, 5\] differ",
        ),
        (PARTS["other rows"], {"num_layers": 2}, r"num_layers: 2 given; .*\(1, 3\)"),
        (
            PARTS["row vectors and others"],
            {"num_layers": L + 1},
            r"num_layers: parts of \[5, 6\] rows",
        ),
        (
            [(edit(ROW_VECTORS), 0, 1), (edit(ROW_VECTORS[:, :2]), 0, 1)],
            {},
            "parts: rows of .* differ",
        ),
    ],
)
def test_parts_that_cannot_be_added_up_are_refused(parts, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        combine(parts, **options)
