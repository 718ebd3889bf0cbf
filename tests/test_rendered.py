import json
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.checkpoint import load_generator, save_generator
from jaxlatent.data import WORLDS, faces
from jaxlatent.data.worlds import World
from jaxlatent.edits.base import bare
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.flow import FlowPaths
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Generator, config_from_json, fingerprint
from jaxlatent.methods import ganspace, sefa
from jaxlatent.numerics.decomposition import Estimation
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

    def render(_, factors, *, size):
        return factors, size

    monkeypatch.setattr(World, "render", render)
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


# oracles: other worlds, curved ways, mapping networks, rows


FEW = {"z_dim": 8, "largest_group": 6, "shows": "factors"}
ORACLES = {
    "linear": {},
    "mapping and rows": {"mapped": True, "rows": 2},
    "curved": {"curved": 1.0},
    "all": {"mapped": True, "rows": 2, "curved": 1.0},
}
WAYS = [
    ("linear", "z"),
    ("mapping and rows", "z"),
    ("mapping and rows", "w"),
    ("mapping and rows", "w+"),
    ("curved", "z"),
    ("all", "z"),
    ("all", "w"),
    ("all", "w+"),
]


def planted_oracle(name, **changes):
    settings = {**FEW, **ORACLES[name], **changes}
    return rendered.oracle("disc", key=jax.random.key(7), **settings)


@pytest.fixture(scope="module", params=ORACLES)
def oracle(request):
    return planted_oracle(request.param)


@jax.jit
def traversed(generator, edit, codes, strengths):
    """Factors [K, S, N, F] along every direction."""

    def shown(codes):
        latent = generator.map(codes) if edit.space == "z" else codes
        return generator.synthesize(latent)[:, 0, 0]

    moved = [edit.traverse(codes, index, strengths) for index in range(len(edit))]
    return jnp.stack([jax.lax.map(shown, way) for way in moved])


def codes_in(generator, space, num=6):
    codes = generator.sample(jax.random.key(1), num)
    codes = codes if space == "z" else generator.map(codes)
    return generator.broadcast(codes) if space == "w+" else codes


STRENGTHS = np.float32([0, -2.0, 0.5, 3.0])


@pytest.mark.parametrize(("name", "space"), WAYS)
def test_the_truth_moves_its_own_factor_by_a_closed_form(name, space):
    generator = planted_oracle(name)
    edit = rendered.truth(generator, space)
    assert (edit.space, edit.names) == (space, generator.config.factor_names)
    assert edit.generator == fingerprint(generator)
    found = np.asarray(
        traversed(generator, bare(edit), codes_in(generator, space), STRENGTHS)
    )
    start, gain = np.arctanh(np.float64(found[:, 0])), generator.config.gain
    own = np.eye(4)[:, None, None] * STRENGTHS[None, :, None, None]
    expected = np.tanh(start[:, None] + gain * own)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    others = ~np.eye(4, dtype=bool)
    still = np.broadcast_to(found[:, :1], found.shape)
    apart = np.abs(found - still).max(axis=(1, 2))[others]
    assert apart.max() < (1e-6 if isinstance(edit, Directions) else 1e-5)


def test_what_is_straight_and_what_is_not():
    kinds = {
        (name, space): type(rendered.truth(planted_oracle(name), space))
        for name, space in WAYS
    }
    straight = [way for way, kind in kinds.items() if kind is Directions]
    assert straight == [
        ("linear", "z"),
        ("mapping and rows", "w"),
        ("mapping and rows", "w+"),
    ]
    assert set(kinds.values()) == {Directions, FlowPaths}
    defaults = {name: rendered.truth(planted_oracle(name)).space for name in ORACLES}
    assert list(defaults.values()) == ["z", "w+", "z", "w+"]


def test_no_straight_direction_is_as_good_as_a_path():
    """The best one, the mean of the paths' chords, leaks a hundred times more."""
    generator = planted_oracle("curved")
    edit = rendered.truth(generator)
    codes, one = codes_in(generator, "z", 64), np.float32([0.0, 1.0])
    chords = [edit.shift(codes, index, 1.0) - codes for index in range(4)]
    mean = directions(jnp.stack(chords).mean(axis=1), space="z")
    leaks = []
    for moved in (edit, mean):
        found = traversed(generator, bare(moved), codes, one)
        found = np.arctanh(np.float64(found))
        change = found[:, 1] - found[:, 0]
        leaks.append(np.abs(change).mean(axis=1)[~np.eye(4, dtype=bool)].mean())
    assert leaks[1] > 100 * leaks[0]
    assert leaks[1] > 0.1 * generator.config.gain


def test_rows_are_read_by_their_own_factors_alone(oracle):
    config = oracle.config
    if not config.rows:
        assert "w+" not in oracle.code_spaces
        return
    assert config.readers.tolist() == [0, 1, 0, 1]
    rows = codes_in(oracle, "w+")
    found = oracle.synthesize(rows)[:, 0, 0]
    changed = oracle.synthesize(rows.at[:, 1].add(1.0))[:, 0, 0]
    same = np.asarray(found == changed).all(axis=0)
    np.testing.assert_array_equal(same, [True, False, True, False])
    np.testing.assert_array_equal(
        oracle.synthesize(rows[:, 0])[:, 0, 0],
        oracle.synthesize(oracle.broadcast(rows[:, 0]))[:, 0, 0],
    )


