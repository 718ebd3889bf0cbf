import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn

from jaxlatent.methods.likeness import Likeness, Weights, likeness, shown_to
from jaxlatent.networks.lpips import TRUNKS, Lpips
from jaxlatent.numerics.frequency_loss import frequency_loss

WEIGHTS = Weights(pixel=2.0, perceptual=3.0, frequency=5.0, sigma=1.5)


@functools.cache
def distance():
    image = jnp.zeros((1, 32, 32, 3))
    trunk = drawn(lambda key: TRUNKS["squeeze"].init(key, image)["params"], 0)
    return Lpips({"trunk": trunk})


def pair(channels=3, seed=0):
    rng = np.random.default_rng(seed)
    both = rng.uniform(-1, 1, (2, 2, 32, 32, channels)).astype(np.float32)
    return jnp.asarray(both)


@jax.jit
def terms(alike, x, y, mask=None, features=None):
    return alike(x, y, mask, features)


def test_every_term_is_what_its_name_says():
    x, y = pair()
    alike = Likeness(WEIGHTS, distance())
    found = terms(alike, x, y)
    np.testing.assert_allclose(found["pixel"], ((x - y) ** 2).mean((1, 2, 3)), 1e-5)
    alone = jax.jit(distance())(x, y)
    np.testing.assert_allclose(found["perceptual"], alone, rtol=1e-5)
    blurred = frequency_loss(x, y, sigma=1.5)
    np.testing.assert_allclose(found["frequency"], blurred, rtol=1e-5)
    total = sum(getattr(WEIGHTS, name) * term for name, term in found.items())
    np.testing.assert_allclose(alike.total(found), total, rtol=1e-6)
    kept = jax.jit(Likeness.features)(alike, y)
    again = terms(alike, x, y, None, kept)
    np.testing.assert_allclose(again["perceptual"], found["perceptual"], rtol=1e-5)


def test_what_weighs_nothing_is_not_computed():
    x, y = pair()
    assert set(terms(Likeness(Weights(0, 0, 1)), x, y)) == {"frequency"}


def test_pixels_that_do_not_count_change_no_term():
    x, y = pair()
    mask = jnp.zeros((2, 32, 32)).at[:, 4:20, 8:28].set(1.0)
    other = jnp.where(mask[..., None] > 0, x, pair(seed=1)[0])
    alike = Likeness(WEIGHTS, distance())
    one, two = terms(alike, x, y, mask), terms(alike, other, y, mask)
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-5, err_msg=name)
    whole = terms(alike, x, y, jnp.ones((2, 32, 32)))
    for name, value in terms(alike, x, y).items():
        np.testing.assert_allclose(whole[name], value, rtol=1e-4, err_msg=name)


def test_pictures_as_lpips_sees_them():
    grey = pair(1)[0]
    assert shown_to(grey, 32).shape == (2, 32, 32, 3)
    assert shown_to(grey[:, :16], 8).shape == (2, 4, 8, 3)
    np.testing.assert_allclose(shown_to(jnp.ones((1, 9, 6, 3)), 5), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"pixel": -1}, "pixel: -1 given"),
        ({"pixel": 0}, "pixel, perceptual, frequency: all 0"),
        ({"sigma": 0}, "sigma: 0 given"),
    ],
)
def test_bad_weights(weights, said):
    with pytest.raises(ValueError, match=said):
        Weights(**weights)


def test_weights_of_lpips_are_asked_for():
    with pytest.raises(ValueError, match="lpips: missing, but perceptual is 3"):
        likeness(WEIGHTS, None, 3)
    with pytest.raises(ValueError, match="pictures of 4 channels"):
        likeness(WEIGHTS, distance(), 4)
    assert likeness(Weights(), distance(), 4).lpips is None
