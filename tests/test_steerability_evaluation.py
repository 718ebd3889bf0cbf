"""How far walks go: closed forms, then what the original's code recorded."""

from math import erf, sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden

from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.curves import ScoreCurve, score_curves
from jaxlatent.evaluation.formulas import centre_x, centre_y, extent
from jaxlatent.evaluation.steerability import (
    Limits,
    class_changes,
    class_spreads,
    delta_m,
    density_on_integers,
    entropy,
    intersection,
    limits,
    variability_correlation,
    walk_errors,
)
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior, sample_keys
from jaxlatent.methods.steerability_edits import AlongSlider, Color, Shift

KEY = jax.random.key(9)


def saturating(params, z):
    """One pixel, r (2 Phi(<p, z>) - 1)."""
    share = jax.scipy.stats.norm.cdf(z[:, 0])
    return (params["r"] * (2 * share - 1))[:, None, None, None]


def value(images):
    return images[:, 0, 0, 0]


def saturating_curve(r, num=4000):
    params = {"r": jnp.float32(r)}
    generator = Generator.from_functions(saturating, z_dim=2, params=params)
    edit = directions(np.float32([[1, 0]]), space="z")
    latents = prior(generator)(sample_keys(KEY, np.arange(num)))
    strengths = np.arange(-4, 4.5, 0.5)
    return score_curves(
        generator, edit, {"x": value}, latents, 0, strengths, chunk=num * 17
    )["x"]


def test_a_saturating_blob_moves_as_its_error_function():
    r = 3.0
    curve = saturating_curve(r)
    wanted = [r * erf(m / 2) for m in curve.strengths]
    np.testing.assert_allclose(curve.mean, wanted, atol=0.06)
    spread = curve.scores[:, 8].std()
    assert spread == pytest.approx(r / sqrt(3), rel=0.03)
    assert delta_m(curve, (-1.5, 1.5)) == pytest.approx(2 * r * erf(0.75), rel=0.03)
    # its slope falls below a quarter of the first where exp(-m^2 / 4) does
    low, high = limits(curve)
    assert -low == high == 2.5
    assert limits(curve, follows=0.9) == (-0.5, 0.5)


def test_what_varies_more_can_be_steered_farther():
    sizes = (0.5, 1.0, 2.0, 3.0)
    curves = [saturating_curve(r, num=500) for r in sizes]
    spreads = [curve.scores[:, 8].std() for curve in curves]
    changes = [delta_m(curve, limits(curve)) for curve in curves]
    found = variability_correlation(spreads, changes)
    assert found.r == pytest.approx(1, abs=1e-5)
    assert found.p < 1e-3
    # the same from scores with their classes
    labels = np.repeat(np.arange(4), 500)
    curve = ScoreCurve(
        curves[0].strengths, np.concatenate([one.scores for one in curves])
    )
    np.testing.assert_allclose(list(class_changes(curve, labels).values()), changes)
    found = class_spreads(curve.scores[:, 8], labels)
    np.testing.assert_allclose(list(found.values()), spreads, rtol=1e-5)


def drawn(strengths, means, **how):
    return limits(ScoreCurve(np.array(strengths), np.array([means])), **how)


def test_limits_end_where_an_attribute_stands_still_turns_or_is_unusable():
    x = [-3, -2, -1, 0, 1, 2, 3]
    assert drawn(x, [-3, -2, -1, 0, 1, 2, 3]) == Limits(-3, 3)
    assert drawn(x, [-1, -2, -1, 0, 1, 1.1, 2]) == Limits(-2, 1)
    assert drawn(x, [3, 2, 1, 0, -1, -2, 0]) == Limits(-3, 2)
    assert drawn(x, [0, 0, 0, 0, 0, 0, 0]) == Limits(0, 0)
    good = [False, True, True, True, True, False, True]
    assert drawn(x, x, usable=good) == Limits(-2, 1)
    with pytest.raises(ValueError, match="both sides of 0"):
        drawn([1, 2], [1, 2])
    with pytest.raises(ValueError, match="K >= 3"):
        variability_correlation([1, 2], [1, 2])


def grey(params, z):
    return jnp.broadcast_to(z[:, :1, None, None], (len(z), 4, 4, 1))


def test_errors_of_a_perfect_walk_and_of_half_of_it():
    generator = Generator.from_functions(grey, z_dim=2)
    for scale in (1.0, 0.5):
        edit = directions(np.float32([[1, 0]]), scale=[scale], space="z")
        found = walk_errors(
            prior(generator),
            edit,
            AlongSlider(Color()),
            [0.4, -0.4, 0.0],
            key=KEY,
            num=3,
        )
        wanted = ((1 - scale) * np.float32([-0.4, 0, 0.4])) ** 2
        np.testing.assert_allclose(found.to_edit.mean, wanted, atol=1e-6)
        np.testing.assert_allclose(found.unmoved.mean, [0.16, 0, 0.16], atol=1e-6)
        between = [(scale * 0.4) ** 2] * 2
        np.testing.assert_allclose(found.between.mean, between, atol=1e-6)
        assert found.between.std.max() < 1e-6
    with pytest.raises(ValueError, match="two or more"):
        walk_errors(prior(generator), edit, Shift(), [1.0], key=KEY)


def test_centres_and_extents_are_those_of_a_blob():
    grid = np.arange(32) - 15.5
    across = np.exp(-(((grid - 3) / 2) ** 2) / 2)
    down = np.exp(-(((grid + 4) / 2) ** 2) / 2)
    image = jnp.float32(2 * down[:, None] * across[None] - 1)[None, ..., None]
    assert float(jax.jit(centre_x)(image)[0]) == pytest.approx(3, abs=1e-3)
    assert float(jax.jit(centre_y)(image)[0]) == pytest.approx(-4, abs=1e-3)
    assert float(jax.jit(extent)(image)[0]) == pytest.approx(2 * sqrt(2), rel=1e-3)
    slope = jax.jit(jax.grad(lambda images: extent(images)[0]))
    assert np.isfinite(slope(-jnp.ones((1, 4, 4, 1)))).all()


def test_figures_of_distributions_are_as_recorded():
    case = golden("steerability_metrics_a")
    stop = len(case["kde_x"])
    one, two = (density_on_integers(case[f"samples{n}"], stop) for n in (1, 2))
    assert error(one, case["kde1"]) <= 1e-12
    assert error(two, case["kde2"]) <= 1e-12
    assert intersection(one, two) == pytest.approx(
        float(case["intersection"]), abs=1e-12
    )
    for n in (1, 2):
        found = entropy(case[f"samples{n}"], 256)
        assert found == pytest.approx(float(case[f"entropy{n}"]), abs=1e-12)
    with pytest.raises(ValueError, match="all alike"):
        density_on_integers([1, 1, 1], 5)
