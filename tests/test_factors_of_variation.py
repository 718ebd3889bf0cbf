"""Factors of Variation: closed forms first, then what the original's code recorded."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden
from jax.scipy.stats import norm
from jax.test_util import check_grads

from jaxlatent.edits.factor import Factors
from jaxlatent.generators.base import Generator
from jaxlatent.learning import State
from jaxlatent.methods.factors_of_variation import (
    FactorsOfVariation,
    discover,
    piecewise_linear,
    ridge_direction,
)
from jaxlatent.methods.factors_of_variation_settings import (
    LINKS,
    PRESETS,
    Preset,
    Search,
    Settings,
)
from jaxlatent.methods.factors_of_variation_trajectories import Records
from jaxlatent.training.fit import fit

KEY = jax.random.key(7)
# for records that hold nothing but the factor
EXACT: Any = {"ridge": 1e-3, "anchor": 0.0}
RNG = np.random.default_rng(5)
D, REACH = 6, 0.45
UNIT = np.float32(RNG.normal(size=D))
UNIT /= np.linalg.norm(UNIT)


def g_true(places):
    return REACH * (2 * norm.cdf(places) - 1)


def made(count=200, noise=0.0):
    """Records whose factor is REACH (2 Phi(<z, UNIT>) - 1)."""
    # its own, so that no test sees how many ran before it
    rng = np.random.default_rng(6)
    starts = rng.normal(size=(count, D)).astype(np.float32)
    steps = rng.uniform(-1.5, 1.5, (count, 1)) * UNIT + 0.3 * rng.normal(
        size=(count, D)
    )
    ends = np.float32(starts + steps)
    amounts = g_true(ends @ UNIT) - g_true(starts @ UNIT)
    amounts = np.float32(amounts + noise * rng.normal(size=count))
    return Records(*map(jnp.asarray, (starts, ends, amounts)))


def cosine(edit):
    return float(np.asarray(edit.vectors[0]) @ UNIT)


# closed forms


def test_ridge_regression_is_that_of_the_stacked_system():
    given = made()
    steps = np.float64(given.ends - given.starts)
    penalty = 0.3 * np.sum(steps**2) / D
    stacked = np.vstack([steps, np.sqrt(penalty) * np.eye(D)])
    right = np.concatenate([np.float64(given.amounts), np.zeros(D)])
    expected = np.linalg.lstsq(stacked, right, rcond=None)[0]
    np.testing.assert_allclose(ridge_direction(given, 0.3), expected, rtol=1e-4)


@pytest.mark.parametrize("link", LINKS)
def test_direction_and_link_of_made_records_are_recovered(link):
    method = FactorsOfVariation(made(2000, noise=0.01), Settings(link=link, **EXACT))
    fitted = fit(method, 600, key=KEY, batch=1)
    edit = method.edit(fitted.state)
    assert cosine(edit) > (0.98 if link == "linear" else 0.999)
    places = np.linspace(-2, 2, 41)
    found = np.interp(places, edit.knots[0], edit.values[0])
    off = np.abs(found - g_true(places)).max()
    assert off < {"piecewise": 0.03, "gaussian": 0.01, "linear": 0.2}[link]
    assert fitted.late_means()["explained"] > (0.75 if link == "linear" else 0.98)
    assert edit.coordinate(jnp.zeros((1, D)), 0) == pytest.approx(0, abs=1e-6)


def test_w_is_measured_in_its_own_deviations():
    """A code of another mean and size has the same factors."""
    given = made()
    moved = jax.tree.map(lambda leaf: leaf, given).replace(
        starts=3 + 0.1 * given.starts, ends=3 + 0.1 * given.ends
    )
    edits = []
    for records, space in ((given, "z"), (moved, "w")):
        method = FactorsOfVariation(records, Settings(**EXACT), space)
        edits.append(method.edit(fit(method, 600, key=KEY, batch=1).state))
    assert cosine(edits[1]) > 0.99
    # its own draw, and near the middle: beyond the records g is not known
    codes = np.float32(0.5 * np.random.default_rng(8).normal(size=(50, D)))
    ours = edits[1].shift(3 + 0.1 * codes, 0, 0.1)
    theirs = 3 + 0.1 * edits[0].shift(codes, 0, 0.1)
    assert np.abs(ours - theirs).max() < 0.05


def test_gradients_are_those_of_differences():
    with jax.enable_x64(True):
        given = jax.tree.map(np.float64, made(20))
        for link in LINKS:
            method = FactorsOfVariation(given, Settings(link=link, knots=5))
            state = method.init(KEY)

            def scalar(params, method=method, state=state, given=given):
                return method.loss(params, state, given)[0]

            check_grads(
                jax.jit(scalar), (state.params,), order=1, modes=["rev"], rtol=1e-4
            )


def test_rows_as_data_make_the_same_steps():
    method = FactorsOfVariation(made(64), Settings(**EXACT))
    whole = fit(method, 3, key=KEY, batch=1)
    rows = fit(method, 3, key=KEY, batch=64, data=method.rows)
    for one, two in zip(
        jax.tree.leaves(whole.state), jax.tree.leaves(rows.state), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=2e-5)


def test_an_anchor_holds_the_direction_that_regression_finds():
    """Much else that changes with the factor of few records is not learned."""
    rng = np.random.default_rng(7)
    starts = rng.normal(size=(30, 40)).astype(np.float32)
    unit = np.eye(40, dtype=np.float32)[0]
    factor = rng.normal(size=(30, 1)).astype(np.float32)
    ends = starts + factor * unit + 0.5 * rng.normal(size=(30, 40))
    records = Records(*map(jnp.asarray, (starts, np.float32(ends), factor[:, 0])))
    cosines = []
    for how in (Settings(), Settings(**EXACT)):
        method = FactorsOfVariation(records, how)
        edit = method.edit(fit(method, 300, key=KEY, batch=1).state)
        cosines.append(float(edit.vectors[0, 0]))
    # of six draws the least of the first is 0.83, the largest of the second 0.52
    assert cosines[0] > 0.8
    assert cosines[1] < 0.6


def blob(params, z):
    """A bright blob whose place is REACH erf(<p, z> / sqrt 2), in five rows."""
    place = g_true(z @ params["p"])
    height = 0.1 + 0.02 * jnp.tanh(z @ params["q"])
    line = jnp.linspace(-0.5, 0.5, 31)[None]
    row = jnp.exp(-(((line - place[:, None]) / height[:, None]) ** 2))
    return 2 * jnp.broadcast_to(row[:, None, :, None], (len(z), 5, 31, 1)) - 1


ACROSS = np.linalg.qr(np.stack([UNIT, np.ones(D)], axis=1))[0][:, 1]


def blobs():
    params = {"p": jnp.asarray(UNIT), "q": jnp.asarray(ACROSS, jnp.float32)}
    return Generator.from_functions(blob, z_dim=D, params=params)


def test_the_factor_of_blobs_is_discovered():
    preset = Preset(
        Search((0.1, 0.2, 0.3), steps=40, learning_rate=0.03),
        Settings(**EXACT),
        trajectories=40,
        threshold=0.02,
        steps=500,
    )
    edit = discover(blobs(), "horizontal_position", key=KEY, preset=preset, chunk=20)
    assert isinstance(edit, Factors)
    assert cosine(edit) > 0.99
    places = np.linspace(-1.5, 1.5, 31)
    found = np.interp(places, edit.knots[0], edit.values[0])
    # the line's ends are middles of pixels
    assert np.abs(found * 31 / 30 - g_true(places)).max() < 0.04
    assert edit.report["explained"][0] > 0.97
    facts = edit.facts
    assert facts["records"] + facts["dropped"] == 240
    assert facts["dropped"] == sum(facts["dropped_by_amount"].values()) >= 24
    assert facts["steps"] == 500
    assert edit.generator


# the original's


def test_the_originals_objective_makes_the_originals_steps():
    case = golden("plumerault_direction_model")
    given = Records(*(jnp.asarray(case[name]) for name in ("z0", "z1", "delta_t")))
    how = Settings(objective="original", learning_rate=1e-3)
    method = FactorsOfVariation(given, how)
    state = method.init(KEY)
    params = {
        "vector": jnp.asarray(case["dense_init"][:, 0]),
        "slopes": jnp.ones(101, jnp.float32),
    }
    state = dataclasses.replace(state, **vars(State.init(params, method.optimizer)))
    update = jax.jit(lambda method, state: method.update(state, None))
    losses, vectors, slopes = [], [], []
    for _ in range(40):
        state, metrics = update(method, state)
        losses.append(metrics["loss"])
        vectors.append(state.params["vector"])
        slopes.append(state.params["slopes"])
    assert error(losses, case["loss_trace"]) < 1e-5
    assert error(vectors, case["dense_trace"]) < 1e-5
    assert error(slopes, case["lattice_trace"]) < 1e-5
    for name, given in (("ones", np.ones(101)), ("random", case["lattice_random"][0])):
        found = piecewise_linear(
            jnp.asarray(case["s_grid"][:, 0]), method.edges, jnp.float32(given)
        )
        assert error(found, case[f"g_{name}"][:, 0]) < 1e-5
    # g of v is that of the unit vector, stretched
    edit = method.edit(state)
    length = np.linalg.norm(vectors[-1])
    codes = jnp.asarray(case["z1"])
    expected = piecewise_linear(codes @ vectors[-1], method.edges, slopes[-1])
    here = edit.coordinate(codes, 0)
    np.testing.assert_allclose(np.diff(here), np.diff(expected), atol=2e-5)
    np.testing.assert_allclose(edit.vectors[0] * length, vectors[-1], rtol=1e-5)


def test_the_originals_start_and_its_rows():
    how = Settings(objective="original", learning_rate=1e-3)
    method = FactorsOfVariation(made(64), how)
    state = method.init(KEY)
    assert np.abs(state.params["vector"]).max() < np.sqrt(6 / (D + 1))
    np.testing.assert_array_equal(state.params["slopes"], np.ones(101))
    after = fit(method, 30, key=KEY, batch=32, data=method.rows).state
    assert np.asarray(after.params["slopes"]).min() >= 0


def test_presets_and_what_does_not_fit():
    assert set(PRESETS) == {"paper", "original", "quick"}
    for change, message in (
        ({"link": "cubic"}, r"link: 'cubic' given; one of"),
        ({"objective": "theirs"}, r"objective: 'theirs' given; one of"),
        ({"knots": 1}, r"knots: 1 given"),
        ({"reach": 0.0}, r"reach: 0.0 given"),
    ):
        with pytest.raises(ValueError, match=message):
            Settings(**change)
