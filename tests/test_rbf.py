"""Warped paths: closed forms, the gradient of f itself, and the original's records."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden

from jaxlatent.edits.rbf import rbf_field, unit_gradient

K, M, D, N = 2, 4, 3, 5


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


CODES, SUPPORTS, WEIGHTS = normal(0, N, D), normal(1, K, M, D), normal(2, K, M)
SCALES = np.float32([0.4, 1.5])

# single codes as one program for the whole file
one_code = jax.jit(unit_gradient)
velocity = jax.jit(jax.vmap(unit_gradient, (0, None, None, None)))


def value(code, supports, weights, scale):
    """f, straight from its definition."""
    squares = jnp.sum((code[None] - supports) ** 2, axis=1)
    return jnp.sum(weights * jnp.exp(-scale * squares))


@pytest.mark.parametrize(("weight", "sign"), [(2.0, -1), (-0.1, 1)])
def test_one_support_vector_attracts_or_repels(weight, sign):
    """f falls off around a positive one, so that its gradient points there."""
    found = velocity(CODES, SUPPORTS[0, :1], np.float32([weight]), np.float32(0.7))
    expected = sign * unit(CODES - SUPPORTS[0, :1])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_path_towards_one_support_vector_is_straight():
    made = rbf_field(
        SUPPORTS[:1, :1], np.ones((1, 1)), [0.7], space="z", step=0.1, steps=3
    )
    code = SUPPORTS[0, :1] + np.float32([[3, 0, 4]])
    moved = made.traverse(code, 0, [0.25, -0.4, 2.5])[:, 0]
    lengths = np.linalg.norm(moved - SUPPORTS[0, :1], axis=1)
    np.testing.assert_allclose(lengths, [4.75, 5.4, 2.5], rtol=1e-5)
    np.testing.assert_allclose(
        unit(moved - SUPPORTS[0, :1]), np.tile([[0.6, 0, 0.8]], (3, 1)), atol=1e-6
    )


def test_wide_functions_give_one_constant_direction():
    """With equal weights up and down, gamma to zero leaves the sum of a_i s_i."""
    weights = np.float32([1, -1, 2, -2])
    found = velocity(CODES, SUPPORTS[0], weights, np.float32(1e-5))
    expected = unit(weights @ SUPPORTS[0].astype(np.float64))
    np.testing.assert_allclose(found, np.tile(expected, (N, 1)), atol=2e-4)


def test_antipodal_dipoles():
    """The formula in hyperbolic functions that pairs of s and -s have."""
    scale, half = 0.3, SUPPORTS[0].astype(np.float64)
    supports = np.stack([half, -half], axis=1).reshape(-1, D)
    weights = np.tile([1.0, -1.0], M)
    expected = []
    for z in CODES.astype(np.float64):
        inside = 2 * scale * half @ z
        heights = np.exp(-scale * (z @ z + np.sum(half * half, axis=1)))
        term = np.sinh(inside)[:, None] * z - np.cosh(inside)[:, None] * half
        expected.append(-4 * scale * heights @ term)
    found = velocity(CODES, *map(np.float32, (supports, weights, scale)))
    np.testing.assert_allclose(found, unit(expected), atol=1e-5)
    # on the axis of one dipole, halfway
    pair = np.stack([half[0], -half[0]]).astype(np.float32)
    middle = one_code(np.zeros(D, np.float32), pair, np.float32([1, -1]), SCALES[0])
    np.testing.assert_allclose(middle, unit(half[0]), atol=1e-6)


def test_the_gradient_of_f_is_followed():
    gradients = jax.vmap(jax.grad(value), (0, None, None, None))
    for row in range(K):
        parts = SUPPORTS[row], WEIGHTS[row], SCALES[row]
        expected = unit(np.asarray(gradients(CODES, *parts)))
        np.testing.assert_allclose(velocity(CODES, *parts), expected, atol=2e-6)


def test_rotating_everything_rotates_the_field():
    turn = np.linalg.qr(normal(9, D, D))[0]
    found = velocity(CODES @ turn, SUPPORTS[0] @ turn, WEIGHTS[0], SCALES[0])
    plain = velocity(CODES, SUPPORTS[0], WEIGHTS[0], SCALES[0])
    np.testing.assert_allclose(found, plain @ turn, atol=2e-6)


def test_weights_have_a_sign_and_no_size():
    plain = velocity(CODES, SUPPORTS[0], WEIGHTS[0], SCALES[0])
    for factor in (1e-30, 1e30):
        scaled = velocity(CODES, SUPPORTS[0], factor * WEIGHTS[0], SCALES[0])
        np.testing.assert_allclose(scaled, plain, atol=2e-6)
    turned = velocity(CODES, SUPPORTS[0], -WEIGHTS[0], SCALES[0])
    np.testing.assert_array_equal(turned, -plain)


@jax.jit
@functools.partial(jax.value_and_grad, argnums=(0, 1, 2, 3), has_aux=True)
def derivatives(*parts):
    """A scalar of the field, the field, and the scalar's slopes."""
    found = unit_gradient(*parts)
    return found @ jnp.arange(1, D + 1, dtype=found.dtype), found


