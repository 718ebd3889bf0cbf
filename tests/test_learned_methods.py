"""Every learned method through the same properties."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations
from learners import contents

from jaxlatent import parallel
from jaxlatent.checkpoint import load_edit, save_edit
from jaxlatent.edits.base import EDIT_KINDS, Edit, bare
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior, sample_keys
from jaxlatent.methods.enjoy_your_editing import EnjoyYourEditing, judges
from jaxlatent.methods.enjoy_your_editing_settings import Settings as EnjoySettings
from jaxlatent.methods.factors_of_variation import FactorsOfVariation
from jaxlatent.methods.factors_of_variation_settings import Settings as FactorsSettings
from jaxlatent.methods.factors_of_variation_trajectories import Records
from jaxlatent.methods.ganalyze import GANalyze
from jaxlatent.methods.ganalyze_settings import Settings as GANalyzeSettings
from jaxlatent.methods.glo import GLO
from jaxlatent.methods.glo_settings import Settings as GLOSettings
from jaxlatent.methods.pair_reconstruction import PairSettings
from jaxlatent.methods.steerability import Steerability
from jaxlatent.methods.steerability_edits import Color
from jaxlatent.methods.steerability_settings import Settings as SteerabilitySettings
from jaxlatent.methods.unsupervised_discovery import UnsupervisedDiscovery
from jaxlatent.methods.unsupervised_discovery_settings import (
    Settings as DiscoverySettings,
)
from jaxlatent.methods.warped_ganspace import WarpedGANSpace
from jaxlatent.methods.warped_ganspace_settings import Settings as WarpedSettings
from jaxlatent.networks.distances import squared_distance
from jaxlatent.networks.reconstructors import PairLeNet
from jaxlatent.training.fit import Fitted, fit
from jaxlatent.training.sources import ArraySource
from jaxlatent.types import as_model

KEY = jax.random.key(11)
Z, SIDE = 6, 8


def blobs(params: Any, z: jax.Array) -> jax.Array:
    """Grey pictures of one blob each, whose place, width and light are linear in z."""
    x, y, width, light = (z @ params["maps"]).T
    line = jnp.linspace(-0.5, 0.5, SIDE, dtype=z.dtype)
    across = jnp.exp(-(((line[None] - 0.1 * x[:, None]) / 0.3) ** 2))
    down = (line[None] - 0.1 * y[:, None]) / (0.3 * jnp.exp(0.1 * width[:, None]))
    blob = jnp.exp(-(down**2))[:, :, None] * across[:, None, :]
    return (2 * jnp.tanh(1 + 0.1 * light)[:, None, None] * blob - 1)[..., None]


def generator(scale: float = 1.0) -> Generator:
    """Of blobs; another scale has other weights."""
    maps = np.random.default_rng(0).normal(size=(Z, 4)).astype(np.float32)
    params = {"maps": jnp.asarray(scale * maps)}
    return Generator.from_functions(blobs, z_dim=Z, params=params)


def light(images: jax.Array) -> jax.Array:
    """A score in [0, 1]."""
    return (jnp.mean(images, axis=(1, 2, 3)) + 1) / 2


class Entry(NamedTuple):
    """A method to be held against the properties.

    `make(scale, **settings)` builds it for `generator(scale)`. A method that averages
    gradients has a setting "accumulate". `data` is what its steps see.
    """

    make: Callable[..., Any]
    accumulates: bool = True
    data: ArraySource | None = None
    ends_in_edit: bool = True


def ganalyze(scale: float = 1.0, **settings: Any) -> GANalyze:
    how = GANalyzeSettings(learning_rate=0.05, **settings)
    return GANalyze(prior(generator(scale)), as_model(light), how)


def place(images: jax.Array) -> jax.Array:
    """Whether the left and the upper half are light, two attributes in [0, 1]."""
    left, upper = images[:, :, : SIDE // 2], images[:, : SIDE // 2]
    return jax.nn.sigmoid(
        jnp.stack([20 * light(left) - 6, 20 * light(upper) - 6], axis=1)
    )


def enjoy(scale: float = 1.0, **settings: Any) -> EnjoyYourEditing:
    models = judges(place, light, squared_distance)
    how = EnjoySettings(learning_rate=0.05, **settings)
    return EnjoyYourEditing(prior(generator(scale)), models, how)


def enjoy_local(scale: float = 1.0, **settings: Any) -> EnjoyYourEditing:
    local = {"walk": "local", "hidden": (5,), "joint": False}
    return enjoy(scale, **local, **settings)


def steerability(scale: float = 1.0, **settings: Any) -> Steerability:
    how = SteerabilitySettings(learning_rate=0.02, **settings)
    return Steerability(prior(generator(scale)), Color(), settings=how)


def factors(scale: float = 1.0, **settings: Any) -> FactorsOfVariation:
    """Of steps between codes that the light of `generator(scale)` tells apart."""
    rng = np.random.default_rng(1)
    starts, steps = rng.normal(size=(2, 24, Z)).astype(np.float32)
    steps[:, 0] *= 3
    maps = np.asarray(generator(scale).params["maps"])
    records = Records(*map(jnp.asarray, (starts, starts + steps, steps @ maps[:, 3])))
    return FactorsOfVariation(records, FactorsSettings(ridge=0.3, **settings))


def glo(scale: float = 1.0, **settings: Any) -> GLO:
    """Of pictures of blobs."""
    rates = {"learning_rate": 0.05, "code_rate": 1.0}
    how = GLOSettings(levels=1, start="random", **rates, **settings)
    return GLO(generator(scale), None, len(PICTURES), how)


def pictures() -> ArraySource:
    """Of 16 blobs, by NumPy."""
    line = np.linspace(-0.5, 0.5, SIDE)
    x, y = np.random.default_rng(2).normal(0, 0.1, (2, 16, 1, 1))
    squares = (line[None, None] - x) ** 2 + (line[None, :, None] - y) ** 2
    images = 1.5 * np.exp(-squares / 0.09)[..., None] - 1
    numbers = np.arange(16, dtype=np.int32)
    return ArraySource({"image": images.astype(np.float32), "number": numbers})


PICTURES = pictures()


SMALL = PairLeNet(3, 1, channels=(3, 4, 6), hidden=8)
"""Less to compute than the papers' networks."""


