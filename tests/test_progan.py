"""ProGAN from every checkpoint layout, against the original implementations."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, compilations, drawn, error, golden, nhwc

import converters
from jaxlatent.generators import progan
from jaxlatent.generators.base import Generator
from jaxlatent.types import Noise

NAMES = (
    "genforce_pggan_a",
    "interfacegan_pggan_a",
    "proggan_voynov_a",
    "proggan_netdissect_a",
)
FLOAT32, FLOAT64 = 2e-5, 1e-10

draw = jax.jit(lambda generator, z, label=None: generator.synthesize(z, label))


def load(name, **options):
    return converters.load(GOLDEN / f"{name}.pth", **options)


def codes_of(arrays, dtype=np.float32):
    """InterFaceGAN scales its codes before the network sees them."""
    z = arrays.get("z_preprocessed", arrays["z"])
    return jnp.asarray(z.reshape(len(z), -1), dtype)


def our_name(name, theirs):
    number = theirs.rpartition(".")[2].removeprefix("layer")
    if not number.isdigit():
        return "output3"
    return f"layer{int(number) - (name == 'proggan_netdissect_a')}"


@pytest.mark.parametrize("name", NAMES)
def test_images_and_features(name):
    arrays, generator = golden(name), load(name)
    recorded = [key.removeprefix("feat0/") for key in arrays if "feat0/" in key]
    names = {f"feat0/{theirs}": our_name(name, theirs) for theirs in recorded}
    names |= {"img": "image"}
    found = jax.jit(lambda g, z: g.features(z, names=names.values()))(
        generator, codes_of(arrays)
    )
    for key, ours in names.items():
        expected = nhwc(arrays[key])
        assert error(found[ours][: len(expected)], expected) <= FLOAT32, key
    counts = {"interfacegan_pggan_a": 0, "proggan_voynov_a": 8}
    assert len(recorded) == counts.get(name, 9)


@pytest.mark.parametrize("name", NAMES)
def test_float64(name):
    arrays = golden(name)
    with jax.enable_x64(True):
        generator = load(name, dtype=jnp.float64)
        image = draw(generator, codes_of(arrays, np.float64)[:1])
        assert error(image, nhwc(arrays["img_f64"])) <= FLOAT64


def test_a_level_of_detail():
    arrays = golden("genforce_pggan_a")
    generator = load("genforce_pggan_a", config={"lod": 1.0})
    image = draw(generator, codes_of(arrays)[:1])
    assert error(image, nhwc(arrays["img_lod1"])) <= FLOAT32
    assert "layer6" not in generator.params


def tiny(*, seed=0, **changes):
    """A small generator with random weights."""
    values = {"resolution": 8, "channels": (4, 3), "z_dim": 5} | changes
    config = progan.Config(**values)
    params = drawn(lambda key: progan.init(key, config), seed, scale=1.0)
    return Generator(params, config)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_the_first_layer_by_hand():
    generator, z = tiny(), normal(1, 2, 5)
    kernel = np.asarray(generator.params["layer0"]["weight"])
    x = np.asarray(z) / np.sqrt(np.square(z).mean(axis=1, keepdims=True))
    # a pixel with a border of three meets the kernel's last tap first
    y = np.einsum("nd,hwdc->nhwc", x, kernel[::-1, ::-1]) * np.sqrt(2 / (16 * 5))
    y = y + np.asarray(generator.params["layer0"]["bias"])
    found = jax.jit(lambda z: generator.features(z, names=["layer0"]))(z)["layer0"]
    assert error(found, np.where(y > 0, y, 0.2 * y)) <= 1e-5


def test_the_affine_map_is_that_of_the_first_layer():
    generator = tiny(label_dim=2)
    (affine,) = generator.affines()
    assert (affine.name, affine.layer, affine.chunk) == ("layer0", 0, None)
    kernel = generator.params["layer0"]["weight"]
    assert affine.matrix.shape == (5, 16 * 4)
    for row, column in np.ndindex(4, 4):
        start = 4 * (4 * row + column)
        tap = kernel[3 - row, 3 - column, :5]
        assert bool(jnp.all(affine.matrix[:, start : start + 4] == tap))


def test_the_length_of_a_code_does_not_matter():
    generator, z = tiny(), normal(1, 2, 5)
    assert error(draw(generator, 7 * z), np.asarray(draw(generator, z))) <= 1e-5


def test_labels_join_the_normalised_codes():
    generator, z = tiny(label_dim=2), normal(1, 2, 5)
    labels = jnp.asarray([1, 0])
    onehot = generator.embed(labels)
    assert onehot.tolist() == [[0, 1], [1, 0]]
    # the same network, told that the label is a part of z
    config = dataclasses.replace(
        generator.config, z_dim=7, label_dim=0, normalize_z=False
    )
    scaled = z / jnp.sqrt(jnp.mean(z**2, axis=1, keepdims=True))
    joined = jnp.concatenate([scaled, onehot], axis=1)
    expected = draw(Generator(generator.params, config), joined)
    assert error(draw(generator, z, labels), np.asarray(expected)) <= 1e-6
    raw = dataclasses.replace(generator.config, normalize_z=False)
    other = draw(Generator(generator.params, raw), z, labels)
    assert not np.allclose(other, expected, atol=1e-2)
    assert generator.map(z, labels) is z


def test_final_tanh_bounds_the_image():
    z = normal(1, 2, 5)
    expected = jnp.tanh(draw(tiny(), z))
    assert error(draw(tiny(final_tanh=True), z), np.asarray(expected)) <= 1e-6


def test_features_stop_after_the_last_one():
    generator = tiny()
    with compilations():
        jaxpr = jax.make_jaxpr(lambda z: generator.features(z, names=["layer1"]))(
            jnp.ones((1, 5))
        )
    assert str(jaxpr).count("conv_general_dilated") == 1
    assert generator.feature_names == (
        *("layer0", "layer1", "layer2", "layer3"),
        *("output1", "image"),
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.synthesize(jnp.zeros((2, 3))), r"latent: shape \(2, 3\) given"),
        (lambda g: g.synthesize(jnp.zeros((2, 4, 5))), r"latent: shape \(2, 4, 5\)"),
        (lambda g: g.synthesize(jnp.zeros((2, 5)), jnp.zeros(2, int)), "label: given"),
        (lambda g: g.map(jnp.zeros((2, 5)), jnp.zeros(2, int)), "label: given"),
        (lambda g: g.embed(jnp.zeros(2, int)), "label: given"),
        (lambda g: g.broadcast(jnp.zeros((2, 5))), r"latent: .* no w\+"),
        (lambda g: g.truncate(jnp.zeros((2, 5)), 0.5), "psi: given"),
        (lambda g: g.sample(jax.random.key(0), 1, truncation=0.5), "truncation"),
        (
            lambda g: g.synthesize(jnp.zeros((2, 5)), noise=jax.random.key(0)),
            "noise: given",
        ),
        (
            lambda g: tiny(label_dim=2).synthesize(jnp.zeros((2, 5)), noise=Noise.NONE),
            "label: missing",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny())
