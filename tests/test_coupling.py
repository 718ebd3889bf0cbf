import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.edits.flow import flow_paths
from jaxlatent.numerics import coupling
from jaxlatent.numerics.coupling import (
    chain,
    check_flow,
    random_flow,
)

D = 5
forward = jax.jit(coupling.forward)
inverse = jax.jit(coupling.inverse)
displacement = jax.jit(coupling.displacement)
slopes_of = jax.jit(jax.vmap(jax.jacobian(coupling.forward, 1), (None, 0)))


@pytest.fixture(scope="module")
def flow():
    return chain(
        random_flow(jax.random.key(0), D, rotate=True),
        random_flow(jax.random.key(1), D, bend=0.5),
    )


def codes(seed, *shape):
    return np.random.default_rng(seed).normal(size=(*shape, D)).astype(np.float32)


def test_a_coupling_by_hand():
    """Two entries: y_1 = x_1 + 2 sin(3 x_0)."""
    weights = {"in": jnp.array([[3.0]]), "out": jnp.array([[2.0]])}
    flow = {"layer0": {"second": weights}}
    found = forward(flow, jnp.array([[0.5, 1.0]]))
    np.testing.assert_allclose(found, [[0.5, 1 + 2 * np.sin(1.5)]], rtol=1e-6)
    back = {"layer0": {"first": weights}, "layer1": {"rotation": jnp.eye(2)[::-1]}}
    found = forward(back, jnp.array([[0.5, 1.0]]))
    np.testing.assert_allclose(found, [[1.0, 0.5 + 2 * np.sin(3)]], rtol=1e-6)


def test_the_inverse_undoes_it(flow):
    x = codes(0, 4)
    y = forward(flow, x)
    assert np.abs(y - x).max() > 0.5
    np.testing.assert_allclose(inverse(flow, y), x, atol=3e-6)


def test_volumes_are_kept_and_signs_mirrored(flow):
    x = codes(1, 3)
    slopes = slopes_of(flow, x)
    np.testing.assert_allclose(np.abs(np.linalg.det(slopes)), 1, rtol=1e-4)
    assert np.abs(slopes[0] - slopes[1]).max() > 0.1
    np.testing.assert_array_equal(forward(flow, -x), -forward(flow, x))


def test_a_displacement_is_that_of_the_inverse_and_keeps_small_digits(flow):
    x, change = codes(2, 2, 3), codes(3, 2, 3)
    moved = displacement(flow, x, change)
    np.testing.assert_allclose(
        forward(flow, x + moved), forward(flow, x) + change, atol=3e-6
    )
    np.testing.assert_array_equal(displacement(flow, x, 0 * change), 0 * x)
    small = displacement(flow, x, 1e-8 * change)
    slopes = np.linalg.inv(slopes_of(flow, x[0])[0]) @ change[0, 0]
    np.testing.assert_allclose(small[0, 0], 1e-8 * slopes, rtol=1e-4, atol=1e-12)


def test_a_path_is_straight_behind_the_flow(flow):
    vectors, x = codes(4, 2), codes(5, 3)
    edit = flow_paths(vectors, flow, scale=[1.0, 2.0], space="z")
    strengths = np.float32([-2, 0, 1.5])
    way = edit.traverse(x, 1, strengths)
    expected = forward(flow, x)[None] + 2 * strengths[:, None, None] * vectors[1]
    np.testing.assert_allclose(forward(flow, way), expected, atol=1e-5)
    np.testing.assert_array_equal(way[1], x)
    # not before it, and shifts add up
    bend = (way[0] - x) / -2 - (way[2] - x) / 1.5
    assert np.abs(bend).max() > 0.1
    halves = edit.shift(edit.shift(x, 1, 0.75), 1, 0.75)
    np.testing.assert_allclose(halves, way[2], atol=1e-5)


def test_rows_have_vectors_of_their_own(flow):
    vectors = codes(6, 1, 2)
    vectors[0, 1] = 0
    edit = flow_paths(vectors, flow, space="w+")
    rows = codes(7, 3, 2)
    moved = edit.shift(rows, 0, 0.7)
    np.testing.assert_array_equal(moved[:, 1], rows[:, 1])
    alone = flow_paths(vectors[:, 0], flow, space="w").shift(rows[:, 0], 0, 0.7)
    np.testing.assert_allclose(moved[:, 0], alone, atol=1e-6)
    with pytest.raises(ValueError, match="has no rows, but these directions shift"):
        edit.shift(rows[:, 0], 0, 1.0)


@pytest.mark.parametrize(
    "change",
    [
        lambda flow: {"layer1": flow["layer0"]},
        lambda flow: {"layer0": {"rotation": np.eye(4)}},
        lambda flow: {"layer0": {"third": np.eye(D)}},
        lambda flow: {"layer0": {"first": {"in": np.ones((2, 3))}}},
        lambda flow: {
            "layer0": {"first": {"in": np.ones((2, 3)), "out": np.ones((3, 2))}}
        },
        lambda flow: [],
    ],
)
def test_what_is_no_flow_is_refused(flow, change):
    check_flow(flow, D)
    with pytest.raises(ValueError, match=r"^flow: "):
        check_flow(change(flow), D)
