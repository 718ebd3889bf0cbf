"""Deformators: closed forms, what the original's code recorded, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import error, golden

from jaxlatent.edits.deformation import (
    Deformation,
    change_of,
    deformation,
    fc_network,
    resized,
    vectors_of,
)
from jaxlatent.edits.directions import Directions

CASE = golden("voynov_deformator_a")
D = 7
RECORDED = {
    "id": "identity",
    "linear_identity": "linear",
    "linear_random": "linear",
    "linear_nobias": "linear",
    "proj_identity": "projective",
    "proj_random": "projective",
    "ortho_small": "orthonormal",
    "ortho_random": "orthonormal",
    "random": "random",
    "fc": "fc",
}
NAMES = {"weight": "scale"}


def ours(arrays):
    """A recorded deformator's arrays, or gradients, under our names, inputs first."""
    found: dict = {}
    for name, value in arrays.items():
        layer, _, kind = name.rpartition(".")
        if kind == "num_batches_tracked":
            continue
        if kind == "log_mat_half":
            found["logarithm"] = value
        elif layer in ("", "linear"):
            found["bias" if kind == "bias" else "vectors"] = value.T
        else:
            kind = NAMES.get(kind, kind) if layer.startswith("bn") else kind
            found.setdefault(layer, {})[kind] = value.T
    return found


def recorded(name, part="w"):
    start = f"{name}/{part}/"
    return ours({k.removeprefix(start): v for k, v in CASE.items() if start in k})


def params_of(name):
    return (
        ours({"linear": CASE["random/linear"]}) if name == "random" else recorded(name)
    )


def deformed(kind, params, s, train=False):
    """The steps of any rows s, not of multiples of unit vectors alone."""
    size = jnp.sqrt(jnp.sum(s * s, axis=1))
    vectors = vectors_of(kind, params, s.shape[1], s.shape[1])
    mixed = jnp.matmul(s / size[:, None], vectors, precision="highest")
    return change_of(kind, mixed, size, params, train=train)


run = jax.jit(deformed, static_argnums=(0, 3))


@jax.jit
def rotation(logarithm):
    return vectors_of("orthonormal", {"logarithm": logarithm}, len(logarithm), 0).T


def ready(params):
    return jax.tree.map(jnp.asarray, params)


# closed forms


def test_two_numbers_turn_by_an_angle():
    for angle in (0.3, -2.0, 9.0):
        found = rotation(jnp.float32([[0.0, angle], [0.0, 0.0]]))
        cos, sin = np.cos(angle), np.sin(angle)
        np.testing.assert_allclose(found, [[cos, sin], [-sin, cos]], atol=5e-6)


def test_a_rotation_is_one():
    for deviation in (1e-3, 1.0, 10.0):
        logarithm = deviation * np.random.default_rng(0).normal(size=(9, 9))
        found = np.asarray(rotation(jnp.float32(logarithm)), np.float64)
        np.testing.assert_allclose(found.T @ found, np.eye(9), atol=5e-6)
        assert np.linalg.det(found) == pytest.approx(1, abs=1e-5)


def test_a_rotation_has_the_gradient_of_finite_differences():
    with jax.enable_x64(True):
        rng = np.random.default_rng(1)
        logarithm, weight = rng.normal(size=(2, 3, 3))
        steps = 1e-6 * np.eye(9).reshape(9, 3, 3)

        def scalar(logarithm):
            return jnp.vdot(rotation(logarithm), weight)

        found = jax.grad(scalar)(jnp.asarray(logarithm))
        ends = [[scalar(logarithm + way * step) for step in steps] for way in (1, -1)]
        expected = (np.asarray(ends[0]) - ends[1]) / 2e-6
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-6, atol=1e-8)


def test_projective_keeps_the_length():
    for bias in ({}, {"bias": np.float32([3.0, -1.0, 0.5, 2.0])}):
        vectors = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)
        edit = deformation("projective", {"vectors": vectors} | bias, 6, 4, space="z")
        assert isinstance(edit, Deformation if bias else Directions)
        strengths = np.float32([-6, -0.5, 0, 0.5, 6, 2])
        moved = edit.shift(np.zeros((6, 4), np.float32), np.arange(6), strengths)
        lengths = np.linalg.norm(moved, axis=1)
        np.testing.assert_allclose(lengths, np.abs(strengths), rtol=1e-6)
        if not bias:
            units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            np.testing.assert_allclose(moved, strengths[:, None] * units, rtol=1e-5)


def test_steps_of_another_length():
    change = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(resized(change, 2), change[:, :2])
    np.testing.assert_array_equal(resized(change, 5)[:, 3:], 0)
    np.testing.assert_array_equal(resized(change, 5)[:, :3], change)


