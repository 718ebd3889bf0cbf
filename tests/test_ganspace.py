import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, drawn, error, golden

from jaxlatent.edits.directions import directions
from jaxlatent.edits.random import random_basis, random_directions
from jaxlatent.generators import stylegan2
from jaxlatent.generators.base import Generator, fingerprint
from jaxlatent.methods import ganspace as method
from jaxlatent.numerics.decomposition import Estimation, decompose
from jaxlatent.numerics.stream import draw_codes
from jaxlatent.parallel import mesh

MATRIX = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
SMALL = stylegan2.Config(
    resolution=8,
    channels=(4, 4),
    z_dim=6,
    w_dim=5,
    mapping_layers=2,
    mapping_width=8,
    label_dim=0,
)


def uniform(key, num):
    """Codes of unit variance, cheaper to compile than normal ones."""
    return jax.random.uniform(key, (num, 4), minval=-(3**0.5), maxval=3**0.5)


def linear(z):
    return z @ MATRIX + 5.0


def bent(z):
    return jnp.tanh(linear(z) - 5.0).reshape(-1, 7, 1)


draw = jax.jit(draw_codes)


def codes(num, features=linear, seed=0):
    """The latents and rows that a decomposition sees, in float64."""
    source = method.function_source(features, uniform)
    parts = draw(source, jax.random.key(seed), np.arange(num))
    return (np.asarray(part, np.float64) for part in parts)


def settings(options):
    """Options of a decomposition, those of its estimation gathered."""
    # one size of chunk: what is compiled serves many tests
    options = {"k": 4, "key": jax.random.key(0), "chunk": 500} | options
    names = [field.name for field in dataclasses.fields(Estimation)]
    own = {name: options.pop(name) for name in names if name in options}
    return options | {"estimation": Estimation(**own)}


def run(features=linear, samples=1500, *, space="z", regressed=False, **options):
    return method.ganspace(
        *(features, uniform),
        **{"samples": samples, "space": space, "regressed": regressed},
        **settings(options),
    )


def decomposed(features=linear, samples=1500, **options):
    source = method.function_source(features, uniform)
    return decompose(source, samples=samples, regressed=True, **settings(options))


def both(features=linear, samples=1500, space="z", **options):
    """Directions of the features and of the latents, from one decomposition."""
    found = decomposed(features, samples, **options)
    return (
        method.feature_directions(found, space="feature:rows"),
        method.latent_directions(found, space=space),
    )


@pytest.fixture(scope="module")
def small():
    return Generator(drawn(lambda key: stylegan2.init(key, SMALL), 0), SMALL)


# the core on functions


def test_linear_features():
    _, rows = codes(1500)
    plain, found = both()
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    assert np.allclose(plain.scale, np.sqrt(values[::-1][:4]), rtol=1e-5)
    along = np.sum(np.asarray(plain.vectors) * vectors.T[::-1][:4], axis=1)
    assert np.abs(along).min() > 1 - 1e-5
    assert np.allclose(plain.mean, rows.mean(axis=0), rtol=1e-5)
    # behind a linear map, the regression is its pseudo-inverse
    expected = np.asarray(plain.vectors * plain.scale[:, None]) @ np.linalg.pinv(MATRIX)
    norms = np.linalg.norm(expected, axis=1)
    assert error(found.report["regression_norm"], norms) < 1e-4
    assert error(found.vectors, expected / norms[:, None]) < 1e-4
    assert np.array_equal(found.scale, np.ones(4))


def test_white_codes_give_the_singular_values():
    found = run(samples=20_000, regressed=True)
    _, values, right = np.linalg.svd(MATRIX.T, full_matrices=False)
    assert np.allclose(found.report["stdev"], values, rtol=0.03)
    assert np.allclose(found.report["regression_norm"], 1, rtol=0.03)
    assert np.abs(np.sum(right * np.asarray(found.vectors), axis=1)).min() > 0.99
    expected = np.sqrt(np.sum(values**2) / 7)
    assert np.isclose(found.facts["random_stdev"], expected, rtol=0.03)
    assert np.isclose(found.report["variance_ratio"].sum(), 1, rtol=1e-5)


