"""Whole files: what loads, what is assumed, what is refused, what is written."""

import dataclasses
import hashlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, error
from writer import torch_zip

import converters
from converters import loading
from converters.checkpoints import Checkpoint
from converters.containers import nvidia
from converters.entries import entries
from converters.finding import candidates
from converters.loading import find_plan
from converters.plans import assemble, compare
from converters.stylegan2 import add_noise
from jaxlatent import checkpoint
from jaxlatent.generators import stylegan2
from jaxlatent.generators.base import Generator
from jaxlatent.types import CheckpointError

ROSINALITY = GOLDEN / "rosinality_stylegan2_a.pt"
GENFORCE = GOLDEN / "genforce_stylegan2_a.pth"
NVIDIA = GOLDEN / "stylegan2_ada_a.pkl"

draw = jax.jit(lambda generator, w: generator.synthesize(w))


@pytest.fixture(scope="module")
def golden_files():
    """What `read` returns of each, by path; not to be changed."""
    return {
        path: converters.read(path).tensors for path in (ROSINALITY, GENFORCE, NVIDIA)
    }


@pytest.fixture
def rosinality(golden_files):
    """The entries of rosinality's file, to change at will."""
    return {
        name: dict(entry) if isinstance(entry, dict) else entry
        for name, entry in golden_files[ROSINALITY].items()
    }


@pytest.fixture
def genforce(golden_files):
    return {name: dict(entry) for name, entry in golden_files[GENFORCE].items()}


def built(file, **options):
    """The generator that a file's content makes."""
    plan = find_plan(Checkpoint(file), part="generator", **options)
    return Generator(assemble(plan), plan.config), plan


def same(left, right):
    """Whether two pytrees have the same structure and bits."""
    return jax.tree.all(
        jax.tree.map(lambda a, b: np.array_equal(a, b, equal_nan=True), left, right)
    )


def written(tmp_path, file, name="file.pt"):
    (tmp_path / name).write_bytes(torch_zip(file))
    return tmp_path / name


# files that do not fit


def test_one_error_names_what_is_missing_extra_and_misshapen(tmp_path, rosinality):
    state = rosinality["g_ema"]
    del state["convs.1.activate.bias"]
    state["odd.weight"] = np.ones(2, np.float32)
    state["style.2.bias"] = np.ones(31, np.float32)
    expected = (
        "does not fit stylegan2 (rosinality): missing (1): convs.1.activate.bias; "
        "extra (1): odd.weight; misshapen (1): style.2.bias is (31,), not (32,)"
    )
    path = written(tmp_path, rosinality)
    for call in (
        lambda: converters.load(path),
        lambda: converters.convert(path, tmp_path / "out"),
    ):
        with pytest.raises(CheckpointError) as caught:
            call()
        assert expected in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.pt"]
    mismatch = converters.inspect(path).mismatches["generator"]
    assert str(mismatch) in expected


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path, rosinality):
    for name in ("style.2.bias", "to_rgbs.1.bias"):
        broken = rosinality["g_ema"][name].copy()
        broken.reshape(-1)[1] = np.nan
        rosinality["g_ema"][name] = broken
    path = written(tmp_path, rosinality)
    for call in (
        lambda: converters.load(path),
        lambda: converters.convert(path, tmp_path / "out"),
    ):
        with pytest.raises(CheckpointError, match=r"finite in: style.2.bias, to_rgbs"):
            call()
    assert not (tmp_path / "out").exists()


def test_a_missing_part_is_refused_naming_what_is_there(rosinality):
    with pytest.raises(
        CheckpointError,
        match=r"no network in this file; it holds a generator \(stylegan2\) and a "
        r"discriminator \(stylegan2\)",
    ):
        find_plan(Checkpoint(rosinality), part="network")
    only = {"d": rosinality["d"]}
    with pytest.raises(CheckpointError, match=r"no generator .* a discriminator \(sty"):
        find_plan(Checkpoint(only), part="generator")