AXIS = np.float32([[0, 0, 0], [1, 0, 0]])
HARD = {
    # (code, supports, weights, scale) -> where the field points
    "far away": ([30, 0, 0], AXIS, [1, 1], 200.0, [-1, 0, 0]),
    "very far away": ([3e5, 0, 0], AXIS, [1, 1], 200.0, [-1, 0, 0]),
    "far away, up": ([30, 0, 0], AXIS, [1, -1], 200.0, [1, 0, 0]),
    "on one of two": ([1, 0, 0], AXIS, [1, 1], 0.5, [-1, 0, 0]),
    "on one, the other out of sight": ([1, 0, 0], AXIS, [1, 1], 500.0, [-1, 0, 0]),
    "on one without a weight": ([1, 0, 0], AXIS, [1, 0], 500.0, [-1, 0, 0]),
    "beside one without a weight": ([1, 0.1, 0], AXIS, [-1, 0], 0.5, None),
    "a hair's breadth away": ([1e-18, 0, 0], AXIS, [1, 0], 0.5, [-1, 0, 0]),
    "no weights": ([1, 2, 3], AXIS, [0, 0], 0.5, [0, 0, 0]),
    "on the only one": ([0, 0, 0], AXIS[:1] * [[1], [1]], [1, 1], 0.5, [0, 0, 0]),
}


@pytest.mark.parametrize("name", HARD)
def test_where_exponentials_vanish(name):
    *parts, expected = HARD[name]
    code, supports, weights, scale = map(np.float32, parts)
    if expected is None:
        expected = unit(code)
    (_, found), slopes = derivatives(code, supports, weights, scale)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert all(np.isfinite(slope).all() for slope in slopes)


# the original's records

RECORDED = golden("warpedganspace_paths_a")


def recorded(name):
    """Supports, weights, scales and the rest of a configuration."""
    case = {
        key.removeprefix(f"{name}/"): array
        for key, array in RECORDED.items()
        if key.startswith(f"{name}/")
    }
    count, width = case["ALPHAS"].shape
    supports = case["SUPPORT_SETS"].reshape(count, width, -1)
    return (supports, case["ALPHAS"], np.exp(case["LOGGAMMA"][:, 0])), case


@pytest.mark.parametrize("name", ["cfg0", "cfg2"])
def test_shifts_and_their_gradients_of_the_original(name):
    (supports, weights, _), case = recorded(name)
    index = case["index"]
    gradients = case["grad_f_autograd"]

    def weighed(codes, supports, weights, logarithms):
        found = jax.vmap(unit_gradient)(
            codes, supports[index], weights[index], jnp.exp(logarithms)[index, 0]
        )
        return jnp.vdot(found, case["cot"]), found

    run = jax.jit(jax.value_and_grad(weighed, (0, 1, 2, 3), has_aux=True))
    (_, found), slopes = run(case["z"], supports, weights, case["LOGGAMMA"])
    assert error(found, case["out"]) < 1e-6
    assert error(found, unit(gradients), recording="warpedganspace_paths_a") < 1e-6
    names = ("grad/z", "grad/SUPPORT_SETS", "grad/ALPHAS", "grad/LOGGAMMA")
    for key, slope in zip(names, slopes, strict=True):
        if key in case:
            assert error(slope.reshape(case[key].shape), case[key]) < 1e-5


@pytest.mark.parametrize("name", ["cfg0", "cfg2"])
def test_paths_of_the_original(name):
    parts, case = recorded(name)
    step, steps = case["trav/eps_steps"]
    made = rbf_field(*parts, space="z", step=step, steps=int(steps))
    strengths = step * np.arange(-steps, steps + 1)
    code = jnp.asarray(case["z"][:1])
    walk = jax.jit(made.traverse)
    for row, theirs in enumerate(case["trav/codes"]):
        assert error(walk(code, row, strengths)[:, 0], theirs) < 2e-6


def test_where_the_original_has_nothing_left():
    parts, case = recorded("underflow")
    assert np.isnan(case["out"]).all()
    (supports, weights, scales), code = parts, case["z"][0]
    for row in range(2):
        found = one_code(code, supports[row], weights[row], scales[row])
        # in float64 logarithms, which underflow later
        away = code.astype(np.float64) - supports[row]
        powers = -float(scales[row]) * np.sum(away * away, axis=1)
        expected = -(weights[row] * np.exp(powers - powers.max())) @ away
        np.testing.assert_allclose(found, unit(expected), atol=1e-5)


# what is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"supports": SUPPORTS[0]}, r"supports: float32 \(4, 3\) given; floating \[K"),
        ({"supports": SUPPORTS.astype(int)}, r"supports: int32 \(2, 4, 3\) given"),
        (
            {"weights": WEIGHTS[:1]},
            r"weights: float32 \(1, 4\) given; floating \[2",
        ),
        ({"weights": WEIGHTS > 0}, r"weights: bool \(2, 4\) given"),
        ({"scales": SCALES[0]}, r"scales: float32 \(\) given; floating \[2\]"),
        ({"scales": SCALES - SCALES[0]}, "scales: some are not above zero"),
        ({"scales": SCALES * np.nan}, "scales: holds NaN"),
        ({"step": 0.0}, r"step, steps: 0\.0, 16 given; a strength from 1e-09 to 1e"),
        ({"step": float("nan")}, "step, steps: nan, 16 given"),
        ({"steps": 0}, r"step, steps: 0\.2, 0 given"),
        ({"names": ["a"]}, "names: 1 given for 2 directions"),
    ],
)
def test_pieces_that_do_not_fit_are_named(changes, message):
    pieces = {"supports": SUPPORTS, "weights": WEIGHTS, "scales": SCALES} | changes
    with pytest.raises(ValueError, match=f"^{message}"):
        rbf_field(**pieces, space="z")
