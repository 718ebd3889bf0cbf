"""Neural walks by hand, and as the originals take them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden

from jaxlatent.edits.walks import neural_walk

K, D, H, N = 2, 3, 4, 5


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def length(x):
    return np.linalg.norm(x, axis=-1, keepdims=True)


shift = jax.jit(lambda edit, *args: edit.shift(*args))
traverse = jax.jit(lambda edit, *args: edit.traverse(*args))

CODES, BIAS = normal(0, N, D), normal(1, K, D)
FIRST = {"weight": normal(2, K, D, H), "bias": normal(3, K, H)}
SECOND = {"weight": normal(4, K, H, D), "bias": normal(5, K, D)}


def test_a_constant_walk_is_a_direction():
    made = neural_walk([{"bias": BIAS}], space="z")
    for strength in (0.7, -3.0):
        moved = shift(made, CODES, 1, strength)
        np.testing.assert_allclose(moved, CODES + strength * BIAS[1], atol=1e-6)


def test_a_constant_walk_that_keeps_the_length():
    made = neural_walk([{"bias": BIAS}], space="z", norm="sample")
    for strength in (0.7, -3.0):
        there = CODES + strength * BIAS[1].astype(np.float64)
        expected = there * length(CODES) / length(there)
        np.testing.assert_allclose(shift(made, CODES, 1, strength), expected, atol=1e-6)


def test_one_step_of_a_network_by_hand():
    """However far: with one step the network is asked once, at the code itself."""
    made = neural_walk([FIRST, SECOND], space="z")
    hidden = np.maximum(CODES @ FIRST["weight"][0] + FIRST["bias"][0], 0)
    change = hidden @ SECOND["weight"][0] + SECOND["bias"][0]
    assert (hidden == 0).any()
    for strength in (0.3, 1.0, -2.5):
        moved = shift(made, CODES, 0, strength)
        np.testing.assert_allclose(moved, CODES + strength * change, atol=1e-5)


def test_steps_of_a_linear_network_by_hand():
    """A step of h multiplies a code by 1 + h W, and a part of it by its share."""
    weight, step, steps = normal(6, 1, D, D), 0.25, 3
    still = np.zeros((1, D), np.float32)
    made = neural_walk(
        [{"weight": weight, "bias": still}], space="z", step=step, steps=steps
    )
    whole = np.eye(D) + step * weight[0].astype(np.float64)
    back = np.eye(D) - step * weight[0].astype(np.float64)
    part = np.eye(D) + 0.1 * weight[0]
    cases = {
        0.0: np.eye(D),
        0.25: whole,
        0.6: whole @ whole @ part,
        0.75: whole @ whole @ whole,
        # straight on along the third step
        1.1: whole @ whole @ (np.eye(D) + 0.6 * weight[0]),
        -0.5: back @ back,
    }
    found = traverse(made, CODES, 0, np.float32([*cases]))
    for moved, matrix in zip(found, cases.values(), strict=True):
        np.testing.assert_allclose(moved, CODES @ matrix, rtol=1e-5, atol=1e-5)


def test_a_network_for_the_way_back():
    made = neural_walk(
        [{"bias": BIAS}], [{"bias": BIAS[::-1]}], space="z", step=0.5, steps=2
    )
    found = traverse(made, CODES, 0, np.float32([0.7, -0.7]))
    np.testing.assert_allclose(found[0], CODES + 0.7 * BIAS[0], atol=1e-6)
    # it is the change itself, not its opposite
    np.testing.assert_allclose(found[1], CODES + 0.7 * BIAS[1], atol=1e-6)


def test_a_code_of_zero_stays_and_has_a_gradient():
    made = neural_walk([{"bias": BIAS}], space="z", norm="sample")
    zero = jnp.zeros((1, D))
    np.testing.assert_array_equal(shift(made, zero, 0, 2.0), zero)
    # a step that ends in zero
    end = shift(made, jnp.asarray(BIAS[:1]), 0, -1.0)
    np.testing.assert_array_equal(end, zero)
    slope = jax.jit(
        jax.grad(lambda code, strength: shift(made, code, 0, strength).sum())
    )
    for code, strength in ((zero, 2.0), (jnp.asarray(BIAS[:1]), -1.0)):
        assert np.isfinite(slope(code, strength)).all()


# the originals' records

RECORDED = golden("walks_a")


def layers(*names):
    """Dense layers of the original, as one direction."""
    return [
        {
            kind: RECORDED[f"steerability/nn_{name}__{theirs}"][None]
            for kind, theirs in (("weight", "kernel"), ("bias", "bias"))
        }
        for name in names
    ]


def per_unit(network, step):
    """The network that returns the change for one unit of strength, not for a step."""
    *first, last = network
    return [*first, {name: array / np.float32(step) for name, array in last.items()}]


@pytest.mark.parametrize(
    ("step", "dtype", "tolerance"), [(1.0, np.float64, 1e-14), (0.25, np.float32, 1e-6)]
)
def test_the_network_of_steerability(step, dtype, tolerance):
    """Its step is z + T2 relu(T1 z), whatever edit a step stands for."""
    steps = int(RECORDED["steerability/nn_steps"])
    with jax.enable_x64(dtype == np.float64):
        made = neural_walk(
            per_unit(layers("dense", "dense_1"), step),
            per_unit(layers("dense_2_1", "dense_3_1"), step),
            space="z",
            step=step,
            steps=steps,
            norm="sample",
        )
        codes = RECORDED["steerability/z"].astype(dtype)
        found = traverse(made, codes, 0, step * np.arange(-steps, steps + 1))
    assert found.dtype == dtype
    assert error(found, RECORDED["steerability/nn_stack"]) < tolerance


def test_the_linear_walk_of_steerability():
    walk = RECORDED["steerability/walk_z"][..., 0]
    made = neural_walk([{"bias": walk}], space="z")
    codes, alphas = RECORDED["steerability/z"], RECORDED["steerability/alpha_z"][:, 0]
    found = shift(made, np.float32(codes), 0, alphas)
    assert error(found, RECORDED["steerability/z_new"]) < 1e-6


def test_the_walk_of_ganalyze():
    made = neural_walk([{"bias": RECORDED["ganalyze/w"]}], space="z", norm="sample")
    found = shift(made, RECORDED["ganalyze/z"], 0, RECORDED["ganalyze/alpha"])
    assert error(found, RECORDED["ganalyze/one_direction_per_sample"]) < 1e-6


# what is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"forward": []}, r"forward: its last layer lacks a bias \[K, D\]"),
        ({"forward": [{"bias": BIAS[0]}]}, "forward: its last layer lacks a bias"),
        ({"forward": [{"weight": FIRST["weight"]}]}, "forward: its last layer lacks"),
        ({"forward": [FIRST, {"bias": BIAS}]}, r"forward: layer 1 holds .*'bias'"),
        ({"forward": [FIRST]}, r"forward: weight of layer 0: .*; floating \[2, 4, 4\]"),
        (
            {"forward": [SECOND]},
            r"forward: weight of layer 0: .*; floating \[2, 3, 3",
        ),
        (
            {"forward": [FIRST, SECOND | {"bias": BIAS[:1]}]},
            r"forward: weight of layer 0: .*; floating \[1, 3, 4\]",
        ),
        (
            {"forward": [{"bias": BIAS, "scale": BIAS}]},
            "forward: layer 0 holds more than a weight and a bias",
        ),
        (
            {"forward": [{"bias": BIAS.astype(int)}]},
            r"forward: bias of the last layer: int32 \(2, 3\) given; floating",
        ),
        (
            {"backward": [{"bias": BIAS[:1]}]},
            r"backward: bias of layer 0: float32 \(1",
        ),
        ({"backward": [FIRST]}, "backward: ends in 4 numbers; 3 are accepted"),
        ({"backward": [{"bias": BIAS[0, 0]}]}, "backward: bias of layer 0: float32"),
        ({"norm": "batch"}, "norm: 'batch' given; one of .*'none', 'sample'"),
        ({"step": -1.0}, r"step, steps: -1\.0, 1 given; a strength from 1e-09 to 1e"),
        ({"steps": 0}, r"step, steps: 1\.0, 0 given"),
        ({"steps": 10**9}, r"step, steps: 1\.0, 1000000000 given; .* 1 to 100000"),
        ({"step": True}, "step, steps: True, 1 given"),
        ({"space": "y"}, "space: 'y' given"),
    ],
)
def test_pieces_that_do_not_fit_are_named(changes, message):
    pieces = {"forward": [{"bias": BIAS}], "space": "z"} | changes
    with pytest.raises(ValueError, match=f"^{message}"):
        neural_walk(**pieces)
