"""Relevance of style channels to a direction of features, by hand in float64."""

import re

import jax.numpy as jnp
import numpy as np
import painter
import pytest
from families import normal
from helpers import error

from jaxlatent.latents import Latents, to_space
from jaxlatent.methods import styleclip
from jaxlatent.parallel import mesh

PAINTER = painter.make()
START = to_space(PAINTER, Latents(normal(3, 2, painter.D), "z"), "s")
STYLES = np.random.default_rng(4).normal(0.3, 0.2, (40, painter.CHANNELS))
STYLES[:, 6] = 0.3
PROBES = np.random.default_rng(5).normal(size=(painter.SIDE**2 * 3, 5))


def features(images):
    return images.reshape(len(images), -1) @ jnp.asarray(PROBES, images.dtype) + 1


def brightness(images):
    return images.mean(axis=(1, 2, 3))[:, None]


def unit(rows):
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def by_hand():
    found = []
    for channel in range(painter.CHANNELS):
        ends = []
        for sign in (1, -1):
            codes = np.asarray(START.codes, np.float64)
            column = STYLES[:, channel]
            codes[:, channel] = column.mean() + sign * 5 * column.std()
            flat = np.sin(codes) @ painter.PATTERNS.reshape(painter.CHANNELS, -1)
            ends.append(unit(flat @ PROBES + 1))
        found.append(unit(unit(ends[0] - ends[1]).mean(axis=0)))
    found[6] = np.zeros(5)
    return np.stack(found)


EXPECTED = by_hand()


@pytest.mark.parametrize("devices", [1, 2])
def test_relevance_is_the_formula(devices):
    over = None if devices == 1 else mesh(devices)
    found = styleclip.relevance(PAINTER, features, START, STYLES, chunk=4, mesh=over)
    assert error(found[:6], EXPECTED[:6]) <= 1e-4
    # a channel that does not vary is not moved
    np.testing.assert_array_equal(found[6], 0)


def test_some_channels_alone():
    found = styleclip.relevance(
        PAINTER, features, START, STYLES, channels=[4, 1], chunk=4
    )
    assert error(found, EXPECTED[[4, 1]]) <= 1e-4


def test_a_direction_moves_the_channels_that_are_like_the_target():
    target = 3 * EXPECTED[2]
    cosine = EXPECTED @ EXPECTED[2]
    threshold = np.sort(np.abs(cosine))[3]
    edit = styleclip.toward(PAINTER, EXPECTED, target, STYLES, threshold=threshold)
    kept = np.where(np.abs(cosine) >= threshold, cosine, 0)
    assert (edit.space, edit.facts["channels"]) == ("s", 4)
    assert error(edit.vectors[0], kept * STYLES.std(axis=0)) <= 1e-6
    one = styleclip.toward(
        PAINTER, EXPECTED[[2]], target, STYLES, channels=[2], name="red"
    )
    assert one.names == ("red",)
    assert np.flatnonzero(one.vectors[0]).tolist() == [2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: styleclip.relevance(PAINTER, features, START, STYLES[:, :3]),
            "styles: shape (40, 3) given; [P, 7] of two or more is",
        ),
        (
            lambda: styleclip.relevance(PAINTER, features, START, STYLES, channels=[7]),
            "channels: [7] given; whole numbers from 0 to 6 are accepted",
        ),
        (
            lambda: styleclip.relevance(PAINTER, brightness, START, STYLES),
            "features: (1, 1) made of one picture; [1, F], F two or more, is accepted",
        ),
        (
            lambda: styleclip.toward(
                PAINTER, EXPECTED[:1], np.ones(5), STYLES, channels=[-1]
            ),
            "channels: [-1] given; whole numbers from 0 to 6 are accepted",
        ),
        (
            lambda: styleclip.toward(PAINTER, EXPECTED, np.ones(5), STYLES[:, :6]),
            "styles: shape (40, 6) given; [P, 7] of two or more is",
        ),
        (
            lambda: styleclip.toward(PAINTER, EXPECTED, EXPECTED[0], 0 * STYLES),
            "threshold: 0.1 given; the largest cosine of a channel that varies is 0",
        ),
        (
            lambda: styleclip.toward(PAINTER, EXPECTED, np.ones(4), STYLES),
            "relevances, target: shapes (7, 5), (4,) given for 7 channels",
        ),
        (
            lambda: styleclip.toward(
                PAINTER, EXPECTED, np.ones(5), STYLES, threshold=1.5
            ),
            "threshold: 1.5 given; the largest cosine of a channel that varies is",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call()
