"""Tangent spaces that turn by known angles, and mapping networks cut short."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import drawn

from jaxlatent.evaluation.distortion import distortion, mapping_distortion
from jaxlatent.generators import rendered, stylegan2
from jaxlatent.generators.base import Generator

RNG = np.random.default_rng(3)


def circle(z):
    """The tangent at angle t has angle t."""
    return jnp.concatenate([jnp.cos(z), jnp.sin(z)], axis=1)


def turned(z):
    """A plane in three dimensions, turned about its first axis by half the first entry.

    d / dz1 = (1, 0, 0) + z2 / 2 (...), so only codes with z2 = 0 are looked at.
    """
    first, second = z[:, 0], z[:, 1]
    return jnp.stack(
        [first, second * jnp.cos(first / 2), second * jnp.sin(first / 2)], axis=1
    )


def test_the_tangents_of_a_circle_turn_with_it():
    angles = RNG.uniform(0, 6, size=(9, 1)).astype(np.float32)
    found = distortion(circle, jnp.asarray(angles), jnp.asarray(angles + 0.2), rank=1)
    apart = np.abs(np.roll(angles, -1, axis=0) - angles) % np.pi
    expected = np.minimum(apart, np.pi - apart).mean()
    assert found.random == pytest.approx(expected, abs=1e-5)
    assert found.near == pytest.approx(0.2, abs=1e-5)
    assert found.ratio == pytest.approx(expected / 0.2, rel=1e-4)


def test_planes_that_turn_about_one_axis_have_one_angle():
    codes = np.zeros((4, 2), np.float32)
    codes[:, 0] = [0.0, 1.0, 0.4, 2.0]
    near = codes + np.float32([0.3, 0])
    found = distortion(turned, jnp.asarray(codes), jnp.asarray(near))
    assert found.rank == 2
    angles = np.asarray([1.0, 0.6, 1.6, 2.0]) / 2
    assert found.random == pytest.approx(angles.mean() / np.sqrt(2), abs=1e-5)
    assert found.near == pytest.approx(0.15 / np.sqrt(2), abs=1e-5)


def test_a_linear_map_is_not_distorted():
    codes = jnp.asarray(RNG.normal(size=(5, 3)), jnp.float32)
    found = mapping_distortion(toy.make(), key=jax.random.key(0), num=4, rank=2)
    assert list(found) == ["w"]
    assert found["w"].ratio == 1
    assert found["w"].random < 1e-6
    with pytest.raises(ValueError, match="rank: 4 given; 1 to 3"):
        distortion(toy_map, codes, codes, rank=4)
    with pytest.raises(ValueError, match="codes, near: "):
        distortion(toy_map, codes, codes[:2])


def test_a_map_without_a_tangent_space_is_refused():
    codes = jnp.ones((2, 3))
    with pytest.raises(ValueError, match="f: its Jacobian is zero at a code, and"):
        distortion(nothing, codes, codes)
    with pytest.raises(ValueError, match="f: its Jacobian at code 1 is not finite"):
        distortion(circle, codes.at[1].set(jnp.nan), codes)


def nothing(z):
    return 0 * z


def toy_map(z):
    return 2 * z


def test_every_layer_of_a_mapping_network_is_measured():
    config = stylegan2.Config(
        resolution=8,
        channels=(4, 4),
        z_dim=6,
        w_dim=6,
        mapping_width=6,
        mapping_layers=3,
        label_dim=2,
    )
    generator = Generator(drawn(partial(stylegan2.init, config=config), 1), config)
    found = mapping_distortion(generator, key=jax.random.key(0), num=6, rank=2, label=1)
    assert list(found) == ["layer 1", "layer 2", "w"]
    assert all(one.random > one.near > 0 for one in found.values())
    # the same as of a network that ends there
    short = dataclasses.replace(config, mapping_layers=1)
    cut = dataclasses.replace(generator, config=short)
    (alone,) = mapping_distortion(
        cut, key=jax.random.key(0), num=6, rank=2, label=1
    ).values()
    assert alone == found["layer 1"]


def test_a_generator_without_w_is_refused():
    with pytest.raises(ValueError, match="generator: one without a mapping network"):
        mapping_distortion(rendered.embedded(), key=jax.random.key(0))


def bent(z, turn):
    """A space whose second direction turns with the first entry and the third."""
    first, second, third = z.T
    angle = turn * first + third / 2
    turned = second * jnp.cos(angle), second * jnp.sin(angle)
    return jnp.stack([first, *turned, third], axis=1)


def test_it_grows_with_a_planted_rotation_of_the_tangent_space():
    """Where the second entry is 0, tangent spaces differ by the angle alone."""
    codes = np.zeros((4, 3), np.float32)
    codes[:, 0] = [0.0, 1.0, 0.4, 2.0]
    near = codes + np.float32([0, 0, 0.1])
    apart = np.asarray([1.0, 0.6, 1.6, 2.0]).mean()
    for turn in (0.0, 0.2, 0.7):
        f = jax.tree_util.Partial(bent, turn=jnp.float32(turn))
        found = distortion(f, jnp.asarray(codes), jnp.asarray(near), rank=3)
        assert found.random == pytest.approx(turn * apart / np.sqrt(3), abs=1e-5)
        assert found.near == pytest.approx(0.05 / np.sqrt(3), abs=1e-5)
        assert found.ratio == pytest.approx(turn * apart / 0.05 or 1, rel=1e-3)
