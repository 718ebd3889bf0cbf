"""StyleGAN (1) from every checkpoint layout, against the original implementations."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, compilations, drawn, error, golden, nhwc

import converters
from jaxlatent.generators import stylegan
from jaxlatent.generators.base import Generator
from jaxlatent.types import Noise

NAMES = ("genforce_stylegan_a", "interfacegan_stylegan_a")
FEATURES = (*(f"layer{index}" for index in range(8)), "output3", "image")
FLOAT32, FLOAT64 = 2e-5, 1e-10


@jax.jit
def draw(generator, latent, noise=Noise.FIXED):
    return generator.synthesize(latent, noise=noise)


show = jax.jit(
    lambda generator, w: generator.features(w, names=generator.feature_names)
)
to_w = jax.jit(lambda generator, z, label=None: generator.map(z, label))


def load(name, **options):
    return converters.load(GOLDEN / f"{name}.pth", **options)


def latents_of(name, generator, arrays, dtype=np.float32):
    """w, and the w+ that the recorded images were drawn from."""
    z = arrays.get("z_preprocessed", arrays["z"])
    w = to_w(generator, jnp.asarray(z, dtype))
    if name == "genforce_stylegan_a":
        return w, generator.broadcast(w)
    # that repository truncates by default, by a psi kept in single precision
    return w, generator.truncate(w, float(np.float32(0.7)), 4)


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    """(name, generator, recorded arrays)."""
    return request.param, load(request.param), golden(request.param)


def test_mapping_and_images(case):
    name, generator, arrays = case
    w, latent = latents_of(name, generator, arrays)
    assert error(w, arrays["w"]) <= FLOAT32
    image = show(generator, latent)["image"]
    assert error(image, nhwc(arrays.get("img_const", arrays.get("img")))) <= FLOAT32
    if "wp" in arrays:
        assert error(latent, arrays["wp"]) <= FLOAT32


def test_w_plus(case):
    _, generator, arrays = case
    image = show(generator, jnp.asarray(arrays["ws_plus"]))["image"]
    assert error(image[:1], nhwc(arrays["img_wplus"])) <= FLOAT32


def test_styles(case):
    name, generator, arrays = case
    _, latent = latents_of(name, generator, arrays)
    styles = generator.styles(latent)
    for layer in stylegan.layers(generator.config):
        expected = arrays[f"style/style{layer.index:02d}"]
        assert error(styles[layer.name], expected) <= FLOAT32


def test_synthesis_from_styles_equals_synthesis_from_w():
    generator, w = tiny(), normal(1, 2, 6)
    image = draw(generator, generator.styles(w))
    assert error(image, np.asarray(draw(generator, w))) <= 1e-6


def test_features():
    arrays, generator = golden(NAMES[0]), load(NAMES[0])
    recorded = {key.removeprefix("feat0/") for key in arrays if "feat0/" in key}
    assert recorded == set(FEATURES) - {"image"}
    _, latent = latents_of(NAMES[0], generator, arrays)
    found = show(generator, latent)
    for name in recorded:
        expected = nhwc(arrays[f"feat0/{name}"])
        assert error(found[name][:1], expected) <= FLOAT32, name


def test_float64(case):
    name, _, arrays = case
    with jax.enable_x64(True):
        generator = load(name, dtype=jnp.float64)
        w, latent = latents_of(name, generator, arrays, np.float64)
        key = "img_const_f64" if "img_const_f64" in arrays else "img_f64"
        assert error(draw(generator, latent[:1]), nhwc(arrays[key])) <= FLOAT64
        if "w_f64" in arrays:
            assert error(w, arrays["w_f64"]) <= FLOAT64


@pytest.mark.parametrize(
    ("key", "psi", "cutoff"),
    [("img_psi0p7_layers4", 0.7, 4), ("img_psi0p5_all", 0.5, None)],
)
def test_truncation(key, psi, cutoff):
    arrays, generator = golden(NAMES[0]), load(NAMES[0])
    w = to_w(generator, jnp.asarray(arrays["z"]))
    latent = generator.truncate(w, psi, cutoff)
    if cutoff is not None:
        assert error(latent, arrays["wp_psi0p7_layers4"]) <= FLOAT32
    image = show(generator, latent)["image"]
    assert error(image[:1], nhwc(arrays[key])) <= FLOAT32


def test_a_level_of_detail():
    arrays = golden(NAMES[0])
    generator = load(NAMES[0], config={"lod": 0.4})
    latent = generator.broadcast(to_w(generator, jnp.asarray(arrays["z"])))
    image = draw(generator, latent[:1])
    assert error(image, nhwc(arrays["img_lod0p4"])) <= FLOAT32
    early = jax.eval_shape(
        lambda: stylegan.init(
            jax.random.key(0), dataclasses.replace(generator.config, lod=1.0)
        )
    )
    assert "layer6" not in early["synthesis"]
    assert "output3" not in early["synthesis"]


def tiny(*, seed=0, **changes):
    """A small generator with random weights, those of the noise among them."""
    values = {
        "resolution": 8,
        "channels": (4, 3),
        "z_dim": 5,
        "w_dim": 6,
        "mapping_layers": 2,
        "mapping_width": 7,
        "mapping_rate": 0.5,
    } | changes
    config = stylegan.Config(**values)
    params = drawn(lambda key: stylegan.init(key, config), seed, scale=1.0)
    return Generator(params, config)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_a_joint_label_by_hand():
    generator, z = tiny(label_dim=3), normal(1, 2, 5)
    mapping = jax.tree.map(np.asarray, generator.params["mapping"])
    x = np.concatenate([z, mapping["label_weight"][[2, 0]]], axis=1)
    x = x / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + 1e-8)
    for index in range(2):
        entry = mapping[f"dense{index}"]
        weight = entry["weight"] * np.sqrt(2) * 0.5 / np.sqrt(x.shape[1])
        x = x @ weight + entry["bias"] * 0.5
        x = np.where(x > 0, x, 0.2 * x)
    w = to_w(generator, z, jnp.asarray([2, 0]))
    assert error(w, x) <= 1e-5
    embedding = generator.embed(jnp.asarray([2, 0]))
    ready = jax.jit(stylegan.map, static_argnums=1)(
        generator.params, generator.config, z, embedding=embedding
    )
    assert error(ready, x) <= 1e-5
    with pytest.raises(ValueError, match="label: missing; this generator has 3"):
        generator.map(z)


def test_a_mapping_may_make_every_row():
    whole, z = tiny(repeat_w=False), normal(1, 2, 5)
    rows = to_w(whole, z)
    assert rows.shape == (2, 4, 6)
    # the same mapping, cut to one of its rows
    params = jax.tree.map(lambda leaf: leaf, whole.params)
    last = params["mapping"]["dense1"]
    params["mapping"]["dense1"] = jax.tree.map(lambda leaf: leaf[..., 6:12], last)
    mean = params["truncation"]["w_avg"]
    params["truncation"] = {"w_avg": mean[6:12]}
    row = to_w(Generator(params, tiny().config), z)
    assert error(rows[:, 1], np.asarray(row)) <= 1e-6
    assert bool(jnp.all(whole.broadcast(rows) == rows))
    cut = whole.truncate(rows, 0.0, 3)
    assert np.allclose(cut[:, :3], jnp.reshape(mean, (1, 4, 6))[:, :3], atol=1e-6)
    assert bool(jnp.all(cut[:, 3] == rows[:, 3]))


def test_a_layer_by_hand():
    generator, w = tiny(), normal(1, 1, 6)
    entry = jax.tree.map(np.asarray, generator.params["synthesis"]["layer0"])
    noise = entry["apply_noise"]
    x = entry["const"] + noise["noise"][..., None] * noise["weight"] + entry["bias"]
    x = np.where(x > 0, x, 0.2 * x)
    x = (x - x.mean(axis=(0, 1))) / np.sqrt(x.var(axis=(0, 1)) + 1e-8)
    weight, bias = entry["style"]["weight"], entry["style"]["bias"]
    scale, shift = np.split((np.asarray(w)[0] @ weight) / np.sqrt(6) + bias, 2)
    found = jax.jit(lambda w: generator.features(w, names=["layer0"]))(w)["layer0"]
    assert error(found[0], x * (1 + scale) + shift) <= 1e-5


def test_fused_kernels_are_turned_round():
    w = normal(1, 2, 6)
    fused, plain = tiny(fused_from=8), tiny()
    turned = jax.tree.map(lambda leaf: leaf, fused.params)
    layer = turned["synthesis"]["layer2"]
    layer["weight"] = layer["weight"][::-1, ::-1]
    expected = np.asarray(draw(Generator(turned, plain.config), w))
    assert error(draw(fused, w), expected) <= 1e-5
    assert not np.allclose(draw(plain, w), expected, atol=1e-2)
    assert [one.fused for one in stylegan.layers(fused.config)] == [0, 0, 1, 1]


def test_noise():
    generator, w = tiny(), normal(1, 2, 6)
    fixed = draw(generator, w)
    stored = {
        layer.name: generator.params["synthesis"][layer.name]["apply_noise"]["noise"]
        for layer in stylegan.layers(generator.config)
    }
    given = {name: noise[None] for name, noise in stored.items()}
    assert error(draw(generator, w, given), np.asarray(fixed)) <= 1e-6
    silent = draw(generator, w, Noise.NONE)
    zero = draw(generator, w, jax.tree.map(jnp.zeros_like, given))
    assert error(silent, np.asarray(zero)) <= 1e-6
    assert not np.allclose(silent, fixed, atol=1e-2)
    with pytest.raises(ValueError, match="noise: no map for layer layer0"):
        generator.synthesize(w, noise={})


def test_trainable_leaves_noise_maps_and_the_mean_out():
    mask = stylegan.trainable(tiny().params)
    layer = mask["synthesis"]["layer2"]
    assert layer["weight"]
    assert layer["apply_noise"] == {"weight": True, "noise": False}
    assert not mask["truncation"]["w_avg"]


def test_affines_are_the_style_layers():
    generator = tiny()
    affines = generator.affines()
    assert [affine.name for affine in affines] == [f"layer{i}" for i in range(4)]
    assert [affine.layer for affine in affines] == [0, 1, 2, 3]
    assert [affine.matrix.shape for affine in affines] == 2 * [(6, 8)] + 2 * [(6, 6)]
    assert not any(affine.rgb for affine in affines)


def test_final_tanh_bounds_the_image():
    w = normal(1, 2, 6)
    expected = jnp.tanh(draw(tiny(), w))
    assert error(draw(tiny(final_tanh=True), w), np.asarray(expected)) <= 1e-6


def test_features_stop_after_the_last_one():
    generator = tiny()
    with compilations():
        jaxpr = jax.make_jaxpr(lambda w: generator.features(w, names=["layer1"]))(
            jnp.ones((1, 6))
        )
    assert str(jaxpr).count("conv_general_dilated") == 1
    assert generator.feature_names[-3:] == ("layer3", "output1", "image")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.map(jnp.zeros((2, 3))), r"z: shape \(2, 3\) given; \[N, 5\]"),
        (lambda g: g.map(jnp.zeros((2, 5)), jnp.zeros(2, int)), "label: given"),
        (lambda g: g.synthesize(jnp.zeros((2, 3))), r"latent: shape \(2, 3\) given"),
        (lambda g: g.synthesize(jnp.zeros((2, 3, 6))), r"latent: shape \(2, 3, 6\)"),
        (lambda g: g.sample(jax.random.key(0), 1, truncation=0.5), "truncation"),
        (lambda g: g.features(jnp.zeros((2, 6)), names=["b4"]), r"names: \['b4'\]"),
        (lambda g: tiny(resolution=24), "resolution: 24 given for 2 entries"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny())
