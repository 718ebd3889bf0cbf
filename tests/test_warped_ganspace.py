"""WarpedGANSpace: closed forms first, then what the original's code recorded."""

import dataclasses

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
from jaxlatent.evaluation.recognition import (
    Pairs,
    Shifts,
    pair_images,
    pool_places,
)
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, prior, sample_keys
from jaxlatent.learning import State
from jaxlatent.methods.pair_reconstruction import (
    DIRECTIONS,
    RECONSTRUCTOR,
)
from jaxlatent.methods.warped_ganspace import (
    ALPHAS,
    LOG_GAMMAS,
    SUPPORTS,
    WarpedGANSpace,
    dipoles,
    discover,
    field,
    learner,
)
from jaxlatent.methods.warped_ganspace_settings import PRESETS, Preset, Settings

KEY = jax.random.key(8)
D, K = 6, 4
TRACE = golden("wgs_train3_a")
SMALL = Settings(paths=K, dipoles=3, learning_rate=1e-2)


def tanh_pictures(params, z):
    return jnp.tanh(z @ params["W"]).reshape(-1, 32, 32, 1)


def generator():
    """That of the recording."""
    params = {"W": jnp.asarray(TRACE["G/W"])}
    return Generator.from_functions(tanh_pictures, z_dim=D, params=params)


def method(**settings):
    return WarpedGANSpace(prior(generator()), dataclasses.replace(SMALL, **settings))


# closed forms


def test_dipoles_at_the_start():
    warps = dipoles(SMALL, D, key=KEY)
    supports = np.asarray(warps[SUPPORTS])
    assert supports.shape == (K, 6, D)
    np.testing.assert_array_equal(supports[:, 1::2], -supports[:, ::2])
    lengths = np.linalg.norm(supports, axis=-1)
    radii = golden("wgs_support_sets_a")["cfg0/radii"]
    np.testing.assert_allclose(lengths, np.tile(radii[:, None], (1, 6)), rtol=1e-6)
    np.testing.assert_array_equal(warps[ALPHAS], np.tile([1.0, -1.0], (K, 3)))
    np.testing.assert_allclose(warps[LOG_GAMMAS], -np.log(D), rtol=1e-6)
    # path k does not see how many there are
    other = dipoles(dataclasses.replace(SMALL, paths=2), D, key=KEY)
    np.testing.assert_allclose(other[SUPPORTS][0], supports[0], rtol=1e-6)
    wide = dipoles(dataclasses.replace(SMALL, gamma=0.3), D, key=KEY)
    np.testing.assert_allclose(jnp.exp(wide[LOG_GAMMAS]), 0.3, rtol=1e-6)


def test_wide_functions_make_straight_paths():
    how = dataclasses.replace(SMALL, gamma=1e-6)
    warps = dipoles(how, D, key=KEY)
    edit = field(warps, how, space="z")
    points = np.asarray(edit.traverse(jnp.ones((1, D)), 2, np.arange(-3.0, 4)))[:, 0]
    halves = np.asarray(warps[SUPPORTS][2, ::2], np.float64).sum(axis=0)
    expected = halves / np.linalg.norm(halves)
    np.testing.assert_allclose(np.diff(points, axis=0), [expected] * 6, atol=1e-4)


def test_a_code_moves_by_its_own_path_and_length():
    walk = method()
    warps = dipoles(SMALL, D, key=KEY)
    codes = walk.prior(sample_keys(KEY, range(5)))
    index, shift = jnp.asarray([3, 0, 0, 2, 1]), jnp.asarray([1.0, -2, 0, 0.5, 3])
    moved, _ = walk.move(warps, Pairs(codes, index, shift))
    lengths = np.linalg.norm(moved - codes.codes, axis=1)
    np.testing.assert_allclose(lengths, np.abs(shift), rtol=1e-5)
    # as the edit does whose sides are that long
    edit = dataclasses.replace(field(warps, SMALL, space="z"), step=5.0, steps=1)
    expected = edit.shift(codes.codes, index, shift)
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_what_is_not_learned_rests():
    keys = sample_keys(KEY, range(6))
    for names in ((SUPPORTS,), (SUPPORTS, LOG_GAMMAS), (SUPPORTS, ALPHAS), ()):
        walk = method(
            learn_supports=SUPPORTS in names,
            learn_gammas=LOG_GAMMAS in names,
            learn_alphas=ALPHAS in names,
        )
        pairs = Pairs(walk.prior(keys), jnp.arange(6) % K, jnp.ones(6))

        def size(warps, walk=walk, pairs=pairs):
            return jnp.sum(walk.move(warps, pairs)[0] ** 2)

        slopes = jax.grad(size)(dipoles(SMALL, D, key=KEY))
        moving = {name for name, leaf in slopes.items() if np.abs(leaf).max() > 0}
        assert moving == set(names)


