"""Published chains of layers: their sizes, and their files beside PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, nhwc
from writer import torch_zip

import converters
from converters.checkpoints import Checkpoint
from converters.dcgan import CSINVA
from converters.loading import find_plan
from converters.plans import assemble
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
        (descriptions.dcgan(32), (32, 32, 3), 3_573_824),
        (descriptions.dcgan(28, channels=1), (28, 28, 1), 3_573_696),
        # 16 * 512 more for each of 28 further dimensions
        (descriptions.glo(), (64, 64, 3), 3_806_080),
        # 101 * 1024 + 1025 * 6272 + 2 * (1024 + 6272 + 128) + 25 * 128 * 129 + 129
        (descriptions.digits(), (28, 28, 1), 6_960_001),
        # 11 * 256 + 257 * 1024 + 16 (64 * 64 + 64 * 32 + 32 * 32 + 32) + 129
        (descriptions.dsprites(), (64, 64, 1), 381_313),
    ],
    ids=["dcgan", "cifar", "mnist", "glo", "digits", "dsprites"],
)
def test_sizes(config, shape, size):
    assert item_shapes(config)[-1] == shape
    assert count(config) == size
    assert sequential.Config.from_json(config.to_json()) == config


def test_an_unknown_side_is_named():
    with pytest.raises(ValueError, match=r"side: 16 given; one of \(64, 32, 28\)"):
        descriptions.dcgan(16)


def state(name="main", *, z_dim=5, width=2, channels=3, last=4):
    """A file of this layout, with values drawn by NumPy."""
    rng = np.random.default_rng(0)
    sizes = (z_dim, 8 * width, 4 * width, 2 * width, width, channels)
    found = {}
    for index in range(5):
        side = last if index == 4 else 4
        shape = (*sizes[index : index + 2], side, side)
        weight = rng.normal(0, (side * side * shape[0]) ** -0.5 * 2, shape)
        found[f"{name}.{3 * index}.weight"] = weight
        if index == 4:
            break
        norm = f"{name}.{3 * index + 1}"
        found[f"{norm}.weight"] = rng.normal(1, 0.2, shape[1])
        found[f"{norm}.bias"] = rng.normal(0, 0.2, shape[1])
        found[f"{norm}.running_mean"] = rng.normal(0, 0.2, shape[1])
        found[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, shape[1])
    found = {key: value.astype(np.float32) for key, value in found.items()}
    return found | {f"{name}.1.num_batches_tracked": np.asarray(3)}


@pytest.mark.parametrize(
    ("tensors", "layout", "shape"),
    [
        (state(), "pytorch/examples dcgan", (64, 64, 3)),
        (state(last=1), CSINVA, (32, 32, 3)),
        (state(last=1, channels=1), CSINVA, (28, 28, 1)),
        (state("dcnn"), "tneumann/minimal_glo", (64, 64, 3)),
    ],
    ids=["examples", "cifar", "mnist", "glo"],
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


@pytest.mark.torch
@pytest.mark.parametrize(
    ("last", "channels", "options"),
    [(4, 3, (4, 2, 1)), (1, 3, (1, 1, 0)), (1, 1, (1, 1, 2))],
    ids=["examples", "cifar", "mnist"],
)
def test_pictures_by_torch(tmp_path, last, channels, options):
    import torch
    from torch import nn

    tensors = state(last=last, channels=channels)
    module = nn.Module()
    layers = []
    for one, other in ((5, 16), (16, 8), (8, 4), (4, 2)):
        step = (2, 1) if layers else (1, 0)
        layers += [
            nn.ConvTranspose2d(one, other, 4, *step, bias=False),
            nn.BatchNorm2d(other),
            nn.ReLU(),
        ]
    layers += [nn.ConvTranspose2d(2, channels, *options, bias=False), nn.Tanh()]
    module.main = nn.Sequential(*layers)
    known = {name: torch.from_numpy(value) for name, value in tensors.items()}
    module.load_state_dict(known, strict=False)
    path = tmp_path / "netG.pth"
    torch.save(module.state_dict(), path)
    generator = converters.load(path)
    z = np.random.default_rng(1).normal(size=(2, 5)).astype(np.float32)
    with torch.no_grad():
        expected = module.eval().main(torch.from_numpy(z)[..., None, None]).numpy()
    image = jax.jit(lambda generator, z: generator.synthesize(z))(generator, z)
    assert error(image, nhwc(expected), recording="dcgan") <= 2e-5
