"""The compiled block: traced once, and careful about what a method returns."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners import SIZE, Centre, contents

from jaxlatent.learning import Rows
from jaxlatent.parallel import mesh
from jaxlatent.training.blocks import spread, suitable_block
from jaxlatent.training.fit import fit
from jaxlatent.training.sources import ArraySource

KEY = jax.random.key(0)


@flax.struct.dataclass
class Counter:
    """Adds one to its only param; `change` is what `update` does wrong."""

    params: jax.Array
    bounds: jax.Array | None = None


@flax.struct.dataclass(eq=False)
class Counting:
    change: str = flax.struct.field(pytree_node=False, default="")
    traced: tuple = flax.struct.field(pytree_node=False, default=())

    def init(self, key):
        if self.change == "key":
            return Counter(jnp.zeros(()), key)
        bounds = {"bounded": jnp.array([-jnp.inf, 0.0]), "boundless": jnp.zeros(2)}
        # weakly typed, as numbers are
        return Counter(
            0.0 if self.change == "weak" else jnp.zeros(2), bounds.get(self.change)
        )

    def update(self, state, keys, data=None):
        for note in self.traced:
            note(keys.shape)
        new, metrics = state.params + 1, {"loss": jnp.float32(len(keys))}
        match self.change:
            case "dtype":
                new = new.astype(jnp.bfloat16)
            case "shape":
                new = jnp.concatenate([new, new])
            case "structure":
                return {"params": new}, metrics
            case "loss":
                metrics = {"losses": metrics["loss"]}
            case "list":
                metrics = [metrics["loss"]]
            case "vector":
                metrics["norms"] = new
            case "int":
                metrics["count"] = jnp.int32(1)
            case "bounded":
                # an infinity may stay, and become finite
                start = jnp.where(new[0] > 2, new[0], state.bounds[0])
                return state.replace(
                    params=new, bounds=state.bounds.at[0].set(start)
                ), metrics
            case "boundless":
                return state.replace(params=new, bounds=1 / (3 - new)), metrics
        return state.replace(params=new), metrics


@pytest.mark.parametrize("devices", [None, 2])
def test_update_is_traced_once(devices):
    shapes = []
    method = Counting(traced=(shapes.append,))
    on = devices and mesh(devices)
    fitted = fit(method, 9, key=KEY, batch=4, block=4, mesh=on)
    np.testing.assert_array_equal(fitted.state.params, [9.0, 9.0])
    assert shapes == [(4,)]


def test_numbers_in_a_state_become_arrays():
    fitted = fit(Counting("weak"), 9, key=KEY, batch=4, block=4)
    assert fitted.state.params == 9.0
    assert fitted.state.params.dtype == jnp.float32


def test_infinities_that_were_there_before_are_no_failure():
    fitted = fit(Counting("bounded"), 5, key=KEY, batch=1)
    assert (fitted.steps, fitted.failed) == (5, None)
    np.testing.assert_array_equal(fitted.state.bounds, [5.0, 0.0])


def test_infinities_that_are_new_are():
    fitted = fit(Counting("boundless"), 5, key=KEY, batch=1)
    assert (fitted.steps, fitted.failed) == (2, 2)
    np.testing.assert_array_equal(fitted.state.bounds, [1.0, 1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("dtype", r"update makes state.params bfloat16 \(2,\); float32 \(2,\) is"),
        ("shape", r"update makes state.params float32 \(4,\); float32 \(2,\) is"),
        ("structure", r"update must return a state of the same structure"),
        ("loss", r'update must return a dict of metrics with "loss"'),
        ("list", r'update must return a dict of metrics with "loss"'),
        ("vector", r"its metric 'norms' is float32 \(2,\); a floating scalar is"),
        ("int", r"its metric 'count' is int32 \(\); a floating scalar is"),
        ("key", r"a state with a key in it given"),
    ],
)
def test_what_a_method_returns_is_checked(change, message):
    with pytest.raises(ValueError, match=f"^method: {message}"):
        fit(Counting(change), 1, key=KEY, batch=1)


def test_a_block_of_one_step_stops_where_others_do():
    poisoned = Centre(jnp.zeros(SIZE), poison=(3, "params"))
    one, four = (fit(poisoned, 9, key=KEY, batch=4, block=block) for block in (1, 4))
    assert (one.steps, one.failed) == (four.steps, four.failed) == (3, 3)
    assert contents(one.state) == contents(four.state)
    assert contents(one.history) == contents(four.history)


@flax.struct.dataclass(eq=False)
class Tally:
    """Counts how often each row of its data was met."""

    def init(self, key):
        return TallyState(jnp.zeros(1), Rows({"met": jnp.zeros((8, 1))}))

    def update(self, state, keys, data=None):
        met = state.rows.arrays["met"].at[data].add(1.0)
        new = state.replace(params=state.params + 1, rows=Rows({"met": met}))
        return new, {"loss": jnp.float32(0)}


@flax.struct.dataclass(eq=False)
class TallyState:
    params: jax.Array
    rows: Rows


def test_rows_are_split_over_a_mesh_and_come_back_whole(tmp_path):
    on, source = mesh(4), ArraySource(np.arange(8))
    split = spread(TallyState(jnp.zeros(1), Rows(jnp.zeros((8, 3)))), on)
    shards = split.rows.arrays.addressable_shards
    assert {shard.data.shape for shard in shards} == {(2, 3)}
    run = {"key": KEY, "batch": 4, "data": source, "mesh": on, "folder": tmp_path}
    fit(Tally(), 2, **run)
    state = fit(Tally(), 6, **run).state
    # three epochs, one of them before the run went on
    np.testing.assert_array_equal(state.rows.arrays["met"], np.full((8, 1), 3.0))
    assert len(state.rows.arrays["met"].devices()) == 1


def test_large_models_take_their_steps_one_by_one():
    small, large = (Counter(jnp.zeros(size)) for size in (SIZE, 1 << 15))
    assert suitable_block(Centre(jnp.zeros(SIZE)), small) == 50
    assert suitable_block(Centre(jnp.zeros(1 << 20)), small) == 1
    assert suitable_block(Centre(jnp.zeros(SIZE)), large) == 1
