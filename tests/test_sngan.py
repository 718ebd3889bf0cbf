"""SNGAN from GANLatentDiscovery's files, against the original implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, drawn, error, golden, nhwc

import converters
from converters.biggan import channels_last
from converters.checkpoints import Checkpoint
from converters.entries import entries
from converters.finding import candidates
from converters.loading import LAYOUTS, find_plan
from converters.plans import assemble
from jaxlatent.generators import sngan
from jaxlatent.generators.base import Generator
from jaxlatent.types import CheckpointError

FILE = GOLDEN / "sngan_a.pt"
FLOAT32, FLOAT64 = 2e-5, 1e-10

draw = jax.jit(lambda generator, z: generator.synthesize(z))


@pytest.fixture(scope="module")
def tensors():
    """What the file holds; not to be changed."""
    return converters.read(FILE).tensors


def built(tensors, **options):
    plan = find_plan(Checkpoint(tensors), part="generator", **options)
    return Generator(assemble(plan), plan.config), plan


def test_pictures_and_features():
    arrays, generator = golden("sngan_a"), converters.load(FILE)
    z = jnp.asarray(arrays["z"])
    assert error(draw(generator, z), nhwc(arrays["img"])) <= FLOAT32
    names = ("model.0", "model.2", "model.3", "model.4")
    assert generator.feature_names == (*names, "model.7", "image")
    found = jax.jit(lambda g, z: g.features(z, names=names))(generator, z)
    for name in names[1:]:
        expected = nhwc(arrays[f"feat0/{name}"])
        assert error(found[name][:1], expected) <= FLOAT32, name
    expected = channels_last(arrays["feat0/model.0"])
    assert error(found["model.0"][:1], expected, recording="sngan_a") <= FLOAT32


def test_pictures_of_the_methods_recordings():
    arrays = golden("sngan_generator_a")
    weights = {
        name.removeprefix("w/"): array
        for name, array in arrays.items()
        if name.startswith("w/")
    }
    generator, _ = built(weights)
    image = draw(generator, jnp.asarray(arrays["z"]))
    assert error(image, nhwc(arrays["eval/img"])) <= FLOAT32


def test_float64():
    arrays = golden("sngan_a")
    with jax.enable_x64(True):
        generator = converters.load(FILE, dtype=jnp.float64)
        image = draw(generator, jnp.asarray(arrays["z"], jnp.float64))
        assert error(image, nhwc(arrays["img_f64"])) <= FLOAT64


def test_what_the_file_tells(tensors):
    generator, plan = built(tensors)
    config = generator.config
    assert config == sngan.Config((12, 12, 12, 12), z_dim=16, image_channels=1)
    assert (config.resolution, plan.assumed) == (32, {"bn_eps": 1e-5})
    shapes = jax.eval_shape(lambda: sngan.init(jax.random.key(0), config))
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, generator.params)
    _, changed = built(tensors, config={"bn_eps": 1e-3})
    assert (changed.config.bn_eps, changed.assumed) == (1e-3, {})


def test_doubles_may_be_missing_and_must_agree(tensors):
    known, _ = built(tensors)
    alone = {k: v for k, v in tensors.items() if ".conv1." not in k}
    found, _ = built(alone)
    assert jax.tree.all(jax.tree.map(np.array_equal, found.params, known.params))
    other = dict(tensors) | {"model.2.conv1.bias": np.zeros(12, np.float32)}
    with pytest.raises(
        CheckpointError, match=r"model\.2\.conv1\.bias and model\.2\.mo"
    ):
        find_plan(Checkpoint(other), part="generator")


def tiny(**changes):
    values = {"channels": (4, 3, 2), "z_dim": 5, "image_channels": 1} | changes
    config = sngan.Config(**values)
    return Generator(drawn(lambda key: sngan.init(key, config), 0), config)


def test_a_bypass_stands_where_widths_differ():
    config = sngan.Config((4, 4, 2), z_dim=5)
    model = jax.eval_shape(lambda: sngan.init(jax.random.key(0), config))["model"]
    assert "bypass" not in model["2"]
    assert model["3"]["bypass"]["1"]["weight"].shape == (3, 3, 4, 2)
    assert (model["4"]["weight"].shape, model["6"]["bias"].shape) == ((2,), (3,))


def test_a_block_by_hand():
    """Weights that pass the middle pixel on: both ways add up the first channel."""
    generator = tiny(channels=(2, 1))
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, "f"), generator.params)
    block = params["model"]["2"]
    for norm in (block["model"]["0"], block["model"]["4"]):
        norm["weight"] += 1
        norm["running_var"] += 1
    for entry in (block["model"]["3"], block["model"]["6"], block["bypass"]["1"]):
        entry["weight"][1, 1, 0] = 1
    params["model"]["0"]["weight"][0, ::2] = np.arange(16)
    found = jax.jit(
        lambda p, z: Generator(p, generator.config).features(z, names=("model.2",))
    )(params, jnp.asarray([[1.0, 0, 0, 0, 0], [-1.0, 0, 0, 0, 0]]))["model.2"]
    counted = np.arange(16.0).reshape(4, 4).repeat(2, axis=0).repeat(2, axis=1)
    assert error(found[0, :, :, 0], counted * (1 + 1 / (1 + 1e-5))) <= 1e-6
    assert error(found[1, :, :, 0], -counted) <= 1e-6


def test_families_are_told_apart():
    files = {
        "ajbrock_biggan_a.pth": "biggan",
        "ganalyze_biggan_a.pth": "biggan",
        "ajbrock_biggan_d.pth": "biggan_deep",
        "hf_biggan_deep_a/pytorch_model.bin": "biggan_deep",
        "sngan_a.pt": "sngan",
        "rosinality_stylegan2_a.pt": "stylegan2",
        "genforce_stylegan2_a.pth": "stylegan2",
    }
    for name, family in files.items():
        content = converters.read(GOLDEN / name).tensors
        claimed = [
            known
            for known, modules in LAYOUTS.items()
            for module in modules
            if any(
                one.fits
                for one in candidates(
                    entries(Checkpoint(content)), (module,), "generator"
                )
            )
        ]
        assert claimed == [family], name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.synthesize(jnp.ones((2, 4))), r"latent: shape \(2, 4\) given"),
        (lambda g: g.synthesize(jnp.ones((2, 5)), jnp.asarray([0, 0])), "label: given"),
        (lambda g: g.sample(jax.random.key(0), 1, truncation=0.5), "truncation: given"),
        (lambda g: tiny(channels=(4,)), r"channels: \(4,\) given; two widths"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny())


def test_trainable_leaves_statistics_out():
    norm = sngan.trainable(tiny().params)["model"]["4"]
    wanted = {"weight": True, "bias": True, "running_mean": False, "running_var": False}
    assert norm == wanted
