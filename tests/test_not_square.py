"""StyleGAN files whose constant is not square, or whose pictures have other channels.

What is right comes from `numpy_stylegan2`, which is first held against the recordings,
or, for channels, from the recordings: maps to channels are independent of each other.
"""

import copy
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpy_stylegan2 as written_out
import pytest
from helpers import GOLDEN, error, golden, nhwc

import converters
from converters.checkpoints import Checkpoint
from converters.containers import nvidia
from converters.stylegan2 import judged_size
from jaxlatent.checkpoint import load_generator, save_generator
from jaxlatent.generators import stylegan, stylegan2
from jaxlatent.types import CheckpointError

FILES = {
    "stylegan2_ada_a": "pkl",
    "rosinality_stylegan2_a": "pt",
    "genforce_stylegan2_a": "pth",
}
SHAPES = [(4, 2), (2, 4), (8, 4), (4, 3), (3, 5)]


@functools.cache
def content(name):
    return converters.read(GOLDEN / f"{name}.{FILES[name]}").tensors


@functools.cache
def flat(name, part):
    """The tensors of a part, by the file's names."""
    key = {"generator": ("G_ema", "g_ema", "generator_smooth"),
           "discriminator": ("D", "d", "discriminator")}[part]  # fmt: skip
    found = next(content(name)[one] for one in key if one in content(name))
    return dict(nvidia.tensors(found) if "class_name" in found else found)