def test_closed_form_is_least_squares():
    latents, rows = codes(1500, bent)
    plain, found = both(bent, space="w")
    centred = rows - rows.mean(axis=0)
    coordinates = centred @ np.asarray(plain.vectors).T / np.asarray(plain.scale)
    expected = np.linalg.lstsq(coordinates, latents - latents.mean(axis=0))[0]
    norms = np.linalg.norm(expected, axis=1)
    assert error(found.vectors, expected / norms[:, None]) < 1e-5
    assert error(found.report["regression_norm"], norms) < 1e-5
    spread = np.std(latents @ np.asarray(found.vectors).T, axis=0, ddof=1)
    assert error(found.scale, spread) < 1e-5
    assert error(found.mean, latents.mean(axis=0)) < 1e-4


def test_second_pass_of_the_original_agrees():
    closed = run(bent, samples=10_000, regressed=True)
    fresh = run(bent, samples=10_000, regressed=True, resample=True)
    along = np.sum(np.asarray(closed.vectors) * np.asarray(fresh.vectors), axis=1)
    assert along.min() > 0.99
    assert np.allclose(closed.report["stdev"], fresh.report["stdev"])
    assert not np.allclose(closed.mean, fresh.mean)


@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        ("exact", {"chunk": 64}),
        ("exact", {"chunk": 60, "mesh": 8}),
        ("randomized", {"chunk": 250, "passes": 1}),
    ],
)
def test_chunks_and_devices_change_nothing(estimator, options):
    if "mesh" in options:
        options = options | {"mesh": mesh(options["mesh"])}
    kind = {"estimator": estimator, "k": 3, "regressed": True, "samples": 700}
    one = run(bent, **kind | {"passes": options.get("passes", 2)})
    other = run(bent, **kind | options)
    for name in ("vectors", "scale", "mean"):
        assert error(getattr(one, name), np.asarray(getattr(other, name))) < 2e-6


@pytest.mark.parametrize("estimator", ["incremental", "randomized", "sparse", "ica"])
def test_estimators_find_the_same_space(estimator):
    exact = run()
    found, latent = both(estimator=estimator)
    basis = np.asarray(exact.vectors)
    inside = np.linalg.norm(np.asarray(found.vectors) @ basis.T, axis=1)
    assert inside.min() > 1 - 1e-3
    total = np.asarray(exact.facts["total_variance"])
    assert np.isclose(found.facts["total_variance"], total, rtol=1e-3)
    assert latent.vectors.shape == (4, 4)
    if estimator in ("incremental", "randomized"):
        assert np.allclose(found.scale, exact.scale, rtol=1e-4)
        assert np.sum(np.asarray(found.vectors) * basis, axis=1).min() > 1 - 1e-4
    if estimator == "ica":
        mixing = decomposed(estimator=estimator).components.mixing
        assert mixing is not None
        assert mixing.shape == (4, 7)


def test_without_k_as_many_as_there_are():
    assert len(run(k=None)) == 4
    with pytest.warns(UserWarning, match="only 4 directions"):
        assert len(run(k=5)) == 5


def test_second_call_compiles_nothing():
    run(bent, samples=700)
    key = jax.random.key(3)
    with compilations() as count:
        run(bent, samples=900, key=key)
    assert count() == 0


def test_progress_counts_the_codes():
    seen = []
    run(samples=1250, progress=seen.append)
    assert seen == [500, 500, 250]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "pca"}, "estimator: 'pca' given"),
        ({"samples": 1}, "samples: 1 given; 2 or more"),
        ({"chunk": 0}, "chunk: 0 given; 1 or more"),
        ({"k": 8}, "k: 8 given; 1 to 7"),
        (
            {"samples": 3, "estimator": "incremental"},
            "samples: 3 given; at least k = 4",
        ),
    ],
)
def test_errors_name_the_argument(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)


def test_wide_features_get_the_randomized_estimator():
    def features(z):
        return jnp.broadcast_to(z[:, :1], (z.shape[0], 8193))

    with pytest.raises(ValueError, match="'exact' keeps a covariance of 8193"):
        run(features, estimator="exact")
    found = run(features, k=1)
    np.testing.assert_allclose(found.vectors, 8193**-0.5, rtol=1e-4)


def test_latents_that_were_not_kept():
    source = method.function_source(linear, uniform)
    found = decompose(source, samples=1500, **settings({}))
    with pytest.raises(ValueError, match="regressed=True"):
        method.latent_directions(found, space="z")


