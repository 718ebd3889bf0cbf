"""Averages of whole and shared pixels, and pixels left out."""

import numpy as np
import pytest

from jaxlatent.numerics.shrinking import shrink


@pytest.mark.parametrize("size", [8, 6, 4, 3])
def test_shrinking(size):
    image = np.random.default_rng(0).normal(size=(8, 8, 2)).astype(np.float32)
    rows = np.floor(np.arange(size) * 8 / size).astype(int)
    nearest = shrink(image, (size, size), "nearest")
    np.testing.assert_array_equal(nearest, image[rows][:, rows])
    # every old pixel as a block of 3 x 3 new ones, which 24 / size blocks divide
    fine = np.kron(image, np.ones((3, 3, 1)))
    step = 24 // size
    expected = fine.reshape(size, step, size, step, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(shrink(image, (size, size), "area"), expected, atol=1e-6)
