"""Scores of what a generator draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations, drawn

from jaxlatent.evaluation.formulas import brightness
from jaxlatent.evaluation.scoring import score_images, score_latents
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, Truncation
from jaxlatent.networks.base import Network
from jaxlatent.networks.lenet import LeNet


def pixels(params, z):
    """Images whose left half is bright as z0, whose right half as z1."""
    halves = jnp.repeat(z[:, None, :2, None] * params["gain"], 4, axis=2)
    return jnp.broadcast_to(halves, (z.shape[0], 8, 8, 3))


def left(images):
    return jnp.mean(images[:, :, :4], axis=(1, 2, 3))


def both(images):
    return jnp.stack([left(images), left(images[:, :, ::-1])], axis=1)


def first(images):
    return images[:, 0, 0, 0]


def generator(gain=1.0):
    params = {"gain": jnp.asarray(gain)}
    return Generator.from_functions(pixels, z_dim=3, params=params)


CODES = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (7, 3)), jnp.float32)
LATENTS = Latents(CODES, "z")


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_scores_by_hand(chunk):
    scorers = {"left": left, "both": both, "brightness": brightness}
    finished = []
    found = score_latents(
        generator(), scorers, LATENTS, chunk=chunk, progress=finished.append
    )
    assert np.allclose(found["left"], CODES[:, 0], atol=1e-6)
    assert np.allclose(found["both"], CODES[:, :2], atol=1e-6)
    mean = (CODES[:, 0] + CODES[:, 1]) / 4 + 0.5
    assert np.allclose(found["brightness"], mean, atol=1e-6)
    assert sum(finished) == 7


def test_latents_come_from_any_space_with_truncation_on_the_way():
    model = toy.make()
    mean = np.array([1.0, 2.0, 3.0])
    w = mean + 0.5 * (2 * np.asarray(CODES) - mean)
    scorers = {"first": first}
    found = score_latents(model, scorers, LATENTS, truncation=Truncation(0.5), chunk=3)
    assert np.allclose(found["first"], 11 * w[:, 0], atol=1e-4)
    found = score_latents(model, scorers, Latents(CODES, "w"), chunk=3)
    assert np.allclose(found["first"], 11 * np.asarray(CODES)[:, 0], atol=1e-4)
    with compilations() as count:
        score_latents(model, scorers, LATENTS, truncation=Truncation(0.7), chunk=3)
    assert count() == 0


def test_pictures_of_ones_own_get_the_same_scores():
    scorers = {"left": left, "both": both}
    images = generator().synthesize(CODES)
    ours = score_images(scorers, images, chunk=3)
    drawn_ones = score_latents(generator(), scorers, LATENTS)
    for name in scorers:
        np.testing.assert_array_equal(ours[name], drawn_ones[name])


def test_networks_are_arguments_of_the_compiled_function():
    images = jnp.zeros((1, 32, 32, 1))
    networks = [
        Network(drawn(lambda key: LeNet().init(key, images), seed)["params"], LeNet())
        for seed in range(2)
    ]
    first = score_latents(generator(), {"digit": networks[0]}, LATENTS, chunk=4)
    with compilations() as count:
        second = score_latents(generator(2.0), {"digit": networks[1]}, LATENTS, chunk=4)
        assert count() == 0
    assert first["digit"].shape == (7, 10)
    assert not np.allclose(first["digit"], second["digit"])
    alone = networks[0](generator().synthesize(CODES))
    assert np.allclose(first["digit"], alone, rtol=1e-4, atol=1e-4)


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"scorers: whole returned \(7, 8, 8, 3\)"):
        score_latents(generator(), {"whole": jax.nn.relu}, LATENTS)
    with pytest.raises(ValueError, match="latent: no codes given"):
        score_latents(generator(), {"left": left}, Latents(CODES[:0], "z"))
