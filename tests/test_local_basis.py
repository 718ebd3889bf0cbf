"""Singular vectors of mapping networks, as directions and followed along their way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from families import fresh
from helpers import drawn

from jaxlatent import checkpoint
from jaxlatent.edits.local_basis import local_basis
from jaxlatent.generators import rendered, stylegan2
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents
from jaxlatent.methods.local_basis import directions_at, discover

RNG = np.random.default_rng(5)
D, M = 4, 5
# singular values 3, 2, 1, 0.5
LEFT, RIGHT = (np.linalg.qr(RNG.normal(size=(n, D)))[0] for n in (M, D))
VALUES = np.asarray([3, 2, 1, 0.5])
MATRIX = (RIGHT * VALUES) @ LEFT.T
CODES = RNG.normal(size=(3, D)).astype(np.float32)

traverse = jax.jit(
    lambda edit, codes, index, strengths: edit.traverse(codes, index, strengths)
)
mapped = jax.jit(lambda edit, codes: jax.vmap(edit.map)(codes))


def test_paths_of_a_linear_mapping_are_straight_along_its_singular_vectors():
    layer = {"weight": MATRIX.astype(np.float32), "bias": np.ones(M, np.float32)}
    signs = np.asarray([1, -1, 1, -1])[:, None]
    edit = local_basis(
        {"layers": {"0": layer}},
        np.arange(D),
        (signs * LEFT.T).astype(np.float32),
        **{"size": D, "step": 0.5, "steps": 4, "slope": 1.0, "normalize": False},
        space="z",
    )
    strengths = np.float32([-5.0, -0.7, 0.0, 0.3, 1.6])
    for index in range(D):
        found = traverse(edit, CODES, np.int32(index), strengths)
        way = signs[index] * RIGHT.T[index] / VALUES[index]
        expected = CODES[None] + strengths[:, None, None] * way[None, None]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def circle(z):
    """w turns with the first number, five units for each, and rises with the second."""
    return jnp.stack([5 * jnp.cos(z[:, 0]), 5 * jnp.sin(z[:, 0]), z[:, 1]], axis=1)


def test_a_path_keeps_its_side_all_around_a_circle():
    """The reference points ahead at the start, and back on the other side."""
    edit = local_basis(
        jax.tree_util.Partial(circle),
        [0],
        np.float32([[0, -1, 0]]),
        **{"size": 2, "step": 1.0, "steps": 40, "space": "z"},
    )
    start, strengths = np.float32([[0.0, 0.3]]), np.float32([-35, -3.5, 10, 35])
    found = traverse(edit, start, np.int32(0), strengths)[:, 0]
    np.testing.assert_allclose(found[:, 0], -strengths / 5, rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], 0.3, atol=1e-6)


def slowing(z):
    """The first number's share of w falls from 2 to 0 while the second's stays 1."""
    first = 2 * z[:, 0] - z[:, 0] ** 2 / 2
    return jnp.stack([first, z[:, 1]], axis=1)


def test_a_path_goes_on_with_the_nearest_vector_whatever_its_rank():
    edit = local_basis(
        jax.tree_util.Partial(slowing),
        [0],
        np.float32([[1, 0]]),
        **{"size": 2, "step": 0.01, "steps": 180, "space": "z"},
    )
    found = traverse(
        edit, np.zeros((1, 2), np.float32), np.int32(0), np.float32([1.0, 1.8])
    )[:, 0]
    # 2 z - z^2 / 2 = s; its slope is below 1 from s = 1.5 on
    np.testing.assert_allclose(found[:, 0], 2 - np.sqrt([2, 0.4]), rtol=2e-2)
    np.testing.assert_array_equal(found[:, 1], 0)


@pytest.mark.parametrize(
    "family", ["stylegan", "stylegan2", "stylegan3", "rendered by rows"]
)
def test_a_family_s_mapping_network_is_kept_whole(family, tmp_path):
    generator = fresh(family)
    edit = discover(generator, key=jax.random.key(0), k=2, step=0.1, steps=3)
    z = np.asarray(RNG.normal(size=(2, edit.dimension)), np.float32)
    expected = generator.map(z)
    np.testing.assert_allclose(mapped(edit, z), expected, rtol=1e-5, atol=1e-6)
    checkpoint.save_edit(tmp_path / "edit.npz", edit)
    found = checkpoint.load_edit(tmp_path / "edit.npz")
    np.testing.assert_array_equal(mapped(found, z), mapped(edit, z))
    assert (edit.space, edit.method) == ("z", "local_basis")


def test_the_class_of_a_conditional_generator_is_kept_too():
    config = stylegan2.Config(
        resolution=8,
        channels=(3, 2),
        z_dim=D,
        w_dim=M,
        mapping_layers=2,
        mapping_width=6,
        label_dim=3,
    )
    generator = Generator(drawn(lambda key: stylegan2.init(key, config), 2), config)
    edit = discover(generator, key=jax.random.key(0), k=2, label=1)
    expected = generator.map(CODES, jnp.ones(3, int))
    np.testing.assert_allclose(mapped(edit, CODES), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="label: 2 classes given; one is accepted"):
        discover(generator, key=jax.random.key(0), label=[0, 1])


def test_directions_at_one_code():
    generator = fresh("functions")
    z = RNG.normal(size=(1, 5)).astype(np.float32)
    found = directions_at(generator, Latents(z, "z"), k=3)
    left, values, _ = np.linalg.svd(np.asarray(generator.params["map"]).T / 2)
    np.testing.assert_allclose(found.report["singular"], values[:3], rtol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * left.T[:3], 1)), 1, 1e-5)
    assert found.space == "w"
    with pytest.raises(ValueError, match="k: 5 given; 1 to 4, the rank of the Jacob"):
        directions_at(generator, Latents(z, "z"), k=5)
    with pytest.raises(ValueError, match="latents: 1 codes of w given; one of z is"):
        directions_at(generator, Latents(z, "w"))
    rows = directions_at(toy.make(), Latents(z[:, :3], "z"), k=1, layers="1")
    assert rows.layers == (1,)
    np.testing.assert_allclose(rows.report["singular"], [2])


def test_rows_without_a_mapping_network_have_the_basis_of_z(tmp_path):
    key = jax.random.key(0)
    generator = rendered.oracle("disc", key=key, z_dim=6, size=4, rows=2)
    edit = discover(generator, key=key, k=6)
    np.testing.assert_allclose(edit.report["singular"], 1, rtol=1e-6)
    checkpoint.save_edit(tmp_path / "edit.npz", edit)
    z = np.ones((1, 6), np.float32)
    np.testing.assert_array_equal(mapped(edit, z), z)


def flat(params, z):
    """Of rank two: the third number of w is twice the first."""
    del params
    return jnp.stack([z[:, 0], jnp.sin(z[:, 1]), 2 * z[:, 0]], axis=1)


def black(params, w):
    del params
    return jnp.zeros((len(w), 2, 2, 1)) * w.sum()


def test_directions_that_change_nothing_are_no_basis():
    generator = Generator.from_functions(black, z_dim=3, params={}, map=flat)
    z = Latents(jnp.ones((1, 3)), "z")
    assert len(directions_at(generator, z, k=2)) == 2
    with pytest.raises(ValueError, match="k: 3 given; 1 to 2, the rank of the Jacobia"):
        directions_at(generator, z, k=3)
    with pytest.raises(ValueError, match="f: its Jacobian at code 0 is not finite"):
        directions_at(generator, Latents(z.codes * jnp.nan, "z"), k=1)


def test_what_cannot_be_is_refused(tmp_path):
    generator = fresh("functions")
    edit = discover(generator, key=jax.random.key(0), k=2)
    with pytest.raises(TypeError, match="mapping"):
        checkpoint.save_edit(tmp_path / "edit.npz", edit)
    with pytest.raises(ValueError, match="generator: one without a mapping network"):
        discover(fresh("sngan"), key=jax.random.key(0))
    layer = {"weight": np.eye(4, dtype="f4"), "bias": np.zeros(4, "f4")}
    told = {"size": 4, "space": "z"}
    for mapping, number, message in (
        ({"layers": {"0": layer}}, [4], r"number: 4 given; whole ones from 0 to"),
        ({"layers": {"0": layer}}, [0.5], "number: 0.5 given"),
        ({"nets": {"0": layer}}, [0], "mapping: 'nets' given"),
        ({"layers": {"0": {"bias": layer["bias"]}}}, [0], "mapping: layer 0 lacks a"),
        ({"layers": {"1": layer}}, [0], "mapping: .* layers by number are accepted"),
        ({"flow": {"layer0": {"rotation": np.eye(3)}}}, [0], "flow: layer0 is neither"),
    ):
        with pytest.raises(ValueError, match=message):
            local_basis(mapping, number, np.eye(4, dtype="f4")[:1], **told)
    with pytest.raises(ValueError, match="reference: 3 numbers each given; 4, as the"):
        local_basis({"layers": {"0": layer}}, [0], np.ones((1, 3), "f4"), **told)
    for change, message in (
        ({"size": 0}, "size: 0 given"),
        ({"slope": -1.0}, "slope: -1.0 given; 0 to 1"),
        ({"normalize": 1}, "normalize: 1 given; true or false"),
    ):
        with pytest.raises(ValueError, match=message):
            local_basis({"layers": {}}, [0], np.ones((1, 4), "f4"), **told | change)
