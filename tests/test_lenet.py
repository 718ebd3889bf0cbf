import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, drawn

from jaxlatent.networks.base import Network
from jaxlatent.networks.lenet import LeNet, fitted


def fresh(key):
    return Network.init(key, LeNet(), jnp.zeros((1, 28, 28, 1)))


@pytest.fixture(scope="module")
def network():
    return drawn(fresh, 0)


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(1), (4, 28, 28, 1), minval=-1.0)


def test_outputs_are_log_probabilities(network, images):
    scores = network(images)
    assert scores.shape == (4, 10)
    np.testing.assert_allclose(jnp.exp(scores).sum(axis=1), 1, rtol=1e-5)


def test_a_network_that_passes_one_pixel_through(network):
    """One path of ones from the brightest pixel of each window to one logit."""
    params = jax.tree.map(jnp.zeros_like, network.params)
    for name in ("c1", "c3", "c5"):
        params[name]["kernel"] = params[name]["kernel"].at[2, 2, 0, 0].set(1)
    for name in ("f6", "f7"):
        params[name]["kernel"] = params[name]["kernel"].at[0, 0].set(1)
    # Behind two halvings the centre of the last 5 x 5 kernel, row and column 2, covers
    # rows and columns 4 and 5 of the 10 x 10 map, which are 8 to 11 of the 28 x 28 one:
    # with 2 for each of the two kernels' centres that is 14 to 17 of the padded image.
    image = -jnp.ones((1, 28, 28, 1))
    image = image.at[0, 13, 12, 0].set(0.5)
    image = image.at[0, 5, 5, 0].set(1.0)
    logit = 0.75
    expected = logit - np.log(np.exp(logit) + 9)
    scores = Network(params, LeNet())(image)
    np.testing.assert_allclose(scores[0, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(scores[0, 1], -np.log(np.exp(logit) + 9), rtol=1e-6)


def test_colours_are_averaged(network, images):
    shift = jnp.asarray([-0.1, 0.0, 0.1])[None, None, None, :]
    np.testing.assert_allclose(network(images + shift), network(images), atol=1e-5)


def test_padding_is_black_and_even():
    padded = fitted(jnp.ones((1, 28, 20, 1)), "pad")
    assert padded.shape == (1, 32, 32, 1)
    assert padded.sum() == 28 * 20
    assert padded[0, 2:30, 6:26].min() == 1
    whole = jnp.ones((1, 32, 32, 1))
    np.testing.assert_array_equal(fitted(whole, "pad"), whole)


def test_bilinear_keeps_a_ramp():
    ramp = jnp.arange(16.0)[None, :, None, None] * jnp.ones((1, 16, 16, 1))
    resized = fitted(ramp, "bilinear")
    expected = np.clip(np.arange(32) / 2 - 0.25, 0, 15)
    np.testing.assert_allclose(resized[0, :, 7, 0], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 27, 28, 1), (1, 28, 64, 1)])
def test_images_that_cannot_be_padded(network, shape):
    with pytest.raises(ValueError, match=r"images: .* fit=\"bilinear\""):
        network(jnp.zeros(shape))
    assert Network(network.params, LeNet("bilinear"))(jnp.zeros(shape)).shape == (1, 10)


def test_unknown_fit_is_refused(network, images):
    with pytest.raises(ValueError, match=r"fit: 'crop' given; \"pad\" or \"bilinear\""):
        Network(network.params, LeNet("crop"))(images)


def test_a_network_is_a_pytree(network, images):
    score = jax.jit(lambda network, images: network(images))
    np.testing.assert_allclose(score(network, images), network(images), atol=1e-5)
    other = drawn(fresh, 1)
    with compilations() as count:
        score(other, images)
    assert count() == 0

    def loss(network, images):
        return network(images)[:, 0].sum()

    gradients = jax.jit(jax.grad(loss, (0, 1)))(network, images)
    for gradient in jax.tree.leaves(gradients):
        assert jnp.isfinite(gradient).all()
        assert jnp.abs(gradient).max() > 0


def test_scores_do_not_depend_on_the_batch(network, images):
    parts = jnp.concatenate([network(images[:1]), network(images[1:])])
    np.testing.assert_allclose(parts, network(images), atol=1e-5)


def test_parameters_decide_the_dtype(network, images):
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), network.params)
        assert Network(params, LeNet())(images).dtype == jnp.float64
