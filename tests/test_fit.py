"""Runs: resumed, killed, sharded, poisoned, and over more data than is asked for."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations
from learners import SIZE, Centre, contents, draws

from jaxlatent import parallel
from jaxlatent.training.fit import fit
from jaxlatent.training.interrupts import interruptible
from jaxlatent.training.sources import ArraySource, epochs

ROOT = Path(__file__).parents[1]
KEY = jax.random.key(11)
ROWS = np.random.default_rng(5).normal(size=(7, SIZE)).astype(np.float32)
KILLS = int(os.environ.get("KILLS", "3"))
STEPS = 30 * KILLS


def centre(**settings):
    return Centre(jnp.arange(SIZE, dtype=np.float32), **settings)


def relative(ours, theirs):
    return np.linalg.norm(np.asarray(ours) - theirs) / np.linalg.norm(theirs)


def same(ours, theirs):
    """Whether two runs ended with the same bits."""
    return (
        contents(ours.state) == contents(theirs.state)
        and contents(ours.history) == contents(theirs.history)
        and ours[2:] == theirs[2:]
    )


def checkpoints(folder):
    """The numbers of steps after which something was saved."""
    return sorted(
        int(path.name)
        for path in (folder / "checkpoints").glob("*")
        if path.name.isdecimal()
    )


@pytest.fixture(scope="module")
def whole():
    return fit(centre(), 10, key=KEY, batch=8, block=4)


def test_a_run_is_the_closed_form(whole):
    vector, losses = np.zeros(SIZE), []
    for step in range(10):
        points = np.arange(SIZE) + 0.5 * draws(KEY, 8 * step, 8 * step + 8)
        losses.append(0.5 * np.mean(np.sum((vector - points) ** 2, axis=1)))
        vector = vector - 0.25 * (vector - points.mean(0))
    assert relative(whole.state.params["vector"], vector) <= 1e-6
    assert set(whole.history) == {"loss", "first"}
    assert whole.history["loss"].shape == (10,)
    assert relative(whole.history["loss"], np.array(losses)) <= 1e-6
    assert (whole.steps, whole.failed, int(whole.state.step)) == (10, None, 10)


@pytest.mark.parametrize("block", [1, 3, 10, 64])
def test_the_length_of_a_block_changes_nothing(whole, block):
    assert same(fit(centre(), 10, key=KEY, batch=8, block=block), whole)


@pytest.mark.parametrize("adam", [False, True])
def test_accumulated_parts_are_the_whole(adam):
    wide = fit(centre(adam=adam), 6, key=KEY, batch=8, block=8)
    narrow = fit(centre(adam=adam, accumulate=4), 24, key=KEY, batch=2, block=8)
    wanted = np.asarray(wide.state.params["vector"])
    assert relative(narrow.state.params["vector"], wanted) <= 1e-6


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_devices_gives_the_same(count):
    source = ArraySource({"x": ROWS})
    method = Rows(jnp.arange(SIZE, dtype=np.float32), adam=True)
    one = fit(method, 10, key=KEY, batch=8, block=4, data=source)
    mesh = parallel.mesh(count)
    many = fit(method, 10, key=KEY, batch=8, block=4, data=source, mesh=mesh)
    assert relative(many.state.params["vector"], one.state.params["vector"]) <= 1e-6
    assert relative(many.history["loss"], one.history["loss"]) <= 1e-6
    assert not many.state.params["vector"].committed


class Rows(Centre):
    """Fits the rows of a dict."""

    def loss(self, params, key, row=None):
        return super().loss(params, key, row["x"])


jax.tree_util.register_dataclass(
    Rows,
    data_fields=["centre"],
    meta_fields=["rate", "spread", "accumulate", "adam", "poison"],
)


def test_a_batch_that_devices_cannot_share_is_refused():
    message = r"^batch: 6 given; a multiple of the mesh's 4 devices is accepted$"
    with pytest.raises(ValueError, match=message):
        fit(centre(), 1, key=KEY, batch=6, mesh=parallel.mesh(4))
    mesh = jax.make_mesh((2,), ("data",), devices=jax.devices()[:2])
    with pytest.raises(ValueError, match=r"^mesh: axes of types"):
        fit(centre(), 1, key=KEY, batch=6, mesh=mesh)


@pytest.mark.parametrize("mesh", [None, 2])
def test_a_second_run_compiles_nothing(mesh):
    mesh = mesh and parallel.mesh(mesh)
    source = ArraySource(ROWS)
    fit(centre(), 5, key=KEY, batch=4, block=3, data=source, mesh=mesh)
    other, key = Centre(jnp.ones(SIZE)), jax.random.key(99)
    with compilations() as count:
        fit(other, 8, key=key, batch=4, block=3, data=source, mesh=mesh)
    assert count() == 0
    with compilations() as count:
        fit(other, 8, key=key, batch=4, block=2, data=source, mesh=mesh)
    assert count() == 1


def test_the_callers_arrays_stay_usable():
    class Lending(Centre):
        """Begins with the caller's own array."""

        def init(self, key):
            state = super().init(key)
            return state.replace(params=state.params | {"vector": self.centre})

    jax.tree_util.register_dataclass(
        Lending,
        data_fields=["centre"],
        meta_fields=["rate", "spread", "accumulate", "adam", "poison"],
    )
    for mesh in (None, parallel.mesh(2)):
        lent = jnp.arange(SIZE, dtype=np.float32)
        if mesh is not None:
            lent = parallel.place(lent, mesh)
        key = jax.random.key(3)
        fitted = fit(Lending(lent), 3, key=key, batch=2, mesh=mesh)
        np.testing.assert_array_equal(lent, np.arange(SIZE))
        assert not key.is_deleted()
        # and what a run has returned may begin another
        first = contents(fitted.state)
        again = Lending(fitted.state.params["vector"])
        fit(again, 3, key=key, batch=2, mesh=mesh)
        assert contents(fitted.state) == first


