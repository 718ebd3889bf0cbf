import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn

from jaxlatent.networks.base import Network, trainable
from jaxlatent.networks.resnet import Block, ResNet, resnet

IMAGES = jnp.asarray(
    np.random.default_rng(0).uniform(-1, 1, (3, 33, 33, 3)), jnp.float32
)
TINY = ResNet(blocks=(1, 1, 1, 1), bottleneck=True, channels=(4, 4, 4, 4, 4), outputs=5)
train = jax.jit(lambda network, images: network.train(images))
call = jax.jit(lambda network, images: network(images))


@pytest.fixture(scope="module")
def network():
    return drawn(lambda key: Network.init(key, TINY, IMAGES), 0)


@pytest.mark.parametrize(
    ("depth", "trained"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032)]
)
def test_sizes_are_those_of_torchvision(depth, trained):
    images = jnp.zeros((1, 64, 64, 3))
    fresh = jax.eval_shape(
        lambda key: Network.init(key, resnet(depth), images), jax.random.key(0)
    )
    mask = jax.tree.leaves(trainable(fresh.params))
    sizes = [leaf.size for leaf in jax.tree.leaves(fresh.params)]
    found = sum(size for size, kept in zip(sizes, mask, strict=True) if kept)
    assert found == trained


def test_an_unknown_depth_is_named():
    with pytest.raises(ValueError, match=r"depth: 20 given; one of \(18, 34, 50"):
        resnet(20)


def test_a_block_without_convolutions_passes_its_map():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(1, 4, 4, 8)), jnp.float32)
    block = drawn(lambda key: Network.init(key, Block(2, bottleneck=True), x), 0)
    block.params["bn3"]["running_mean"] = jnp.zeros(8)
    block.params["bn3"]["bias"] = jnp.zeros(8)
    for layer in ("conv1", "conv2", "conv3"):
        kernel = block.params[layer]["kernel"]
        block.params[layer]["kernel"] = jnp.zeros_like(kernel)
    assert "downsample_0" not in block.params
    np.testing.assert_allclose(call(block, x), jnp.maximum(x, 0), atol=1e-6)


def test_activations_and_the_last_layer(network):
    names = ("relu", "maxpool", "layer1", "layer2.0", "layer2", "layer4", "avgpool")
    found = jax.jit(lambda n, x: n.features(x, names=names))(network, IMAGES)
    sides = [found[name].shape[1:3] for name in names[:-1]]
    assert sides == [(17, 17), (9, 9), (9, 9), (5, 5), (5, 5), (2, 2)]
    np.testing.assert_array_equal(found["layer2"], found["layer2.0"])
    mean = found["layer4"].mean(axis=(1, 2))
    np.testing.assert_allclose(found["avgpool"], mean, rtol=1e-5)
    last = jax.tree.map(np.asarray, network.params["fc"])
    logits = np.asarray(mean) @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(call(network, IMAGES), logits, rtol=1e-4, atol=1e-5)


def test_training_passes_end_where_evaluation_agrees_with_them(network):
    """Running statistics approach those of a batch that is seen again and again."""
    outputs, once = train(network, IMAGES)
    state = network
    for _ in range(150):
        _, state = train(state, IMAGES)
    assert not np.allclose(call(once, IMAGES), outputs, rtol=1e-2)
    deep = state.params["layer4_0"]["bn2"]
    # what is kept is unbiased: 12 values to a channel
    np.testing.assert_allclose(
        train(state, IMAGES)[1].params["layer4_0"]["bn2"]["running_var"],
        deep["running_var"],
        rtol=1e-4,
    )
    wide = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * _biased(path), state.params
    )
    np.testing.assert_allclose(
        call(Network(wide, TINY), IMAGES), outputs, rtol=1e-3, atol=1e-4
    )


def _biased(path):
    """From unbiased to biased variances, by the pixels that each layer normalises."""
    layer, inner = path[0].key, path[1].key if len(path) > 2 else ""
    if path[-1].key != "running_var":
        return 1.0
    stage = int(layer[5]) if layer.startswith("layer") else 0
    # a bottleneck's first convolution still sees the map of the stage before
    side = [17, 9, 5, 3, 2][stage - (stage > 1 and inner == "bn1")]
    count = 3 * side**2
    return (count - 1) / count
