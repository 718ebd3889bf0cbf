import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.data import WORLDS
from jaxlatent.data.shapes import Points, blank
from jaxlatent.data.toys import DISC, RING, SOFT

SIZE = 24
SMALL = ("disc", "dsprites", "ring")
"""Worlds that compile fast; test_faces has the portraits."""

draw = jax.jit(
    lambda world, rows, size: (
        world.render(rows, size=size),
        world.masks(rows, size=size),
    ),
    static_argnums=(0, 2),
)
small = pytest.mark.parametrize("name", SMALL)


def factors(world, num=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.9, 0.9, (num, len(world.factors))).astype(np.float32)


def line(size):
    return (2 * np.arange(size) + 1) / size - 1


@pytest.mark.parametrize("name", WORLDS)
def test_the_prior_is_what_the_factors_say(name):
    world, num = WORLDS[name], 2000
    drawn = np.asarray(world.sample(jax.random.key(0), num))
    assert drawn.shape == (num, len(world.factors))
    for factor, column in zip(world.factors, drawn.T, strict=True):
        if factor.values:
            places = np.linspace(-1, 1, factor.values)
            nearest = np.abs(column[:, None] - places[None]).argmin(axis=1)
            np.testing.assert_allclose(column, places[nearest], atol=1e-6)
            # six standard errors of a share
            share = np.bincount(nearest, minlength=factor.values) / num
            limit = 6 * np.sqrt(1 / factor.values / num)
            assert np.abs(share - 1 / factor.values).max() < limit
        else:
            assert np.abs(column).max() <= 1
            assert abs(column.mean()) < 6 * np.sqrt(1 / 3 / num)
            assert abs(column.var() - 1 / 3) < 6 * np.sqrt(4 / 45 / num)
    correlation = np.corrcoef(drawn.T) - np.eye(len(world.factors))
    assert np.abs(correlation).max() < 6 / np.sqrt(num)


def test_row_i_of_a_sample_depends_on_the_key_and_i_alone():
    few, many = (DISC.sample(jax.random.key(1), num) for num in (2, 5))
    np.testing.assert_array_equal(few, many[:2])


@small
def test_a_picture_is_the_same_to_the_bit_in_any_batch(name):
    world = WORLDS[name]
    rows = factors(world)
    images, masks = draw(world, rows, SIZE)
    assert images.shape == (6, SIZE, SIZE, 1)
    for count in (1, 2, 5):
        some, parts = draw(world, rows[:count], SIZE)
        np.testing.assert_array_equal(some, images[:count])
        for part, mask in parts.items():
            np.testing.assert_array_equal(mask, masks[part][:count])


def test_a_single_picture_is_differentiated_without_a_branch():
    row = jnp.zeros((1, len(DISC.factors)))

    def render(row):
        return DISC.render(row, size=4)

    def derivative(row):
        return jax.linearize(render, row)[1](row)

    assert " cond[" in str(jax.make_jaxpr(render)(row))
    for changed in (derivative, jax.grad(lambda row: render(row).sum())):
        assert " cond[" not in str(jax.make_jaxpr(changed)(row))


@small
def test_masks_sum_to_one(name):
    _, masks = draw(WORLDS[name], factors(WORLDS[name]), SIZE)
    assert bool(masks) == (name != "ring")
    if masks:
        stacked = np.stack(list(masks.values()))
        np.testing.assert_allclose(stacked.sum(axis=0), 1, atol=1e-6)
        assert stacked.min() >= 0


@small
def test_gradients_are_those_of_finite_differences(name):
    world = WORLDS[name]
    count = len(world.factors)
    with jax.enable_x64(True):
        rows = jnp.asarray(factors(world, count, seed=3), jnp.float64)
        rows = rows + 1e-3  # off the places where outlines of shapes have kinks
        run = jax.jit(
            lambda rows, tangent: (
                *jax.jvp(lambda r: world.render(r, size=SIZE), (rows,), (tangent,)),
                world.render(rows + 1e-6 * tangent, size=SIZE),
                world.render(rows - 1e-6 * tangent, size=SIZE),
            )
        )
        _, exact, ahead, behind = run(rows, jnp.eye(count))
        difference = (ahead - behind) / 2e-6
        for row in range(count):
            wrong = jnp.linalg.norm((difference - exact)[row].ravel())
            assert wrong < 1e-5 * jnp.linalg.norm(exact[row].ravel())


