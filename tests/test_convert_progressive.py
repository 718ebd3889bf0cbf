"""File layouts of ProGAN and StyleGAN: what is told apart, inferred and refused."""

import dataclasses

import jax
import numpy as np
import pytest
from helpers import GOLDEN, error
from writer import torch_zip

import converters
from converters.checkpoints import Checkpoint
from converters.entries import entries
from converters.finding import candidates
from converters.loading import LAYOUTS, find_plan
from converters.plans import assemble, compare
from jaxlatent.generators import stylegan
from jaxlatent.generators.base import Generator
from jaxlatent.types import CheckpointError

# golden file -> family, format
FILES = {
    "genforce_pggan_a": ("progan", "genforce"),
    "interfacegan_pggan_a": ("progan", "InterFaceGAN"),
    "proggan_voynov_a": ("progan", "ptrblck"),
    "proggan_netdissect_a": ("progan", "netdissect"),
    "genforce_stylegan_a": ("stylegan", "genforce"),
    "interfacegan_stylegan_a": ("stylegan", "InterFaceGAN"),
}

# by which layouts are known
SIGNS = {
    "layer0.weight",
    "layer0.conv.weight",
    "layer1.conv.weight",
    "features.0.conv.weight",
    "synthesis.layer0.const",
    "synthesis.layer0.first_layer",
}


@pytest.fixture(scope="module")
def contents():
    """What `read` returns of each file; not to be changed."""
    return {name: converters.read(GOLDEN / f"{name}.pth").tensors for name in FILES}


def state_of(content):
    """A generator's tensors, to change at will, and a file that holds them alone."""
    for key in ("generator_smooth", "state_dict"):
        if key in content:
            state = dict(content[key])
            return state, {key: state}
    state = dict(content)
    return state, state


def built(file, **options):
    plan = find_plan(Checkpoint(file), part="generator", **options)
    return Generator(assemble(plan), plan.config)


def same(left, right):
    return jax.tree.all(jax.tree.map(np.array_equal, left, right))


@pytest.mark.parametrize("name", FILES)
def test_files_are_told_apart(contents, name):
    claims = {
        family: list(
            {
                one.plan.format: None
                for one in candidates(
                    entries(Checkpoint(contents[name])), modules, "generator"
                )
                if one.fits
            }
        )
        for family, modules in LAYOUTS.items()
    }
    family, layout = FILES[name]
    assert {family: [layout]} == {key: value for key, value in claims.items() if value}
    with pytest.raises(CheckpointError, match="no layout of stylegan2 has these"):
        find_plan(Checkpoint(contents[name]), part="generator", family="stylegan2")


@pytest.mark.parametrize("name", ["genforce_stylegan2_a.pth", "stylegan2_ada_a.pkl"])
def test_files_of_stylegan2_are_of_no_other_family(name):
    content = converters.read(GOLDEN / name).tensors
    for family in ("progan", "stylegan"):
        for part in ("generator", "discriminator", "network"):
            with pytest.raises(CheckpointError, match=f"no layout of {family}|holds a"):
                find_plan(Checkpoint(content), part=part, family=family)


@pytest.mark.parametrize("name", FILES)
def test_any_tensor_may_be_the_missing_one(contents, name):
    """The sizes are then read off others, so that nothing else looks wrong."""
    plan = find_plan(Checkpoint(contents[name]), part="generator")
    needed = {source.name for source in plan.sources.values()} | set(plan.read)
    for lost in sorted(needed - SIGNS):
        state, file = state_of(contents[name])
        del state[lost]
        found = find_plan(Checkpoint(file), part="generator")
        assert found.config == plan.config, lost
        assert str(compare(found)) == f"missing (1): {lost}"


def test_what_files_do_not_tell(contents):
    def assumed(name, part="generator"):
        return find_plan(Checkpoint(contents[name]), part=part).assumed

    mapping = {"mapping_rate": 0.01, "final_tanh": False}
    assert assumed("genforce_pggan_a") == {"final_tanh": False}
    assert assumed("genforce_stylegan_a") == mapping | {"fused_from": 128}
    assert assumed("interfacegan_stylegan_a") == mapping
    for name in ("interfacegan_pggan_a", "proggan_voynov_a", "proggan_netdissect_a"):
        assert assumed(name) == {}
    judges = {"deviation_group": 16, "average_first": False}
    assert assumed("genforce_pggan_a", "discriminator") == judges
    assert assumed("genforce_stylegan_a", "discriminator") == {"deviation_group": 4}
    alone = {"generator": contents["genforce_pggan_a"]["generator"]}
    plan = find_plan(Checkpoint(alone), part="generator")
    assert plan.assumed == {"final_tanh": False, "label_dim": 0}
    with pytest.raises(CheckpointError, match=r"holds a generator \(progan\)"):
        find_plan(Checkpoint(alone), part="discriminator")


@pytest.mark.parametrize("name", ["genforce_pggan_a", "genforce_stylegan_a"])
def test_wrapping_and_prefixes_change_nothing(contents, name):
    plain = built(contents[name])
    prefixed = {
        part: {f"module.{key}": tensor for key, tensor in state.items()}
        for part, state in contents[name].items()
    }
    for file in ({"models": prefixed}, prefixed["generator_smooth"]):
        found = built(file)
        assert found.config == plain.config
        assert same(found.params, plain.params)


# transposed convolutions


