"""Effects of directions on factors: a linear generator by hand, and the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from edit_kinds import EDITS, D, K, L
from helpers import compilations

from jaxlatent import parallel
from jaxlatent.edits.base import bare
from jaxlatent.edits.deformation import deformation
from jaxlatent.edits.directions import directions
from jaxlatent.edits.factor import factors
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.edits.walks import neural_walk
from jaxlatent.evaluation.edit_scores import score_edit
from jaxlatent.evaluation.effects import (
    Effects,
    known_effects,
    prior_units,
    scored_effects,
)
from jaxlatent.generators import rendered
from jaxlatent.generators.base import Generator
from jaxlatent.latents import Latents, Truncation

RNG = np.random.default_rng(4)
CODES = RNG.normal(size=(40, 3)).astype(np.float32)
LATENTS = Latents(jnp.asarray(CODES), "z")
VECTORS = np.float32([[1, 0, 0], [0, -3, 4], [1, 1, 1], [0, 0, 0]])
SCALES = np.float32([1, 0.5, 2, 1])
STRENGTHS = (-1.0, 0.0, 2.0)
SMALL = rendered.Config(z_dim=20, largest_group=15)
ORACLE = Generator(rendered.init(jax.random.key(3), SMALL), SMALL)
PLACES = Latents(jnp.asarray(RNG.normal(size=(24, 20)), jnp.float32), "z")


def pixels(images):
    return images[:, 0, :, 0]


def deviation(codes, vectors):
    """Of codes along vectors, none of which is zero."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return (codes @ units.T).std(axis=0)


# an oracle with all spaces, of the dimension and the rows of the table of kinds
WHOLE = rendered.oracle(
    "disc",
    key=jax.random.key(2),
    factors=("x", "y", "size"),
    z_dim=D,
    largest_group=4,
    mapped=True,
    rows=L,
)


@jax.jit
def reached(oracle, edit, z, index, strength):
    """Factors [N, F] of codes [N, D] that are shifted one by one."""
    if edit.space == "z":
        latent = oracle.map(edit.shift(z, index, strength))
    else:
        latent = oracle.map(z)
        if edit.space == "w+" or edit.layers is not None:
            latent = oracle.broadcast(latent)
        latent = edit.shift(latent, index, strength)
    return rendered.factors(oracle.params, oracle.config, latent)


@pytest.fixture(scope="module")
def chance():
    drawn = directions(RNG.normal(size=(9, D)).astype(np.float32), space="w")
    return known_effects(WHOLE, drawn, Latents(WHOLE.sample(jax.random.key(0), 6), "z"))


@pytest.mark.parametrize("name", EDITS)
def test_every_kind_is_followed_and_scored(name, chance):
    edit, z = EDITS[name], WHOLE.sample(jax.random.key(0), 6)
    found = known_effects(WHOLE, edit, Latents(z, "z"), STRENGTHS)
    assert found.values.shape == (6, K, 3, 3)
    # each place is where a single shift of that strength leads
    one, k, s = np.indices((6, K, 3)).reshape(3, -1)
    strength = np.float32(found.units[k] * found.strengths[s])
    direct = reached(WHOLE, bare(edit), z[one], k.astype(np.int32), strength)
    np.testing.assert_allclose(found.values[one, k, s], direct, atol=2e-5)
    assert not found.rests.any()
    # in another order the same directions are worth the same
    order = [2, 0, 1]
    turned = known_effects(WHOLE, edit.select(order), Latents(z, "z"), STRENGTHS)
    np.testing.assert_allclose(turned.values, found.values[:, order], atol=1e-6)
    np.testing.assert_allclose(turned.units, found.units[order], rtol=1e-6)
    assert turned.directions == tuple(found.directions[index] for index in order)
    ours, theirs = (score_edit(effects, chance) for effects in (found, turned))
    np.testing.assert_allclose(theirs.purity, ours.purity[order], atol=1e-5)
    np.testing.assert_allclose(theirs.coverage, ours.coverage, atol=1e-5)
    assert theirs.diversity == pytest.approx(ours.diversity, abs=1e-5)


