"""Distances of pictures by a network's activations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn, error, golden, nhwc

from jaxlatent.networks.base import Network
from jaxlatent.networks.distances import (
    VGG_CONTENT,
    FeatureDistance,
    squared_distance,
    vgg_content,
)
from jaxlatent.networks.lenet import LeNet
from jaxlatent.networks.vgg import VGG, vgg

CASE = golden("latent2im_a")


def recorded_network():
    """VGG-19's first four convolutions as the recording describes them."""
    stream = np.random.RandomState(int(CASE["vgg/seed"]))
    shapes = {"0": (64, 3), "2": (64, 64), "5": (128, 64), "7": (128, 128)}
    params = {}
    for key in CASE["vgg/keys"].tolist():
        number, kind = key.split(".")
        shape = (*shapes[number], 3, 3) if kind == "weight" else shapes[number][:1]
        values = stream.standard_normal(shape)
        scale = np.sqrt(2 / np.prod(shape[1:])) if kind == "weight" else 0.1
        values = (values * scale).astype(np.float32)
        name = {"weight": "kernel", "bias": "bias"}[kind]
        values = values.transpose(2, 3, 1, 0) if kind == "weight" else values
        params.setdefault(f"features_{number}", {})[name] = jnp.asarray(values)
    return Network(params, vgg(19, outputs=None))


def test_the_content_distance_is_as_recorded():
    content = vgg_content(recorded_network())
    x, y = (jnp.asarray(nhwc(CASE[f"img_{name}"])) for name in ("org", "new"))
    layers = content.layers(x, y)
    assert tuple(layers) == VGG_CONTENT
    found = jnp.stack([one.mean() for one in layers.values()])
    assert error(found, CASE["content/per_layer"]) <= 1e-5
    assert error(content(x, y).mean(), CASE["content/mean"]) <= 1e-5


def test_only_what_is_looked_at_is_kept():
    module = VGG(blocks=(2, 2, 1, 1, 1), channels=(2, 2, 2, 2, 2), hidden=(3, 3))
    images = jnp.zeros((1, 32, 32, 3))
    network = drawn(lambda key: Network.init(key, module, images), 0)
    content = vgg_content(network)
    assert len(jax.tree.leaves(content)) == 8
    assert content(images, images + 1).shape == (1,)
    with pytest.raises(ValueError, match="network: a LeNet given; a VGG of 13 layers"):
        vgg_content(Network({}, LeNet()))
    with pytest.raises(ValueError, match="network: a VGG given"):
        vgg_content(Network({}, vgg(11)))


def test_features_are_compared_layer_by_layer():
    images = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 28, 28, 1)))
    x, y = images.astype(jnp.float32)
    network = drawn(lambda key: Network.init(key, LeNet(), x), 0)
    names = ("c1", "f6")
    found = FeatureDistance(network, names)(x, y)
    one, two = (network.features(z, names=names) for z in (x, y))
    expected = [
        np.mean([np.mean((one[name][n] - two[name][n]) ** 2) for name in names])
        for n in range(3)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_pixels():
    x, y = (
        jnp.zeros((2, 3, 4, 1)),
        jnp.stack([jnp.ones((3, 4, 1)), jnp.zeros((3, 4, 1))]),
    )
    np.testing.assert_array_equal(squared_distance(x, y), [1, 0])
