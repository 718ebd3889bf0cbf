import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.data import faces, shapes
from jaxlatent.data.faces_parts import PARTS

NAMES = [factor.name for factor in faces.FACTORS]
COUNT = len(NAMES)
SIZE = 64

render = jax.jit(faces.FACES.render, static_argnames="size")


def random_factors(num=5, seed=0, spread=0.9, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return rng.uniform(-spread, spread, (num, COUNT)).astype(dtype)


def sweep(name, num=5):
    """Portraits that differ in one factor alone, from -1 to 1."""
    factors = np.float32([[factor.default for factor in faces.FACTORS]] * num)
    factors[:, NAMES.index(name)] = np.linspace(-1, 1, num)
    return np.asarray(render(factors, size=SIZE))


def change(name):
    """How far each pixel moves between the ends of a factor, [H, W]."""
    pictures = sweep(name)
    return np.abs(pictures[-1] - pictures[0]).max(axis=-1)


# shapes and paint


def test_ellipse_and_box_are_exact_where_their_distance_is_known():
    at = shapes.Points(jnp.array([[0.5, 0.0, 2.0]]), jnp.array([[0.0, 0.3, 0.0]]))
    circle = shapes.ellipse(at, 0.5, 0.5)
    np.testing.assert_allclose(circle, [[0.0, -0.2, 1.5]], atol=1e-6, rtol=0.5)
    np.testing.assert_allclose(circle[0, 0], 0, atol=1e-6)
    flat = shapes.box(at, 0.5, 0.4, 0.1)
    np.testing.assert_allclose(flat, [[0.0, -0.1, 1.5]], atol=1e-6)


def test_a_half_plane_covers_the_area_of_its_pixels():
    distance = jnp.linspace(-1, 1, 201)
    opacity = shapes.cover(distance, 0.5)
    assert opacity[0] == 1
    assert opacity[-1] == 0
    np.testing.assert_allclose(opacity + opacity[::-1], 1, atol=1e-6)
    assert bool(jnp.all(jnp.diff(opacity) <= 0))


def test_join_is_the_union_and_cut_the_difference_without_blending():
    first, second = jnp.array([[-1.0, 2.0, 3.0]]), jnp.array([[4.0, -2.0, 1.0]])
    np.testing.assert_allclose(
        shapes.join(first, second, 0.0), np.minimum(first, second)
    )
    np.testing.assert_allclose(
        shapes.cut(first, second, 0.0), np.maximum(first, -second)
    )
    assert bool(jnp.all(shapes.join(first, second, 0.5) < jnp.minimum(first, second)))


def test_pixels_are_symmetric_centres():
    at = shapes.pixels(4, jnp.float32)
    np.testing.assert_allclose(at.x[0], [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(at.y, at.x.T)


def test_ramp_reaches_its_end_colours_and_stays_between_them():
    stops = ((0.0, 0.2, 1.0), (1.0, 0.6, 0.0))
    for position, colour in ((-9.0, stops[0]), (9.0, stops[1]), (0.0, (0.5, 0.4, 0.5))):
        np.testing.assert_allclose(
            shapes.ramp(jnp.asarray(position), stops), colour, atol=1e-5
        )


# pictures


@pytest.mark.parametrize("size", [64, 128])
def test_shape_dtype_and_range(size):
    images = np.asarray(render(random_factors(), size=size))
    assert images.shape == (5, size, size, 3)
    assert images.dtype == np.float32
    assert images.min() >= -1
    assert images.max() <= 1
    assert images.std() > 0.2


def test_names_are_distinct():
    assert len(set(NAMES)) == COUNT


@pytest.mark.parametrize("name", NAMES)
def test_each_factor_changes_the_picture_all_the_way(name):
    pictures = sweep(name)
    steps = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    assert steps.sum() > 0.004
    assert np.abs(pictures[-1] - pictures[0]).max() > 0.3
    if name != "glasses":  # they fade in on the upper half of their range
        assert steps.min() > 0.1 * steps.max()


def test_the_factors_span_as_many_dimensions_of_pictures():
    ends = np.stack([(sweep(name)[-1] - sweep(name)[0]).ravel() for name in NAMES])
    unit = ends / np.linalg.norm(ends, axis=1, keepdims=True)
    overlap = np.abs(unit @ unit.T - np.eye(COUNT))
    assert overlap.max() < 0.75
    assert np.linalg.svd(unit, compute_uv=False).min() > 0.2


def test_only_the_backdrop_reaches_the_corners():
    for name in NAMES:
        corners = change(name)[[0, 0], [0, -1]].max()
        assert (corners > 0.2) == (name == "backdrop")


def rows(top, bottom):
    """A mask of the picture's rows between two heights in [-1, 1], y down."""
    y = (2 * np.arange(SIZE) + 1) / SIZE - 1
    return ((y > top) & (y < bottom))[:, None] & np.ones(SIZE, bool)


REGIONS = {
    "smile": rows(0.05, 0.5),
    "eyes": rows(-0.2, 0.2),
    "gaze": rows(-0.2, 0.2),
    "brows": rows(-0.35, 0.0),
    "glasses": rows(-0.2, 0.25),
    "parting": rows(-0.85, 0.2),
    "hair_length": rows(-0.4, 1.0),
}


@pytest.mark.parametrize("name", sorted(REGIONS))
def test_local_factors_stay_local(name):
    moved, region = change(name), REGIONS[name]
    assert moved[region].sum() > 0.97 * moved.sum()
    assert moved[region].mean() > 10 * moved[~region].mean()


def test_odd_factors_mirror_the_picture():
    factors = random_factors()
    mirrored = factors * np.array(
        [-1 if factor.odd else 1 for factor in faces.FACTORS], np.float32
    )
    here, there = render(factors, size=SIZE), render(mirrored, size=SIZE)
    np.testing.assert_allclose(there, here[:, :, ::-1], atol=2e-4)
    assert float(jnp.abs(there - here).max()) > 0.5


def test_the_neutral_face_is_symmetric():
    image = sweep("smile")[2]
    np.testing.assert_allclose(image, image[:, ::-1], atol=2e-4)


def test_light_comes_from_the_side_that_is_named():
    left, right = (picture[20:44] for picture in sweep("light")[[0, -1]])
    skin = slice(22, 32), slice(32, 42)
    assert left[:, skin[0]].mean() > right[:, skin[0]].mean() + 0.03
    assert right[:, skin[1]].mean() > left[:, skin[1]].mean() + 0.03


def test_factors_far_outside_saturate():
    values = np.array([-3e4, -30.0, 0.0, 30.0, 3e4], np.float32)
    far = render(np.repeat(values[:, None], COUNT, axis=1), size=SIZE)
    assert bool(jnp.all(jnp.isfinite(far)))
    np.testing.assert_allclose(far[0], far[1], atol=1e-5)
    np.testing.assert_allclose(far[3], far[4], atol=1e-5)


def test_sizes_show_the_same_picture():
    factors = random_factors(seed=4)
    small, large = (np.asarray(render(factors, size=size)) for size in (64, 128))
    pooled = large.reshape(5, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.abs(pooled - small).mean() < 0.015


# masks


MASKED = faces.FACES.select(("smile", "beard", "glasses", "x"))
"""Few factors: what is fixed compiles as fast, and is drawn as well."""

paint = jax.jit(
    lambda rows: (MASKED.render(rows, size=32), MASKED.masks(rows, size=32))
)


@pytest.fixture(scope="module")
def masked():
    """Pictures and masks, of a face, one that laughs, one with a beard, one in both
    beard and glasses that stands aside, and one between the two values of the beard."""
    rows = [[0, -1, -1, 0], [1, -1, -1, 0], [0, 1, -1, 0], [0, 1, 1, 1], [0, 0, -1, 0]]
    images, masks = paint(np.array(rows, np.float32))
    return np.asarray(images), {name: np.asarray(mask) for name, mask in masks.items()}


def test_masks_are_soft_and_sum_to_one(masked):
    _, masks = masked
    assert set(masks) == {PARTS[0], *PARTS[1]}
    stacked = np.stack(list(masks.values()))
    assert stacked.shape == (10, 5, 32, 32)
    assert stacked.min() >= 0
    assert stacked.max() <= 1
    np.testing.assert_allclose(stacked.sum(0), 1, atol=1e-6)
    assert ((stacked > 0.1) & (stacked < 0.9)).any(axis=(1, 2, 3)).all()


def test_parts_are_where_a_person_sees_them(masked):
    _, masks = masked
    line = (2 * np.arange(32) + 1) / 32 - 1
    height = {
        name: (mask[2].sum(1) @ line) / mask[2].sum() for name, mask in masks.items()
    }
    downwards = ["brows", "eyes", "nose", "mouth", "beard", "sweater"]
    assert sorted(downwards, key=height.__getitem__) == downwards
    backdrop = masks["backdrop"]
    assert np.all(backdrop[:, 0, [0, -1]] > 0.99)
    area = {name: mask.mean((1, 2)) for name, mask in masks.items()}
    assert area["beard"][0] < 1e-6 < 0.02 < area["beard"][2]
    assert area["beard"][2] * 0.3 < area["beard"][4] < area["beard"][2] * 0.7
    assert area["glasses"][0] < 0.002 < area["glasses"][3]
    assert area["mouth"][1] > 1.5 * area["mouth"][0]


def test_a_factor_changes_the_picture_where_its_parts_are(masked):
    images, masks = masked

    def changed(other, *parts):
        """The share of the change that falls where any of the parts shows."""
        moved = np.abs(images[other] - images[0]).sum(-1)
        shown = sum(masks[part][[0, other]].max(axis=0) for part in parts)
        return moved[shown > 0.02].sum() / moved.sum()

    # cheeks lift with a smile
    assert changed(1, "mouth", "skin") > 0.99
    assert changed(1, "mouth") > 0.5
    assert changed(2, "beard") > 0.99
    assert changed(1, "sweater", "backdrop") < 0.01


def test_fixed_factors_stay_at_their_defaults():
    rows = random_factors(5)
    rows[:, -4:] = [0, 0, 0, -1]  # x, y, zoom and beard
    some = faces.FACES.select(faces.APPEARANCE)
    small = jax.jit(lambda rows: some.render(rows, size=SIZE))(rows[:, :-4])
    np.testing.assert_allclose(small, render(rows, size=SIZE), atol=1e-4)


# transformations


def test_rows_do_not_depend_on_their_batch():
    factors = random_factors()
    whole = render(factors, size=SIZE)
    np.testing.assert_array_equal(whole[::-1], render(factors[::-1], size=SIZE))
    np.testing.assert_array_equal(whole[:2], render(factors[:2], size=SIZE))
    # optimised code, unlike that of tests, makes the same bits of one as well
    np.testing.assert_allclose(whole[:1], render(factors[:1], size=SIZE), atol=5e-7)


def test_compiled_equals_eager():
    factors = jnp.asarray(random_factors())
    np.testing.assert_allclose(
        render(factors, size=SIZE), faces.FACES.render(factors, size=SIZE), atol=2e-4
    )


def test_gradients_are_finite_everywhere_and_reach_every_factor():
    factors = np.concatenate(
        [
            random_factors(3),
            np.zeros((1, COUNT)),
            np.full((1, COUNT), 1.0),
            np.full((1, COUNT), -1.0),
            np.full((1, COUNT), 40.0),
            np.full((1, COUNT), -40.0),
        ]
    ).astype(np.float32)
    weight = np.random.default_rng(1).normal(size=(SIZE, SIZE, 3)).astype(np.float32)

    def score(factors):
        return jnp.sum(faces.FACES.render(factors, size=SIZE) * weight[None])

    gradient = jax.jit(jax.grad(score))(factors)
    assert bool(jnp.all(jnp.isfinite(gradient)))
    assert bool(jnp.all(jnp.abs(gradient[:3]).max(axis=0) > 1e-3))


def test_tangents_match_finite_differences():
    with jax.enable_x64(True):
        factors = jnp.asarray(random_factors(COUNT, seed=2, dtype=np.float64))
        tangent = jnp.eye(COUNT)
        step = 1e-6
        plain = jax.jit(lambda factors: faces.FACES.render(factors, size=32))
        _, exact = jax.jit(lambda f, t: jax.jvp(plain, (f,), (t,)))(factors, tangent)
        ahead, behind = (plain(factors + sign * step * tangent) for sign in (1, -1))
        assert exact.dtype == jnp.float64
        difference = (ahead - behind) / (2 * step)
        for row in range(COUNT):
            wrong = jnp.linalg.norm((difference - exact)[row].ravel())
            assert wrong < 1e-5 * jnp.linalg.norm(exact[row].ravel())


# errors


@pytest.mark.parametrize("shape", [(COUNT,), (2, COUNT + 1), (1, 2, COUNT)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"factors: shape"):
        faces.FACES.render(jnp.zeros(shape), size=SIZE)


def test_integers_are_refused():
    with pytest.raises(ValueError, match="factors: int32"):
        faces.FACES.render(jnp.zeros((1, COUNT), jnp.int32), size=SIZE)
