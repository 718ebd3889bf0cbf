"""Every kind of edit through the same properties."""

import dataclasses
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from edit_kinds import (
    BY_ROW,
    CODES,
    EDITS,
    LINEAR,
    NEEDS_ROWS,
    ROW_CODES,
    D,
    Echo,
    K,
    L,
    N,
    normal,
)
from helpers import compilations
from jax.flatten_util import ravel_pytree

from converters import export_edit
from jaxlatent import checkpoint
from jaxlatent.edits.base import (
    EDIT_KINDS,
    Edit,
    Facts,
    bare,
    describe,
    register_edit,
)
from jaxlatent.edits.combining import combine, concatenate
from jaxlatent.edits.deformation import Deformation
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.edits.random import random_basis, random_directions
from jaxlatent.methods import ganspace, ganspace_presets, interfacegan
from jaxlatent.types import CheckpointError

NOT_LINEAR = [name for name in EDITS if not isinstance(EDITS[name], Directions)]
# from one side of a path to the other, in no order, and beyond its ends
STRENGTHS = np.float32([0.3, -5.0, 0.0, 1.1, -0.4, 5.0, -0.7])

each = pytest.mark.parametrize("name", EDITS)


@pytest.fixture(autouse=True)
def registered():
    register_edit("echo of a test")(Echo)
    yield
    del EDIT_KINDS["echo of a test"]


def codes_for(name):
    return ROW_CODES if name in NEEDS_ROWS else CODES


# one program for all arrays of a kind
compiled_shift = jax.jit(lambda edit, *args: edit.shift(*args))
compiled_traverse = jax.jit(lambda edit, *args: edit.traverse(*args))


def shift(edit, codes, index, strength):
    return compiled_shift(edit, codes, np.int32(index), np.float32(strength))


def traverse(edit, codes, index, strengths):
    return compiled_traverse(edit, codes, np.int32(index), np.float32(strengths))


def bits(tree):
    return [(leaf.dtype, np.asarray(leaf).tobytes()) for leaf in jax.tree.leaves(tree)]


# what an edit is


@each
def test_an_edit_is_a_pytree_of_floats(name):
    edit = EDITS[name]
    assert isinstance(edit, Edit)
    for leaf in jax.tree.leaves(edit):
        assert jnp.issubdtype(leaf.dtype, jnp.floating)
    leaves, structure = jax.tree.flatten(edit)
    assert jax.tree.structure(jax.tree.unflatten(structure, leaves)) == structure
    assert hash(structure) == hash(jax.tree.structure(edit))
    assert (len(edit), edit.dimension) == (K, D)


@each
def test_gradients_are_those_of_finite_differences(name):
    """With respect to all arrays, the codes and the strengths, in float64."""
    with jax.enable_x64(True):
        arguments = EDITS[name], codes_for(name), np.float64([0.7, -1.05, 2.3])
        wide = jax.tree.map(lambda leaf: np.float64(leaf), arguments)
        flat, restore = ravel_pytree(wide)
        weights = np.random.default_rng(0).normal(size=codes_for(name).shape)

        def scalar(flat):
            edit, codes, strengths = restore(flat)
            return jnp.vdot(edit.shift(codes, np.array([0, 1, 2]), strengths), weights)

        steps = 1e-6 * np.eye(flat.size)
        around = flat[None] + np.concatenate([steps, -steps])
        run = jax.jit(lambda flat, all: (jax.grad(scalar)(flat), jax.vmap(scalar)(all)))
        found, values = run(flat, around)
        ahead, behind = values.reshape(2, -1)
        expected = (ahead - behind) / 2e-6
        assert np.count_nonzero(expected) > flat.size / 3
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    of_edit = restore(found)[0]
    assert jax.tree.structure(of_edit) == jax.tree.structure(EDITS[name])


# shift and traverse


@each
def test_traverse_is_one_shift_per_strength(name):
    edit, codes = bare(EDITS[name]), codes_for(name)
    order = np.array([3, 0, 6, 5, 1, 2, 4])
    for index in range(K):
        found = traverse(edit, codes, index, STRENGTHS)
        assert found.shape == (len(STRENGTHS), *codes.shape)
        for moved, strength in zip(found, STRENGTHS, strict=True):
            expected = shift(edit, codes, index, strength)
            np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=2e-6)
        # whichever strengths are asked for beside one, and in whatever order
        again = traverse(edit, codes, index, STRENGTHS[order])
        np.testing.assert_array_equal(again, found[order])
    assert edit.traverse(jnp.asarray(codes), 0, []).shape == (0, *codes.shape)


