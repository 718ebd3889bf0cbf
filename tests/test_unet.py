import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import drawn, error, golden, nhwc, stream_recipe, torch_state
from writer import torch_zip

import converters
from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from converters.plans import assemble
from jaxlatent.networks.base import Network
from jaxlatent.networks.unet import UNet, doubled
from jaxlatent.types import CheckpointError

SMALL = UNet(outputs=3, image_channels=1, channels=(2, 3, 5))


def small_state():
    network = drawn(lambda key: Network.init(key, SMALL, jnp.zeros((1, 8, 8, 1))), 0)
    state = {}
    for name, tensor in torch_state(network.params).items():
        layer, dot, rest = name.partition(".")
        place = {"d": ".maxpool_conv.1", "u": ".conv", "o": ".conv"}.get(layer[0], "")
        state[layer + place + dot + rest] = tensor
    return network, state


def test_the_recording_of_gan_latent_discovery():
    case = golden("voynov_unet_a")
    plan = find_plan(Checkpoint(stream_recipe(case)), part="network")
    assert (plan.family, plan.config) == ("unet", UNet())
    assert plan.assumed == {"resolution": 128}
    network = Network(assemble(plan), plan.config)
    images = jnp.asarray(nhwc(case["x"]))
    plain = jax.jit(lambda network, images: network(images))
    assert error(plain(network, images), nhwc(case["eval/logits"])) <= 2e-5
    train = jax.jit(lambda network, images: network.train(images)[0])
    logits = train(network, images)
    assert error(logits, nhwc(case["train/logits"])) <= 2e-5
    loss = optax.softmax_cross_entropy_with_integer_labels(
        logits / 10, jnp.asarray(case["target"])
    ).mean()
    assert error(loss, case["train/loss_T10"]) <= 1e-6


def test_doubling_puts_corners_on_corners():
    # a plane stays a plane, from the first pixel to the last
    plane = jnp.arange(3.0)[:, None] + 10 * jnp.arange(2.0)[None]
    found = doubled(plane[None, :, :, None])[0, :, :, 0]
    expected = np.linspace(0, 2, 6)[:, None] + 10 * np.linspace(0, 1, 4)[None]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(
        doubled(jnp.ones((1, 1, 1, 2))), np.ones((1, 2, 2, 2))
    )


def test_files_of_other_sizes(tmp_path):
    network, state = small_state()
    (tmp_path / "segmentation.pth").write_bytes(torch_zip(state))
    found = converters.load(
        tmp_path / "segmentation.pth", part="network", config={"resolution": 8}
    )
    assert found.module == SMALL.clone(resolution=8)
    jax.tree.map(np.testing.assert_array_equal, found.params, network.params)
    # 11 -> 5 -> 2 pixels, and back with zeros around
    assert found(jnp.zeros((1, 11, 9, 1))).shape == (1, 11, 9, 3)
    with pytest.raises(ValueError, match=r"\[N, H, W, 1\] is accepted"):
        found(jnp.zeros((1, 8, 8, 3)))
    with pytest.raises(ValueError, match="images: too small"):
        found(jnp.zeros((1, 3, 8, 1)))


def test_misfits_are_named():
    _, state = small_state()
    del state["up1.conv.double_conv.0.weight"]
    state["down2.maxpool_conv.1.double_conv.4.bias"] = np.ones(7, np.float32)
    state["odd.weight"] = np.ones(2, np.float32)
    with pytest.raises(CheckpointError) as caught:
        assemble(find_plan(Checkpoint(state), part="network"))
    told = str(caught.value)
    assert "missing (1): up1.conv.double_conv.0.weight; extra (1): odd.weight" in told
    assert "down2.maxpool_conv.1.double_conv.4.bias is (7,), not (5,)" in told
