"""One output of a classifier, probabilities and log-odds, as models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations

from jaxlatent.networks.outputs import Column, LogOdds, Probabilities, log_odds
from jaxlatent.types import as_model

LOGITS = jnp.asarray([[0.0, 1, -2], [3, 0, 0]])


def same(x):
    return x


def first(x):
    return x[:, 0]


@jax.jit
def run(model, x):
    return model(x)


def test_probabilities_and_odds_by_hand():
    shares = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    model = as_model(same)
    np.testing.assert_allclose(run(Probabilities(model), LOGITS), shares, rtol=1e-6)
    odds = np.log(shares / (1 - shares))
    np.testing.assert_allclose(run(LogOdds(model), LOGITS), odds, rtol=1e-5, atol=1e-6)
    # of log-probabilities they are the same
    np.testing.assert_allclose(log_odds(np.log(shares)), odds, rtol=1e-5, atol=1e-6)
    column = Column(Probabilities(model), 2)
    np.testing.assert_allclose(run(column, LOGITS), shares[:, 2], rtol=1e-6)


def test_another_column_compiles_nothing():
    run(Column(as_model(same), 0), LOGITS)
    with compilations() as count:
        picked = [run(Column(as_model(same), index), LOGITS) for index in (1, 2)]
    assert count() == 0
    np.testing.assert_array_equal(np.stack(picked, axis=1), LOGITS[:, 1:])
    assert np.isnan(run(Column(as_model(same), 3), LOGITS)).all()


def test_what_has_no_classes_is_refused():
    for model in (Column(first, 0), Probabilities(first), LogOdds(first)):
        with pytest.raises(ValueError, match=r"model: returned \(2,\); \[N, A\]"):
            model(LOGITS)
    with pytest.raises(ValueError, match="A at least 2 is accepted"):
        log_odds(LOGITS[:, :1])
    with pytest.raises(TypeError, match="model: a int given; it is not callable"):
        as_model(3)


def test_a_model_is_a_pytree():
    assert jax.tree.leaves(as_model(same)) == []
    partial = jax.tree_util.Partial(same)
    assert as_model(partial) is partial
    assert jax.tree.structure(as_model(same)) == jax.tree.structure(as_model(same))
