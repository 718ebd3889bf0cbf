import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations
from jax.tree_util import Partial

from jaxlatent import parallel
from jaxlatent.evaluation.disentanglement_interventions import Votes
from jaxlatent.evaluation.disentanglement_sampling import (
    FactorSampler,
    sampled_beta_vae,
    sampled_factor_vae,
)
from jaxlatent.latents import sample_keys

SIZE, SIZES = 40, (2, 3, 4)
VOTES = Votes(train=300, evaluation=180, batch=16, variance=400)
IDENTITY, DEAD = np.eye(3), np.diag([1.0, 1.0, 0.0])


def draw(key, num):
    return jnp.floor(jax.random.uniform(key, (num, 3)) * jnp.array([SIZES]))


def linear(matrix, factors):
    return jnp.matmul(factors, matrix, precision="highest")


def sampler(matrix):
    return FactorSampler(Partial(draw), Partial(linear, jnp.float32(matrix)), 3)


def scored(score, matrix, **how):
    how = {"chunk": 480, "key": jax.random.key(0)} | how
    return score(sampler(matrix), VOTES, **how)


@jax.jit
def drawn(sampler, keys, factor):
    """Everything that a sampler draws."""
    one, two = (
        jax.vmap(jax.random.fold_in, (0, None))(keys, part) for part in range(2)
    )
    return sampler.held(one, factor, SIZE), sampler.pairs(two, factor, SIZE)


def test_the_factor_is_held_and_others_are_not():
    factor = np.arange(30) % 3
    found = drawn(
        sampler(IDENTITY), sample_keys(jax.random.key(1), np.arange(30)), factor
    )
    held, (one, two) = jax.tree.map(np.asarray, found)
    for number in range(30):
        rest = np.arange(3) != factor[number]
        own = np.ptp(held[number], axis=0)
        assert own[~rest] == 0
        assert (own[rest] > 0).all()
        same = (one[number] == two[number]).mean(axis=0)
        assert same[~rest] == 1
        assert (same[rest] < 0.9).all()
        assert np.ptp(one[number][:, ~rest]) > 0  # pairs differ among each other
    for codes in (held, one, two):  # every value is as likely
        for column, values in enumerate(SIZES):
            # of a batch in which it is held, a value counts once
            deviation = np.sqrt((values**2 - 1) / 12 / 10)
            mean = codes[..., column].mean()
            assert abs(mean - (values - 1) / 2) < 4 * deviation


def test_perfect_codes_are_told_and_a_missing_one_costs_what_it_must():
    for matrix in (IDENTITY, -3 * IDENTITY[::-1]):
        assert scored(sampled_beta_vae, matrix).accuracy == 1
        found = scored(sampled_factor_vae, matrix)
        assert found[:2] == (1, 1)
        assert found.active.all()
    # no code tells the third factor: its votes go to the other two
    found = scored(sampled_factor_vae, DEAD)
    assert abs(found.accuracy - 2 / 3) < 3 * np.sqrt(2 / 9 / 180)
    np.testing.assert_array_equal(found.active, [True, True, False])
    assert found.votes.sum() == 480


@pytest.mark.parametrize("score", [sampled_beta_vae, sampled_factor_vae])
def test_new_weights_compile_nothing_and_chunks_and_devices_change_nothing(score):
    matrix, told = 0.5 * IDENTITY + 0.2, []
    first = scored(score, matrix)
    other, key = sampler(IDENTITY), jax.random.key(2)
    with compilations() as count:
        score(other, VOTES, key=key, chunk=480)
        assert count() == 0
    mesh = parallel.mesh(2) if score is sampled_beta_vae else None
    again = scored(score, matrix, chunk=200, progress=told.append, mesh=mesh)
    assert again.accuracy == first.accuracy
    assert told == [200, 200, 80]
