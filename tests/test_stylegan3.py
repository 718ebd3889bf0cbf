"""StyleGAN3: the original's recordings, a slow one in NumPy, files, schedules."""

import copy
import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, drawn, error, golden, nhwc
from scipy.signal import convolve2d

import converters
from converters.checkpoints import Checkpoint
from converters.containers import nvidia
from converters.entries import entries
from converters.finding import candidates
from converters.loading import LAYOUTS, find_plan
from converters.plans import assemble, compare
from jaxlatent.generators import stylegan3
from jaxlatent.generators.base import Generator
from jaxlatent.methods import sefa
from jaxlatent.types import CheckpointError, Noise

FILE = GOLDEN / "stylegan3_a.pkl"
FLOAT32, FLOAT64 = 2e-5, 1e-10
SIGN = "synthesis.input.freqs"

show = jax.jit(
    lambda generator, w: generator.features(w, names=generator.feature_names)
)
judge = jax.jit(lambda discriminator, images: discriminator(images))


def draw(generator, latent):
    """The picture; one compiled function serves all of a config's latents."""
    return show(generator, generator.broadcast(latent))["image"]


@pytest.fixture(scope="module")
def arrays():
    return golden("stylegan3_a")


@pytest.fixture(scope="module")
def generator():
    return converters.load(FILE)


@pytest.fixture(scope="module")
def content():
    """What `read` returns; not to be changed."""
    return converters.read(FILE).tensors


# against the original


def test_mapping_features_and_image(arrays, generator):
    w = generator.map(jnp.asarray(arrays["z"]))
    assert error(w, arrays["w"]) <= FLOAT32
    found = show(generator, generator.broadcast(w))
    assert error(found["image"], nhwc(arrays["img"])) <= FLOAT32
    recorded = [key for key in arrays if key.startswith("feat0/")]
    assert len(recorded) == len(generator.feature_names) - 1
    for key in recorded:
        expected = nhwc(arrays[key])  # the first two channels
        actual = found[key.removeprefix("feat0/")][:1, ..., :2]
        assert error(actual, expected) <= FLOAT32, key


def test_styles(arrays, generator):
    found = generator.styles(jnp.asarray(arrays["w"]))
    recorded = {key.removeprefix("style/") for key in arrays if "style/" in key}
    assert set(found) == recorded
    for name in recorded:
        assert error(found[name], arrays[f"style/{name}"]) <= FLOAT32, name


def test_w_plus_and_truncation(arrays, generator):
    image = draw(generator, jnp.asarray(arrays["ws_plus"]))
    assert error(image[:1], nhwc(arrays["img_wplus"])) <= FLOAT32
    w = jnp.asarray(arrays["w"])
    part = generator.truncate(w, 0.5, 3)
    assert error(part, arrays["ws_psi0p5_cut3"]) <= FLOAT32
    image = draw(generator, part)
    assert error(image[:1], nhwc(arrays["img_psi0p5_cut3"])) <= FLOAT32
    image = draw(generator, generator.truncate(w, 0.7))
    assert error(image[:1], nhwc(arrays["img_psi0p7"])) <= FLOAT32


def moved(generator, transform):
    """The same generator with another transform of the user, as it is stored."""
    params = stylegan3.transformed(generator.params, np.linalg.inv(transform))
    return dataclasses.replace(generator, params=params)


def test_the_transform_of_the_user(arrays, generator):
    image = draw(moved(generator, arrays["user_transform_inv"]), arrays["w"])
    assert error(image[:1], nhwc(arrays["img_usertransform"])) <= FLOAT32


def test_placements_as_recorded():
    recorded = golden("resefa_directions_a")
    for number in range(2):
        x, y, degrees = recorded[f"transform_t{number}/args"].tolist()
        found = stylegan3.placement((x, y), degrees)
        assert error(found, recorded[f"transform_t{number}/matrix"]) <= 1e-15
    with pytest.raises(ValueError, match=r"transform: shape \(2, 3\) given"):
        stylegan3.transformed({}, np.zeros((2, 3)))


