"""A small generator of every family, for what all of them promise."""

import sys

import jax.numpy as jnp
import numpy as np
from helpers import drawn

from jaxlatent.generators import (
    biggan,
    biggan_deep,
    functions,
    progan,
    rendered,
    sequential,
    sngan,
    stylegan,
    stylegan2,
    stylegan3,
)
from jaxlatent.generators.base import Generator
from jaxlatent.generators.sequential_layers import Activation, Unflatten
from jaxlatent.generators.sequential_weighted import BatchNorm, Linear

D = 5


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def affine(params, latent):
    """A generator whose images are A w + b, of 2 x 1 pixels and one channel."""
    images = latent @ params["matrix"] + params["bias"][None]
    return images[:, :, None, None]


def halve(params, z):
    return z @ params["map"] / 2


CONFIGS = {
    "biggan": biggan.Config(channels=(4, 3), z_dim=6, label_dim=3, embed_dim=2),
    "biggan_deep": biggan_deep.Config(
        channels=(8, 8),
        upsamples=(True,),
        z_dim=D,
        label_dim=3,
        embed_dim=2,
        attention=(1,),
        n_stats=3,
    ),
    "progan": progan.Config(
        resolution=8, channels=(3, 2), z_dim=D, fused_scale=True, lod=0.25
    ),
    "rendered": rendered.Config(z_dim=24, size=8, largest_group=26),
    "rendered by rows": rendered.Config(
        z_dim=D,
        largest_group=4,
        factors=("smile", "yaw", "skin"),
        curved=0.5,
        mapped=True,
        rows=2,
        shows="factors",
    ),
    "rendered mapping": rendered.Config(
        z_dim=D, largest_group=4, factors=("smile", "yaw"), mapped=True, shows="factors"
    ),
    "sequential": sequential.Config(
        (
            Linear("net.0", 6),
            BatchNorm("net.1"),
            Activation("net.2", "leaky_relu", slope=0.2),
            Linear("net.3", 12),
            Activation("net.4", "tanh"),
            Unflatten("net.5", (2, 2, 3)),
        ),
        D,
        image_range=(0.0, 1.0),
    ),
    "stylegan": stylegan.Config(
        resolution=8,
        channels=(3, 2),
        z_dim=D,
        w_dim=4,
        mapping_layers=2,
        mapping_width=6,
        mapping_rate=0.5,
        lod=0.25,
        base_size=(2, 4),
    ),
    "sngan": sngan.Config(channels=(4, 3), z_dim=D, image_channels=1),
    "stylegan2": stylegan2.Config(
        resolution=8,
        channels=(3, 2),
        z_dim=D,
        w_dim=4,
        mapping_layers=2,
        mapping_width=6,
        mapping_rate=0.5,
        filter=(1.0, 2.0, 1.0),
        clamp=256.0,
        image_channels=4,
        base_size=(4, 2),
    ),
    "stylegan3": stylegan3.Config(
        resolution=8,
        channels=(3, 2),
        critical=1,
        first_cutoff=1.0,
        first_stopband=1.5,
        margin=1,
        filter_size=2,
        z_dim=D,
        w_dim=4,
        mapping_layers=1,
        mapping_width=6,
        mapping_rate=0.5,
    ),
    "functions": functions.Config(affine, None, halve, z_dim=D, w_dim=4),
}


def fresh(family, seed=0):
    """A generator of a family with random parameters."""
    config = CONFIGS[family]
    if family == "functions":
        shapes = {"matrix": (4, 2), "bias": (2,), "map": (D, 4)}
        params = {name: normal(seed, *shape) for name, shape in shapes.items()}
        return Generator(params, config)
    module = sys.modules[type(config).__module__]
    # behind their tanh or clamp, larger weights draw nothing but black and white
    bounded = ("biggan", "biggan_deep", "sngan", "stylegan3")
    scale = None if family in bounded else 1.0
    params = drawn(lambda key: module.init(key, config), seed, scale=scale)
    return Generator(params, config)


def labels(generator, z):
    """A little of every class for each code; None without classes."""
    classes = generator.config.label_dim
    return jnp.full((len(z), classes), 1 / classes) if classes else None


def answer(generator, z):
    """Images; of the drawn portraits the factors, whose pictures take long to build."""
    if generator.config == CONFIGS["rendered"]:
        return generator.features(z, names=("factors",))["factors"]
    return generator.synthesize(generator.map(z), labels(generator, z))