@each
def test_shifting_by_zero_moves_nothing(name):
    rounding = 5e-7 if getattr(EDITS[name], "norm", "none") == "sample" else 0
    found = shift(bare(EDITS[name]), codes_for(name), 1, 0)
    # a network of the strength does not know where it is zero
    start = shift(bare(EDITS[name]), np.zeros_like(codes_for(name)), 2, 0)
    assert (np.abs(start).max() > 0) == (name == "network deformation")
    np.testing.assert_allclose(found, codes_for(name) + start, rtol=rounding)
    moved = shift(bare(EDITS[name]), codes_for(name), 1, 0.5)
    assert np.abs(moved - found).max() > 0.05


@each
def test_rows_may_have_an_index_and_a_strength_of_their_own(name):
    edit, codes = bare(EDITS[name]), codes_for(name)
    indices, strengths = np.array([2, 0, 2]), np.float32([0.5, -1.5, 3.0])
    found = shift(edit, codes, indices, strengths)
    for row, (index, strength) in enumerate(zip(indices, strengths, strict=True)):
        alone = shift(edit, codes, index, strength)[row]
        np.testing.assert_allclose(found[row], alone, rtol=1e-6, atol=2e-6)
    whole = traverse(edit, codes, indices, STRENGTHS)
    for row, index in enumerate(indices):
        alone = traverse(edit, codes, index, STRENGTHS)[:, row]
        np.testing.assert_allclose(whole[:, row], alone, rtol=1e-6, atol=2e-6)


@each
def test_an_index_out_of_range(name):
    edit, codes = EDITS[name], jnp.asarray(codes_for(name))
    for index in (K, -1, np.array([0, K, 1]), jnp.asarray([0, 1, -1])):
        with pytest.raises(IndexError, match=r"^index: .* given; there are 3 direct"):
            edit.shift(codes, index, 1.0)
        with pytest.raises(IndexError, match=r"^index: .* given; there are 3 direct"):
            edit.traverse(codes, index, [1.0])
    strengths = np.float32([0.5, -1.5, 3.0])
    good, bad = (np.array([2, *rest]) for rest in ((0, 2), (-1, K)))
    found = shift(bare(edit), codes, bad, strengths)
    expected = shift(bare(edit), codes, good, strengths)
    np.testing.assert_array_equal(found[0], expected[0])
    moving = list(edit.layers or range(L)) if codes.ndim == 3 else ...
    assert np.isnan(np.asarray(found)[1:][:, moving]).all()


@each
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x[..., :-1],
            r"latent: shape .*, 5\) given; this edit of .* accepts",
        ),
        (lambda x: x[0] if x.ndim == 2 else x[0, 0], r"latent: shape \(6,\) given"),
        (lambda x: x[None, None], r"latent: shape \(1, 1, 3, .* given"),
        (lambda x: x.astype(int), "latent: int32 given; a floating one is needed"),
    ],
)
def test_latents_of_another_make_are_named(name, change, message):
    latent = jnp.asarray(change(codes_for(name)))
    with pytest.raises(ValueError, match=f"^{message}"):
        EDITS[name].shift(latent, 0, 1.0)
    with pytest.raises(ValueError, match=f"^{message}"):
        EDITS[name].traverse(latent, 0, [1.0])


@each
def test_what_would_broadcast_is_refused(name):
    edit, codes = EDITS[name], jnp.asarray(codes_for(name))
    for index in (np.array([0, 1]), np.array([[0, 1, 2]])):
        with pytest.raises(ValueError, match=r"^index: shape .* given; a scalar or"):
            edit.shift(codes, index, 1.0)
        with pytest.raises(ValueError, match=r"^index: shape .* given; a scalar or"):
            edit.traverse(codes, index, [1.0])
    for strength in (np.ones(2), np.ones((N, 1))):
        with pytest.raises(ValueError, match=r"^strength: shape .* given; a scalar or"):
            edit.shift(codes, 0, strength)
    if not isinstance(edit, Echo):
        for strengths in (1.0, np.ones((2, N))):
            with pytest.raises(ValueError, match=r"^strengths: shape .*; \[S\] is acc"):
                edit.traverse(codes, 0, strengths)