def test_discriminator(arrays):
    images = jnp.asarray(nhwc(arrays["D_img"]))
    for family in (None, "stylegan3"):
        found = converters.load(FILE, part="discriminator", family=family)
        assert error(judge(found, images), arrays["D_logits_n4"]) <= FLOAT32


def test_float64(arrays):
    with jax.enable_x64(True):
        wide = converters.load(FILE, dtype=jnp.float64)
        w = wide.map(jnp.asarray(arrays["z"], jnp.float64))
        assert error(w, arrays["w_f64"]) <= FLOAT64
        assert error(draw(wide, w[:1]), nhwc(arrays["img_f64"])) <= FLOAT64
        found = converters.load(FILE, part="discriminator", dtype=jnp.float64)
        logits = judge(found, jnp.asarray(nhwc(arrays["D_img"]), jnp.float64))
        assert error(logits, arrays["D_logits_n4_f64"]) <= FLOAT64


# against the formulas, written out

ROTATING = stylegan3.Config(
    resolution=16,
    channels=(5, 4, 3),
    critical=1,
    first_cutoff=1.0,
    first_stopband=1.5,
    margin=2,
    kernel=1,
    filter_size=4,
    radial=True,
    z_dim=4,
    w_dim=6,
    label_dim=3,
    embed_dim=5,
    mapping_width=6,
    clamp=0.5,
    output_scale=0.3,
)
"""A small configuration R whose clamp is active."""


def rotating(seed=0):
    """Random weights between designed filters, and waves within the first band."""
    params = drawn(lambda key: stylegan3.init(key, ROTATING), seed, scale=1.0)
    synthesis = params["synthesis"]
    synthesis["input"]["freqs"] = jnp.asarray(
        [[0.9, 0.1], [-0.3, 0.8], [0.6, -0.6], [0.2, 0.3], [-0.7, -1.2]]
    )
    synthesis["input"]["transform"] = jnp.eye(3)
    for layer in stylegan3.layers(ROTATING):
        entry = synthesis[layer.name]
        for name, taps in layer.filters().items():
            entry[name] = jnp.asarray(taps, jnp.float32)
        entry["bias"] = 0.1 * entry["bias"]
    for entry in synthesis.values():
        entry["affine"]["bias"] = 1 + 0.3 * entry["affine"]["bias"]
    for name, entry in params["mapping"].items():
        if name.startswith("fc"):
            entry["weight"] = entry["weight"] / ROTATING.mapping_rate
    return Generator(params, ROTATING)


def wide(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), tree)


def filtered(plane, taps, up, down, padding, gain):
    """upfirdn of one [H, W] plane, as it is defined."""
    height, width = plane.shape
    stuffed = np.zeros((height * up, width * up))
    stuffed[::up, ::up] = plane
    low, high = padding
    stuffed = np.pad(stuffed, (max(low, 0), max(high, 0)))
    stuffed = stuffed[max(-low, 0) :, max(-low, 0) :]
    stuffed = stuffed[: stuffed.shape[0] - max(-high, 0)]
    stuffed = stuffed[:, : stuffed.shape[1] - max(-high, 0)]
    if taps is not None:
        taps = np.outer(taps, taps) if taps.ndim == 1 else taps
        stuffed = convolve2d(stuffed, taps, "valid")
    return stuffed[::down, ::down] * gain


