"""Trajectories, against closed forms and the original's."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, error, golden
from scipy.special import erfinv

from jaxlatent import parallel
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior
from jaxlatent.methods.factors_of_variation_settings import Search
from jaxlatent.methods.factors_of_variation_trajectories import (
    Trajectories,
    _in_turn,
    estimate,
    kept,
    records,
)
from jaxlatent.methods.factors_of_variation_transformations import as_transformation
from jaxlatent.numerics.frequency_loss import frequency_loss

KEY = jax.random.key(4)
RIGHT = as_transformation("horizontal_position")


def toy(params, z):
    """The generator of the recorded trajectories."""
    h = z @ params["maps"]
    x, y = 0.35 * jnp.tanh(h[:, 0]), 0.35 * jnp.tanh(h[:, 1])
    size, light = 0.12 * jnp.exp(h[:, 2]), 0.8 + 0.2 * jnp.tanh(h[:, 3])
    line = jnp.linspace(-0.5, 0.5, 32)[None]
    across = (line - x[:, None])[:, None, :] ** 2
    down = (line - y[:, None])[:, :, None] ** 2
    q = light[:, None, None] * jnp.exp(-(across + down) / (2 * size**2)[:, None, None])
    return jnp.stack([2 * q - 1, q - 1, q / 2 - 1], axis=-1)


def test_they_are_the_originals():
    case = golden("plumerault_trajectories_horizontal_position")
    params = {"maps": jnp.asarray(case["gen_W"])}
    generator = Generator.from_functions(toy, z_dim=6, params=params)
    batch = int(case["batch_size"])
    # batch; sign; amount; element of the batch
    order = (-1, 2, 5, batch)
    search = Search(
        steps=int(case["n_steps"]),
        learning_rate=float(case["lr"]),
        sigma=float(case["sigma"]),
        kernel="reference",
        tangent=False,
        reset=False,
    )
    starts = case["z_0"].reshape(*order, 6)[:, 0, 0].reshape(-1, 6)
    drawn = prior(generator)(jax.random.split(KEY, len(starts)))
    latents = dataclasses.replace(drawn, codes=jnp.asarray(starts))
    parts = list(_in_turn((generator, RIGHT), latents, search, batch))
    found = parts[0].joined(parts[1])

    def as_recorded(leaf):
        leaf = np.asarray(leaf).reshape(-1, batch, *leaf.shape[1:])
        leaf = np.moveaxis(leaf, 1, 3)
        return leaf.reshape(-1, *leaf.shape[4:])

    assert error(as_recorded(found.ends), case["z_t"]) < 1e-4
    assert error(as_recorded(found.errors), case["error"]) < 1e-4
    # the recorded labels are what was asked, ours what whole pixels make of it
    asked = as_recorded(found.amounts)
    assert np.abs(asked - case["delta_t"]).max() < 1 / 32


CENTRE = 0.4


def blob(params, z):
    """A bright blob whose place is 0.4 (2 Phi(<p, z>) - 1), in one row of pixels."""
    place = CENTRE * jax.scipy.special.erf(z @ params["p"] / jnp.sqrt(2.0))
    line = jnp.linspace(-0.5, 0.5, 33)[None]
    row = 2 * jnp.exp(-(((line - place[:, None]) / 0.08) ** 2)) - 1
    return jnp.broadcast_to(row[:, None, :, None], (len(z), 3, 33, 1))


def blobs(vector):
    params = {"p": jnp.asarray(vector, jnp.float32)}
    return Generator.from_functions(blob, z_dim=len(vector), params=params)


def test_codes_of_moved_blobs_are_known():
    """<p, z_t> is the quantile of the moved place, and nothing else moves."""
    search = Search(amounts=(0.1, 0.2), steps=200, learning_rate=0.02)
    found = estimate(prior(blobs([1, 0, 0, 0])), RIGHT, search, key=KEY, num=6, chunk=3)
    amounts = found.amounts * 33 / 32  # the line's ends are pixels' middles
    before = CENTRE * (2 * jax.scipy.stats.norm.cdf(found.starts[:, 0]) - 1)
    goal = before[:, None, None] + amounts
    reached = np.abs(goal) < 0.3
    assert reached.sum() >= 8
    expected = np.sqrt(2) * erfinv(np.where(reached, goal, 0) / CENTRE)
    np.testing.assert_allclose(
        found.ends[..., 0][reached], expected[reached], atol=2e-2
    )
    still = np.broadcast_to(found.starts[:, None, None, 1:], (6, 2, 2, 3))
    inside = np.linalg.norm(found.ends, axis=-1) < 1.99
    np.testing.assert_allclose(
        found.ends[..., 1:][inside & reached], still[inside & reached], atol=1e-5
    )


MAPS = np.random.default_rng(1).normal(size=(3, 12 * 12)).astype(np.float32)


def linear(params, z):
    return (z @ params["maps"]).reshape(-1, 12, 12, 1)


def halved(images, amount):
    """Brighter by an amount on the left, undefined on the right."""
    mask = (jnp.arange(12) < 8).astype(images.dtype)[None, None, :, None]
    return images + amount, jnp.broadcast_to(mask, (1, 12, 12, 1)), amount


def constrained(matrix, vector, radius):
    """The least of z M z / 2 + v z in a ball, by bisection of the multiplier."""
    found = -np.linalg.solve(matrix, vector)
    low, high = 0.0, 1e6
    for _ in range(100 * (np.linalg.norm(found) > radius)):
        middle = (low + high) / 2
        found = -np.linalg.solve(matrix + middle * np.eye(len(vector)), vector)
        outside = np.linalg.norm(found) > radius
        low, high = (middle, high) if outside else (low, middle)
    return found


@pytest.mark.parametrize("kernel", ["unit", "reference"])
def test_a_linear_generators_trajectory_is_weighted_least_squares(kernel):
    params = {"maps": jnp.asarray(MAPS)}
    generator = Generator.from_functions(linear, z_dim=3, params=params)
    search = Search((2.0,), steps=2500, sigma=1.0, kernel=kernel)
    transformation = as_transformation(halved)

    @jax.jit
    @jax.vmap
    def loss_at_zero(start, amount):
        image = generator.synthesize(start[None])
        targets, mask, _ = halved(image, amount)

        def loss(z):
            drawn = generator.synthesize(z[None])
            return frequency_loss(drawn, targets, mask, sigma=1.0, kernel=kernel)[0]

        return jax.hessian(loss)(jnp.zeros(3)), jax.grad(loss)(jnp.zeros(3))

    outside = 0
    for constraint in ("none", "ball"):
        how = dataclasses.replace(search, constraint=constraint)
        found = estimate(prior(generator), transformation, how, key=KEY, num=4, chunk=4)
        for side, amount in enumerate((-2.0, 2.0)):
            terms = loss_at_zero(jnp.asarray(found.starts), jnp.full(4, amount))
            for end, matrix, vector in zip(
                found.ends[:, side, 0], *map(np.float64, terms), strict=True
            ):
                free = constrained(matrix, vector, np.inf)
                outside += np.linalg.norm(free) > np.sqrt(3)
                radius = np.sqrt(3) if constraint == "ball" else np.inf
                expected = constrained(matrix, vector, radius)
                np.testing.assert_allclose(end, expected, atol=2e-3)
    assert outside >= 4


def test_a_trajectory_does_not_see_the_others():
    drawn = prior(blobs([0.6, 0.8, 0, 0]))
    search = Search(amounts=(0.1, 0.2), steps=5, sigma=2.0)
    whole = estimate(drawn, RIGHT, search, key=KEY, num=5, chunk=5)
    seen = []
    parts = estimate(
        drawn,
        RIGHT,
        search,
        key=KEY,
        num=5,
        chunk=2,
        done=jax.tree.map(lambda leaf: leaf[:1], whole),
        callback=seen.append,
    )
    shared = estimate(
        drawn, RIGHT, search, key=KEY, num=5, chunk=4, mesh=parallel.mesh(4)
    )
    assert [len(one) for one in seen] == [3, 5]
    for other in (parts, shared):
        for ours, theirs in zip(
            jax.tree.leaves(other), jax.tree.leaves(whole), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=2e-6)
    other, key = prior(blobs([0, 0.8, 0.6, 0])), jax.random.key(1)
    with compilations() as count:
        again = estimate(
            other,
            RIGHT,
            search,
            key=key,
            num=5,
            chunk=5,
        )
        assert count() == 0
    assert np.abs(again.ends - whole.ends).max() > 0.1


@pytest.mark.parametrize("constraint", ["ball", "sphere", "none"])
def test_codes_stay_where_they_may_be(constraint):
    search = Search((0.4,), steps=20, learning_rate=0.3, constraint=constraint)
    drawn = prior(blobs([1, 1, 0, 0]))
    found = estimate(drawn, RIGHT, search, key=KEY, num=12, chunk=12)
    for codes in (found.starts, found.ends):
        length = np.linalg.norm(codes, axis=-1)
        if constraint == "none":
            assert length.max() > 2.1
        else:
            assert length.max() < 2 + 1e-5
        if constraint == "sphere":
            assert length.min() > 2 - 1e-5


def test_poor_ends_are_dropped_by_the_papers_rule_and_by_the_codes():
    errors = np.float32(np.random.default_rng(0).permutation(20).reshape(2, 2, 5))
    found = Trajectories(
        np.ones((2, 3)), np.arange(60.0).reshape(2, 2, 5, 3), errors / 10, errors
    )
    np.testing.assert_array_equal(kept(found, threshold=7.0), errors <= 7)
    np.testing.assert_array_equal(kept(found, dropped=0.1), errors < 18)
    both = kept(found, threshold=7.0, dropped=0.7)
    np.testing.assert_array_equal(both, errors < 6)
    chosen = records(found, both)
    assert (len(chosen), chosen.starts.shape) == (6, (6, 3))
    np.testing.assert_allclose(chosen.amounts, errors[both] / 10)
    np.testing.assert_array_equal(chosen.ends, found.ends[both])
    with pytest.raises(ValueError, match=r"threshold: -1.0 given, which drops all"):
        kept(found, threshold=-1.0)
    with pytest.raises(ValueError, match=r"dropped: 1 given; from 0 to below 1"):
        kept(found, dropped=1)


def test_what_does_not_fit_is_named():
    drawn = prior(blobs([1, 0]))
    with pytest.raises(ValueError, match=r"num: 0 given; 1 or more"):
        estimate(drawn, RIGHT, Search(), key=KEY, num=0)
    carried = Search(reset=False)
    with pytest.raises(ValueError, match=r"reset: False given; one device"):
        estimate(drawn, RIGHT, carried, key=KEY, num=3, chunk=2)
    for change, message in (
        ({"amounts": (0.2, 0.1)}, r"amounts: \(0.2, 0.1\) given; rising"),
        ({"steps": 0}, r"steps: 0 given"),
        ({"constraint": "cube"}, r"constraint: 'cube' given; one of"),
    ):
        with pytest.raises(ValueError, match=message):
            Search(**change)
