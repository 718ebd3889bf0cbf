"""Columns and Gram matrices against `jax.jacfwd`."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from functions import EXCHANGES, MASKS, apart, dense, jacfwd, made
from helpers import compilations, error
from jax.tree_util import Partial

from jaxlatent.numerics import jacobian as numerics
from jaxlatent.numerics import tangents
from jaxlatent.numerics.jacobian import (
    gram,
    gram_vector_products,
    grams,
)
from jaxlatent.parallel import mesh

RNG = np.random.default_rng(0)


compiled = jax.jit(gram, static_argnames=("chunk", "mesh", "store"))


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_columns_are_those_of_forward_mode(chunk):
    f, latent = made(7)
    expected = np.asarray(jacfwd(f, latent))
    columns = jax.jit(numerics.columns, static_argnames="chunk")
    assert error(columns(f, latent, chunk=chunk), np.moveaxis(expected, -1, 0)) < 1e-6
    assert error(numerics.jacobian(f, latent, chunk=chunk), expected) < 1e-6


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("devices", [None, 2])
def test_cpus_take_the_tangents_of_large_outputs_in_turn(devices, store, monkeypatch):
    f, latent = made(6)
    place = None if devices is None else mesh(devices)
    found = []
    for large in (1, tangents.LARGE_OUTPUT):
        monkeypatch.setattr(tangents, "LARGE_OUTPUT", large)
        call = jax.jit(
            lambda f, latent: gram(
                f, latent, weights=MASKS, chunk=6, mesh=place, store=store
            )
        )
        loops = call.lower(f, latent).as_text().count("stablehlo.while")
        found.append((loops, call(f, latent)))
    (looping, in_turn), (together, _) = found
    assert looping > together
    assert apart(in_turn, dense(f, latent, MASKS)) < 1e-6


def test_a_latent_of_rows_has_a_column_for_every_entry():
    f, latent = made(6)
    rows = latent.reshape(2, 3)
    expected = np.asarray(jacfwd(f, rows))
    assert expected.shape == (4, 3, 2, 2, 3)
    assert error(numerics.jacobian(f, rows, chunk=4), expected) < 1e-6


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize(
    ("devices", "size", "chunk"),
    [
        (None, 30, 1),
        (None, 30, 7),
        (None, 1, 8),
        (1, 7, 3),
        (2, 30, 4),
        (4, 32, 32),
        (8, 7, 1),
        (8, 30, 2),
    ],
)
def test_no_chunk_and_no_number_of_devices_changes_a_gram(devices, size, chunk, store):
    f, latent = made(size)
    place = None if devices is None else mesh(devices)
    ours = compiled(f, latent, weights=MASKS, chunk=chunk, mesh=place, store=store)
    assert ours.shape == (3, size, size)
    assert apart(ours, dense(f, latent, MASKS)) < 1e-6
    assert apart(np.swapaxes(ours, 1, 2), ours) < 1e-6


def test_one_set_of_weights_and_none():
    f, latent = made(5)
    assert apart(gram(f, latent), dense(f, latent)) < 1e-6
    whole = np.ones((4, 3, 2), np.float32)
    assert gram(f, latent, weights=whole[:1, :1, :1]).shape == (5, 5)
    assert apart(gram(f, latent, weights=whole), dense(f, latent)) < 1e-6


many = jax.jit(grams, static_argnames=("average", "chunk", "mesh", "store"))


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("groups", ["one device", None, 1, 2, 8])
def test_many_latents_and_their_average(groups, store):
    """Three latents and five columns: neither fills every layout of the devices."""
    f, _ = made(5)
    latents = jnp.asarray(RNG.normal(size=(3, 5)), jnp.float32)
    place = None if groups == "one device" else mesh(8, latents=groups)
    how = {"weights": MASKS, "chunk": 2, "mesh": place, "store": store}
    expected = np.stack([dense(f, latent, MASKS) for latent in latents])
    assert apart(many(f, latents, **how), expected) < 1e-6
    assert apart(many(f, latents, average=True, **how), expected.mean(axis=0)) < 1e-6


def test_many_latents_under_one_set_of_weights():
    f, _ = made(5)
    latents = jnp.asarray(RNG.normal(size=(4, 5)), jnp.float32)
    expected = np.stack([dense(f, latent) for latent in latents])
    assert apart(many(f, latents), expected) < 1e-6
    columns = mesh(2, latents=1)
    assert apart(compiled(f, latents[0], mesh=columns), expected[0]) < 1e-6


def test_latents_on_devices_of_their_own_need_no_communication():
    f, _ = made(8)
    latents = jnp.asarray(RNG.normal(size=(8, 8)), jnp.float32)

    def text(groups, **how):
        how = {"mesh": mesh(8, latents=groups), **how}
        return many.lower(f, latents, **how).compile().as_text()

    for store in (True, False):
        assert not any(word in text(8, store=store) for word in EXCHANGES)
    assert "all-gather" in text(4, store=True)
    summed = text(8, average=True)
    assert summed.count("all-reduce(") == 1
    assert "all-gather" not in summed


def test_operators_are_adjoint_and_make_the_products():
    f, latent = made(9)
    vectors = jnp.asarray(RNG.normal(size=(5, 9)), jnp.float32)
    pushed = numerics.pushforward(f, latent, vectors, chunk=2)
    jacobian = np.asarray(jacfwd(f, latent), np.float64).reshape(-1, 9)
    assert apart(pushed.reshape(5, -1), vectors @ jacobian.T) < 1e-6
    back = numerics.pullback(f, latent, pushed, chunk=3)
    expected = np.asarray(vectors, np.float64) @ dense(f, latent)
    assert apart(back, expected) < 1e-6
    assert apart(gram_vector_products(f, latent, vectors, chunk=2), expected) < 1e-6
    assert (
        apart(gram_vector_products(f, latent, vectors, mesh=mesh(4)), expected) < 1e-6
    )
    many = gram_vector_products(f, latent, vectors, weights=MASKS)
    assert apart(many, np.asarray(vectors) @ dense(f, latent, MASKS)) < 1e-6


def test_a_plain_function_can_be_divided_too():
    f, latent = made(5)
    ours = gram(lambda z: f(z), latent, mesh=mesh(2), store=False)
    assert apart(ours, dense(f, latent)) < 1e-6


def test_products_need_no_communication():
    f, latent = made(8)

    def text(store):
        lowered = compiled.lower(f, latent, mesh=mesh(8), store=store)
        return lowered.compile().as_text()

    assert not any(word in text(False) for word in EXCHANGES)
    assert "all-gather" in text(True)


def test_neither_latents_nor_weights_compile_again():
    f, latent = made(6)
    other, moved = made(6)
    compiled(f, latent, chunk=2)
    with compilations() as count:
        compiled(other, moved, chunk=2)
    assert count() == 0


def test_rows_that_move_together():
    f, latent = made(6)
    rows = latent.reshape(3, 2)
    moved = numerics.shared_shift(f, rows, (0, 2))
    columns = numerics.columns(moved, jnp.zeros(2))
    apart_ = np.asarray(numerics.columns(f, rows)).reshape(3, 2, 4, 3, 2)
    assert error(columns, apart_[0] + apart_[2]) < 1e-6


def test_memory_grows_with_the_chunk_alone():
    """m0 + m1 * chunk, with columns stored or not."""
    matrix = jnp.ones((64, 4096)) / 64
    base = Partial(lambda matrix, z: jnp.tanh(z @ matrix), matrix)

    def peak(chunk, store):
        lowered = compiled.lower(base, jnp.zeros(64), chunk=chunk, store=store)
        return lowered.compile().memory_analysis().temp_size_in_bytes

    tangent = 4096 * 4
    for store in (True, False):
        used = [peak(chunk, store) for chunk in (2, 4, 8, 16)]
        slope = (used[3] - used[1]) / 12
        assert used[1] < used[2] < used[3]
        assert slope < 4 * tangent
        for chunk, bytes_ in zip((2, 4, 8, 16), used, strict=True):
            assert abs(bytes_ - used[1] - slope * (chunk - 4)) < 3 * tangent
    stored, free = peak(2, True), peak(2, False)
    assert stored > 64 * tangent > 4 * free


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chunk": 0}, "chunk: 0 given"),
        ({"latent": jnp.arange(6)}, "latent: int32 given"),
        ({"weights": np.ones((4, 3))}, r"weights: shape \(4, 3\) given; \(4, 3, 2\)"),
        ({"weights": np.ones((2, 4, 2, 2))}, "weights: shape"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    f, latent = made(6)
    given = {"latent": latent, **change}
    with pytest.raises(ValueError, match=message):
        gram(f, given.pop("latent"), **given)


def test_rows_that_cannot_be_had():
    f, latent = made(6)
    with pytest.raises(ValueError, match=r"rows: \(0, 3\) given"):
        numerics.shared_shift(f, latent.reshape(3, 2), (0, 3))


RATES = np.linspace(0.1, 0.7, 30)


@dataclasses.dataclass
class Waves:
    """A sum of many sines, cheap to draw; linearising keeps the slope of each."""

    recompute: bool

    def __call__(self, latent):
        base = jnp.outer(latent, jnp.arange(1, 4001) / 4000).sum(axis=0)
        return sum(jnp.sin(base * number) for number in RATES.tolist())


@pytest.mark.parametrize("devices", [1, 2])
def test_a_function_that_recomputes_has_the_same_columns_and_keeps_little(devices):
    latent = jnp.linspace(0.1, 0.6, 6)
    over = None if devices == 1 else mesh(devices)
    runs = [
        jax.jit(partial(numerics.columns, Waves(again), chunk=2, mesh=over))
        .lower(latent)
        .compile()
        for again in (True, False)
    ]
    along = np.arange(1, 4001) / 4000
    slope = RATES @ np.cos(np.outer(RATES, along * float(latent.sum())))
    for run in runs:
        assert error(run(latent), np.stack([along * slope] * 6)) <= 1e-5
    kept, linearised = (run.memory_analysis().temp_size_in_bytes for run in runs)
    assert 3 * kept < linearised
