"""Pictures as functions of a shift: the recorded Jacobians, and generators by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations, error, golden
from recorded import recorded

from jaxlatent.data.regions import rectangle_mask
from jaxlatent.generators import sequential
from jaxlatent.generators.base import Generator
from jaxlatent.generators.sequential_layers import Activation, Unflatten
from jaxlatent.generators.sequential_weighted import Linear
from jaxlatent.jacobians import (
    View,
    full_jacobian,
    picture,
    pictures_at,
    region_grams,
    size_of,
)
from jaxlatent.latents import Latents
from jaxlatent.methods import sefa
from jaxlatent.numerics.jacobian import columns, gram, pullback, pushforward
from jaxlatent.parallel import mesh


@pytest.fixture(scope="module")
def case():
    """The recording, and its generator in float64."""
    return golden("jacobian_stylegan2_a")


def wide(case, **options):
    generator, _ = recorded("sefa_stylegan2_a", "float64")
    return picture(generator, jnp.asarray(case["w"][0]), View(**options), space="w")


@pytest.mark.parametrize("channels", ["mean", "sum"])
def test_recorded_columns(case, channels):
    with jax.enable_x64(True):
        given = wide(case, size=8, channels=channels, resize="nearest")
        found = jax.jit(columns)(given, given.origin)
    expected = np.moveaxis(case[f"jac_{channels}_small"][0, :, :, 0], -1, 0)
    assert error(found, expected) < 1e-6  # the recording is float32


def test_recorded_grams(case):
    mask = case["mask_small"].astype(np.float64)
    with jax.enable_x64(True):
        given = wide(case, size=8, channels="mean", resize="nearest")
        weights = np.stack([mask / mask.sum(), (1 - mask) / (1 - mask).sum()])
        small = jax.jit(gram)(given, given.origin, weights=weights)
        full = np.kron(weights, np.ones((2, 2)))[..., None] / 12
        given = wide(case)
        whole = jax.jit(gram)(given, given.origin, weights=full)
        total = jax.jit(gram)(given, given.origin) / case["image_f64"].size
    for index, part in enumerate(("fore", "back")):
        assert error(small[index], case[f"gram_{part}_mean_small"]) < 1e-10
        assert error(whole[index], case[f"gram_{part}_rgb_full"]) < 1e-10
    assert error(total, case["gram_all_rgb_full"]) < 1e-10


def test_recorded_products(case):
    with jax.enable_x64(True):
        given = wide(case)
        image = jax.jit(given)(given.origin)
        pushed = jax.jit(pushforward)(given, given.origin, case["tangent"])[0]
        back = jax.jit(pullback)(
            given, given.origin, jnp.asarray(np.moveaxis(case["cotangent"], 1, -1))
        )[0]
    assert error(jnp.moveaxis(image, -1, 0), case["image_f64"][0]) < 1e-10
    assert error(jnp.moveaxis(pushed, -1, 0), case["jvp_image"]) < 1e-10
    assert error(back, case["vjp_w"]) < 1e-10


def test_spaces_and_rows_of_a_generator_done_by_hand():
    """An image is row 0 + 10 row 1, w is 2 z, one pixel for each entry."""
    generator, code = toy.make(), jnp.asarray([0.3, -1.0, 2.0])
    rows = jnp.stack([code, 2 * code])

    def slopes(latent, space, **options):
        given = picture(generator, latent, View(**options), space=space)
        return np.asarray(columns(given, given.origin)).reshape(-1, 3)

    identity = np.eye(3)
    np.testing.assert_allclose(slopes(code, "z"), 22 * identity)
    np.testing.assert_allclose(slopes(code, "w"), 11 * identity)
    np.testing.assert_allclose(slopes(code, "w", layers="all"), 11 * identity)
    np.testing.assert_allclose(slopes(code, "w", layers=[1]), 10 * identity)
    np.testing.assert_allclose(slopes(rows, "w+", layers="0"), identity)
    np.testing.assert_allclose(slopes(rows, "w+", layers="all"), 11 * identity)
    free = slopes(rows, "w+")
    np.testing.assert_allclose(free, np.concatenate([identity, 10 * identity]))


def test_the_gram_of_an_affine_layer_is_that_of_sefa():
    layers = (Linear("0", 5), Activation("1", "tanh"), Linear("2", 4))
    config = sequential.Config((*layers, Unflatten("u", (2, 2, 1))), z_dim=3)
    generator = Generator(sequential.init(jax.random.key(0), config), config)
    given = picture(generator, jnp.ones(3), space="z", feature="0")
    values, vectors = np.linalg.eigh(gram(given, given.origin))
    expected = sefa.discover(generator, normalize=False)
    np.testing.assert_allclose(
        values[::-1], expected.report["eigenvalues"], rtol=1e-5, atol=1e-6
    )
    cosines = np.abs(np.sum(vectors.T[::-1] * expected.vectors, axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-5)


def linear(side=6, dim=4, seed=0):
    """A generator that is one matrix, and its rows [side, side, 1, dim]."""
    config = sequential.Config(
        (Linear("0", side * side), Unflatten("u", (side, side, 1))), z_dim=dim
    )
    matrix = np.random.default_rng(seed).normal(size=(dim, side * side))
    params = {"0": {"weight": jnp.asarray(matrix), "bias": jnp.zeros(side * side)}}
    return Generator(params, config), matrix.T.reshape(side, side, dim)


def test_regions_of_a_linear_generator():
    generator, rows = linear()
    masks = np.zeros((2, 6, 6), np.float32)
    masks[0, 1:3, 2:6] = 1
    masks[1, 4:] = 0.5
    given = picture(generator, jnp.zeros(4), space="z")
    np.testing.assert_allclose(
        full_jacobian(given, chunk=3)[..., 0, :], rows, rtol=1e-5
    )
    found = region_grams(given, masks, chunk=3)
    for region, mask in enumerate(masks):
        for part, weight in enumerate((mask, 1 - mask)):
            expected = np.einsum("hw,hwi,hwj->ij", weight, rows, rows) / weight.sum()
            np.testing.assert_allclose(found[region, part], expected, rtol=1e-5)
    shared = region_grams(given, masks, chunk=3, mesh=mesh(3))
    np.testing.assert_allclose(shared, found, rtol=1e-5, atol=1e-7)
    other, _ = linear(seed=1)
    given = picture(other, jnp.ones(4), space="z")
    with compilations() as count:
        region_grams(given, masks, chunk=3)
    assert count() == 0


def test_regions_of_a_picture_that_is_not_square():
    config = sequential.Config(
        (Linear("0", 8 * 6 * 2), Unflatten("u", (8, 6, 2))), z_dim=3
    )
    matrix = np.random.default_rng(0).normal(size=(3, 8 * 6 * 2))
    params = {"0": {"weight": jnp.asarray(matrix), "bias": jnp.zeros(8 * 6 * 2)}}
    rows = np.moveaxis(matrix.T.reshape(2, 8, 6, 3), 0, 2)
    generator, latents = Generator(params, config), Latents(jnp.zeros((1, 3)), "z")
    for size, step in ((None, 1), (4, 2)):
        [given] = pictures_at(generator, latents, View(size=size))
        height, width = size_of(given)
        assert (height, width) == (8 // step, 6 // step)
        mask = rectangle_mask((128, 128, 128, 128), (height, width))
        small = rows.reshape(height, step, width, step, 2, 3).mean(axis=(1, 3))
        found = region_grams(given, mask[None])[0]
        for part, weight in zip(found, (mask, 1 - mask), strict=True):
            expected = np.einsum("hw,hwci,hwcj->ij", weight, small, small)
            np.testing.assert_allclose(part, expected / weight.sum() / 2, rtol=1e-5)
    with pytest.raises(ValueError, match=r"weights: .*\[R, 4, 3\] is accepted"):
        region_grams(given, np.ones((1, 4, 4)))
    [given] = pictures_at(generator, latents, View(size=3))
    assert size_of(given) == (3, 2)  # of 8 x 6: 3 x 2.25
    with pytest.raises(ValueError, match=r"size: 9 given; 1 to 8 .* 8 x 6"):
        pictures_at(generator, latents, View(size=9))


def test_large_pictures_keep_their_aspect():
    def draw(params, z):
        return jnp.ones((1, 1024, 512, 4)) * z.sum()

    generator = Generator.from_functions(draw, z_dim=2)
    [given] = pictures_at(generator, Latents(jnp.zeros((1, 2)), "z"))
    assert jax.eval_shape(given, given.origin).shape == (256, 128, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "s"}, "space: 's' given"),
        ({"latent": jnp.zeros(4)}, r"latent: shape \(4,\) given; \(3,\) is accepted"),
        ({"space": "z", "layers": "0"}, "layers: .* given for a code in z"),
        ({"layers": "5"}, "layers: '5' given; rows 0 to 1"),
        ({"size": 4}, "size: 4 given; 1 to 3"),
        ({"channels": "max"}, "channels: 'max' given"),
        ({"resize": "cubic"}, "resize: 'cubic' given"),
        ({"feature": "nose"}, r"feature: \['nose'\] given"),
    ],
)
def test_choices_that_do_not_exist(change, message):
    given = {"latent": jnp.zeros(3), "space": "w", **change}
    names = ("layers", "size", "channels", "resize")
    seen = View(**{name: given.pop(name) for name in names if name in given})
    latent = given.pop("latent")
    with pytest.raises(ValueError, match=message):
        picture(toy.make(), latent, seen, **given)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.ones((1, 5, 6)), r"weights: shape \(2, 5, 6\) given; \[R, 6, 6\]"),
        (np.zeros((1, 6, 6)), "weights: number 0 are all zero"),
        (np.ones((1, 6, 6)), "weights: number 1 are all zero"),
    ],
)
def test_masks_that_do_not_fit(masks, message):
    given = picture(linear()[0], jnp.zeros(4), space="z")
    with pytest.raises(ValueError, match=message):
        region_grams(given, masks)
