import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, nhwc

from converters import lenet, sequential
from converters.entries import Entry
from converters.plans import assemble
from jaxlatent.generators.base import Discriminator, Generator
from jaxlatent.generators.sequential import init
from jaxlatent.networks.base import Network
from jaxlatent.networks.lenet import LeNet
from jaxlatent.types import CheckpointError

TOLERANCE = 2e-5
KEY = jax.random.key(0)

MLP = {"0.weight": (256, 64), "2.weight": (256, 256), "4.weight": (784, 256)}
CRITIC = {"0.weight": (256, 784), "2.weight": (256, 256), "4.weight": (1, 256)}
VAE = {
    "fc1.weight": (400, 784),
    "fc21.weight": (20, 400),
    "fc22.weight": (20, 400),
    "fc3.weight": (400, 20),
    "fc4.weight": (784, 400),
}
DCGAN_CRITIC = {
    "main.0.weight": (64, 1, 4, 4),
    "main.2.weight": (128, 64, 4, 4),
    "main.5.weight": (256, 128, 4, 4),
    "main.8.weight": (1, 256, 4, 4),
}
LENET = {
    "convnet.c1.weight": (6, 1, 5, 5),
    "convnet.c3.weight": (16, 6, 5, 5),
    "convnet.c5.weight": (120, 16, 5, 5),
    "fc.f6.weight": (84, 120),
    "fc.f7.weight": (10, 84),
}


def tensors(weights, *, biases=True):
    """Random tensors of these shapes, and a bias for each."""
    rng = np.random.default_rng(0)
    made = {}
    for name, shape in weights.items():
        scale = np.prod(shape[1:]) ** -0.5
        made[name] = rng.normal(0, scale, shape).astype(np.float32)
        if biases:
            bias = rng.normal(0, 0.1, shape[0])
            made[name.replace("weight", "bias")] = bias.astype(np.float32)
    return made


def dcgan_critic():
    made = tensors(DCGAN_CRITIC, biases=False)
    rng = np.random.default_rng(1)
    for name, channels in (("main.3", 128), ("main.6", 256)):
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            values = rng.uniform(0.5, 1.5, channels)
            made[f"{name}.{tensor}"] = values.astype(np.float32)
        made[f"{name}.num_batches_tracked"] = np.asarray(7)
    return made


def convert(checkpoint, part, config=None):
    plan = sequential.plan(Entry(checkpoint), part=part, config=config)
    assert plan is not None
    build = Generator if part == "generator" else Discriminator
    return build(assemble(plan), plan.config)


def test_mnist_generator():
    state = tensors(MLP)
    generator = convert(state, "generator")
    z = generator.sample(jax.random.key(0), 3)
    x = np.asarray(z)
    for layer in ("0", "2"):
        x = np.maximum(x @ state[f"{layer}.weight"].T + state[f"{layer}.bias"], 0)
    x = np.tanh(x @ state["4.weight"].T + state["4.bias"]).reshape(3, 28, 28, 1)
    assert error(generator.synthesize(z), x) < TOLERANCE
    assert generator.features(z, names=["1"])["1"].shape == (3, 256)


def test_vae_decoder_comes_out_in_the_signed_range():
    state = tensors(VAE)
    decoder = convert(state, "generator")
    z = decoder.sample(jax.random.key(0), 3)
    hidden = np.maximum(np.asarray(z) @ state["fc3.weight"].T + state["fc3.bias"], 0)
    logits = hidden @ state["fc4.weight"].T + state["fc4.bias"]
    image = (2 / (1 + np.exp(-logits)) - 1).reshape(3, 28, 28, 1)
    assert error(decoder.synthesize(z), image) < TOLERANCE


def test_mnist_discriminator_gives_logits():
    state = tensors(CRITIC)
    discriminator = convert(state, "discriminator")
    images = jax.random.uniform(jax.random.key(0), (3, 28, 28, 1), minval=-1.0)
    x = np.asarray(images).reshape(3, 784)
    for layer in ("0", "2"):
        x = x @ state[f"{layer}.weight"].T + state[f"{layer}.bias"]
        x = np.where(x > 0, x, 0.2 * x)
    x = x @ state["4.weight"].T + state["4.bias"]
    assert error(discriminator(images), x) < TOLERANCE


def test_converted_parameters_have_the_tree_of_fresh_ones():
    for state, part in ((tensors(MLP), "generator"), (dcgan_critic(), "discriminator")):
        plan = sequential.plan(Entry(state), part=part, config=None)
        assert plan is not None
        fresh = jax.eval_shape(functools.partial(init, config=plan.config), KEY)
        assert jax.tree.map(jnp.shape, assemble(plan)) == jax.tree.map(jnp.shape, fresh)


