import dataclasses

import discs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations, error, golden, nhwc

from jaxlatent import parallel
from jaxlatent.edits.rbf import rbf_field
from jaxlatent.generators.base import Generator
from jaxlatent.latents import OWN_DRAWS, sample_keys
from jaxlatent.methods.background_removal import (
    MaskSettings,
    difference_masks,
    draw_masks,
    fits,
    intensity,
    intensity_masks,
    mask_synthesis,
)

KEY = jax.random.key(3)
# half of the discs are too large or too small
STRICT = MaskSettings(area=(0.1, 0.2), tries=40)


def world(settings=STRICT, index=discs.WHITE):
    return mask_synthesis(discs.make(), discs.edit(), index, settings)


def test_the_recording_of_gan_latent_discovery():
    case = golden("voynov_masks_a")
    low, high = (jnp.asarray(nhwc(case[f"img_{end}"])) for end in ("neg", "pos"))
    limit = float(case["thr"])
    found = difference_masks(high, low, limit)
    np.testing.assert_array_equal(found, case["mask_diff"])
    assert error(intensity(high) - intensity(low), case["diff"][:, 0]) <= 1e-6
    assert error(intensity(high), case["intensity"]) <= 1e-6
    np.testing.assert_array_equal(intensity_masks(high, limit), case["mask_intensity"])
    kept = fits(jnp.asarray(case["area_ref"]))
    np.testing.assert_array_equal(np.flatnonzero(kept), case["area_kept"])


def test_ends_of_the_area_are_not_kept_and_no_change_is_no_mask():
    masks = np.zeros((4, 4, 5), bool)
    for number, count in enumerate((1, 2, 9, 10)):
        masks[number].flat[:count] = True
    np.testing.assert_array_equal(fits(masks), [False, True, True, False])
    flat = jnp.zeros((1, 2, 2, 1))
    np.testing.assert_array_equal(difference_masks(flat, flat, 0.5), [[[True] * 2] * 2])


@pytest.mark.parametrize(
    "settings", [STRICT, dataclasses.replace(STRICT, mode="difference", threshold=0.6)]
)
def test_every_sample_finds_the_disc_of_its_own_first_code_that_passes(settings):
    synthesis = world(settings)
    found = draw_masks(synthesis, 24, key=KEY)
    assert found.weight.all()
    assert 1.3 < found.tries.mean() < 6
    codes, pictures, before = looked_at(
        synthesis, sample_keys(KEY, range(24)), found.tries
    )
    np.testing.assert_allclose(found.pictures, pictures, atol=1e-5)
    true = discs.true_masks(codes)
    assert (true & found.masks).sum() / (true | found.masks).sum() > 0.8
    share = found.masks.mean((1, 2))
    assert ((share > 0.1) & (share < 0.2)).all()
    # the code before, where there was one, did not pass
    assert not before[found.tries > 1].any()


@jax.jit
def looked_at(synthesis, keys, tries):
    """The codes of the last tries, their pictures, whether the try before passed."""
    number = jnp.asarray(tries, jnp.int32) - 1
    fold = jax.vmap(jax.random.fold_in)
    codes = synthesis.prior(fold(keys, OWN_DRAWS + number)).codes
    before = synthesis.tried(keys, jnp.maximum(number - 1, 0)).weight
    return codes, synthesis.prior.generator.synthesize(codes), before


def test_a_sample_depends_on_its_own_key_alone():
    synthesis = world()
    whole = draw_masks(synthesis, 24, key=KEY)
    split = draw_masks(synthesis, 24, key=KEY, mesh=parallel.mesh(4))
    chunked = dataclasses.replace(STRICT, chunk=5)
    small = draw_masks(world(chunked), 10, key=KEY, chunk=4)
    for other in (split, small):
        rows = zip(*map(jax.tree.leaves, (whole, other)), strict=True)
        for one, two in rows:
            np.testing.assert_allclose(one[: len(two)], two, atol=1e-5)


def test_what_never_passes_weighs_nothing():
    few = dataclasses.replace(STRICT, tries=2)
    found = draw_masks(world(few), 24, key=KEY)
    assert 0 < found.weight.sum() < 24
    assert (found.tries[found.weight == 0] == 2).all()
    with pytest.raises(ValueError, match=r"index: none of 48 codes has a foreground"):
        draw_masks(world(few, discs.NOTHING), 24, key=KEY)


def test_other_weights_and_directions_compile_nothing():
    synthesis, key = world(), jax.random.key(5)
    draw_masks(synthesis, 24, key=KEY)
    gain = {"stripes": jnp.zeros(discs.SIDE)}
    other = Generator(gain, synthesis.prior.generator.config)
    other = mask_synthesis(other, discs.edit().rename({0: "bright"}), 0, STRICT)
    with compilations() as count:
        draw_masks(other, 24, key=key)
        assert count() == 0


def by_class(params, z):
    del params
    return jnp.broadcast_to(z[:, :1, None, None], (len(z), 8, 8, 1))


def test_other_kinds_of_edits_and_what_does_not_fit():
    vectors = np.zeros((1, 2, discs.Z), np.float32)
    vectors[0, :, 5] = 9, -9
    warp = rbf_field(vectors, np.float32([[1, -1]]), np.float32([0.02]), space="z")
    how = MaskSettings(strength=3.0)
    synthesis = mask_synthesis(discs.make(), warp, 0, how)
    found = jax.eval_shape(synthesis, sample_keys(KEY, range(4)))
    assert found.masks.shape == (4, discs.SIDE, discs.SIDE)
    with pytest.raises(IndexError, match="index: 2 given; there are 2 directions"):
        world(index=2)
    other = Generator.from_functions(by_class, z_dim=3)
    with pytest.raises(ValueError, match="edit: of dimension 6 in z; that of this"):
        mask_synthesis(other, discs.edit())
    for changes, match in (
        ({"mode": "both"}, "mode: 'both' given; one of"),
        ({"area": (0.5, 0.1)}, r"area: \(0.5, 0.1\) given; two shares"),
        ({"tries": 0}, "tries: 0 given; 1 or more"),
    ):
        with pytest.raises(ValueError, match=match):
            MaskSettings(**changes)