def test_what_is_linear_is_directions():
    vectors = np.float32([[3, 4, 0], [0, 0, 0]])
    edit = deformation(
        "linear", {"vectors": vectors}, 2, 3, space="w", names=["a", "b"]
    )
    assert isinstance(edit, Directions)
    np.testing.assert_allclose(edit.vectors, [[0.6, 0.8, 0], [0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(edit.scale, [5, 1])
    assert (edit.space, edit.names) == ("w", ("a", "b"))
    zeros = {"vectors": vectors, "bias": np.zeros(3, np.float32)}
    assert isinstance(deformation("linear", zeros, 2, 3, space="z"), Directions)
    axes = deformation("identity", {}, 2, 3, space="z")
    np.testing.assert_array_equal(axes.vectors, np.eye(2, 3))


# the original's recordings


@pytest.mark.parametrize("name", RECORDED)
def test_steps_are_as_recorded(name):
    kind, params = RECORDED[name], ready(params_of(name))
    for label in ("onehot", "dense"):
        found, _ = run(kind, params, jnp.asarray(CASE[f"in_{label}"]))
        assert error(found, CASE[f"{name}/eval/{label}"]) <= 2e-6
    found, after = run(kind, params, jnp.asarray(CASE["in_dense"]), True)
    assert error(found, CASE[f"{name}/train/dense"]) <= 2e-6
    if kind == "fc":
        seen = recorded(name, "after_train_fwd")
        for layer, leaves in seen.items():
            for leaf, value in leaves.items():
                assert error(after[layer][leaf], value) <= 1e-6


@pytest.mark.parametrize("name", [n for n in RECORDED if n not in ("id", "random")])
def test_gradients_are_as_recorded(name):
    kind, params = RECORDED[name], ready(params_of(name))
    cot, s = jnp.asarray(CASE["cot"]), jnp.asarray(CASE["in_dense"])
    gradient = jax.grad(lambda params: jnp.vdot(run(kind, params, s, True)[0], cot))(
        params
    )
    expected = recorded(name, "grad_dense_train")
    assert expected.keys() == params.keys()
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(expected))
    for path, value in jax.tree_util.tree_leaves_with_path(expected):
        leaf = gradient
        for key in path:
            leaf = leaf[key.key]
        # a bias before a batch norm has none, but for rounding
        if np.abs(value).max() < 1e-5 * largest:
            assert np.abs(leaf).max() < 1e-5 * largest
        else:
            assert error(leaf, value) <= 2e-5


@pytest.mark.parametrize("name", RECORDED)
def test_the_edit_of_a_recorded_deformator(name):
    edit = deformation(RECORDED[name], params_of(name), D, D, space="z")
    assert isinstance(edit, Directions) == (
        RECORDED[name] in ("identity", "orthonormal", "random")
        or name.endswith("nobias")
    )
    codes = np.random.default_rng(3).normal(size=(5, D)).astype(np.float32)
    moved = edit.shift(codes, CASE["in_index"], CASE["in_eps"])
    assert error(moved - codes, CASE[f"{name}/eval/onehot"]) <= 2e-6


@pytest.mark.parametrize("name", ["ortho_random", "ortho_small"])
def test_rotations_are_as_recorded(name):
    found = rotation(jnp.asarray(CASE[f"{name}/w/log_mat_half"]))
    assert error(found, CASE[f"{name}/matrix"]) <= 2e-6


def test_exponentials_are_as_recorded():
    with jax.enable_x64(True):
        for number in range(4):
            half = CASE[f"expm/{number}/A"].astype(np.float64) / 2
            wide = CASE[f"expm/{number}/out_f64"]
            assert error(rotation(jnp.asarray(half)), wide) <= 1e-6
    for number in range(4):
        half = jnp.asarray(CASE[f"expm/{number}/A"]) / 2
        assert error(rotation(half), CASE[f"expm/{number}/out"]) <= 1e-5


def test_other_shapes_are_as_recorded():
    padded, over, cut = "ortho_padded", "linear_overcomplete", "proj_truncated"
    for name, kind in ((padded, "orthonormal"), (over, "linear"), (cut, "projective")):
        params, s = ready(recorded(name)), jnp.asarray(CASE[f"{name}/in"])
        found = resized(run(kind, params, s)[0], D)
        assert error(found, CASE[f"{name}/out"]) <= 2e-6
        edit = deformation(kind, params, s.shape[1], D, space="z")
        assert (len(edit), edit.dimension) == (s.shape[1], D)
    spatial = CASE["linear_spatial/in"].reshape(5, D)
    found, _ = run("linear", ready(recorded("linear_spatial")), jnp.asarray(spatial))
    assert error(found.reshape(5, D, 1, 1), CASE["linear_spatial/out"]) <= 2e-6


# what is refused


def broken(change):
    params = params_of("fc")
    change(params)
    return params


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("bn2"), "weights: list given; .* by name, fc1, fc2"),
        (lambda p: p["fc2"].pop("bias"), "weights: fc2: .* weight, bias, are accepted"),
        (
            lambda p: p["bn1"].update(running_var=-np.ones(10, "f4")),
            "running_var of bn1",
        ),
        (lambda p: p["fc4"].update(weight=np.ones((10, 6), "f4")), "weight of fc4: "),
    ],
)
def test_networks_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        deformation("fc", broken(change), 2, D, space="z")


def test_edits_that_do_not_fit():
    edit = deformation("fc", params_of("fc"), 3, D, space="z")
    assert isinstance(edit, Deformation)
    with pytest.raises(ValueError, match=r"^deformator: 'identity' given; one of"):
        edit.replace(deformator="identity").check()
    with pytest.raises(ValueError, match=r"^size: 0 given; None, or"):
        edit.replace(size=0).check()
    with pytest.raises(ValueError, match=r"^weights: list given; .*, bias, are acc"):
        edit.replace(deformator="linear").check()
    out, _ = fc_network(ready(params_of("fc")), jnp.zeros((1, D)))
    moved = edit.shift(np.zeros((1, D), np.float32), 2, 0.0)
    np.testing.assert_allclose(moved, out, rtol=1e-5, atol=1e-6)
