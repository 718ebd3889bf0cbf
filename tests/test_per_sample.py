"""Batches of large images: the last layers image by image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn, error

from jaxlatent.generators import (
    base,
    biggan,
    per_sample,
    rendering,
    sequential,
    stylegan2,
)
from jaxlatent.generators.base import Generator
from jaxlatent.generators.rendering import render
from jaxlatent.generators.sequential_layers import Activation, Unflatten
from jaxlatent.generators.sequential_weighted import Linear, TransposedConvolution
from jaxlatent.parallel import mesh
from jaxlatent.types import Noise

STYLEGAN2 = stylegan2.Config(
    resolution=16, channels=(8, 6, 4), z_dim=5, w_dim=4, mapping_layers=1
)
BIGGAN = biggan.Config(channels=(6, 4, 3), z_dim=6, label_dim=3, embed_dim=2)
CHAIN = sequential.Config(
    (
        Linear("0", 8 * 8 * 4),
        Unflatten("1", (8, 8, 4)),
        TransposedConvolution("2", 3, 4, 2, 1),
        Activation("3", "tanh"),
    ),
    6,
)

MAPS = {
    layer.name: jnp.asarray(
        np.random.default_rng(layer.row).normal(
            size=(5 if layer.up else 1, *layer.size)
        ),
        jnp.float32,
    )
    for layer in stylegan2.layers(STYLEGAN2)
    if not layer.rgb
}


@pytest.fixture(params=[1, 8 * 8 * 4, 16 * 16 * 3, 2**30])
def large(request, monkeypatch):
    """What counts as large: every layer, those from 8 or 16 pixels on, none."""
    monkeypatch.setattr(base, "LARGE_IMAGE", 16)
    monkeypatch.setattr(per_sample, "LARGE_ACTIVATION", request.param)
    return request.param


def fresh(config):
    init = base.family_module(base.family_name(config)).init
    # behind BigGAN's tanh, larger weights draw nothing but black and white
    scale = 1.0 if config is STYLEGAN2 else None
    params = drawn(lambda key: init(key, config), 0, scale=scale)
    return Generator(params, config)


def key():
    return jax.random.key(3)


def keys():
    return jax.vmap(jax.random.fold_in, (None, 0))(key(), jnp.arange(5))


def synthesize(generator, latent, label, noise):
    return generator.synthesize(latent, label, noise=noise)


def check(generator, latent, label=None, noise=lambda: Noise.FIXED, own=None):
    """A batch against the images that are alone; returns what is run."""
    again = lambda *inputs: synthesize(*inputs)  # noqa: E731  # traced anew
    draw = jax.jit(again)
    images = draw(generator, latent, label, noise())
    for index in range(5):
        one = jax.tree.map(lambda rows, i=index: rows[i : i + 1], (latent, label))
        alone = draw(generator, *one, own(index) if own else noise())
        assert error(images[index : index + 1], np.asarray(alone)) <= 1e-5
    return str(jax.make_jaxpr(again)(generator, latent, label, noise()))


def _key_of(index):
    return keys()[index : index + 1]


def _maps_of(index):
    return {
        name: rows[index : index + 1] if len(rows) > 1 else rows
        for name, rows in MAPS.items()
    }


# (noise of a batch, of one image of it)
NOISES = {
    "none": (lambda: Noise.NONE, None),
    "key": (key, _key_of),
    "keys": (keys, _key_of),
    "maps": (lambda: MAPS, _maps_of),
}
# a noise of its own for each bound, and all of them where some layers are large
PAIRS = [(1, "keys"), (16 * 16 * 3, "maps"), (2**30, "key")]
PAIRS += [(8 * 8 * 4, name) for name in NOISES]


@pytest.mark.parametrize(("large", "noise"), PAIRS, indirect=["large"])
def test_every_image_is_the_one_that_it_is_alone(large, noise):
    generator, (noise, own) = fresh(STYLEGAN2), NOISES[noise]
    latent = jnp.asarray(np.random.default_rng(1).normal(size=(5, 4)), jnp.float32)
    program = check(generator, latent, noise=noise, own=own)
    assert ("scan[" in program) == (large < 2**30)
    styles = generator.styles(latent)
    found = jax.jit(lambda *inputs: synthesize(*inputs))(
        generator, styles, None, noise()
    )
    expected = jax.jit(lambda *inputs: synthesize(*inputs))(
        generator, latent, None, noise()
    )
    assert error(found, np.asarray(expected)) <= 1e-6


def test_labels_and_embeddings_stay_with_their_images(large):
    generator = fresh(BIGGAN)
    z = jnp.asarray(np.random.default_rng(1).normal(size=(5, 6)), jnp.float32)
    label = jnp.asarray([0, 1, 2, 0, 1])
    program = check(generator, z, label)
    assert ("scan[" in program) == (large < 2**30)
    draw = jax.jit(lambda g, z, e: g.synthesize(z, embedding=e))
    expected = jax.jit(lambda g, z, y: g.synthesize(z, y))(generator, z, label)
    found = draw(generator, z, generator.embed(label))
    assert error(found, np.asarray(expected)) <= 1e-6


def test_chains_of_layers_are_split_too(large):
    z = jnp.asarray(np.random.default_rng(1).normal(size=(5, 6)), jnp.float32)
    program = check(fresh(CHAIN), z)
    assert ("scan[" in program) == (large < 2**30)


def test_small_images_and_hooked_networks_stay_one_batch(monkeypatch):
    monkeypatch.setattr(per_sample, "LARGE_ACTIVATION", 1)
    generator, latent = fresh(STYLEGAN2), jnp.ones((2, 4))
    assert "scan[" not in str(jax.make_jaxpr(generator.synthesize)(latent))
    monkeypatch.setattr(base, "LARGE_IMAGE", 16)
    assert "scan[" in str(jax.make_jaxpr(generator.synthesize)(latent))
    assert "scan[" not in str(jax.make_jaxpr(generator.synthesize)(latent[:1]))
    hooks = {"b4": lambda value: value * jnp.asarray([1.0, 2.0])[:, None, None, None]}
    hooked = jax.make_jaxpr(lambda w: generator.synthesize(w, hooks=hooks))(latent)
    assert "scan[" not in str(hooked)


@pytest.mark.parametrize("large", [8 * 8 * 4], indirect=True)
def test_gradients_and_tangents_pass(large):
    generator = fresh(STYLEGAN2)
    latent = jnp.asarray(np.random.default_rng(1).normal(size=(2, 4)), jnp.float32)
    total = lambda w: jnp.sum(jnp.sin(generator.synthesize(w)))  # noqa: E731
    found = jax.jit(jax.grad(total))(latent)
    alone = jax.jit(jax.grad(total))
    expected = jnp.concatenate([alone(latent[:1]), alone(latent[1:])])
    assert error(found, np.asarray(expected)) <= 1e-5
    pushed = jax.jit(lambda w: jax.jvp(total, (w,), (w,))[1])(latent)
    assert error(pushed, np.asarray(jnp.vdot(found, latent))) <= 1e-4


@pytest.mark.parametrize("large", [8 * 8 * 4], indirect=True)
def test_every_device_loops_over_its_own_images(large):
    generator = fresh(STYLEGAN2)
    latent = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
    expected = render(generator, latent, noise=key())
    found = render(generator, latent, noise=key(), mesh=mesh(2))
    assert error(found, expected) <= 1e-6
    rows = jnp.ones((8, 4))
    text = (
        rendering._synthesize.lower(generator, rows, None, Noise.FIXED, mesh=mesh(2))
        .compile()
        .as_text()
    )
    assert "while(" in text
    assert "all-gather" not in text


def test_wrong_inputs_are_refused_as_for_small_images(large):
    generator = fresh(BIGGAN)
    with pytest.raises(ValueError, match=r"label: \[7\] given; classes 0 to 2"):
        generator.synthesize(jnp.ones((2, 6)), jnp.asarray([0, 7]))
    with pytest.raises(ValueError, match=r"latent: shape \(2, 5\) given"):
        generator.synthesize(jnp.ones((2, 5)), jnp.asarray([0, 1]))
