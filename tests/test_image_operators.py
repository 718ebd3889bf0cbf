"""Edits of pictures: what they must do, then what the original's code recorded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden
from jax.test_util import check_grads

from jaxlatent.numerics import image_operators
from jaxlatent.numerics.image_operators import (
    color,
    color_lab,
    lab_to_rgb,
    masked_l2,
    rgb_to_lab,
)

STATIC = ("original", "mask_turns")
rotate_2d = jax.jit(image_operators.rotate_2d, static_argnames=STATIC)
rotate_3d, shift, zoom = (
    jax.jit(getattr(image_operators, name), static_argnames=STATIC[:1])
    for name in ("rotate_3d", "shift", "zoom")
)
RNG = np.random.default_rng(0)


def noise(*shape):
    return jnp.asarray(RNG.uniform(-1, 1, shape), jnp.float32)


def smooth(height, width):
    """A plane, which sampling between pixels keeps."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return jnp.asarray((0.02 * x - 0.03 * y)[None, ..., None])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_neutral_alphas_change_nothing(channels):
    images = noise(2, 6, 9, channels)
    for found, mask in (
        zoom(images, 1.0),
        zoom(images, 1.0, original=True),
        shift(images),
        rotate_2d(images, 0.0),
        rotate_3d(images, 0.0),
        rotate_3d(images, 0.0, original=True),
        color(images, 0.0),
    ):
        np.testing.assert_allclose(found, images, atol=1e-6)
        np.testing.assert_array_equal(mask, np.ones((2, 6, 9, 1)))


def test_shifts_move_content_to_the_right_and_down():
    images = noise(2, 5, 7, 3)
    found, mask = shift(images, [2, -1], [1, 0])
    np.testing.assert_allclose(found[0, 1:, 2:], images[0, :-1, :-2], atol=1e-7)
    np.testing.assert_allclose(found[1, :, :-1], images[1, :, 1:], atol=1e-7)
    wanted = np.zeros((2, 5, 7, 1))
    wanted[0, 1:, 2:] = wanted[1, :, :-1] = 1
    np.testing.assert_array_equal(mask, wanted)
    np.testing.assert_array_equal(found * (1 - mask), np.zeros_like(found))
    back, again = shift(found, [-2, 1], [-1, 0])
    both = again * shift(mask, [-2, 1], [-1, 0])[0]
    np.testing.assert_allclose(back * both, images * both, atol=1e-7)


def test_a_quarter_turn_is_that_of_an_array():
    for size in (6, 7):
        images = noise(1, size, size, 2)
        found, mask = rotate_2d(images, 90.0)
        np.testing.assert_allclose(found[0], np.rot90(images[0]), atol=1e-5)
        assert mask.all()


def test_zooms_of_a_plane_are_planes_about_the_middle():
    for height, width in ((8, 8), (7, 10)):
        plane = smooth(height, width)
        middle = plane[0, :, :, 0].mean()
        for alpha in (0.5, 0.8):
            found, mask = zoom(plane, alpha)
            inside = np.s_[0, 1:-1, 1:-1, 0]
            wanted = middle + alpha * (plane[inside] - middle)
            np.testing.assert_allclose(found[inside], wanted, atol=1e-6)
            assert mask.all()
        found, mask = zoom(plane, 2.0)
        y, x = np.mgrid[:height, :width]
        seen = (np.abs(2 * y - height + 1) < height / 2) & (
            np.abs(2 * x - width + 1) < width / 2
        )
        wanted = middle + 2 * (plane[0, :, :, 0] - middle)
        np.testing.assert_allclose(found[0, seen, 0], wanted[seen], atol=1e-6)
        assert mask[0, seen, 0].all()
        assert not mask[0, 0].any()
        assert not found[0, 0].any()


def test_turns_in_space_shrink_the_width_and_grow_continuously():
    images = jnp.ones((1, 16, 16, 1))
    widths = [
        float(rotate_3d(images, alpha)[1][0, 8].sum()) for alpha in (1e-3, 40.0, 60.0)
    ]
    assert widths[0] == 16
    assert widths[0] > widths[1] > widths[2]
    left, right = (rotate_3d(images, alpha)[1] for alpha in (40.0, -40.0))
    np.testing.assert_array_equal(left, right[:, :, ::-1])
    # turned edge-on and seen from behind nothing breaks
    for alpha in (90.0, 135.0, 450.0):
        for original in (False, True):
            found, _ = rotate_3d(images, alpha, original=original)
            assert np.isfinite(found).all()


def test_colours_are_added_beyond_the_range_and_an_alpha_stays():
    images = noise(2, 3, 4, 4)
    found, mask = color(images, [[0.5, -0.2, 1.0], [0.0, 0.1, 0.2]])
    added = (found - images)[:, 0, 0]
    np.testing.assert_allclose(added[:, :3], [[0.5, -0.2, 1], [0, 0.1, 0.2]], atol=1e-6)
    np.testing.assert_array_equal(added[:, 3], [0, 0])
    assert found.max() > 1
    assert mask.all()
    with pytest.raises(ValueError, match=r"alpha: shape \(2, 2\) given"):
        color(images, np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"alpha: shape \(3,\) given"):
        zoom(images, np.ones(3))


