"""Classifiers whose last layers are their users' own."""

import jax
import numpy as np
import pytest
from helpers import drawn, torch_state

from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from converters.plans import assemble
from jaxlatent.networks.alexnet import AlexNet
from jaxlatent.networks.base import Network
from jaxlatent.networks.resnet import ResNet
from jaxlatent.networks.squeezenet import SqueezeNet
from jaxlatent.networks.vgg import vgg
from jaxlatent.types import CheckpointError

SMALL = {"channels": (4, 4, 4, 4, 4)}
MODULES = {
    "resnet": (ResNet(**SMALL, outputs=3), "fc"),
    "vgg": (vgg(11, **SMALL, hidden=(5, 6), outputs=3), "classifier.6"),
    "alexnet": (AlexNet(**SMALL, hidden=(5, 6), outputs=3), "classifier.6"),
    "squeezenet": (
        SqueezeNet(channels=5, fires=((2, 3, 4),) * 8, outputs=3),
        "classifier.1",
    ),
}
each = pytest.mark.parametrize("family", MODULES)


@pytest.fixture(scope="module")
def states():
    image = np.zeros((1, 64, 64, 3), np.float32)
    return {
        name: torch_state(drawn(lambda key, m=m: Network.init(key, m, image), 0).params)
        for name, (m, _) in MODULES.items()
    }


def plan_of(content, **options):
    return find_plan(Checkpoint(content), part="network", **options)


def same(left, right):
    return jax.tree.all(jax.tree.map(np.array_equal, left, right))


def split(state, head):
    """The tensors of the trunk, and of the last layer by leaf."""
    last = {
        k.removeprefix(f"{head}."): v
        for k, v in state.items()
        if k.startswith(f"{head}.")
    }
    return {k: v for k, v in state.items() if not k.startswith(f"{head}.")}, last


@each
def test_one_layer_of_any_name(states, family):
    state, head = states[family], MODULES[family][1]
    expected = assemble(plan_of(state))
    trunk, last = split(state, head)
    for name in (f"{head}.1", f"{head}.0.2.fc"):
        renamed = trunk | {f"{name}.{leaf}": value for leaf, value in last.items()}
        plan = plan_of(renamed)
        assert plan.config == MODULES[family][0]
        assert same(assemble(plan), expected)


@pytest.mark.parametrize("name", ["head", "classifier.1", "last_linear", "net.out.fc"])
def test_a_layer_beside_the_trunk(states, name):
    trunk, last = split(states["resnet"], "fc")
    expected = assemble(plan_of(states["resnet"]))
    beside = {f"{name}.{leaf}": value for leaf, value in last.items()}
    for content in (
        trunk | beside,
        {f"backbone.{k}": v for k, v in trunk.items()} | beside,
        {"backbone": trunk, "rest": beside},
    ):
        plan = plan_of(content)
        assert same(assemble(plan), expected)
        assert all("is taken for its last layer" in guess for guess in plan.guesses)


def test_a_trunk_alone_says_so(states):
    trunk, _ = split(states["resnet"], "fc")
    plan = plan_of({"state_dict": {f"net.{k}": v for k, v in trunk.items()}})
    assert plan.config.outputs is None
    assert plan.guesses[0].startswith("no last layer is there")


@pytest.mark.parametrize("beside", [False, True])
def test_several_layers_are_refused_in_words(states, beside):
    trunk, last = split(states["resnet"], "fc")
    head = {f"top.0.{leaf}": value for leaf, value in last.items()}
    head |= {"top.3.weight": np.ones((2, 3), np.float32), "top.3.bias": np.ones(2)}
    content = {f"backbone.{k}": v for k, v in trunk.items()} if beside else trunk
    with pytest.raises(
        CheckpointError, match=r"2 layers \(top\.0\.weight, top\.3\.weight\)"
    ):
        plan_of(content | head)
    plan = plan_of(content | head, config={"outputs": None})
    assert assemble(plan).keys().isdisjoint({"fc"})


def test_dense_layers_of_one_and_two(states):
    trunk = {k: v for k, v in states["vgg"].items() if k.startswith("features")}
    one = {
        "classifier.weight": np.ones((2, 4 * 49), np.float32),
        "classifier.bias": np.ones(2, np.float32),
    }
    plan = plan_of(trunk | one)
    assert (plan.config.hidden, plan.config.outputs) == ((), 2)
    network = Network(assemble(plan), plan.config)
    image = np.zeros((1, 64, 64, 3), np.float32)
    # every weight and the bias are one
    pooled = np.asarray(network.features(image, names=("avgpool",))["avgpool"])
    np.testing.assert_allclose(
        network(image), np.full((1, 2), pooled.sum() + 1), rtol=1e-4
    )
    two = {
        "classifier.0.weight": np.ones((5, 4 * 49), np.float32),
        "classifier.3.weight": np.ones((2, 5), np.float32),
    }
    with pytest.raises(CheckpointError, match="a head of 2 layers"):
        plan_of(trunk | two)
