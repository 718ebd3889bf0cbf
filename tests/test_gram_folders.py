"""Gram matrices in a folder, of a generator whose parts move by known entries."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent import Generator, Latents
from jaxlatent.gram_folders import read_region_grams, write_grams
from jaxlatent.jacobians import View, pictures_at

MATRIX = np.random.default_rng(0).normal(size=(3, 4, 3, 1)).astype(np.float32)
UPPER = np.zeros((4, 3), np.float32)
UPPER[:2] = 1


def synthesize(params, latent):
    return jnp.tensordot(latent * latent / 2, params["matrix"], 1)


def pictures(count=2, view=View(), gain=1.0):  # noqa: B008
    params = {"matrix": jnp.asarray(gain * MATRIX)}
    model = Generator.from_functions(synthesize, z_dim=3, params=params)
    codes = np.random.default_rng(1).normal(size=(count, 3)).astype(np.float32)
    return pictures_at(model, Latents(jnp.asarray(codes), "z"), view)


def gram(code, rows):
    """Of some rows of the picture; its derivative is a row of the matrix times z."""
    flat = MATRIX[:, rows].reshape(3, -1).astype(np.float64) * np.asarray(code)[:, None]
    return flat @ flat.T / flat.shape[1]


def test_files_hold_whole_regions_and_rests(tmp_path):
    given, seen = pictures(), []
    masks = {"upper": UPPER}
    files = write_grams(tmp_path, given, masks, full=True, progress=seen.append)
    assert sum(seen) == len(files) == 2
    for file, one in zip(files, given, strict=True):
        with np.load(file) as found:
            np.testing.assert_array_equal(found["latent"], one.base)
            expected = gram(one.base, slice(None))
            np.testing.assert_allclose(found["gram"], expected, rtol=1e-4)
            both = [gram(one.base, slice(0, 2)), gram(one.base, slice(2, 4))]
            np.testing.assert_allclose(found["regions"], [both], rtol=1e-4)
            assert found["jacobian"].shape == (4, 3, 1, 3)
    count, *means = read_region_grams(tmp_path, given[0], UPPER)
    assert count == 2
    for mean, rows in zip(means, (slice(0, 2), slice(2, 4)), strict=True):
        expected = np.mean([gram(one.base, rows) for one in given], axis=0)
        np.testing.assert_allclose(mean, expected, rtol=1e-4)
    # a later call may ask for more, and does what is missing
    before = files[0].stat().st_mtime_ns
    files[1].unlink()
    again = write_grams(tmp_path, pictures(), masks, full=True)
    assert again[0].stat().st_mtime_ns == before
    assert again[1].exists()


def test_folders_of_another_computation_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^grams: .* is no folder of jacobian"):
        read_region_grams(tmp_path, pictures(1)[0], UPPER)
    write_grams(tmp_path, pictures(1), {"upper": UPPER})
    with pytest.raises(ValueError, match=r"^grams: .* has not this region.* has upper"):
        read_region_grams(tmp_path, pictures(1)[0], 1 - UPPER)
    for other, key in (
        (pictures(1, View(channels="sum")), "channels 'keep', but sum"),
        (pictures(1, gain=2.0), "generator "),
    ):
        with pytest.raises(ValueError, match=f"^grams: .* computed with {key}"):
            read_region_grams(tmp_path, other[0], UPPER)
    (tmp_path / "00000.npz").unlink()
    with pytest.raises(ValueError, match=r"^grams: .* no Gram matrices yet"):
        read_region_grams(tmp_path, pictures(1)[0], UPPER)