# a generator


def test_components_of_w(small):
    (found,) = method.discover(small, samples=600, layers="0-1", key=jax.random.key(1))
    source = method.generator_source(small)
    _, rows = draw(source, jax.random.key(1), np.arange(600))
    rows = np.asarray(rows)
    values, vectors = np.linalg.eigh(np.cov(np.asarray(rows, np.float64).T))
    assert np.allclose(found.scale, np.sqrt(values[::-1]), rtol=1e-4)
    assert np.abs(np.sum(found.vectors * vectors.T[::-1], axis=1)).min() > 1 - 1e-5
    assert (found.space, found.layers, found.method) == ("w", (0, 1), "ganspace")
    assert found.generator == fingerprint(small)
    # one unit of strength is one standard deviation; other rows stay as they are
    latents = np.repeat(rows[:3, None], 4, axis=1)
    moved = np.asarray(jax.jit(found.shift)(latents, 1, 1.0))
    assert np.array_equal(moved[:, 2:], latents[:, 2:])
    assert np.allclose(
        np.linalg.norm(moved - latents, axis=2)[:, :2], found.scale[1], rtol=1e-5
    )


def test_components_of_activations(small):
    three = Estimation(k=3)
    options = dict(layer="b4", samples=200, estimation=three, key=jax.random.key(2))
    (found,) = method.discover(small, edit="activation", **options)
    assert found.space == "feature:b4"
    assert found.vectors.shape == (3, 4 * 4 * 4)
    source = method.generator_source(small, layer="b4", regress="w")
    both = decompose(
        source, samples=200, estimation=three, key=jax.random.key(2), regressed=True
    )
    activations = method.feature_directions(both, space="feature:b4")
    assert np.allclose(activations.scale, found.scale, rtol=1e-4)
    (latent,) = method.discover(small, regress="z", **options)
    assert (latent.space, latent.vectors.shape) == ("z", (3, 6))
    twin = method.latent_directions(both, space="w")
    assert twin.vectors.shape == (3, 5)
    # both of one decomposition, w being what is carried to unless told
    pair = method.discover(small, edit="both", **options)
    assert [one.space for one in pair] == ["w", "feature:b4"]
    for ours, theirs in zip(pair, (twin, activations), strict=True):
        np.testing.assert_array_equal(ours.vectors, theirs.vectors)


def test_moving_w_moves_the_activations(small):
    one = Estimation(k=1)
    options = dict(layer="b4", samples=200, estimation=one, key=jax.random.key(2))
    edit, layer = method.discover(small, edit="both", **options)

    @jax.jit
    def coordinate(w, strength):
        moved = edit.shift(w, 0, strength)
        rows = small.features(moved, names=("b4",))["b4"].reshape(64, -1)
        return layer.coordinate(rows, 0)

    w, _ = draw(method.generator_source(small), jax.random.key(5), np.arange(64))
    gained = np.asarray(coordinate(w, 1.0)) - np.asarray(coordinate(w, -1.0))
    assert gained.mean() > 0.5


def test_generator_errors(small):
    key = jax.random.key(0)
    plain = Generator.from_functions(lambda params, z: z[:, None, None], z_dim=3)
    with pytest.raises(ValueError, match="layer: this generator has no w"):
        method.discover(plain, key=key)
    with pytest.raises(ValueError, match=r"regress: 'w' given; one of \['z'\]"):
        method.discover(plain, layer="image", regress="w", key=key)
    with pytest.raises(ValueError, match="regress: 'z' given for components of w"):
        method.discover(small, regress="z", key=key)
    with pytest.raises(ValueError, match="edit: 'both' given for components of w"):
        method.discover(small, edit="both", key=key)
    with pytest.raises(ValueError, match="edit: 'all' given; one of"):
        method.discover(small, layer="b4", edit="all", key=key)
    for options in ({"regress": "z"}, {"edit": "activation"}):
        with pytest.raises(ValueError, match="layers: '0' given for an edit of "):
            method.discover(small, layer="b4", layers="0", key=key, **options)
    with pytest.raises(ValueError, match=r"layer: \['b16'\] given"):
        method.discover(small, layer="b16", key=key)