@flax.struct.dataclass(eq=False)
class SmallDiscovery(UnsupervisedDiscovery):
    module = SMALL


def discovery(
    scale: float = 1.0, deformator: str = "orthonormal", **settings: Any
) -> UnsupervisedDiscovery:
    rates = PairSettings(directions_rate=0.01, reconstructor_rate=0.01, **settings)
    how = DiscoverySettings(deformator, 3, learning=rates)
    return SmallDiscovery(prior(generator(scale)), how)


@flax.struct.dataclass(eq=False)
class SmallWarped(WarpedGANSpace):
    module = SMALL


def warped(scale: float = 1.0, **settings: Any) -> WarpedGANSpace:
    rates = {"learning_rate": 0.01, "reconstructor_rate": 0.01}
    lengths = {"min_shift": 1.0, "max_shift": 2.0}
    how = WarpedSettings(paths=3, dipoles=2, **rates, **lengths, **settings)
    return SmallWarped(prior(generator(scale)), how)


METHODS = {
    "ganalyze": Entry(ganalyze),
    "enjoy": Entry(enjoy),
    "enjoy_local": Entry(enjoy_local),
    "steerability": Entry(steerability),
    "steerability network": Entry(partial(steerability, walk="network")),
    "factors": Entry(factors, accumulates=False),
    "glo": Entry(glo, data=PICTURES, ends_in_edit=False),
    "unsupervised discovery": Entry(discovery, accumulates=False),
    "warped": Entry(warped, accumulates=False),
}
each = pytest.mark.parametrize("entry", METHODS.values(), ids=METHODS.keys())