@each
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
def test_the_result_has_the_dtype_of_the_latent(name, dtype):
    with jax.enable_x64(True):
        codes = jax.ShapeDtypeStruct(codes_for(name).shape, dtype)
        for call in (
            lambda codes: EDITS[name].shift(codes, 0, 1.0),
            lambda codes: EDITS[name].shift(codes, 0, np.ones(N)),
            lambda codes: EDITS[name].traverse(codes, 0, np.ones(2)),
        ):
            assert jax.eval_shape(call, codes).dtype == dtype


# rows of w+


@pytest.mark.parametrize("name", BY_ROW)
def test_every_chosen_row_moves_as_a_code_of_its_own(name):
    edit = dataclasses.replace(bare(EDITS[name]), layers=None)
    whole = shift(edit, ROW_CODES, 1, 1.1)
    for row in range(L):
        alone = shift(edit, ROW_CODES[:, row], 1, 1.1)
        np.testing.assert_allclose(whole[:, row], alone, rtol=1e-6, atol=2e-6)
    some = dataclasses.replace(edit, layers=(0, 2))
    found = shift(some, ROW_CODES, 1, 1.1)
    np.testing.assert_allclose(found[:, [0, 2]], whole[:, [0, 2]], rtol=1e-6, atol=2e-6)
    np.testing.assert_array_equal(found[:, 1], ROW_CODES[:, 1])
    way = traverse(some, ROW_CODES, 1, STRENGTHS[:2])
    np.testing.assert_array_equal(way[:, :, 1], [ROW_CODES[:, 1]] * 2)
    # equal rows stay equal
    equal = np.repeat(CODES[:, None], L, axis=1)
    expected = np.repeat(shift(edit, CODES, 1, 1.1)[:, None], L, axis=1)
    np.testing.assert_allclose(
        shift(edit, equal, 1, 1.1), expected, rtol=1e-6, atol=2e-6
    )


@each
def test_layers_need_rows(name):
    edit = dataclasses.replace(EDITS[name], layers=(0, 2))
    with pytest.raises(ValueError, match=r"^latent: shape \(3, 6\) has no rows"):
        edit.shift(jnp.asarray(CODES), 0, 1.0)
    with pytest.raises(ValueError, match=r"^latent: 2 rows given; .*\(0, 2\)"):
        edit.shift(jnp.asarray(ROW_CODES[:, :2]), 0, 1.0)


# compiled code, and what it need not know


def other(edit):
    """Another edit of the same shapes, which tells other things about itself."""
    changed = jax.tree.map(lambda leaf: leaf * 1.5, edit)
    told = {"names": tuple("xyz"), "method": "m", "generator": "g", "facts": Facts()}
    if isinstance(edit, Echo):
        told["inner"] = other(changed.inner)
    return dataclasses.replace(changed, report={"other": jnp.ones(K)}, **told)


@each
def test_other_arrays_and_names_compile_nothing(name):
    codes, changed = codes_for(name), bare(other(EDITS[name]))
    shift(bare(EDITS[name]), codes, 0, 0.5)
    traverse(bare(EDITS[name]), codes, 0, STRENGTHS)
    with compilations() as count:
        moved = shift(changed, codes + 1, 2, -9.0)
        way = traverse(changed, codes + 1, 2, 3 * STRENGTHS)
    assert count() == 0
    assert np.isfinite(moved).all()
    assert np.isfinite(way).all()


@each
def test_bare_leaves_what_compiled_code_needs(name):
    edit = EDITS[name]
    plain = bare(edit)
    assert jax.tree.structure(plain) == jax.tree.structure(bare(other(edit)))
    parts = [plain, plain.inner] if isinstance(edit, Echo) else [plain]
    for part in parts:
        assert (part.report, part.names, part.facts) == ({}, (), Facts())
        assert (part.method, part.generator) == ("", "")
    assert (plain.space, plain.layers) == (edit.space, edit.layers)
    kept = dataclasses.replace(plain, report=edit.report)
    if isinstance(edit, Echo):
        kept = kept.replace(inner=plain.inner.replace(report=edit.inner.report))
        assert kept.settings == edit.settings
    assert bits(kept) == bits(edit)


# select and rename


