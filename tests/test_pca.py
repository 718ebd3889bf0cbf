import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import golden

from jaxlatent.numerics import pca
from jaxlatent.numerics.moments import init_moments, update_moments

update = jax.jit(update_moments)


def white(count, dim, seed=0):
    """Rows of mean zero and covariance one, exactly (divisor n - 1), in float64."""
    draw = np.random.default_rng(seed).normal(size=(count, dim))
    basis, _ = np.linalg.qr(draw - draw.mean(axis=0))
    return basis * np.sqrt(count - 1)


def wide(count=400, dim=60, latent=12, noise=0.01, seed=0):
    """Rows whose spread falls from 1 to 0.1 along `latent` directions; latents."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(dim, latent)))
    codes = white(count, latent)
    rows = (codes * np.logspace(0, -1, latent)) @ basis.T + 3
    rows += noise * rng.normal(size=rows.shape)
    return rows.astype(np.float32), codes.astype(np.float32)


def moments_of(rows):
    return update(init_moments(rows.shape[1]), rows)


def cosines(ours, theirs):
    theirs = theirs.reshape(len(theirs), -1)
    along = np.sum(ours * theirs, axis=1)
    return np.abs(along) / np.linalg.norm(theirs, axis=1)


def float64(rows, k):
    """Components, deviations and total variance by an SVD in float64."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    stdev = values / np.sqrt(len(rows) - 1)
    return vectors[:k], stdev[:k], np.sum(stdev**2)


def batches(rows, count=4):
    return pca.sweep_batches(lambda: map(jnp.asarray, np.split(rows, count)))


# exact


def test_linear_map_of_white_codes():
    matrix = np.random.default_rng(1).normal(size=(8, 5))
    rows = (white(300, 5) @ matrix.T - 2).astype(np.float32)
    found = pca.principal_components(moments_of(rows), 5)
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    assert cosines(found.vectors, left.T).min() > 1 - 1e-6
    assert np.allclose(found.stdev, values, rtol=1e-5)
    assert np.allclose(found.variance_ratio.sum(), 1)
    assert np.allclose(found.mean, -2, rtol=1e-6)
    assert found.rank == 5


def test_signs_are_canonical():
    found = pca.principal_components(moments_of(wide()[0]), 12)
    peak = np.argmax(np.abs(found.vectors), axis=1)
    assert (np.take_along_axis(found.vectors, peak[:, None], axis=1) > 0).all()


def test_rotated_rows_rotate_the_components():
    rows, _ = wide(dim=20)
    turn = pca.random_columns(20, 20, key=jax.random.key(0))
    plain = pca.principal_components(moments_of(rows), 6)
    turned = pca.principal_components(moments_of((rows @ turn).astype(np.float32)), 6)
    assert cosines(turned.vectors, plain.vectors @ turn).min() > 1 - 1e-5
    assert np.allclose(turned.stdev, plain.stdev, rtol=1e-5)


def test_more_columns_than_rows():
    rows = np.random.default_rng(3).normal(size=(10, 30)).astype(np.float32)
    found = pca.principal_components(moments_of(rows))
    vectors, stdev, total = float64(rows, 9)
    assert found.rank == len(found.stdev) == 9
    assert cosines(found.vectors, vectors).min() > 1 - 1e-6
    assert np.allclose(found.stdev, stdev, rtol=1e-5)
    assert np.isclose(found.total_variance, total)


def test_beyond_the_rank_is_a_warning():
    rows = np.random.default_rng(3).normal(size=(10, 30)).astype(np.float32)
    with pytest.warns(UserWarning, match="k: 12 given.* only 9 directions"):
        found = pca.principal_components(moments_of(rows), 12)
    assert found.vectors.shape == (12, 30)
    assert np.allclose(found.stdev[9:], 0, atol=1e-3)


def test_constant_columns_take_no_part():
    rows, _ = wide(dim=20)
    rows[:, [3, 7]] = 1e4
    found = pca.principal_components(moments_of(rows), 12)
    assert np.allclose(found.vectors[:, [3, 7]], 0, atol=1e-6)
    assert np.allclose(found.mean[[3, 7]], 1e4)


def test_constant_rows_have_no_component():
    with pytest.warns(UserWarning, match="only 0 directions"):
        found = pca.principal_components(moments_of(np.ones((5, 3), np.float32)), 2)
    assert np.allclose(found.stdev, 0)
    assert np.allclose(pca.scaled_weights(found), 0)


@pytest.mark.parametrize("k", [0, 6])
def test_k_out_of_range(k):
    with pytest.raises(ValueError, match=f"k: {k} given; 1 to 5 components exist"):
        pca.principal_components(moments_of(wide(dim=20)[0][:, :5]), k)


