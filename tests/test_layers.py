"""PyTorch's layers against closed forms."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.networks.base import STATISTICS, Network, trainable, updated
from jaxlatent.networks.layers import (
    BatchNorm,
    adaptive_mean,
    conv,
    dense,
    max_pool,
)

RNG = np.random.default_rng(0)
MAP = RNG.normal(size=(2, 5, 4, 3)).astype(np.float32)
NORM = {
    "scale": np.float32([1.0, 2.0, 0.5]),
    "bias": np.float32([0.1, 0.0, -1.0]),
    "running_mean": np.float32([0.3, -0.2, 0.0]),
    "running_var": np.float32([1.5, 0.5, 2.0]),
}


def normalised(x, mean, var):
    return (x - mean) / np.sqrt(var + 1e-5) * NORM["scale"] + NORM["bias"]


def test_batch_norm_by_running_statistics():
    found = BatchNorm().apply({"params": NORM}, MAP)
    expected = normalised(MAP, NORM["running_mean"], NORM["running_var"])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_batch_norm_in_training():
    """The variance that normalises is biased, the one that is kept is not."""
    found, changed = BatchNorm().apply(
        {"params": NORM}, MAP, train=True, mutable=[STATISTICS]
    )
    mean, var = MAP.mean((0, 1, 2)), MAP.var((0, 1, 2))
    np.testing.assert_allclose(found, normalised(MAP, mean, var), rtol=1e-4, atol=1e-5)
    kept = changed[STATISTICS]
    np.testing.assert_allclose(
        kept["running_mean"], 0.9 * NORM["running_mean"] + 0.1 * mean, atol=1e-6
    )
    unbiased = var * 40 / 39
    np.testing.assert_allclose(
        kept["running_var"], 0.9 * NORM["running_var"] + 0.1 * unbiased, atol=1e-6
    )


def test_a_training_pass_returns_the_network_with_its_statistics():
    network = Network({k: jnp.asarray(v) for k, v in NORM.items()}, BatchNorm())
    x = jnp.asarray(MAP)
    _, after = network.train(x)
    changed = {k for k in NORM if not np.array_equal(after.params[k], NORM[k])}
    assert changed == {"running_mean", "running_var"}
    assert trainable(network.params) == {
        "scale": True,
        "bias": True,
        "running_mean": False,
        "running_var": False,
    }

    def drift(x):
        _, after = network.train(x)
        return after.params["running_var"].sum()

    np.testing.assert_array_equal(jax.grad(drift)(x), 0)


def test_statistics_replace_their_namesakes_alone():
    params = {"a": {"scale": 1, "running_mean": 2}, "b": {"kernel": 3}}
    found = updated(params, {"a": {"running_mean": 5}})
    assert found == {"a": {"scale": 1, "running_mean": 5}, "b": {"kernel": 3}}
    assert params["a"]["running_mean"] == 2


def pooled(x, size, strides, padding, ceil):
    """Maxima of every window that begins inside the map, by definition."""
    wide = np.pad(
        x, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)), constant_values=-np.inf
    )

    def starts(side):
        last = side + 2 * padding - (1 if ceil else size)
        found = list(range(0, last + 1, strides))
        # with ceil a window counts only if an earlier one does not reach the edge
        reach = [i for i in found if i == 0 or i - strides + size < side + 2 * padding]
        return reach if ceil else found

    rows, columns = (starts(side) for side in x.shape[1:3])
    return np.stack(
        [
            np.stack([wide[:, r : r + size, c : c + size].max((1, 2)) for c in columns])
            for r in rows
        ]
    ).transpose(2, 0, 1, 3)


@pytest.mark.parametrize(
    ("side", "size", "strides", "padding", "ceil"),
    [
        (5, 2, 2, 0, False),
        (6, 3, 2, 1, False),
        (7, 3, 2, 0, True),
        (8, 3, 2, 0, True),
        (8, 3, 2, 0, False),
    ],
)
def test_pooling(side, size, strides, padding, ceil):
    x = RNG.normal(size=(1, side, side + 1, 2)).astype(np.float32) - 5
    found = max_pool(jnp.asarray(x), size, strides, padding=padding, ceil=ceil)
    np.testing.assert_array_equal(found, pooled(x, size, strides, padding, ceil))


def test_a_map_smaller_than_a_window_is_refused():
    with pytest.raises(ValueError, match="images: too small; 2 x 5 pixels are left"):
        max_pool(jnp.zeros((1, 2, 5, 1)), 3, 2)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(14, 9, 7), (2, 5, 3), (7, 1, 7)]
)
def test_adaptive_means(height, width, size):
    x = RNG.normal(size=(2, height, width, 3)).astype(np.float32)
    found = adaptive_mean(jnp.asarray(x), size)
    for i in range(size):
        for j in range(size):
            rows = slice(i * height // size, -(-(i + 1) * height // size))
            columns = slice(j * width // size, -(-(j + 1) * width // size))
            np.testing.assert_allclose(
                found[:, i, j], x[:, rows, columns].mean((1, 2)), atol=1e-6
            )


class Layers(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = conv(x, 4, 3, "conv", groups=2)
        return dense(x.mean((1, 2)), 500, "dense")


def test_fresh_weights_are_uniform_within_the_fan_in():
    init = jax.jit(lambda key: Network.init(key, Layers(), jnp.zeros((1, 3, 3, 4))))
    params = init(jax.random.key(0)).params
    for layer, fan_in in (("conv", 18), ("dense", 4)):
        for leaf in params[layer].values():
            assert float(jnp.abs(leaf).max()) <= fan_in**-0.5
    bias = params["dense"]["bias"]
    assert float(bias.min()) < -0.48
    assert float(bias.max()) > 0.48
