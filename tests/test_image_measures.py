import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.evaluation.image_measures import mse, psnr


def test_a_known_difference():
    x = jnp.zeros((2, 3, 4, 2))
    y = x.at[1].add(0.2)
    np.testing.assert_allclose(mse(x, y), [0, 0.04], rtol=1e-6)
    # 20 log10(2 / 0.2)
    np.testing.assert_allclose(psnr(x, y), [np.inf, 20], rtol=1e-6)
    np.testing.assert_allclose(psnr(x, x - 2)[0], 0, atol=1e-5)


def test_a_mask_weighs_pixels():
    x = jnp.zeros((1, 2, 2, 3))
    y = x.at[0, 0, 0].set(1.0).at[0, 1, 1].set(3.0)
    mask = jnp.asarray([[[1.0, 0.0], [1.0, 0.5]]])
    np.testing.assert_allclose(mse(x, y, mask), [(1 + 0.5 * 9) / 2.5], rtol=1e-6)
    np.testing.assert_allclose(mse(x, y, jnp.ones((1, 2, 2))), mse(x, y), rtol=1e-6)
    assert np.isnan(mse(x, y, jnp.zeros((1, 2, 2))))[0]


@pytest.mark.parametrize(
    ("other", "mask", "said"),
    [((1, 2, 3, 1), None, "targets: shape"), ((1, 2, 2, 1), (1, 2), "mask: shape")],
)
def test_shapes_that_do_not_fit(other, mask, said):
    given = None if mask is None else jnp.ones(mask)
    with pytest.raises(ValueError, match=said):
        mse(jnp.zeros((1, 2, 2, 1)), jnp.zeros(other), given)