@pytest.mark.parametrize(
    ("name", "plain", "fused", "axes"),
    [
        ("genforce_pggan_a", "layer{}.weight", "layer{}.weight", (1, 0, 2, 3)),
        ("interfacegan_pggan_a", "layer{}.conv.weight", "layer{}.weight", (2, 3, 1, 0)),
        (
            "interfacegan_stylegan_a",
            "synthesis.layer{}.conv.weight",
            "synthesis.layer{}.weight",
            (2, 3, 1, 0),
        ),
    ],
)
def test_fused_kernels_are_recognised_by_how_they_are_stored(
    contents, name, plain, fused, axes
):
    whole = built(contents[name])
    state, file = state_of(contents[name])
    for index in (2, 4, 6):
        state[fused.format(index)] = state.pop(plain.format(index)).transpose(axes)
    found = built(file)
    change = {"fused_from": 8} if "stylegan" in name else {"fused_scale": True}
    assert found.config == dataclasses.replace(whole.config, **change)
    assert same(found.params, whole.params)


def test_fused_kernels_of_genforce_stylegan_are_told_by_the_user(contents):
    content = contents["genforce_stylegan_a"]
    found = built(content, config={"fused_from": 16})
    assert [one.fused for one in stylegan.layers(found.config)] == 4 * [0] + 4 * [1]
    assert same(found.params, built(content).params)


def test_square_kernels_leave_it_open_whether_they_are_fused(contents):
    state, file = state_of(contents["genforce_pggan_a"])
    kept = {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith(("layer6", "layer7", "output3"))
    }
    plan = find_plan(Checkpoint({"generator": kept}), part="generator")
    assert plan.config.resolution == 16
    assert plan.assumed["fused_scale"] is False
    assert "fused_scale" not in find_plan(Checkpoint(file), part="generator").assumed


# labels


def test_a_discriminator_tells_labels_from_codes(contents):
    file = contents["genforce_pggan_a"]
    judge = dict(file["discriminator"])
    judge["layer8.weight"] = np.ones((5, 16), np.float32)
    judge["layer8.bias"] = np.ones(5, np.float32)
    conditional = file | {"discriminator": judge}
    plan = find_plan(Checkpoint(conditional), part="generator")
    assert (plan.config.z_dim, plan.config.label_dim) == (20, 4)
    assert "label_dim" not in plan.assumed
    assemble(plan)
    found = find_plan(Checkpoint(conditional), part="discriminator")
    assert (found.config.label_dim, found.config.outputs) == (4, 5)
    assemble(found)
    told = built({"generator": file["generator"]}, config={"label_dim": 3})
    assert (told.config.z_dim, told.config.label_dim) == (21, 3)


def test_labels_and_rows_of_stylegan(contents):
    state, _ = state_of(contents["genforce_stylegan_a"])
    rng = np.random.default_rng(0)
    shapes = {
        "mapping.label_weight": (3, 24),
        "mapping.dense0.weight": (24, 48),
        "mapping.dense3.weight": (8 * 24, 24),
        "mapping.dense3.bias": (8 * 24,),
        "truncation.w_avg": (8 * 24,),
    }
    state |= {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    judge = dict(contents["genforce_stylegan_a"]["discriminator"])
    judge["layer8.weight"] = np.ones((3, 16), np.float32)
    judge["layer8.bias"] = np.ones(3, np.float32)
    file = {"generator": state, "discriminator": judge}
    config = built(file).config
    assert (config.z_dim, config.label_dim, config.repeat_w) == (24, 3, False)
    found = find_plan(Checkpoint(file), part="discriminator")
    assemble(found)
    assert (found.config.label_dim, found.config.outputs) == (3, 3)


# level of detail


def test_interfacegan_switches_levels_where_genforce_fades(contents):
    for name, key in (
        ("interfacegan_pggan_a", "lod"),
        ("interfacegan_stylegan_a", "synthesis.lod"),
    ):
        state, file = state_of(contents[name])
        state[key] = np.float32(0.25).reshape(())
        assert built(file).config.lod == 1
    state, file = state_of(contents["genforce_pggan_a"])
    state["lod"] = np.float32(0.25).reshape(())
    generator = built(file)
    assert generator.config.lod == 0.25
    assert {"output2", "output3"} < set(generator.params)
    assert built(file, config={"lod": 0.0}).config.lod == 0


@pytest.mark.parametrize("value", [-1.0, 3.5, np.nan])
def test_a_stored_level_that_does_not_exist_is_refused(contents, value):
    state, file = state_of(contents["genforce_pggan_a"])
    state["lod"] = np.float32(value).reshape(())
    with pytest.raises(CheckpointError, match=f"lod is {value}; 0 to 3 is accepted"):
        built(file)


def test_ports_hold_the_last_image_alone(contents):
    for name in ("proggan_voynov_a", "proggan_netdissect_a"):
        with pytest.raises(CheckpointError, match=r"missing \([23]\): output"):
            built(contents[name], config={"lod": 1.0})


def test_gains_of_the_file_are_kept(contents):
    plain = built(contents["proggan_voynov_a"])
    state, file = state_of(contents["proggan_voynov_a"])
    state["features.3.wscale.scale"] = 2 * state["features.3.wscale.scale"]
    changed = built(file)
    weight = plain.params["layer3"]["weight"]
    assert error(changed.params["layer3"]["weight"], 2 * np.asarray(weight)) <= 1e-6


def test_a_file_without_filters_has_the_usual_one(tmp_path, contents):
    state, _ = state_of(contents["interfacegan_stylegan_a"])
    kept = {name: v for name, v in state.items() if not name.endswith("kernel")}
    kept["truncation.truncation"] = np.ones((1, 8, 1), np.float32)
    (tmp_path / "file.pth").write_bytes(torch_zip(kept))
    config = converters.load(tmp_path / "file.pth").config
    assert np.allclose(
        np.array(config.filter) / np.sum(config.filter), [0.25, 0.5, 0.25]
    )
