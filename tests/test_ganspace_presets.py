"""The named edits of GANSpace."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.edits.directions import directions
from jaxlatent.methods.ganspace_presets import (
    apply_preset,
    find_preset,
    preset_directions,
    presets,
)

RNG = np.random.default_rng(0)
BASIS = np.linalg.qr(RNG.normal(size=(64, 64)))[0].T
COMPONENTS = directions(
    BASIS.astype(np.float32),
    space="w",
    scale=np.linspace(3, 0.1, 64, dtype=np.float32),
    mean=RNG.normal(size=64).astype(np.float32),
)
CODES = jnp.asarray(np.repeat(RNG.normal(size=(3, 1, 64)), 18, axis=1), jnp.float32)


def coordinate(codes, preset):
    return COMPONENTS.coordinate(codes, preset.component)


def test_the_table_is_whole():
    table = presets()
    assert len(table) == 163
    assert sum(preset.paper for preset in table) == 26
    assert {preset.move for preset in table} == {"strip", "target"}
    assert all(0 <= preset.layers[0] < preset.layers[1] <= 18 for preset in table)
    assert all(preset.component < 80 and preset.strength != 0 for preset in table)
    assert {preset.space for preset in table} == {"w", "z"}


def test_strips_add_standard_deviations_in_their_layers():
    smile = find_preset("big smile", model="StyleGAN2", data="ffhq")
    assert (smile.component, smile.layers, smile.strength) == (19, (4, 5), 10)
    moved = apply_preset(smile, COMPONENTS, CODES, amount=0.5)
    step = 5 * COMPONENTS.scale[19] * COMPONENTS.vectors[19]
    assert np.allclose(moved[:, 4] - CODES[:, 4], step[None], atol=1e-4)
    rest = np.delete(np.arange(18), 4)
    assert bool(jnp.all(moved[:, rest] == CODES[:, rest]))


def test_targets_are_reached_whatever_the_start():
    bald = next(p for p in presets() if p.name == "bald" and p.move == "target")
    moved = apply_preset(bald, COMPONENTS, CODES)
    for row in range(*bald.layers):
        assert np.allclose(coordinate(moved[:, row], bald), bald.strength, rtol=1e-3)
    again = apply_preset(bald, COMPONENTS, jnp.broadcast_to(moved[:, 2:3], CODES.shape))
    assert np.allclose(coordinate(again[:, 2], bald), bald.strength, rtol=1e-3)


def test_presets_as_directions_move_as_presets():
    strips = [find_preset("big smile", data="ffhq"), find_preset("lipstick")]
    targets = [p for p in presets() if p.name in ("bald", "white hair")]
    targets = [p for p in targets if p.move == "target"]
    for chosen, move in ((strips, "shift"), (targets, "move_to")):
        edit = preset_directions(chosen, COMPONENTS, num_layers=18)
        assert edit.names == tuple(preset.name for preset in chosen)
        for index, preset in enumerate(chosen):
            moved = getattr(edit, move)(CODES, index, 1.0)
            expected = apply_preset(preset, COMPONENTS, CODES)
            np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match=r"chosen: \['Horizontal flip'\] mirror"):
        preset_directions([p for p in presets() if p.mirror], COMPONENTS, num_layers=18)


def test_a_name_that_several_models_have_needs_more():
    with pytest.raises(LookupError, match=r"'Add grass' .* models: \[\('BigGAN"):
        find_preset("Add grass")
    assert find_preset("add grass", data="car").strength == -20


def test_mirrored_targets_change_sides():
    flip = next(p for p in presets() if p.mirror)
    moved = apply_preset(flip, COMPONENTS, CODES)
    before = coordinate(CODES[:, 0], flip)
    after = coordinate(moved[:, 0], flip)
    assert np.allclose(after, -np.sign(before) * flip.strength, rtol=1e-3)


def test_what_does_not_fit_is_named():
    smile = find_preset("Big smile")
    with pytest.raises(LookupError, match="no preset 'frown'"):
        find_preset("frown", model="StyleGAN2", data="cat")
    with pytest.raises(ValueError, match="components: 2 in w given"):
        apply_preset(smile, COMPONENTS.select([0, 1]), CODES)
    with pytest.raises(ValueError, match="latent: 4 rows given"):
        apply_preset(smile, COMPONENTS, CODES[:, :4])
    with pytest.raises(ValueError, match="needs number 64 in z"):
        apply_preset(find_preset("Add grass", data="ImageNet"), COMPONENTS, CODES)
