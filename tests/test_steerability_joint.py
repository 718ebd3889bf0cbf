"""Generator and walk together: every loss and step by hand."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior, sample_keys
from jaxlatent.methods.steerability_edits import Color, Shift
from jaxlatent.methods.steerability_joint import (
    EditedSource,
    JointSettings,
    JointSteerability,
)
from jaxlatent.training.fit import fit
from jaxlatent.training.sources import ArraySource

KEY = jax.random.key(2)
RATE = 1e-3


def pixels(params, z):
    return jnp.tanh(z @ params["maps"]).reshape(-1, 2, 2, 1)


@flax.struct.dataclass(eq=False)
class Judge:
    weight: jax.Array

    def __call__(self, images):
        return images.reshape(len(images), -1) @ self.weight


def problem(**settings):
    rng = np.random.default_rng(4)
    params = {"maps": jnp.asarray(rng.normal(size=(3, 4)), jnp.float32)}
    generator = Generator.from_functions(pixels, z_dim=3, params=params)
    judge = Judge(jnp.asarray(rng.normal(size=4), jnp.float32))
    how = JointSettings(learning_rate=RATE, **settings)
    return JointSteerability(prior(generator), judge, Color(), how)


def data(count):
    images = np.random.default_rng(0).uniform(-1, 1, (count, 2, 2, 1))
    return {"image": images.astype(np.float32)}


def bce(logits, target):
    return jnp.mean(jnp.log1p(jnp.exp(-logits if target else logits)))


def test_each_player_descends_its_own_loss():
    joint, rows = problem(generator_steps=1), data(8)
    keys = sample_keys(KEY, range(8))
    before = joint.init(jax.random.key(1))
    after, metrics = jax.jit(joint.update)(before, keys, rows)
    z, alpha = joint.prior(keys).codes, joint.strengths(keys)
    maps, walk = before.params["generator"]["maps"], before.params["walk"]
    assert np.abs(walk).max() <= 1

    def pictures(maps, walk):
        return [pixels({"maps": maps}, code) for code in (z, z + alpha @ walk)]

    def judged(weight):
        logits = [Judge(weight)(x) for x in (rows["image"], *pictures(maps, walk))]
        return bce(logits[0], 1) + bce(logits[1], 0) + bce(logits[2], 0)

    weight = before.params["discriminator"].weight
    loss, slope = jax.value_and_grad(judged)(weight)
    assert float(metrics["critic_loss"]) == pytest.approx(float(loss), rel=1e-5)
    # the first step of Adam is its rate along the sign
    moved = after.params["discriminator"].weight - weight
    np.testing.assert_allclose(moved, -RATE * np.sign(slope), rtol=1e-3)
    judge = after.params["discriminator"]

    def made(maps, walk):
        plain, far = pictures(maps, walk)
        target = jax.lax.stop_gradient(plain) + alpha[:, :, None, None]
        off = jnp.mean((far - target) ** 2)
        return bce(judge(plain), 1) + bce(judge(far), 1) + off, off

    (loss, off), slopes = jax.value_and_grad(made, (0, 1), has_aux=True)(maps, walk)
    assert float(metrics["loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(metrics["edit_loss"]) == pytest.approx(float(off), rel=1e-5)
    for new, old, slope in (
        (after.params["generator"]["maps"], maps, slopes[0]),
        (after.params["walk"], walk, slopes[1]),
    ):
        np.testing.assert_allclose(new - old, -RATE * np.sign(slope), rtol=1e-3)


def test_it_is_a_problem_for_fit_and_ends_in_a_generator_and_its_walk(tmp_path):
    joint, source = problem(), ArraySource(data(16))
    whole = fit(joint, 6, key=KEY, batch=4, data=source, block=3)
    fit(joint, 3, key=KEY, batch=4, data=source, block=3, folder=tmp_path)
    rest = fit(joint, 6, key=KEY, batch=4, data=source, block=3, folder=tmp_path)
    for one, two in zip(*map(jax.tree.leaves, (whole.state, rest.state)), strict=True):
        np.testing.assert_array_equal(one, two)
    edit, generator = joint.edit(whole.state), joint.generator(whole.state)
    assert edit.names == ("grey",)
    z = generator.sample(KEY, 2)
    assert generator.synthesize(edit.shift(z, 0, 0.1)).shape == (2, 2, 2, 1)
    assert {"loss", "edit_loss", "critic_loss"} == whole.history.keys()


def test_without_a_walk_generators_are_trained_alone():
    joint = problem(walk=False)
    keys = sample_keys(KEY, range(4))
    before = joint.init(jax.random.key(1))
    after, metrics = jax.jit(joint.update)(before, keys, data(4))
    np.testing.assert_array_equal(after.params["walk"], before.params["walk"])
    assert float(metrics["edit_loss"]) == 0
    with pytest.raises(ValueError, match="data: rows"):
        joint.update(before, keys)


def test_edited_data_are_drawn_by_row():
    images = data(3)["image"].repeat(2, axis=1).repeat(2, axis=2)
    source = EditedSource(
        ArraySource({"image": images}), Shift(), jax.random.key(3), copies=8
    )
    assert len(source) == 24
    rows = source.batch(np.array([1, 4, 7, 10, 13, 16, 1]))["image"]
    np.testing.assert_array_equal(rows[0], rows[-1])
    assert len({row.tobytes() for row in rows}) > 1
    # shifted by one pixel, and black where it came from
    moved = np.full_like(images[1], -1)
    moved[:, 1:] = images[1][:, :-1]
    other = np.full_like(images[1], -1)
    other[:, :-1] = images[1][:, 1:]
    for row in rows:
        near = min(np.abs(row - moved).max(), np.abs(row - other).max())
        assert near < 1e-6
