"""Shared layers against the reference operators' recorded outputs and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden, nhwc, take_forms_of

from jaxlatent.generators import filters, ops
from jaxlatent.generators.convolutions import SAME, VALID, convolve

GOLDEN = golden("ops_nvidia")
X = nhwc(GOLDEN["x"])
TOLERANCE = 2e-5


def taps(name):
    return GOLDEN[f"filter/{name}"]


def pads(left, right, top, bottom):
    return ((top, bottom), (left, right))


UPFIRDN = {
    "00": ("binom", dict(up=2, padding=pads(2, 1, 2, 1), gain=4)),
    "01": ("asym", dict(up=2, padding=pads(2, 1, 2, 1), gain=4)),
    "02": ("asym", dict(up=2, padding=pads(2, 1, 2, 1), gain=4, mirror=False)),
    "03": ("asym", dict(down=2, padding=pads(1, 1, 1, 1))),
    "04": (
        "full",
        dict(up=(3, 2), down=(2, 1), padding=pads(3, -1, -2, 4), gain=2),
    ),
    "05": ("sep9", dict(up=2, down=2, padding=pads(4, 4, 4, 4), gain=4)),
    "06": (None, dict(up=2)),
}


@pytest.fixture(params=["cpu", "tpu"])
def forms(request, monkeypatch):
    """What each of the platforms runs."""
    take_forms_of(request.param, monkeypatch)


@pytest.mark.usefixtures("forms")
@pytest.mark.parametrize("case", sorted(UPFIRDN))
def test_upfirdn(case):
    name, options = UPFIRDN[case]
    result = filters.upfirdn(X, None if name is None else taps(name), **options)
    assert error(result, nhwc(GOLDEN[f"upfirdn/{case}"])) <= TOLERANCE


@pytest.mark.usefixtures("forms")
@pytest.mark.parametrize("up", [2, 3, 4])
@pytest.mark.parametrize("padding", [(0, 0), (3, 5), (-3, -4), (6, -2)])
@pytest.mark.parametrize("count", [3, 4, 9])
def test_upsampling_by_hand(up, padding, count):
    """Zeros are inserted and then filtered, however few of them are multiplied."""
    rng = np.random.default_rng(0)
    line, weights = rng.normal(size=12), rng.normal(size=count)
    stuffed = np.zeros(12 * up)
    stuffed[::up] = line
    low, high = padding
    stuffed = np.pad(stuffed, (max(low, 0), max(high, 0)))
    stuffed = stuffed[max(-low, 0) : len(stuffed) - max(-high, 0)]
    expected = np.convolve(stuffed, weights, "valid")
    result = filters.upfirdn(
        jnp.asarray(line)[None, :, None, None],
        weights,
        up=(up, 1),
        padding=(padding, (count - 1, 0)),
    )
    # along the other axis, of one pixel, the filter's first tap is what remains
    assert error(result[0, :, 0, 0], expected * weights[0]) <= 1e-5


@pytest.mark.parametrize(
    ("case", "function", "name"),
    [
        ("07", filters.smooth, "asym"),
        ("08", filters.upsample, "asym"),
        ("09", filters.downsample, "asym"),
        ("10", filters.upsample, "sep9"),
        ("11", filters.downsample, "sep9"),
    ],
)
def test_resampling(case, function, name):
    result = function(X, taps(name))
    assert error(result, nhwc(GOLDEN[f"upfirdn/{case}"])) <= TOLERANCE


def convolution_cases():
    """The recorded cases, numbered by (kernel, up/down, mirrored, filter)."""
    number = 0
    for kernel in ("w3", "w1"):
        for change in ("none", "up", "down"):
            for mirrored in (False, True):
                for name in ("binom", "asym"):
                    yield pytest.param(
                        number, kernel, change, mirrored, name, id=f"{number:02d}"
                    )
                    number += 1


@pytest.mark.parametrize(
    ("number", "kernel", "change", "mirrored", "name"), list(convolution_cases())
)
def test_resampling_convolution(number, kernel, change, mirrored, name):
    weight = np.transpose(GOLDEN[kernel], (2, 3, 1, 0))
    # the reference's transposed convolution takes the kernel as a true convolution
    # would; its other convolutions take it as a correlation
    if mirrored != (change == "up"):
        weight = weight[::-1, ::-1]
    weight = jnp.asarray(weight)
    if change == "up":
        result = ops.upsample_convolve(X, weight, taps(name))
    elif change == "down":
        result = ops.downsample_convolve(X, weight, taps(name))
    else:
        padding = SAME if kernel == "w3" else VALID
        result = convolve(X, weight, padding=padding)
    assert error(result, nhwc(GOLDEN[f"conv/{number:02d}"])) <= TOLERANCE


@pytest.mark.parametrize("name", sorted(ops.ACTIVATIONS))
def test_activation(name):
    result = ops.activate(X, GOLDEN["bias"], name)
    assert error(result, nhwc(GOLDEN[f"bias_act/{name}"])) <= TOLERANCE


def test_activation_gain_and_clamp():
    result = ops.activate(X, GOLDEN["bias"], "lrelu", gain=0.5, clamp=0.7)
    assert error(result, nhwc(GOLDEN["bias_act/lrelu_gain0p5_clamp0p7"])) <= TOLERANCE
    assert float(jnp.max(result)) == pytest.approx(0.7)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("up", [1, 2])
def test_modulated_convolution(demodulate, up):
    weight = jnp.asarray(np.transpose(GOLDEN["w3"], (2, 3, 1, 0)))
    result = ops.modulated_convolve(
        X,
        {"weight": weight},
        GOLDEN["styles"],
        demodulate=demodulate,
        padding=SAME,
        up_taps=taps("binom") if up == 2 else None,
    )
    expected = nhwc(GOLDEN[f"modconv_sg2/demod{int(demodulate)}_up{up}"])
    assert error(result, expected) <= TOLERANCE


FILTERED = {
    "0": dict(up=2, down=2, padding=pads(9, 8, 9, 8)),
    "1": dict(up=4, down=2, padding=pads(10, 7, 3, 0), clamp=0.5),
    "2": dict(up=2, down=1, padding=pads(5, 6, 5, 6)),
    "3": dict(up=1, down=1, padding=pads(0, 0, 0, 0), clamp=1.0),
}


@pytest.mark.parametrize("case", sorted(FILTERED))
def test_filtered_leaky_relu(case):
    result = ops.filtered_leaky_relu(
        X,
        GOLDEN["bias"],
        up_taps=GOLDEN.get(f"flrelu/{case}_fu"),
        down_taps=GOLDEN.get(f"flrelu/{case}_fd"),
        **FILTERED[case],
    )
    assert error(result, nhwc(GOLDEN[f"flrelu/{case}"])) <= TOLERANCE


@pytest.mark.parametrize(
    ("case", "arguments", "radial"),
    [
        ("0", (12, 2.0, 12.0, 32.0), False),
        ("1", (24, 5.656854249492381, 20.68629150101524, 64.0), False),
        ("2", (12, 3.363585661014858, 9.272828677970285, 32.0), True),
        ("3", (8, 16.0, 7.397, 128.0), False),
    ],
)
def test_lowpass_design(case, arguments, radial):
    result = filters.lowpass(*arguments, radial=radial)
    assert error(result, GOLDEN[f"lowpass/{case}"]) <= 1e-6


def test_lowpass_of_odd_length_is_finite_at_its_centre():
    result = filters.lowpass(13, 2.0, 12.0, 32.0, radial=True)
    assert np.isfinite(result).all()
    assert result[6, 6] == result.max()
    assert filters.lowpass(1, 2.0, 12.0, 32.0) is None


@pytest.mark.parametrize(
    ("case", "group", "channels"),
    [("g3_c1", 3, 1), ("g2_c2", 2, 2), ("gNone_c1", None, 1)],
)
def test_batch_deviation(case, group, channels):
    result = ops.append_batch_deviation(nhwc(GOLDEN["mbstd_x"]), group, channels)
    assert error(result, nhwc(GOLDEN[f"mbstd/{case}"])) <= TOLERANCE


def test_batch_deviation_refuses_a_group_that_does_not_divide():
    with pytest.raises(ValueError, match="group size 4"):
        ops.append_batch_deviation(jnp.zeros((6, 2, 2, 4)), 4)


def test_a_constant_image_keeps_its_brightness():
    image = jnp.full((1, 8, 8, 1), 0.7)
    binomial = filters.make_filter([1, 3, 3, 1])
    assert np.allclose(filters.upsample(image, binomial)[:, 2:-2, 2:-2], 0.7)
    assert np.allclose(filters.downsample(image, binomial)[:, 1:-1, 1:-1], 0.7)


def test_second_moment_is_one():
    x = jax.random.normal(jax.random.key(0), (5, 16)) * 3
    result = ops.normalize_second_moment(x)
    assert np.allclose(jnp.mean(result**2, axis=1), 1, atol=1e-6)
