"""Known tensors in whatever wrapping, and what is no tensor at all."""

import numpy as np
import pytest
from helpers import GOLDEN
from mutants import mutant

import converters
from converters.checkpoints import Checkpoint
from converters.entries import Entry, entries, flatten
from converters.loading import find_plan
from converters.plans import assemble
from jaxlatent.types import CheckpointError


def state(*names):
    return {name: np.full((2, 3), i, np.float32) for i, name in enumerate(names)}


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


PLAIN = state("conv.weight", "conv.bias", "fc.weight")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (PLAIN, ""),
        ({"state_dict": PLAIN, "epoch": 3}, "state_dict"),
        (under("module.", PLAIN), "module"),
        ({"a": {"b": {"c": under("model.", PLAIN)}}}, "a.b.c.model"),
        (under("_orig_mod.", PLAIN), ""),
        (under("module._orig_mod.", PLAIN), "module"),
        (under("decoder.", PLAIN) | state("encoder.x", "encoder.y"), "decoder"),
        ([state("d.x", "d.y"), PLAIN], "1"),
    ],
)
def test_a_network_is_found_in_any_wrapping(content, name):
    found = [
        entry for entry in entries(Checkpoint(content)) if entry.tensors == dict(PLAIN)
    ]
    assert [entry.name for entry in found] == [name]


def test_entries_around_others_come_first():
    names = [entry.name for entry in entries(Checkpoint({"a": under("b.c.", PLAIN)}))]
    assert names == ["", "a", "a.b", "a.b.c", "a.b.c.conv"]


def test_wrappers_around_parts_fall_away():
    inside = {
        "features.module.0.weight": PLAIN["conv.weight"],
        "fc.weight": PLAIN["fc.weight"],
    }
    shown = [
        set(entry.tensors) for entry in entries(Checkpoint(inside)) if not entry.name
    ]
    assert shown == [set(inside), {"features.0.weight", "fc.weight"}]


def test_a_name_chooses_entries():
    content = {"g": PLAIN, "g_ema": PLAIN, "models": {"generator": PLAIN}}

    def chosen(name):
        return {entry.name for entry in entries(Checkpoint(content), name)}

    assert chosen("g") == {"g", "g.conv"}
    assert chosen("generator") == {"models.generator", "models.generator.conv"}
    assert chosen("") == {""}
    message = (
        r"^entry: zzz given; one of g, g_ema, models\.generator, models is accepted"
    )
    with pytest.raises(ValueError, match=message):
        chosen("zzz")


def test_what_lies_beside():
    mean, other = np.ones(3, np.float32), state("x.a", "x.b")
    content = {"nets": {"G": PLAIN, "D": under("module.", other)}, "mean": mean}
    (entry,) = (one for one in entries(Checkpoint(content)) if one.name == "nets.G")
    assert entry.near("mean") is mean
    assert entry.near("nothing") is None
    # what all names of a neighbour begin with is no part of them
    assert list(entry.siblings()) == [{"a": other["x.a"], "b": other["x.b"]}]
    alone = Entry(PLAIN)
    assert (list(alone.siblings()), alone.near("fc.weight")) == ([], PLAIN["fc.weight"])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3, "a number, not a tensor"),
        ([1, 2], "a list, not a tensor"),
        ({"a": 1}, "a dict, not a tensor"),
        (np.zeros((0, 3)), r"empty, \(0, 3\)"),
        (np.array([None]), "of object, not of numbers"),
        (np.ones(2, complex), "of complex128, not of numbers"),
    ],
)
def test_what_is_no_tensor_is_named(value, kind):
    content = converters.read(GOLDEN / "rosinality_stylegan2_a.pt").tensors
    content = {"g_ema": {**content["g_ema"], "style.2.bias": value}}
    plan = find_plan(Checkpoint(content), part="generator")
    message = rf"misshapen \(1\): style\.2\.bias is {kind}$"
    with pytest.raises(CheckpointError, match=message):
        assemble(plan)


def test_keys_numbers_and_names_that_lie():
    content = dict(PLAIN) | {
        5: np.ones(2),
        "layer.9999999999.weight": np.ones(2),
        "layer1234567.weight": np.ones(2),
        "b1024.conv1.weight": np.ones(2),
        "x" * 2000: np.ones(2),
        "n." + "9" * 5000: np.ones(2),
    }
    found = flatten(Checkpoint(content))
    assert set(found.tensors) == {*PLAIN, "b1024.conv1.weight"}
    assert found.unusable["5"] == "under a key that is no text"
    assert found.unusable["layer.9999999999.weight"].startswith("numbered beyond what")


@pytest.mark.parametrize("content", [[], {}, {"a": 1}, 3, None, {"a": {"b": []}}])
def test_files_without_tensors_are_refused(content):
    with pytest.raises(CheckpointError, match="the file holds"):
        flatten(Checkpoint(content))


def test_long_and_deep_files_stay_small():
    deep = PLAIN
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(CheckpointError):
        flatten(Checkpoint(deep))
    many = {f"{'a.' * 200}{i}": PLAIN["conv.weight"] for i in range(3000)}
    assert len(entries(Checkpoint(many))) <= 1000


FILES = [
    *("ajbrock_biggan_a.pth", "ajbrock_biggan_d.pth", "ganalyze_biggan_a.pth"),
    *("genforce_pggan_a.pth", "genforce_stylegan2_a.pth", "genforce_stylegan_a.pth"),
    *("hf_biggan_deep_a/pytorch_model.bin", "interfacegan_pggan_a.pth", "sngan_a.pt"),
    *("interfacegan_stylegan_a.pth", "proggan_netdissect_a.pth", "stylegan3_a.pkl"),
    *("proggan_voynov_a.pth", "rosinality_stylegan2_a.pt", "stylegan2_ada_a.pkl"),
    *("torchvision_squeezenet1_1_a.pth", "torchvision_vgg16_a.pth"),
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore:entry .* was taken")
def test_state_dicts_that_lie_load_or_are_refused_in_one_line(name):
    content = converters.read(GOLDEN / name).tensors
    part = "network" if name.startswith("torchvision") else "generator"
    for seed in range(6):
        told = outcome(mutant(content, seed), part)
        assert told.isprintable()
        assert len(told) < 20_000


def outcome(content, part):
    """The words with which a file is refused, none if it loads."""
    try:
        assemble(find_plan(Checkpoint(content), part=part))
    except CheckpointError as error:
        return str(error)
    return ""
