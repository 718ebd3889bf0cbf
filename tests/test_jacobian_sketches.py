"""Leading vectors and traces against the whole matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from functions import EXCHANGES, MASKS, dense, made

from jaxlatent.numerics.jacobian_sketches import leading_singular_vectors, trace
from jaxlatent.parallel import mesh

RNG = np.random.default_rng(3)


def test_leading_vectors_without_the_matrix():
    rng = np.random.default_rng(1)
    left, _ = np.linalg.qr(rng.normal(size=(200, 60)))
    right, _ = np.linalg.qr(rng.normal(size=(60, 60)))
    scale = 0.8 ** np.arange(60)
    matrix = jnp.asarray(left * scale @ right.T, jnp.float32)
    found = jax.jit(
        lambda: leading_singular_vectors(
            lambda z: matrix @ z, jnp.zeros(60), 4, key=jax.random.key(0)
        )
    )()
    np.testing.assert_allclose(found.values, scale[:4] ** 2, rtol=1e-5)
    cosines = np.abs(np.sum(found.vectors * right.T[:4], axis=1))
    assert cosines.min() > 1 - 1e-5
    assert found.residuals.max() < 1e-5
    assert (np.abs(found.vectors).max(axis=1) == found.vectors.max(axis=1)).all()


def test_leading_vectors_of_a_range_that_is_smaller():
    matrix = jnp.asarray(RNG.normal(size=(2, 40)), jnp.float32)
    found = leading_singular_vectors(
        lambda z: matrix @ z, jnp.zeros(40), 5, key=jax.random.key(0)
    )
    expected = np.linalg.svd(matrix, compute_uv=False) ** 2
    np.testing.assert_allclose(found.values[:2], expected, rtol=1e-5)
    np.testing.assert_allclose(found.values[2:], 0, atol=1e-4)
    products = np.asarray(found.vectors @ found.vectors.T)
    np.testing.assert_allclose(products, np.eye(5), atol=1e-5)


def test_leading_vectors_of_a_small_latent_under_weights():
    f, latent = made(6)
    found = leading_singular_vectors(
        f, latent, 6, key=jax.random.key(0), weights=MASKS[0]
    )
    values = np.linalg.eigvalsh(dense(f, latent, MASKS[:1])[0])[::-1]
    np.testing.assert_allclose(found.values, values, rtol=1e-4, atol=1e-6)


def test_leading_vectors_over_devices_gather_their_products_alone():
    f, latent = made(12)
    key = jax.random.key(0)
    static = ("k", "oversample", "mesh")
    find = jax.jit(leading_singular_vectors, static_argnames=static)
    lowered = find.lower(f, latent, k=3, oversample=3, key=key, mesh=mesh(4))
    program = lowered.compile()
    used = {word for word in EXCHANGES if word in program.as_text()}
    assert used == {"all-gather"}
    values = np.linalg.eigvalsh(dense(f, latent))[::-1][:3]
    found = program(f, latent, key=key)
    np.testing.assert_allclose(found.values, values, rtol=1e-4)


def test_the_trace_of_orthogonal_columns_is_exact():
    scale = jnp.arange(1.0, 6)
    estimate = trace(lambda z: scale * z, jnp.zeros(5), 3, key=jax.random.key(0))
    assert float(estimate.value) == pytest.approx(55)
    assert float(estimate.error) == 0


def test_a_trace_lies_within_its_error():
    f, latent = made(12)
    found = trace(f, latent, 400, key=jax.random.key(2), weights=MASKS, chunk=16)
    expected = np.trace(dense(f, latent, MASKS), axis1=1, axis2=2)
    assert (np.abs(found.value - expected) < 4 * found.error).all()
    assert (found.error < 0.1 * expected).all()


def test_vectors_that_cannot_be_had():
    f, latent = made(6)
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="k: 7 given; 1 to 6"):
        leading_singular_vectors(f, latent, 7, key=key)
    with pytest.raises(ValueError, match="weights: many sets"):
        leading_singular_vectors(f, latent, 2, key=key, weights=MASKS)
    with pytest.raises(ValueError, match="num: 1 given"):
        trace(f, latent, 1, key=key)