@each
def test_select_takes_what_belongs_to_the_directions(name):
    edit, codes = EDITS[name], codes_for(name)
    some = edit.select([2, 0])
    assert type(some) is type(edit)
    assert (len(some), some.names) == (2, ("pose", "smile"))
    for entry, values in edit.report.items():
        np.testing.assert_array_equal(some.report[entry], values[np.array([2, 0])])
    assert some.facts == edit.facts
    weights = edit.weights if isinstance(edit, Deformation) else {}
    flow = getattr(edit, "flow", {})
    common = [getattr(edit, "mean", None), *jax.tree.leaves((weights, flow))]
    for ours, theirs in zip(jax.tree.leaves(some), jax.tree.leaves(edit), strict=True):
        is_common = any(theirs is leaf for leaf in common)
        np.testing.assert_array_equal(
            ours, theirs if is_common else theirs[np.array([2, 0])]
        )
    np.testing.assert_allclose(
        shift(bare(some), codes, 1, 0.9),
        shift(bare(edit), codes, 0, 0.9),
        rtol=1e-6,
        atol=2e-6,
    )
    for index in (K, -1):
        with pytest.raises(IndexError, match=f"^index: {index} given; there are 3"):
            edit.select([0, index])
    assert bare(edit).select([1]).names == ()


def test_what_directions_share_is_not_taken_for_one_each():
    """As many numbers in the mean as there are directions, in an edit in an edit."""
    square = directions(normal(0, K, K), space="w", mean=normal(1, K))
    np.testing.assert_array_equal(square.select([2]).mean, normal(1, K))
    nested = Echo(inner=square, gains=jnp.ones(K), **describe(K, {"space": "w"}))
    some = nested.select([2])
    np.testing.assert_array_equal(some.inner.mean, normal(1, K))
    np.testing.assert_array_equal(some.inner.vectors, normal(0, K, K)[2:])
    assert (some.inner.names, some.names) == (("direction 2",),) * 2


@each
def test_rename_changes_the_named_ones_alone(name):
    edit = EDITS[name]
    renamed = edit.rename({1: "older"})
    assert renamed.names == ("smile", "older", "pose")
    assert bits(renamed) == bits(edit)
    assert jax.tree.structure(bare(renamed)) == jax.tree.structure(bare(edit))
    assert renamed.select([1]).names == ("older",)
    with pytest.raises(IndexError, match="index: 3 given"):
        edit.rename({3: "d"})
    nameless = bare(edit).rename({0: "a"})
    assert nameless.names == ("a", "direction 1", "direction 2")


# on disk


@each
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_an_edit_comes_back_to_the_bit(tmp_path, name, dtype):
    edit = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), EDITS[name])
    for number, made in enumerate((edit, bare(edit))):
        checkpoint.save_edit(tmp_path / f"{number}.npz", made)
        found = checkpoint.load_edit(tmp_path / f"{number}.npz")
        assert jax.tree.structure(found) == jax.tree.structure(made)
        assert bits(found) == bits(made)
        for field in dataclasses.fields(made):
            if not field.metadata.get("pytree_node", True):
                assert getattr(found, field.name) == getattr(made, field.name)


AGAIN = """
import sys
from jaxlatent.checkpoint import load_edit, save_edit
for path in sys.argv[1:]:
    save_edit(path + ".again", load_edit(path))
"""


def test_a_fresh_process_knows_every_kind_of_ours(tmp_path):
    paths = []
    for name, edit in EDITS.items():
        if not isinstance(edit, Echo):
            paths.append(tmp_path / name)
            checkpoint.save_edit(paths[-1], edit)
    words = [sys.executable, "-c", AGAIN, *map(str, paths)]
    subprocess.run(words, check=True, timeout=300)
    for path in paths:
        again = path.with_name(f"{path.name}.again")
        assert again.read_bytes() == path.read_bytes()


def rewrite(path, change):
    """Another header for an edit's file."""
    with np.load(path) as file:
        members = {name: file[name] for name in file.files}
    header = json.loads(members.pop("header").tobytes())
    change(header, members)
    encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)
    checkpoint.save_arrays(path, {"header": encoded} | members)


