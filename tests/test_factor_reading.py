"""A network that learns to read the factors of a world of two halves."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.data.worlds import Factor, Painting, World
from jaxlatent.evaluation.factor_reading import (
    FactorNetwork,
    Settings,
    learn_to_read,
)
from jaxlatent.networks.base import Network

SMALL = Settings(
    steps=60, batch=16, learning_rate=0.02, channels=(4,), hidden=8, held_out=64
)


def paint(values, size, parts):
    """The left half is one factor, the right is grey; the other never shows."""
    left = jnp.tile(1.0 * (jnp.arange(size) < size // 2), (size, 1))
    return Painting((left * values["shown"])[..., None], {})


WORLD = World("half", (Factor("shown", "", ""), Factor("hidden", "", "")), paint)


def test_what_shows_is_read_and_what_does_not_is_told_to_be_unread():
    found = learn_to_read(WORLD, 6, SMALL, key=jax.random.key(0))
    assert found.accuracy.shape == (2,)
    assert found.accuracy[0] > 0.95
    # nobody can do better than the mean, which is 0 but for the draw of 64
    assert -0.2 < found.accuracy[1] < 0.1
    factors = jnp.asarray([[-0.5, 0.3], [0.8, -0.9]])
    told = jax.jit(found.network)(WORLD.render(factors, size=6))
    np.testing.assert_allclose(told[:, 0], factors[:, 0], atol=0.2)


def test_large_pictures_are_shrunk_first():
    module = FactorNetwork(2, (3,), 4, size=4)
    small = jnp.asarray(
        np.random.default_rng(0).uniform(size=(2, 4, 2, 1)), jnp.float32
    )
    network = Network.init(jax.random.key(0), module, small)
    large = jnp.repeat(jnp.repeat(small, 2, axis=1), 2, axis=2)
    assert network(large).shape == network(small).shape == (2, 2)
