"""One device or many: the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations, drawn, error
from jax.sharding import PartitionSpec

from jaxlatent.collectives import agree, gather, is_main
from jaxlatent.editing import traverse_images
from jaxlatent.edits.directions import directions
from jaxlatent.generators import stylegan2
from jaxlatent.generators.base import Generator
from jaxlatent.generators.rendering import render
from jaxlatent.latents import Latents
from jaxlatent.parallel import LATENTS, check_mesh, mesh, place, split

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


def test_groups_of_devices_take_latents_of_their_own():
    devices = mesh(6, latents=3)
    assert devices.shape == {LATENTS: 3, "data": 2}
    assert devices.devices.ravel().tolist() == jax.devices()[:6]
    check_mesh(devices)


@pytest.mark.parametrize("groups", [0, -2, 4, 12])
def test_groups_that_would_be_uneven(groups):
    with pytest.raises(ValueError, match=f"latents: {groups} given; a number that"):
        mesh(6, latents=groups)


@pytest.mark.parametrize("count", [0, -1, 9])
def test_devices_that_do_not_exist(count):
    with pytest.raises(
        ValueError, match=f"devices: {count} given; 1 to 8 devices exist"
    ):
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


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize(("num", "chunk"), [(1, 8), (5, 3)])
def test_any_number_of_latents_is_rendered(count, num, chunk, expected):
    finished = []
    images = render(
        GENERATOR,
        LATENT[:num],
        chunk=chunk,
        mesh=mesh(count),
        progress=finished.append,
    )
    assert isinstance(images, np.ndarray)
    assert images.shape == expected[:num].shape
    difference = np.linalg.norm(images - expected[:num])
    assert difference <= 1e-6 * np.linalg.norm(expected[:num])
    assert sum(finished) == num


@pytest.mark.parametrize("shape", [(8,), (4, 2)])
def test_labels_and_noise_go_to_the_devices_of_their_codes(shape):
    names = ("data", "model")[: len(shape)]
    kinds = (jax.sharding.AxisType.Auto,) * len(shape)
    devices = jax.make_mesh(shape, names, axis_types=kinds)
    generator = toy.make(label_dim=5)
    codes, labels = np.arange(15.0, dtype=np.float32).reshape(5, 3), np.arange(5)
    maps = {"map": 0.25 * np.arange(5.0, dtype=np.float32)[:, None]}
    images = render(generator, codes, labels, noise=maps, chunk=2, mesh=devices)
    wanted = 11 * codes + 1000 * labels[:, None] + maps["map"]
    np.testing.assert_allclose(images[:, 0, :, 0], wanted, rtol=1e-6)
    key, plain = jax.random.key(1), toy.make()
    one = render(plain, codes, noise=key)
    np.testing.assert_array_equal(one, render(plain, codes, noise=key, mesh=devices))


def test_galleries_are_those_of_one_device():
    generator = toy.make(label_dim=2)
    codes = np.arange(9.0, dtype=np.float32).reshape(3, 3)
    codes = Latents(codes, "z", np.asarray([0, 1, 1]))
    latent = directions(np.eye(3, dtype=np.float32), space="w+")
    inside = directions(np.eye(3, dtype=np.float32)[::-1], space="feature:mixed")
    for edit in (latent, (latent, inside)):
        one, many = (
            traverse_images(
                generator,
                edit,
                codes,
                1,
                [-1.0, 0.0, 2.0],
                chunk=4,
                mesh=devices,
            )
            for devices in (None, mesh(4))
        )
        assert many.shape == (3, 3, 1, 3, 1)
        np.testing.assert_allclose(many, one, rtol=1e-6)


def test_new_weights_and_numbers_compile_nothing_on_a_mesh():
    few, many = np.ones((3, 3), np.float32), np.ones((9, 3), np.float32)
    render(toy.make(), few, chunk=3, mesh=mesh(2))
    with compilations() as count:
        images = render(toy.make(2.0), many, chunk=4, mesh=mesh(2))
        np.testing.assert_allclose(images, 22)
        assert count() == 0


def test_explicit_axes_are_refused():
    explicit = jax.make_mesh((2,), ("data",))
    for call in (
        lambda: check_mesh(explicit),
        lambda: place(LATENT, explicit),
        lambda: render(toy.make(), jnp.zeros((2, 3)), mesh=explicit),
    ):
        with pytest.raises(ValueError, match=r"^mesh: .*Explicit.* Auto axes are"):
            call()


@pytest.mark.parametrize("count", [1, 4, 8])
@pytest.mark.parametrize("num", [1, 7, 8])
def test_uneven_rows_are_filled_up(count, num):
    tree = {"rows": np.arange(2.0 * num).reshape(num, 2), "index": jnp.arange(num)}
    parts, real = split(tree, mesh(count))
    assert real == num
    assert len(parts["rows"].sharding.device_set) == count
    rows = -(-num // count) * count
    assert (parts["rows"].shape, parts["index"].shape) == ((rows, 2), (rows,))
    whole = gather(parts)
    for name, array in tree.items():
        assert isinstance(whole[name], np.ndarray)
        np.testing.assert_array_equal(whole[name][:real], array)
        assert np.isin(whole[name], array).all()


@pytest.mark.parametrize("tree", [{}, np.ones((0, 2)), [np.ones(2), np.ones(3)], 1.0])
def test_what_has_no_rows_is_not_split(tree):
    with pytest.raises(
        ValueError, match=r"^tree: arrays of \[.*rows given; one N >= 1"
    ):
        split(tree, mesh(2))


def test_one_process_is_the_main_one_and_agrees_with_itself():
    assert is_main()
    agree({"nan": np.nan}, "anything")


def test_what_is_in_place_stays():
    placed = place(LATENT, mesh(2))
    assert place(placed, mesh(2)) is placed
    assert place(placed, mesh(4)) is not placed