@each
def test_fields_that_a_file_does_not_have_yet_take_their_defaults(tmp_path, name):
    edit, path = EDITS[name], tmp_path / "e.npz"
    checkpoint.save_edit(path, edit)
    optional = {
        field.name
        for field in dataclasses.fields(edit)
        if (field.default, field.default_factory) != (dataclasses.MISSING,) * 2
    }

    def older(header, members):
        for label in optional:
            header.pop(label, None)
            for member in [m for m in members if m.split("/")[0] == label]:
                del members[member]

    rewrite(path, older)
    found = checkpoint.load_edit(path)
    assert (found.report, found.names, found.facts) == ({}, (), Facts())
    for field in dataclasses.fields(edit):
        if field.name in optional:
            default = field.default
            if default is dataclasses.MISSING:
                default = field.default_factory()
            assert getattr(found, field.name) == default
        elif field.metadata.get("pytree_node", True):
            ours, theirs = getattr(found, field.name), getattr(edit, field.name)
            assert jax.tree.structure(ours) == jax.tree.structure(theirs)
            assert bits(ours) == bits(theirs)
    assert found.space == edit.space


BROKEN = {
    "a later version": (
        lambda header, _: header.update(version=2),
        "version 2; 1 to 1 are accepted",
    ),
    "an unknown field": (
        lambda header, _: header.update(colour="red"),
        r"\['colour'\] missing, or unknown",
    ),
    "an unknown array": (
        lambda _, members: members.update(colour=np.ones(1)),
        r"\['colour'\] missing, or unknown",
    ),
    "no space": (
        lambda header, _: header.pop("space"),
        r"\['space'\] missing, or unknown",
    ),
}


@each
@pytest.mark.parametrize("problem", BROKEN)
def test_files_that_are_not_understood_say_so(tmp_path, name, problem):
    change, message = BROKEN[problem]
    checkpoint.save_edit(tmp_path / "e.npz", EDITS[name])
    rewrite(tmp_path / "e.npz", change)
    with pytest.raises(CheckpointError, match=f"not an edit, or damaged: .*{message}"):
        checkpoint.load_edit(tmp_path / "e.npz")


def test_an_edit_within_a_file_is_held_to_the_same(tmp_path):
    checkpoint.save_edit(tmp_path / "e.npz", EDITS["edit of an edit"])
    rewrite(tmp_path / "e.npz", lambda _, members: members.pop("inner/vectors"))
    with pytest.raises(CheckpointError, match=r"'vectors'\] missing, .*to Directions"):
        checkpoint.load_edit(tmp_path / "e.npz")


# what is linear alone


PRESET = next(one for one in ganspace_presets.presets() if not one.mirror)
LINEAR_ONLY = {
    "combine": ("parts", lambda edit, _: combine([(LINEAR, 0, 1), (edit, 1, 1)])),
    "concatenate": ("parts", lambda edit, _: concatenate([LINEAR, edit])),
    "condition": (
        "boundaries",
        lambda edit, _: interfacegan.condition(edit, [LINEAR]),
    ),
    "condition on": ("others", lambda edit, _: interfacegan.condition(LINEAR, [edit])),
    "random directions": (
        "like",
        lambda edit, _: random_directions(edit, key=jax.random.key(0)),
    ),
    "random basis": ("like", lambda edit, _: random_basis(edit, key=jax.random.key(0))),
    "set to target": (
        "edit",
        lambda edit, _: ganspace.set_to_target(edit, jnp.asarray(CODES), 0, 1.0),
    ),
    "presets": (
        "components",
        lambda edit, _: ganspace_presets.preset_directions(
            [PRESET], edit, num_layers=L
        ),
    ),
    "apply preset": (
        "components",
        lambda edit, _: ganspace_presets.apply_preset(
            PRESET, edit, jnp.asarray(ROW_CODES)
        ),
    ),
    "export": (
        "edit",
        lambda edit, folder: export_edit(edit, folder / "a", layout="npy"),
    ),
}


@pytest.mark.parametrize("call", LINEAR_ONLY)
@pytest.mark.parametrize("name", NOT_LINEAR)
def test_what_is_linear_alone_refuses_other_kinds_by_name(tmp_path, name, call):
    argument, run = LINEAR_ONLY[call]
    kind = type(EDITS[name]).__name__
    message = rf"^{argument}: a {kind} given; linear directions are accepted"
    with pytest.raises(TypeError, match=message):
        run(EDITS[name], tmp_path)
    assert not list(tmp_path.iterdir())