def reference(params, config, w):
    """Pictures of w [N, D] in NumPy: per sample, per plane, with explicit kernels."""
    count = len(w)
    synthesis = jax.tree.map(np.asarray, params["synthesis"])

    def style(name):
        affine = synthesis[name]["affine"]
        return w @ affine["weight"] / math.sqrt(config.w_dim) + affine["bias"]

    entry, size, rate = synthesis["input"], config.sizes[0], config.rates[0]
    x = np.zeros((count, len(entry["phases"]), size, size))
    for sample, (c, s, right, below) in enumerate(style("input")):
        length = math.hypot(c, s)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, length]]) / length
        shift = np.array([[1, 0, -right / length], [0, 1, -below / length], [0, 0, 1]])
        plane = turn @ shift @ entry["transform"]
        for wave, (frequency, phase) in enumerate(
            zip(entry["freqs"], entry["phases"], strict=True)
        ):
            turned = frequency @ plane[:2, :2]
            phase = phase + frequency @ plane[:2, 2]
            fade = np.linalg.norm(turned) - config.first_cutoff
            amplitude = np.clip(1 - fade / (rate / 2 - config.first_cutoff), 0, 1)
            for row in range(size):
                for column in range(size):
                    place = (np.array([column, row]) + 0.5) / size * 2 - 1
                    place = place * size / (2 * rate)
                    angle = 2 * math.pi * (turned @ place + phase)
                    x[sample, wave, row, column] = amplitude * math.sin(angle)
    mixing = entry["weight"] / math.sqrt(len(entry["phases"]))
    x = np.einsum("nchw,cd->ndhw", x, mixing)
    scales = {layer.name: style(layer.name) for layer in stylegan3.layers(config)}
    for layer in stylegan3.layers(config):
        entry, scale = synthesis[layer.name], scales[layer.name]
        kernel = entry["weight"][0, 0]  # [inputs, outputs] of one pixel
        if layer.rgb:
            kernels = kernel[None] * scale[:, :, None] / math.sqrt(layer.inputs)
        else:
            kernel = kernel / np.sqrt((kernel**2).mean(axis=0))
            scale = scale / np.sqrt((scale**2).mean())
            kernels = kernel[None] * scale[:, :, None]
            kernels /= np.sqrt((kernels**2).sum(axis=1, keepdims=True) + 1e-8)
        x = np.einsum("nchw,ncd->ndhw", x / np.sqrt(entry["magnitude_ema"]), kernels)
        x = x + entry["bias"][None, :, None, None]
        planes = []
        for plane in x.reshape(-1, *x.shape[2:]):
            plane = filtered(
                plane, entry.get("up_filter"), layer.up, 1, layer.padding, layer.up**2
            )
            if not layer.rgb:
                plane = np.where(plane > 0, plane, 0.2 * plane) * math.sqrt(2)
            plane = np.clip(plane, -config.clamp, config.clamp)
            planes.append(
                filtered(plane, entry.get("down_filter"), 1, layer.down, (0, 0), 1)
            )
        x = np.stack(planes).reshape(count, layer.outputs, *planes[0].shape)
    return nhwc(x) * config.output_scale


@pytest.fixture(scope="module")
def turning():
    return rotating()


CODES = np.random.default_rng(1).normal(size=(2, ROTATING.w_dim))


@pytest.fixture(scope="module")
def expected(turning):
    """The reference's pictures of CODES, from a plane that is moved and sheared."""
    with jax.enable_x64(True):
        large = Generator(wide(turning.params), ROTATING)
        large = moved(large, [[0.9, 0.2, 0.1], [-0.1, 1.1, -0.2], [0.0, 0.0, 1.0]])
    return large, reference(large.params, ROTATING, CODES)


def test_configuration_r_is_what_its_formulas_say(expected):
    layers = stylegan3.layers(ROTATING)
    assert [layer.radial for layer in layers] == [True, True, False, False]
    assert {layer.up for layer in layers} == {1, 2, 4}
    large, picture = expected
    assert large.params["synthesis"][layers[0].name]["down_filter"].shape == (8, 8)
    assert picture[..., 0].std() > 0.1 * np.abs(picture).max()
    clamped = np.abs(picture) == ROTATING.clamp * ROTATING.output_scale
    assert 0 < clamped.mean() < 0.5
    with jax.enable_x64(True):
        assert error(draw(large, jnp.asarray(CODES)), picture) <= FLOAT64


def test_prepared_weights_and_styles_change_nothing(expected):
    large, picture = expected
    with jax.enable_x64(True):
        prepared = large.prepare()
        found = show(prepared, large.styles(jnp.asarray(CODES)))
        assert error(found["image"], picture) <= FLOAT64
    mask = stylegan3.trainable(prepared.params)
    assert not mask["mapping"]["w_avg"]
    entry = mask["synthesis"]["L0_8_5"]
    assert {name for name, value in entry.items() if value is True} == {
        "weight",
        "bias",
    }
    assert all(entry["affine"].values())


