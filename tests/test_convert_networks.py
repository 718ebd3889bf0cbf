"""Networks are told apart, misfits are named, and the command scores with them all."""

import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import GOLDEN, drawn, ok, torch_state
from writer import safetensors, torch_zip

import converters
from converters.checkpoints import Checkpoint
from converters.entries import entries
from converters.finding import candidates
from converters.loading import LAYOUTS, find_plan
from converters.plans import assemble
from jaxlatent.generators.base import Generator
from jaxlatent.networks.alexnet import AlexNet
from jaxlatent.networks.base import Network
from jaxlatent.networks.emonet import EmoNet
from jaxlatent.networks.memnet import MemNet
from jaxlatent.networks.reconstructors import PairLeNet, PairResNet
from jaxlatent.networks.resnet import ResNet
from jaxlatent.networks.squeezenet import SqueezeNet
from jaxlatent.networks.vgg import vgg
from jaxlatent.types import CheckpointError

FIVE = (4, 4, 4, 4, 4)
MODULES = {
    "resnet": ResNet(channels=FIVE, outputs=3),
    "resnet of bottlenecks": ResNet(
        blocks=(3, 4, 6, 3), bottleneck=True, channels=FIVE, outputs=None
    ),
    "resnet of pairs": ResNet(channels=FIVE, outputs=2, input_channels=6, mean=None),
    "vgg": vgg(16, channels=FIVE, hidden=(5, 6), outputs=3),
    "vgg of 19": vgg(19, channels=FIVE, outputs=None),
    "vgg of 11": vgg(11, channels=FIVE, outputs=None),
    "alexnet": AlexNet(channels=FIVE, hidden=(5, 6), outputs=3),
    "alexnet without a head": AlexNet(channels=FIVE, outputs=None),
    "squeezenet": SqueezeNet(channels=5, fires=((2, 3, 4),) * 8, outputs=3),
    "memnet": MemNet(channels=FIVE, hidden=(5, 6)),
    "reconstructors": PairResNet(3, channels=FIVE),
    "reconstructors, small": PairLeNet(3, image_channels=1),
}
# a tensor to leave out, and one to bend
BROKEN = {
    "resnet": ("layer3.1.bn2.running_var", "layer1.0.conv1.weight"),
    "resnet of bottlenecks": ("conv1.weight", "layer4.2.bn3.bias"),
    "vgg": ("features.0.weight", "classifier.3.bias"),
    "alexnet": ("features.3.weight", "features.8.bias"),
    "squeezenet": ("features.9.squeeze.weight", "features.0.bias"),
    "memnet": ("conv3.weight", "fc6.bias"),
    "reconstructors": ("type_estimator.bias", "features_extractor.conv1.weight"),
    "reconstructors, small": ("convnet.0.weight", "fc_shift.1.running_mean"),
}
each = pytest.mark.parametrize("name", MODULES)


@functools.cache
def drawn_params(name):
    module = MODULES[name]
    pairs = name.startswith("reconstructors")
    channels = getattr(module, "image_channels", getattr(module, "input_channels", 3))
    images = jnp.zeros((1, 64, 64, channels))
    inputs = (images, images) if pairs else (images,)
    if pairs and "small" in name:
        inputs = (images[:, :32, :32],) * 2
    return drawn(lambda key: Network.init(key, module, *inputs), 0).params


def state(name):
    return torch_state(drawn_params(name))


@each
def test_networks_are_told_apart(name):
    plan = find_plan(Checkpoint(state(name)), part="network")
    assert plan.family == name.split()[0].rstrip(",")
    assert plan.config == MODULES[name]
    params = assemble(plan)
    expected = drawn_params(name)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, expected)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        # dense layers behind maps count their inputs otherwise
        if path[-1].key in ("bias", "running_var", "scale") or leaf.ndim == 4:
            theirs = expected
            for entry in path:
                theirs = theirs[entry.key]
            np.testing.assert_array_equal(leaf, theirs)


def takers(checkpoint, part):
    """The modules that take a file for one of theirs."""
    modules = [module for group in LAYOUTS.values() for module in group]
    found = candidates(entries(Checkpoint(checkpoint)), modules, part)
    return [one.plan.family for one in found if one.plan and one.recognised]


@each
def test_no_network_is_a_generator(name):
    assert takers(state(name), "generator") == []
    assert takers(state(name), "discriminator") == []


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*_a.p[tk]*")), ids=str)
def test_no_generator_is_a_network(path):
    known = {
        "torchvision_vgg16_a.pth": ["vgg"],
        "torchvision_squeezenet1_1_a.pth": ["squeezenet"],
        "ganalyze_emonet_a.pth.tar": ["emonet"],
    }
    assert takers(converters.read(path).tensors, "network") == known.get(path.name, [])


