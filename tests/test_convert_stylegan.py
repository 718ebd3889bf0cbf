"""Generators of the style-based families, as further repositories store them.

Each recording holds the tensors of the original's own class beside what it drew.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden, nhwc

from converters.checkpoints import Checkpoint
from converters.entries import Entry
from converters.loading import LAYOUTS, find_plan
from converters.plans import assemble, compare
from jaxlatent.generators.base import Generator
from jaxlatent.types import CheckpointError, Noise

TOLERANCE = 2e-5

# recording -> family, format, what the file does not tell
FILES = {
    "higan_stylegan_a": (
        "stylegan",
        "HiGAN and idinvert",
        {"mapping_rate": 0.01, "final_tanh": False},
    ),
    "idinvert_stylegan_a": (
        "stylegan",
        "HiGAN and idinvert",
        {"mapping_rate": 0.01, "final_tanh": True},
    ),
    "ganspace_stylegan_a": (
        "stylegan",
        "lernapparat and GANSpace",
        {
            "mapping_rate": 0.01,
            "final_tanh": False,
            "norm_epsilon": 1e-5,
            "w_avg": "mean of 4096 mapped codes",
            "noise": "drawn from a standard normal",
        },
    ),
    "higan_stylegan2_a": ("stylegan2", "HiGAN", {"mapping_rate": 0.01}),
    "higan_pggan_a": ("progan", "InterFaceGAN", {}),
}

draw = jax.jit(
    lambda generator, latent, noise=Noise.FIXED: generator.synthesize(
        latent, noise=noise
    )
)
to_w = jax.jit(lambda generator, z, label=None: generator.map(z, label))


def state_of(arrays):
    return {
        name.removeprefix("param/"): value
        for name, value in arrays.items()
        if name.startswith("param/")
    }


def built(state, **options):
    plan = find_plan(Checkpoint(state), part="generator", **options)
    return Generator(assemble(plan), plan.config)


@pytest.mark.parametrize("name", FILES)
def test_files_are_told_apart(name):
    state = state_of(golden(name))
    claims = {
        module.__name__: plan
        for modules in LAYOUTS.values()
        for module in modules
        if (plan := module.plan(Entry(state), part="generator", config=None))
    }
    assert len(claims) == 1
    (plan,) = claims.values()
    family, layout, assumed = FILES[name]
    assert (plan.family, plan.format, plan.assumed) == (family, layout, assumed)
    assert not compare(plan)


@pytest.mark.parametrize("name", FILES)
def test_any_tensor_may_be_the_missing_one(name):
    """The sizes are then read off others, so that nothing else looks wrong."""
    state = state_of(golden(name))
    plan = find_plan(Checkpoint(state), part="generator")
    needed = {source.name for source in plan.sources.values()} | set(plan.read)
    signs = {
        "synthesis.layer0.const",
        "g_synthesis.blocks.4x4.const",
        "synthesis.early_layer.const",
        "layer0.conv.weight",
        # without it z is taken for longer
        "mapping.label_weight",
    }
    for lost in sorted(needed - signs):
        less = {key: value for key, value in state.items() if key != lost}
        try:
            message = str(compare(find_plan(Checkpoint(less), part="generator")))
        except CheckpointError as error:
            message = str(error)
        # a fused layer that lacks its kernel is taken for one that is not fused
        if name == "higan_stylegan_a":
            lost = lost.replace("layer2.weight", "layer2.conv.weight")
        assert message == f"missing (1): {lost}"


@pytest.mark.parametrize("name", ["higan_stylegan_a", "higan_stylegan2_a"])
def test_pictures(name):
    arrays = golden(name)
    generator = built(state_of(arrays))
    w = to_w(generator, arrays["z"])
    assert error(w, arrays["w"]) <= TOLERANCE
    latent = generator.truncate(w, 0.5 if "stylegan2" in name else 0.7, 3)
    assert error(latent, arrays["wp"]) <= TOLERANCE
    assert error(draw(generator, latent), nhwc(arrays["img"])) <= TOLERANCE


def test_a_level_of_detail_switches():
    arrays = golden("higan_stylegan_a")
    state = state_of(arrays) | {"synthesis.lod": np.asarray(0.5, np.float32)}
    generator = built(state)
    assert generator.config.lod == 1
    image = draw(generator, jnp.asarray(arrays["wp"]))
    assert error(image, nhwc(arrays["img_lod"])) <= TOLERANCE


def test_in_double_precision():
    arrays = golden("higan_stylegan_a")
    with jax.enable_x64(True):
        plan = find_plan(Checkpoint(state_of(arrays)), part="generator")
        generator = Generator(assemble(plan, jnp.float64), plan.config)
        w = generator.map(jnp.asarray(arrays["z"], jnp.float64))
        latent = generator.truncate(w, float(np.float32(0.7)), 3)
        assert error(draw(generator, latent), nhwc(arrays["img_f64"])) <= 1e-10


def test_a_mapping_that_makes_every_row_of_a_labelled_code():
    arrays = golden("idinvert_stylegan_a")
    generator = built(state_of(arrays))
    w = to_w(generator, arrays["z"], jnp.asarray(arrays["label"]))
    assert error(w.reshape(2, -1), arrays["w"]) <= TOLERANCE
    # one mean for all rows
    latent = generator.truncate(w, 0.7, 3)
    assert error(latent, arrays["wp"]) <= TOLERANCE
    assert error(draw(generator, latent), nhwc(arrays["img"])) <= TOLERANCE
    plain = built(state_of(arrays), config={"final_tanh": False})
    assert error(np.tanh(draw(plain, latent)), nhwc(arrays["img"])) <= TOLERANCE


def test_a_progressive_generator():
    arrays = golden("higan_pggan_a")
    generator = built(state_of(arrays))
    assert generator.config.fused_scale
    assert error(draw(generator, arrays["z"]), nhwc(arrays["img"])) <= TOLERANCE


# ganspace


def test_ganspace_with_the_noise_of_the_recording():
    arrays = golden("ganspace_stylegan_a")
    generator = built(state_of(arrays))
    noise = {
        name.removeprefix("noise/"): jnp.asarray(value)
        for name, value in arrays.items()
        if name.startswith("noise/")
    }
    w = to_w(generator, arrays["z"])
    assert error(w, arrays["w"]) <= TOLERANCE
    assert error(draw(generator, w, noise), nhwc(arrays["img"])) <= TOLERANCE
    image = draw(generator, jnp.asarray(arrays["wp"]), noise)
    assert error(image, nhwc(arrays["img_wp"])) <= TOLERANCE
    trained = built(state_of(arrays), config={"norm_epsilon": 1e-8})
    assert 0 < error(draw(trained, w, noise), np.array(nhwc(arrays["img"]))) < 1e-2


def test_ganspace_files_lack_noise_and_as_a_rule_a_mean():
    state = state_of(golden("ganspace_stylegan_a"))
    generator = built(state)
    for index in range(6):
        layer = generator.params["synthesis"][f"layer{index}"]["apply_noise"]
        side = 4 << index // 2
        assert layer["noise"].shape == (side, side)
        assert 0.3 < float(jnp.std(layer["noise"])) < 1.5
    mean = generator.params["truncation"]["w_avg"]
    codes = to_w(generator, generator.sample(jax.random.key(5), 4000))
    assert error(jnp.mean(codes, axis=0), np.asarray(mean)) < 0.2
    stored = np.arange(6, dtype=np.float32)
    whole = state | {"truncation.avg_latent": stored}
    plan = find_plan(Checkpoint(whole), part="generator")
    assert "w_avg" not in plan.assumed
    given = Generator(assemble(plan), plan.config)
    assert np.array_equal(given.truncate(codes[:1], 0.0)[0, 0], stored)


def test_ganspace_images_of_other_levels_are_not_stored():
    state = state_of(golden("ganspace_stylegan_a"))
    with pytest.raises(CheckpointError, match=r"missing \(2\): synthesis\.output1"):
        built(state, config={"lod": 1.0})


# means of w

ROWS = np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)


@pytest.mark.parametrize("shape", [(6, 6), (36,), (1, 6, 6), (1, 36)])
def test_rows_may_have_means_of_their_own(shape):
    arrays = golden("higan_stylegan_a")
    state = state_of(arrays)
    generator = built(state | {"truncation.w_avg": ROWS.reshape(shape)})
    assert generator.config.mean_per_row
    assert generator.config.repeat_w
    w = to_w(generator, arrays["z"])
    assert error(w, arrays["w"]) <= TOLERANCE
    found = generator.truncate(w, 0.25, 4)
    expected = 0.75 * ROWS[None] + 0.25 * arrays["w"][:, None]
    expected[:, 4:] = arrays["w"][:, None]
    assert error(found, expected) <= TOLERANCE


@pytest.mark.parametrize("shape", [(6, 6), (36,), (1, 6, 6), (1, 36), (6,), (1, 6)])
def test_equal_means_are_one(shape):
    arrays = golden("higan_stylegan_a")
    state = state_of(arrays)
    mean = state["truncation.w_avg"]
    stored = np.tile(mean, np.prod(shape) // 6).reshape(shape)
    generator = built(state | {"truncation.w_avg": stored})
    assert not generator.config.mean_per_row
    assert np.array_equal(generator.params["truncation"]["w_avg"], mean)


def test_a_mean_of_another_size_is_reported():
    state = state_of(golden("higan_stylegan_a"))
    for shape in ((7,), (5, 6), (6, 1), ()):
        with pytest.raises(CheckpointError, match=r"truncation\.w_avg is .*not \(6,\)"):
            built(state | {"truncation.w_avg": np.zeros(shape, np.float32)})