def test_foreign_tensors_are_refused_naming_what_is_known():
    file = {"encoder.weight": np.ones((2, 2), np.float32)}
    with pytest.raises(
        CheckpointError, match=r"no known layout .* stylegan2, .*sequent"
    ):
        find_plan(Checkpoint(file), part="generator")
    with pytest.raises(CheckpointError, match="no layout of stylegan2 has these"):
        find_plan(Checkpoint(file), part="generator", family="stylegan2")


def test_an_unknown_family_is_named():
    for call in (converters.load, converters.inspect):
        with pytest.raises(ValueError, match="family: 'vqgan' given; one of"):
            call(ROSINALITY, family="vqgan")


# configs


def test_overrides_are_used_and_not_called_assumed(rosinality):
    plain, plan = built(rosinality)
    changed, other = built(rosinality, config={"mapping_rate": 0.02})
    assert (plan.config.mapping_rate, other.config.mapping_rate) == (0.01, 0.02)
    assert dataclasses.replace(other.config, mapping_rate=0.01) == plan.config
    assert plan.assumed == {"mapping_rate": 0.01}
    assert other.assumed == {}
    assert same(plain.params, changed.params)


def test_an_unknown_override_is_refused(rosinality):
    with pytest.raises(ValueError, match=r"config: \['rate'\] given; \['resolution'"):
        built(rosinality, config={"rate": 0.02})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"label_dim": 3}, r"hold nothing for: mapping\.embed\.bias, mapping"),
        ({"use_noise": False}, r"extra .*noises\.noise_0"),
        ({"architecture": "orig"}, r"extra .*to_rgb1\.bias"),
        ({"w_dim": 16}, r"misshapen .*style\.3\.weight is \(32, 32\), not \(16, 32\)"),
    ],
)
def test_overrides_that_the_tensors_contradict(rosinality, config, message):
    with pytest.raises(CheckpointError, match=message):
        built(rosinality, config=config)


def test_parameters_that_an_override_takes_away_are_extra(golden_files):
    ada = converters.read(GOLDEN / "genforce_stylegan2ada_a.pth").tensors
    with pytest.raises(
        CheckpointError, match=r"extra \(1\): mapping\.LabelEmbed\.bias"
    ):
        built(ada, config={"joint_normalization": True})


# folders


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """(folder, plan) of the golden file of rosinality."""
    folder = tmp_path_factory.mktemp("converted") / "g"
    return folder, converters.convert(ROSINALITY, folder, config={"clamp": 256.0})


def test_a_converted_folder_draws_what_the_file_draws(converted):
    folder, _ = converted
    loaded = converters.load(ROSINALITY, config={"clamp": 256.0})
    found = checkpoint.load_generator(folder)
    assert found.config == loaded.config
    assert same(found.params, loaded.params)
    w = jnp.ones((1, 32))
    np.testing.assert_array_equal(draw(found, w), draw(loaded, w))


def test_a_converted_folder_tells_where_it_came_from(converted):
    folder, plan = converted
    origin = checkpoint.read_header(folder)["origin"]
    assert origin == {
        "file": ROSINALITY.name,
        "sha256": hashlib.sha256(ROSINALITY.read_bytes()).hexdigest(),
        "container": converters.read(ROSINALITY).container,
        "format": "rosinality",
        "entry": "g_ema",
        "assumed": {"mapping_rate": 0.01},
        "overridden": ["clamp"],
        "guesses": list(plan.guesses),
        "licence": "",
        "ancestors": [],
    }
    assert plan.format == "rosinality"
    assert plan.assumed == {"mapping_rate": 0.01}
    assert plan.guesses[0].startswith("entry g_ema was taken, averaged over training")


def test_an_existing_folder_is_not_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(FileExistsError, match="out"):
            converters.convert(ROSINALITY, tmp_path / "out", **options)
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["mine"]


