import jax
import numpy as np
import pytest

from jaxlatent.data import dsprites

render = jax.jit(lambda rows: dsprites.DSPRITES.render(rows, size=64))

EVENLY = np.linspace(0, 737_279, 20).astype(int)
"""Of all pictures, 20 from the first to the last."""


def number(**classes):
    row = [classes.get(name, 0) for name in dsprites.LATENTS_NAMES]
    return int(dsprites.latents_indices([row])[0])


def drawn(rows):
    """Pictures of these numbers, by code that is compiled once for all tests."""
    return dsprites.pictures(np.resize(rows, 40))[: len(rows)]


def measured(pictures):
    """Area, centre [N, 2] from 0 to 64 to the right and down, and angle of the axis."""
    maps = pictures.astype(np.float64)
    line = np.arange(64) + 0.5
    area = maps.sum((1, 2))
    x, y = maps.sum(1) @ line / area, maps.sum(2) @ line / area
    across = (line[None] - x[:, None])[:, None, :]
    down = (line[None] - y[:, None])[:, :, None]
    xx, yy, xy = ((maps * w).sum((1, 2)) for w in (across**2, down**2, across * down))
    return area, np.stack([x, y], 1), np.arctan2(2 * xy, xx - yy) / 2


def looks_like(pictures):
    """The class of a shape: an ellipse is long, a heart has a heavier end."""
    found, turns = [], np.linspace(0, np.pi, 36)
    for one in pictures:
        down, across = np.nonzero(one)
        places = np.stack([across, down], 1)
        places = places - places.mean(0)
        spread = np.linalg.eigvalsh(places.T @ places / len(places))
        along = places @ np.stack([np.cos(turns), np.sin(turns)])
        skew = np.abs((along**3).mean(0)).max() / spread.mean() ** 1.5
        found.append(2 if spread[1] > 2 * spread[0] else 3 if skew > 0.15 else 1)
    return np.array(found)


def test_the_tables_are_the_published_ones():
    """From the published file's metadata."""
    assert dsprites.COUNT == 737_280
    np.testing.assert_array_equal(dsprites.LATENTS_SIZES, [1, 3, 6, 40, 32, 32])
    np.testing.assert_array_equal(
        dsprites.LATENTS_BASES, [737_280, 245_760, 40_960, 1024, 32, 1]
    )
    values = dsprites.LATENTS_POSSIBLE_VALUES
    np.testing.assert_array_equal(values["color"], [1])
    np.testing.assert_array_equal(values["shape"], [1, 2, 3])
    np.testing.assert_allclose(values["scale"], [0.5, 0.6, 0.7, 0.8, 0.9, 1])
    assert values["orientation"][[1, -1]].round(8).tolist() == [0.16110732, 6.28318531]
    assert values["posX"][[0, 1, -1]].round(8).tolist() == [0, 0.03225806, 1]
    np.testing.assert_array_equal(values["posX"], values["posY"])


def test_numbers_and_classes_are_inverse():
    classes = dsprites.latents_classes(EVENLY)
    np.testing.assert_array_equal(dsprites.latents_indices(classes), EVENLY)
    np.testing.assert_array_equal(classes[[0, -1]], [[0] * 6, [0, 2, 5, 39, 31, 31]])
    np.testing.assert_array_equal(
        dsprites.latents_classes([1, 32, 1024, 40_960, 245_760]), np.eye(6)[:0:-1]
    )
    np.testing.assert_allclose(
        dsprites.latents_values([737_279]), [[1, 3, 1, 2 * np.pi, 1, 1]]
    )
    unravelled = np.stack(np.unravel_index(EVENLY, dsprites.LATENTS_SIZES), 1)
    np.testing.assert_array_equal(classes, unravelled)