def test_callbacks_hear_of_every_block(whole):
    heard = []
    fitted = fit(
        centre(), 10, key=KEY, batch=8, block=4, callback=lambda *say: heard.append(say)
    )
    assert same(fitted, whole)
    assert [step for step, _ in heard] == [4, 8, 10]
    for step, metrics in heard:
        assert metrics == {
            name: float(v[step - 1]) for name, v in whole.history.items()
        }
        assert all(type(value) is float for value in metrics.values())


@pytest.mark.parametrize("data", [None, ArraySource(ROWS)])
def test_a_longer_run_goes_on_where_the_shorter_one_ended(tmp_path, data):
    settings = dict(key=KEY, batch=3, block=4, data=data)
    unbroken = fit(centre(adam=True), 17, **settings)
    for steps in (0, 1, 6, 17, 17):
        fitted = fit(
            centre(adam=True), steps, folder=tmp_path, save_every=5, **settings
        )
        assert fitted.steps == steps
    assert same(fitted, unbroken)
    assert checkpoints(tmp_path) == [15, 17]
    lines = (tmp_path / "losses.csv").read_text().splitlines()
    assert lines[0] == "step,loss,first"
    read = np.array([line.split(",") for line in lines[1:]], np.float32)
    np.testing.assert_array_equal(read[:, 0], np.arange(17))
    np.testing.assert_array_equal(read[:, 1], unbroken.history["loss"])
    with pytest.raises(ValueError, match=r"^steps: 16 given; .* holds 17 already$"):
        fit(centre(adam=True), 16, folder=tmp_path, **settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 0.5}, r"settings\.rate \(0\.25 there, 0\.5 given\)$"),
        ({"batch": 4}, r"batch \(3 there, 4 given\)$"),
        ({"key": jax.random.key(1)}, r'key \({"data": \[0, 11\], .*\[0, 1\]'),
        ({"centre": jnp.ones(SIZE)}, r"models\.centre \("),
        ({"data": ArraySource(ROWS[:5])}, r"data \(7 there, 5 given\)$"),
        ({"data": None}, r"data \(7 there, null given\)$"),
        ({"adam": True}, r"settings\.adam \(false there, true given\), state\.opt"),
        (
            {"rate": 0.5, "batch": 4, "spread": 1.0},
            r"batch \(3 .*, settings\.rate \(.*, settings\.spread \(0\.5 there, 1\.0",
        ),
    ],
)
def test_another_run_is_refused_by_what_differs(tmp_path, change, message):
    call = dict(key=KEY, batch=3, data=ArraySource(ROWS))
    fit(centre(), 2, folder=tmp_path, **call)
    before = (tmp_path / "fit.json").read_bytes(), checkpoints(tmp_path)
    call |= {name: value for name, value in change.items() if name in call}
    fields = {name: value for name, value in change.items() if name not in call}
    with pytest.raises(ValueError, match=f"^folder: .* differs in {message}"):
        fit(centre().replace(**fields), 4, folder=tmp_path, **call)
    assert ((tmp_path / "fit.json").read_bytes(), checkpoints(tmp_path)) == before


