"""Codes on their way through the spaces, from the prior and between each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations

from jaxlatent.generators import biggan
from jaxlatent.generators.base import Generator
from jaxlatent.latents import (
    OWN_DRAWS,
    Latents,
    Truncation,
    analogy,
    interpolate,
    last_space,
    mix_rows,
    numpy_codes,
    prior,
    sample_keys,
    to_space,
)

N, D = 3, 3


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CODES, ROWS = normal(0, N, D), normal(1, N, 2, D)
MEAN = np.array([1.0, 2.0, 3.0])
LABEL = np.array([1, 0, 1])


def truncated(rows, psi, cutoff=2):
    rows = np.array(rows, np.float64)
    rows[..., :cutoff, :] = MEAN + psi * (rows[..., :cutoff, :] - MEAN)
    return rows


def doubled(w):
    return np.stack([w, w], axis=-2)


# spaces


@pytest.mark.parametrize(
    ("source", "target", "options", "expected"),
    [
        ("z", "z", {}, CODES),
        ("z", "w", {}, 2 * CODES),
        ("z", "w+", {}, doubled(2 * CODES)),
        ("w", "w", {}, CODES),
        ("w", "w+", {}, doubled(CODES)),
        ("w+", "w+", {}, ROWS),
        ("z", "w+", {"psi": 0.5}, truncated(doubled(2 * CODES), 0.5)),
        ("w", "w+", {"psi": 0.5, "cutoff": 1}, truncated(doubled(CODES), 0.5, 1)),
        ("w+", "w+", {"psi": 0.0}, np.broadcast_to(MEAN, ROWS.shape)),
    ],
)
def test_to_space_by_hand(source, target, options, expected):
    codes = Latents(jnp.asarray(ROWS if source == "w+" else CODES), source)
    truncation = Truncation(**options) if options else None
    found = to_space(toy.make(), codes, target, truncation)
    assert found.space == target
    np.testing.assert_allclose(found.codes, expected, rtol=1e-5)


def test_labels_go_into_the_mapping():
    generator = toy.make(label_dim=2)
    found = to_space(generator, Latents(jnp.asarray(CODES), "z", LABEL), "w")
    np.testing.assert_array_equal(found.label, LABEL)
    np.testing.assert_allclose(found.codes, 2 * CODES + 1 + LABEL[:, None], rtol=1e-6)
    with pytest.raises(ValueError, match="label: missing"):
        to_space(generator, Latents(jnp.asarray(CODES), "z"), "w")
    # w is behind the mapping
    to_space(generator, Latents(jnp.asarray(CODES), "w"), "w+")


@pytest.mark.parametrize(
    ("source", "target", "psi", "message"),
    [
        ("s", "w+", None, r"latents: space 's' given; \['z', 'w', 'w\+'\] are"),
        ("z", "s", None, "target: space 's' given"),
        ("w", "z", None, "target: codes in w cannot go back to z"),
        ("w+", "w", None, r"target: codes in w\+ cannot go back to w"),
        ("z", "w", 0.5, r"truncation: it ends in w\+, but codes in w are asked"),
    ],
)
def test_ways_that_do_not_exist(source, target, psi, message):
    truncation = None if psi is None else Truncation(psi)
    codes = Latents(jnp.asarray(CODES), source)
    with pytest.raises(ValueError, match=f"^{message}"):
        to_space(toy.make(), codes, target, truncation)


def images(params, z):
    return z[:, :, None, None]


def test_spaces_that_a_generator_lacks():
    plain = Generator.from_functions(images, z_dim=D)
    mapped = Generator.from_functions(images, z_dim=D, map=images)
    assert [last_space(g) for g in (toy.make(), plain, mapped)] == ["w+", "z", "w"]
    codes = Latents(jnp.asarray(CODES), "z")
    with pytest.raises(ValueError, match=r"target: space 'w' given; \['z'\] are"):
        to_space(plain, codes, "w")
    with pytest.raises(ValueError, match=r"target: space 'w\+' given; \['z', 'w'\]"):
        to_space(mapped, codes, "w+")


# between codes


def test_rows_are_lent():
    own, lent = normal(5, 2, 4, D), normal(6, 3, 4, D)
    mixed = np.asarray(mix_rows(jnp.asarray(own), jnp.asarray(lent), [1, 3]))
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(mixed[i, j, [0, 2]], own[i, [0, 2]])
        np.testing.assert_array_equal(mixed[i, j, [1, 3]], lent[j, [1, 3]])
    with pytest.raises(ValueError, match=r"destination, source: shapes \(3, 3\)"):
        mix_rows(jnp.asarray(CODES), jnp.asarray(CODES), [0])


def test_a_straight_way_has_even_steps():
    way = np.asarray(interpolate(jnp.asarray(ROWS), 4, spherical=False))
    assert way.shape == (9, 2, D)
    np.testing.assert_array_equal(way[::4], ROWS)
    np.testing.assert_allclose(way[1], 0.75 * ROWS[0] + 0.25 * ROWS[1], atol=1e-6)


def test_a_spherical_way_turns_evenly():
    codes = jnp.asarray([[2.0, 0, 0], [0, 2.0, 0], [0, 4.0, 0]])
    way = np.asarray(interpolate(codes, 3, spherical=True), np.float64)
    angles = np.radians([0, 30, 60, 90])
    turned = 2 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    np.testing.assert_allclose(way[:4], turned, atol=1e-5)
    # two codes in one direction leave nothing to turn
    np.testing.assert_allclose(way[3:, 1], [2, 8 / 3, 10 / 3, 4], atol=1e-5)
    for options in ({"steps": 0}, {"codes": codes[:1]}, {"codes": codes[None]}):
        values = {"codes": codes, "steps": 2} | options
        with pytest.raises(ValueError, match="codes, steps: "):
            interpolate(**values, spherical=True)


# the prior


def keys(*numbers):
    return sample_keys(jax.random.key(5), np.asarray(numbers or range(6)))


def test_sample_n_is_the_same_whatever_the_batch():
    draw = jax.jit(prior(toy.make(label_dim=3), space="w+", label="every"))
    whole = draw(keys())
    assert whole.space == "w+"
    assert whole.codes.shape == (6, 2, D)
    for start in (0, 2, 4):
        part = draw(keys(start, start + 1))
        np.testing.assert_array_equal(part.codes, whole.codes[start : start + 2])
        np.testing.assert_array_equal(part.label, whole.label[start : start + 2])
    alone = toy.make(label_dim=3).sample(keys(3)[0], 1)
    again = prior(toy.make(label_dim=3), label="every")(keys())
    np.testing.assert_array_equal(again.codes[3], alone[0])


def test_classes_are_fixed_listed_or_uniform():
    generator, many = toy.make(label_dim=4), range(400)
    assert set(np.asarray(prior(generator, label=2)(keys(*many)).label)) == {2}
    listed = np.asarray(prior(generator, label=[1, 3])(keys(*many)).label)
    counts = np.bincount(listed, minlength=4)
    # 400 fair draws of two lie within five deviations of 200
    assert counts[[0, 2]].sum() == 0
    assert abs(counts[1] - 200) < 50
    every = np.bincount(np.asarray(prior(generator, label="every")(keys(*many)).label))
    assert every.shape == (4,)
    assert (abs(every - 100) < 44).all()
    weights = jnp.asarray([0.5, 0, 0.5, 0])
    mixed = prior(generator, label=weights)(keys()).label
    np.testing.assert_array_equal(mixed, np.tile(weights, (6, 1)))
    rows = jnp.asarray([[0.5, 0, 0.5, 0], [-1, 2, 0, 0]])
    drawn = np.asarray(prior(generator, label=rows)(keys(*many)).label)
    first = (drawn == rows[0][None]).all(axis=1)
    assert ((drawn == rows[1][None]).all(axis=1) != first).all()
    assert abs(first.sum() - 200) < 50


def test_the_draws_of_a_prior_leave_other_numbers_free():
    drawn = prior(toy.make(label_dim=3), label="every")(keys())
    for number in range(OWN_DRAWS, OWN_DRAWS + 3):
        own = jax.vmap(lambda key, n=number: jax.random.fold_in(key, n))(keys())
        other = jax.vmap(lambda key: jax.random.normal(key, (D,)))(own)
        assert not np.isclose(other, drawn.codes).any()


def test_truncation_as_the_family_has_it():
    truncation = Truncation(0.5, cutoff=1)
    rows = prior(toy.make(), space="w+", truncation=truncation)(keys())
    z = prior(toy.make())(keys()).codes
    expected = truncated(doubled(2 * np.asarray(z)), 0.5, 1)
    np.testing.assert_allclose(rows.codes, expected, rtol=1e-5)
    config = biggan.Config(channels=(4, 3), z_dim=6, label_dim=3, embed_dim=2)
    bent = prior(Generator({}, config), label=0, truncation=Truncation(0.25))
    codes = np.asarray(bent(sample_keys(jax.random.key(0), range(500))).codes)
    assert 0.45 < np.abs(codes).max() <= 0.5


def test_other_weights_classes_and_psi_compile_nothing():
    draw = jax.jit(lambda model, keys: model(keys))

    def made(gain, label, psi):
        generator = toy.make(gain, label_dim=3)
        return prior(generator, space="w+", label=label, truncation=Truncation(psi))

    draw(made(1.0, [0], 0.5), keys())
    with compilations() as count:
        draw(made(2.0, [2], 0.7), keys())
    assert count() == 0


@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        (0, {"space": "s"}, r"space: 's' given; \['z', 'w', 'w\+'\] are accepted"),
        (0, {"label": 1}, "label: given, but this generator is unconditional"),
        (3, {}, "label: missing; this generator has 3 classes"),
        (3, {"label": "all"}, "label: 'all' given; a class, a list of them"),
        (3, {"label": [0, 3]}, r"label: \[3\] given; classes 0 to 2 are accepted"),
        (3, {"label": []}, r"label: float32 \(0,\) given"),
        (0, {"truncation": Truncation(0.5)}, r"truncation: it ends in w\+"),
    ],
)
def test_priors_that_do_not_exist(classes, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        prior(toy.make(label_dim=classes), **options)


# seeds of other tools


def test_numpy_seeds_are_those_of_other_tools():
    # numpy.random.RandomState(seed).randn, whose numbers never change
    expected = [
        [0.17685072, 2.37775412, 0.99873286, -1.3101508],
        [1.92962419, 0.21858697, 0.31718307, 1.44124242],
    ]
    found = numpy_codes([85, 265], 4)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # codes of more numbers begin alike, and a seed means the same beside others
    np.testing.assert_array_equal(numpy_codes([265], 9)[:, :4], found[1:])


def test_numpy_seeds_of_a_truncated_prior():
    # truncnorm.rvs(-2, 2, size=(1, 4), random_state=RandomState(85)) of SciPy 1.17
    expected = np.array([[0.29210486, 0.02142254, -0.50316324, 0.37669761]])
    np.testing.assert_allclose(
        numpy_codes([85], 4, truncation=0.4), 0.4 * expected, rtol=2e-6
    )
    assert abs(numpy_codes(range(50), 40, truncation=1.0)).max() <= 2
    with pytest.raises(ValueError, match="Seed must be between 0 and 2"):
        numpy_codes([-1], 4)


def test_analogies_are_sums_of_means():
    one, two, three = (
        jnp.asarray(rows)
        for rows in ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0]], [[0.0, 5.0], [2.0, 7.0]])
    )
    np.testing.assert_allclose(analogy(one, two, three), [2.0, 8.0])
