import json
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.data import faces
from jaxlatent.data.worlds import World
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Generator, config_from_json
from jaxlatent.types import Noise

COUNT = len(faces.APPEARANCE)
SMALL = rendered.Config(z_dim=24, size=16, largest_group=COUNT + 2)


@pytest.fixture(scope="module")
def small():
    return Generator(rendered.init(jax.random.key(1), SMALL), SMALL)


@pytest.fixture(scope="module")
def embedded():
    return rendered.embedded()


draw = jax.jit(lambda generator, z: generator.synthesize(z))


def planted(generator):
    """The direction along which each factor grows, [F, D], in float64."""
    weight, pool = (
        np.asarray(generator.params[part]["weight"], np.float64)
        for part in ("layer0", "pool")
    )
    return (weight @ pool).T


def eigenvectors(generator):
    """SeFa's: of A^T A with rows of A at unit length, eigenvalues descending."""
    units = np.asarray(generator.affines()[0].matrix, np.float64).T
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(units.T @ units)
    return values[::-1], vectors.T[::-1]


# the contract


def test_shapes(small):
    z = small.sample(jax.random.key(0), 3)
    assert z.shape == (3, 24)
    hidden = sum(SMALL.groups)
    known = jax.eval_shape(lambda z: small.features(z, names=small.feature_names), z)
    assert {name: value.shape for name, value in known.items()} == {
        "layer0": (3, hidden),
        "factors": (3, COUNT),
        "image": (3, 16, 16, 3),
    }
    (affine,) = small.affines()
    assert (affine.name, affine.layer) == ("layer0", 0)
    assert affine.matrix.shape == (24, hidden)
    np.testing.assert_allclose(
        small.features(z, names=("layer0",))["layer0"],
        z @ affine.matrix + small.params["layer0"]["bias"][None],
        atol=1e-5,
    )


def test_map_is_the_identity_and_prepare_adds_nothing(small):
    z = small.sample(jax.random.key(0), 2)
    np.testing.assert_array_equal(small.map(z), z)
    assert small.prepare().params is small.params


def test_pictures_are_those_of_the_factors(small, monkeypatch):
    z = small.sample(jax.random.key(3), 3)
    monkeypatch.setattr(World, "render", lambda _, factors, *, size: (factors, size))
    drawn, size = small.synthesize(z)
    assert size == SMALL.size
    np.testing.assert_array_equal(drawn, rendered.factors(small.params, SMALL, z))


def test_a_picture_is_not_drawn_unless_asked_for(small):
    z = small.sample(jax.random.key(3), 2)
    text = str(jax.make_jaxpr(lambda z: small.features(z, names=("factors",)))(z))
    assert "16,16" not in text


def test_training_changes_the_map_alone(small):
    mask = rendered.trainable(small.params)
    assert mask == {
        "layer0": {"weight": True, "bias": True},
        "pool": {"weight": False},
    }


def test_rows_do_not_depend_on_their_batch(small):
    z = small.sample(jax.random.key(5), 3)
    np.testing.assert_allclose(draw(small, z)[::-1], draw(small, z[::-1]), atol=2e-5)


def test_float64_weights_give_float64_pictures():
    with jax.enable_x64(True):
        params = rendered.init(jax.random.key(1), SMALL)
        generator = Generator(params, SMALL)
        single = jnp.zeros((1, 24), jnp.float32)
        assert generator.features(single, names=("factors",))["factors"].dtype == (
            jnp.float64
        )
        assert jax.eval_shape(generator.synthesize, single).dtype == jnp.float64


# the planted directions


def test_planted_directions_come_out_one_by_one(embedded):
    values, vectors = eigenvectors(embedded)
    directions = planted(embedded)
    cosines = (vectors[:COUNT] * directions).sum(axis=1)
    cosines /= np.linalg.norm(directions, axis=1)
    largest = np.abs(vectors[:COUNT]).argmax(axis=1)
    cosines *= np.sign(vectors[np.arange(COUNT), largest])
    assert cosines.min() > 0.99
    expected = np.asarray(embedded.config.groups) / (1 + embedded.config.jitter**2)
    np.testing.assert_allclose(values[:COUNT], expected, rtol=0.05)
    assert values[COUNT] < 0.1 * values[COUNT - 1]


def test_planted_directions_are_nearly_orthonormal(embedded):
    directions = planted(embedded)
    np.testing.assert_allclose(directions @ directions.T, np.eye(COUNT), atol=0.02)


@pytest.mark.parametrize("jitter", [0.0, 0.5])
def test_other_keys_plant_other_directions(jitter):
    config = rendered.Config(jitter=jitter)
    first, second = (
        Generator(rendered.init(jax.random.key(seed), config), config)
        for seed in (5, 6)
    )
    for generator in (first, second):
        directions = planted(generator)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        cosines = (eigenvectors(generator)[1][:COUNT] * directions).sum(axis=1)
        assert np.abs(cosines).min() > 0.95
    assert np.abs((planted(first) * planted(second)).sum(axis=1)).max() < 0.6