@pytest.mark.parametrize("what", ["params", "optimizer", "loss"])
@pytest.mark.parametrize(
    ("step", "reached", "kept"),
    [(0, [], []), (1, [1], [1]), (5, [4, 5], [5]), (7, [4, 6, 7], [6, 7])],
)
def test_a_run_ends_before_the_step_that_is_not_finite(
    tmp_path, what, step, reached, kept
):
    poisoned = centre(adam=True, poison=(step, what))
    sound = fit(poisoned, step, key=KEY, batch=4, block=4)
    call = dict(key=KEY, batch=4, block=4, folder=tmp_path, save_every=6)
    heard = []
    fitted = fit(
        poisoned, 20, callback=lambda step, metrics: heard.append(step), **call
    )
    assert contents(fitted.state) == contents(sound.state)
    assert (fitted.steps, fitted.failed) == (step, step)
    for name in ("loss", "first"):
        values = sound.history.get(name, np.zeros(0, np.float32))
        assert contents(fitted.history[name]) == contents(values)
    assert heard == reached
    assert checkpoints(tmp_path) == kept
    # nothing that is not finite was saved: the run goes on to the same end
    assert same(fit(poisoned, 20, **call), fitted)


def test_other_metrics_need_not_be_finite():
    fitted = fit(centre(poison=(2, "first")), 5, key=KEY, batch=4)
    assert (fitted.steps, fitted.failed) == (5, None)
    assert (
        np.isnan(fitted.history["first"]).tolist() == [False] * 2 + [True] + [False] * 2
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk"), SystemExit])
def test_a_callback_that_raises_loses_nothing(tmp_path, error):
    settings = dict(key=KEY, batch=4, block=3)

    def callback(step, metrics):
        if step == 9:
            raise error

    kind = error if isinstance(error, type) else type(error)
    with pytest.raises(kind):
        fit(centre(), 20, folder=tmp_path, callback=callback, **settings)
    assert checkpoints(tmp_path) == [9]
    assert len((tmp_path / "losses.csv").read_text().splitlines()) == 10
    computed = []
    fitted = fit(
        centre(),
        20,
        folder=tmp_path,
        callback=lambda step, metrics: computed.append(step),
        **settings,
    )
    assert computed == [12, 15, 18, 20]
    assert same(fitted, fit(centre(), 20, **settings))


class Interrupting(ArraySource):
    """Interrupts the process when it is asked for a batch, as Ctrl-C does."""

    def __init__(self, arrays, when):
        super().__init__(arrays)
        object.__setattr__(self, "left", [when])

    def batch(self, numbers):
        self.left[0] -= 1
        if not self.left[0]:
            os.kill(os.getpid(), signal.SIGINT)
        return super().batch(numbers)


def test_interrupted_runs_end_with_the_same_bits(tmp_path):
    call = dict(key=KEY, batch=3, block=2, save_every=6)
    for when in (9, 12, 7, 11):
        before = (checkpoints(tmp_path) or [0])[-1]
        source = Interrupting(ROWS, when)
        # an exception out of a signal's handler may meet a finalizer, and be lost
        with interruptible() as check:
            run = dict(call, data=source, callback=lambda *_: check())
            with pytest.raises(KeyboardInterrupt):
                fit(centre(), 60, folder=tmp_path, **run)
        # the block goes to its end, and two more may have been asked for
        lost = before + when - (checkpoints(tmp_path) or [0])[-1]
        assert -2 < lost <= 6 + 4
    source = ArraySource(ROWS)
    assert same(
        fit(centre(), 60, data=source, folder=tmp_path, **call),
        fit(centre(), 60, data=source, **call),
    )


class Noting(ArraySource):
    """Remembers what it was asked for."""

    def __init__(self, arrays, broken=None):
        super().__init__(arrays)
        object.__setattr__(self, "asked", [])
        object.__setattr__(self, "threads", set())
        object.__setattr__(self, "broken", broken)

    def batch(self, numbers):
        if len(self.asked) == self.broken:
            raise OSError("no such file")
        self.asked.append(numbers.tolist())
        self.threads.add(threading.get_ident())
        return super().batch(numbers)


def test_a_source_is_asked_for_the_rows_of_one_batch_at_a_time():
    source = Noting(ROWS)
    fitted = fit(centre(spread=0.0), 9, key=KEY, batch=3, block=4, data=source)
    numbers = epochs(jax.random.fold_in(KEY, np.uint32(2**32 - 2)), 7)(0, 27)
    assert source.asked == numbers.reshape(9, 3).tolist()
    assert threading.get_ident() not in source.threads
    vector = np.zeros(SIZE)
    for chosen in source.asked:
        points = np.arange(SIZE) + ROWS[chosen].mean(0)
        vector = vector - 0.25 * (vector - points)
    assert relative(fitted.state.params["vector"], vector) <= 1e-6


def test_a_run_that_goes_on_reads_only_what_is_left(tmp_path):
    first, second = Noting(ROWS), Noting(ROWS)
    call = dict(key=KEY, batch=3, block=4, folder=tmp_path)
    fit(centre(), 5, data=first, **call)
    fit(centre(), 9, data=second, **call)
    numbers = epochs(jax.random.fold_in(KEY, np.uint32(2**32 - 2)), 7)(0, 27)
    assert first.asked + second.asked == numbers.reshape(9, 3).tolist()


def test_rows_are_loaded_while_the_device_is_at_work():
    """The second block's rows are asked for before the first block is over."""
    source, seen = Noting(ROWS), []

    def callback(step, metrics):
        deadline = time.monotonic() + 20
        wanted = min(step + 4, 12)
        while len(source.asked) < wanted and time.monotonic() < deadline:
            time.sleep(0.001)
        seen.append((step, len(source.asked)))

    fit(centre(), 12, key=KEY, batch=3, block=4, data=source, callback=callback)
    assert seen == [(4, 8), (8, 12), (12, 12)]


def test_a_source_that_fails_loses_nothing(tmp_path):
    source = Noting(ROWS, broken=9)
    with pytest.raises(OSError, match="no such file"):
        fit(centre(), 20, key=KEY, batch=3, block=4, data=source, folder=tmp_path)
    assert checkpoints(tmp_path) == [8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": -1}, r"^steps: -1 given; 0 or more is accepted$"),
        ({"batch": 0}, r"^batch: 0 given; 1 or more is accepted$"),
        ({"block": 0}, r"^block: 0 given"),
        ({"save_every": 0}, r"^save_every: 0 given"),
        ({"key": jax.random.PRNGKey(0)}, r"^key: .* given; one typed key is accepted$"),
        ({"key": jax.random.split(KEY)}, r"^key: "),
        ({"steps": 2**29, "batch": 8}, r"^steps: 536870912 of 8 samples given"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change, message):
    call = {"method": centre(), "steps": 1, "key": KEY, "batch": 2} | change
    with pytest.raises(ValueError, match=message):
        fit(**call)


def test_no_steps_give_the_beginning():
    fitted = fit(centre(), 0, key=KEY, batch=2)
    wanted = centre().init(jax.random.fold_in(KEY, np.uint32(2**32 - 1)))
    assert contents(fitted.state) == contents(wanted)
    assert fitted[1:] == ({}, 0, None)


SCRIPT = """
import sys
sys.path[:0] = sys.argv[2:]
import test_fit
test_fit.long_run(sys.argv[1])
"""


def long_run(folder, save_every=3):
    """A run that is saving most of the time."""
    return fit(
        centre(adam=True),
        STEPS,
        key=KEY,
        batch=3,
        block=4,
        data=ArraySource(ROWS),
        folder=folder,
        save_every=save_every,
    )


def test_a_killed_run_ends_with_the_same_bits(tmp_path):
    """The process is shot at random moments, again and again, and then goes on."""
    unbroken = fit(
        centre(adam=True), STEPS, key=KEY, batch=3, block=4, data=ArraySource(ROWS)
    )
    seed = int(time.time())
    draw, folder = random.Random(seed), tmp_path / "killed"
    words = [sys.executable, "-c", SCRIPT, folder, ROOT, ROOT / "tests"]
    for _ in range(KILLS):
        before = checkpoints(folder)[-1:]
        process = subprocess.Popen(words, stderr=subprocess.PIPE)
        try:
            while checkpoints(folder)[-1:] == before:  # until it is at work
                assert process.poll() is None, process.stderr.read().decode()
                time.sleep(0.001)
            time.sleep(draw.random() * 0.4)
            assert process.poll() is None, f"it ended too early; seed {seed}"
            os.kill(process.pid, signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
    assert checkpoints(folder)[-1] < STEPS
    assert json.loads((folder / "fit.json").read_text())["method"] == "Centre"
    assert same(long_run(folder, save_every=500), unbroken), f"seed {seed}"
    assert not list(folder.glob("checkpoints/*tmp*"))
