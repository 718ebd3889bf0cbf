import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, error, golden
from jax.tree_util import Partial

from jaxlatent import parallel
from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.recognition import Shifts, draw_pairs, recognition
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior, sample_keys

K = 4
KEY = jax.random.key(2)


def pixels(params, z):
    """Pictures whose K pixels are the numbers of a code."""
    return (z * params["gains"][None])[:, :, None, None]


def drawn(gains=(1.0,) * K):
    params = {"gains": jnp.asarray(gains)}
    return prior(Generator.from_functions(pixels, z_dim=K, params=params))


def reading(gain, before, after):
    """Tells the pixel that changed most, and by how much all did."""
    change = (after - before)[:, :, 0, 0]
    return gain * jnp.abs(change), change.sum(axis=1)


PERFECT = Partial(reading, jnp.float32(1.0))
AXES = directions(np.eye(K), space="z")


def test_shifts_are_the_originals():
    case = golden("voynov_shift_sampling_a")
    for law in ("UNIFORM", "NORMAL"):
        most, least = case[f"{law}/scale_min"].tolist()
        raw = case[f"{law}/raw"]
        raw = 2 * raw - 1 if law == "UNIFORM" else raw
        found = Shifts(law.lower(), most, least).at_least(most * raw)
        assert error(found, case[f"{law}/shift"]) < 1e-6


def test_laws_of_shifts():
    keys, num = sample_keys(KEY, range(20_000)), 20_000
    most, least = 6.0, 0.5
    found = np.asarray(Shifts().draw(keys))
    size = np.abs(found)
    assert size.min() == least
    assert size.max() <= most
    share = least / most
    assert abs(np.mean(size == least) - share) < 4 * (share / num) ** 0.5
    mean = least**2 / most + (most**2 - least**2) / (2 * most)
    assert abs(size.mean() - mean) < 4 * most / (12 * num) ** 0.5
    assert abs(np.mean(found > 0) - 0.5) < 2 / num**0.5
    found = np.asarray(Shifts("two-sided", 0.25, 0.15).draw(keys))
    size = np.abs(found)
    assert size.min() >= 0.15
    assert size.max() <= 0.25
    assert abs(size.mean() - 0.2) < 4 * 0.1 / (12 * num) ** 0.5
    assert abs(np.mean(found > 0) - 0.5) < 2 / num**0.5
    found = np.asarray(Shifts("normal", 2.0, 0.0).draw(keys))
    assert abs(found.std() - 2) < 4 * 2 / (2 * num) ** 0.5


def test_a_pair_does_not_see_the_others():
    pairs = draw_pairs(drawn(), Shifts(), 3, sample_keys(KEY, range(6)))
    alone = draw_pairs(drawn(), Shifts(), 3, sample_keys(KEY, [4]))
    for whole, one in zip(jax.tree.leaves(pairs), jax.tree.leaves(alone), strict=True):
        np.testing.assert_array_equal(whole[4:5], one)
    assert set(np.asarray(pairs.index).tolist()) <= {0, 1, 2}


def test_who_reads_the_change_tells_every_direction():
    found = recognition(drawn(), AXES, PERFECT, key=KEY, num=300, chunk=64)
    assert found.accuracy == 1
    assert found.confusion.sum() == 300
    np.testing.assert_array_equal(found.by_direction, 1)
    np.testing.assert_allclose(found.shift_error, 0, atol=1e-5)
    mesh = parallel.mesh(4)
    other = recognition(drawn(), AXES, PERFECT, key=KEY, num=300, chunk=40, mesh=mesh)
    np.testing.assert_array_equal(other.confusion, found.confusion)


def test_directions_without_an_effect_are_taken_for_one_another():
    gains = (1.0, 1.0, 0.0, 0.0)
    found = recognition(drawn(gains), AXES, PERFECT, key=KEY, num=2000, chunk=500)
    # no pixel changes, and the first of equal ones is taken
    np.testing.assert_array_equal(found.by_direction, [1, 1, 0, 0])
    assert found.confusion[2:, 0].sum() == found.confusion[2:].sum()
    np.testing.assert_allclose(found.shift_error[2:], 3.02, rtol=0.1)


def test_new_weights_compile_nothing():
    blind = Partial(reading, jnp.float32(0.0))
    recognition(drawn(), AXES, PERFECT, key=KEY, num=8, chunk=8)
    other, key = drawn((2.0,) * K), jax.random.key(3)
    with compilations() as count:
        found = recognition(other, AXES, blind, key=key, num=8, chunk=8)
        assert count() == 0
    assert found.confusion[:, 0].sum() == 8


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"^reconstructor: one of 4 directions given"):
        recognition(drawn(), AXES.select([0, 1]), PERFECT, key=KEY, num=8)
    with pytest.raises(ValueError, match=r"^edit: of w given; one of z"):
        recognition(drawn(), directions(np.eye(K), space="w"), PERFECT, key=KEY)
    with pytest.raises(ValueError, match=r"^law: 'even' given"):
        Shifts("even")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^least, most: 2.0, 1.0 given"):
        Shifts("uniform", 1.0, 2.0)
