"""What happens to pictures before the first layer, and activations by name."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.networks.base import Network
from jaxlatent.networks.preprocess import IMAGENET_MEAN, IMAGENET_STD, PictureModule

IMAGES = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)), jnp.float32)


class Counting(PictureModule):
    """Each step adds one."""

    limit: int = 3

    @nn.nowrap
    def steps(self, x, train):
        for index in range(3):
            assert index < self.limit, "a step too many"
            yield f"step{index}", x + index


def test_images_are_normalised_as_torchvision_does():
    found = Network({}, Counting()).features(IMAGES, names=("step0",))["step0"]
    expected = ((np.asarray(IMAGES) + 1) / 2 - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    plain = Network({}, Counting(mean=None))
    np.testing.assert_array_equal(plain(IMAGES), IMAGES + 2)


def test_images_are_resized():
    ramp = jnp.linspace(-1, 1, 8)[None, :, None, None] * jnp.ones((1, 8, 6, 3))
    found = Network({}, Counting(mean=None, resize=4))(ramp) - 2
    assert found.shape == (1, 4, 4, 3)
    # away from the edges a ramp stays one: pixel i lies between 2 i and 2 i + 1
    expected = (np.linspace(-1, 1, 8)[2::2] + np.linspace(-1, 1, 8)[3::2])[:2] / 2
    np.testing.assert_allclose(found[0, 1:3, 1, 0], expected, atol=1e-5)


def test_nothing_runs_behind_the_last_name():
    network = Network({}, Counting(limit=2))
    found = network.features(IMAGES, names=("step1", "step0"))
    assert list(found) == ["step1", "step0"]
    with pytest.raises(AssertionError, match="a step too many"):
        network(IMAGES)


def test_what_does_not_fit_is_named():
    network = Network({}, Counting())
    with pytest.raises(ValueError, match=r"names: \['fc'\] given; \['step0', 'step1'"):
        network.features(IMAGES, names=("step0", "fc"))
    for wrong in (IMAGES[..., :1], IMAGES[0]):
        with pytest.raises(ValueError, match=r"images: shape .* \[N, H, W, 3\] is"):
            network(wrong)
    with pytest.raises(ValueError, match=r"8, 4\) given; .* this network takes 3 "):
        network(jnp.zeros((2, 8, 8, 4)))