def test_original_full_pca():
    stored = golden("ganspace_estimators")
    rows = stored["X"]
    found = pca.principal_components(moments_of(rows), int(stored["n_components"]))
    assert cosines(found.vectors, stored["exact_comp"]).min() > 1 - 1e-9
    assert np.allclose(found.stdev, stored["exact_stdev"], rtol=1e-6)
    assert np.isclose(found.total_variance, stored["exact_total_var"])
    # the original divides by n here, and chooses the same signs
    assert np.sum(found.vectors * stored["pca_comp"], axis=1).min() > 1 - 1e-6
    biased = found.stdev * np.sqrt(1 - 1 / len(rows))
    assert np.allclose(biased, stored["pca_stdev"], rtol=1e-5)
    assert np.allclose(found.variance_ratio, stored["pca_var_ratio"], rtol=1e-5)


def test_original_fits_padding():
    """Its matrix holds rows that were never filled; ours sees the others alone."""
    stored = golden("ganspace_compute_z_act_pca")
    rows = stored["fit_X"]
    padded = pca.principal_components(moments_of(rows), 3)
    assert cosines(padded.vectors, stored["out_act_comp"]).min() > 1 - 1e-6
    filled = rows[~np.all(rows == rows[-1], axis=1)]
    assert len(rows) - len(filled) == 2000
    clean = pca.principal_components(moments_of(filled), 3)
    assert cosines(clean.vectors, float64(filled, 3)[0]).min() > 1 - 1e-6
    assert cosines(clean.vectors, stored["out_act_comp"]).min() < 0.1


# randomised


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_randomized_finds_the_same(passes):
    rows, _ = wide()
    found, _ = pca.randomized_components(
        batches(rows), 60, 8, key=jax.random.key(0), passes=passes, oversample=10
    )
    vectors, stdev, total = float64(rows, 8)
    assert cosines(found.vectors, vectors).min() > 1 - (1e-3 if passes == 1 else 1e-5)
    assert np.allclose(found.stdev, stdev, rtol=1e-2 if passes == 1 else 1e-4)
    assert np.isclose(found.total_variance, total, rtol=1e-5)
    assert np.allclose(found.variance_ratio, found.stdev**2 / total, rtol=1e-5)
    assert np.allclose(found.mean, rows.mean(axis=0, dtype=np.float64), atol=1e-6)
    assert np.allclose(found.vectors @ found.vectors.T, np.eye(8), atol=1e-6)


@pytest.mark.parametrize("passes", [1, 2])
def test_randomized_does_not_depend_on_batches(passes):
    rows, _ = wide()
    one, many = (
        pca.randomized_components(
            batches(rows, count),
            60,
            8,
            key=jax.random.key(0),
            passes=passes,
            oversample=10,
        )[0]
        for count in (1, 8)
    )
    assert cosines(one.vectors, many.vectors).min() > 1 - 1e-6
    assert np.allclose(one.stdev, many.stdev, rtol=1e-5)


@pytest.mark.parametrize("passes", [1, 2])
def test_regression_needs_no_further_pass(passes):
    rows, codes = wide(noise=0)
    valid = jnp.ones(len(rows), bool)
    found, state = pca.randomized_components(
        lambda update, state: jax.jit(update)(state, rows, codes, valid),
        60,
        8,
        key=jax.random.key(0),
        passes=passes,
        latent_dim=12,
    )
    solution, moments = pca.latent_regression(state, found)
    # white codes, scaled along orthonormal directions: one code for each component
    expected = np.eye(12)[:8]
    assert np.allclose(np.abs(solution), expected, atol=1e-3)
    assert int(moments.count) == len(rows)


def test_one_pass_survives_a_low_rank():
    rows, _ = wide(latent=3, noise=0)
    with pytest.warns(UserWarning, match="k: 5 given"):
        found, _ = pca.randomized_components(
            batches(rows), 60, 5, key=jax.random.key(0), passes=1
        )
    vectors, stdev, _ = float64(rows, 3)
    assert cosines(found.vectors[:3], vectors).min() > 1 - 1e-5
    assert np.allclose(found.stdev[:3], stdev, rtol=1e-4)


def test_randomized_memory_is_a_few_thin_matrices():
    dim, width = 32768, 240

    def step(sketch, rows, valid):
        return pca.update_sketch(sketch, rows, rows[:, :0], valid)

    sketch = jax.eval_shape(
        lambda basis: pca.init_sketch(basis),
        jax.ShapeDtypeStruct((dim, width), jnp.float32),
    )
    chunk = 256
    usage = (
        jax.jit(step, donate_argnums=0)
        .lower(
            sketch,
            jax.ShapeDtypeStruct((chunk, dim), jnp.float32),
            jax.ShapeDtypeStruct((chunk,), bool),
        )
        .compile()
        .memory_analysis()
    )
    thin, rows = dim * width * 4, chunk * dim * 4
    assert usage.temp_size_in_bytes < 4 * thin + 4 * rows


def test_passes_out_of_range():
    with pytest.raises(ValueError, match="passes: 0 given"):
        pca.randomized_components(
            batches(wide()[0]), 60, 8, key=jax.random.key(0), passes=0
        )


def test_random_columns_are_orthonormal():
    columns = pca.random_columns(30, 7, key=jax.random.key(0))
    assert np.allclose(columns.T @ columns, np.eye(7))
    assert not np.allclose(columns, pca.random_columns(30, 7, key=jax.random.key(1)))