def test_inspect_tells_everything_and_writes_nothing(tmp_path, rosinality, monkeypatch):
    del rosinality["g_ema"]["convs.1.activate.bias"]
    rosinality["d"]["odd"] = np.ones(1, np.float32)
    path = written(tmp_path, rosinality)
    before = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    found = converters.inspect(path)
    assert [entry.name for entry in tmp_path.rglob("*")] == ["file.pt"]
    assert path.read_bytes() == before
    assert found.container == "torch-zip"
    assert set(found.plans) == {"generator", "discriminator"}
    assert found.mismatches["generator"].missing == ("convs.1.activate.bias",)
    assert found.mismatches["generator"].extra == ()
    assert found.mismatches["discriminator"].extra == ("odd",)
    assert found.plans["generator"].config.resolution == 32
    sound = converters.inspect(ROSINALITY)
    assert not any(sound.mismatches.values())
    with pytest.raises(CheckpointError, match=r"other\.pt: no known layout"):
        converters.inspect(written(tmp_path, {"a": np.ones(1)}, "other.pt"))


# rosinality's training snapshots


def test_a_training_snapshot_lacks_the_mean_and_the_noise(rosinality):
    whole, _ = built(rosinality)
    del rosinality["latent_avg"]
    rosinality["g_ema"] = {
        name: tensor
        for name, tensor in rosinality["g_ema"].items()
        if not name.startswith("noises.")
    }
    found, plan = built(rosinality)
    assert plan.assumed == {
        "mapping_rate": 0.01,
        "w_avg": "mean of 4096 mapped codes",
        "noise_const": "drawn from a standard normal",
    }
    assert jax.tree.map(jnp.shape, found.params) == jax.tree.map(
        jnp.shape, whole.params
    )
    mean = found.params["mapping"]["w_avg"]
    w = np.asarray(whole.map(whole.sample(jax.random.key(9), 4096)))
    # six standard errors of the difference of two such means
    assert (np.abs(mean - w.mean(axis=0)) < 6 * w.std(axis=0) * np.sqrt(2 / 4096)).all()
    noise = [
        np.asarray(found.params["synthesis"][layer.block][layer.kind]["noise_const"])
        for layer in stylegan2.layers(found.config)
        if not layer.rgb
    ]
    assert abs(np.concatenate([one.ravel() for one in noise]).std() - 1) < 0.05
    assert not np.array_equal(noise[-1], noise[-2])
    for path, leaf in jax.tree_util.tree_leaves_with_path(found.params):
        known = whole.params
        for entry in path:
            known = known[entry.key]
        drawn = path[-1].key in ("w_avg", "noise_const")
        assert np.array_equal(leaf, known) != drawn, path
    again, _ = built(rosinality)
    assert same(again.params, found.params)


def test_noise_alone_may_be_missing_and_follows_the_dtype(rosinality):
    state = rosinality["g_ema"]
    kept = {k: v for k, v in state.items() if not k.startswith("noises.")}
    plan = find_plan(Checkpoint(rosinality | {"g_ema": kept}), part="generator")
    assert set(plan.assumed) == {"mapping_rate", "noise_const"}
    # where float64 is the default, single weights still get single noise
    with jax.enable_x64(True):
        params = jax.eval_shape(lambda p: add_noise(p, plan.config), plan.shapes)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    one_missing = {k: v for k, v in state.items() if k != "noises.noise_3"}
    found = find_plan(Checkpoint(rosinality | {"g_ema": one_missing}), part="generator")
    assert compare(found).missing == ("noises.noise_3",)


# genforce's wrappings


def test_wrapping_and_prefixes_change_nothing(genforce):
    plain, _ = built(genforce)
    prefixed = {
        name: {f"module.{key}": tensor for key, tensor in state.items()}
        for name, state in genforce.items()
    }
    for file in (
        {"models": genforce, "optimizers": {}, "running_metadata": {}},
        prefixed,
        {"models": prefixed},
        genforce["generator_smooth"],
        prefixed["generator_smooth"],
    ):
        found, _ = built(file)
        assert found.config == plain.config
        assert same(found.params, plain.params)
    judge = find_plan(Checkpoint({"models": prefixed}), part="discriminator")
    assert same(
        assemble(judge), assemble(find_plan(Checkpoint(genforce), part="discriminator"))
    )