@pytest.mark.parametrize("name", BROKEN)
def test_one_error_names_what_is_missing_extra_and_misshapen(name):
    tensors = state(name)
    missing, bent = BROKEN[name]
    del tensors[missing]
    shape = tensors[bent].shape
    tensors[bent] = np.ones((shape[0] + 1, *shape[1:]), np.float32)
    tensors["odd.weight"] = np.ones(2, np.float32)
    with pytest.raises(CheckpointError) as caught:
        assemble(find_plan(Checkpoint(tensors), part="network"))
    told = str(caught.value)
    assert f"missing (1): {missing}; extra (1): odd.weight; misshapen (1): " in told
    assert f"{bent} is {(shape[0] + 1, *shape[1:])}, not {shape}" in told


@pytest.mark.parametrize("wrapping", ["state_dict", "model"])
def test_wrapped_files_and_prefixes(wrapping):
    plain = find_plan(Checkpoint(state("resnet")), part="network")
    prefixed = {f"module.{k}": v for k, v in state("resnet").items()}
    found = find_plan(Checkpoint({wrapping: prefixed, "epoch": 3}), part="network")
    assert found.config == plain.config
    jax.tree.map(np.testing.assert_array_equal, assemble(found), assemble(plain))


def test_a_last_layer_may_be_called_otherwise():
    renamed = {k.replace("fc.", "last_linear."): v for k, v in state("resnet").items()}
    found = assemble(find_plan(Checkpoint(renamed), part="network"))
    plain = assemble(find_plan(Checkpoint(state("resnet")), part="network"))
    jax.tree.map(np.testing.assert_array_equal, found, plain)


def test_what_a_file_does_not_tell_is_assumed_and_overridden():
    plan = find_plan(Checkpoint(state("vgg")), part="network")
    assert set(plan.assumed) == {"mean", "std", "resize"}
    assert not any("num_batches" in name for name in plan.sources)
    changes = {"mean": [0.5, 0.5, 0.5], "resize": 32}
    plan = find_plan(Checkpoint(state("vgg")), part="network", config=changes)
    assert set(plan.assumed) == {"std"}
    assert (plan.config.mean, plan.config.resize) == ((0.5,) * 3, 32)


def test_emonet_is_not_taken_for_a_resnet():
    plan = find_plan(
        converters.read(GOLDEN / "ganalyze_emonet_a.pth.tar"),
        part="network",
    )
    assert (plan.family, type(plan.config)) == ("emonet", EmoNet)


def test_a_network_like_emonet_is_not_taken_for_it():
    state = converters.read(GOLDEN / "ganalyze_emonet_a.pth.tar").tensors["state_dict"]
    bare = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    plan = find_plan(Checkpoint({"state_dict": bare}), part="network")
    assert plan.family == "resnet"
    assert "family = emonet takes it" in plan.guesses[0]
    named = find_plan(Checkpoint(bare), part="network", family="emonet")
    assert (type(named.config), named.guesses) == (EmoNet, ())
    own = find_plan(Checkpoint(state), part="network")
    assert own.family == "emonet"
    assert "family = resnet reads it" in own.guesses[0]
    other = find_plan(Checkpoint(state), part="network", family="resnet")
    assert (other.family, other.config.outputs) == ("resnet", 1)


@pytest.mark.usefixtures("workplace")
def test_the_command_scores_with_all_of_them(tmp_path):
    files = [GOLDEN / "torchvision_squeezenet1_1_a.pth"]
    names = ("resnet", "vgg", "alexnet")
    for name in names:
        files.append(tmp_path / f"{name}.pth")
        files[-1].write_bytes(torch_zip(state(name)))
    scorers = [word for file in files for word in ("--scorer", file)]
    ok("score", "test_convert_networks:flats", "--samples", 2, *scorers, "--out", "a")
    with np.load(Path("a/scores.npz"), allow_pickle=False) as table:
        assert any(table[key].shape == (2, 10 + 3 * 3) for key in table.files)


def flat(params, z):
    return jnp.broadcast_to(jnp.tanh(z)[:, None, None, :], (len(z), 64, 64, 3))


def flats():
    """Pictures of one colour, 64 x 64."""
    return Generator.from_functions(flat, z_dim=3)


def test_a_description_tells_the_colours(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(safetensors(state("resnet")))
    plain = find_plan(converters.read(tmp_path), part="network")
    assert set(plain.assumed) == {"mean", "std", "resize"}
    half = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 1]}
    for values, given in ((half, ()), ({"std": half["std"]}, ("mean",))):
        text = json.dumps({"architecture": "resnet18", "pretrained_cfg": values})
        (tmp_path / "config.json").write_text(text)
        found = find_plan(converters.read(tmp_path), part="network")
        assert found.config.std == (0.25, 0.5, 1.0)
        assert (found.config.mean == plain.config.mean) == bool(given)
        assert set(found.assumed) == {"resize", *given}
    changed = find_plan(
        converters.read(tmp_path), part="network", config={"std": (1, 1, 1)}
    )
    assert changed.config.std == (1, 1, 1)
    for wrong in ([1, 2], "0.5", [1, 2, "3"], [1, 2, float("inf")], {"a": 1}):
        text = json.dumps({"pretrained_cfg": {"mean": wrong}})
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match=r"pretrained_cfg: mean: .* accepted"):
            converters.load(tmp_path, part="network")
