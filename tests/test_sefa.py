"""SeFa against closed forms and the original's recorded factorisations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, error, golden, nhwc
from recorded import LAYOUTS, recorded

from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.methods import sefa as method
from jaxlatent.methods.sefa import layer_grams, sefa
from jaxlatent.types import Affine

draw = jax.jit(lambda generator, latent: generator.synthesize(latent))


def affine(rows, layer=0, **options):
    """An affine map from its rows, one per output channel."""
    matrix = jnp.asarray(np.transpose(rows), jnp.float32)
    return Affine(matrix=matrix, name=f"layer{layer}", layer=layer, **options)


def basis_rows(multiplicities):
    """Rows that are basis vectors e_j, each `multiplicities[j]` times."""
    return np.repeat(np.eye(len(multiplicities)), multiplicities, axis=0)


def recorded_cases():
    for name in LAYOUTS:
        for number, _ in enumerate(golden(name)["layer_idx_strings"]):
            yield pytest.param(name, number, id=f"{name}-s{number}")


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("name", "number"), list(recorded_cases()))
def test_recorded_factorisations(name, number, normalize):
    generator, arrays = recorded(name)
    layers = str(arrays["layer_idx_strings"][number])
    if normalize:
        values = arrays[f"s{number}/eigh_values_f64_desc"]
        vectors = arrays[f"s{number}/eigh_vectors_f64_desc"]
    else:
        values = arrays[f"s{number}/eigh_values_unnormalised_desc"]
        vectors = arrays[f"s{number}/eigh_vectors_unnormalised_desc"]
    found = sefa(generator.affines(), layers=layers, normalize=normalize)
    rank = int(found.facts["rank"])
    assert rank == np.sum(values > values[0] * 1e-9)
    assert np.allclose(found.report["eigenvalues"], values[:rank], rtol=1e-5)
    gaps = np.abs(np.diff(values[: rank + 1], append=-1)) / values[0]
    separated = (gaps[:rank] > 1e-4) & (np.append(1, gaps)[:rank] > 1e-4)
    cosines = np.abs(np.sum(np.asarray(found.vectors) * vectors[:rank], axis=1))
    assert (cosines[separated] > 1 - 1e-6).all()
    assert separated.sum() >= rank - 2
    rows = {"all": None}.get(layers, tuple(arrays[f"s{number}/layers"].tolist()))
    assert found.layers == rows or layers == "all"


@pytest.mark.parametrize("name", LAYOUTS)
def test_lapack_order_is_the_original_order(name):
    generator, arrays = recorded(name)
    found = sefa(generator.affines(), order="lapack")
    # nearly equal eigenvalues may change places between platforms, so hold each
    # recorded direction against the one of its own eigenvalue
    values = np.asarray(found.report["eigenvalues"])
    assert np.allclose(np.sort(values), np.sort(arrays["s0/eig_values"]), rtol=1e-4)
    original = arrays["s0/eig_vectors"]
    cosines = np.abs(np.asarray(found.vectors) @ original.T)
    assert (cosines.max(axis=1) > 1 - 1e-4).all()


@pytest.mark.parametrize("name", LAYOUTS)
def test_recorded_edits(name):
    generator, arrays = recorded(name)
    codes = jnp.asarray(arrays["codes"])
    if "w" in arrays:
        w = generator.map(jnp.asarray(arrays["z"]))
        assert error(generator.truncate(w, 0.7, 3), arrays["codes"]) <= 2e-5
    for number, layers in enumerate(arrays["layer_idx_strings"][:2].tolist()):
        found = method.discover(generator, layers=layers, k=1)
        reference = arrays[f"s{number}/eigh_vectors_f64_desc"][0]
        sign = np.sign(np.dot(np.asarray(found.vectors[0]), reference))
        moved = found.shift(codes, 0, 2.5 * sign)
        assert error(moved, arrays[f"s{number}/edited_codes_sem0_dist2.5"]) <= 2e-5
        image = draw(generator, moved)
        expected = nhwc(arrays[f"s{number}/edited_image_sem0_dist2.5"])
        assert error(image, expected) <= 2e-5
        assert found.space == generator.latent_space
        assert found.generator == fingerprint(generator)


def test_eigenvalues_count_repeated_channels():
    found = sefa((affine(3.0 * basis_rows([2, 5, 1])),))
    assert np.allclose(found.report["eigenvalues"], [5, 2, 1])
    assert np.allclose(found.vectors, np.eye(3)[[1, 0, 2]])
    assert np.allclose(found.report["share"], [5 / 8, 2 / 8, 1 / 8])


def test_the_formula_weighs_channels_by_their_length():
    rows = np.array([[3.0, 0, 0], [0, 1.0, 0], [0, 0, 2.0]])
    found = sefa((affine(rows),), normalize=False)
    assert np.allclose(found.report["eigenvalues"], [9, 4, 1])
    assert np.allclose(found.vectors, np.eye(3)[[0, 2, 1]])


def test_channel_order_scale_and_sign_do_not_matter():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 6))
    changed = rows[rng.permutation(20)] * rng.uniform(-3, 3, (20, 1))
    first, second = sefa((affine(rows),)), sefa((affine(changed),))
    assert np.allclose(first.vectors, second.vectors, atol=1e-5)
    assert np.allclose(
        first.report["eigenvalues"], second.report["eigenvalues"], rtol=1e-5
    )


def test_rotated_latents_rotate_the_directions():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(20, 5))
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    straight = np.asarray(sefa((affine(rows),)).vectors)
    turned = np.asarray(sefa((affine(rows @ rotation.T),)).vectors)
    cosines = np.sum((straight @ rotation.T) * turned, axis=1)
    assert np.allclose(np.abs(cosines), 1, atol=1e-5)


def test_no_unit_direction_changes_the_output_more():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(30, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = sefa((affine(rows),))
    others = rng.normal(size=(1000, 8))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    change = np.sum((others @ rows.T) ** 2, axis=1)
    assert change.max() <= found.report["eigenvalues"][0]
    gram = np.asarray(found.vectors @ found.vectors.T)
    assert np.allclose(gram, np.eye(8), atol=1e-6)
    own = np.sum((np.asarray(found.vectors) @ rows.T) ** 2, axis=1)
    assert np.allclose(own, found.report["eigenvalues"], rtol=1e-5)


def test_silent_channels_stay_silent():
    rows = np.concatenate([basis_rows([3, 1]), np.zeros((4, 2))])
    grams = layer_grams((affine(rows),))
    assert grams.columns.tolist() == [4]
    assert np.trace(grams.grams[0]) == 4
    assert np.allclose(sefa((affine(rows),)).report["eigenvalues"], [3, 1])


def test_layers_are_sums_of_their_grams():
    rng = np.random.default_rng(3)
    maps = tuple(affine(rng.normal(size=(9, 4)), layer) for layer in range(5))
    grams = layer_grams(maps).grams
    found = sefa(maps, layers="1-2,4")
    values = np.linalg.eigvalsh(grams[[1, 2, 4]].sum(axis=0))[::-1]
    assert np.allclose(found.report["eigenvalues"], values, rtol=1e-5)
    assert found.layers == (1, 2, 4)
    assert sefa(maps, layers="all").layers is None
    assert sefa(maps, layers=[4, 2, 1, 1]).layers == (1, 2, 4)


def test_rgb_layers_count_only_where_they_own_their_row():
    own = affine(basis_rows([1, 2]), 0)
    shared = affine(basis_rows([5, 1]), 0, rgb=True)
    alone = affine(basis_rows([1, 3]), 1, rgb=True)
    grams = layer_grams((own, shared, alone)).grams
    assert np.allclose(np.diagonal(grams, axis1=1, axis2=2), [[1, 2], [1, 3]])
    both = layer_grams((own, shared, alone), rgb=True).grams
    assert np.allclose(np.diagonal(both, axis1=1, axis2=2), [[6, 3], [1, 3]])


def test_chunks_of_a_latent_keep_their_place():
    parts = (
        affine(basis_rows([2, 1]), 0, chunk=(0, 2)),
        affine(basis_rows([4]), 1, chunk=(2, 3)),
    )
    found = sefa(parts)
    assert np.allclose(found.report["eigenvalues"], [4, 2, 1])
    assert np.allclose(found.vectors[0], [0, 0, 1])


def test_directions_beyond_the_rank_are_refused_unless_asked_for():
    thin = (affine(np.eye(5)[:2]),)
    assert len(sefa(thin)) == 2
    with pytest.raises(ValueError, match="k: 3 given; 1 to 2 directions exist"):
        sefa(thin, k=3)
    found = sefa(thin, k=5, beyond_rank=True)
    assert len(found) == 5
    assert int(found.facts["rank"]) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "ascending"}, "order: 'ascending' given"),
        ({"layers": "3"}, "layers: '3' given; rows 0 to 0"),
        ({"layers": "a-b"}, "layers: 'a-b' given"),
        ({"k": 0}, "k: 0 given"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        sefa((affine(np.eye(3)),), **options)


def test_generators_without_affines_are_refused():
    generator = Generator.from_functions(lambda params, z: z, z_dim=3)
    with pytest.raises(ValueError, match="affines: none given"):
        method.discover(generator)


def test_edits_touch_the_chosen_rows_only():
    rng = np.random.default_rng(4)
    maps = tuple(affine(rng.normal(size=(9, 4)), layer) for layer in range(5))
    found = sefa(maps, layers="1-2", k=2)
    codes = jnp.asarray(rng.normal(size=(3, 5, 4)), jnp.float32)
    shift = jax.jit(lambda edit, codes, by: edit.shift(codes, 1, by))
    moved = shift(found, codes, 2.0)
    assert bool(jnp.all(moved[:, [0, 3, 4]] == codes[:, [0, 3, 4]]))
    assert np.allclose(
        moved[:, 1:3] - codes[:, 1:3], 2 * found.vectors[1][None, None], atol=1e-6
    )
    with compilations() as count:
        shift(sefa(maps, layers="1-2", k=2, normalize=False), codes, -1.0)
        assert count() == 0
