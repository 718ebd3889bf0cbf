"""Unsupervised Discovery: closed forms, then what the original's trainer recorded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import error, golden

from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from converters.plans import assemble
from jaxlatent.checkpoint import load_edit, save_edit
from jaxlatent.edits.deformation import DEFORMATORS, Deformation
from jaxlatent.edits.directions import Directions
from jaxlatent.evaluation.recognition import Pairs, Shifts, draw_pairs
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, prior, sample_keys
from jaxlatent.learning import State
from jaxlatent.methods.deformators import init_deformator
from jaxlatent.methods.pair_reconstruction import (
    DIRECTIONS,
    RECONSTRUCTOR,
    PairSettings,
)
from jaxlatent.methods.unsupervised_discovery import (
    UnsupervisedDiscovery,
    chart_strengths,
    discover,
)
from jaxlatent.methods.unsupervised_discovery_settings import (
    PRESETS,
    Preset,
    Settings,
)

KEY = jax.random.key(3)
K = 4
FAST = PairSettings(directions_rate=1e-2, reconstructor_rate=1e-2)


def blocks(params, z):
    """Pictures of which coordinate k is the grey level of block k, of a 2 x 2 grid."""
    grey = jnp.tanh(0.3 * z * params["gains"][None]).reshape(-1, 2, 2)
    return jnp.repeat(jnp.repeat(grey, 16, axis=1), 16, axis=2)[..., None]


def painted(seen=K):
    gains = (np.arange(K) < seen).astype(np.float32)
    return Generator.from_functions(
        blocks, z_dim=K, params={"gains": jnp.asarray(gains)}
    )


def method(generator=None, space="z", label=None, **settings):
    settings = {"reconstructor": "lenet", "learning": FAST} | settings
    drawn = prior(generator or painted(), space=space, label=label)
    return UnsupervisedDiscovery(drawn, Settings(**settings))


# how deformators start


def start(count, size, **settings):
    return init_deformator(Settings(**settings), count, size, KEY)


def test_deformators_start_at_the_axes_or_at_random():
    for kind in ("linear", "projective"):
        found = start(3, 5, deformator=kind)
        np.testing.assert_array_equal(found["vectors"], np.eye(3, 5))
        more = start(400, 5, deformator=kind)["vectors"]
        np.testing.assert_array_equal(more[:5], np.eye(5))
        assert np.std(more[5:]) == pytest.approx(0.1, rel=0.1)
        wide = start(100, 20, deformator=kind, start="random", bias=True)
        assert np.std(wide["vectors"]) == pytest.approx(0.1, rel=0.1)
        assert np.abs(wide["bias"]).max() <= 0.1
        assert np.std(wide["bias"]) == pytest.approx(0.1 / 3**0.5, rel=0.3)
    near, far = (start(4, 30, start=how)["logarithm"] for how in ("identity", "random"))
    assert near.shape == (30, 30)
    assert np.std(near) == pytest.approx(1e-3, rel=0.1)
    assert np.std(far) == pytest.approx(1, rel=0.1)
    assert start(4, 30, padded=True)["logarithm"].shape == (4, 4)
    assert start(3, 5, deformator="identity") == {}


def test_random_matrices_are_orthonormal():
    for count, size in ((3, 5), (5, 5), (7, 5)):
        found = np.asarray(start(count, size, deformator="random")["vectors"])
        gram = found @ found.T if count <= size else found.T @ found
        np.testing.assert_allclose(gram, np.eye(min(count, size)), atol=1e-6)


def test_networks_start_as_those_of_pytorch():
    found = start(3, 5, deformator="fc", hidden=40)
    bounds = {"fc1": 5**-0.5, "fc2": 40**-0.5, "fc3": 40**-0.5, "fc4": 40**-0.5}
    for name, bound in bounds.items():
        for leaf in found[name].values():
            assert 0.6 * bound < np.abs(leaf).max() <= bound
    assert found["fc4"]["weight"].shape == (40, 5)
    np.testing.assert_array_equal(found["bn2"]["running_var"], np.ones(40))


# codes move as the edit says


@pytest.mark.parametrize("kind", DEFORMATORS)
@pytest.mark.parametrize("space", ["z", "w+"])
def test_pairs_lie_where_the_edit_moves_codes(kind, space):
    generator = toy.make(z_dim=4, label_dim=3)
    how = {"deformator": kind, "directions": 3, "hidden": 5}
    learner = method(generator, space, "every", **how)
    params = init_deformator(learner.settings, 3, 4, KEY)
    pairs = draw_pairs(learner.prior, Shifts(), 3, sample_keys(KEY, range(6)))
    moved, after = learner.move(params, pairs)
    edit = learner.edit(State({DIRECTIONS: after}, None))
    assert isinstance(edit, Deformation if kind == "fc" else Directions)
    assert (len(edit), edit.dimension, edit.space) == (3, 4, space)
    if kind == "fc":  # the batch norms of a batch are not those of a code
        assert np.abs(after["bn1"]["running_mean"]).max() > 0
        return
    codes = pairs.latents.codes
    found = edit.shift(codes, pairs.index, pairs.shift)
    np.testing.assert_allclose(moved, found, rtol=1e-5, atol=1e-5)
    assert np.abs(moved - codes).max() > 0.4


# what the original's trainer recorded

CASE = golden("voynov_train3_a")
TRAINED = {"ortho": "orthonormal", "random": "random"}


@jax.jit
def step(learner, state, pairs):
    return learner.step(state, pairs)


@pytest.mark.parametrize("name", TRAINED)
def test_three_steps_are_as_recorded(name):
    def image(params, z):
        return jnp.tanh(z @ params["W"]).reshape(-1, 32, 32, 1)

    params = {"W": jnp.asarray(CASE["G/W"])}
    generator = Generator.from_functions(image, z_dim=6, params=params)
    learner = method(generator, deformator=TRAINED[name], learning=PairSettings())
    prefix = "init/shift_predictor/"
    weights = {k.removeprefix(prefix): v for k, v in CASE.items() if prefix in k}
    plan = find_plan(Checkpoint(weights), part="network")
    if name == "ortho":
        start = {"logarithm": jnp.asarray(CASE["ortho/init/deformator/log_mat_half"])}
    else:
        start = {"vectors": jnp.asarray(CASE["random/init/deformator/linear"].T)}
    params = {DIRECTIONS: start, RECONSTRUCTOR: assemble(plan)}
    state = State.init(params, learner.settings.learning.optimizer)
    for number in range(3):
        z, u, index = (
            jnp.asarray(CASE[f"{name}/{part}"][number]) for part in ("z", "u", "index")
        )
        shift = Shifts().at_least(6 * (2 * u - 1))
        state, seen = step(learner, state, Pairs(Latents(z, "z"), index, shift))
        parts = ("accuracy", "loss", "classification", "regression")
        found = np.array([seen[part] for part in parts]) * [1, 1, 1, 0.25]
        np.testing.assert_allclose(
            found, CASE[f"{name}/log_percent_loss_ce_weightedl1"][number], rtol=1e-5
        )
    after = state.params
    if name == "ortho":
        moved = after[DIRECTIONS]["logarithm"] - start["logarithm"]
        final = CASE["ortho/final/deformator/log_mat_half"] - start["logarithm"]
        assert error(moved, np.asarray(final)) <= 1e-4
    else:
        np.testing.assert_array_equal(after[DIRECTIONS]["vectors"], start["vectors"])
    told = after[RECONSTRUCTOR]
    prefix = f"{name}/final/shift_predictor/"
    kernel = np.transpose(told["convnet_0"]["kernel"], (3, 2, 0, 1))
    assert error(kernel, CASE[f"{prefix}convnet.0.weight"]) <= 1e-5
    for layer in ("fc_logits", "fc_shift"):
        kernel = told[f"{layer}_3"]["kernel"].T
        assert error(kernel, CASE[f"{prefix}{layer}.3.weight"]) <= 1e-5
    running = told["convnet_5"]["running_var"]
    assert error(running, CASE[f"{prefix}convnet.5.running_var"]) <= 1e-5


# a planted generator


def test_coordinates_without_an_effect_are_taken_for_one_another(tmp_path):
    """RCA of coordinates of which m of K do nothing is (K - m + 1) / K at most."""
    how = Settings("identity", reconstructor="lenet", learning=FAST)
    seen = []
    edit = discover(
        painted(2),
        key=KEY,
        preset=Preset(how, steps=60, batch=32),
        held_out=800,
        folder=tmp_path / "run",
        callback=lambda steps, metrics: seen.append(metrics["accuracy"]),
    )
    assert isinstance(edit, Directions)
    assert edit.facts["rca"] < 3 / 4 + 3 * (3 / 16 / 800) ** 0.5
    recognised = np.asarray(edit.report["recognition"])
    assert recognised[:2].min() > 0.9
    # what one of the others gains, the other loses
    assert recognised[2:].sum() == pytest.approx(1, abs=0.2)
    assert edit.report["shift_error"][2:].min() > edit.report["shift_error"][:2].max()
    assert edit.facts["steps"] == 60
    assert edit.facts["settings"]["learning"]["regression"] == 0.25
    np.testing.assert_array_equal(edit.vectors, np.eye(K))
    assert edit.method == "unsupervised discovery"
    assert edit.generator
    assert seen
    assert (tmp_path / "run" / "losses.csv").exists()
    save_edit(tmp_path / "edit.npz", edit)
    again = load_edit(tmp_path / "edit.npz")
    assert again.facts == edit.facts
    np.testing.assert_array_equal(again.vectors, edit.vectors)


# charts, presets, and what is refused


def test_charts_reach_once_and_three_times_as_far():
    found = chart_strengths(6.0)
    assert found == (-18, -12, -6, -4, -2, 0, 2, 4, 6, 12, 18)
    assert set(np.arange(-6, 7, 2)) | set(np.arange(-18, 19, 6)) == set(found)


def test_presets_are_the_papers():
    assert {name: (one.batch, one.steps) for name, one in PRESETS.items()} == {
        "quick": (64, 2000),
        "mnist": (128, 100_000),
        "anime": (128, 100_000),
        "progan": (10, 200_000),
        "biggan": (32, 100_000),
        "stylegan2": (16, 100_000),
    }
    learning = PRESETS["mnist"].settings.learning
    assert (learning.directions_rate, learning.reconstructor_rate) == (1e-4, 1e-4)
    assert learning.shifts == Shifts("uniform", 6.0, 0.5)
    assert PRESETS["stylegan2"].space == "w"


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"^deformator: 'ortho' given; one of"):
        Settings(deformator="ortho")
    with pytest.raises(ValueError, match=r"^start: 'zeros' given"):
        Settings(start="zeros")
    with pytest.raises(ValueError, match=r"^bias: given, but .*'orthonormal' has none"):
        Settings(bias=True)
    with pytest.raises(ValueError, match=r"^padded: given, but .*'linear' has none"):
        Settings(deformator="linear", padded=True)
    with pytest.raises(ValueError, match=r"^directions: 0 given"):
        Settings(directions=0)
    with pytest.raises(ValueError, match=r"^hidden: 0 given"):
        Settings(hidden=0)
    with pytest.raises(ValueError, match=r"^directions: 5 given; 1 to 4, the numbers"):
        method(directions=5).init(KEY)
    with pytest.raises(ValueError, match=r"^kind, downsample: 'lenet', 16 given"):
        method(downsample=16).init(KEY)
