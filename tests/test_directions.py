"""Directions by hand: shifts, coordinates, checks and what transforms make of them."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.edits.base import EDIT_KINDS, Edit, register_edit
from jaxlatent.edits.directions import Directions, directions

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


def shifted(vectors, codes, index, strength, layers=None):
    """The shift as loops over samples and rows."""
    codes = np.array(codes, np.float64)
    index, strength = (np.broadcast_to(v, len(codes)) for v in (index, strength))
    for n, (which, amount) in enumerate(zip(index, strength, strict=True)):
        step = amount * SCALE[which] * vectors[which]
        if codes.ndim == 2:
            codes[n] += step
            continue
        for row in range(L) if layers is None else layers:
            codes[n, row] += step if step.ndim == 1 else step[row]
    return codes


CASES = {
    "codes": (VECTORS, CODES, None),
    "rows": (VECTORS, ROW_CODES, None),
    "some rows": (VECTORS, ROW_CODES, (1, 3)),
    "row vectors": (ROW_VECTORS, ROW_CODES, None),
    "some row vectors": (ROW_VECTORS, ROW_CODES, (0, 4)),
}
each_case = pytest.mark.parametrize(
    ("vectors", "codes", "layers"), CASES.values(), ids=CASES
)


# shift


@each_case
def test_shift_by_hand(vectors, codes, layers):
    made = edit(vectors, layers=layers)
    for index in (1, np.array([2, 0])):
        for strength in (-1.5, np.array([2.0, -3.0])):
            expected = shifted(vectors, codes, index, strength, layers)
            found = made.shift(jnp.asarray(codes), index, strength)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@each_case
def test_traverse_is_one_shift_per_strength(vectors, codes, layers):
    made = edit(vectors, layers=layers)
    strengths = [-1.0, 0.0, 2.5]
    found = made.traverse(jnp.asarray(codes), 2, strengths)
    assert found.shape == (3, *codes.shape)
    for row, strength in zip(found, strengths, strict=True):
        expected = shifted(vectors, codes, 2, strength, layers)
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found[1], codes)


def test_rows_outside_the_layers_keep_their_bits():
    moved = edit(layers=(1, 3)).shift(jnp.asarray(ROW_CODES), 0, 7.0)
    np.testing.assert_array_equal(moved[:, [0, 2, 4]], ROW_CODES[:, [0, 2, 4]])
    assert (moved[:, [1, 3]] != ROW_CODES[:, [1, 3]]).all()


# coordinates


def test_coordinate_by_hand():
    for index in (0, 2):
        v = VECTORS[index].astype(np.float64)
        expected = ((CODES - MEAN) @ v / (v @ v) + BIAS[index]) / SCALE[index]
        found = edit().coordinate(jnp.asarray(CODES), index)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_coordinate_of_a_boundary_is_its_signed_distance():
    normal_vector = np.array([[0.6, 0.8, 0, 0]])
    boundary = directions(normal_vector, space="z", bias=[-2.0])
    points = jnp.asarray([[0.0, 0, 5, 5], [0, 2.5, 1, 1], [5, 5, 0, 0]])
    np.testing.assert_allclose(boundary.coordinate(points, 0), [-2, 0, 5], atol=1e-6)


def test_coordinate_over_rows_is_their_average():
    made = edit()
    by_row = [made.coordinate(jnp.asarray(ROW_CODES[:, i]), 1) for i in range(L)]
    found = made.coordinate(jnp.asarray(ROW_CODES), 1)
    np.testing.assert_allclose(found, np.mean(by_row, axis=0), rtol=1e-4)
    some = edit(layers=(1, 4)).coordinate(jnp.asarray(ROW_CODES), 1)
    np.testing.assert_allclose(some, (by_row[1] + by_row[4]) / 2, rtol=1e-4)


@each_case
@pytest.mark.parametrize("given", ["all", "no mean", "no bias", "neither"])
def test_a_shift_adds_exactly_its_strength_to_the_coordinate(
    vectors, codes, layers, given
):
    left_out = {"all": (), "no mean": ("mean",), "no bias": ("bias",)}
    names = left_out.get(given, ("mean", "bias"))
    made = edit(vectors, layers=layers, **dict.fromkeys(names))
    codes, index = jnp.asarray(codes), np.array([2, 1])
    before = made.coordinate(codes, index)
    for strength in (3.0, np.array([-2.0, 0.25])):
        after = made.coordinate(made.shift(codes, index, strength), index)
        np.testing.assert_allclose(
            after - before, np.broadcast_to(strength, N), atol=2e-5
        )


@each_case
def test_move_to_reaches_the_coordinate(vectors, codes, layers):
    made = edit(vectors, layers=layers)
    for value in (1.5, np.array([0.0, -4.0])):
        moved = made.move_to(jnp.asarray(codes), 1, value)
        np.testing.assert_allclose(
            made.coordinate(moved, 1), np.broadcast_to(value, N), atol=2e-5
        )


@each_case
def test_rotating_latents_and_vectors_rotates_the_result(vectors, codes, layers):
    q = np.linalg.qr(normal(9, D, D))[0]
    plain = edit(vectors, layers=layers)
    turned = edit(vectors @ q, layers=layers, mean=MEAN @ q)
    there, here = jnp.asarray(codes @ q), jnp.asarray(codes)
    np.testing.assert_allclose(
        turned.shift(there, 1, 2.0), plain.shift(here, 1, 2.0) @ q, atol=1e-5
    )
    np.testing.assert_allclose(
        turned.coordinate(there, 1), plain.coordinate(here, 1), atol=1e-5
    )


# transformations


@each_case
def test_compiled_equals_eager(vectors, codes, layers):
    made = edit(vectors, layers=layers)
    arguments = (jnp.asarray(codes), jnp.asarray([2, 0]), jnp.asarray([1.0, -2.0]))
    run = jax.jit(lambda made, *args: (made.shift(*args), made.coordinate(*args[:2])))
    found = run(made, *arguments)
    np.testing.assert_allclose(found[0], made.shift(*arguments), rtol=1e-6)
    np.testing.assert_allclose(found[1], made.coordinate(*arguments[:2]), rtol=1e-5)


def test_vmap_over_codes_and_over_directions():
    made, codes = edit(), jnp.asarray(CODES)
    strengths = jnp.asarray([1.0, -2.0])
    one_by_one = jax.vmap(lambda code, s: made.shift(code[None], 1, s)[0])
    np.testing.assert_allclose(
        one_by_one(codes, strengths), made.shift(codes, 1, strengths), rtol=1e-6
    )
    # over the leaves: unflattening must not check shapes
    pair = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), made)
    found = jax.vmap(lambda made: made.shift(codes, 1, 1.0))(pair)
    np.testing.assert_allclose(found[0], made.shift(codes, 1, 1.0), rtol=1e-6)
    # vectors and scale doubled: four times the step
    np.testing.assert_allclose(found[1], made.shift(codes, 1, 4.0), rtol=1e-5)


def test_gradients_by_hand():
    made, codes = edit(), jnp.asarray(CODES)
    by_strength = jax.grad(lambda s: made.shift(codes, 1, s)[0, 2])(0.3)
    assert by_strength == pytest.approx(SCALE[1] * VECTORS[1, 2], rel=1e-6)
    of_edit = jax.grad(lambda made: made.shift(codes, 1, 2.0).sum())(made)
    expected = np.zeros((K, D))
    expected[1] = N * 2.0 * SCALE[1]
    np.testing.assert_allclose(of_edit.vectors, expected, rtol=1e-6)
    # moving to a coordinate forgets the old one: a projection
    jacobian = jax.jit(jax.jacobian(lambda row: made.move_to(row[None], 1, 0.7)[0]))
    v = VECTORS[1].astype(np.float64)
    projection = np.eye(D) - np.outer(v, v) / (v @ v)
    np.testing.assert_allclose(jacobian(codes[0]), projection, atol=1e-6)


def test_a_pytree_of_arrays_and_nothing_else():
    made = edit(report={"value": np.arange(3.0)}, layers=(1,), names="abc", method="m")
    leaves, structure = jax.tree.flatten(made)
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert len(leaves) == 5
    again = jax.tree.unflatten(structure, leaves)
    for field in dataclasses.fields(Directions):
        ours, theirs = getattr(made, field.name), getattr(again, field.name)
        if field.metadata.get("pytree_node", True):
            assert jax.tree.all(jax.tree.map(lambda a, b: a is b, ours, theirs))
        else:
            assert ours == theirs
    assert hash(structure) == hash(jax.tree.structure(again))
    assert isinstance(made, Edit)


@pytest.mark.parametrize("index", [K, -1, -K, 99])
def test_a_traced_index_out_of_range_gives_nan_rows(index):
    indices = jnp.asarray([1, index])
    moved = jax.jit(edit().shift)(jnp.asarray(CODES), indices, 1.0)
    np.testing.assert_allclose(moved[0], shifted(VECTORS, CODES, 1, 1.0)[0], rtol=1e-5)
    assert np.isnan(moved[1]).all()
    assert np.isnan(jax.jit(edit().coordinate)(jnp.asarray(CODES), indices)[1])


@pytest.mark.parametrize("index", [K, -1, np.array([0, K]), jnp.asarray([-1, 0])])
def test_a_concrete_index_out_of_range_is_an_error(index):
    for call in (
        lambda: edit().shift(jnp.asarray(CODES), index, 1.0),
        lambda: edit().coordinate(jnp.asarray(CODES), index),
        lambda: edit().traverse(jnp.asarray(CODES), index, [1.0]),
    ):
        with pytest.raises(IndexError, match=r"^index: .* given; there are 3 direct"):
            call()


# types


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_the_result_has_the_dtype_of_the_latent(dtype):
    codes, made = jax.ShapeDtypeStruct((N, D), dtype), edit()
    for call in (
        lambda codes: made.shift(codes, 0, 1.0),
        lambda codes: made.traverse(codes, 0, np.ones(2)),
        lambda codes: made.coordinate(codes, 0),
        lambda codes: made.move_to(codes, 0, 1.0),
    ):
        assert jax.eval_shape(call, codes).dtype == dtype


def test_float64_latents_are_moved_in_float64():
    with jax.enable_x64(True):
        codes = jnp.asarray(CODES, jnp.float64)
        moved = edit().shift(codes, 1, 1 / 3)
        assert moved.dtype == jnp.float64
        expected = CODES + np.float64(1 / 3) * SCALE[1] * VECTORS[1].astype(np.float64)
        np.testing.assert_allclose(moved, expected, rtol=1e-14)


def test_numpy_latents_are_welcome():
    wide = CODES.astype(np.float64)
    np.testing.assert_allclose(
        edit().shift(wide, 1, 2.0), shifted(VECTORS, CODES, 1, 2.0), rtol=1e-5
    )
    assert edit().traverse(wide, 1, [0.0]).shape == (1, N, D)


# what is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": VECTORS[0]}, r"vectors: float32 \(4,\) given"),
        ({"vectors": VECTORS[None, None]}, r"vectors: float32 \(1, 1, 3, 4\) given"),
        ({"vectors": VECTORS.astype(int)}, r"vectors: int32 \(3, 4\) given"),
        ({"vectors": VECTORS > 0}, r"vectors: bool \(3, 4\) given"),
        ({"scale": SCALE[:2]}, r"scale: float32 \(2,\) given; floating \[3\] is"),
        ({"scale": 1.0}, r"scale: float32 \(\) given"),
        ({"mean": normal(0, 5)}, r"mean: float32 \(5,\) given; floating \[4\] is"),
        ({"bias": normal(0, D)}, r"bias: float32 \(4,\) given; floating \[3\] is"),
        ({"names": ["a"]}, "names: 1 given for 3 directions"),
        ({"space": "W"}, "space: 'W' given"),
        ({"space": "feature:"}, "space: 'feature:' given"),
        ({"space": "feature"}, "space: 'feature' given"),
        ({"layers": ()}, r"layers: \(\) given"),
        ({"layers": (-1, 2)}, r"layers: \(-1, 2\) given"),
        ({"vectors": ROW_VECTORS, "layers": (5,)}, r"layers: \(5,\) given"),
        ({"scale": SCALE * np.nan}, "scale: holds NaN or infinity"),
        ({"mean": np.full(D, np.inf)}, "mean: holds NaN or infinity"),
        ({"names": [1, "b", "c"]}, "names: 1 given; a text is accepted"),
        ({"method": None}, "method: None given; a text is accepted"),
        ({"generator": b"a"}, "generator: b'a' given; a text is accepted"),
        ({"report": {"v": np.ones(2)}}, r"report: v: float32 \(2,\) given; floating"),
        ({"report": {"v": np.ones((3, 2))}}, r"report: v: float32 \(3, 2\) given"),
        ({"report": {"v": [1, 2, 3]}}, r"report: v: int32 \(3,\) given"),
        ({"facts": {"f": object()}}, "facts: f is a object; JSON is accepted"),
        ({"facts": {"f": {"g": [1, 1j]}}}, "facts: g is a complex; JSON"),
    ],
)
def test_pieces_that_do_not_fit_are_named(changes, message):
    vectors = changes.pop("vectors", VECTORS)
    with pytest.raises(ValueError, match=f"^{message}"):
        edit(vectors, **changes)


def test_every_word_for_a_space_is_accepted():
    for space in ("z", "w", "w+", "s", "feature:b4.conv1"):
        assert edit(space=space).space == space


@pytest.mark.parametrize(
    ("made", "shape", "message"),
    [
        (edit(), (N,), r"latent: shape \(2,\) given; this edit of w accepts"),
        (edit(), (N, 1, L, D), r"latent: shape \(2, 1, 5, 4\) given"),
        (edit(), (N, D + 1), r"latent: shape \(2, 5\) given"),
        (edit(), (0, L), r"latent: shape \(0, 5\) given"),
        (edit(layers=(1,)), (N, D), r"latent: shape \(2, 4\) has no rows"),
        (edit(ROW_VECTORS), (N, D), r"latent: shape \(2, 4\) has no rows"),
        (edit(ROW_VECTORS), (N, L + 1, D), "latent: 6 rows given; .* have 5"),
        (edit(layers=(1, 3)), (N, 3, D), r"latent: 3 rows given; .* \(1, 3\)"),
    ],
)
def test_latents_that_do_not_fit_are_named(made, shape, message):
    latent = jnp.zeros(shape)
    for call in (
        lambda: made.shift(latent, 0, 1.0),
        lambda: made.traverse(latent, 0, [1.0]),
        lambda: made.coordinate(latent, 0),
        lambda: jax.eval_shape(lambda latent: made.move_to(latent, 0, 1.0), latent),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e, x: e.shift(x.astype(int), 0, 0.5), "latent: int32 given"),
        # either would broadcast to latents of another shape
        (lambda e, x: e.shift(x, np.array([0, 1, 2]), 1.0), r"index: shape \(3,\)"),
        (lambda e, x: e.shift(x[:1], np.array([0, 1]), 1.0), r"index: shape \(2,\)"),
        (lambda e, x: e.shift(x[:1], 0, np.ones(2)), r"strength: shape \(2,\) given"),
        (lambda e, x: e.shift(x, 0, np.ones((2, 1))), r"strength: shape \(2, 1\)"),
        (lambda e, x: e.coordinate(x, np.array([0])), r"index: shape \(1,\) given"),
        (lambda e, x: e.move_to(x[:1], 0, np.ones(2)), r"value: shape \(2,\) given"),
    ],
)
def test_what_would_broadcast_or_round_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(edit(), jnp.asarray(CODES))


def test_the_space_is_never_guessed():
    with pytest.raises(TypeError, match=r"^space: missing"):
        directions(VECTORS)


def test_words_that_an_edit_does_not_know_are_named():
    with pytest.raises(TypeError, match=r"^info, rank: given, but an edit has no such"):
        edit(rank=3, info={})


# select, rename


def test_select_takes_rows_of_everything_that_has_one_per_direction():
    made = edit(
        names=["a", "b", "c"],
        report={"value": np.arange(3.0)},
        facts={"total": np.ones(3), "rank": 3},
    )
    some = made.select([2, 0])
    np.testing.assert_array_equal(some.vectors, VECTORS[[2, 0]])
    np.testing.assert_array_equal(some.scale, SCALE[[2, 0]])
    np.testing.assert_array_equal(some.bias, BIAS[[2, 0]])
    np.testing.assert_array_equal(some.mean, MEAN)
    np.testing.assert_array_equal(some.report["value"], [2, 0])
    # one number for each direction, and still of the edit as a whole
    assert dict(some.facts) == {"total": (1.0, 1.0, 1.0), "rank": 3}
    assert some.names == ("c", "a")
    assert (len(made), len(some)) == (3, 2)
    assert edit(bias=None).select([1]).bias is None
    with pytest.raises(IndexError, match="index: -1 given"):
        made.select([-1])


def test_rename_changes_the_named_ones_alone():
    made = edit(names=["a", "b", "c"])
    assert made.rename({1: "smile"}).names == ("a", "smile", "c")
    assert made.names == ("a", "b", "c")
    assert edit().names == ("direction 0", "direction 1", "direction 2")
    with pytest.raises(IndexError, match="index: 3 given"):
        made.rename({3: "d"})


# layers


def test_layers_are_whole_numbers():
    with pytest.raises(TypeError, match="float"):
        edit(layers=[0.5])
    assert edit(layers=np.array([3, 1, 3])).layers == (1, 3)


# other edits


def test_registering_names_a_kind(monkeypatch):
    monkeypatch.delitem(EDIT_KINDS, "test", raising=False)

    @register_edit("test")
    @flax.struct.dataclass(eq=False)
    class Constant:
        step: jax.Array

    assert EDIT_KINDS["test"] is Constant
    assert EDIT_KINDS["directions"] is Directions
    assert not isinstance(Constant(jnp.ones(1)), Edit)