def reshaped(tensors, base):
    """Constant and noise of another shape: a part of theirs, and theirs again."""
    found = dict(tensors)
    for name, value in tensors.items():
        const = name.endswith(("b4.const", "input.input", "early_layer.const"))
        noise = name.endswith(("noise_const", ".noise")) or name.startswith("noises.")
        if const or noise:
            sides = [s * b // 4 for s, b in zip(value.shape[-2:], base, strict=True)]
            rows, columns = (
                np.arange(new) % old
                for new, old in zip(sides, value.shape[-2:], strict=True)
            )
            found[name] = np.ascontiguousarray(value[..., rows[:, None], columns])
    return found


def as_nvidia(name, tensors):
    """A generator of any layout under the names and in the units of NVlabs'."""
    if name.startswith("stylegan2_ada"):
        return {key: np.asarray(value, np.float64) for key, value in tensors.items()}
    genforce = name.startswith("genforce")
    start = "synthesis.early_layer.const" if genforce else "input.input"
    found = {"synthesis.b4.const": tensors[start][0]}
    for level in range(4):
        for kind in ("conv0", "conv1", "torgb")[level == 0 :]:
            row = 2 * level + (kind == "conv1") - 1
            if genforce:
                layer = f"output{level}" if kind == "torgb" else f"layer{row}"
                module = style = conv = bias = f"synthesis.{layer}"
                style = f"{style}.style"
            else:
                module = ("to_rgb1", "conv1")[kind == "conv1"]
                if level:
                    number = level - 1 if kind == "torgb" else row - 1
                    module = f"{'to_rgbs' if kind == 'torgb' else 'convs'}.{number}"
                conv, style = f"{module}.conv", f"{module}.conv.modulation"
                bias = module if kind == "torgb" else f"{module}.activate"
            kernel = np.asarray(tensors[f"{conv}.weight"], np.float64)
            kernel = kernel.reshape(-1, *kernel.shape[-3:])
            if kind != "torgb":
                kernel = kernel / np.sqrt(kernel[0].size)
            if genforce and kind == "conv0":
                kernel = kernel[..., ::-1, ::-1]
            ours = f"synthesis.b{4 << level}.{kind}"
            found[f"{ours}.weight"] = kernel
            found[f"{ours}.bias"] = tensors[f"{bias}.bias"].reshape(-1)
            found[f"{ours}.affine.weight"] = tensors[f"{style}.weight"]
            found[f"{ours}.affine.bias"] = tensors[f"{style}.bias"] + genforce
            if kind != "torgb":
                noise = f"{module}.noise" if genforce else f"noises.noise_{row}"
                strength = "noise_strength" if genforce else "noise.weight"
                found[f"{ours}.noise_const"] = tensors[noise].reshape(
                    tensors[noise].shape[-2:]
                )
                found[f"{ours}.noise_strength"] = tensors[f"{module}.{strength}"].sum()
    return found


def as_file(name, generator, discriminator=None):
    """What a file of the layout holds."""
    if name.startswith("stylegan2_ada"):
        parts = {"G_ema": generator, "D": discriminator}
    elif name.startswith("genforce"):
        parts = {"generator_smooth": generator, "discriminator": discriminator}
    else:
        mean = content(name)["latent_avg"]
        parts = {"g_ema": generator, "d": discriminator, "latent_avg": mean}
    return Checkpoint({key: part for key, part in parts.items() if part is not None})


@jax.jit
def draw(generator, latent):
    return generator.synthesize(latent)


@jax.jit
def judge(discriminator, images):
    return discriminator(images)


def test_the_networks_written_out_are_the_recorded_ones():
    for name in FILES:
        arrays = golden(name)
        recorded = arrays["img_const"] if "img_const" in arrays else arrays["img"]
        state = as_nvidia(name, flat(name, "generator"))
        drawn = written_out.draw(state, arrays["w"][0].astype(np.float64))
        assert error(drawn, recorded[0]) <= 2e-6
    arrays = golden("stylegan2_ada_a")
    state = as_nvidia("stylegan2_ada_a", flat("stylegan2_ada_a", "discriminator"))
    logits = written_out.judge(state, arrays["D_img"].astype(np.float64))
    assert error(logits, arrays["D_logits_n4"]) <= 2e-6


@pytest.mark.parametrize(
    ("name", "base"),
    [("stylegan2_ada_a", base) for base in SHAPES]
    + [("rosinality_stylegan2_a", (8, 4)), ("genforce_stylegan2_a", (2, 4))],
)
def test_a_constant_of_any_shape(name, base, tmp_path):
    tensors = reshaped(flat(name, "generator"), base)
    generator = converters.load(as_file(name, tensors))
    height, width = 8 * base[0], 8 * base[1]
    assert generator.config.base_size == base
    assert generator.config.resolution == max(height, width)
    assert generator.image_shape == (height, width, 3)
    w = golden(name)["w"][:1]
    expected = written_out.draw(as_nvidia(name, tensors), w[0].astype(np.float64))
    assert expected.shape == (3, height, width)
    expected = np.moveaxis(expected, 0, -1)[None]
    assert error(draw(generator, jnp.asarray(w)), expected) <= 2e-5
    if base in ((4, 2), (3, 5)):
        prepared = generator.prepare()
        assert error(draw(prepared, jnp.asarray(w)), expected) <= 2e-5
        save_generator(tmp_path / "kept", generator)
        kept = load_generator(tmp_path / "kept")
        assert kept.config == generator.config
        fresh = draw(generator, generator.broadcast(jnp.asarray(w)))
        assert error(draw(kept, jnp.asarray(w)), np.asarray(fresh)) <= 1e-6


def test_fresh_and_given_noise_have_the_layers_shape():
    tensors = reshaped(flat("stylegan2_ada_a", "generator"), (4, 2))
    generator = converters.load(as_file("stylegan2_ada_a", tensors))
    w = jnp.asarray(golden("stylegan2_ada_a")["w"][:1])
    sizes = {
        layer.name: layer.size
        for layer in stylegan2.layers(generator.config)
        if not layer.rgb
    }
    assert sizes["b4.conv1"] == (4, 2)
    assert sizes["b32.conv1"] == (32, 16)
    stored = {name: tensors[f"synthesis.{name}.noise_const"][None] for name in sizes}
    given = generator.synthesize(w, noise=stored)
    assert error(given, np.asarray(draw(generator, w))) <= 1e-6
    assert generator.synthesize(w, noise=jax.random.key(0)).shape == given.shape
    with pytest.raises(ValueError, match=r"b8\.conv0 has shape .*8, 4\] is accepted"):
        generator.synthesize(w, noise=stored | {"b8.conv0": np.zeros((1, 8, 8))})


def test_a_pickled_network_with_such_a_constant():
    record = copy.deepcopy(content("stylegan2_ada_a")["G_ema"])
    for name, value in reshaped(flat("stylegan2_ada_a", "generator"), (4, 2)).items():
        *path, leaf = name.split(".")
        state = record
        for module in path:
            state = state["state"]["_modules"][module]
        for group in ("_parameters", "_buffers"):
            if leaf in state["state"][group]:
                state["state"][group][leaf] = value
    plan = converters.inspect(Checkpoint({"G_ema": record})).plans["generator"]
    assert plan.format == "NVlabs pickle"
    assert plan.config.base_size == (4, 2)
    assert "base_size" not in plan.assumed


def test_noise_that_does_not_fit_the_constant_is_listed():
    tensors = reshaped(flat("stylegan2_ada_a", "generator"), (4, 2))
    tensors["synthesis.b8.conv0.noise_const"] = np.zeros((8, 8), np.float32)
    message = r"misshapen \(1\): synthesis.b8.conv0.noise_const is \(8, 8\), not \(8, 4"
    with pytest.raises(CheckpointError, match=message):
        converters.load(as_file("stylegan2_ada_a", tensors))


# discriminators


def narrow(tensors, name, base):
    """A discriminator whose dense layer takes maps of another shape."""
    weight = tensors[name]
    pixels = base[0] * base[1]
    columns = np.arange(weight.shape[1] // 16 * pixels) % weight.shape[1]
    return tensors | {name: np.ascontiguousarray(weight[:, columns])}


DENSE = {
    "stylegan2_ada_a": "b4.fc.weight",
    "rosinality_stylegan2_a": "final_linear.0.weight",
    "genforce_stylegan2_a": "layer7.weight",
}


@pytest.mark.parametrize("base", [(4, 2), (2, 4), (4, 3)])
def test_a_discriminator_of_such_pictures(base):
    name = "stylegan2_ada_a"
    tensors = narrow(flat(name, "discriminator"), DENSE[name], base)
    generator = reshaped(flat(name, "generator"), base)
    file = as_file(name, generator, tensors)
    plan = converters.inspect(file).plans["discriminator"]
    assert "base_size" not in plan.assumed
    discriminator = converters.load(file, part="discriminator")
    images = golden(name)["D_img"][:, :, :, : 8 * base[1]][:, :, : 8 * base[0]]
    expected = written_out.judge(as_nvidia(name, tensors), images.astype(np.float64))
    assert error(judge(discriminator, nhwc(images)), expected) <= 2e-5
    with pytest.raises(ValueError, match=rf"\[N, {8 * base[0]}, {8 * base[1]}, 3\] is"):
        discriminator(jnp.zeros((1, 32, 32, 3)))


@pytest.mark.parametrize("name", FILES)
def test_a_generator_in_the_file_tells_what_its_discriminator_does_not(name):
    tensors = narrow(flat(name, "discriminator"), DENSE[name], (2, 4))
    generator = reshaped(flat(name, "generator"), (2, 4))
    plan = converters.inspect(as_file(name, generator, tensors)).plans["discriminator"]
    assert plan.config.base_size == (2, 4)
    assert "base_size" not in plan.assumed
    if name == "genforce_stylegan2_a":
        return  # whose discriminators come with their generators
    alone = as_file(name, None, tensors)
    plan = converters.inspect(alone).plans["discriminator"]
    assert plan.config.base_size == plan.assumed["base_size"] == (4, 2)
    told = {"base_size": (2, 4)}
    given = converters.load(alone, part="discriminator", config=told)
    assert given.config.base_size == (2, 4)


def test_the_size_that_a_dense_layer_takes():
    const = np.zeros((16, 3, 5))
    assert judged_size(240, 16, const, None) == ((3, 5), {})
    assert judged_size(256, 16, const, None) == ((4, 4), {})
    assert judged_size(128, 16, None, {"base_size": [2, 4]}) == ((2, 4), {})
    assert judged_size(240, 16, None, None) == ((15, 1), {"base_size": (15, 1)})
    assert judged_size(0, 16, None, None)[0] == (1, 1)
    for wrong in (3, "2,4", ["2", "4"], [2, 4, 8]):  # which the config refuses
        assert judged_size(256, 16, None, {"base_size": wrong}) == ((4, 4), {})


@pytest.mark.parametrize("name", FILES)
def test_sizes_that_no_map_has_are_refused_by_name(name):
    file = as_file(name, flat(name, "generator"), flat(name, "discriminator"))
    for wrong in ("2,4", [2, 4, 8], [0, 16], [-4, -4]):
        with pytest.raises(ValueError, match="base_size"):
            converters.load(file, part="discriminator", config={"base_size": wrong})


# channels


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
@pytest.mark.parametrize("name", FILES)
def test_other_numbers_of_channels(name, channels):
    tensors = dict(flat(name, "generator"))
    picks = np.arange(channels) % 3
    for key, value in flat(name, "generator").items():
        if "style" in key or "modulation" in key or "affine" in key:
            continue
        if any(word in key for word in ("torgb", "to_rgb", "synthesis.output")):
            axis = value.shape.index(3) if 3 in value.shape else None
            if axis is not None:
                tensors[key] = np.take(value, picks, axis)
    generator = converters.load(as_file(name, tensors))
    assert generator.config.image_channels == channels
    assert generator.image_shape == (32, 32, channels)
    arrays = golden(name)
    recorded = nhwc(arrays["img_const"] if "img_const" in arrays else arrays["img"])
    image = draw(generator, jnp.asarray(arrays["w"]))[: len(recorded)]
    assert error(image, recorded[..., picks]) <= 2e-5


def test_twelve_channels_are_no_wavelets():
    name = "rosinality_stylegan2_a"
    tensors = {
        key: np.concatenate([value] * 4, 1)
        if key.startswith("to_rgb") and 3 in value.shape[:2]
        else value
        for key, value in flat(name, "generator").items()
    }
    assert converters.load(as_file(name, tensors)).image_shape == (32, 32, 12)
    tensors["to_rgbs.0.iwt.ll"] = tensors["iwt.ll"] = np.ones((2, 2), np.float32)
    with pytest.raises(CheckpointError, match="SWAGAN"):
        converters.load(as_file(name, tensors))


@pytest.mark.parametrize("renamed", [True, False])
def test_a_stylegan3_with_alpha(renamed):
    tensors = dict(
        nvidia.tensors(converters.read(GOLDEN / "stylegan3_a.pkl").tensors["G_ema"])
    )
    last = "synthesis.L6_32_3"
    for name in ("weight", "bias"):
        value = tensors.pop(f"{last}.{name}")
        tensors[f"{last}.{name}"] = np.concatenate([value, value[:1]])
    if renamed:
        tensors = {
            name.replace(last, "synthesis.L6_32_4"): value
            for name, value in tensors.items()
        }
    square = converters.load(GOLDEN / "stylegan3_a.pkl")
    settings = dataclasses.asdict(square.config) | {"image_channels": 4}
    generator = converters.load(Checkpoint(tensors), config=settings)
    assert converters.load(Checkpoint(tensors)).image_shape == (32, 32, 4)
    w = jnp.asarray(
        np.random.default_rng(0).normal(size=(1, square.config.w_dim)), jnp.float32
    )
    expected = np.asarray(draw(square, w))[..., [0, 1, 2, 0]]
    assert error(draw(generator, w), expected) <= 1e-5


# StyleGAN (1)


@pytest.mark.parametrize("name", ["genforce_stylegan_a", "interfacegan_stylegan_a"])
def test_a_stylegan_whose_constant_is_turned(name):
    """Kernels, constant and noise transposed transpose the pictures."""
    path = next(GOLDEN.glob(f"{name}.pt*"))
    raw = converters.read(path).tensors
    state = raw.get("generator_smooth", raw)
    square = converters.load(Checkpoint(state))

    def wide(value, base):
        rows, columns = (
            np.arange(side * new // 4) % side
            for side, new in zip(value.shape[-2:], base, strict=True)
        )
        return value[..., rows[:, None], columns]

    def with_base(base, turn):
        found = {}
        for key, value in state.items():
            if key.endswith((".const", ".first_layer", "apply_noise.noise")):
                value = wide(value, (4, 2))
                value = value.swapaxes(-1, -2) if turn else value
            elif turn and value.shape[-2:] == (3, 3):
                value = value.swapaxes(-1, -2)
            elif turn and value.shape[:2] == (3, 3):
                value = value.swapaxes(0, 1)
            found[key] = value.copy()
        return converters.load(Checkpoint(found))

    tall, flat_one = with_base((4, 2), False), with_base((2, 4), True)
    assert tall.config.base_size == (4, 2)
    assert flat_one.config.base_size == (2, 4)
    side = square.config.resolution
    assert tall.image_shape == (side, side // 2, 3)
    w = jnp.asarray(np.random.default_rng(0).normal(size=(1, tall.config.w_dim)))
    expected = np.asarray(draw(tall, w.astype(jnp.float32)))
    found = draw(flat_one, w.astype(jnp.float32))
    assert error(found, expected.swapaxes(1, 2)) <= 2e-5
    assert {layer.size for layer in stylegan.layers(tall.config)} >= {(4, 2), (8, 4)}