def test_plans_say_what_was_assumed():
    plan = sequential.plan(Entry(tensors(VAE)), part="generator", config=None)
    assert plan is not None
    assert set(plan.assumed) == {"layers", "image_range"}
    assert plan.family == "sequential"
    assert plan.config.to_json()["layers"] == plan.assumed["layers"]
    changed = {"image_range": [-1, 1]}
    plan = sequential.plan(Entry(tensors(VAE)), part="generator", config=changed)
    assert plan is not None
    assert set(plan.assumed) == {"layers"}
    assert plan.config.image_range == (-1, 1)


@pytest.mark.parametrize(
    ("checkpoint", "part"),
    [
        ({}, "generator"),
        (tensors(CRITIC), "generator"),
        (tensors(MLP), "discriminator"),
        (tensors(MLP), "network"),
        (tensors(MLP | {"4.weight": (3072, 256)}), "generator"),
        (tensors(MLP | {"6.weight": (784, 784)}), "generator"),
    ],
)
def test_files_of_other_formats(checkpoint, part):
    changes = {"resolution": 256}
    assert sequential.plan(Entry(checkpoint), part=part, config=changes) is None
    assert lenet.plan(Entry(checkpoint), part=part, config=changes) is None


def test_unknown_changes_are_refused():
    with pytest.raises(ValueError, match="resolution"):
        sequential.plan(
            Entry(tensors(MLP)), part="generator", config={"resolution": 256}
        )
    with pytest.raises(ValueError, match="resolution"):
        lenet.plan(Entry(tensors(LENET)), part="network", config={"resolution": 256})


def test_every_misfit_of_a_described_file_is_named():
    description = {
        "z_dim": 64,
        "layers": [
            {"kind": "linear", "name": "0", "features": 256},
            {"kind": "linear", "name": "3", "features": 4},
            {"kind": "unflatten", "name": "view", "shape": [2, 2, 1]},
        ],
    }
    state = tensors({"0.weight": (256, 32), "2.weight": (4, 256)})
    plan = sequential.plan(Entry(state), part="generator", config=description)
    assert plan is not None
    with pytest.raises(CheckpointError) as caught:
        assemble(plan)
    for words in (
        "missing (2): 3.bias, 3.weight",
        "extra (2): 2.weight, 2.bias",
        "0.weight is (256, 32), not (256, 64)",
    ):
        assert words in str(caught.value)


def test_lenet_is_a_rename():
    state = tensors(LENET)
    plan = lenet.plan(Entry(state), part="network", config=None)
    assert plan is not None
    assert dict(plan.assumed) == {"fit": "pad"}
    params = assemble(plan)
    np.testing.assert_array_equal(
        params["c3"]["kernel"], state["convnet.c3.weight"].transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(params["f6"]["bias"], state["fc.f6.bias"])
    images = jnp.zeros((1, 32, 32, 1))
    fresh = jax.eval_shape(lambda key: Network.init(key, LeNet(), images), KEY).params
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, fresh)


def test_lenet_lacking_a_tensor_or_misshapen():
    state = tensors(LENET)
    state["fc.f7.weight"] = state["fc.f7.weight"][:5]
    plan = lenet.plan(Entry(state), part="network", config={"fit": "bilinear"})
    assert plan is not None
    assert not plan.assumed
    with pytest.raises(CheckpointError, match=r"fc.f7.weight is \(5, 84\), not \(10"):
        assemble(plan)
    del state["fc.f7.weight"]
    assert lenet.plan(Entry(state), part="network", config=None) is None


# --- PyTorch as the oracle ---


def layer(kind, name, **fields):
    return {"kind": kind, "name": name, **fields}


DCGAN_LAYERS = [
    layer("unflatten", "view", shape=[1, 1, 10]),
    layer("transposed_convolution", "0", features=16, kernel=4, bias=False),
    layer("batch_norm", "1"),
    layer("activation", "2", function="relu"),
    layer("transposed_convolution", "3", features=8, kernel=4, stride=2, padding=1),
    layer("batch_norm", "4", affine=False),
    layer("activation", "5", function="leaky_relu", slope=0.2),
    layer(
        "transposed_convolution",
        "6",
        features=6,
        kernel=3,
        stride=2,
        padding=1,
        output_padding=1,
    ),
    layer("activation", "7", function="elu"),
    layer("upsample", "8"),
    layer("convolution", "9", features=3, kernel=3, padding=1),
    layer("activation", "10", function="tanh"),
]
DECODER_LAYERS = [
    layer("linear", "0", features=48),
    layer("batch_norm", "1"),
    layer("activation", "2", function="selu"),
    layer("unflatten", "3", shape=[3, 4, 4]),
    layer("convolution", "4", features=5, kernel=3, stride=2, padding=1),
    layer("activation", "5", function="silu"),
    layer("pool", "6", mode="max", kernel=3, stride=1, padding=1),
    layer("pool", "7", mode="mean", kernel=2, stride=1, padding=1),
    layer("flatten", "8"),
    layer("linear", "9", features=24),
    layer("activation", "10", function="gelu"),
    layer("unflatten", "11", shape=[2, 4, 3]),
    layer("activation", "12", function="softplus"),
]