def test_sefa_finds_the_factors_of_a_row_in_their_order():
    """Without jitter A^T A is sum_j m_j q_j q_j^T, so eigenvalues are the groups'."""
    generator = planted_oracle("mapping and rows", jitter=0.0)
    known = np.asarray(rendered.truth(generator, "w").vectors)
    for layers, own in (("0", [0, 2]), ("1", [1, 3]), (None, [0, 1, 2, 3])):
        found = sefa.discover(generator, layers=layers)
        groups = np.asarray(generator.config.groups)[own]
        np.testing.assert_allclose(found.report["eigenvalues"], groups, rtol=1e-5)
        np.testing.assert_allclose(found.vectors, known[own], atol=1e-5)
    assert planted_oracle("curved").affines() == ()


@pytest.mark.parametrize(("seed", "expected"), [(4, [0, 1, 2, 3]), (10, [1, 0, 2, 3])])
def test_ganspace_finds_the_factors_by_their_units_squared_lengths(seed, expected):
    """Without jitter the units' covariance is A A^T = sum_j S_j u_j u_j^T, u_j in group
    j alone and S_j its sum of squared lengths. To first order, that of N samples turns
    component j by (S_j S_k)^(1/2) / |S_j - S_k| / N^(1/2) standard errors towards k."""
    settings = {**FEW, "jitter": 0.0}
    generator = rendered.oracle("disc", key=jax.random.key(seed), **settings)
    samples = 20_000
    known = np.asarray(rendered.truth(generator).vectors)
    weight = np.asarray(generator.params["layer0"]["weight"], np.float64)
    ends = np.cumsum(generator.config.groups)
    size = np.square(weight).sum(0)
    size = np.array([part.sum() for part in np.split(size, ends[:-1])])
    order = np.argsort(-size)
    assert order.tolist() == expected
    (found,) = ganspace.discover(
        generator,
        layer="layer0",
        key=jax.random.key(2),
        samples=samples,
        estimation=Estimation(k=4),
    )
    gap = np.abs(size[:, None] - size[None]) + np.diag([np.inf] * 4)
    turn = np.sqrt((size[:, None] * size[None] / gap**2).sum(1) / samples)
    cosines = np.abs((np.asarray(found.vectors) * known[order]).sum(1))
    least = np.cos(4 * turn[order])
    assert least.min() > 0.9
    assert np.all(cosines > least)


def test_w_is_truncated_towards_zero_which_is_its_mean():
    generator = planted_oracle("mapping and rows")
    codes = generator.sample(jax.random.key(3), 3)
    w = generator.map(codes)
    np.testing.assert_array_equal(generator.map(-codes), -w)
    found = generator.truncate(w, 0.5, 1)
    np.testing.assert_allclose(found, jnp.stack([0.5 * w, w], axis=1), rtol=1e-6)
    single = planted_oracle("mapping and rows", rows=0)
    np.testing.assert_allclose(single.truncate(w, 0.5), 0.5 * w, rtol=1e-6)
    with pytest.raises(ValueError, match="cutoff: 1 given, but"):
        single.truncate(w, 0.5, 1)
    with pytest.raises(ValueError, match="latent: this generator has no w"):
        single.broadcast(w)


def test_pictures_are_those_of_the_world_and_its_factors():
    generator = planted_oracle("curved", shows="image", size=16)
    codes = codes_in(generator, "z", 3)
    values = generator.features(codes, names=("factors",))["factors"]
    np.testing.assert_array_equal(
        generator.synthesize(codes), WORLDS["disc"].render(values, size=16)
    )
    assert generator.image_shape == (16, 16, 1)
    assert generator.config.resolution == 16


def test_an_oracle_comes_back_from_disk(oracle, tmp_path):
    save_generator(tmp_path / "oracle", oracle)
    found = load_generator(tmp_path / "oracle")
    assert found.config == oracle.config
    assert fingerprint(found) == fingerprint(oracle)


def test_an_earlier_config_is_one_of_portraits():
    values = {"z_dim": 64, "size": 128, "largest_group": 24, "gain": 0.55}
    assert config_from_json("rendered", values) == rendered.Config()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"world": "mars"}, "world: 'mars' given; one of"),
        ({"factors": ("age",)}, r"factors: \('age',\) given; of faces, some of"),
        ({"rows": 15}, "rows: 15 given; 0 to 14"),
        ({"rows": -1}, "rows: -1 given; 0 to 14"),
        ({"shows": "sound"}, "shows: 'sound' given; one of"),
    ],
)
def test_oracles_that_there_are_not_are_refused(change, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        rendered.Config(**change)


def test_a_truth_in_a_space_that_there_is_not_is_refused(small):
    with pytest.raises(ValueError, match=r"^space: 'w' given; one of \('z',\)"):
        rendered.truth(small, "w")


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
