"""Predicted and measured factors, against closed forms and the original's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden
from scipy import stats

from jaxlatent.edits.factor import factors
from jaxlatent.evaluation.factors import (
    MEASURES,
    Prediction,
    horizontal_centre,
    log_size,
    moments,
    predict,
    spread,
)
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior

KEY = jax.random.key(2)
R, SIDE = 0.4, 65


def test_centres_are_the_originals():
    case = golden("plumerault_barycenter")
    assert error(moments(jnp.asarray(case["saliency"])), case["x_y_mean"]) < 1e-5


def test_measures_of_a_rectangle():
    images = -np.ones((1, 9, 21, 3), np.float32)
    images[:, 2:5, 12:17] = 1
    assert float(MEASURES["horizontal_position"](images)[0]) == pytest.approx(4 / 20)
    assert float(MEASURES["vertical_position"](images)[0]) == pytest.approx(-1 / 8)
    larger = -np.ones_like(images)
    larger[:, 1:7, 5:15] = 1
    grown = MEASURES["log_scale"](larger) - MEASURES["scale"](images)
    assert float(grown[0]) == pytest.approx(np.log(2), rel=1e-5)
    brighter = MEASURES["brightness"](images + 0.3) - MEASURES["brightness"](images)
    assert float(brighter[0]) == pytest.approx(0.3, rel=1e-4)
    assert np.isfinite(log_size(-jnp.ones((1, 4, 4, 1)))).all()
    np.testing.assert_array_equal(moments(jnp.zeros((1, 4, 5))), 0)


def blob(params, z):
    """A line of light at R (2 Phi(<p, z>) - 1)."""
    place = R * (2 * jax.scipy.stats.norm.cdf(z @ params["p"]) - 1)
    line = jnp.linspace(-0.5, 0.5, SIDE)[None]
    row = jnp.exp(-(((line - place[:, None]) / 0.03) ** 2))
    return 2 * jnp.broadcast_to(row[:, None, :, None], (len(z), 3, SIDE, 1)) - 1


GENERATOR = Generator.from_functions(
    blob, z_dim=4, params={"p": jnp.asarray([1.0, 0, 0, 0])}
)
GRID = np.linspace(-5, 5, 201)


def edit(angle=0.0, factor=1.0):
    values = factor * R * (2 * stats.norm.cdf(GRID) - 1)
    return factors(
        np.float32([[np.cos(angle), np.sin(angle), 0, 0]]),
        np.float32([GRID]),
        np.float32([values]),
        space="z",
    )


def test_an_exact_edit_predicts_what_is_measured():
    found = predict(prior(GENERATOR), edit(), horizontal_centre, key=KEY, num=200)
    assert found.unseen == 0
    assert found.correlation > 0.9999
    assert found.slope == pytest.approx(1, abs=1e-2)
    half = predict(
        prior(GENERATOR), edit(factor=2.0), horizontal_centre, key=KEY, num=200
    )
    assert half.slope == pytest.approx(0.5, abs=1e-2)
    means, measured, deviations = found.binned(5)
    np.testing.assert_allclose(means, measured, atol=5e-3)
    assert np.diff(means).min() > 0
    assert deviations.max() < 0.1


def test_pictures_without_an_object_do_not_count():
    found = predict(
        prior(GENERATOR), edit(), horizontal_centre, key=KEY, num=40, least=0.99
    )
    assert (found.unseen, len(found.predicted)) == (40, 0)
    given = Prediction(np.float64([0, 1, 2]), np.float64([1, 3, 5]), 0)
    assert (given.correlation, given.slope) == (pytest.approx(1), pytest.approx(2))


def test_the_spread_is_that_of_the_angle():
    """r std(2 Phi(a cos + sin xi) - 1), nothing for the exact direction."""
    places = (-1.0, 0.0, 1.0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    before = np.zeros(3)
    for angle in (0.0, 0.3, 0.8):
        curve = spread(
            prior(GENERATOR),
            edit(angle),
            horizontal_centre,
            key=KEY,
            num=1500,
            places=places,
            chunk=1500,
        )
        inside = np.cos(angle) * np.asarray(places)[:, None]
        measured = R * (2 * stats.norm.cdf(inside + np.sin(angle) * nodes) - 1)
        mean = measured @ weights
        expected = np.sqrt((measured - mean[:, None]) ** 2 @ weights)
        np.testing.assert_allclose(curve.std, expected, atol=8e-3)
        assert np.all(curve.std >= before)
        before = curve.std
    fallen = spread(
        prior(GENERATOR), edit(np.pi), horizontal_centre, key=KEY, num=8, places=places
    )
    assert np.all(np.diff(fallen.mean) > 0)
