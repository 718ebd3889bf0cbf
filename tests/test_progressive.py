"""What growing networks share, and their discriminators, against closed forms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, drawn, error, golden, nhwc

import converters
from jaxlatent.generators import progan, progressive, progressive_discriminator
from jaxlatent.generators.base import Discriminator
from jaxlatent.generators.convolutions import (
    SAME,
    convolve,
    repeat_pixels,
    upsample_convolve_nearest,
    upsample_kernel,
)

judge = jax.jit(lambda discriminator, images, label=None: discriminator(images, label))


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# resampling


def test_pixels_are_repeated_and_averaged():
    x = normal(0, 2, 3, 5, 4)
    large = repeat_pixels(jnp.asarray(x), 3)
    assert np.array_equal(large, x.repeat(3, axis=1).repeat(3, axis=2))
    assert error(progressive.average(large, 3), x) <= 1e-6
    mean = (x[:, :2, :4] + 0).reshape(2, 1, 2, 2, 2, 4).mean(axis=(2, 4))
    assert error(progressive.average(jnp.asarray(x[:, :2, :4])), mean) <= 1e-6


def test_a_fused_layer_scatters_every_pixel_through_a_box_of_kernels():
    x, kernel = normal(0, 2, 3, 5, 4), normal(1, 3, 3, 4, 6)
    box = np.zeros((4, 4, 4, 6))
    for row, column in np.ndindex(2, 2):
        box[row : row + 3, column : column + 3] += kernel * np.sqrt(2 / (9 * 4))
    # a transposed convolution of stride 2, and the padding of 1 that it crops
    whole = np.zeros((2, 8, 12, 6))
    for row, column in np.ndindex(3, 5):
        patch = np.einsum("ni,hwio->nhwo", x[:, row, column], box)
        whole[:, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4] += patch
    fused = progressive.run_time_kernel(jnp.asarray(kernel), fused=True)
    found = upsample_convolve_nearest(jnp.asarray(x), upsample_kernel(fused))
    assert error(found, whole[:, 1:-1, 1:-1]) <= 1e-6
    plain = progressive.run_time_kernel(jnp.asarray(kernel), fused=False)
    other = upsample_convolve_nearest(jnp.asarray(x), upsample_kernel(plain))
    assert not np.allclose(found, other, atol=1e-2)


def test_instances_are_normalised_map_by_map():
    x = 3 + 2 * normal(0, 2, 4, 4, 3)
    found = np.asarray(progressive.normalize_instance(jnp.asarray(x)))
    assert np.abs(found.mean(axis=(1, 2))).max() <= 1e-6
    assert np.abs(found.var(axis=(1, 2)) - 1).max() <= 1e-5
    flat = progressive.normalize_instance(jnp.full((1, 4, 4, 1), 7.0))
    assert np.array_equal(flat, np.zeros((1, 4, 4, 1)))


# level of detail


@pytest.mark.parametrize(
    ("lod", "last", "shown"),
    [
        (0.0, 2, (2,)),
        (0.25, 2, (1, 2)),
        (1.0, 1, (1,)),
        (1.5, 1, (0, 1)),
        (2, 0, (0,)),
    ],
)
def test_the_level_of_detail_chooses_the_images(lod, last, shown):
    config = progan.Config(resolution=16, channels=(4, 3, 2), lod=lod)
    assert progressive.last_level(config) == (last, lod % 1)
    assert progressive.image_levels(config) == shown
    images = {
        level: jnp.full((1, 4 << level, 4 << level, 1), 10.0**level) for level in shown
    }
    image = progressive.compose(images, config)
    fading = lod % 1
    assert np.allclose(image, (1 - fading) * 10**last + fading * 10.0 ** (last - 1))
    assert image.shape == (1, 16, 16, 1)


@pytest.mark.parametrize("lod", [-0.5, 2.5, float("nan")])
def test_a_wrong_level_of_detail_is_named(lod):
    with pytest.raises(ValueError, match=f"lod: {lod} given; 0 to 2 is accepted"):
        progan.Config(resolution=16, channels=(4, 3, 2), lod=lod)


# discriminators


@pytest.mark.parametrize("name", ["genforce_pggan_a", "genforce_stylegan_a"])
def test_recorded_logits(name):
    arrays = golden(name)
    found = converters.load(GOLDEN / f"{name}.pth", part="discriminator")
    images = jnp.asarray(nhwc(arrays["D_img"]))
    assert error(judge(found, images), arrays["D_logits_n4"]) <= 2e-5
    if name == "genforce_pggan_a":
        assert error(judge(found, images[:2]), arrays["D_logits_n2"]) <= 2e-5
    with jax.enable_x64(True):
        wide = converters.load(
            GOLDEN / f"{name}.pth", part="discriminator", dtype=jnp.float64
        )
        logits = judge(wide, images.astype(jnp.float64))
        assert error(logits, arrays["D_logits_n4_f64"]) <= 1e-10


def tiny(**changes):
    """A small discriminator with random weights."""
    values = {
        "resolution": 8,
        "channels": (4, 3),
        "dense_width": 5,
        "deviation_channels": 0,
    } | changes
    config = progressive_discriminator.Config(**values)
    params = drawn(
        lambda key: progressive_discriminator.init(key, config), 0, scale=1.0
    )
    return Discriminator(params, config)


def test_what_is_not_grown_yet_sees_averaged_images():
    images = normal(1, 2, 8, 8, 3)
    small, whole = tiny(resolution=4, channels=(4,)), tiny()
    names = {f"layer{index + 2}": f"layer{index}" for index in range(3)}
    names["input1"] = "input0"
    early = {ours: small.params[theirs] for ours, theirs in names.items()}
    config = tiny(lod=1.0).config
    averaged = progressive.average(jnp.asarray(images))
    expected = judge(small, averaged)
    found = judge(Discriminator(early, config), images)
    assert error(found, np.asarray(expected)) <= 1e-6
    # one that has hardly appeared changes hardly anything, one that has is whole
    both = Discriminator(whole.params | early, whole.config)
    for lod, reference in ((1 - 1e-6, expected), (1e-6, judge(both, images))):
        fading = Discriminator(both.params, dataclasses.replace(config, lod=lod))
        assert error(judge(fading, images), np.asarray(reference)) <= 1e-4


def test_averaging_first_is_a_strided_convolution():
    """How the original runs its fused layers."""
    x, kernel = normal(0, 2, 8, 8, 4), normal(1, 3, 3, 4, 6)
    bias = normal(2, 6)
    box = np.zeros((4, 4, 4, 6), np.float32)
    for row, column in np.ndindex(2, 2):
        box[row : row + 3, column : column + 3] += kernel * np.sqrt(2 / (9 * 4)) / 4
    strided = convolve(jnp.asarray(x), jnp.asarray(box), padding=SAME, stride=2)
    strided = np.asarray(strided) + bias
    config = tiny(average_first=True).config
    found = progressive_discriminator._shrink(
        jnp.asarray(x),
        {"weight": jnp.asarray(kernel), "bias": jnp.asarray(bias)},
        config,
    )
    assert error(found, np.where(strided > 0, strided, 0.2 * strided)) <= 1e-5


def test_labels_choose_the_logit_or_are_told():
    images = jnp.asarray(normal(1, 2, 8, 8, 3))
    chooses = tiny(label_dim=3)
    every = [judge(chooses, images, jnp.full(2, label)) for label in range(3)]
    hard = judge(chooses, images, jnp.asarray([0, 2]))
    assert np.allclose(hard, [every[0][0], every[2][1]], atol=1e-5)
    assert not np.allclose(every[0], every[1])
    with pytest.raises(ValueError, match="label: missing"):
        chooses(images)
    tells = tiny(label_dim=3, conditioning="classify")
    assert judge(tells, images).shape == (2, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tiny()(jnp.zeros((2, 4, 8, 3))), r"images: shape \(2, 4, 8, 3\)"),
        (lambda: tiny(conditioning="concat"), "conditioning: 'concat' given"),
        (lambda: tiny(resolution=24), "resolution: 24 given for 2 entries"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
