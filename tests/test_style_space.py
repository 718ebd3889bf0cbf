"""The space s: codes on their way into it, edits in it, files of it, and refusals."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import painter
import pytest
import toy
from families import CONFIGS, D, fresh, normal
from helpers import error

from jaxlatent import checkpoint, loading
from jaxlatent.editing import check_edit, traverse_images, where_edited
from jaxlatent.edits.directions import directions
from jaxlatent.generators.rendering import render
from jaxlatent.generators.style_space import (
    channel_names,
    check_channels,
    check_styles,
    split_styles,
    style_sizes,
)
from jaxlatent.latents import (
    Latents,
    Truncation,
    last_space,
    prior,
    sample_keys,
    to_images,
    to_space,
)

STYLED = ("stylegan", "stylegan2", "stylegan3")
STRENGTHS = [-1.0, 0.0, 2.0]
PAINTER = painter.make()
Z = normal(3, 2, painter.D)


def by_hand(z, psi=1.0):
    """The styles of the painter, in float64."""
    w = 2 * psi * np.asarray(z, np.float64)
    params = jax.tree.map(np.asarray, PAINTER.params)
    return np.concatenate(
        [w @ params["matrix"][name] + params["offset"][name] for name in painter.SIZES],
        axis=-1,
    )


def painted(styles):
    return np.einsum("...s,shwc->...hwc", np.sin(styles), painter.PATTERNS)


@jax.jit
def every_way(generator, z):
    """Pictures of the same codes from every space, and the codes of s."""
    way = [Latents(z, "z")]
    for space in generator.code_spaces[1:]:
        way.append(to_space(generator, way[-1], space))
    return [to_images(generator, one) for one in way], way[-1].codes


@pytest.mark.parametrize("family", STYLED)
def test_pictures_are_the_same_from_every_space(family):
    generator = fresh(family)
    images, codes = every_way(generator, normal(1, 2, D))
    assert len(images) == 4
    assert last_space(generator) == "w+"
    for one in images[1:]:
        np.testing.assert_array_equal(one, images[0])
    sizes = style_sizes(generator)
    assert codes.shape == (2, *generator.code_shapes["s"])
    assert len(channel_names(sizes)) == codes.shape[1]
    affines = {one.name: one.matrix.shape[1] for one in generator.affines()}
    assert list(sizes.items()) == list(affines.items())


@pytest.mark.parametrize("family", [name for name in CONFIGS if name not in STYLED])
def test_families_without_styles_refuse(family):
    generator = fresh(family)
    with pytest.raises(ValueError, match=r"^styles: \w+ has no space s$"):
        generator.styles(normal(1, 2, generator.config.w_dim))
    edit = directions(np.eye(D), space="s")
    with pytest.raises(ValueError, match=r"^edit: of space 's'; .* are accepted$"):
        check_edit(generator, edit)


def test_codes_of_s_are_the_styles_in_the_networks_order():
    found = to_space(PAINTER, Latents(Z, "z"), "s")
    assert error(found.codes, by_hand(Z)) <= 1e-6
    assert channel_names(style_sizes(PAINTER))[3:5] == ("late 3", "early 0")
    bent = to_space(PAINTER, Latents(Z, "z"), "s", Truncation(0.5))
    assert error(bent.codes, by_hand(Z, 0.5)) <= 1e-6
    drawn = prior(PAINTER, space="s")(sample_keys(jax.random.key(0), np.arange(2)))
    assert (drawn.space, drawn.codes.shape) == ("s", (2, painter.CHANNELS))
    layers = split_styles(found.codes, style_sizes(PAINTER))
    assert error(render(PAINTER, layers), painted(by_hand(Z))) <= 1e-5


EDIT = directions(
    np.eye(painter.CHANNELS)[[5, 2]], space="s", scale=[2.0, 3.0], names=["a", "b"]
)


def traverse(edit, latents, index=0, **options):
    return traverse_images(PAINTER, edit, latents, index, STRENGTHS, **options)


@pytest.mark.parametrize("space", ["z", "w", "w+", "s"])
def test_an_edit_in_s_moves_one_channel(space):
    styles = np.repeat(by_hand(Z)[:, None], 3, axis=1)
    styles[..., 5] += 2 * np.asarray(STRENGTHS)[None]
    given = to_space(PAINTER, Latents(Z, "z"), space)
    assert error(traverse(EDIT, given), painted(styles)) <= 1e-5


@pytest.mark.parametrize("when", ["before", "after"])
def test_edits_of_s_are_behind_those_of_w_and_the_truncation(when):
    first = directions(np.eye(painter.D)[[1, 1]], space="w")
    moved = np.repeat(2 * np.asarray(Z, np.float64)[:, None], 3, axis=1)
    moved *= 0.5 if when == "before" else 1.0
    moved[..., 1] += np.asarray(STRENGTHS)[None]
    styles = by_hand(moved / 2, 1.0 if when == "before" else 0.5)
    styles[..., 5] += 2 * np.asarray(STRENGTHS)[None]
    bent = Truncation(0.5, when=when)
    found = traverse((first, EDIT), Latents(Z, "z"), truncation=bent)
    assert error(found, painted(styles)) <= 1e-5
    assert where_edited(PAINTER, EDIT, bent) == "in s"


def test_coordinates_in_s():
    styles = np.repeat(by_hand(Z)[:, None], 3, axis=1)
    styles[..., 2] = 3 * np.asarray(STRENGTHS)[None] + 0.5
    mean = np.full(painter.CHANNELS, 0.5)
    edit = dataclasses.replace(EDIT, mean=jnp.asarray(mean, jnp.float32))
    found = traverse(edit, Latents(Z, "z"), 1, absolute=True)
    assert error(found, painted(styles)) <= 1e-5


def test_edits_and_codes_of_s_are_kept(tmp_path):
    checkpoint.save_edit(tmp_path / "s.edit.npz", EDIT.select([1]))
    loaded = checkpoint.load_edit(tmp_path / "s.edit.npz")
    assert (loaded.space, loaded.names) == ("s", ("b",))
    np.testing.assert_array_equal(loaded.vectors, EDIT.vectors[1:])
    codes = np.asarray(by_hand(Z), np.float32)
    np.savez(tmp_path / "codes.npz", s=codes)
    np.save(tmp_path / "some.npy", codes)
    for file in ("codes.npz", "some.npy"):
        found = loading.load_latents(tmp_path / file, PAINTER)
        assert found.space == "s"
        np.testing.assert_array_equal(found.codes, codes)


@pytest.mark.parametrize(
    ("edit", "space", "changes", "message"),
    [
        (
            directions(np.eye(painter.D), space="w"),
            "s",
            {},
            "latents: codes in s given",
        ),
        (
            directions(np.eye(painter.D), space="z"),
            "s",
            {},
            "latents: codes in s given",
        ),
        (directions(np.eye(6), space="s"), "z", {}, "edit: of dimension 6 in s; "),
        (dataclasses.replace(EDIT, layers=(0,)), "z", {}, "edit: shifts row 0; "),
        (EDIT, "s", {"truncation": Truncation(0.5)}, "truncation: it ends in w+"),
    ],
)
def test_what_does_not_fit_is_refused(edit, space, changes, message):
    given = to_space(PAINTER, Latents(Z, "z"), space)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        traverse(edit, given, **changes)


def test_ways_that_do_not_exist():
    codes = to_space(PAINTER, Latents(Z, "z"), "s")
    with pytest.raises(ValueError, match=r"^target: codes in s cannot go back to w\+;"):
        to_space(PAINTER, codes, "w+")
    with pytest.raises(ValueError, match=r"^codes: shape \(2, 3\) given; \[N, 7\] is"):
        split_styles(Z, style_sizes(PAINTER))
    with pytest.raises(ValueError, match=r"^latents: space 's' given; \['z', 'w', 'w"):
        to_space(toy.make(), codes, "s")


@pytest.mark.parametrize(
    "channels", [[7], [-1], [1.5], [[1, 2]], [], np.arange(7) > 4, 3]
)
def test_channels_are_whole_numbers_of_the_space(channels):
    with pytest.raises(ValueError, match=r"^channels: .* given; whole numbers from"):
        check_channels(channels, 7)


def test_channels_and_styles_as_they_are_used():
    np.testing.assert_array_equal(check_channels(None, 3), [0, 1, 2])
    np.testing.assert_array_equal(check_channels([2, 0], 3), [2, 0])
    assert check_styles(np.ones((2, 3), np.float16), 3).dtype == np.float64
    for wrong, message in (
        (np.ones(3), "styles: shape (3,) given; [P, 3] of two or more is accepted"),
        (np.ones((1, 3)), "styles: shape (1, 3) given"),
        (np.ones((2, 4)), "styles: shape (2, 4) given"),
        (np.full((2, 3), np.nan), "styles: NaN or infinity given"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            check_styles(wrong, 3)
