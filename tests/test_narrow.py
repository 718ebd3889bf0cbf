"""Tangents in bfloat16: exact where they can be, and how far off where not."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn

from jaxlatent.generators import stylegan2
from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import picture
from jaxlatent.numerics.jacobian import gram, grams
from jaxlatent.numerics.narrow import narrowed
from jaxlatent.parallel import mesh

CONFIG = stylegan2.Config(
    resolution=8, channels=(6, 4), z_dim=4, w_dim=5, mapping_layers=1, mapping_width=5
)
compiled = jax.jit(gram, static_argnames=("chunk", "mesh", "store", "tangents"))


@pytest.fixture(scope="module")
def given():
    params = drawn(lambda key: stylegan2.init(key, CONFIG), 0, scale=1.0)
    latent = jnp.asarray(np.random.default_rng(1).normal(size=5), jnp.float32)
    return picture(Generator(params, CONFIG), latent, space="w")


def squares(z):
    """Its derivative is small integers at small integers: exact in eight bits."""
    matrix = jnp.asarray([[1.0, 2, 0], [3, -1, 2]])
    return matrix @ (z * z / 2)


@pytest.mark.parametrize("store", [True, False])
def test_what_fits_is_exact(store):
    latent = jnp.asarray([1.0, 2, -4])
    rows = np.array([[1.0, 4, 0], [3, -2, -8]])
    found = gram(squares, latent, store=store, tangents=jnp.bfloat16)
    np.testing.assert_array_equal(found, rows.T @ rows)


def test_the_function_itself_is_not_narrowed():
    """A unit whose input is nearer to its kink than bfloat16 can tell."""
    latent = jnp.asarray([1 + 1e-5, 1 - 1e-5])
    linear = jax.linearize(lambda z: jax.nn.relu(z - 1), latent)[1]
    linear = narrowed(linear, latent, jnp.bfloat16)
    np.testing.assert_array_equal(linear(jnp.ones(2)), [1, 0])


@pytest.mark.parametrize("store", [True, False])
def test_a_generator_is_off_by_a_hundredth(given, store):
    expected = np.asarray(compiled(given, given.origin, chunk=2, store=store))
    found = compiled(given, given.origin, chunk=2, store=store, tangents=jnp.bfloat16)
    assert found.dtype == jnp.float32
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 1e-4 < error < 0.02


def test_every_product_is_narrow(given):
    text = compiled.lower(
        given, given.origin, store=False, tangents=jnp.bfloat16
    ).as_text()
    alone = jax.jit(lambda given: given(given.origin)).lower(given).as_text()
    products = re.findall(r"stablehlo.convolution.*\(tensor<[\dx]*?(b?f)\d\d>", text)
    assert products.count("f") <= alone.count("stablehlo.convolution")
    assert products.count("bf") == 16


def test_many_latents_on_many_devices(given):
    shifts = jnp.stack([given.origin, given.origin + 0.5])
    call = jax.jit(grams, static_argnames=("mesh", "store", "tangents"))
    how = {"store": False, "tangents": jnp.bfloat16}
    one = call(given, shifts, **how)
    np.testing.assert_allclose(
        call(given, shifts, mesh=mesh(4, latents=2), **how), one, rtol=0.02, atol=0.02
    )
