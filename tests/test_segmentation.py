import dataclasses
from typing import Any

import discs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, drawn
from learners import contents

from jaxlatent import parallel
from jaxlatent.evaluation.segmentation import mask_errors
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior, sample_keys
from jaxlatent.methods.background_removal import MaskSettings, mask_synthesis
from jaxlatent.methods.segmentation import (
    PAPER,
    Preset,
    Segmentation,
    Settings,
    finished,
    learner,
    segment,
    train,
    weighted,
)
from jaxlatent.networks.base import Network
from jaxlatent.networks.unet import UNet
from jaxlatent.training.fit import fit

KEY, HELD_OUT = jax.random.key(3), jax.random.key(4)
SMALL = Preset(
    Settings(channels=(4, 8), learning_rate=0.03, validate_every=40),
    MaskSettings(),
    steps=120,
    batch=8,
    held_out=12,
)


RUN: Any = {"key": KEY, "batch": SMALL.batch, "block": 1}
"""Convolutions in a loop are slow on CPUs where nothing is optimised."""


def problem(generator=None, preset=SMALL):
    synthesis = mask_synthesis(
        generator or discs.make(), discs.edit(), discs.WHITE, preset.masks
    )
    return learner(synthesis, preset, key=HELD_OUT)


@pytest.fixture(scope="module")
def solved():
    own = problem()
    return own, fit(own, SMALL.steps, **RUN)


def test_the_network_finds_the_discs(solved):
    own, fitted = solved
    network = finished(own, fitted)
    assert network.module == UNet(
        image_channels=1, channels=(4, 8), resolution=discs.SIDE
    )
    latents = prior(discs.make())(sample_keys(jax.random.key(7), range(64)))
    found = segment(network, discs.make().synthesize(latents.codes), chunk=64)
    errors = mask_errors(found, discs.true_masks(latents.codes))
    assert errors["iou"].mean() > 0.75
    assert errors["accuracy"].mean() > 0.95
    history = fitted.history
    assert history["loss"][-20:].mean() < 0.75 * history["loss"][:5].mean()
    # the loss of held-out samples is taken before steps 0, 40, 80
    kept = history["validation"].reshape(-1, 40)
    assert (kept == kept[:, :1]).all()
    assert (np.diff(kept[:, 0]) < 0).all()
    assert kept[0, 0] == pytest.approx(np.log(2), rel=0.1)


def test_a_run_that_goes_on_ends_with_the_same_bits(solved, tmp_path):
    own, _ = solved
    whole = fit(own, 6, **RUN)
    fit(own, 4, folder=tmp_path / "run", **RUN)
    rest = fit(own, 6, folder=tmp_path / "run", **RUN)
    assert contents(whole.state) == contents(rest.state)
    assert contents(whole.history) == contents(rest.history)


def test_new_weights_compile_nothing_and_change_the_run(solved):
    _, fitted = solved
    params = {"stripes": jnp.zeros(discs.SIDE)}
    other = problem(Generator(params, discs.make().config))
    with compilations() as count:
        found = fit(other, 3, **RUN)
        assert count() == 0
    assert (found.history["loss"] != fitted.history["loss"][:3]).all()


def test_the_whole_way_in_one_call():
    preset = dataclasses.replace(SMALL, steps=3)
    options: Any = {"key": KEY, "block": 1}
    found = train(discs.make(), discs.edit(), discs.WHITE, preset, **options)
    own = learner(
        mask_synthesis(discs.make(), discs.edit(), discs.WHITE),
        preset,
        key=jax.random.fold_in(KEY, np.uint32(2**32 - 3)),
    )
    again = finished(own, fit(own, 3, **RUN))
    assert found.module == again.module
    assert contents(found.params) == contents(again.params)


def test_one_device_equals_four(solved):
    own, fitted = solved
    four = fit(own, 2, mesh=parallel.mesh(4), **RUN)
    np.testing.assert_allclose(
        four.history["loss"], fitted.history["loss"][:2], rtol=1e-5
    )


def test_the_loss_is_that_of_logits_over_the_temperature(solved):
    own, _ = solved
    masks = np.zeros((2, 4, 4), bool)
    masks[0, :2] = True
    logits = jnp.zeros((2, 4, 4, 2)).at[0, :2, :, 1].set(10 * np.log(3))
    losses = own.cross_entropy(logits, jnp.asarray(masks))
    # half of the first is right with 3/4, all else is even
    right = (np.log(4 / 3) + np.log(2)) / 2
    np.testing.assert_allclose(losses, [right, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(weighted(losses, jnp.float32([1, 0])), right, rtol=1e-6)
    assert weighted(losses, jnp.zeros(2)) == 0


def test_the_rate_falls_in_steps(solved):
    own, _ = solved
    assert (PAPER.settings.learning_rate, PAPER.settings.decay_every) == (0.005, 4000)
    how = Settings(learning_rate=0.5, decay_every=2)
    optimizer = Segmentation(own.synthesis, own.held_out, how).optimizer
    place, moves = jnp.float32(0), []
    state = optimizer.init(place)
    for _ in range(5):
        # Adam's moves along an unchanging gradient are as long as its rate
        move, state = optimizer.update(jnp.float32(3), state, place)
        moves.append(float(move))
    np.testing.assert_allclose(moves, [-0.5, -0.5, -0.1, -0.1, -0.02], rtol=1e-4)


def test_pictures_of_any_size_are_seen_at_the_size_of_training():
    module = UNet(image_channels=1, channels=(2, 3), resolution=8)
    network = drawn(lambda key: Network.init(key, module, jnp.zeros((1, 8, 8, 1))), 2)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 12, 1)).astype(np.float32)
    logits = jax.jit(lambda network, images: network(images))(network, images)
    small = segment(network, images)
    np.testing.assert_allclose(small, jax.nn.sigmoid(logits[..., 1]), rtol=1e-6)
    # pictures of squares of 3 x 3 pixels, whose means they are brought back to
    found = segment(network, images.repeat(3, axis=1).repeat(3, axis=2))
    assert found.shape == (2, 24, 36)
    assert ((found > 0) & (found < 1)).all()
    assert np.corrcoef(found[:, 1::3, 1::3].ravel(), small.ravel())[0, 1] > 0.8


def test_errors_of_masks():
    true = np.zeros((3, 2, 2))
    true[0, 0] = 1
    true[1, 0, 0] = 0.6
    found = np.zeros((3, 2, 2))
    found[0] = [[1, 0.5], [0.5, 0]]
    found[1] = 0.25
    errors = mask_errors(found, true)
    np.testing.assert_allclose(errors["mae"], [0.25, 0.375, 0])
    np.testing.assert_allclose(errors["iou"], [2 / 3, 0, 1])
    np.testing.assert_allclose(errors["accuracy"], [0.75, 0.75, 1])
    with pytest.raises(ValueError, match=r"masks: shape \(3, 2\) given"):
        mask_errors(found, true[..., 0])
    with pytest.raises(ValueError, match=r"channels: \(4,\) given; two or more"):
        Settings(channels=(4,))