def test_configuration_r_turns_its_picture_with_the_plane(expected):
    large, _ = expected
    with jax.enable_x64(True):
        w = jnp.asarray(CODES)
        plain = np.asarray(draw(moved(large, np.eye(3)), w))
        quarter = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
        turned = draw(moved(large, quarter), w)
        assert error(turned, np.rot90(plain, -1, axes=(1, 2))) <= FLOAT64
        assert error(turned, plain) > 0.1


def test_labels_are_normalised_apart_from_codes(turning):
    mapping = jax.tree.map(np.asarray, turning.params["mapping"])
    z = np.random.default_rng(2).normal(size=(2, 4)).astype(np.float32)
    y = mapping["embed"]["weight"][[2, 0]] / math.sqrt(3) + mapping["embed"]["bias"]
    unit = [v / np.sqrt((v**2).mean(axis=1, keepdims=True)) for v in (z, y)]
    x = np.concatenate(unit, axis=1)
    for name in ("fc0", "fc1"):
        x = x @ mapping[name]["weight"] * 0.01 / math.sqrt(x.shape[1])
        x = x + mapping[name]["bias"] * 0.01
        x = np.where(x > 0, x, 0.2 * x) * math.sqrt(2)
    label = jnp.asarray([2, 0])
    assert error(turning.map(jnp.asarray(z), label), x) <= 1e-5
    embedding = turning.embed(label)
    ready = stylegan3.map(turning.params, ROTATING, jnp.asarray(z), embedding=embedding)
    assert error(ready, x) <= 1e-5
    with pytest.raises(ValueError, match="label: missing; this generator has 3"):
        turning.map(jnp.asarray(z))


# the schedule

RECORDED = {  # rates, up, down, taps, padding, cutoffs, half widths
    "L0_36_12": ((16, 16), 2, 2, 12, 12, (9, 8), 2.0, 6.0),
    "L1_36_12": ((16, 16), 2, 2, 12, 12, (9, 8), 3.363585661014858, 4.636414338985142),
    "L2_52_12": (
        *((16, 32), 4, 2, 24, 12, (-6, -9)),
        *(5.656854249492381, 10.34314575050762),
    ),
    "L3_52_12": ((32, 32), 2, 2, 12, 12, (9, 8), 9.513656920021768, 6.486343079978232),
    "L4_52_8": ((32, 32), 2, 2, 12, 12, (9, 8), 16.0, 3.698310613518661),
    "L5_32_8": ((32, 32), 2, 2, 12, 12, (-11, -12), 16.0, 3.698310613518661),
    "L6_32_3": ((32, 32), 1, 1, 1, 1, (0, 0), 16.0, 3.698310613518661),
}


def test_the_schedule_is_the_recorded_one(generator):
    layers = stylegan3.layers(generator.config)
    assert [layer.name for layer in layers] == list(RECORDED)
    for layer in layers:
        rates, up, down, up_taps, down_taps, padding, cutoff, half = RECORDED[
            layer.name
        ]
        assert (layer.rates, layer.up, layer.down) == (rates, up, down)
        assert (layer.up_taps, layer.down_taps) == (up_taps, down_taps)
        assert layer.padding == padding
        assert layer.cutoffs[1] == pytest.approx(cutoff, rel=1e-12)
        assert layer.half_widths[1] == pytest.approx(half, rel=1e-12)


@pytest.mark.parametrize("wider", [1, 2])
def test_the_schedule_of_released_models(wider):
    """Widths follow from cutoffs, so these names tell of both."""
    config = stylegan3.Config(resolution=1024, channels=(1,) * 14)
    widths = [
        round(min(wider * 16384 / cutoff, wider * 512)) for cutoff in config.cutoffs
    ]
    config = dataclasses.replace(config, channels=tuple(widths[:14]))
    sizes = [36, 36, 52, 52, 84, 148, 148, 276, 276, 532, 1044, 1044, 1044, 1024, 1024]
    assert [layer.name for layer in stylegan3.layers(config)] == [
        f"L{index}_{size}_{width}"
        for index, (size, width) in enumerate(
            zip(sizes, [*widths[:14], 3], strict=True)
        )
    ]
    assert config.num_layers == 16
    assert [layer.row for layer in stylegan3.layers(config)] == list(range(1, 16))