def test_effects_of_a_linear_generator():
    """Pixels are 22 z, whatever the sign and the scale of a direction."""
    edit = directions(VECTORS, scale=SCALES, space="z", names=[*"abcd"])
    found = scored_effects(toy.make(), edit, {"": pixels}, LATENTS, STRENGTHS[::-1])
    lengths = np.linalg.norm(VECTORS[:3], axis=1)
    units = deviation(CODES, VECTORS[:3]) / lengths / SCALES[:3]
    np.testing.assert_allclose(found.units, [*units, 1], rtol=1e-4)
    steps = VECTORS[:3] * (SCALES[:3] * units)[:, None]
    slope = steps / CODES.std(axis=0)
    np.testing.assert_allclose(found.slope[:3], slope, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.change[:3], np.abs(slope), rtol=1e-4, atol=1e-6)
    share = np.abs(slope) / np.abs(slope).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.selectivity[:3], share, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.rests, [False, False, False, True])
    assert np.isnan(found.selectivity[3]).all()
    assert found.directions == ("a", "b", "c", "d")
    np.testing.assert_array_equal(found.strengths, STRENGTHS)
    np.testing.assert_allclose(found.monotonicity[2], 1)


@pytest.mark.parametrize("space", ["w+", "feature:mixed"])
def test_a_unit_is_one_deviation_of_the_prior_where_the_edit_acts(space):
    """w is 2 z, and psi of that off the mean; the feature is 11 w."""
    edit = directions(VECTORS[:3], space=space)
    alone = deviation(CODES, VECTORS[:3]) / np.linalg.norm(VECTORS[:3], axis=1)
    times = 2.0 if space == "w+" else 22.0
    found = prior_units(toy.make(), edit, LATENTS)
    np.testing.assert_allclose(found, times * alone, rtol=1e-4)
    for when, part in (("before", 0.5), ("after", 1.0)):
        if space == "w+":
            halved = prior_units(toy.make(), edit, LATENTS, Truncation(0.5, when=when))
            np.testing.assert_allclose(halved, part * times * alone, rtol=1e-4)


def test_classes_are_part_of_the_prior():
    """w is 2 z and the number of the class, of all alike."""
    label = np.arange(40) % 3
    latents = Latents(jnp.asarray(CODES), "z", jnp.asarray(label))
    edit = directions(VECTORS[:3], space="w")
    found = prior_units(toy.make(label_dim=3), edit, latents)
    w = 2 * CODES + (label[:, None] + 1)
    alone = deviation(w, VECTORS[:3]) / np.linalg.norm(VECTORS[:3], axis=1)
    np.testing.assert_allclose(found, alone, rtol=1e-4)


def paths():
    supports = RNG.normal(size=(2, 4, 3))
    weights = np.float32([[1, -1, 1, -1], [1, 1, -1, 1]])
    return rbf_field(supports, weights, np.full(2, 0.3), space="z", step=0.2)


def walk():
    weight = RNG.normal(size=(2, 3, 3)).astype(np.float32) / 5
    layer = {"weight": weight, "bias": np.ones((2, 3), np.float32)}
    return neural_walk([layer], space="z")


def biased():
    """By a strength of zero it moves codes by 4 in every entry."""
    params = {"vectors": VECTORS[:2], "bias": np.full(3, 4, np.float32)}
    return deformation("linear", params, 2, 3, space="z")


def factor():
    knots = np.float32([-9, 0, 9])
    law = np.float32([[-3, 0, 2]])
    return factors(VECTORS[:1], knots[None], law, space="z")


@pytest.mark.parametrize("kind", [paths, walk, biased, factor])
def test_every_kind_of_edit_is_calibrated(kind):
    edit = kind()
    units = prior_units(toy.make(), edit, LATENTS)
    for index, unit in enumerate(units):
        few = jnp.asarray(CODES[:32])
        way = edit.shift(few, index, unit) - edit.shift(few, index, 0.0)
        way = np.asarray(way)
        lengths = np.linalg.norm(way, axis=1)
        relative = lengths / deviation(CODES, way)
        assert relative.mean() == pytest.approx(1, abs=0.02)


