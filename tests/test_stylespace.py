"""Style channels: the regions that they change, the attributes that they carry."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import painter
import pytest
from families import fresh, normal
from helpers import compilations, error

from jaxlatent.generators.style_space import channel_names, split_styles, style_sizes
from jaxlatent.latents import Latents, Truncation, to_space
from jaxlatent.methods import stylespace
from jaxlatent.methods.stylespace_local import Local
from jaxlatent.parallel import mesh

PAINTER = painter.make()
NAMES = channel_names(style_sizes(PAINTER))
Z = normal(3, 3, painter.D)
MASKS = painter.quarters()


def styles(z):
    return np.asarray(to_space(PAINTER, Latents(z, "z"), "s").codes, np.float64)


@pytest.fixture(scope="module")
def found():
    return stylespace.local(PAINTER, Latents(Z, "z"), MASKS)


def test_every_channel_is_local_to_the_block_that_it_paints(found):
    np.testing.assert_array_equal(found.region, painter.BLOCK)
    own = found.share[painter.BLOCK, np.arange(painter.CHANNELS)]
    np.testing.assert_allclose(own, 1, atol=1e-6)
    np.testing.assert_allclose(found.share.sum(axis=0), 1, atol=1e-6)
    assert found.most.shape == (5, painter.CHANNELS)
    np.testing.assert_array_equal(found.most.max(axis=0), 1)
    for block in range(4):
        first = found.order(block)[: np.sum(block == painter.BLOCK)]
        assert {*first} == {*np.flatnonzero(block == painter.BLOCK)}


def test_the_change_of_a_channel_is_its_columns_norm_in_closed_form(found):
    slope = np.square(np.cos(styles(Z))).mean(axis=0)
    expected = slope * np.square(painter.PATTERNS.astype(np.float64)).sum((1, 2, 3))
    assert error(found.change, expected) <= 1e-5


def test_masks_may_be_soft_or_each_pictures_own():
    one = stylespace.local(PAINTER, Latents(Z[:1], "z"), 0.25 * MASKS)
    np.testing.assert_allclose(one.share[0], 0.25 * (painter.BLOCK == 0), atol=1e-6)
    # half of the pictures say another region, so that neither is taken
    turned = np.stack([MASKS, MASKS[[1, 0, 2, 3]]])
    two = stylespace.local(PAINTER, Latents(Z[:2], "z"), turned)
    channels = np.isin(painter.BLOCK, [0, 1])
    np.testing.assert_array_equal(two.region[channels], -1)
    np.testing.assert_array_equal(two.region[~channels], painter.BLOCK[~channels])
    np.testing.assert_array_equal(two.most[:2, channels], 0.5)


def test_a_channel_that_changes_the_rest_more_is_local_to_no_region():
    some = MASKS * (np.arange(4) < 2)[:, None, None]
    found = stylespace.local(PAINTER, Latents(Z, "z"), some)
    expected = np.where(painter.BLOCK < 2, painter.BLOCK, -1)
    np.testing.assert_array_equal(found.region, expected)
    np.testing.assert_array_equal(found.most[2:4], 0)
    np.testing.assert_array_equal(found.most[4], painter.BLOCK > 1)


def test_a_small_region_does_not_win_over_all_the_rest():
    """Of the four largest cells of its block, a corner may hold one or two."""
    corner = np.zeros_like(MASKS)
    corner[0, :2, :2] = 1
    found = stylespace.local(PAINTER, Latents(Z, "z"), corner)
    size = np.abs(painter.PATTERNS[[0, 4]]).mean(axis=-1).reshape(2, -1)
    largest = np.argsort(-size, axis=1)[:, :4]
    hits = (corner[0].reshape(-1)[largest] > 0).sum(axis=1)
    np.testing.assert_array_equal(found.most[0, [0, 4]], hits >= 2)
    np.testing.assert_array_equal(found.most[4, [0, 4]], hits < 2)


def test_shares_are_those_of_the_full_jacobian():
    generator = fresh("stylegan2")
    codes = Latents(normal(5, 1, 13), "s")
    masks = np.random.default_rng(0).uniform(size=(2, 8, 4))
    found = stylespace.local(generator, codes, masks, chunk=5)

    def picture(code):
        styles = split_styles(code[None], style_sizes(generator))
        return generator.synthesize(styles)[0]

    whole = np.asarray(jax.jit(jax.jacfwd(picture))(codes.codes[0]), np.float64)
    assert whole.shape == (8, 4, 4, 13)
    assert error(found.change, np.square(whole).sum((0, 1, 2))) <= 1e-5
    inside = np.einsum("rhw,hwcs->rs", masks, whole**2)
    assert error(found.share * found.change, inside) <= 1e-5


def test_any_chunk_size_and_number_of_devices(found):
    """Columns are averaged to 4 pixels, where blocks have 4 cells each."""
    options = {"size": 4, "chunk": 2, "mesh": mesh(3)}
    other = stylespace.local(PAINTER, Latents(Z[:1], "z"), MASKS, **options)
    small = painter.PATTERNS.reshape(-1, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    expected = np.cos(styles(Z[:1]))[0] ** 2 * np.square(small).sum((1, 2, 3))
    assert error(other.change, expected) <= 1e-5
    np.testing.assert_array_equal(other.region, found.region)


def test_the_papers_rule_wants_half_of_the_pictures_and_a_lead():
    most = np.array([[0.7, 0.5, 0.55, 0.0], [0.3, 0.2, 0.35, 0.3], [0, 0.3, 0.1, 0.7]])
    share = np.array([[0.1, 0.9, 0.8, 0.7], [0.2, 0.0, 0.1, 0.3]])
    found = Local(np.ones(4), share, most)
    np.testing.assert_array_equal(found.region, [0, -1, -1, -1])
    np.testing.assert_array_equal(found.order(0), [0, 1, 2, 3])
    np.testing.assert_array_equal(found.order(1), [3, 0, 2, 1])


def test_a_planted_attribute_is_first_of_ten_examples():
    """Examples of an attribute that one channel of many decides."""
    rng = np.random.default_rng(1)
    whole = rng.normal(2, 3, (4000, 500))
    whole[:, 0] = 1.0
    having = whole[whole[:, 321] > 2 + 3 * 1.2][:10]
    found = stylespace.attribute(whole, having)
    assert found.order()[0] == 321
    deviations = (having - whole.mean(0)) / np.where(whole.std(0) > 0, whole.std(0), 1)
    assert error(found.difference, deviations.mean(0)) <= 1e-12
    theta = np.abs(deviations.mean(0)) / np.maximum(deviations.std(0), 1e-6)
    assert error(found.theta, theta) <= 1e-9
    assert found.theta[0] == 0
    single = stylespace.attribute(whole, having[:1])
    np.testing.assert_array_equal(single.theta, np.abs(single.difference))


@pytest.fixture(scope="module")
def drawn():
    bent = Truncation(0.5)
    return stylespace.population(
        PAINTER, 50, key=jax.random.key(2), truncation=bent, chunk=16
    )


def test_a_population_is_the_priors_styles(drawn):
    key = jax.random.key(2)
    keys = [jax.random.fold_in(key, n) for n in (0, 49)]
    z = jnp.concatenate([PAINTER.sample(one, 1) for one in keys])
    assert drawn.shape == (50, painter.CHANNELS)
    assert error(drawn[[0, 49]], styles(z / 2)) <= 1e-6


def test_directions_are_the_most_local_channels_by_their_deviations(drawn):
    masks = dict(zip("abcd", MASKS, strict=True))
    edit = stylespace.discover(PAINTER, Latents(Z, "z"), masks, drawn, k=2)
    assert (edit.space, edit.method, len(edit)) == ("s", "stylespace", 8)
    assert edit.names[6] == f"d: {NAMES[3]}"
    channels = [NAMES.index(name.split(": ")[1]) for name in edit.names]
    for block in range(3):
        assert {*channels[2 * block :][:2]} == {block, block + 4}
    np.testing.assert_array_equal(edit.report["local"], np.arange(8) < 7)
    np.testing.assert_allclose(edit.report["share"][:7], 1, atol=1e-6)
    assert dict(edit.facts["local"]) == {"a": 2, "b": 2, "c": 2, "d": 1}
    moved = edit.shift(jnp.asarray(styles(Z), jnp.float32), 6, 1.5)
    expected = styles(Z)
    expected[:, 3] += 1.5 * drawn.std(axis=0, dtype=np.float64)[3]
    assert error(moved, expected) <= 1e-6
    centre = jnp.asarray(drawn.mean(axis=0, dtype=np.float64)[None], jnp.float32)
    np.testing.assert_allclose(edit.coordinate(centre, 1), 0, atol=1e-6)


def test_other_codes_masks_and_weights_do_not_recompile(found):
    other = jax.tree.map(lambda leaf: 2 * leaf, PAINTER)
    latents = Latents(2 * Z[:2], "z")
    to_space(other, latents, "s")
    with compilations() as count:
        stylespace.local(other, latents, MASKS[::-1])
        assert count() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: local_of(MASKS[:, :3]), "masks: shape (4, 3, 8) given; [R, 8, 8] or "),
        (lambda: local_of(np.stack([MASKS] * 2)), "masks: shape (2, 4, 8, 8) given"),
        (lambda: local_of(2 * MASKS), "masks: 0 to 2 given; 0 to 1 is accepted"),
        (lambda: local_of(MASKS * np.nan), "masks: nan to nan given; 0 to 1 is acc"),
        (lambda: local_of(MASKS, z=Z[:0]), "latents: no codes given; one or more"),
        (
            lambda: local_of(MASKS, z=Z[:2].at[1, 0].set(jnp.nan)),
            "latents: the picture of code 1 has derivatives that are not finite",
        ),
        (lambda: discovered({}), "masks: 0 of 0 shapes given; one or more of one"),
        (
            lambda: discovered({"a": MASKS[0], "b": MASKS[1, :4]}),
            "masks: 2 of 2 shapes given",
        ),
        (lambda: discovered({"a": MASKS[0]}, k=0), "k: 0 given; 1 or more is acc"),
        (
            lambda: discovered({"a": MASKS[0]}, ONES[:, :3]),
            "styles: shape (2, 3) given; [P, 7] of two or more is accepted",
        ),
        (
            lambda: stylespace.discover_shared(PAINTER, Latents(Z, "z"), ONES, k=0),
            "k: 0 given",
        ),
        (lambda: local_of(MASKS, chunk=0), "chunk: 0 given; 1 or more is accepted"),
        (lambda: local_of(MASKS, model=fresh("progan")), "target: space 's' given; "),
        (lambda: stylespace.attribute(Z, Z[:, :2]), "styles, exemplars: shapes (3, 3)"),
        (lambda: stylespace.attribute(Z, Z[:0]), "exemplars: none given"),
        (lambda: stylespace.attribute(Z * np.nan, Z), "styles: NaN or infinity given"),
        (lambda: stylespace.attribute(Z, Z * np.inf), "exemplars: NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call()


ONES = np.ones((2, painter.CHANNELS))


def local_of(masks, *, model=PAINTER, z=Z, **options):
    return stylespace.local(model, Latents(z, "z"), masks, **options)


def discovered(masks, styles=ONES, **options):
    return stylespace.discover(PAINTER, Latents(Z, "z"), masks, styles, **options)


def test_a_channel_that_does_not_vary_is_moved_by_one():
    edit = stylespace.single_channels(PAINTER, [2], ONES)
    codes = jnp.asarray(styles(Z), jnp.float32)
    moved = edit.shift(codes, 0, 3)
    np.testing.assert_array_equal(moved, codes.at[:, 2].add(3))
    np.testing.assert_allclose(edit.coordinate(moved, 0), codes[:, 2] + 2, rtol=1e-6)
