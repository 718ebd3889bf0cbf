"""Scoring formulas on pictures whose scores are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.evaluation import formulas
from jaxlatent.evaluation.formulas import FORMULAS


def picture(values):
    """One picture [1, H, W, 3] from colours in [0, 1]."""
    return jnp.asarray(values, jnp.float32)[None] * 2 - 1


BLACK = picture(np.zeros((6, 8, 3)))
GRAY = picture(np.full((6, 8, 3), 0.5))
RED = picture(np.broadcast_to([1.0, 0, 0], (6, 8, 3)))
HALVES = picture(np.repeat(np.array([0.0, 1.0]), 4)[None, :, None] * np.ones((6, 8, 3)))
RAMP = picture(np.linspace(0, 0.7, 8)[None, :, None] * np.ones((6, 8, 3)))

BAR = picture(np.isin(np.arange(8), (3, 4))[None, :, None] * np.ones((6, 8, 3)))
RISING = picture(np.eye(7)[::-1, :, None] * np.ones(3))


@pytest.mark.parametrize(
    ("name", "images", "expected"),
    [
        ("brightness", BLACK, 0.0),
        ("brightness", GRAY, 0.5),
        ("brightness", RED, 0.299),
        ("contrast", GRAY, 0.0),
        ("contrast", HALVES, 0.5),
        ("colourfulness", GRAY, 0.0),
        # no spread; means 1 and 1/2
        ("colourfulness", RED, 0.3 * np.sqrt(1.25)),
        ("sharpness", RAMP, 0.0),
        # the Laplacian is +1 and -1 beside the step, 0 in the other four columns
        ("sharpness", HALVES, 1 / 3),
        ("saturation", GRAY, 0.0),
        ("saturation", RED, 1.0),
        ("saturation", BLACK, 0.0),
        ("edge-density", RAMP, 0.1),
        ("edge-density", GRAY, 0.0),
        ("symmetry", GRAY, 1.0),
        ("symmetry", HALVES, 0.0),
        ("thickness", BAR, 2.0),
        ("slant", BAR, 0.0),
        ("slant", RISING, 1.0),
        ("slant", RISING[:, :, ::-1], -1.0),
    ],
)
def test_known_scores(name, images, expected):
    assert float(FORMULAS[name](images)[0]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_batches_gray_pictures_and_gradients(name):
    rng, formula = np.random.default_rng(0), jax.jit(FORMULAS[name])
    images = jnp.asarray(rng.uniform(-1, 1, (3, 6, 7, 3)), jnp.float32)
    scores = formula(images)
    assert scores.shape == (3,)
    alone = formula(images[1:2])
    assert np.allclose(alone, scores[1:2], rtol=1e-5, atol=1e-6)
    gray = images[..., :1]
    assert np.allclose(formula(gray), formula(jnp.repeat(gray, 3, axis=3)), atol=1e-5)
    slope = jax.jit(jax.grad(lambda x: jnp.sum(formula(x))))
    for point in (images, GRAY, BLACK, RED):
        assert bool(jnp.all(jnp.isfinite(slope(point))))
    step = jnp.asarray(rng.normal(size=images.shape), jnp.float32)
    _, tangent = jax.jvp(formula, (images,), (step,))
    with jax.enable_x64(True):
        wide, move = images.astype(jnp.float64), step.astype(jnp.float64)
        change = formula(wide + 1e-7 * move) - formula(wide - 1e-7 * move)
        assert np.allclose(tangent, change / 2e-7, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", FORMULAS)
def test_alpha_changes_no_score(name):
    rng = np.random.default_rng(1)
    images = jnp.asarray(rng.uniform(-1, 1, (2, 6, 7, 4)), jnp.float32)
    score = FORMULAS[name]
    np.testing.assert_array_equal(score(images), score(images[..., :3]))
    np.testing.assert_array_equal(score(images[..., 2:]), score(images[..., 2:3]))
    slope = jax.grad(lambda x: jnp.sum(score(x)))(images)
    assert not slope[..., 3].any()
    with pytest.raises(ValueError, match=r"\(2, 6, 7, 5\) given; .* 4 \(colours and"):
        score(jnp.zeros((2, 6, 7, 5)))


def test_luma_is_that_of_the_standard():
    primaries = jnp.eye(3)[None, None] * 2 - 1
    assert np.allclose(formulas.luma(primaries)[0, 0], formulas.LUMA)