def test_paths_that_no_sample_moved_along_rest_if_told():
    def moves(sparse):
        params = {DIRECTIONS: {SUPPORTS: jnp.ones((8, 2))}, RECONSTRUCTOR: {}}
        optimizer = dataclasses.replace(SMALL, sparse_rows=sparse).pairs.optimizer
        gradient = jax.tree.map(lambda x: jnp.zeros_like(x).at[3].set(1.0), params)
        _, kept = optimizer.update(gradient, optimizer.init(params), params)
        gradient = jax.tree.map(lambda x: jnp.roll(x, 1, axis=0), gradient)
        found, _ = optimizer.update(gradient, kept, params)
        return np.abs(np.asarray(found[DIRECTIONS][SUPPORTS])).max(axis=1)

    assert (moves(False) > 0).nonzero()[0].tolist() == [3, 4]
    assert (moves(True) > 0).nonzero()[0].tolist() == [4]


def test_both_pictures_of_a_pair_are_of_one_class():
    walk = WarpedGANSpace(prior(toy.make(label_dim=3), label="every"), SMALL)
    with pytest.raises(ValueError, match="prior: codes of w\\+ given; those of z or w"):
        dataclasses.replace(walk, prior=prior(toy.make(), space="w+")).init(KEY)
    latents = walk.prior(sample_keys(KEY, range(8)))
    warps = dipoles(SMALL, 3, key=KEY)
    pairs = Pairs(latents, jnp.arange(8) % K, jnp.zeros(8))
    one, two = pair_images(walk.prior, pairs, walk.move(warps, pairs)[0])
    np.testing.assert_array_equal(one, two)
    assert len(set(np.asarray(latents.label).tolist())) > 1


def test_codes_of_w_are_drawn_within_a_bound():
    preset = Preset(SMALL, space="w", bound=0.7)
    walk = learner(toy.make(), preset)
    codes = np.asarray(walk.prior(sample_keys(KEY, range(500))).codes)
    # w = 2 z
    assert 1.35 < np.abs(codes).max() <= 1.4
    np.testing.assert_allclose(codes.std(), 2 * 0.39, rtol=0.05)
    assert walk.prior.space == "w"


