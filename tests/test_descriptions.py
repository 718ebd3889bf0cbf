"""Published chains of layers: their sizes, and their files beside PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, nhwc
from writer import torch_zip

import converters
from converters import dcgan
from converters.checkpoints import Checkpoint
from converters.dcgan import CSINVA, OTHERS
from converters.entries import Entry
from converters.loading import find_plan
from converters.plans import assemble, compare
from jaxlatent.generators import descriptions, sequential
from jaxlatent.generators.sequential_chain import item_shapes
from jaxlatent.types import CheckpointError


def count(config):
    """Parameters that are trained, of the network as `init` builds it."""
    tree = jax.eval_shape(lambda: sequential.init(jax.random.key(0), config))
    mask = jax.tree.leaves(sequential.trainable(tree))
    return sum(
        leaf.size
        for leaf, kept in zip(jax.tree.leaves(tree), mask, strict=True)
        if kept
    )


@pytest.mark.parametrize(
    ("config", "shape", "size"),
    [
        # 16 (100 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 2 * 960
        (descriptions.dcgan(), (64, 64, 3), 3_576_704),
        # the last kernel is one pixel: 64 * 3 instead of 16 * 64 * 3
        (descriptions.dcgan_csinva(32), (32, 32, 3), 3_573_824),
        (descriptions.dcgan_csinva(28), (28, 28, 1), 3_573_696),
        # 16 (100 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 2 * 448
        (descriptions.dcgan(32), (32, 32, 3), 1_068_928),
        # 16 (100 * 1024 + 1024 * 512 + 512 * 256 + ... + 64 * 3) + 2 * 1984
        (descriptions.dcgan(128), (128, 128, 3), 12_786_560),
        # 16 * 512 more for each of 28 further dimensions
        (descriptions.glo(), (64, 64, 3), 3_806_080),
        # 101 * 1024 + 1025 * 6272 + 2 * (1024 + 6272 + 128) + 25 * 128 * 129 + 129
        (descriptions.digits(), (28, 28, 1), 6_960_001),
        # 11 * 256 + 257 * 1024 + 16 (64 * 64 + 64 * 32 + 32 * 32 + 32) + 129
        (descriptions.dsprites(), (64, 64, 1), 381_313),
    ],
    ids=["dcgan", "cifar", "mnist", "dcgan32", "dcgan128", "glo", "digits", "dsprites"],
)
def test_sizes(config, shape, size):
    assert item_shapes(config)[-1] == shape
    assert count(config) == size
    assert sequential.Config.from_json(config.to_json()) == config


def test_an_unknown_side_is_named():
    for side in (4, 28, 96):
        with pytest.raises(ValueError, match=f"side: {side} given; 8, 16, 32, 64, 128"):
            descriptions.dcgan(side)
    with pytest.raises(ValueError, match=r"side: 64 given; one of \(32, 28\)"):
        descriptions.dcgan_csinva(64)
    with pytest.raises(ValueError, match=r"kernels: 3 given for layer main.3, which"):
        descriptions.transposed_chain((8, 3), (4, 3), z_dim=5)


def state(
    name="main", *, z_dim=5, kernels=(4, 4, 4, 4, 4), channels=3, first=0, biases=()
):
    """A file of such a layout, with values drawn by NumPy."""
    rng = np.random.default_rng(0)
    start = f"{name}." if name else ""
    last = len(kernels) - 1
    sizes = (z_dim, *(2 << level for level in reversed(range(last))), channels)
    found = {}
    for index, side in enumerate(kernels):
        number = first + 3 * index
        shape = (*sizes[index : index + 2], side, side)
        weight = rng.normal(0, (side * side * shape[0]) ** -0.5 * 2, shape)
        found[f"{start}{number}.weight"] = weight
        if index in biases:
            found[f"{start}{number}.bias"] = rng.normal(0, 0.2, shape[1])
        if index == last:
            break
        norm = f"{start}{number + 1}"
        found[f"{norm}.weight"] = rng.normal(1, 0.2, shape[1])
        found[f"{norm}.bias"] = rng.normal(0, 0.2, shape[1])
        found[f"{norm}.running_mean"] = rng.normal(0, 0.2, shape[1])
        found[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, shape[1])
        found[f"{norm}.num_batches_tracked"] = np.asarray(3)
    return {
        key: value.astype(np.float32) if value.ndim else value
        for key, value in found.items()
    }


FOUR, SIX = (4,) * 4, (4,) * 6
SMALL = (4, 4, 4, 4, 1)


@pytest.mark.parametrize(
    ("tensors", "layout", "shape"),
    [
        (state(), "pytorch/examples dcgan", (64, 64, 3)),
        (state(kernels=SMALL), CSINVA, (32, 32, 3)),
        (state(kernels=SMALL, channels=1), CSINVA, (28, 28, 1)),
        (state("dcnn"), "tneumann/minimal_glo", (64, 64, 3)),
        (state(kernels=FOUR, channels=1), "pytorch/examples dcgan", (32, 32, 1)),
        (state(kernels=SIX), "pytorch/examples dcgan", (128, 128, 3)),
        (state(kernels=(4,) * 8), "pytorch/examples dcgan", (512, 512, 3)),
        (state(kernels=(7, 4, 4), channels=1), "pytorch/examples dcgan", (28, 28, 1)),
        (state(kernels=(4, 2, 6)), "pytorch/examples dcgan", (16, 16, 3)),
        (state("net", first=1, biases=(0, 4)), OTHERS, (64, 64, 3)),
        (state("", kernels=FOUR, channels=4), OTHERS, (32, 32, 4)),
        (state("gen.layers", biases=range(5)), OTHERS, (64, 64, 3)),
    ],
)
def test_files_are_recognised_by_their_tensors(tensors, layout, shape):
    plan = find_plan(Checkpoint(tensors), part="generator")
    assert (plan.family, plan.format) == ("sequential", layout)
    assert (plan.config.z_dim, item_shapes(plan.config)[-1]) == (5, shape)
    assert set(plan.assumed) == {"layers", "image_range"}
    fresh = jax.eval_shape(lambda: sequential.init(jax.random.key(0), plan.config))
    assert jax.tree.map(jnp.shape, assemble(plan)) == jax.tree.map(jnp.shape, fresh)
    changed = find_plan(
        Checkpoint(tensors), part="generator", config={"image_range": (0, 1)}
    )
    assert set(changed.assumed) == {"layers"}


def test_one_error_names_what_does_not_fit(tmp_path):
    tensors = state() | {"odd": np.ones(1, np.float32)}
    # the tensors that tell the sizes
    del tensors["main.0.weight"]
    tensors["main.12.weight"] = tensors["main.12.weight"][1:]
    path = tmp_path / "netG.pth"
    path.write_bytes(torch_zip(tensors))
    with pytest.raises(CheckpointError) as caught:
        converters.load(path)
    assert (
        "missing (1): main.0.weight; extra (1): odd; misshapen (1): main.12.weight is "
        "(1, 3, 4, 4), not (2, 3, 4, 4)"
    ) in str(caught.value)


def test_any_tensor_may_be_the_missing_one():
    whole = state(kernels=SIX)
    plan = find_plan(Checkpoint(whole), part="generator")
    # the last layer alone tells the channels of the picture
    for lost in [name for name in whole if "num_batches" not in name][1:-1]:
        tensors = {name: value for name, value in whole.items() if name != lost}
        found = find_plan(Checkpoint(tensors), part="generator")
        assert found.config == plan.config, lost
        assert str(compare(found)) == f"missing (1): {lost}"


def test_layers_that_are_missing_in_front_are_named():
    tensors = state(kernels=SIX)
    for name in [name for name in tensors if name.startswith(("main.0.", "main.1."))]:
        del tensors[name]
    plan = find_plan(Checkpoint(tensors), part="generator")
    assert str(compare(plan)).startswith("missing (5): main.0.weight, main.1.bias, ")


def turned(tensors):
    """The kernels as ordinary convolutions store them."""
    return {
        name: value.swapaxes(0, 1) if value.ndim == 4 else value
        for name, value in tensors.items()
    }


@pytest.mark.parametrize(
    "tensors",
    [
        # a chain that makes pictures smaller, or looks at them
        turned(state()),
        # norms in two modules
        state() | state("other"),
        # most tensors are another network's
        state(kernels=FOUR) | {f"fc.{i}.weight": np.ones((2, 2)) for i in range(20)},
        # no norms at all
        {n: v for n, v in state().items() if v.ndim == 4},
        # the last layers are cut off, so that it ends with 16 channels
        {n: v for n, v in state(kernels=SIX).items() if int(n.split(".")[1]) < 4},
        # other numbers
        {n.replace("main.3", "main.30"): v for n, v in state(kernels=(4, 4)).items()},
    ],
)
def test_other_chains_are_not_taken_for_dcgans(tensors):
    assert dcgan.plan(Entry(tensors), part="generator", config=None) is None


def test_a_decoder_of_an_autoencoder_is_not_taken_for_one():
    decoder = {f"decoder.{name}": value for name, value in state("").items()}
    begins = {"decoder_input.weight": np.ones((5, 7), np.float32)}
    with pytest.raises(CheckpointError, match="no known layout"):
        find_plan(Checkpoint(decoder | begins), part="generator")
    # in a dict of its own there is nothing before it
    for file in (decoder, {"decoder": state(""), "encoder": begins}):
        plan = find_plan(Checkpoint(file), part="generator")
        assert plan.format == OTHERS


@pytest.mark.parametrize(
    "wrap",
    [
        lambda own: {"netG": own, "netD": {"main.0.weight": np.ones((2, 3, 4, 4))}},
        lambda own: {f"module.{name}": value for name, value in own.items()},
        lambda own: {"state_dict": {f"netG.{n}": v for n, v in own.items()}},
        lambda own: {"epoch": 3, "generator": {f"module.{n}": own[n] for n in own}},
    ],
)
def test_wrappings_change_nothing(wrap):
    own = state(kernels=FOUR)
    plain = find_plan(Checkpoint(own), part="generator")
    wrapped = find_plan(Checkpoint(wrap(own)), part="generator")
    assert (wrapped.config, wrapped.format) == (plain.config, plain.format)
    assert not compare(wrapped)


def test_kernels_that_tell_no_stride_are_refused_by_name():
    with pytest.raises(CheckpointError, match=r"described as config \(kernels: 3 .*9"):
        find_plan(Checkpoint(state(kernels=(4, 4, 4, 3, 4))), part="generator")


CASES = {
    "examples": (state(), (0, 0, 0, 0, 0)),
    "cifar": (state(kernels=SMALL), (0, 0, 0, 0, 0)),
    "mnist": (state(kernels=SMALL, channels=1), (0, 0, 0, 0, 2)),
    "thirty-two": (state(kernels=FOUR, channels=1), (0,) * 4),
    "hundred-and-twenty-eight": (state(kernels=SIX), (0,) * 6),
    "seven": (state("", kernels=(7, 4, 2), first=1, biases=(0, 2)), (0,) * 3),
}


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_pictures_by_torch(tmp_path, case):
    import torch
    from torch import nn
    from torch.nn import functional

    tensors, cut = CASES[case]
    known = {name: torch.from_numpy(value) for name, value in tensors.items()}
    path = tmp_path / "netG.pth"
    torch.save(known, path)
    generator = converters.load(path)
    z = np.random.default_rng(1).normal(size=(2, 5)).astype(np.float32)
    x = torch.from_numpy(z)[..., None, None]
    kernels = [name for name, value in tensors.items() if value.ndim == 4]
    for index, (name, padding) in enumerate(zip(kernels, cut, strict=True)):
        module = name.removesuffix(".weight")
        prefix, _, number = module.rpartition(".")
        weight, bias = known[name], known.get(f"{module}.bias")
        doubles = index > 0 and weight.shape[2] > 1
        padding = weight.shape[2] // 2 - 1 if doubles else padding
        x = functional.conv_transpose2d(x, weight, bias, 2 if doubles else 1, padding)
        if name == kernels[-1]:
            break
        layer = nn.BatchNorm2d(x.shape[1]).eval()
        norm = f"{prefix}." * bool(prefix) + f"{int(number) + 1}."
        layer.load_state_dict(
            {n.removeprefix(norm): v for n, v in known.items() if n.startswith(norm)}
        )
        x = torch.relu(layer(x))
    expected = torch.tanh(x).detach().numpy()
    image = jax.jit(lambda generator, z: generator.synthesize(z))(generator, z)
    assert error(image, nhwc(expected), recording="dcgan") <= 2e-5
