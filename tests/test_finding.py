"""Several networks in a file: which one is taken, and what is said of it."""

import re

import numpy as np
import pytest
from helpers import GOLDEN, drawn, torch_state

import converters
from converters.checkpoints import Checkpoint
from converters.loading import find_plan
from converters.plans import assemble
from jaxlatent.networks.base import Network
from jaxlatent.networks.resnet import ResNet
from jaxlatent.networks.vgg import vgg
from jaxlatent.types import CheckpointError

SMALL = {"channels": (4, 4, 4, 4, 4)}


@pytest.fixture(scope="module")
def content():
    """Rosinality's file, with other weights in `g`."""
    found = converters.read(GOLDEN / "rosinality_stylegan2_a.pt").tensors
    other = {name: tensor + np.float32(1) for name, tensor in found["g"].items()}
    kernels = {k: v for k, v in found["g"].items() if k.endswith("kernel")}
    return {**found, "g": other | kernels}


@pytest.fixture(scope="module")
def classifier():
    image = np.zeros((1, 64, 64, 3), np.float32)
    return {
        name: torch_state(drawn(lambda key, m=m: Network.init(key, m, image), 0).params)
        for name, m in (
            ("resnet", ResNet(**SMALL, outputs=3)),
            ("vgg", vgg(11, **SMALL, outputs=None)),
        )
    }


def plan_of(content, part="generator", **options):
    return find_plan(Checkpoint(content), part=part, **options)


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("plain", "averaged"),
    [
        ("g", "g_ema"),
        ("params", "params_ema"),
        ("generator", "generator_smooth"),
        ("netG", "netG_EMA"),
        ("G", "Gs"),
        ("g", "g_running"),
        ("model", "swa_model"),
        ("online_model", "ema_model"),
    ],
)
def test_averaged_weights_are_taken_and_that_is_said(content, plain, averaged):
    for wrap in (
        lambda name, tensors: {name: tensors},
        lambda name, tensors: under(f"{name}.", tensors),
    ):
        file = wrap(plain, content["g"]) | wrap(averaged, content["g_ema"])
        plan = plan_of(file)
        assert plan.entry == averaged
        (guess,) = plan.guesses
        assert guess == (
            f"entry {averaged} was taken, averaged over training of several that fit, "
            f"and not {plain}; the argument entry takes another"
        )
        chosen = plan_of(file, entry=plain)
        assert (chosen.entry, chosen.guesses) == (plain, ())


def test_the_order_decides_with_a_warning_alone(content):
    file = {"G_AB": content["g"], "G_BA": content["g_ema"]}
    with pytest.warns(UserWarning, match="entry G_AB was taken, the first of several"):
        assert plan_of(file).entry == "G_AB"
    # the same weights twice are no question
    assert plan_of({"a": content["g"], "b": dict(content["g"])}).guesses == ()


@pytest.mark.parametrize(
    "lost", ["conv1.conv.modulation.weight", "conv1.conv.weight", "style.2.bias"]
)
def test_a_damaged_average_is_not_replaced_unseen(content, lost):
    broken = {k: v for k, v in content["g_ema"].items() if k != lost}
    with pytest.raises(CheckpointError, match=rf"missing \(1\): {re.escape(lost)}"):
        assemble(plan_of(content | {"g_ema": broken}))
    assert plan_of(content | {"g_ema": broken}, entry="g").entry == "g"


def test_the_mean_may_have_rows(content):
    mean = content["latent_avg"]
    for rows in (mean, mean[None], np.tile(mean, (8, 1)), np.tile(mean, (1, 8, 1))):
        file = {"state_dict": under("decoder.", content["g_ema"]), "latent_avg": rows}
        plan = plan_of(file)
        np.testing.assert_array_equal(plan.tensors["latent_avg"], mean)
        assert plan.guesses == ()
    file["latent_avg"] = np.stack([mean, mean + 2])
    plan = plan_of(file)
    np.testing.assert_allclose(plan.tensors["latent_avg"], mean + 1, rtol=1e-6)
    assert plan.guesses == ("the 2 rows of latent_avg differ; w_avg is their mean",)


def test_counters_and_dicts_beside_refuse_no_file(content):
    file = under("module.", content["g_ema"]) | {
        "n_averaged": np.array(7),
        "optimizer": {"state": {0: {"exp_avg": np.ones(3)}}, "mean": np.ones(3)},
    }
    plan = plan_of(file)
    assert not converters.inspect(Checkpoint(file)).mismatches["generator"]
    assert plan.entry == "module"
    # but nothing among the network's own tensors is overlooked
    file["module.convs.0.odd"] = np.ones(3, np.float32)
    assert converters.inspect(Checkpoint(file)).mismatches["generator"].extra == (
        "convs.0.odd",
    )


def test_inspect_lists_every_entry(content, classifier):
    unknown = {"a": np.ones(2), "b": np.ones(2)}
    file = dict(content) | {"clf": classifier["resnet"], "x": unknown}
    assert converters.inspect(Checkpoint(file)).entries == {
        "g": "generator: stylegan2 (rosinality)",
        "g_ema": "generator: stylegan2 (rosinality)",
        "d": "discriminator: stylegan2 (rosinality)",
        "clf": "network: resnet (torchvision)",
        "x": "2 tensors that no layout knows",
    }


def test_a_loss_is_not_what_a_file_is_about(classifier):
    file = {
        "state_dict": under("loss.vgg.", classifier["vgg"])
        | under("model.", classifier["resnet"])
    }
    plan = plan_of(file, "network")
    assert (plan.family, plan.entry) == ("resnet", "state_dict.model")
    assert "and not state_dict.loss.vgg" in plan.guesses[0]
    assert plan_of(file, "network", entry="loss").family == "vgg"


def test_what_no_layout_knows_is_quoted_with_what_is_nearest(content):
    renamed = {
        name.replace("conv1.conv.modulation", "conv1.conv.mod"): tensor
        for name, tensor in content["g_ema"].items()
    }
    with pytest.raises(CheckpointError) as caught:
        plan_of({"netG": renamed})
    for words in (
        "no known layout has these tensors; entry netG holds 71 tensors: ",
        "style.1.weight [32, 32]",
        "the nearest is StyleGAN2 as rosinality's",
        "but conv1.conv.modulation.weight is missing",
    ):
        assert words in str(caught.value)
    with pytest.raises(CheckpointError) as caught:
        plan_of({f"\x1b[3{i}m{'x' * 500}": np.ones(2) for i in range(99)})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000