def test_the_oracle_tells_its_factors_exactly():
    edit = directions(RNG.normal(size=(3, 20)).astype(np.float32), space="z")
    found = known_effects(ORACLE, edit, PLACES, STRENGTHS)
    assert found.factors == ORACLE.config.factor_names
    known = jax.jit(lambda z: rendered.factors(ORACLE.params, ORACLE.config, z))
    for index in range(3):
        for column, strength in enumerate(STRENGTHS):
            step = strength * found.units[index] * edit.vectors[index]
            expected = known(PLACES.codes + step[None])
            np.testing.assert_allclose(
                found.values[:, index, column], expected, atol=1e-5
            )
    several = known_effects(
        ORACLE, edit, PLACES, STRENGTHS, chunk=9, mesh=parallel.mesh(4)
    )
    np.testing.assert_allclose(several.values, found.values, atol=1e-6)
    other = directions(RNG.normal(size=(3, 20)).astype(np.float32), space="z")
    with compilations() as count:
        known_effects(ORACLE, other, PLACES, (-2.0, 0.0, 1.0))
    assert count() == 0


@pytest.mark.parametrize(
    "kind",
    [{"curved": 1.0, "mapped": True}, {"rows": 2, "mapped": True}],
    ids=str,
)
def test_the_truth_of_every_oracle_moves_one_factor_each(kind):
    """Paths of z, and directions of single rows of w+."""
    names = ("yaw", "smile", "glasses")
    settings = {"factors": names, "z_dim": 6, "largest_group": 5, **kind}
    oracle = rendered.oracle("faces", key=jax.random.key(3), **settings)
    codes = Latents(PLACES.codes[:, :6], "z")
    space = "z" if "curved" in kind else "w+"
    truth = rendered.truth(oracle, space)
    found = known_effects(oracle, truth, codes, STRENGTHS)
    assert found.directions == names
    np.testing.assert_allclose(found.selectivity, np.eye(3), atol=1e-4)
    np.testing.assert_array_equal(np.diag(found.monotonicity), 1)
    assert (np.diag(found.slope) > 0.4).all()
    np.testing.assert_array_equal(found.order(), range(3))


def test_activations_of_the_oracle_are_moved_too():
    size = ORACLE.params["layer0"]["bias"].size
    inside = directions(np.ones((1, size), np.float32), space="feature:layer0")
    found = known_effects(ORACLE, inside, PLACES, STRENGTHS)
    assert (found.slope > 0).all()


def test_monotone_is_what_goes_on_in_one_sense():
    """Of two codes, the one goes up, up, down by 1, the other up, not, up by 3."""
    one, two = [0.0, 1, 2, 1], [0.0, 3, 3, 6]
    values = np.asarray([one, two])[:, None, :, None]
    found = Effects(np.arange(4.0), values, ("a",), ("x",), np.ones(1))
    np.testing.assert_allclose(found.monotonicity, [[4 / 5]])
    # of the least-squares lines of both
    np.testing.assert_allclose(found.change, [[(0.4 + 1.8) / 2]])
    apart = np.stack([values[0], -values[0]])  # what one does the other undoes
    both = Effects(np.arange(4.0), apart, ("a",), ("x",), np.ones(1))
    np.testing.assert_allclose(both.change, [[0.4]])
    np.testing.assert_allclose(both.slope, 0, atol=1e-12)
    back = Effects(np.arange(4.0), -values, ("a",), ("x",), np.ones(1))
    np.testing.assert_allclose(back.monotonicity, [[4 / 5]])
    still = Effects(np.arange(4.0), 0 * values, ("a",), ("x",), np.ones(1))
    assert np.isnan(still.monotonicity).all()


def test_refusals():
    edit = directions(VECTORS, space="z")
    with pytest.raises(ValueError, match="oracle: a generator that knows no factors"):
        known_effects(toy.make(), edit, LATENTS)
