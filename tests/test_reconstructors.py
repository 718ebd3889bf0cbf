import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn, error, golden, nhwc, stream_recipe

from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from converters.plans import assemble
from converters.reconstructors import LENET
from jaxlatent.networks.base import Network
from jaxlatent.networks.lenet import PictureLeNet
from jaxlatent.networks.reconstructors import (
    PairLeNet,
    PairResNet,
    PictureEncoder,
    nearest,
)

call = jax.jit(lambda network, *images: network(*images))
train = jax.jit(lambda network, *images: network.train(*images))


def lenet_state():
    case = golden("voynov_lenet_a")
    return {k.removeprefix("w/"): v for k, v in case.items() if k.startswith("w/")}


def built(state):
    plan = find_plan(Checkpoint(state), part="network")
    return Network(assemble(plan), plan.config), plan


@pytest.mark.parametrize(
    ("name", "module", "training"),
    # a ResNet's last batch norms see three values to a channel in this recording, whose
    # own rounding is 2.7e-5 away from the same computed in float64
    [("lenet", PairLeNet, 2e-5), ("resnet18", PairResNet, 3e-5)],
)
def test_recordings_of_gan_latent_discovery(name, module, training):
    case = golden(f"voynov_{name}_a")
    network, plan = built(lenet_state() if name == "lenet" else stream_recipe(case))
    assert isinstance(network.module, module)
    assert (network.module.directions, plan.format) == (7, "GANLatentDiscovery")
    pair = [jnp.asarray(nhwc(case[key])) for key in ("x1", "x2")]
    for found, key in zip(call(network, *pair), ("logits", "shift"), strict=True):
        assert error(found, case[f"eval/{key}"]) <= 2e-5
    with jax.enable_x64(True):
        wide = Network(assemble(plan, jnp.float64), plan.config)
        outputs, _ = train(wide, *(jnp.asarray(one, jnp.float64) for one in pair))
    for found, key in zip(outputs, ("logits", "shift"), strict=True):
        assert error(found, case[f"train/{key}"]) <= training
    _, after = train(network, *pair)
    kept = [key for key in case if key.startswith("after_train_fwd/")]
    assert len(kept) >= 4
    for key in kept:
        leaf = after.params
        for part in re.sub(r"\.(\d+)", r"_\1", key.split("/")[1]).split("."):
            leaf = leaf[part]
        assert error(leaf, case[key]) <= 2e-5


def test_names_of_warped_gan_space():
    state = lenet_state()
    warped = {}
    for name, value in state.items():
        first, _, rest = name.partition(".")
        warped[f"module.{LENET[first]}.{rest}"] = value
    plain, _ = built(state)
    found, plan = built({"iter": 3, "support_sets": {}, "reconstructor": warped})
    assert plan.format == "WarpedGANSpace"
    assert found.module == plain.module
    jax.tree.map(np.testing.assert_array_equal, found.params, plain.params)


def test_downsampling_takes_the_nearest_pixel():
    rows = jnp.arange(7.0)[None, :, None, None] * jnp.ones((1, 7, 5, 1))
    found = nearest(rows, 4)
    assert found.shape == (1, 4, 4, 1)
    np.testing.assert_array_equal(found[0, :, 0, 0], [0, 1, 3, 5])


def test_small_pictures_are_enlarged_for_a_lenet():
    network, _ = built(lenet_state())
    small = np.random.default_rng(0).normal(size=(2, 3, 8, 8, 1)).astype(np.float32)
    whole = small.repeat(4, axis=2).repeat(4, axis=3)
    for ours, theirs in zip(call(network, *small), call(network, *whole), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_pairs_that_do_not_fit():
    network, _ = built(lenet_state())
    images = jnp.zeros((2, 32, 32, 1))
    with pytest.raises(ValueError, match=r"after: shape \(1, 32, 32, 1\) given; that"):
        network(images, images[:1])
    with pytest.raises(ValueError, match=r"\[N, H, W, 1\] is accepted"):
        network(jnp.zeros((2, 32, 32, 3)), jnp.zeros((2, 32, 32, 3)))


def test_encoders_of_single_pictures():
    """The LeNet of pictures, of enlarged ones where they are small; or a ResNet."""
    images = jnp.asarray(np.random.default_rng(0).normal(size=(2, 16, 16, 1)))
    module = PictureEncoder(codes=3, image_channels=1)
    network = drawn(lambda key: Network.init(key, module, images), 0)
    own = Network(network.params["lenet"], PictureLeNet(3, 1))
    np.testing.assert_allclose(call(network, images), call(own, nearest(images, 32)))
    resnet = PictureEncoder(3, 1, "resnet")
    init = jax.eval_shape(lambda: Network.init(jax.random.key(0), resnet, images))
    assert jax.eval_shape(lambda network: network(images), init).shape == (2, 3)
    for module, told in (
        (PictureEncoder(3, 1, "vgg"), "kind: 'vgg' given; 'lenet' or"),
        (PictureEncoder(3, 3), "channel"),
    ):
        with pytest.raises(ValueError, match=told):
            module.init(jax.random.key(0), images)
