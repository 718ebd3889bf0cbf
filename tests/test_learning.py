"""One step of a learned method: its gradient, its mask, its accumulation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import compilations
from learners import SIZE, Centre, contents, draws

from jaxlatent.edits.base import Edit
from jaxlatent.learning import State, accumulated, batch_mean, descend, keras_adam
from jaxlatent.networks.base import Network, trainable
from jaxlatent.networks.layers import BatchNorm

CENTRE = np.arange(SIZE, dtype=np.float32)
KEY = jax.random.key(7)
SGD = optax.sgd(1.0)


def keys(start, stop):
    numbers = np.arange(start, stop, dtype=np.uint32)
    return jax.vmap(jax.random.fold_in, (None, 0))(KEY, numbers)


def relative(ours, theirs):
    return np.linalg.norm(np.asarray(ours) - theirs) / np.linalg.norm(theirs)


def test_steps_are_those_of_the_closed_form():
    method = Centre(jnp.asarray(CENTRE))
    state, vector = method.init(jax.random.key(0)), np.zeros(SIZE, np.float64)
    for step in range(3):
        points = CENTRE + 0.5 * draws(KEY, 8 * step, 8 * step + 8).astype(np.float64)
        loss = 0.5 * np.mean(np.sum((vector - points) ** 2, axis=1))
        first = vector[0]
        vector = vector - 0.25 * (vector - points.mean(0))
        state, metrics = method.update(state, keys(8 * step, 8 * step + 8))
        assert relative(metrics["loss"], loss) <= 1e-6
        assert abs(metrics["first"] - first) <= 1e-6
        assert relative(state.params["vector"], vector) <= 1e-6
    # what a state has beside params and optimiser stays the method's own affair
    assert int(state.step) == 3
    edit = method.edit(state)
    assert isinstance(edit, Edit)
    np.testing.assert_array_equal(edit.vectors[0], state.params["vector"])


def tangle(params, keys, data):
    """A loss in which samples see each other."""
    hidden = jnp.tanh(data @ params["a"]) * params["b"][None]
    hidden = hidden / jnp.std(hidden, axis=0, keepdims=True)
    return jnp.mean(hidden[:, 0] * jnp.roll(hidden[:, 1], 1))


def test_the_gradient_is_that_of_finite_differences():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        params = {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}
        params = jax.tree.map(jnp.asarray, params)
        data = jnp.asarray(rng.normal(size=(6, 4)))
        state = State.init(params, SGD)
        after, metrics = descend(tangle, state, None, data, optimizer=SGD)
        assert metrics["loss"] == tangle(params, None, data)
        flat, unravel = jax.flatten_util.ravel_pytree(params)
        slopes = [
            (
                tangle(unravel(flat + h), None, data)
                - tangle(unravel(flat - h), None, data)
            )
            / 2e-5
            for h in 1e-5 * np.eye(len(flat))
        ]
        moved = flat - jax.flatten_util.ravel_pytree(after.params)[0]
        assert relative(moved, np.array(slopes)) <= 1e-8


@pytest.mark.parametrize("adam", [False, True])
def test_four_accumulated_batches_of_two_are_one_of_eight(adam):
    whole = Centre(jnp.asarray(CENTRE), adam=adam)
    parts = whole.replace(accumulate=4)
    wide, narrow = whole.init(KEY), parts.init(KEY)
    update = jax.jit(Centre.update)
    for step in range(3):
        wide, _ = update(whole, wide, keys(8 * step, 8 * step + 8))
        still = contents(narrow.params)
        for part in range(4):
            assert contents(narrow.params) == still
            start = 8 * step + 2 * part
            narrow, _ = update(parts, narrow, keys(start, start + 2))
        assert contents(narrow.params) != still
        wanted = np.asarray(wide.params["vector"])
        assert relative(narrow.params["vector"], wanted) <= 1e-6


def test_accumulation_over_one_step_is_none():
    assert accumulated(SGD, 1) is SGD
    with pytest.raises(ValueError, match=r"^steps: 0 given; 1 or more is accepted$"):
        accumulated(SGD, 0)


def test_a_batch_mean_is_the_mean_of_its_samples():
    def loss(params, key, row):
        noise = jax.random.normal(key, (3,))
        value = jnp.sum(params * noise * row["x"])
        return value, {"noise": noise[0]}

    params, given = jnp.arange(3.0) + 1, keys(0, 5)
    rows = {"x": np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)}
    value, metrics = batch_mean(loss)(params, given, rows)
    noise = np.stack([np.asarray(jax.random.normal(key, (3,))) for key in given])
    values = (np.arange(3.0) + 1) * noise * rows["x"]
    assert relative(value, values.sum(1).mean()) <= 1e-6
    assert relative(metrics["noise"], noise[:, 0].mean()) <= 1e-6
    value, metrics = batch_mean(lambda params, key: params[0])(params, given)
    assert (value, metrics) == (1.0, {})


@pytest.mark.parametrize(
    "mask", [{"a": True, "b": {"c": False, "d": False}}, {"a": True, "b": False}]
)
def test_masked_leaves_stay_and_do_not_count(mask):
    params = {"a": jnp.ones(2), "b": {"c": jnp.ones(3), "d": jnp.ones(())}}
    kind = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1, weight_decay=1))

    def loss(params):
        return jnp.sum(params["a"]) + 1e4 * jnp.sum(params["b"]["c"]) ** 2

    after, _ = descend(loss, State.init(params, kind), optimizer=kind, mask=mask)
    assert contents(after.params["b"]) == contents(params["b"])
    alone, _ = descend(
        lambda part: jnp.sum(part["a"]),
        State.init({"a": params["a"]}, kind),
        optimizer=kind,
    )
    assert contents(after.params["a"]) == contents(alone.params["a"])
    assert contents(alone.params) != contents({"a": params["a"]})


class Small(nn.Module):
    """A batch norm between two layers."""

    @nn.compact
    def __call__(self, images, *, train=False):
        hidden = nn.Dense(4, name="first")(images.reshape(len(images), -1))
        hidden = BatchNorm(name="norm")(hidden[:, None, None], train=train)
        return nn.Dense(1, name="last")(hidden.reshape(len(images), -1))


def test_running_statistics_follow_the_pass_and_weights_the_optimiser():
    images = jnp.asarray(np.random.default_rng(2).normal(size=(6, 2, 2, 1)), "float32")
    network = Network.init(jax.random.key(3), Small(), images)
    params = {"network": network, "scale": jnp.float32(2.0)}
    mask = {"network": network.replace(params=trainable(network.params)), "scale": True}

    def loss(params, images):
        outputs, trained = params["network"].train(images)
        value = jnp.mean((params["scale"] * outputs - 1) ** 2)
        return value, {"mean": outputs.mean()}, params | {"network": trained}

    state = State.init(params, SGD)
    after, metrics = descend(loss, state, images, optimizer=SGD, mask=mask)
    assert set(metrics) == {"loss", "mean"}
    found, passed = after.params["network"].params, network.train(images)[1].params
    gradient = jax.grad(lambda params: loss(params, images)[0])(params)
    for name in ("running_mean", "running_var"):
        assert contents(found["norm"][name]) == contents(passed["norm"][name])
        assert contents(passed["norm"][name]) != contents(network.params["norm"][name])
    for layer, name in (("first", "kernel"), ("last", "bias"), ("norm", "scale")):
        slope = gradient["network"].params[layer][name]
        wanted = network.params[layer][name] - slope
        assert relative(found[layer][name], wanted) <= 1e-6
        assert np.abs(slope).max() > 1e-3
    assert abs(after.params["scale"] - 2.0 + gradient["scale"]) <= 1e-6
    with pytest.raises(ValueError, match=r"^mask: None given; for a loss that returns"):
        descend(loss, state, images, optimizer=SGD)


def test_other_weights_compile_nothing():
    update = jax.jit(Centre.update)
    method = Centre(jnp.asarray(CENTRE))
    update(method, method.init(KEY), keys(0, 2))
    other = Centre(jnp.asarray(CENTRE[::-1].copy()))
    state = other.init(jax.random.key(1))
    others, again = keys(0, 2), keys(2, 2)
    with compilations() as count:
        update(other, state, others)
    assert count() == 0
    with compilations() as count:
        update(other.replace(rate=0.5), state, again)
    assert count() == 1


@pytest.mark.parametrize("epsilon", [1e-7, 1e-3])
def test_adam_of_keras_is_its_formula(epsilon):
    optimizer = keras_adam(0.1, epsilon=epsilon)
    x = {"x": jnp.float32([1.0, -2.0, 1e-4])}
    state = optimizer.init(x)
    expected, mean, square = np.float64(x["x"]), np.zeros(3), np.zeros(3)
    for count in range(1, 6):
        gradient = np.float64([1e-4, count, -3.0]) * expected
        updates, state = optimizer.update({"x": jnp.float32(gradient)}, state)
        x = optax.apply_updates(x, updates)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        expected = expected - rate * mean / (np.sqrt(square) + epsilon)
        np.testing.assert_allclose(x["x"], expected, rtol=1e-4)