def torch_dcgan():
    from torch import nn

    return nn.Sequential(
        nn.ConvTranspose2d(10, 16, 4, 1, 0, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1),
        nn.BatchNorm2d(8, affine=False),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(8, 6, 3, 2, 1, output_padding=1),
        nn.ELU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(6, 3, 3, 1, 1),
        nn.Tanh(),
    )


def torch_decoder():
    from torch import nn

    return nn.Sequential(
        nn.Linear(10, 48),
        nn.BatchNorm1d(48),
        nn.SELU(),
        nn.Unflatten(1, (4, 3, 4)),
        nn.Conv2d(4, 5, 3, 2, 1),
        nn.SiLU(),
        nn.MaxPool2d(3, 1, 1),
        nn.AvgPool2d(2, 1, 1),
        nn.Flatten(),
        nn.Linear(45, 24),
        nn.GELU(),
        nn.Unflatten(1, (3, 2, 4)),
        nn.Softplus(),
    )


def state_of(module):
    """NumPy tensors of a module in evaluation mode, its statistics drawn at random."""
    import torch

    torch.manual_seed(0)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            torch.nn.init.uniform_(buffer, -0.5, 0.5)
        if name.endswith("running_var"):
            torch.nn.init.uniform_(buffer, 0.5, 1.5)
    module.eval()
    return {name: value.numpy() for name, value in module.state_dict().items()}


@pytest.mark.torch
@pytest.mark.parametrize(
    ("build", "layers", "rank"),
    [(torch_dcgan, DCGAN_LAYERS, 4), (torch_decoder, DECODER_LAYERS, 2)],
)
def test_described_generators_match_torch(build, layers, rank):
    import torch

    module = build()
    description = {"z_dim": 10, "layers": layers}
    generator = convert(state_of(module), "generator", description)
    z = np.asarray(generator.sample(jax.random.key(0), 4))
    with torch.no_grad():
        fed = torch.from_numpy(z.reshape(4, 10, *(1,) * (rank - 2)).copy())
        images = nhwc(module(fed).numpy())
        third = module[:3](fed).numpy().reshape(4, -1)
    assert error(generator.synthesize(z), images, recording="sequential") < TOLERANCE
    ours = generator.features(z, names=["2"])["2"]
    ours = ours if rank == 2 else ours.transpose(0, 3, 1, 2).reshape(4, -1)
    assert error(ours, third, recording="sequential") < TOLERANCE


@pytest.mark.torch
def test_dcgan_discriminator_matches_torch():
    import torch
    from torch import nn

    def halving(channels, features):
        return nn.Conv2d(channels, features, 4, 2, 1, bias=False)

    module = nn.Module()
    module.main = nn.Sequential(
        halving(1, 64),
        nn.LeakyReLU(0.2),
        halving(64, 128),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        halving(128, 256),
        nn.BatchNorm2d(256),
        nn.LeakyReLU(0.2),
        halving(256, 1),
    )
    state = dcgan_critic()
    module.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    module.eval()
    discriminator = convert(state, "discriminator")
    images = jax.random.uniform(jax.random.key(0), (4, 28, 28, 1), minval=-1.0)
    with torch.no_grad():
        fed = torch.from_numpy(np.moveaxis(np.asarray(images), -1, 1).copy())
        logits = module.main(fed).numpy().reshape(4, 1)
    assert error(discriminator(images), logits, recording="sequential") < TOLERANCE


@pytest.mark.torch
@pytest.mark.parametrize("fit", ["pad", "bilinear"])
def test_lenet_matches_torch(fit):
    import torch
    from torch.nn import functional as F

    state = tensors(LENET)
    plan = lenet.plan(Entry(state), part="network", config={"fit": fit})
    assert plan is not None
    images = jax.random.uniform(jax.random.key(0), (4, 28, 28, 1), minval=-1.0)
    scores = Network(assemble(plan), plan.config)(images)

    t = {name: torch.from_numpy(value) for name, value in state.items()}
    x = torch.from_numpy(np.moveaxis(np.asarray(images), -1, 1).copy() / 2 + 0.5)
    x = F.pad(x, (2, 2, 2, 2)) if fit == "pad" else F.interpolate(x, (32, 32), mode=fit)
    for name in ("c1", "c3"):
        weight, bias = t[f"convnet.{name}.weight"], t[f"convnet.{name}.bias"]
        x = F.max_pool2d(F.relu(F.conv2d(x, weight, bias)), 2)
    x = F.relu(F.conv2d(x, t["convnet.c5.weight"], t["convnet.c5.bias"])).flatten(1)
    x = F.relu(F.linear(x, t["fc.f6.weight"], t["fc.f6.bias"]))
    x = F.log_softmax(F.linear(x, t["fc.f7.weight"], t["fc.f7.bias"]), dim=1)
    assert error(scores, x.numpy(), recording="lenet") < TOLERANCE