def test_designed_filters_are_those_of_the_file(generator):
    for layer in stylegan3.layers(generator.config):
        stored = generator.params["synthesis"][layer.name]
        designs = layer.filters()
        assert set(designs) == {name for name in stored if name.endswith("_filter")}
        for name, taps in designs.items():
            assert error(taps, np.asarray(stored[name])) <= 1e-6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 24}, "resolution: 24 given; a power of two"),
        ({"resolution": 2}, "resolution: 2 given; a power of two"),
        ({"critical": 3}, "critical: 3 given for 3 entries of channels"),
        ({"channels": ()}, "critical: 1 given for 0 entries"),
    ],
)
def test_wrong_configs_are_named(changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        dataclasses.replace(ROTATING, **changes)


# files


def same(left, right):
    return jax.tree.all(jax.tree.map(np.array_equal, left, right))


def changed(content, change):
    """The file with `change` done to a copy of the generator's modules."""
    record = copy.deepcopy(content["G_ema"])
    change(lambda path: nvidia.module(record, path)["state"])
    return {**content, "G_ema": record}


def without(name):
    """A change that drops a tensor."""
    path, _, last = name.rpartition(".")

    def change(state):
        for kind in ("_parameters", "_buffers"):
            state(path)[kind].pop(last, None)

    return change


def test_files_are_told_apart(content):
    def claims(file):
        return [
            family
            for family, modules in LAYOUTS.items()
            for module in modules
            if any(
                one.fits
                for one in candidates(entries(Checkpoint(file)), (module,), "generator")
            )
        ]

    assert claims(content) == ["stylegan3"]
    assert claims(nvidia.tensors(content["G_ema"])) == ["stylegan3"]
    other = converters.read(GOLDEN / "stylegan2_sg3repo_a.pkl").tensors
    assert claims(other) == ["stylegan2"]
    for part in ("generator", "discriminator"):
        with pytest.raises(CheckpointError, match="no layout of stylegan3 has these"):
            find_plan(Checkpoint(other), part=part, family="stylegan3")


@pytest.mark.parametrize("pickled", [True, False])
def test_one_error_names_what_is_missing_extra_and_misshapen(content, pickled):
    lost, bent = "synthesis.L2_52_12.magnitude_ema", "synthesis.input.phases"

    def change(state):
        without(lost)(state)
        state("")["_buffers"]["odd"] = np.ones(2, np.float32)
        state("synthesis.input")["_buffers"]["phases"] = np.ones(11, np.float32)

    file = changed(content, change)
    if not pickled:
        file = nvidia.tensors(file["G_ema"])
    with pytest.raises(CheckpointError) as caught:
        assemble(find_plan(Checkpoint(file), part="generator"))
    assert str(caught.value).endswith(
        f"missing (1): {lost}; extra (1): odd; "
        f"misshapen (1): {bent} is (11,), not (12,)"
    )


def test_any_tensor_of_a_pickle_may_be_the_missing_one(content):
    plan = find_plan(Checkpoint(content), part="generator")
    needed = {source.name for source in plan.sources.values()} - {SIGN}
    for lost in sorted(name for name in needed if ".L" not in name or ".L0" in name):
        found = find_plan(Checkpoint(changed(content, without(lost))), part="generator")
        assert found.config == plan.config, lost
        assert str(compare(found)) == f"missing (1): {lost}"


def test_a_missing_layer_is_named_whole(content):
    def change(state):
        del state("synthesis")["_modules"]["L3_52_12"]

    with pytest.raises(CheckpointError, match=r"layers \[0, 1, 2, 4, 5, 6\] given"):
        find_plan(Checkpoint(changed(content, change)), part="generator")


def test_a_pickle_tells_everything(content):
    def change(state):
        state("synthesis.L0_36_12")["conv_clamp"] = None
        state("synthesis")["output_scale"] = 0.5
        state("mapping.fc0")["bias_gain"] = 0.02

    plan = find_plan(Checkpoint(changed(content, change)), part="generator")
    assert plan.assumed == {}
    told = (plan.config.clamp, plan.config.output_scale, plan.config.mapping_rate)
    assert told == (None, 0.5, 0.02)


def test_a_state_dict_leaves_the_schedule_to_be_assumed(content, generator):
    tensors = nvidia.tensors(content["G_ema"])
    plan = find_plan(Checkpoint(tensors), part="generator")
    assert plan.config == generator.config
    assert same(assemble(plan), generator.params)
    assert plan.assumed == {
        "critical": 2,
        "first_cutoff": 2.0,
        "first_stopband": 2**2.1,
        "last_stopband": 2**0.3,
        "margin": 10,
        "oversampling": 2,
        "mapping_rate": 0.01,
        "clamp": 256.0,
        "output_scale": 0.25,
    }
    plan = find_plan(
        Checkpoint(tensors), part="generator", config={"clamp": None, "margin": 9}
    )
    assert (plan.config.clamp, "clamp" in plan.assumed) == (None, False)
    assert "synthesis.L0_34_12.weight" in compare(plan).missing


def test_a_schedule_that_the_layers_do_not_have_is_refused(content):
    def change(state):
        state("synthesis.L2_52_12")["padding"] = [-5, -9, -6, -9]
        state("synthesis.input")["sampling_rate"] = 8.0

    with pytest.raises(CheckpointError) as caught:
        find_plan(Checkpoint(changed(content, change)), part="generator")
    assert str(caught.value) == (
        "entry G_ema: layers that the config's schedule does not give: "
        "synthesis.input.sampling_rate is 8.0, not 16; "
        "synthesis.L2_52_12.padding is [-5, -9, -6, -9], not "
        "[-6, -9, -6, -9]"
    )


# what every family does


def test_sefa_takes_the_raw_affine_weights(content, generator):
    tensors = nvidia.tensors(content["G_ema"])
    affines = generator.affines()
    assert [affine.layer for affine in affines] == list(range(8))
    for affine in affines:
        stored = tensors[f"synthesis.{affine.name}.affine.weight"]
        np.testing.assert_array_equal(affine.matrix, stored.T)
    edit = sefa.discover(generator, layers="2-3", k=1)
    rows = np.concatenate(
        [
            tensors[f"synthesis.{name}.affine.weight"]
            for name in ("L1_36_12", "L2_52_12")
        ]
    ).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    top = np.linalg.eigh(rows.T @ rows)[1][:, -1]
    assert abs(np.asarray(edit.vectors[0]) @ top) == pytest.approx(1, abs=1e-5)
    assert edit.layers == (2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.map(jnp.zeros((2, 3))), r"z: shape \(2, 3\) given; \[N, 24\]"),
        (lambda g: g.synthesize(jnp.zeros((2, 3))), r"latent: shape \(2, 3\) given"),
        (lambda g: g.synthesize(jnp.zeros((2, 5, 24))), r"latent: shape \(2, 5, 24\)"),
        (
            lambda g: g.synthesize(jnp.zeros((1, 24)), noise=jax.random.key(0)),
            "noise: given, but this generator has no noise inputs",
        ),
        (lambda g: g.features(jnp.zeros((1, 24)), names=["b4"]), r"names: \['b4'\]"),
        (lambda g: g.sample(jax.random.key(0), 1, truncation=0.5), "truncation: "),
        (lambda g: g.map(jnp.zeros((1, 24)), jnp.zeros(1, int)), "label: given, but"),
    ],
)
def test_wrong_arguments_are_named(generator, call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(generator)


def test_features_stop_after_the_last_one(generator):
    names = ["input", "L0_36_12"]
    program = jax.jit(
        lambda w: generator.features(w, names=names, noise=Noise.NONE)
    ).lower(jnp.ones((1, 24)))
    assert program.as_text().count("stablehlo.convolution") == 1
