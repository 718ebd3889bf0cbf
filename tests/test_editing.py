"""Codes on their way through the spaces, and edited pictures, by hand."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from helpers import compilations, drawn, error

from jaxlatent.editing import check_edit, traverse_images, where_edited
from jaxlatent.edits.directions import directions
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.edits.walks import neural_walk
from jaxlatent.generators import biggan_deep, stylegan2
from jaxlatent.generators.base import Generator
from jaxlatent.generators.rendering import render
from jaxlatent.latents import Latents, Truncation
from jaxlatent.parallel import mesh
from jaxlatent.types import Noise

N, D = 3, 3
STRENGTHS = [-1.0, 0.0, 2.0]


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CODES, ROWS = normal(0, N, D), normal(1, N, 2, D)
VECTORS = normal(2, 2, D)
MEAN = np.array([1.0, 2.0, 3.0])
LABEL = np.array([1, 0, 1])


def shape(images):
    """The pictures of the toy, [N, S, D]."""
    return np.asarray(images)[:, :, 0, :, 0]


def drawn_by_hand(rows):
    """What the toy draws of w+ [..., 2, D]."""
    return rows[..., 0, :] + 10 * rows[..., 1, :]


def truncated(rows, psi, cutoff=2):
    rows = np.array(rows, np.float64)
    rows[..., :cutoff, :] = MEAN + psi * (rows[..., :cutoff, :] - MEAN)
    return rows


def doubled(w):
    return np.stack([w, w], axis=-2)


# pictures


def linear(params, z):
    return (z @ params["matrix"])[:, :, None, None]


def mapped(params, z):
    return z @ params["map"]


PARAMS = {"matrix": jnp.asarray(normal(3, D, 4)), "map": jnp.asarray(normal(4, D, D))}
LINEAR = Generator.from_functions(linear, z_dim=D, params=PARAMS)
MAPPED = Generator.from_functions(linear, z_dim=D, params=PARAMS, map=mapped)


def edit(space, **changes):
    return directions(VECTORS, **{"space": space, "scale": [1.0, 0.5]} | changes)


def moved(codes, index=1):
    """[N, S, D]: codes moved along a direction of `edit`, which is half as long."""
    steps = 0.5 * np.asarray(STRENGTHS)[None, :, None] * VECTORS[index]
    return codes[:, None] + steps


def traverse(generator, edit, codes, space="z", label=None, psi=None, **options):
    latents = Latents(jnp.asarray(codes), space, label)
    cutoff, when = options.pop("cutoff", None), options.pop("truncate", "before")
    truncation = None if psi is None else Truncation(psi, cutoff, when)
    values = {"chunk": 4, "truncation": truncation} | options
    images = traverse_images(generator, edit, latents, 1, STRENGTHS, **values)
    assert isinstance(images, np.ndarray)
    return images


def test_a_linear_generator_draws_the_closed_form():
    images = traverse(LINEAR, edit("z"), CODES)
    assert images.shape == (N, 3, 4, 1, 1)
    expected = moved(CODES) @ np.asarray(PARAMS["matrix"])
    np.testing.assert_allclose(images[..., 0, 0], expected, atol=1e-5)


@pytest.mark.parametrize("space", ["z", "w"])
def test_a_mapped_generator_draws_the_closed_form(space):
    matrix, map_matrix = (np.asarray(PARAMS[name]) for name in ("matrix", "map"))
    before = traverse(MAPPED, edit("z"), CODES)[..., 0, 0]
    np.testing.assert_allclose(before, moved(CODES) @ map_matrix @ matrix, atol=1e-4)
    codes = CODES if space == "w" else CODES @ map_matrix
    behind = traverse(MAPPED, edit("w"), CODES, space=space)[..., 0, 0]
    np.testing.assert_allclose(behind, moved(codes) @ matrix, atol=1e-4)


def test_an_edit_in_w_comes_behind_the_truncation():
    w = MEAN + 0.5 * (2 * CODES - MEAN)
    for space in ("w", "w+"):
        images = traverse(toy.make(), edit(space), CODES, psi=0.5)
        np.testing.assert_allclose(shape(images), 11 * moved(w), rtol=1e-4, atol=1e-4)


def test_an_edit_in_z_comes_before_mapping_and_truncation():
    w = MEAN + 0.5 * (2 * moved(CODES) - MEAN)
    images = traverse(toy.make(), edit("z"), CODES, psi=0.5)
    np.testing.assert_allclose(shape(images), 11 * w, rtol=1e-4, atol=1e-4)


def test_truncation_may_come_behind_the_edit():
    expected = MEAN + 0.5 * (moved(2 * CODES) - MEAN)
    options = {"psi": 0.5, "truncate": "after"}
    images = traverse(toy.make(), edit("w"), CODES, **options)
    np.testing.assert_allclose(shape(images), 11 * expected, rtol=1e-4, atol=1e-4)
    # of an edit in z the truncation is always behind
    early = traverse(toy.make(), edit("z"), CODES, **options)
    np.testing.assert_array_equal(
        early, traverse(toy.make(), edit("z"), CODES, psi=0.5)
    )


def test_absolute_moves_end_at_the_strengths():
    made = edit("w", bias=[0.5, -1.0])
    w = np.asarray(2 * CODES, np.float64)
    vector = VECTORS[1] / 2
    # the coordinate is (<w, v> / |v|^2 + bias) / scale, in steps of scale * v
    now = (w @ VECTORS[1] / (VECTORS[1] @ VECTORS[1]) - 1) / 0.5
    steps = np.asarray(STRENGTHS)[None] - now[:, None]
    images = traverse(toy.make(), made, CODES, absolute=True)
    expected = 11 * (w[:, None] + steps[..., None] * vector)
    np.testing.assert_allclose(shape(images), expected, rtol=1e-4, atol=1e-4)


def test_an_edit_of_activations_acts_inside_the_network():
    made = edit("feature:mixed")
    images = traverse(toy.make(3.0), made, CODES)
    mixed = 11 * 2 * CODES
    np.testing.assert_allclose(shape(images), 3 * moved(mixed), rtol=1e-4, atol=1e-4)
    by_chunks = traverse(toy.make(3.0), made, CODES, chunk=2)
    np.testing.assert_allclose(by_chunks, images, rtol=1e-6)
    absolute = traverse(toy.make(3.0), made, CODES, absolute=True)
    reached = shape(absolute).astype(np.float64) / 3 @ VECTORS[1]
    wanted = 0.5 * np.asarray(STRENGTHS) * (VECTORS[1] @ VECTORS[1])
    np.testing.assert_allclose(reached, np.tile(wanted, (N, 1)), atol=1e-4)


def test_another_direction_of_activations_compiles_nothing():
    made, codes = edit("feature:mixed"), Latents(jnp.asarray(CODES), "z")
    traverse_images(toy.make(), made, codes, 0, STRENGTHS)
    with compilations() as count:
        for model, index in ((toy.make(), 1), (toy.make(2.0), 0)):
            traverse_images(model, made, codes, index, STRENGTHS)
    assert count() == 0


def test_several_edits_move_together():
    both = (edit("w"), edit("feature:mixed"))
    images = traverse(toy.make(), both, CODES)
    expected = moved(11 * moved(2 * CODES)[:, 0])[:, 0]
    np.testing.assert_allclose(shape(images)[:, 0], expected, rtol=1e-4, atol=1e-4)
    twice = traverse(toy.make(), (edit("w"), edit("w")), CODES)
    expected = 11 * (2 * moved(2 * CODES) - 2 * CODES[:, None])
    np.testing.assert_allclose(shape(twice), expected, rtol=1e-4, atol=1e-4)


def test_a_cutoff_truncates_the_first_rows():
    for space, by_hand in (
        ("z", truncated(doubled(2 * moved(CODES)), 0.5, 1)),
        (
            "w",
            doubled(moved(0 * CODES)) + truncated(doubled(2 * CODES), 0.5, 1)[:, None],
        ),
    ):
        images = traverse(toy.make(), edit(space), CODES, psi=0.5, cutoff=1)
        np.testing.assert_allclose(
            shape(images), drawn_by_hand(by_hand), rtol=1e-4, atol=1e-4
        )


def test_layers_choose_the_rows():
    rows = np.repeat(ROWS[:, None], 3, axis=1)
    rows[:, :, 1] = moved(ROWS[:, 1])
    images = traverse(toy.make(), edit("w+", layers=(1,)), ROWS, space="w+")
    np.testing.assert_allclose(shape(images), drawn_by_hand(rows), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("space", ["z", "w"])
def test_labels_are_repeated_for_every_strength(space):
    generator = toy.make(label_dim=2)
    images = traverse(generator, edit(space), CODES, label=jnp.asarray(LABEL))
    # into the mapping, and into the synthesis, of which it is a thousand
    w = 2 * moved(CODES) if space == "z" else moved(2 * CODES)
    offset = (1 + LABEL)[:, None, None]
    if space == "w":
        expected = 11 * (moved(2 * CODES + 1 + LABEL[:, None]))
    else:
        expected = 11 * (w + offset)
    expected = expected + 1000 * LABEL[:, None, None]
    np.testing.assert_allclose(shape(images), expected, rtol=1e-4, atol=1e-3)


def test_noise_belongs_to_the_code_and_not_to_the_strength():
    key = jax.random.key(4)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(N))
    quiet = traverse(toy.make(), edit("w"), CODES)
    by_keys = traverse(toy.make(), edit("w"), CODES, noise=keys) - quiet
    drawn_noise = [float(jax.random.uniform(one, ())) for one in keys]
    for row, value in zip(by_keys, drawn_noise, strict=True):
        np.testing.assert_allclose(row, value, atol=1e-5)
    assert len(set(drawn_noise)) == N
    by_key = traverse(toy.make(), edit("w"), CODES, noise=key) - quiet
    np.testing.assert_allclose(by_key, by_keys, atol=1e-5)
    for rows in (1, N):
        noise = {"map": jnp.arange(float(rows))[:, None]}
        by_map = traverse(toy.make(), edit("w"), CODES, noise=noise) - quiet
        expected = np.broadcast_to(np.arange(rows)[:, None, None], (N, 3, D))
        np.testing.assert_allclose(shape(by_map), expected, atol=1e-4)
    for word in ("none", "fixed", Noise.FIXED):
        again = traverse(toy.make(), edit("w"), CODES, noise=word)
        np.testing.assert_array_equal(again, quiet)


@pytest.mark.parametrize("chunk", [1, 2, 9, 100])
def test_chunks_change_nothing_and_progress_counts_all(chunk):
    finished = []
    whole = traverse(toy.make(), edit("w"), CODES, chunk=9)
    images = traverse(
        toy.make(), edit("w"), CODES, chunk=chunk, progress=finished.append
    )
    assert error(images, whole) <= 1e-6
    assert sum(finished) == 9


@pytest.mark.parametrize(
    ("generator", "space", "options", "message"),
    [
        (toy.make(), "s", {}, "edit: of space 's'; "),
        (toy.make(), "feature:b4", {}, r"edit: \['b4'\] given; .*'mixed'"),
        (
            toy.make(),
            "w",
            {"psi": 1.0, "truncate": "never"},
            "truncation: 'never' given",
        ),
        (LINEAR, "w", {}, r"edit: of space 'w'; \['z'\] are accepted"),
        (MAPPED, "w+", {}, r"edit: of space 'w\+'; \['z', 'w'\] are accepted"),
        (toy.make(), "z", {"space": "w"}, "latents: codes in w given for an edit in z"),
        (toy.make(), "w", {"space": "s"}, "latents: space 's' given"),
        (LINEAR, "z", {"psi": 0.5}, r"truncation: it ends in w\+"),
        (toy.make(), "w", {"chunk": 0}, "chunk: 0 given"),
    ],
)
def test_what_cannot_be_drawn_is_named(generator, space, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        traverse(generator, edit(space), CODES, **options)


def test_rows_of_z_are_edited_where_there_is_no_mapping():
    config = biggan_deep.Config(
        channels=(8, 8),
        upsamples=(True,),
        z_dim=D,
        label_dim=2,
        embed_dim=2,
        attention=(1,),
        n_stats=3,
    )
    params = drawn(lambda key: biggan_deep.init(key, config), 0)
    generator, label = Generator(params, config), jnp.asarray(LABEL)
    made = edit("z", layers=(1,))
    images = traverse(generator, made, CODES, label=label, chunk=9)
    rows = np.repeat(CODES[:, None], config.num_layers, axis=1)
    rows = np.repeat(rows[:, None], 3, axis=1)  # [N, S, L, D]
    rows[:, :, 1] = moved(CODES)
    rows = rows.reshape(9, config.num_layers, D)
    by_hand = render(generator, rows, jnp.repeat(label, 3), chunk=9)
    assert error(images.reshape(by_hand.shape), by_hand) <= 1e-5


def test_a_direction_that_does_not_exist():
    with pytest.raises(IndexError, match="index: 2 given; there are 2"):
        traverse_images(LINEAR, edit("z"), Latents(jnp.asarray(CODES), "z"), 2, [0.0])


def test_a_stylegan2_is_drawn_as_by_hand():
    config = stylegan2.Config(
        resolution=8,
        channels=(3, 2),
        z_dim=D,
        w_dim=D,
        mapping_layers=1,
        mapping_width=D,
        mapping_rate=1.0,
    )
    params = drawn(lambda key: stylegan2.init(key, config), 0, scale=1.0)
    generator = Generator(params, config)
    w = np.asarray(generator.broadcast(generator.map(jnp.asarray(CODES[:2]))))
    mean = np.asarray(params["mapping"]["w_avg"])
    w = mean + 0.7 * (w - mean)
    made = edit("w", layers=(0, 2))
    images = traverse(generator, made, CODES[:2], psi=0.7, chunk=6)
    rows = np.repeat(w[:, None], 3, axis=1)
    for layer in (0, 2):
        rows[:, :, layer] = moved(w[:, layer])
    by_hand = render(generator, rows.reshape(6, *rows.shape[2:]), chunk=6)
    assert error(images.reshape(by_hand.shape), by_hand) <= 1e-5
    # and on to the right generator: other weights, other pictures
    other = dataclasses.replace(generator, params=jax.tree.map(jnp.ones_like, params))
    assert error(traverse(other, made, CODES[:2], chunk=6), images) > 1e-2


# every kind of edit


def field(seed=0, scale=1.0, **changes):
    """Warped paths of w, two of them."""
    supports = scale * normal(seed, 2, 4, D)
    weights = np.tile(np.float32([1, -1]), (2, 2))
    scales = np.full(2, 0.1, np.float32)
    return rbf_field(supports, weights, scales, step=0.5, steps=4, **changes)


def walk(seed=0, scale=1.0, **changes):
    """Two constant directions that keep the length of a code."""
    return neural_walk([{"bias": scale * normal(seed, 2, D)}], norm="sample", **changes)


KINDS = {"directions": edit, "rbf": lambda space, **c: field(space=space, **c)}
KINDS["walk"] = lambda space, **changes: walk(space=space, **changes)


@flax.struct.dataclass(eq=False)
class Foreign:
    """A kind of a user's, with the protocol's members and nothing more."""

    step: jax.Array
    space: str = flax.struct.field(pytree_node=False, default="w")
    names: tuple[str, ...] = flax.struct.field(pytree_node=False, default=("a", "b"))

    @property
    def dimension(self):
        return D

    def __len__(self):
        return 2

    def shift(self, latent, index, strength):
        raise AssertionError("a traversal is followed once, not once a strength")

    def traverse(self, latent, index, strengths):
        sides = (1,) * (latent.ndim - 1)
        amounts = strengths[:, None] * (1 + index)[None]
        amounts = amounts.reshape(*amounts.shape, *sides)
        return latent[None] + amounts * self.step.reshape(1, 1, *sides[1:], -1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("space", ["z", "w"])
def test_every_kind_draws_what_it_moves_to(kind, space):
    made = KINDS[kind](space)
    images = traverse(toy.make(), made, CODES)
    codes = jnp.asarray(CODES if space == "z" else 2 * CODES)
    moved = np.moveaxis(np.asarray(made.traverse(codes, 1, STRENGTHS)), 0, 1)
    expected = 11 * moved * (2 if space == "z" else 1)
    np.testing.assert_allclose(shape(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["rbf", "walk"])
def test_rows_of_every_kind_move_as_codes_of_their_own(kind):
    made = KINDS[kind]("w", layers=(1,))
    images = traverse(toy.make(), made, ROWS, space="w+")
    alone = KINDS[kind]("w").traverse(jnp.asarray(ROWS[:, 1]), 1, STRENGTHS)
    rows = np.repeat(ROWS[:, None], 3, axis=1)
    rows[:, :, 1] = np.moveaxis(np.asarray(alone), 0, 1)
    np.testing.assert_allclose(shape(images), drawn_by_hand(rows), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_shapes_compiles_again(kind):
    codes = Latents(jnp.asarray(CODES), "z")
    truncation = Truncation(0.5)
    traverse_images(
        toy.make(), KINDS[kind]("w"), codes, 0, STRENGTHS, truncation=truncation
    )
    other = KINDS[kind]("w", names=["c", "d"], method="another", facts={"rank": 2})
    other = jax.tree.map(lambda leaf: 1.5 * leaf, other)
    with compilations() as count:
        images = [
            traverse_images(
                toy.make(2.0),
                other.rename({0: "e"}),
                codes,
                index,
                [0.5, 1.0, -2.0],
                truncation=Truncation(0.7),
            )
            for index in (0, 1)
        ]
    assert count() == 0
    assert not np.allclose(*images)


def test_a_kind_of_a_users_own_is_an_equal_citizen():
    made = Foreign(jnp.asarray(VECTORS[0]))
    images = traverse(toy.make(), made, CODES)
    steps = np.asarray(STRENGTHS)[None, :, None] * 2 * VECTORS[0]
    expected = 11 * ((2 * CODES)[:, None] + steps)
    np.testing.assert_allclose(shape(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 4, 9, 100])
def test_several_directions_at_once(chunk):
    latents = Latents(jnp.asarray(CODES), "z")
    both = traverse_images(
        toy.make(), field(space="w"), latents, [1, 0], STRENGTHS, chunk=chunk
    )
    assert both.shape == (2, N, 3, 1, D, 1)
    for images, index in zip(both, (1, 0), strict=True):
        alone = traverse_images(toy.make(), field(space="w"), latents, index, STRENGTHS)
        assert error(images, alone) <= 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_devices_change_nothing(kind):
    latents = Latents(jnp.asarray(CODES), "z")
    inputs = (toy.make(), KINDS[kind]("w"), latents, [0, 1], STRENGTHS)
    alone = traverse_images(*inputs)
    for count in (2, 4):
        assert error(traverse_images(*inputs, mesh=mesh(count)), alone) <= 1e-6


def wrong(seed, **changes):
    return {
        "directions": lambda: directions(normal(seed, 2, D + 1), **changes),
        "rbf": lambda: rbf_field(
            normal(seed, 2, 4, D + 1), np.ones((2, 4), "f"), np.ones(2, "f"), **changes
        ),
        "walk": lambda: neural_walk([{"bias": normal(seed, 2, D + 1)}], **changes),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_dimension_that_does_not_fit_is_named(kind):
    made = wrong(0, space="w")[kind]()
    with pytest.raises(ValueError, match="edit: of dimension 4 in w"):
        traverse(toy.make(), made, CODES)
    with pytest.raises(ValueError, match=r"edit: shifts row 2; .* rows 0 to 1"):
        check_edit(toy.make(), KINDS[kind]("w", layers=(2,)))
    with pytest.raises(ValueError, match=r"edit: shifts row 1; .* has no rows"):
        check_edit(MAPPED, KINDS[kind]("w", layers=(1,)))


def test_what_is_linear_only_is_named():
    with pytest.raises(TypeError, match="absolute: a RBFField knows no coordinate"):
        traverse(toy.make(), field(space="w"), CODES, absolute=True)


@pytest.mark.parametrize(
    ("generator", "space", "truncation", "words"),
    [
        (toy.make(), "z", Truncation(0.5), "before the mapping network"),
        (LINEAR, "z", None, "at the network's input"),
        (toy.make(), "w", None, "in w"),
        (toy.make(), "w", Truncation(0.5), "after truncation (psi 0.5)"),
        (
            toy.make(),
            "w+",
            Truncation(0.5, cutoff=1),
            "after truncation (psi 0.5, first 1 rows)",
        ),
        (toy.make(), "w", Truncation(0.5, when="after"), "before truncation"),
        (toy.make(), "feature:mixed", Truncation(0.5), "in feature:mixed"),
    ],
)
def test_where_an_edit_acted_is_said(generator, space, truncation, words):
    assert where_edited(generator, edit(space), truncation) == words