def apart(one: Fitted, two: Fitted) -> float:
    """How far two runs' params are from each other, relative to their size."""
    flat = [
        jax.flatten_util.ravel_pytree(fitted.state.params)[0] for fitted in (one, two)
    ]
    return float(jnp.linalg.norm(flat[0] - flat[1]) / jnp.linalg.norm(flat[0]))


def run(entry: Entry, method: Any, steps: int, **how: Any) -> Fitted:
    """Fit a method to the data that it has."""
    return fit(method, steps, data=entry.data, **how)


@each
def test_it_is_a_pytree_of_floats_with_static_settings(entry):
    method = entry.make()
    leaves, structure = jax.tree.flatten(method)
    assert all(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves)
    hash(structure)
    assert structure == jax.tree.structure(entry.make(scale=2.0))
    assert "data" in inspect.signature(method.update).parameters


@each
def test_a_step_keeps_the_shape_of_the_state_and_moves_what_is_learned(entry):
    method = entry.make()
    before = method.init(KEY)
    keys = sample_keys(KEY, range(4))
    data = None if entry.data is None else entry.data.batch(np.arange(4))
    after, metrics = jax.jit(lambda *given: method.update(*given))(before, keys, data)
    assert {leaf.dtype for leaf in jax.tree.leaves(before.params)} == {np.dtype("f4")}
    for one, two in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert (one.shape, one.dtype) == (two.shape, two.dtype)
    assert contents(before.params) != contents(after.params)
    assert all(np.ndim(value) == 0 for value in metrics.values())
    assert np.isfinite(metrics["loss"])


@each
def test_learning_lowers_the_loss(entry):
    history = run(entry, entry.make(), 120, key=KEY, batch=8).history["loss"]
    assert history[-30:].mean() < 0.9 * history[:10].mean()


@each
def test_steps_of_half_the_batch_add_up(entry):
    if not entry.accumulates:
        pytest.skip("its batch is no mean over samples")
    whole = run(entry, entry.make(), 4, key=KEY, batch=8)
    halves = run(entry, entry.make(accumulate=2), 8, key=KEY, batch=4)
    assert apart(whole, halves) < 1e-5


@each
def test_one_device_equals_four(entry):
    one = run(entry, entry.make(), 4, key=KEY, batch=8)
    four = run(entry, entry.make(), 4, key=KEY, batch=8, mesh=parallel.mesh(4))
    assert apart(one, four) < 1e-4


@each
def test_a_run_that_goes_on_ends_with_the_same_bits(entry, tmp_path):
    whole = run(entry, entry.make(), 6, key=KEY, batch=4, block=2)
    run(entry, entry.make(), 4, key=KEY, batch=4, block=2, folder=tmp_path / "run")
    rest = run(
        entry, entry.make(), 6, key=KEY, batch=4, block=2, folder=tmp_path / "run"
    )
    assert contents(whole.state) == contents(rest.state)
    assert contents(whole.history) == contents(rest.history)


@each
def test_new_weights_compile_nothing(entry):
    run(entry, entry.make(), 2, key=KEY, batch=2, block=2)
    other, key = entry.make(scale=2.0), jax.random.key(5)
    with compilations() as count:
        run(entry, other, 2, key=key, batch=2, block=2)
        assert count() == 0


@each
def test_it_ends_in_an_edit_that_is_kept(entry, tmp_path):
    if not entry.ends_in_edit:
        pytest.skip("it learns a generator")
    method = entry.make()
    state = run(entry, method, 5, key=KEY, batch=4).state
    edit = method.edit(state)
    assert isinstance(edit, Edit)
    assert edit.method
    assert type(edit) in EDIT_KINDS.values()
    codes = generator().sample(KEY, 3)
    shift = jax.jit(lambda edit, codes: edit.shift(codes, 0, 0.1))
    moved = shift(bare(edit), codes)
    assert np.isfinite(moved).all()
    assert np.abs(moved - codes).max() > 0
    save_edit(tmp_path / "edit.npz", edit)
    again = load_edit(tmp_path / "edit.npz")
    np.testing.assert_array_equal(shift(bare(again), codes), moved)
    assert again.names == edit.names
    assert contents(again.report) == contents(edit.report)
