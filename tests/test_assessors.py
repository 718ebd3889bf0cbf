"""EmoNet and MemNet: crops, recordings, and MemNet's layers by NumPy or PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, drawn, error, golden, nhwc, torch_state

import converters
from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from converters.plans import assemble
from jaxlatent.networks.base import Network
from jaxlatent.networks.crops import ten_crops
from jaxlatent.networks.emonet import EmoNet
from jaxlatent.networks.memnet import (
    CHANNEL_MEANS,
    MemNet,
    response_normalised,
    with_mean_image,
)

TINY = MemNet(channels=(4, 4, 4, 4, 4), hidden=(6, 5), clip=False)
PICTURE = np.random.RandomState(606).uniform(0, 255, (2, 3, 256, 256))
IMAGES = jnp.asarray(nhwc(PICTURE.astype(np.float32)) / 127.5 - 1)[:1]
call = jax.jit(lambda network, images: network(images))


@pytest.fixture(scope="module")
def memnet():
    return drawn(lambda key: Network.init(key, TINY, IMAGES), 0)


def test_ten_crops_are_corners_centre_and_their_mirror_images():
    image = jnp.arange(30.0).reshape(1, 5, 6, 1)
    crops = ten_crops(image, 3, 2)
    assert crops.shape == (1, 10, 3, 3, 1)
    np.testing.assert_array_equal(crops[0, :5, 0, 0, 0], [0, 3, 12, 15, 14])
    np.testing.assert_array_equal(crops[:, 5:], crops[:, :5, :, ::-1])


def test_recordings_of_emonet():
    path = GOLDEN / "ganalyze_emonet_a.pth.tar"
    network = converters.load(path, part="network")
    assert error(call(network, IMAGES), golden("ganalyze_emonet_a")["score"]) <= 2e-5


def test_images_of_other_sizes_are_resized_and_clipped():
    module = EmoNet(blocks=(1, 1, 1, 1), channels=(2, 2, 2, 2, 2))
    wide = jnp.where(IMAGES[:, :40, :30] > 0, 9.0, -9.0)
    network = drawn(lambda key: Network.init(key, module, wide), 0)
    found = call(network, wide)
    assert found.shape == (1,)
    np.testing.assert_array_equal(found, call(network, jnp.clip(wide, -1, 1)))


def test_response_normalisation_by_numpy():
    x = np.random.default_rng(0).normal(0, 100, (2, 3, 1, 7)).astype(np.float32)
    found = response_normalised(jnp.asarray(x))
    for channel in range(7):
        near = x[..., max(channel - 2, 0) : channel + 3].astype(np.float64)
        scale = (1 + 2e-5 * (near**2).sum(-1)) ** 0.75
        np.testing.assert_allclose(
            found[..., channel], x[..., channel] / scale, rtol=1e-5
        )


def test_memnet_by_a_last_bias_alone(memnet):
    params = jax.tree.map(jnp.zeros_like, memnet.params)
    for bias, expected in ((0.7626, 0.65), (0.8, 0.7248), (2.0, 1.0), (-1.0, 0.0)):
        params["fc8"]["bias"] = jnp.full(1, bias)
        found = call(Network(params, TINY.clone(clip=True)), IMAGES)
        np.testing.assert_allclose(found, [expected], rtol=1e-5)


@pytest.mark.torch
def test_memnet_by_torch(memnet):
    import torch
    from torch.nn import functional

    state = {
        name: torch.from_numpy(value.copy())
        for name, value in torch_state(memnet.params).items()
    }
    # inputs of fc6 count by channel, row, column there
    weight = state["fc6.weight"].reshape(6, 6, 6, 4).permute(0, 3, 1, 2)
    state["fc6.weight"] = weight.reshape(6, 144)
    image = np.clip((np.asarray(IMAGES) + 1) * 128, 0, 255)[..., ::-1]
    image = image - np.asarray(memnet.params["mean_image"])
    crops = []
    for flipped in (False, True):
        for row, column in ((0, 0), (0, 29), (29, 0), (29, 29), (15, 15)):
            crop = image[0, row : row + 227, column : column + 227]
            crops.append(crop[:, ::-1] if flipped else crop)
    x = torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2).copy())

    def conv(x, index, **options):
        name = f"conv{index}"
        return functional.relu(
            functional.conv2d(
                x, state[f"{name}.weight"], state[f"{name}.bias"], **options
            )
        )

    def normalised(x):
        # PyTorch divides alpha by the size of the window
        return functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1)

    x = normalised(functional.max_pool2d(conv(x, 1, stride=4), 3, 2))
    x = normalised(functional.max_pool2d(conv(x, 2, padding=2, groups=2), 3, 2))
    x = conv(conv(x, 3, padding=1), 4, padding=1, groups=2)
    x = functional.max_pool2d(conv(x, 5, padding=1, groups=2), 3, 2).flatten(1)
    for name in ("fc6", "fc7", "fc8"):
        x = functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])
        x = x if name == "fc8" else functional.relu(x)
    expected = 2 * (x.mean() - 0.7626) + 0.65
    np.testing.assert_allclose(call(memnet, IMAGES), [float(expected)], rtol=1e-5)


def test_memnet_takes_its_mean_image(memnet):
    state = torch_state(memnet.params)
    plan = find_plan(Checkpoint(state), part="network", config={"clip": False})
    assert plan.family == "memnet"
    assert dict(plan.assumed) == {"mean_image": "the mean of each channel"}
    loaded = Network(assemble(plan), plan.config)
    means = loaded.params["mean_image"]
    np.testing.assert_allclose(means[3, 200], CHANNEL_MEANS, rtol=1e-6)
    found = with_mean_image(loaded, jnp.asarray(means)[::-1] + 1)
    np.testing.assert_array_equal(found.params["mean_image"], means + 1)
    np.testing.assert_array_equal(loaded.params["mean_image"], means)
    with pytest.raises(ValueError, match=r"image: shape \(3, 256, 256\) given; \(256,"):
        with_mean_image(loaded, jnp.zeros((3, 256, 256)))
