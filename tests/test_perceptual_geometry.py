"""The metric of latents under a distance of pictures: half its Hessian at zero."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations, drawn

from jaxlatent.data.worlds import WORLDS
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Generator
from jaxlatent.jacobians import View, picture, pictures_at
from jaxlatent.latents import Latents
from jaxlatent.methods.perceptual_geometry import (
    Seen,
    discover,
    metrics_at,
    perceptual_axes,
    perceptual_geometry,
    perceptual_metric,
)
from jaxlatent.networks.base import Network
from jaxlatent.networks.distances import FeatureDistance, PixelDistance
from jaxlatent.networks.lpips import CHANNELS, TRUNKS, Lpips
from jaxlatent.networks.vgg import vgg
from jaxlatent.parallel import mesh

RNG = np.random.default_rng(7)
D, SIDE = 3, 32
MATRIX = RNG.normal(size=(D, SIDE * SIDE * 3)).astype(np.float32) / 4


def waves(params, z):
    """Pictures that bend with the code."""
    return jnp.sin(z @ params["matrix"]).reshape(-1, SIDE, SIDE, 3)


def planes(params, z):
    return (z @ params["matrix"]).reshape(-1, SIDE, SIDE, 3)


def made(function, matrix=MATRIX):
    params = {"matrix": jnp.asarray(matrix)}
    return Generator.from_functions(function, z_dim=len(matrix), params=params)


def lpips():
    trunk = drawn(
        lambda key: TRUNKS["alex"].init(key, jnp.zeros((1, 64, 64, 3)))["params"], 1
    )
    heads = {
        f"lin{index}": jnp.asarray(RNG.uniform(0, 1, width), jnp.float32)
        for index, width in enumerate(CHANNELS["alex"])
    }
    return Lpips({"trunk": trunk, "heads": heads})


def content():
    module = vgg(11, outputs=None)
    weights = drawn(
        lambda key: module.init(key, jnp.zeros((1, SIDE, SIDE, 3)))["params"], 2
    )
    return FeatureDistance(Network(weights, module), ("features.0",))


@jax.jit
def hessian(generator, distance, z):
    """Of the distance between a code's picture and its neighbours', at the code."""
    here = generator.synthesize(z[None])
    return jax.hessian(lambda y: distance(here, generator.synthesize(y[None]))[0])(z)


@pytest.mark.parametrize("kind", ["lpips", "content", "pixels"])
def test_the_metric_is_half_the_hessian_of_the_distance(kind):
    build = {"lpips": lpips, "content": content, "pixels": PixelDistance}[kind]
    with jax.enable_x64(True):
        wide = partial(jax.tree.map, lambda leaf: jnp.asarray(leaf, jnp.float64))
        generator, distance = wide(made(waves)), wide(build())
        z = jnp.asarray(RNG.normal(size=D))
        found = perceptual_metric(picture(generator, z, space="z"), distance)
        expected = np.asarray(hessian(generator, distance, z)) / 2
        assert np.linalg.eigvalsh(expected)[0] > 0
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        pair = generator.synthesize(jnp.stack([z, z + 0.1]))
        points = distance.embedding(pair)
        np.testing.assert_allclose(
            np.sum((points[0] - points[1]) ** 2),
            distance(pair[:1], pair[1:])[0],
            rtol=1e-12,
        )


def test_a_linear_generator_has_one_metric_everywhere():
    codes = Latents(jnp.asarray(RNG.normal(size=(4, D)), jnp.float32), "z")
    generator = made(planes)
    edit = discover(generator, codes, k=D)
    values, vectors = np.linalg.eigh(MATRIX.astype(np.float64) @ MATRIX.T)
    values, vectors = values[::-1] / MATRIX.shape[1], vectors.T[::-1]
    np.testing.assert_allclose(edit.report["eigenvalues"], values, rtol=1e-5)
    np.testing.assert_allclose(edit.report["share"], values / values.sum(), rtol=1e-5)
    overlaps = np.abs(np.sum(np.asarray(edit.vectors) * vectors, axis=1))
    np.testing.assert_allclose(overlaps, 1, rtol=1e-5)
    assert edit.facts["homogeneity"] == pytest.approx(1, abs=1e-6)
    assert edit.facts["log_homogeneity"] == pytest.approx(1, abs=1e-6)
    assert edit.facts["dimension"] == edit.facts["dimension_each"] == 3
    assert (edit.facts["latents"], edit.facts["distance"]) == (4, "PixelDistance")
    assert (edit.space, edit.method) == ("z", "perceptual_geometry")
    assert len(discover(generator, codes)) == 3
    # neither another code nor other weights compile it again
    other = pictures_at(made(planes, 2 * MATRIX), codes)
    with compilations() as count:
        found = metrics_at(other, PixelDistance())
    assert count() == 0
    expected = np.repeat(4 * values[None], 4, axis=0)
    np.testing.assert_allclose(np.linalg.eigvalsh(found)[:, ::-1], expected, rtol=1e-5)


def test_the_metric_and_its_axes_over_several_devices():
    at = picture(made(waves), jnp.ones(D), space="z")
    over = mesh(2)
    alone = perceptual_metric(at, PixelDistance())
    for store in (True, False):
        found = perceptual_metric(at, PixelDistance(), mesh=over, chunk=1, store=store)
        np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-7)
    codes = Latents(jnp.ones((2, D)), "z")
    edit = discover(made(waves), codes, k=2, mesh=over, chunk=1)
    values, vectors = np.linalg.eigh(alone)
    np.testing.assert_allclose(edit.report["eigenvalues"], values[:0:-1], rtol=1e-5)
    leading = perceptual_axes(at, PixelDistance(), 1, key=jax.random.key(0), mesh=over)
    overlap = np.abs(np.asarray(leading.vectors)[0] @ vectors[:, -1])
    np.testing.assert_allclose(overlap, 1, rtol=1e-4)


def rings(params, z):
    del params
    return WORLDS["ring"].render(z, size=64)


def test_rings_have_the_metric_of_their_formula():
    x, y, radius, softness = code = np.asarray([0.3, -0.4, 0.5, -0.7])
    generator = Generator.from_functions(rings, z_dim=4, params={})
    found = perceptual_metric(
        picture(generator, jnp.asarray(code, jnp.float32), space="z"), PixelDistance()
    )
    middles = 3 * ((np.arange(64) + 0.5) / 32 - 1)
    across, down = middles[None] - x, middles[:, None] - y
    away = np.hypot(across, down)
    inside = 1 - np.abs(away - 1 - radius / 2)
    slope = np.exp(softness) / np.cosh(inside * np.exp(softness)) ** 2
    outwards = np.sign(away - 1 - radius / 2)
    columns = [
        slope * outwards * across / away,
        slope * outwards * down / away,
        slope * outwards / 2,
        slope * inside,
    ]
    flat = np.stack([column.ravel() for column in columns])
    np.testing.assert_allclose(found, flat @ flat.T / 64**2, rtol=1e-5, atol=1e-7)


def test_an_oracle_draws_again_for_every_column():
    oracle = rendered.oracle("disc", key=jax.random.key(0), z_dim=6, size=8)
    at = picture(oracle, jnp.full(6, 0.3), space="z")
    assert Seen(at, PixelDistance()).recompute
    # what a network sees is linearised once, and so is what a network draws
    assert not Seen(at, content()).recompute
    plain = picture(toy.make(), jnp.ones(3), space="z")
    assert not Seen(plain, PixelDistance()).recompute
    flat = np.asarray(jax.jit(jax.jacfwd(at))(at.origin), np.float64).reshape(-1, 6)
    found = perceptual_metric(at, PixelDistance())
    np.testing.assert_allclose(found, flat.T @ flat / len(flat), rtol=1e-4, atol=1e-8)


def test_the_leading_axes_without_the_matrix():
    matrix = RNG.normal(size=(12, SIDE * SIDE * 3)).astype(np.float32)
    matrix *= 0.5 ** np.arange(12, dtype=np.float32)[:, None]
    at = picture(made(waves, matrix), jnp.ones(12), space="z")
    whole = perceptual_geometry(
        perceptual_metric(at, PixelDistance())[None], k=3, space="z"
    )
    found = perceptual_axes(
        at, PixelDistance(), 3, key=jax.random.key(0), oversample=1, depth=2
    )
    np.testing.assert_allclose(found.values, whole.report["eigenvalues"], rtol=1e-4)
    overlaps = np.abs(np.sum(np.asarray(found.vectors * whole.vectors), axis=1))
    np.testing.assert_allclose(overlaps, 1, rtol=1e-3)


def test_a_mapping_network_s_axes_are_of_w_and_of_rows():
    """A picture is row 0 of w+ and ten times row 1, three pixels."""
    z = Latents(jnp.ones((1, 3)), "z")
    for layers, rows, gain in ((None, None, 11), ("1", (1,), 10)):
        edit = discover(toy.make(), z, view=View(layers=layers), k=2)
        assert (edit.space, edit.layers, edit.dimension) == ("w", rows, 3)
        np.testing.assert_allclose(edit.report["eigenvalues"], gain**2 / 3, rtol=1e-6)
        assert "homogeneity" not in edit.facts


def test_what_does_not_fit_is_named():
    generator = made(planes)
    z = Latents(jnp.zeros((1, D)), "z")
    with pytest.raises(ValueError, match="distance: a function given; LPIPS, or anoth"):
        discover(generator, z, lambda x, y: x)
    with pytest.raises(ValueError, match="k: 4 given; 1 to 3 is accepted"):
        discover(generator, z, k=4)
    with pytest.raises(ValueError, match=r"metrics: shape \(3, 3\) given; \[N, D, D\]"):
        perceptual_geometry(np.eye(3))
    with pytest.raises(ValueError, match="metrics: zero everywhere; a distance that"):
        perceptual_geometry(np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="latents: no codes given; one or more is"):
        discover(generator, Latents(z.codes[:0], "z"))
    at = picture(generator, z.codes[0], space="z")
    with pytest.raises(ValueError, match="distance: a function given; LPIPS, or anoth"):
        perceptual_axes(at, lambda x, y: x, 1, key=jax.random.key(0))
    nothing = dataclasses.replace(generator, params={"matrix": MATRIX * np.nan})
    with pytest.raises(ValueError, match="distance: its metric is not finite at this"):
        discover(nothing, z)
