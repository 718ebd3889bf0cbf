"""The PyTorch families draw our pictures, and count their own work."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn, error, nhwc

from jaxlatent.generators import (
    biggan,
    biggan_deep,
    progan,
    sngan,
    stylegan,
    stylegan2,
    stylegan3,
)
from jaxlatent.generators.base import Generator, family_name

pytestmark = pytest.mark.torch

STYLE = dict(z_dim=5, w_dim=6, mapping_layers=1, mapping_width=4)

CONFIGS = {
    "stylegan2": stylegan2.Config(
        16, (6, 5, 4), clamp=1.5, filter=(1.0, 2.0, 4.0, 3.0), **STYLE
    ),
    "stylegan2-resnet": stylegan2.Config(
        8, (6, 4), architecture="resnet", final_tanh=True, **STYLE
    ),
    "stylegan2-orig": stylegan2.Config(
        8, (4, 4), architecture="orig", use_noise=False, filter=(1.0, 2.0, 2.0), **STYLE
    ),
    "stylegan2-tall": stylegan2.Config(
        12, (6, 4), architecture="resnet", image_channels=2, base_size=(6, 3), **STYLE
    ),
    "stylegan": stylegan.Config(16, (6, 5, 4), fused_from=16, **STYLE),
    "stylegan-fading": stylegan.Config(
        8, (6, 4), lod=0.25, filter=(1.0, 4.0, 2.0), final_tanh=True, **STYLE
    ),
    "stylegan-wide": stylegan.Config(
        8, (6, 4), image_channels=4, base_size=(2, 4), **STYLE
    ),
    "progan": progan.Config(16, (6, 5, 4), z_dim=5, label_dim=3, normalize_z=False),
    "progan-fused": progan.Config(16, (6, 5, 4), z_dim=5, fused_scale=True, lod=1.5),
    "biggan": biggan.Config((16, 16, 8), 9, 3, 4, attention=(8,)),
    "biggan-flat": biggan.Config(
        (8, 4), 5, 3, 0, hierarchical=False, standing=True, additive_gain=True
    ),
    "biggan_deep": biggan_deep.Config(
        (16, 16, 8),
        (True, False),
        z_dim=5,
        label_dim=3,
        embed_dim=4,
        attention=(1,),
        n_stats=5,
        output_width=4,
    ),
    "biggan_deep-plain": biggan_deep.Config(
        (8, 4), (True,), z_dim=5, label_dim=3, embed_dim=4, n_stats=0
    ),
    "sngan": sngan.Config((6, 6, 4), z_dim=5),
    "stylegan3": stylegan3.Config(16, (6, 5, 4, 4), margin=2, clamp=1.5, **STYLE),
    "stylegan3-alpha": stylegan3.Config(
        16, (6, 5, 4, 4), margin=2, image_channels=4, **STYLE
    ),
}


def built(config):
    """A generator of ours, the same in PyTorch, latents and labels."""
    torch = pytest.importorskip("torch")
    name = family_name(config)
    baseline = importlib.import_module(f"benchmarks.torch_baseline.{name}")
    family = importlib.import_module(f"jaxlatent.generators.{name}")
    params = drawn(lambda key: family.init(key, config), 3, scale=0.3)
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 2 + leaf**2 if "counter" in str(path[-1]) else leaf, params
    )
    generator = Generator(params, config)
    rows = (config.num_layers,) if "w+" in config.spaces else ()
    latent = np.random.default_rng(4).normal(size=(2, *rows, config.w_dim)).astype("f")
    label = np.array([2, 0]) if config.label_dim else None

    def draw(latent, label, **options):
        weights = baseline.load(params, config, **options)
        label = None if label is None else torch.from_numpy(label)
        images = baseline.synthesize(weights, config, torch.from_numpy(latent), label)
        return nhwc(images.numpy())

    return generator, draw, latent, label


@pytest.mark.parametrize("name", CONFIGS)
def test_pictures_agree(name):
    generator, draw, latent, label = built(CONFIGS[name])
    ours = jax.jit(lambda g, latent, label: g.synthesize(latent, label))
    theirs = draw(latent, label)
    assert theirs.std() > 1e-2
    assert error(ours(generator, latent, label), theirs) <= 2e-5


@pytest.mark.parametrize("name", ["stylegan2-orig", "stylegan", "biggan_deep-plain"])
def test_one_latent_stands_for_equal_rows(name):
    _, draw, latent, label = built(CONFIGS[name])
    rows = np.repeat(latent[:, :1], latent.shape[1], axis=1)
    assert error(draw(latent[:, 0], label), draw(rows, label)) <= 1e-5


def test_a_truncation_chooses_the_statistics():
    generator, draw, latent, label = built(CONFIGS["biggan_deep"])
    ours = jax.jit(lambda g, z: g.synthesize(z, jnp.asarray(label), truncation=0.3))
    theirs = draw(latent, label, truncation=0.3)
    assert error(ours(generator, latent), theirs) <= 2e-5
    assert error(draw(latent, label), theirs) > 1e-3


@pytest.mark.parametrize("name", CONFIGS)
def test_operations_are_those_that_run(name, monkeypatch):
    """PyTorch's own count of convolutions and products, without the filters."""
    pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.torch_baseline import layers

    config = CONFIGS[name]
    family = family_name(config)
    baseline = importlib.import_module(f"benchmarks.torch_baseline.{family}")

    def cropped(x, kernel, before, after):
        short = kernel.shape[0] - 1 - before - after
        return x[:, :, : x.shape[2] - short, : x.shape[3] - short].contiguous()

    def blank(x, taps, up, down, padding, gain):
        length = up * x.shape[2] + sum(padding) - (1 if taps is None else len(taps))
        return x.new_zeros(*x.shape[:2], *(length // down + 1,) * 2)

    for module in (layers, baseline):
        monkeypatch.setattr(module, "depthwise", cropped, raising=False)
        monkeypatch.setattr(module, "resample", blank, raising=False)
    _, draw, latent, label = built(config)
    with FlopCounterMode(display=False) as counter:
        draw(latent[:1], None if label is None else label[:1])
    counted = counter.get_total_flops()
    if "embed_dim" in vars(config):  # a table of the labels, met as a product
        counted -= 2 * config.label_dim * config.embed_dim
    if family == "stylegan2":  # what demodulation adds up
        counted -= 2 * sum(
            layer.inputs * layer.outputs
            for layer in stylegan2.layers(config)
            if not layer.rgb
        )
    assert baseline.operations(config) == counted


def test_the_benchmark_has_the_papers_sizes():
    """Products of StyleGAN2 as Liu et al. (2021) count them, in "Content-Aware GAN
    Compression": 45.1 and 74.3 billion."""
    pytest.importorskip("torch")
    from benchmarks.synthesis import CASES
    from benchmarks.torch_baseline import stylegan2 as baseline

    for name, case in CASES.items():
        assert case.config.resolution == int(name.rpartition("-")[2])
    for size, billions in ((256, 45.1), (1024, 74.3)):
        found = baseline.operations(CASES[f"stylegan2-{size}"].config) / 2e9
        assert round(found, 1) == billions
