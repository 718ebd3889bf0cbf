"""Factors with monotone links: what shifting and moving to a value mean."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.editing import traverse_images
from jaxlatent.edits.factor import factors, places_of, value_at
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents

RNG = np.random.default_rng(0)
# flat from 0 to 1 at 2, and beyond its ends
KNOTS = np.float32([[-2, 0, 1, 3]])
VALUES = np.float32([[0, 2, 2, 8]])
EDIT = factors([[2.0, 0.0, 0.0]], KNOTS, VALUES, space="z", names=["place"])
REST = (0.3, -0.7)


def code(*places):
    """Codes whose product with the direction is as given."""
    return jnp.asarray([[place / 2, *REST] for place in places], jnp.float32)


def places(codes):
    np.testing.assert_allclose(codes[:, 1:], [REST] * len(codes), rtol=1e-6)
    return 2 * np.asarray(codes)[:, 0]


def test_a_shift_changes_the_factor_by_the_strength():
    codes = code(-2.0, -1.0, 2.0)
    np.testing.assert_allclose(EDIT.coordinate(codes, 0), [0, 1, 5])
    moved = EDIT.shift(codes, 0, np.float32([1.5, 1.0, -1.5]))
    np.testing.assert_allclose(EDIT.coordinate(moved, 0), [1.5, 2, 3.5], rtol=1e-6)
    np.testing.assert_allclose(places(moved), [-0.5, 0, 1.5], atol=1e-6)


def test_flat_cells_are_left_by_the_side_that_is_nearest():
    codes = code(0.25, 0.25, 0.25)
    moved = EDIT.shift(codes, 0, np.float32([0.3, 0.0, -0.5]))
    np.testing.assert_allclose(places(moved), [1.1, 0.25, -0.5], rtol=1e-6)
    # who has the value already stays, who has not goes to the nearer end
    moved = EDIT.move_to(code(-1.0, 0.25, 2.0), 0, 2.0)
    np.testing.assert_allclose(places(moved), [0, 0.25, 1], atol=1e-6)


def test_values_beyond_the_range_are_its_ends():
    np.testing.assert_allclose(EDIT.limits, [[0, 8]])
    moved = EDIT.shift(code(-1.0, 2.0, 5.0, 5.0), 0, np.float32([-9, 9, 1, -1]))
    # a code beyond an end stays, for nothing is gained by coming back
    np.testing.assert_allclose(places(moved), [-2, 3, 5, 8 / 3], rtol=1e-6)
    moved = EDIT.move_to(code(-7.0, 0.0, 0.0), 0, np.float32([-1, -1, 99]))
    np.testing.assert_allclose(places(moved), [-7, -2, 3], rtol=1e-6)


def test_places_and_values_undo_each_other():
    knots, values = jnp.asarray(KNOTS[0]), jnp.asarray(VALUES[0])
    inside = jnp.asarray([0.5, 1.9, 2.1, 7.9])
    low, high = places_of(knots, values, inside)
    np.testing.assert_allclose(low, high)
    np.testing.assert_allclose(value_at(knots, values, low), inside, rtol=1e-6)
    low, high = places_of(knots, values, jnp.asarray([0.0, 2.0, 8.0]))
    np.testing.assert_allclose(low, [-np.inf, 0, 3], atol=1e-6)
    np.testing.assert_allclose(high, [-2, 1, np.inf], atol=1e-6)


def test_derivatives_are_the_inverse_slopes_at_zero_too():
    def place(strength, start):
        return 2 * EDIT.shift(code(start), 0, strength)[0, 0]

    for strength in (0.0, 0.5):
        assert jax.grad(place)(strength, -1.5) == pytest.approx(1.0)
        assert jax.grad(place)(strength, 2.0) == pytest.approx(1 / 3)


def test_rows_of_w_plus_get_the_value_each():
    rows = jnp.stack([code(-1.0, 2.0), code(0.5, 2.5)], axis=1)
    some = dataclasses.replace(EDIT, space="w+")
    moved = some.move_to(rows, 0, np.float32([1.0, 5.0]))
    np.testing.assert_allclose(some.coordinate(moved, 0), [1, 5], rtol=1e-6)
    one = dataclasses.replace(some, layers=(1,))
    moved = one.move_to(rows, 0, 1.0)
    np.testing.assert_array_equal(moved[:, 0], rows[:, 0])
    np.testing.assert_allclose(one.coordinate(moved, 0), [1, 1], rtol=1e-6)


def picture(params, z):
    return jnp.broadcast_to(z[:, None, None, :] * params["gain"], (len(z), 2, 2, 3))


def test_pictures_at_values():
    """Absolute strengths are values of the factor."""
    generator = Generator.from_functions(
        picture, z_dim=3, params={"gain": jnp.float32(0.5)[None, None, None, None]}
    )
    latents = Latents(code(-1.0, 2.5), "z")
    images = traverse_images(
        generator, EDIT, latents, 0, [1.0, 5.0, 99.0], absolute=True
    )
    expected = [[-1, 2, 3]] * 2
    np.testing.assert_allclose(4 * images[:, :, 0, 0, 0], expected, rtol=1e-6)
    images = traverse_images(generator, EDIT, latents, 0, [0.0, 1.0])
    np.testing.assert_allclose(
        4 * images[:, :, 0, 0, 0], [[-1, 0], [2.5, 2.5 + 1 / 3]], atol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"knots": [[0.0, 2, 1, 3]]}, "knots: others given; rising numbers are"),
        ({"knots": [[0.0]], "values": [[0.0]]}, "knots: 1 given; 2 or more"),
        ({"values": [[0.0, 2, 1, 8]]}, "values: others given; numbers that never"),
        ({"values": [[0.0, 2, 3]]}, r"values: float32 \(1, 3\) given; floating"),
        ({"vectors": [[0.0, 0, 0]]}, "vectors: others given; vectors other than zero"),
        ({"vectors": [0.0, 0, 1]}, r"vectors: float32 \(3,\) given"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    fields = {"vectors": EDIT.vectors, "knots": KNOTS, "values": VALUES} | change
    with pytest.raises(ValueError, match=f"^{message}"):
        factors(**fields, space="z")
