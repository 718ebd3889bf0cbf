"""Leaks out of regions: a world of two squares, whose every pixel is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.data.worlds import Factor, Painting, World
from jaxlatent.evaluation.effects import Effects
from jaxlatent.evaluation.leak import outside_share, owned_parts, part_leaks


def paint(values, size, parts):
    """The left half is one factor, the right the other and a ninth of the one."""
    left = jnp.arange(size)[None, :] < size // 2
    left = jnp.broadcast_to(left, (size, size)).astype(jnp.float32)
    one, two = values["one"], values["two"]
    picture = left * one + (1 - left) * (two + one / 9)
    return Painting(picture[..., None], {"left": left, "right": 1 - left})


WORLD = World("halves", (Factor("one", "", ""), Factor("two", "", "")), paint)
SIZE = 4


def test_the_share_outside_a_region_by_hand():
    images = np.zeros((2, 3, 2, 2, 1))
    images[0, 0] = [[[1], [2]], [[0], [-1]]]  # the middle one was not edited
    images[0, 2, 0, 0] = -6
    mask = np.asarray([[1, 0], [0, 0.5]])
    # 1 + 6 inside, half of 1, and 2 outside
    found = outside_share(images, mask, 1)
    assert found == pytest.approx(2.5 / 10)
    moving = np.zeros((2, 3, 2, 2))
    moving[:, 0, 0, 1] = 1
    # its place before counts, and in each picture its place there
    found = outside_share(images, np.maximum(moving, 0), 1)
    assert found == pytest.approx(8 / 10)
    assert np.isnan(outside_share(0 * images, mask, 1))
    with pytest.raises(ValueError, match="masks: shape "):
        outside_share(images, np.zeros((3, 3)), 1)


def test_a_factor_owns_the_parts_that_it_changes():
    key = jax.random.key(0)
    assert owned_parts(WORLD, key=key, size=SIZE, num=3, share=0.85) == {
        "one": ("left",),
        "two": ("right",),
    }
    both = owned_parts(WORLD, key=key, size=SIZE, num=3, share=0.95)
    assert both["one"] == ("left", "right")


def test_leaks_of_directions_that_mix_two_factors():
    strengths = np.asarray([-1.0, 0, 1])
    slopes = np.asarray([[0.3, 0.0], [0.3, 0.6]])
    lines = np.multiply.outer(slopes, strengths).swapaxes(1, 2)
    values = np.tile(lines, (5, 1, 1, 1))
    effects = Effects(strengths, values, ("a", "b"), WORLD.names, np.ones(2))
    parts = {"one": ("left",), "two": ("right",)}
    alone = 1 / 10
    mixed = (0.6 + 0.3 / 9) / (0.3 + 0.6 + 0.3 / 9)
    for best, expected in (([0, -1], [alone, np.nan]), ([1, 1], [mixed, 1 - mixed])):
        found = part_leaks(WORLD, effects, best, parts, size=SIZE)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isnan(part_leaks(WORLD, effects, [0, 0], {}, size=SIZE)).all()