def test_without_jitter_a_shift_moves_one_factor_by_a_closed_form():
    config = rendered.Config(jitter=0.0)
    generator = Generator(rendered.init(jax.random.key(2), config), config)
    directions = planted(generator).astype(np.float32)
    strengths = np.linspace(-3, 3, COUNT, dtype=np.float32)
    factors = rendered.factors(
        generator.params, config, strengths[:, None] * directions
    )
    np.testing.assert_allclose(
        factors, np.diag(np.tanh(config.gain * strengths)), atol=1e-5
    )


def test_factors_vary_naturally_and_shifts_sweep_them(embedded):
    z = embedded.sample(jax.random.key(11), 4000)
    factors = np.asarray(rendered.factors(embedded.params, embedded.config, z))
    assert np.all(np.abs(factors.mean(axis=0)) < 0.05)
    assert np.all(np.abs(factors.std(axis=0) - 0.45) < 0.05)
    _, vectors = eigenvectors(embedded)
    ends = np.concatenate([-3 * vectors[:COUNT], 3 * vectors[:COUNT]])
    swept = np.asarray(
        rendered.factors(
            embedded.params, embedded.config, jnp.asarray(ends, jnp.float32)
        )
    )
    assert np.abs(np.diagonal(swept[COUNT:] - swept[:COUNT])).min() > 1.7


# the asset


def test_the_embedded_file_is_what_init_makes(embedded, tmp_path):
    rendered.save_embedded(tmp_path / "faces.npz")
    asset = resources.files("jaxlatent") / "assets" / "faces.npz"
    assert len(asset.read_bytes()) < 200_000
    with (
        asset.open("rb") as file,
        np.load(file, allow_pickle=False) as kept,
        np.load(tmp_path / "faces.npz", allow_pickle=False) as made,
    ):
        assert set(kept.files) == set(made.files)
        np.testing.assert_array_equal(kept["header"], made["header"])
        header = json.loads(kept["header"].tobytes())
        for name in set(kept.files) - {"header"}:
            assert kept[name].dtype == np.float32
            assert kept[name].shape == made[name].shape
    assert config_from_json("rendered", header["config"]) == embedded.config
    assert header["name"] == rendered.EMBEDDED
    assert embedded.config == rendered.Config()
    shapes = jax.eval_shape(lambda: rendered.init(jax.random.key(0), embedded.config))
    assert jax.tree.map(jnp.shape, embedded.params) == jax.tree.map(jnp.shape, shapes)


def test_the_embedded_weights_are_pinned(embedded):
    """Random streams may change with jax; these numbers may not."""
    z = jnp.zeros((1, 64)).at[0, 0].set(1)
    np.testing.assert_allclose(
        rendered.factors(embedded.params, embedded.config, z)[0, :4],
        [0.0612055, 0.1588451, 0.089471, -0.025157],
        atol=1e-6,
    )


# errors


def test_what_the_family_lacks_is_an_error_that_names_the_argument(small):
    z = jnp.zeros((1, 24))
    label = jnp.zeros(1, jnp.int32)
    for call, match in (
        (lambda: small.synthesize(z, label), "label: given"),
        (lambda: small.map(z, label), "label: given"),
        (lambda: small.embed(label), "label: this generator"),
        (lambda: small.synthesize(z, noise=jax.random.key(0)), "noise: given"),
        (lambda: small.sample(jax.random.key(0), 1, truncation=0.5), "truncation"),
        (lambda: small.truncate(z, 0.5), "psi: given"),
        (lambda: small.broadcast(z), "latent: this generator has no w"),
        (lambda: small.synthesize(jnp.zeros((1, 23))), r"latent: shape \(1, 23\)"),
        (lambda: small.synthesize(jnp.zeros((1, 2, 24))), r"latent: shape \(1, 2, 24"),
        (lambda: small.features(z, names=("layer1",)), "names: "),
    ):
        with pytest.raises(ValueError, match=match):
            call()


def test_both_words_for_no_noise_are_accepted(small):
    z = jnp.zeros((1, 24))
    for noise in ("none", "fixed", Noise.NONE, Noise.FIXED):
        factors = small.features(z, names=("factors",), noise=noise)["factors"]
        np.testing.assert_array_equal(factors, np.zeros((1, COUNT)))


@pytest.mark.parametrize(
    ("change", "match"),
    [({"z_dim": COUNT + 1}, "z_dim"), ({"largest_group": COUNT - 1}, "largest_group")],
)
def test_impossible_sizes_are_refused(change, match):
    config = rendered.Config(**change)
    with pytest.raises(ValueError, match=match):
        rendered.init(jax.random.key(0), config)