def test_twenty_pictures_have_their_shape_size_and_place():
    shown = drawn(EVENLY)
    assert (shown.shape, shown.dtype) == ((20, 64, 64), np.uint8)
    assert set(np.unique(shown)) == {0, 1}
    _, shape, scale, _, x, y = dsprites.latents_values(EVENLY).T
    area, centre, _ = measured(shown)
    h = 32 * dsprites.HEART
    whole = {
        1: (64 * dsprites.SQUARE) ** 2,
        2: np.pi * np.prod(32 * np.array(dsprites.ELLIPSE)),
        3: (4 + np.pi) * h * h,
    }
    expected = np.array([whole[int(one)] for one in shape]) * scale**2
    # pixels along the outline count as a whole or not at all
    assert np.all(np.abs(area - expected) < np.sqrt(expected))
    np.testing.assert_array_equal(looks_like(shown), shape)
    np.testing.assert_allclose(centre[:, 0], 16 + 32 * x, atol=0.25)
    np.testing.assert_allclose(centre[:, 1], 16 + 32 * y, atol=0.25)


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_area_rises_with_scale_and_the_centre_with_the_position(shape):
    middle = {"shape": shape, "posX": 15, "posY": 15, "orientation": 3}
    area, _, _ = measured(
        drawn([number(**{**middle, "scale": scale}) for scale in range(6)])
    )
    assert np.all(np.diff(area) > 0)
    places = np.arange(0, 32, 5)
    rows = [number(**{**middle, "scale": 5, "posX": place}) for place in places]
    _, centre, _ = measured(drawn(rows))
    np.testing.assert_allclose(centre[:, 0], 16 + 32 * places / 31, atol=0.25)
    assert np.ptp(centre[:, 1]) < 0.3


def test_an_ellipse_turns_with_its_orientation():
    turns = np.arange(40)
    rows = [number(shape=1, scale=5, orientation=turn) for turn in turns]
    _, _, angle = measured(drawn(rows))
    apart = angle - 2 * np.pi * turns / 39
    apart = (apart + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(apart).max() < np.deg2rad(2)


def test_a_square_comes_back_after_a_quarter_and_a_heart_after_a_whole_turn():
    turns = np.linspace(-1, 1, 9)  # by an eighth of a circle
    rows = np.zeros((2, 9, 5), np.float32)
    rows[..., 2], rows[0, :, 0], rows[1, :, 0] = turns, -1, 1
    shown = np.asarray(render(rows.reshape(-1, 5))).reshape(2, 9, -1)
    apart = np.abs(shown - shown[:, :1]).mean(axis=2)
    square, heart = apart < 0.01
    np.testing.assert_array_equal(square, [True, False] * 4 + [True])
    np.testing.assert_array_equal(heart, [True] + 7 * [False] + [True])


def test_pictures_are_those_of_the_world_without_soft_edges():
    rows = dsprites.factors_of(np.resize(EVENLY, 18))
    np.testing.assert_array_equal(
        render(rows)[..., 0] > 0, drawn(np.resize(EVENLY, 18))
    )


def test_pictures_are_drawn_in_parts():
    some = EVENLY[:5]
    np.testing.assert_array_equal(dsprites.pictures(some, chunk=2), drawn(some))


def test_a_heart_points_down_where_it_is_not_turned():
    heart = drawn([number(shape=2, scale=5, posX=15, posY=15)])[0]
    rows = np.flatnonzero(heart.any(axis=1))
    assert heart[rows[-2]].sum() < 5 < heart[rows[1]].sum()
    np.testing.assert_allclose(heart[:, ::-1].sum(0), heart.sum(0)[::-1])


@pytest.mark.parametrize("indices", [[-1], [737_280], [[0]]])
def test_numbers_of_no_picture_are_refused(indices):
    with pytest.raises(IndexError, match=r"^indices: .* given; \[N\], each 0 to 7372"):
        dsprites.pictures(indices)


def test_classes_that_there_are_not_are_refused():
    with pytest.raises(IndexError, match=r"^classes: .* below \[1, 3, 6, 40, 32, 32\]"):
        dsprites.latents_indices([[0, 3, 0, 0, 0, 0]])
