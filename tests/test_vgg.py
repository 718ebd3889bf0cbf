import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, drawn, error, golden, nhwc, recipe

import converters
from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from converters.plans import assemble
from jaxlatent.networks.alexnet import AlexNet
from jaxlatent.networks.base import Network
from jaxlatent.networks.squeezenet import SqueezeNet
from jaxlatent.networks.vgg import vgg


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (vgg(16), 138_357_544),
        (vgg(19), 143_667_240),
        (AlexNet(), 61_100_840),
        (SqueezeNet(), 1_235_496),
    ],
)
def test_sizes_are_those_of_torchvision(module, size):
    images = jnp.zeros((1, 64, 64, 3))
    fresh = jax.eval_shape(
        lambda key: Network.init(key, module, images), jax.random.key(0)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(fresh.params)) == size


def test_an_unknown_depth_is_named():
    with pytest.raises(ValueError, match=r"depth: 17 given; one of \(11, 13, 16, 19"):
        vgg(17)


@pytest.mark.parametrize(
    ("name", "last"), [("vgg16", "classifier.6"), ("squeezenet1_1", "classifier.3")]
)
def test_recordings_of_torchvision(name, last):
    case = golden(f"torchvision_{name}_a")
    path = GOLDEN / f"torchvision_{name}_a.pth"
    network = converters.load(path, part="network", config={"mean": None})
    x = jnp.asarray(nhwc(case["x"]))
    taps = [key.removeprefix("stage_mean/") for key in case if "stage_mean" in key]
    names = (*taps, last)
    found = jax.jit(lambda n, x: n.features(x, names=names))(network, x)
    for tap in taps:
        mean = np.asarray(found[tap]).mean((1, 2))
        assert error(mean, case[f"stage_mean/{tap}"]) <= 2e-5
    assert error(found[last], case["logits"]) <= 2e-5


def test_recordings_of_genforce():
    case = golden("genforce_perceptual_a")
    plan = find_plan(Checkpoint(recipe(case)), part="network")
    assert (plan.family, plan.format) == ("vgg", "genforce perceptual model")
    network = Network(assemble(plan), plan.config)
    names = ("features.15", "features.22")
    x = jnp.asarray(nhwc(case["x"]))
    found = jax.jit(lambda n, x: n.features(x, names=names))(network, x)
    flat = [np.moveaxis(np.asarray(found[n]), -1, 1).reshape(1, -1) for n in names]
    assert error(flat[0][:, :2048], case["feat_idx16"]) <= 2e-5
    assert error(flat[1][:, ::4], case["feat_idx23"]) <= 2e-5


def test_the_head_of_alexnet():
    """Dense layers on the map's means, with rectifiers between, by NumPy."""
    module = AlexNet(channels=(2, 2, 2, 2, 2), hidden=(5, 4), outputs=3)
    images = jnp.asarray(
        np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)), jnp.float32
    )
    network = drawn(lambda key: Network.init(key, module, images), 0)
    names = ("features.11", "features.12", "classifier.6")
    found = jax.jit(lambda n, x: n.features(x, names=names))(network, images)
    assert found["features.11"].shape == (2, 3, 3, 2)
    pooled = found["features.11"].max((1, 2))
    np.testing.assert_array_equal(found["features.12"][:, 0, 0], pooled)
    x = np.repeat(np.asarray(pooled)[:, None], 36, axis=1).reshape(2, -1)
    for index in (1, 4, 6):
        layer = jax.tree.map(np.asarray, network.params[f"classifier_{index}"])
        x = x @ layer["kernel"] + layer["bias"]
        x = x if index == 6 else np.maximum(x, 0)
    np.testing.assert_allclose(found["classifier.6"], x, rtol=1e-4, atol=1e-6)
