import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, error, golden, nhwc
from test_reconstructors import lenet_state

from jaxlatent.edits.directions import directions
from jaxlatent.evaluation.naturalness import Rows, Settings, Sides, naturalness
from jaxlatent.generators.base import Generator
from jaxlatent.latents import prior, sample_keys
from jaxlatent.networks.base import Network
from jaxlatent.networks.lenet import PictureLeNet
from jaxlatent.training.sources import ArraySource

KEY = jax.random.key(5)
Z, SIDE = 4, 32
LIGHT, NOTHING, ODD = range(3)
HOW = Settings(strength=3.0, steps=40, batch=8, validation=20)


def draw(params, z):
    """Grey pictures: a level, a slope, and a chequered pattern beyond z = 1."""
    line = params["line"]
    level = 0.5 * jnp.tanh(z[:, :1, None])
    slope = 0.3 * jnp.tanh(z[:, 1:2, None]) * line[None, None]
    ends = jax.nn.relu(jnp.abs(z[:, 3:4, None]) - 1) * jnp.sign(z[:, 3:4, None])
    pattern = jnp.sign(jnp.sin(9 * line))[None, None] * jnp.sign(line)[None, :, None]
    return (level + slope + 0.8 * ends * pattern)[..., None]


def generator(gain=1.0):
    return Generator.from_functions(
        draw, z_dim=Z, params={"line": gain * jnp.linspace(-1, 1, SIDE)}
    )


def edit():
    vectors = np.zeros((3, Z), np.float32)
    vectors[LIGHT, 0], vectors[NOTHING, 2], vectors[ODD, 3] = 1, 1, 1
    return directions(vectors, space="z")


@pytest.fixture(scope="module")
def real():
    """Pictures that vary in level and slope, and never show a pattern."""
    z = np.random.default_rng(0).normal(size=(300, Z)).astype(np.float32)
    z[:, 3] = 0
    return ArraySource(np.asarray(generator().synthesize(jnp.asarray(z))))


def measured(index, real, *, drawn=None, key=KEY):
    # convolutions in a loop are slow on CPUs where nothing is optimised
    drawn = drawn or prior(generator())
    return naturalness(drawn, edit(), index, real, HOW, key=key, block=1)


@pytest.fixture(scope="module")
def found(real):
    return [measured(index, real) for index in (LIGHT, NOTHING, ODD)]


def test_what_varies_in_real_pictures_is_natural_and_nothing_is_chance(found):
    light, nothing, odd = found
    assert min(light) > 0.9
    assert abs(nothing.generated - 0.5) < 0.15
    assert abs(nothing.dvn - 0.5) < 0.15
    # it shows, but in no real picture
    assert odd.generated > 0.9
    assert abs(odd.dvn - 0.5) < 0.15


def test_all_directions_and_weights_share_one_compilation(found, real):
    other, key = prior(generator(0.5)), jax.random.key(6)
    with compilations() as count:
        again = measured(ODD, real, drawn=other, key=key)
        assert count() == 0
    assert again != found[ODD]


def test_sides_are_fair_and_labels_tell_them():
    problem = Sides(prior(generator()), edit(), jnp.int32(LIGHT), None, HOW)
    keys = sample_keys(KEY, range(200))
    images, sides = problem.moved(keys)
    assert abs(np.mean(sides) - 0.5) < 0.15
    level = np.asarray(images).mean((1, 2, 3))
    codes = problem.prior(keys).codes[:, 0]
    expected = 0.5 * np.tanh(codes + np.where(sides, 3, -3))
    np.testing.assert_allclose(level, expected, atol=1e-5)


def test_the_network_is_the_recorded_one_of_one_picture():
    case = golden("voynov_lenet_a")
    pair = jnp.asarray(np.concatenate([nhwc(case["x1"]), nhwc(case["x2"])], -1))
    params = {}
    for name, tensor in lenet_state().items():
        layer, kind = name.rsplit(".", 1)
        if layer.startswith("fc_shift") or kind == "num_batches_tracked":
            continue
        plain = "running" in kind or kind == "bias"
        kind = kind if plain else "scale" if tensor.ndim == 1 else "kernel"
        axes = {4: (2, 3, 1, 0), 2: (1, 0)}.get(tensor.ndim)
        leaf = tensor if axes is None else tensor.transpose(axes)
        params.setdefault(layer.replace(".", "_"), {})[kind] = jnp.asarray(leaf)
    outputs = len(case["w/fc_logits.3.bias"])
    module = PictureLeNet(outputs=outputs, image_channels=pair.shape[-1])
    assert error(Network(params, module)(pair), case["eval/logits"]) <= 2e-5


def test_rows_and_what_does_not_fit(real):
    some = Rows(real, np.array([7, 3, 5]))
    assert len(some) == 3
    np.testing.assert_array_equal(
        some.batch(np.array([2, 0])), real.arrays[np.array([5, 7])]
    )
    small = ArraySource(np.zeros((4, 28, 28, 1), np.float32))
    with pytest.raises(ValueError, match=r"real: pictures of \(28, 28, 1\) given"):
        measured(0, small)
    tiny = Settings(size=20)
    with pytest.raises(ValueError, match="images: 20 x 20 pixels given; 32 or more"):
        naturalness(prior(generator()), edit(), 0, small, tiny, key=KEY)
    with pytest.raises(IndexError, match="index: 3 given; there are 3 directions"):
        measured(3, real)
    other = directions(np.eye(Z, dtype=np.float32), space="w")
    with pytest.raises(ValueError, match="edit: of w given; one of z"):
        naturalness(prior(generator()), other, 0, real, key=KEY)