def test_presets_are_the_original_scripts():
    sizes = {
        name: (how.settings.paths, how.settings.dipoles, how.batch, how.steps)
        for name, how in PRESETS.items()
    }
    assert sizes["warped-mnist"] == sizes["warped-anime"] == (64, 128, 128, 120_000)
    assert sizes["warped-biggan"] == (120, 256, 32, 150_000)
    assert sizes["warped-proggan"] == (200, 512, 8, 150_000)
    assert sizes["warped-stylegan2"] == (200, 512, 12, 150_000)
    for preset in PRESETS.values():
        assert preset.settings.learn_gammas
        assert not preset.settings.learn_alphas
        assert preset.settings.pairs.classification == 1
        assert preset.settings.pairs.regression == 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"paths": 0}, "paths: 0 given; 1 or more"),
        ({"gamma": 0.0}, "gamma: 0.0 given; a number above 0"),
        ({"radii": (0.0, 1.0)}, r"radii: \(0.0, 1.0\) given"),
        ({"sampling": "biased"}, "sampling: 'biased' given; 'fair' or 'reference'"),
        ({"min_shift": 2.0}, "least, most: 2.0, 0.45 given"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Settings(**settings)


# the original's recordings


def recorded_reconstructor():
    """Its weights before the first step; those of batch norms are one and zero."""
    head = "init/reconstructor/"
    state = {k.removeprefix(head): v for k, v in TRACE.items() if k.startswith(head)}
    for layer, width in (
        *(("feature_extractor.1", 6), ("feature_extractor.5", 16)),
        *(("feature_extractor.9", 120), ("path_indices.1", 84)),
        ("shift_magnitudes.1", 84),
    ):
        for name, value in (
            *(("weight", 1.0), ("bias", 0.0)),
            *(("running_mean", 0.0), ("running_var", 1.0)),
        ):
            state.setdefault(f"{layer}.{name}", np.full(width, value, np.float32))
    plan = find_plan(Checkpoint(state), part="network")
    return assemble(plan), plan.config


def recorded_warps(when):
    head = f"{when}/support_sets/"
    supports = TRACE[f"{head}SUPPORT_SETS"].reshape(K, -1, D)
    return {
        SUPPORTS: jnp.asarray(supports),
        ALPHAS: jnp.asarray(TRACE["init/support_sets/ALPHAS"]),
        LOG_GAMMAS: jnp.asarray(TRACE[f"{head}LOGGAMMA"][:, 0]),
    }


def test_three_steps_of_the_original():
    walk = method(learning_rate=1e-4)
    params, module = recorded_reconstructor()
    assert module == walk.module
    state = State.init(
        {DIRECTIONS: recorded_warps("init"), RECONSTRUCTOR: params},
        walk.settings.pairs.optimizer,
    )
    step = jax.jit(walk.step)
    for number, expected in enumerate(TRACE["stats_accuracy_cls_reg_total"]):
        pairs = Pairs(
            Latents(jnp.asarray(TRACE["z"][number]), "z"),
            jnp.asarray(TRACE["index"][number], jnp.int32),
            jnp.asarray(TRACE["shift_magnitude"][number]),
        )
        state, metrics = step(state, pairs)
        names = ("accuracy", "classification", "regression", "loss")
        found = np.asarray([float(metrics[name]) for name in names])
        np.testing.assert_allclose(found, expected, rtol=2e-5)
    warps = recorded_warps("final")
    for name, leaf in state.params[DIRECTIONS].items():
        # three steps of at most the rate each
        assert np.abs(leaf - warps[name]).max() < 3e-6
    learned = state.params[RECONSTRUCTOR]
    for key, ours in {
        "path_indices.3.bias": learned["fc_logits_3"]["bias"],
        "shift_magnitudes.3.bias": learned["fc_shift_3"]["bias"],
        "path_indices.3.weight": learned["fc_logits_3"]["kernel"].T,
        "shift_magnitudes.3.weight": learned["fc_shift_3"]["kernel"].T,
        "feature_extractor.0.weight": jnp.moveaxis(
            learned["convnet_0"]["kernel"], (3, 2), (0, 1)
        ),
    }.items():
        assert error(ours, TRACE[f"final/reconstructor/{key}"]) < 1e-3
    # a bias before a batch norm has no gradient but rounding's, which Adam scales up
    theirs = TRACE["final/reconstructor/feature_extractor.1.running_mean"]
    assert np.abs(learned["convnet_1"]["running_mean"] - theirs).max() < 1e-4


def test_signs_of_the_original_are_drawn_as_recorded():
    case = golden("wgs_shift_pool_a")
    count, rounds = int(case["batch"]), 2000
    keys = jax.vmap(lambda n: sample_keys(KEY, n * count + jnp.arange(count)))
    places = np.asarray(jax.jit(jax.vmap(pool_places))(keys(jnp.arange(rounds))))
    assert all(len(set(row)) == count for row in places[:50])
    seen = np.bincount(places.ravel(), minlength=2 * count) / rounds
    assert seen[0] == 0
    # both are frequencies of 2000 rounds
    sd = np.sqrt(np.maximum(seen * (1 - seen), 1e-3) * 2 / rounds)
    assert (np.abs(seen - case["inclusion_frequency"]) < 4.5 * sd).all()
    least, most = case["min_max"].tolist()
    shifts = np.asarray(Shifts("pool", most, least).draw(keys(jnp.arange(1))[0]))
    assert (np.abs(shifts) >= np.float32(least)).all()
    assert (np.abs(shifts) <= np.float32(most)).all()
    positive = (places >= count).mean()
    assert abs(positive - case["fraction_positive"]) < 4 * 0.06 / rounds**0.5


# what it finds


def test_discover_tells_and_keeps_what_it_found(tmp_path):
    quick = Preset(SMALL, steps=4, batch=4)
    edit = discover(generator(), key=KEY, preset=quick, block=4, held_out=64)
    assert edit.names == ("path 0", "path 1", "path 2", "path 3")
    assert edit.facts["steps"] == 4
    assert edit.facts["settings"]["dipoles"] == 3
    told = np.asarray(edit.report["recognition"])
    assert told.min() - 1e-6 <= edit.facts["rca"] <= told.max() + 1e-6
    save_edit(tmp_path / "edit.npz", edit)
    again = load_edit(tmp_path / "edit.npz")
    assert again.facts == edit.facts
    np.testing.assert_array_equal(again.supports, edit.supports)
