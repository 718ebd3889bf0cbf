"""The loss that sees low frequencies, against the original's numbers and Parseval."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden

from jaxlatent.numerics.frequency_loss import frequency_loss

KERNELS = ("unit", "reference")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_the_reference_kernel_gives_the_originals_numbers(sigma):
    case = golden("plumerault_loss")
    images, targets, mask = (case[name] for name in ("images", "images2", "mask"))

    def masked(images):
        found = frequency_loss(images, targets, mask, sigma=sigma, kernel="reference")
        return jnp.mean(found), found

    gradient, found = jax.jit(jax.grad(masked, has_aux=True))(images)
    assert error(found, case[f"blur_{sigma}_error"]) < 1e-5
    assert error(gradient, case[f"blur_{sigma}_grad"]) < 1e-5
    whole = frequency_loss(images, targets, sigma=sigma, kernel="reference")
    assert error(whole, case[f"blur_{sigma}_error_nomask"]) < 1e-5


@pytest.mark.parametrize("kernel", KERNELS)
def test_it_is_parsevals_sum(kernel):
    """Away from borders, the mean square of the blurred one in the frequency domain."""
    with jax.enable_x64(True):
        images = np.zeros((1, 40, 52, 2))
        images[:, 18:22, 22:30] = RNG.normal(size=(1, 4, 8, 2))
        if kernel == "unit":
            taps = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
            gaussian = np.outer(taps, taps) / taps.sum() ** 2
        else:
            taps = np.exp(-0.5 * (np.linspace(-6, 6, 12) / 2.0) ** 2)
            gaussian = np.outer(taps, taps) / (np.sqrt(2 * np.pi) * 2.0)
        weight = np.abs(np.fft.fft2(gaussian, images.shape[1:3])) ** 2
        power = np.abs(np.fft.fft2(images[0], axes=(0, 1))) ** 2
        expected = np.sum(power * weight[..., None]) / (40 * 52) ** 2 / 2
        found = frequency_loss(
            jnp.asarray(images), jnp.zeros_like(images), sigma=2.0, kernel=kernel
        )
        np.testing.assert_allclose(found, [expected], rtol=1e-12)


def test_what_is_undefined_does_not_leak():
    """A constant difference has its square as loss, whatever is masked beside it."""
    mask = np.ones((2, 24, 18, 1), np.float32)
    mask[0, :, :7] = 0
    mask[1, 20:] = 0
    targets = RNG.normal(size=(2, 24, 18, 3)).astype(np.float32)
    rubbish = 9 * RNG.normal(size=targets.shape).astype(np.float32)
    images = np.where(mask == 1, targets + 0.5, rubbish)
    found = frequency_loss(images, targets, jnp.asarray(mask))
    np.testing.assert_allclose(found, [0.25, 0.25], rtol=1e-5)
    alone = frequency_loss(images[:1], targets[:1], jnp.asarray(mask[:1]))
    np.testing.assert_allclose(alone, found[:1], rtol=1e-6)
    leaking = frequency_loss(images, targets, jnp.asarray(mask), kernel="reference")
    assert np.all(np.abs(np.asarray(leaking) - 0.25) > 0.1)


def test_no_pixel_at_all_is_no_loss():
    images = jnp.ones((1, 8, 8, 1))

    def f(images):
        return frequency_loss(images, 0 * images, 0 * images)[0]

    value, gradient = jax.value_and_grad(f)(images)
    assert value == 0
    assert not np.any(gradient)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": "box"}, r"kernel: 'box' given; one of \('unit', 'reference'\)"),
        ({"sigma": 0.0}, r"sigma: 0.0 given; a number above 0"),
        ({"targets": np.zeros((1, 8, 9, 3))}, r"images, targets: \(1, 8, 8, 3\) and"),
        ({"mask": np.zeros((8, 8, 1))}, r"mask: \(8, 8, 1\) given; 4 axes as of"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    images = np.zeros((1, 8, 8, 3))
    with pytest.raises(ValueError, match=message):
        frequency_loss(**({"images": images, "targets": images} | change))
