"""Codes along directions, on pictures of two stripes whose levels are the factors."""

import dataclasses
from types import SimpleNamespace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations

from jaxlatent.edits.directions import directions
from jaxlatent.evaluation import direction_codes
from jaxlatent.evaluation.direction_codes import (
    DirectionCodes,
    Encoded,
    Settings,
    direction_encoder,
    discovery_codes,
    encode,
    score_codes,
)
from jaxlatent.evaluation.disentanglement import disentanglement_scores
from jaxlatent.evaluation.disentanglement_bench import Settings as Sizes
from jaxlatent.evaluation.recognition import Shifts
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior

KEY = jax.random.key(3)


class Rows(nn.Module):
    """A small network of the means of rows."""

    @nn.compact
    def __call__(self, images, *, train=False):
        x = nn.tanh(nn.Dense(16)(images.mean(axis=(2, 3))))
        return nn.Dense(2)(x)


HOW = Settings(Shifts("uniform", 2.0, 0.2), Rows(), 1000, 32, 1e-2)
RUN = {"key": KEY, "num": 600, "chunk": 200}
TRUTH = directions(np.eye(3, dtype=np.float32)[:2], space="z")
MIXED = directions(np.float32([[1, 1, 0], [1, -1, 0]]) / 2**0.5, space="z")


def stripes(params, z):
    """Grey pictures, a level above and a level below; z_2 does nothing."""
    level = params["gain"] * jnp.tanh(0.7 * z[:, :2])
    return jnp.broadcast_to(
        jnp.repeat(level, 4, axis=1)[:, :, None, None], (len(z), 8, 8, 1)
    )


def levels(images):
    """The factors, as a scorer of pictures."""
    return images[:, ::4, 0, 0]


def drawn(gain=0.8):
    params = {"gain": jnp.float32(gain)}
    return prior(Generator.from_functions(stripes, z_dim=3, params=params))


def scores(found):
    names = ("mig", "dci", "factor-vae", "beta-vae", "sap-continuous")
    sizes = Sizes(*(400, 200), bins=10, factor_bins=4, trees=2, repeats=2)
    return disentanglement_scores(*found, names, sizes)


@pytest.fixture(scope="module")
def truth():
    return discovery_codes(drawn(), TRUTH, HOW, levels, **RUN)


@pytest.fixture(scope="module")
def mixed():
    return discovery_codes(drawn(), MIXED, HOW, levels, **RUN)


def test_true_directions_get_codes_of_one_factor_each(truth):
    assert truth.codes.shape == truth.factors.shape == (600, 2)
    correlation = np.corrcoef(truth.codes.T, truth.factors.T)[:2, 2:]
    np.testing.assert_allclose(correlation, np.eye(2), atol=0.15)
    found = scores(truth)
    assert found["factor-vae"].value == found["beta-vae"].value == 1
    assert found["dci disentanglement"].value > 0.9
    assert found["mig"].value > 0.4


def test_directions_between_factors_lose_what_they_mix(truth, mixed):
    """Each code is as much of one factor as of the other: half its variance."""
    correlation = np.corrcoef(mixed.codes.T, mixed.factors.T)[:2, 2:]
    half = np.float32([[1, 1], [1, -1]]) / 2**0.5
    np.testing.assert_allclose(correlation, half, atol=0.15)
    best, found = scores(truth), scores(mixed)
    for name in best:
        if name not in ("dci informativeness", "beta-vae"):
            assert found[name].value < best[name].value - 0.1, name
    assert found["sap continuous"].value < 0.25
    assert found["mig"].value < 0.1


def test_codes_are_coordinates_in_units_of_strength(truth):
    """Where nothing saturates, codes grow with them one to one."""
    small = np.abs(truth.factors) < 0.3
    coordinate = np.arctanh(truth.factors / 0.8) / 0.7
    for column in range(2):
        rows = small[:, column]
        slope = np.polyfit(coordinate[rows, column], truth.codes[rows, column], 1)[0]
        assert slope == pytest.approx(1, abs=0.25)


def test_the_loss_of_known_codes(monkeypatch):
    problem = DirectionCodes(drawn(), TRUTH, HOW.network, HOW.shifts, 1e-2)
    codes = np.float32([[0, 0], [1, 1], [2, 0.5], [1, 1]])
    change = np.float32([[2, 0], [0, -3]])
    told = SimpleNamespace(params={}, train=lambda images: (images, told))
    monkeypatch.setattr(direction_codes, "Network", lambda *_: told)
    value, *_ = problem.loss({}, jnp.asarray(codes), jnp.asarray(change))
    assert float(value) == pytest.approx((0.5**2 + 3**2) / 2)


def test_other_edits_and_weights_compile_nothing(truth, mixed):
    other, key = drawn(0.5), jax.random.key(4)
    how = dataclasses.replace(HOW, steps=2)
    with compilations() as count:
        discovery_codes(other, MIXED, how, levels, **{**RUN, "key": key})
        assert count() == 0


def test_an_oracle_tells_its_factors_itself(monkeypatch):
    monkeypatch.setattr(direction_codes, "FACTORS", "mixed")  # what the toy tells
    oracle = toy.make(gain=2.0)
    found = encode(prior(oracle), first_column, key=KEY, num=4, chunk=4)
    assert found.factors.shape == (4, 3)
    np.testing.assert_allclose(found.codes[:, 0], 2 * found.factors[:, 0], rtol=1e-6)


def first_column(images):
    return images[:, 0, :1, 0]


def test_the_protocol_scores_the_codes_that_it_found(monkeypatch):
    asked = []

    def known(*what, **how):
        asked.append((what, how))
        values = np.random.default_rng(0).integers(0, 4, (90, 2))
        return Encoded(-2.0 * values[:, ::-1], values)

    monkeypatch.setattr(direction_codes, "discovery_codes", known)
    sizes = Sizes(60, 30, trees=2, repeats=2, batch=8, variance=40)
    found = score_codes(drawn(), TRUTH, HOW, levels, key=KEY, num=90, sizes=sizes)
    assert asked[0][1] == {"key": KEY, "num": 90}
    assert found["mig"].value > 0.9 > found["mig"].chance
    assert found["beta-vae"].value == found["factor-vae"].value == 1
    assert found["dci disentanglement"].value > 0.99


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="factors: None given; images"):
        encode(drawn(), levels, key=KEY)
    other = directions(np.eye(3, dtype=np.float32), space="w")
    with pytest.raises(ValueError, match="edit: of w given; one of z"):
        direction_encoder(drawn(), other, HOW, key=KEY)
    nothing = drawn(float("nan"))
    with pytest.raises(ValueError, match=r"learning_rate: 0.01 given; step 0 was not"):
        direction_encoder(nothing, TRUTH, HOW, key=KEY)
