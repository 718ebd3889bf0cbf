"""Transformations by a known amount, against closed forms and the original's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, error, golden

from jaxlatent.methods.factors_of_variation_transformations import (
    TRANSFORMATIONS,
    as_transformation,
    transformed_rows,
)

AMOUNTS = (-0.5, -0.3, -0.1, 0.1, 0.25, 0.5)
ORIGINALS = {
    "horizontal_position": "h",
    "vertical_position": "v",
    "scale": "zoom",
    "brightness": "brightness",
}
RNG = np.random.default_rng(0)
compiled = {name: jax.jit(call) for name, call in TRANSFORMATIONS.items()}


@pytest.mark.parametrize("name", ORIGINALS)
def test_they_are_the_originals(name):
    case, short = golden("plumerault_transforms"), ORIGINALS[name]
    compiled[name](case["images"], AMOUNTS[0])
    with compilations() as count:
        for amount in AMOUNTS:
            targets, mask, _ = compiled[name](case["images"], amount)
            assert error(targets, case[f"{short}_{amount}_image"]) < 1e-6
            assert error(mask, case[f"{short}_{amount}_mask"]) < 1e-6
        assert count() == 0


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_that_are_not_square_move_by_whole_pixels(channels):
    images = RNG.uniform(-1, 1, (2, 6, 10, channels)).astype(np.float32)
    moved, mask, realised = compiled["horizontal_position"](images, 0.27)
    np.testing.assert_array_equal(moved[:, :, 2:], images[:, :, :-2])
    assert not np.any(moved[:, :, :2])
    np.testing.assert_array_equal(mask[0, :, :, 0], [[0] * 2 + [1] * 8] * 6)
    assert float(realised) == pytest.approx(0.2)
    moved, mask, realised = compiled["vertical_position"](images, -0.4)
    np.testing.assert_array_equal(moved[:, :-2], images[:, 2:])
    np.testing.assert_array_equal(mask[0, :, :, 0], [[1] * 10] * 4 + [[0] * 10] * 2)
    assert float(realised) == pytest.approx(-1 / 3)


def test_scales_are_about_the_middle_and_labelled_by_what_is_realised():
    line = np.arange(12.0) - 5.5
    images = (0.05 * line[None, :, None] + 0.02 * line[None, None, :8])[..., None]
    images = jnp.asarray(images + 0.02 * 2, jnp.float32)
    half, mask, realised = compiled["scale"](images, 1.0)
    np.testing.assert_allclose(
        half[0, 1:-1, 1:-1, 0], images[0, 1:-1, 1:-1, 0] / 2, atol=1e-6
    )
    assert (float(realised), float(mask.min())) == (1.0, 1.0)
    # 12 / 1.3 = 9.2 and 8 / 1.3 = 6.2 pixels
    for name, amount in (("scale", 0.3), ("log_scale", np.log(1.3))):
        realised = compiled[name](images, amount)[2]
        expected = np.sqrt(12 / 9 * 8 / 6)
        expected = expected - 1 if name == "scale" else np.log(expected)
        assert float(realised) == pytest.approx(expected, rel=1e-6)
    shrunk, mask, realised = compiled["log_scale"](images, -np.log(2.0))
    assert float(realised) == pytest.approx(-np.log(2))
    assert float(jnp.mean(mask)) == pytest.approx(0.25)
    np.testing.assert_allclose(
        shrunk[0, 4:-4, 3:-3, 0], 2 * images[0, 4:-4, 3:-3, 0], atol=1e-6
    )


def test_rounding_takes_no_pixel_away():
    """30 / 1.2 is 25, though not in single precision."""
    images = jnp.zeros((1, 30, 30, 1))
    assert float(compiled["scale"](images, 0.2)[2]) == pytest.approx(0.2, rel=1e-6)
    for steps in range(1, 10):
        moved = compiled["horizontal_position"](images, -0.1 * steps)[2]
        assert float(moved) == pytest.approx(-0.1 * steps, rel=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_brightness_leaves_an_alpha(channels):
    images = RNG.uniform(-1, 1, (2, 4, 5, channels)).astype(np.float32)
    targets, mask, realised = compiled["brightness"](images, 0.3)
    colours = channels - (channels in (2, 4))
    expected = np.clip(images[..., :colours] + np.float32(0.3), -1, 1)
    np.testing.assert_allclose(targets[..., :colours], expected, rtol=1e-6)
    np.testing.assert_array_equal(targets[..., colours:], images[..., colours:])
    assert (mask.shape, float(realised)) == ((1, 4, 5, 1), pytest.approx(0.3))


def test_each_picture_has_an_amount_of_its_own():
    images = jnp.asarray(RNG.uniform(-1, 1, (3, 6, 6, 1)), jnp.float32)
    amounts = jnp.asarray([-0.2, 0.0, 0.4])
    call = as_transformation("scale")
    found = transformed_rows(call, images, amounts)
    for row, amount in enumerate(amounts):
        alone = call(images[row : row + 1], amount)
        np.testing.assert_allclose(found[0][row], alone[0][0], atol=1e-6)
        np.testing.assert_allclose(found[1][row], alone[1][0], atol=1e-6)
        assert found[2][row] == pytest.approx(float(alone[2]), abs=1e-6)


def test_what_is_no_transformation_is_named():
    with pytest.raises(ValueError, match=r"transformation: 'tilt' given; a function"):
        as_transformation("tilt")
    images, amounts = jnp.zeros((2, 4, 4, 1)), jnp.zeros(2)
    for wrong in (
        lambda images, _: images,
        lambda images, t: (images[:, 1:], images, t),
        lambda images, t: (images, images[..., 0], t),
    ):
        with pytest.raises(ValueError, match=r"^transformation: returned .* accepted"):
            transformed_rows(as_transformation(wrong), images, amounts)
