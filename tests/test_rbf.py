"""Warped paths: closed forms, the gradient of f itself, and the original's records."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden
from jax.test_util import check_grads

from jaxlatent import parallel
from jaxlatent.edits.rbf import rbf_field, unit_gradient
from jaxlatent.evaluation.paths import follow_paths, overshoot, path_strengths

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


def test_the_slope_of_the_logarithm_of_f_is_followed():
    """Where f is above zero, log f has the same direction, and does not vanish."""
    heights = jax.nn.logsumexp

    def logarithm(code, supports, weights, scale):
        squares = jnp.sum((code[None] - supports) ** 2, axis=1)
        return heights(-scale * squares, b=weights)

    slopes = jax.vmap(jax.grad(logarithm), (0, None, None, None))
    for factor in (1, 300):
        parts = SUPPORTS[1], np.abs(WEIGHTS[1]), np.float32(factor)
        expected = unit(np.asarray(slopes(CODES, *parts)))
        np.testing.assert_allclose(velocity(CODES, *parts), expected, atol=1e-5)


def test_the_four_derivatives_in_closed_form():
    with jax.enable_x64(True):
        code, cotangent = CODES[0].astype(np.float64), np.arange(1.0, D + 1)
        supports, weights = SUPPORTS[0].astype(np.float64), WEIGHTS[0].astype(float)
        scale = np.float64(SCALES[0])

        def weigh(code, supports, weights, logarithm):
            found = unit_gradient(code, supports, weights, jnp.exp(logarithm))
            return found @ cotangent

        given = (code, supports, weights, np.log(scale))
        weigh = jax.jit(weigh)
        found = jax.jit(jax.grad(weigh, (0, 1, 2, 3)))(*given)
        check_grads(weigh, given, order=1, modes=["rev"], rtol=1e-6, atol=1e-8)
    away = code - supports
    heights = np.exp(-scale * np.sum(away**2, axis=1))
    shares = weights * scale * heights
    gradient = -2 * shares @ away
    length = np.linalg.norm(gradient)
    v = gradient / length
    u = (cotangent - (cotangent @ v) * v) / length
    along = away @ u
    terms = shares[:, None] * (u[None] - 2 * scale * along[:, None] * away)
    width = 1 - scale * np.sum(away**2, axis=1)
    expected = (
        -2 * terms.sum(axis=0),
        2 * terms,
        -2 * scale * heights * along,
        -2 * np.sum(shares * width * along),
    )
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_step_there_and_back_ends_where_it_began():
    """But for the square of its length."""
    missing = []
    for step in (0.1, 0.05):
        there = CODES + step * velocity(CODES, SUPPORTS[1], WEIGHTS[1], SCALES[1])
        back = there - step * velocity(there, SUPPORTS[1], WEIGHTS[1], SCALES[1])
        missing.append(np.abs(np.asarray(back - CODES)).max())
    assert missing[0] < 0.02
    assert missing[1] < 0.3 * missing[0]


def test_the_field_on_a_mesh():
    """vmap and jvp over codes that are split among 8 devices."""
    codes, tangents = normal(5, 8, D), normal(6, 8, D)
    parts = SUPPORTS[0], WEIGHTS[0], SCALES[0]

    def both(codes, tangents):
        return jax.jvp(lambda codes: velocity(codes, *parts), (codes,), (tangents,))

    run = jax.jit(both)
    whole = run(codes, tangents)
    mesh = parallel.mesh(8)
    split = run(*parallel.split((codes, tangents), mesh)[0])
    for one, many in zip(whole, split, strict=True):
        assert len(many.sharding.device_set) == 8
        np.testing.assert_allclose(one, many, rtol=1e-6, atol=1e-7)


def test_the_field_of_the_paper_fits_into_memory():
    """One gather of the support vectors of 8 of 200 paths, and nothing of its size."""
    codes, count, size = jnp.zeros((8, 512)), 200, 1024

    def field(codes, supports, index):
        ones = jnp.ones((8, size))
        rows = supports[index]
        return jax.vmap(unit_gradient)(codes, rows, ones, jnp.full(8, 1 / 512))

    shape = jax.ShapeDtypeStruct((count, size, 512), np.float32)
    assert np.prod(shape.shape) * 4 == 419_430_400
    index = jax.ShapeDtypeStruct((8,), np.int32)
    compiled = jax.jit(field).lower(codes, shape, index).compile()
    gathered = 8 * size * 512 * 4
    assert compiled.memory_analysis().temp_size_in_bytes < 2.5 * gathered


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

RECORDED = golden("wgs_support_sets_a")
CONFIGURATIONS = ("cfg0", "cfg1", "cfg2", "cfg3")


def parts_of(case, which=""):
    """Supports, weights and scales of a record."""
    weights = case[f"{which}ALPHAS"]
    supports = case[f"{which}SUPPORT_SETS"].reshape(*weights.shape, -1)
    return supports, weights, np.exp(case[f"{which}LOGGAMMA"][:, 0])


def recorded(name, which="trained/"):
    """Supports, weights, scales and the rest of a configuration."""
    case = {
        key.removeprefix(f"{name}/"): array
        for key, array in RECORDED.items()
        if key.startswith(f"{name}/")
    }
    return parts_of(case, which), case


@jax.jit
@functools.partial(jax.value_and_grad, argnums=(0, 1, 2, 3), has_aux=True)
def weighed(codes, supports, weights, logarithms, index, cotangents):
    found = jax.vmap(unit_gradient)(
        codes, supports[index], weights[index], jnp.exp(logarithms)[index, 0]
    )
    return jnp.vdot(found, cotangents), found


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_shifts_and_their_gradients_of_the_original(name):
    (supports, weights, _), case = recorded(name)
    index = case["index"].astype(np.int32)
    logarithms = case["trained/LOGGAMMA"]
    if not case["flags"][1]:
        # what is not learned is in its files, but not read there
        logarithms = np.full_like(logarithms, np.log(case["gamma"]))
    (_, found), slopes = weighed(
        case["z"], supports, weights, logarithms, index, case["cot"]
    )
    assert error(found, case["trained/out"]) < 1e-6
    if "trained/grad_f_autograd" in case:
        gradients = case["trained/grad_f_autograd"]
        assert error(found, unit(gradients), recording="wgs_support_sets_a") < 1e-6
    names = ("z", "SUPPORT_SETS", "ALPHAS", "LOGGAMMA")
    for key, slope in zip(names, slopes, strict=True):
        if (key := f"trained/grad/{key}") in case:
            assert error(slope.reshape(case[key].shape), case[key]) < 1e-5
    (supports, weights, _), _ = recorded(name, "init/")
    (_, found), _ = weighed(
        case["z"], supports, weights, case["init/LOGGAMMA"], index, case["cot"]
    )
    assert error(found, case["init/out"]) < 1e-6


@pytest.mark.parametrize("name", ["cfg0", "cfg2"])
def test_paths_of_the_original(name):
    parts, case = recorded(name)
    step, steps = case["trav/eps_steps"]
    made = rbf_field(*parts, space="z", step=step, steps=int(steps))
    found = follow_paths(made, case["z"][:1], path_strengths(step, int(steps)))[:, 0]
    assert error(found, case["trav/codes"]) < 2e-6
    assert error(overshoot(found), case["trav/reference_image_codes"]) < 2e-6
    few = follow_paths(made, case["z"][:1], path_strengths(step, int(steps), leap=3))
    np.testing.assert_allclose(few[:, 0], found[:, ::3], atol=1e-6)


def test_where_the_original_has_nothing_left():
    case = golden("wgs_underflow_a")
    assert np.isnan(case["out"]).all()
    (supports, weights, scales), code = parts_of(case), case["z"][0]
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