def test_a_selection_leaves_the_other_factors_at_their_default():
    some = DISC.select(("size", "x"))
    assert some.names == ("size", "x")
    assert hash(some) == hash(DISC.select(("size", "x")))
    assert some == DISC.select(["size", "x"])
    assert some.select(("brightness",)).names == ("brightness",)
    rows = factors(some)
    whole = np.zeros((6, 4), np.float32)
    whole[:, [2, 0]] = rows
    np.testing.assert_allclose(
        draw(some, rows, SIZE)[0], draw(DISC, whole, SIZE)[0], atol=1e-6
    )


@pytest.mark.parametrize("names", [("x", "x"), ("age",), ()])
def test_selections_that_there_are_not_are_refused(names):
    with pytest.raises(ValueError, match=r"^factors: .* given; of disc, some of"):
        DISC.select(names)


def test_factors_of_another_make_are_refused():
    with pytest.raises(ValueError, match=r"^factors: shape \(2, 3\) given; \[N, 4\]"):
        DISC.render(jnp.zeros((2, 3)), size=8)
    with pytest.raises(ValueError, match=r"^factors: int32 given; floats"):
        DISC.masks(jnp.zeros((2, 4), jnp.int32), size=8)


def test_paint_covers_what_is_below_by_hand():
    at = Points(jnp.zeros((1, 2)), jnp.zeros((1, 2)))
    canvas = blank(at, (0.0, 0.0, 0.0), ("wall", "ball"))
    canvas = canvas.paint((1.0, 0.5, 0.0), jnp.array([[1.0, 0.5]]), "ball")
    np.testing.assert_allclose(canvas.channels, [[[1, 0.5]], [[0.5, 0.25]], [[0, 0]]])
    shaded = canvas.paint((0.0, 0.0, 0.0), jnp.array([[0.5, 0.5]]))
    np.testing.assert_allclose(shaded.channels[0], [[0.5, 0.25]])
    given = shaded.claim(jnp.array([[0.0, 1.0]]), "wall")
    np.testing.assert_allclose(given.parts["ball"], [[1, 0]])
    np.testing.assert_allclose(given.parts["wall"], [[0, 1]])
    with pytest.raises(ValueError, match="part: 'cat' given; one of"):
        canvas.claim(jnp.ones((1, 2)), "cat")


# closed forms


def test_a_disc_measures_what_its_factors_say():
    rows, size = factors(DISC, seed=5), 96
    images, masks = draw(DISC, rows, size)
    x, y, scale, light = rows.T
    pixel = (2 / size) ** 2
    area = np.pi * ((0.3 + 0.12 * scale) ** 2 + SOFT**2 / 20)
    disc = np.asarray(masks["disc"], np.float64)
    np.testing.assert_allclose(disc.sum((1, 2)) * pixel, area, rtol=2e-4)
    shown = (np.asarray(images[..., 0], np.float64) + 1) / 2
    level = 0.65 + 0.35 * light
    np.testing.assert_allclose(shown.sum((1, 2)) * pixel, level * area, rtol=2e-4)
    for profile, place in ((shown.sum(1), x), (shown.sum(2), y)):
        centre = profile @ line(size) / profile.sum(1)
        np.testing.assert_allclose(centre, 0.4 * place, atol=1e-4)


def test_a_ring_is_brightest_and_zero_where_the_formula_says():
    rows, size = factors(RING, seed=6), 33
    rows[:, :2] = 0  # the middle row of pixels then crosses it in the middle
    images, _ = draw(RING, rows, size)
    away = np.abs(3 * line(size))[None]
    inside = 1 - np.abs(away - 1 - rows[:, 2:3] / 2)
    expected = np.tanh(inside * np.exp(rows[:, 3:]))
    np.testing.assert_allclose(images[:, 16, :, 0], expected, atol=1e-5)