def test_any_functions_are_a_generator():
    plain = Generator.from_functions(
        lambda params, z: (z @ params)[:, None, None],
        z_dim=4,
        params=jnp.asarray(MATRIX),
        sample=lambda key: uniform(key, 1)[0],
    )
    (found,) = method.discover(plain, layer="image", samples=500, key=jax.random.key(0))
    assert found.space == "z"
    values = np.linalg.svd(MATRIX, compute_uv=False)
    assert np.allclose(found.report["stdev"], values, rtol=0.2)


def test_labels():
    config = dataclasses.replace(SMALL, label_dim=3, embed_dim=4)
    generator = Generator(drawn(lambda key: stylegan2.init(key, config), 0), config)
    options = dict(samples=50, estimation=Estimation(k=2), key=jax.random.key(0))
    (index,) = method.discover(generator, label=1, **options)
    (weights,) = method.discover(generator, label=[0.0, 1.0, 0.0], **options)
    (other,) = method.discover(generator, label=2, **options)
    assert np.array_equal(index.vectors, weights.vectors)
    assert not np.allclose(index.mean, other.mean)
    with pytest.raises(ValueError, match="label: missing"):
        method.discover(generator, **options)


# edits and baselines


def test_original_strips():
    stored = golden("ganspace_strips")
    layers = range(int(stored["layer_start"]), int(stored["layer_end"]))
    edit = directions(
        stored["comp"],
        space="w",
        scale=stored["stdev"].astype(np.float32)[None],
        mean=stored["mean"][0],
        layers=layers,
    )
    rows = int(stored["n_layers"])
    latents = np.repeat(stored["latents"][:, None], rows, axis=1)
    sigma = float(stored["sigma"])
    strengths = np.linspace(-sigma, sigma, int(stored["num_frames"]))
    traverse = jax.jit(edit.traverse)
    for name, base in (
        ("frames_plain", latents),
        ("frames_centered", jax.jit(edit.move_to)(latents, 0, 0.0)),
    ):
        frames = np.asarray(traverse(base, 0, strengths)).swapaxes(0, 1)
        assert error(frames, stored[name][:, :, :, 0]) < 1e-5


def test_original_edit_sequence():
    stored = golden("ganspace_edit_sequence")
    states = stored["layer_latents"]
    latent = jnp.asarray(np.repeat(stored["w0"][:, None], 5, axis=1))
    assert error(latent[0], states[0]) == 0
    for row, expected in zip(stored["edits"], states[1:], strict=True):
        index, start, stop, strength, mirror = row
        edit = directions(
            stored["comp"][:, 0],
            space="w",
            scale=stored["stdev"],
            mean=stored["mean"][0],
            layers=range(int(start), int(stop) if stop > 0 else 5),
        )
        latent = method.set_to_target(
            edit, latent, int(index), strength, mirror=bool(mirror)
        )
        assert error(latent[0], expected) < 1e-5


def test_target_is_reached():
    found = run()
    latent = jnp.asarray(np.random.default_rng(0).normal(size=(3, 7)), jnp.float32)
    moved = jax.jit(found.move_to)(latent, 2, 1.5)
    coordinate = jax.jit(found.coordinate)
    assert np.allclose(coordinate(moved, 2), 1.5, atol=1e-5)
    for other in (0, 1, 3):
        before, after = (np.asarray(coordinate(x, other)) for x in (latent, moved))
        assert np.allclose(before, after, atol=1e-5)
    assert np.allclose(method.set_to_target(found, latent, 2, 1.5), moved, atol=1e-5)


def test_random_directions():
    like = run()
    found = random_directions(like, key=jax.random.key(1))
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1)
    assert np.array_equal(found.scale, like.scale)
    assert (found.space, found.method) == ("z", "random")
    fewer = random_directions(like.select([0, 1]), key=jax.random.key(1))
    assert np.array_equal(fewer.vectors, found.vectors[:2])


def test_random_basis():
    found = random_basis(run(), key=jax.random.key(1))
    vectors = np.asarray(found.vectors, np.float64)
    assert np.allclose(vectors @ vectors.T, np.eye(7), atol=1e-6)
    assert np.linalg.det(vectors) > 0
    assert np.allclose(found.scale, run().facts["random_stdev"])
