import jax
import numpy as np
import pytest
from helpers import golden

from jaxlatent.numerics import estimators
from jaxlatent.numerics.moments import covariance, init_moments, spread, update_moments


@pytest.fixture(scope="module")
def stored():
    return golden("ganspace_estimators")


def agree(found, stored, name, *, signs=True):
    along = np.sum(found.vectors * stored[f"{name}_comp"], axis=1)
    assert (along if signs else np.abs(along)).min() > 1 - 1e-4
    assert np.allclose(found.stdev, stored[f"{name}_stdev"], rtol=1e-3)
    assert np.allclose(found.variance_ratio, stored[f"{name}_var_ratio"], rtol=1e-3)


def test_original_incremental(stored):
    blocks = np.split(stored["X"], stored["ipca_cuts"][1:-1])
    found = estimators.incremental_components(blocks, 6)
    agree(found, stored, "ipca")
    assert np.allclose(found.mean, stored["ipca_mean"])


def test_original_independent(stored):
    found = estimators.independent_components(stored["X"], 6)
    # the original leaves the sign to chance
    agree(found, stored, "ica", signs=False)
    # unit rows that unmix, and columns that mix: one's dual is the other
    dual = found.vectors @ found.mixing.T
    assert np.allclose(dual, np.diag(found.stdev), atol=1e-3 * found.stdev.max())
    assert (np.diag(dual) > 0).all()


def test_original_sparse(stored):
    agree(estimators.sparse_components(stored["X"], 6), stored, "spca")


def test_original_decomposition_of_w():
    stored = golden("ganspace_compute_w_ipca")
    found = estimators.incremental_components(stored["fit_batches"], 5)
    along = np.sum(found.vectors * stored["out_lat_comp"][:, 0], axis=1)
    assert along.min() > 1 - 1e-6
    assert np.allclose(found.stdev, stored["out_act_stdev"], rtol=1e-5)
    assert np.allclose(found.mean, stored["out_lat_mean"][0], atol=1e-6)
    assert np.allclose(found.variance_ratio, stored["out_var_ratio"], rtol=1e-5)
    # measured on 5 000 more codes
    assert np.allclose(found.stdev, stored["out_lat_stdev"], rtol=0.02)
    vectors = np.random.RandomState(2).randn(5, 6)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = stored["fit_batches"][-1][:5000]
    matrix = covariance(jax.jit(update_moments)(init_moments(6), rows))[1]
    assert np.allclose(spread(matrix, vectors), stored["out_random_stdevs"], rtol=1e-3)


def test_incremental_with_every_component_is_exact():
    rows = np.random.default_rng(0).normal(size=(90, 4)) * [4, 3, 2, 1]
    found = estimators.incremental_components(np.split(rows, 3), 4)
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    assert np.allclose(found.stdev, np.sqrt(values))
    assert np.isclose(found.total_variance, values.sum())


@pytest.mark.parametrize("part", [1, 7, 30, 101])
def test_blocks(part):
    rows = np.arange(101)[:, None]
    parts = np.split(rows, range(part, 101, part))
    blocks = list(estimators.blocks_of(parts, 20, 101, 5))
    # the last row alone would be too short a block
    assert [len(block) for block in blocks] == [20, 20, 20, 20, 21]
    assert np.array_equal(np.concatenate(blocks), rows)


def test_too_many_rows_to_hold():
    with pytest.raises(ValueError, match="num: 1000000 rows of 32768"):
        estimators.check_stored(1_000_000, 32768)


def test_ica_that_does_not_converge(monkeypatch):
    import sklearn.decomposition

    class Stuck(sklearn.decomposition.FastICA):
        def fit_transform(self, rows):
            result = super().fit_transform(rows)
            self.n_iter_ = self.max_iter
            return result

    monkeypatch.setattr(sklearn.decomposition, "FastICA", Stuck)
    rows = np.random.default_rng(0).uniform(size=(50, 3))
    with pytest.raises(ValueError, match="did not converge"):
        estimators.independent_components(rows, 2)