def test_the_smoothed_weights_are_preferred(genforce):
    other = {
        name: tensor if name.endswith("kernel") else tensor + 1
        for name, tensor in genforce["generator"].items()
    }
    smooth, _ = built(genforce)
    assert same(built(genforce | {"generator": other})[0].params, smooth.params)
    del genforce["generator_smooth"]
    assert not same(built(genforce | {"generator": other})[0].params, smooth.params)


def test_a_joint_label_by_hand(genforce):
    """The labels of genforce's own conditional StyleGAN2 have a matrix, no bias."""
    rng = np.random.default_rng(0)
    state = genforce["generator_smooth"]
    table = rng.normal(size=(3, 8)).astype(np.float32)
    first = rng.normal(size=(24, 24 + 8)).astype(np.float32)
    state["mapping.label_weight"] = table
    state["mapping.dense0.weight"] = first
    generator, _ = built({"generator_smooth": state})
    config = generator.config
    assert (config.z_dim, config.embed_dim, config.label_dim) == (24, 8, 3)
    assert config.joint_normalization
    z, label = rng.normal(size=(4, 24)), np.array([2, 0, 1, 2])
    x = np.concatenate([z, table[label]], axis=1)
    x = x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)
    for index in range(3):
        weight = state[f"mapping.dense{index}.weight"].astype(np.float64)
        bias = state[f"mapping.dense{index}.bias"]
        x = 0.01 * (x @ weight.T / np.sqrt(weight.shape[1]) + bias)
        x = np.where(x > 0, x, 0.2 * x) * np.sqrt(2)
    w = generator.map(jnp.asarray(z, jnp.float32), jnp.asarray(label))
    assert error(w, x) <= 1e-5


# NVlabs' state dicts


def test_a_flat_state_dict_makes_the_generator_of_the_pickle(golden_files):
    pickle = golden_files[NVIDIA]
    whole, known = built(pickle)
    assert known.assumed == {}
    state = nvidia.tensors(pickle["G_ema"])
    found, plan = built(state, config={"clamp": whole.config.clamp})
    assert found.config == whole.config
    assert same(found.params, whole.params)
    assert plan.format == "NVlabs state dict"
    # of a pickle these are read; clamp was given
    assert set(plan.assumed) == {"mapping_rate", "activation"}
    without, plan = built({"G_ema": state})
    assert plan.assumed["clamp"] is None
    assert without.config == dataclasses.replace(whole.config, clamp=None)


def test_a_flat_state_dict_without_filters_assumes_them(golden_files):
    state = {
        name: tensor
        for name, tensor in nvidia.tensors(golden_files[NVIDIA]["G_ema"]).items()
        if not name.endswith("resample_filter")
    }
    generator, plan = built(state)
    assert plan.assumed["filter"] == (1.0, 3.0, 3.0, 1.0)
    whole, _ = built(golden_files[NVIDIA])
    assert same(generator.params, whole.params)


def test_every_layout_tells_what_it_may_assume():
    table = {layout.files: layout for layout in converters.layouts()}
    assert len(table) == sum(map(len, loading.LAYOUTS.values()))
    seen = 0
    for file in sorted(GOLDEN.iterdir()):
        if file.suffix not in (".pth", ".pt", ".pkl", ".tar"):
            continue
        shown = entries(converters.read(file))
        modules = tuple(itertools.chain(*loading.LAYOUTS.values()))
        for part in loading.PARTS:
            for one in candidates(shown, modules, part):
                if one.plan is not None:
                    seen += 1
                    assert set(one.plan.assumed) <= set(one.module.ASSUMES), one.module
    assert seen > 20
