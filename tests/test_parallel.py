"""One device or many: the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn, error
from jax.sharding import PartitionSpec

from jaxlatent.generators import stylegan2
from jaxlatent.generators.base import Generator
from jaxlatent.parallel import mesh, place

CONFIG = stylegan2.Config(
    resolution=8,
    channels=(3, 2),
    z_dim=4,
    w_dim=5,
    mapping_layers=1,
    mapping_width=5,
)
GENERATOR = Generator(
    drawn(lambda key: stylegan2.init(key, CONFIG), 0, scale=1.0), CONFIG
)
LATENT = jnp.asarray(np.random.default_rng(1).normal(size=(8, 5)), jnp.float32)
draw = jax.jit(lambda generator, latent: generator.synthesize(latent))


@pytest.fixture(scope="module")
def expected():
    return np.asarray(draw(GENERATOR, LATENT))


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_images_do_not_depend_on_the_number_of_devices(count, expected):
    devices = mesh(count)
    latent = place(LATENT, devices, PartitionSpec("data"))
    images = draw(place(GENERATOR, devices), latent)
    assert len(images.sharding.device_set) == count
    assert {shard.data.shape[0] for shard in latent.addressable_shards} == {8 // count}
    difference = np.linalg.norm(np.asarray(images) - expected)
    assert difference <= 1e-6 * np.linalg.norm(expected)


def test_loose_parameters_meet_sharded_latents(expected):
    """A generator fresh from a file is committed to no device."""
    images = draw(GENERATOR, place(LATENT, mesh(2), PartitionSpec("data")))
    assert error(images, expected) <= 1e-6


def test_a_mesh_takes_all_devices_or_the_first():
    assert mesh().devices.size == jax.device_count() == 8
    assert mesh(3).devices.tolist() == jax.devices()[:3]
    assert mesh(2, axis="code").axis_names == ("code",)
    assert all(kind == jax.sharding.AxisType.Auto for kind in mesh(2).axis_types)


@pytest.mark.parametrize("count", [0, -1, 9])
def test_devices_that_do_not_exist(count):
    with pytest.raises(ValueError, match=f"count: {count} given; 1 to 8 devices exist"):
        mesh(count)


def test_what_cannot_be_split_evenly_is_refused():
    with pytest.raises(ValueError, match="evenly divide"):
        place(LATENT[:7], mesh(2), PartitionSpec("data"))
    with pytest.raises(ValueError, match="model"):
        place(LATENT, mesh(2), PartitionSpec("model"))


def test_placing_keeps_values_and_types():
    tree = {
        "narrow": jnp.arange(4, dtype=jnp.bfloat16),
        "host": np.arange(4, dtype=np.int8),
        "wide": np.arange(4, dtype=np.float64),
        "number": 3.0,
        "none": None,
    }
    placed = place(tree, mesh(2))
    assert placed["none"] is None
    for name, dtype in (
        ("narrow", jnp.bfloat16),
        ("host", jnp.int8),
        ("wide", jnp.float32),
        ("number", jnp.float32),
    ):
        array = placed[name]
        assert array.dtype == dtype, name
        assert array.sharding.is_fully_replicated
        assert len(array.sharding.device_set) == 2
        np.testing.assert_array_equal(np.asarray(array), np.asarray(tree[name]))
        assert (array + array).dtype == dtype


def test_typed_keys_can_be_placed():
    key = jax.random.key(3)
    keys = jax.random.split(key, 4)
    many = place(keys, mesh(2), PartitionSpec("data"))
    one = place(key, mesh(2))
    assert len(many.sharding.device_set) == len(one.sharding.device_set) == 2
    assert jnp.issubdtype(many.dtype, jax.dtypes.prng_key)
    for ours, theirs in ((many, keys), (one, key)):
        np.testing.assert_array_equal(
            jax.random.key_data(ours), jax.random.key_data(theirs)
        )
