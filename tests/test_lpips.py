import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden, nhwc, recipe
from writer import torch_zip

import converters
from converters import lpips as converter
from converters.checkpoints import Checkpoint
from converters.plans import assemble
from jaxlatent.networks.alexnet import AlexNet
from jaxlatent.networks.lpips import CHANNELS, TAPS, Lpips, unit
from jaxlatent.types import CheckpointError

NETS = ("alex", "vgg", "squeeze")


@functools.partial(jax.jit, static_argnames="version")
def everything(params, x, y, version):
    """The distance and its map, by one compiled function."""
    return (
        Lpips(params, version)(x, y),
        Lpips(params, version).map(x, y),
    )


@functools.cache
def trunk(net):
    return recipe(golden(f"lpips_{net}_a"))


@functools.cache
def pair(net):
    case = golden(f"lpips_{'alex' if net == 'vgg' else net}_a")
    return tuple(jnp.asarray(nhwc(case[key])) for key in ("in0", "in1"))


def drawn_heads(net):
    """A file of heads as the releases have them, with weights of no release."""
    rng = np.random.default_rng(0)
    return {
        f"lin{index}.model.1.weight": rng.uniform(0, 1, (1, width, 1, 1)).astype("f4")
        for index, width in enumerate(CHANNELS[net])
    }


@functools.cache
def params(net):
    files = Checkpoint(drawn_heads(net)), Checkpoint(trunk(net))
    return assemble(converter.plan(*files))


def enlarged(values, size):
    """Bilinear, pixel centres at halves, edges repeated: [h, w] -> [size, size]."""
    for _ in range(2):
        old = np.arange(len(values)) + 0.5
        new = (np.arange(size) + 0.5) * len(values) / size
        values = np.stack([np.interp(new, old, column) for column in values.T])
    return values


@pytest.mark.parametrize("net", NETS)
def test_recordings_without_heads(net):
    headless = {"trunk": params(net)["trunk"]}
    total, _ = everything(headless, *pair(net), "0.1")
    expected = golden(f"lpips_{net}_a")["d_baseline_nolin"][:, 0, 0, 0]
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert error(total, expected) <= 1e-5
    # maps of zeros have no direction
    if net == "alex":
        nothing = jax.tree.map(jnp.zeros_like, headless)
        np.testing.assert_array_equal(everything(nothing, *pair(net), "0.1")[0], 0)


@pytest.mark.parametrize("version", ["0.1", "0.0"])
def test_heads_weigh_the_channels_of_every_tap(version):
    x, y = pair("alex")
    heads = list(drawn_heads("alex").values())
    shift, scale = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
    if version == "0.0":
        shift, scale = (0, 0, 0), (1, 1, 1)
    seen = (jnp.concatenate([x, y]) - jnp.asarray(shift)[None, None, None]) / (
        jnp.asarray(scale)[None, None, None]
    )
    module = AlexNet(outputs=None, mean=None)
    taps = jax.jit(
        lambda weights, seen: module.apply(
            {"params": weights}, seen, names=TAPS["alex"]
        )
    )(params("alex")["trunk"], seen)
    total, pixels = 0, 0
    for name, head in zip(TAPS["alex"], heads, strict=True):
        units = np.asarray(taps[name], np.float64)
        units = units / (np.linalg.norm(units, axis=-1, keepdims=True) + 1e-10)
        term = (units[0] - units[1]) ** 2 @ head[0, :, 0, 0]
        total, pixels = total + term.mean(), pixels + enlarged(term, x.shape[1])
    ours, ours_by_pixel = everything(params("alex"), x, y, version)
    np.testing.assert_allclose(ours, [total], rtol=1e-5)
    np.testing.assert_allclose(ours_by_pixel[0], pixels, rtol=1e-4, atol=1e-5)


def test_a_picture_is_like_itself():
    x, _ = pair("alex")
    total, pixels = everything(params("alex"), x, x, "0.1")
    assert total == 0
    np.testing.assert_array_equal(pixels, 0)


def test_vectors_of_length_one():
    x = jnp.asarray([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(unit(x), [[0.6, 0.8], [0, 0]], rtol=1e-6)
    slope = jax.grad(lambda x: unit(x)[:, 0].sum())(x)
    # (1 - 0.6 ** 2) / 5 and -0.6 * 0.8 / 5
    np.testing.assert_allclose(slope[0], [0.128, -0.096], rtol=1e-5)
    assert jnp.isfinite(slope).all()


def test_a_whole_module_is_one_file(tmp_path):
    heads = drawn_heads("alex")
    whole = {k.replace("features.", "net.slice1."): v for k, v in trunk("alex").items()}
    whole |= heads | {k.replace("lin", "lins."): v for k, v in heads.items()}
    whole["scaling_layer.shift"] = np.zeros((1, 3, 1, 1), np.float32)
    path = tmp_path / "whole.pth"
    path.write_bytes(torch_zip(whole))
    found = converters.load_lpips(path)
    jax.tree.map(np.testing.assert_array_equal, found.params, params("alex"))
    assert (found.version, converters.load_lpips(path, version="0.0").version) == (
        "0.1",
        "0.0",
    )


def test_every_misfit_of_both_files_is_in_one_error():
    heads = drawn_heads("alex")
    changed = dict(trunk("alex")) | {"odd": np.ones(1, np.float32)}
    del changed["features.3.bias"]
    heads["lin1.model.1.weight"] = heads["lin1.model.1.weight"][:, :4]
    with pytest.raises(CheckpointError) as caught:
        assemble(converter.plan(Checkpoint(heads), Checkpoint(changed)))
    for words in (
        "missing (1): features.3.bias",
        "extra (1): odd",
        "lin1.model.1.weight is (1, 4, 1, 1), not (1, 192, 1, 1)",
    ):
        assert words in str(caught.value)
    with pytest.raises(CheckpointError, match="no heads of LPIPS in this file; alex"):
        converter.plan(Checkpoint(trunk("alex")))


def test_what_does_not_fit_is_named():
    x, _ = pair("alex")
    with pytest.raises(ValueError, match=r"version: '0.2' given; one of \('0.1', '0"):
        Lpips(params("alex"), "0.2")(x, x)
    with pytest.raises(ValueError, match=r"y: shape \(1, 32, 64, 3\) given; that of x"):
        Lpips(params("alex"))(x, x[:, :32])