def test_lab_is_that_of_known_colours_and_is_refused_without_three():
    # of pure red, as tabulated
    red = rgb_to_lab(jnp.float32([1, 0, 0]))
    np.testing.assert_allclose(red, [53.24, 80.09, 67.20], atol=0.05)
    rgb = jnp.asarray(RNG.uniform(0, 1, (50, 3)), jnp.float32)
    np.testing.assert_allclose(lab_to_rgb(rgb_to_lab(rgb)), rgb, atol=1e-5)
    grey, _ = color_lab(jnp.zeros((1, 2, 2, 3)), 0.3)
    assert np.ptp(np.asarray(grey)) < 1e-3
    assert float(grey[0, 0, 0, 0]) > 0.2
    with pytest.raises(ValueError, match="images: 1 channels given; Lab is of 3"):
        color_lab(jnp.zeros((1, 2, 2, 1)), 0.3)


@pytest.mark.parametrize("operator", [zoom, shift, rotate_2d, rotate_3d, color_lab])
def test_gradients_are_those_of_differences(operator):
    with jax.enable_x64(True):
        y, x = np.mgrid[:6, :6]
        base = 0.3 * np.sin(0.7 * x + 0.4 * y + np.arange(3)[:, None, None])
        images = jnp.asarray(np.moveaxis(base, 0, -1)[None])
        alpha = 0.3173 if operator in (shift, color_lab) else 1.37

        def edited(images, alpha):
            return operator(images, alpha)[0]

        check_grads(jax.jit(edited), (images, alpha), 1, ["fwd", "rev"], eps=1e-6)


def test_alphas_can_be_traced_and_differ_between_samples():
    images = noise(3, 8, 8, 1)
    alphas = jnp.asarray([10.0, -20.0, 30.0])
    many, masks = jax.jit(rotate_2d)(images, alphas)
    for n in range(3):
        one, mask = rotate_2d(images[n : n + 1], float(alphas[n]))
        np.testing.assert_allclose(many[n], one[0], atol=1e-5)
        np.testing.assert_array_equal(masks[n], mask[0])


# the original's recordings


def compare(found, case, name, limit):
    images, mask = found
    assert error(images, case[f"{name}_target"]) <= limit
    wanted = case[f"{name}_mask"]
    assert (np.asarray(mask) != wanted).mean() <= 0.002


@pytest.mark.parametrize("alpha", ["0.25", "0.6", "1", "1.3", "2.5", "4"])
def test_zooms_are_as_recorded(alpha):
    case = golden("steerability_edits_zoom_shift_a")
    found = zoom(jnp.asarray(case["images"]), float(alpha), original=True)
    compare(found, case, f"zoom_{alpha}", 1e-6)
    # also where alpha comes from its logarithm
    again = jnp.exp(jnp.log(jnp.float32(alpha)))
    found = zoom(jnp.asarray(case["images"]), again, original=True)
    compare(found, case, f"zoom_{alpha}", 1e-6)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("alpha", ["0", "5", "-9"])
def test_shifts_are_as_recorded(axis, alpha):
    case = golden("steerability_edits_zoom_shift_a")
    images = jnp.asarray(case["images"])
    found = shift(images, **{axis: float(alpha)}, original=True)
    compare(found, case, f"shift{axis}_{alpha}", 1e-6)


@pytest.mark.parametrize("alpha", ["0", "7", "-30", "44"])
def test_rotations_are_as_recorded(alpha):
    case = golden("steerability_edits_rotate_a")
    images = jnp.asarray(case["images"])
    for name, rotate in (("rotate2d", rotate_2d), ("rotate3d", rotate_3d)):
        found = rotate(images, float(alpha), original=True)
        compare(found, case, f"{name}_{alpha}", 1e-5)


def test_rotations_of_digits_are_as_recorded():
    case = golden("steerability_edits_dcgan_a")
    found = rotate_2d(
        jnp.asarray(case["dcgan_images"]),
        case["dcgan_alpha"][:, 0],
        original=True,
        mask_turns=2,
    )
    compare(found, case, "dcgan", 1e-5)


def test_colours_are_as_recorded():
    case = golden("steerability_edits_color_a")
    compare(
        color(jnp.asarray(case["images"]), case["color_alpha"]), case, "color", 1e-5
    )
    images = jnp.asarray(case["lab_images"], jnp.float32)
    compare(color_lab(images, case["lab_alpha"]), case, "lab", 1e-5)


def test_losses_are_as_recorded():
    case = golden("steerability_walks_a")
    arrays = [jnp.asarray(case[f"loss_{name}"]) for name in ("out", "target", "mask")]
    assert float(masked_l2(*arrays, pooled=True)) == pytest.approx(
        float(case["loss_l2"]), rel=1e-6
    )
    assert error(masked_l2(*arrays), case["loss_l2_per_sample"]) <= 1e-6
    assert not masked_l2(arrays[0], arrays[1], jnp.zeros((3, 8, 8, 1))).any()
