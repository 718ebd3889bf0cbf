"""What the fields of an edit may be: mutants of files are refused, or are right."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from edit_kinds import EDITS, Echo
from flax.traverse_util import flatten_dict
from test_edits import compiled_shift

from jaxlatent.checkpoint import EDIT_HEADER, load_edit, save_arrays, save_edit
from jaxlatent.edits.base import EDIT_KINDS, Described, bare, register_edit
from jaxlatent.edits.checking import check_floats, checked
from jaxlatent.edits.directions import directions
from jaxlatent.types import CheckpointError

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 7, 10**30, 0.5, -1.5, 1e308),
    *(float("nan"), float("inf"), "", "z", "w+", "x" * 5000, "\x1b[31m", "a\nb"),
    *([], [0], [1, 0], [0, 0], [-1], [0.5], [99], ["a"], ["a", "b", "c"], [1, 2, 3]),
    *([None] * 3, {}, {"a": 1}, {"kind": "directions"}, [[0], [1]], [{}]),
]
"""What a header may say instead of what is right."""


@pytest.fixture(autouse=True)
def registered():
    register_edit("echo of a test")(Echo)
    yield
    del EDIT_KINDS["echo of a test"]


def opened(edit, path):
    """A file's header and arrays."""
    save_edit(path, edit)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(arrays.pop(EDIT_HEADER).tobytes()), arrays


def written(path, header, arrays):
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    save_arrays(path, {EDIT_HEADER: text} | arrays)


def of_another_kind(draw, array):
    """An array of another shape, dtype or content."""
    changes = [
        lambda: array[:-1],
        lambda: np.concatenate([array, array]),
        lambda: array[None],
        lambda: array[..., None],
        lambda: array.reshape(-1),
        lambda: array[..., :-1],
        lambda: array.T,
        lambda: np.float32(1),
        lambda: np.zeros(0, np.float32),
        lambda: np.zeros((*array.shape[:-1], 0), np.float32),
        lambda: array.astype(np.int32),
        lambda: array.astype(np.complex64),
        lambda: array > 0,
        lambda: array.astype("U"),
        lambda: np.full_like(array, np.nan),
        lambda: np.full_like(array, np.inf),
        lambda: np.where(np.arange(array.size).reshape(array.shape) == 0, np.nan, 1),
        lambda: array.astype(np.float16),
        lambda: array.astype(np.float64),
    ]
    return changes[draw.integers(len(changes))]()


def mutate(draw, header, arrays):
    """A header and arrays of which one or two things are others."""
    header, arrays = json.loads(json.dumps(header)), dict(arrays)
    for _ in range(draw.integers(1, 3)):
        match draw.integers(6):
            case 0 | 1:
                name = draw.choice([*header, "layers", "colour"])
                header[name] = VALUES[draw.integers(len(VALUES))]
            case 2:
                header.pop(draw.choice([*header]), None)
            case 3 | 4:
                name = draw.choice([*arrays])
                arrays[name] = of_another_kind(draw, arrays[name])
            case 5:
                old = draw.choice([*arrays])
                new = draw.choice([*arrays, *header, "report", "report/a", "more", "/"])
                arrays[new] = arrays.pop(old)
        if not header or not arrays:
            break
    return header, arrays


def is_right(edit, name):
    """Whether everything that is done with edits can be done with this one."""
    assert all(jnp.issubdtype(a.dtype, jnp.floating) for a in jax.tree.leaves(edit))
    hash(jax.tree.structure(edit))
    checked(edit)
    rows = np.shape(getattr(getattr(edit, "inner", edit), "vectors", 0))[1:-1]
    if edit.layers and not rows:
        rows = (max(edit.layers) + 1,)
    codes = np.ones((2, *rows, edit.dimension), np.float32)
    if len(edit):
        moved = compiled_shift(bare(edit), codes, np.int32(0), np.float32(0.5))
        assert moved.shape == codes.shape
        assert np.isfinite(np.asarray(moved)).all(), name
    assert edit.select(range(len(edit))).rename({}).names == edit.rename({}).names
    assert all(isinstance(one, str) for one in (edit.method, edit.generator))
    assert json.dumps(edit.rename({}).names)


@pytest.mark.parametrize("name", EDITS)
def test_a_mutant_is_refused_or_is_an_edit(name, tmp_path):
    header, arrays = opened(EDITS[name], tmp_path / "good.npz")
    draw = np.random.default_rng(sum(map(ord, name)))
    words = []
    for trial in range(100):
        changed = mutate(draw, header, arrays)
        written(tmp_path / "bad.npz", *changed)
        try:
            found = load_edit(tmp_path / "bad.npz")
        except CheckpointError as error:
            words.append(str(error))
        else:
            is_right(found, f"{name} {trial}")
    assert 40 < len(words) < 100
    assert all(one.isprintable() for one in words)
    assert max(map(len, words)) < 400 + len(str(tmp_path))


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "scale of another shape": ({"scale": np.ones(2, np.float32)}, "scale: float32"),
    "scale of integers": ({"scale": np.ones(3, np.int32)}, "scale: int32"),
    "complex bias": ({"bias": np.ones(3, np.complex64)}, "bias: complex64"),
    "vectors of NaN": ({"vectors": np.full((3, 4), np.nan)}, "vectors: holds NaN"),
    "names that are no text": ({"names": [1, 2, 3]}, "names: 1 given; a text"),
    "names of others": ({"names": ["a"]}, "names: 1 given for 3 directions"),
    "one name": ({"names": "abc"}, "names: 'abc' given; a tuple"),
    "method": ({"method": ["sefa"]}, "method: tuple given; a text"),
    "generator": ({"generator": 12}, "generator: 12 given; a text"),
    "space": ({"space": 1}, "space: 1 given; a text"),
    "unknown space": ({"space": "\x1b[2J"}, r"space: '\\x1b\[2J' given"),
    "layers of text": ({"layers": ["a"]}, "layers: tuple given; rows"),
    "layers twice": ({"layers": [1, 1]}, r"layers: \(1, 1\) given; rows"),
    "layers below zero": ({"layers": [-1]}, r"layers: \(-1,\) given; rows"),
    "a row": ({"layers": 3}, "layers: 3 given; rows"),
    "facts": ({"facts": [1]}, "facts: tuple given; values by name"),
    "report": ({"report": np.ones(3)}, "report: "),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_factory_refuses_a_file_cannot_bring(name, tmp_path):
    changes, message = CHANGES[name]
    header, arrays = opened(EDITS["directions"], tmp_path / "e.npz")
    for field, value in changes.items():
        (arrays if isinstance(value, np.ndarray) else header)[field] = value
    if "report" in changes:
        arrays = {name: a for name, a in arrays.items() if not name.startswith("rep")}
        arrays["report"] = np.ones(3)
    written(tmp_path / "e.npz", header, arrays)
    with pytest.raises(CheckpointError, match=f"not an edit, or damaged: {message}"):
        load_edit(tmp_path / "e.npz")


def test_every_kind_of_edit_is_what_it_accepts():
    for edit in EDITS.values():
        assert checked(edit) is edit
        assert checked(bare(edit)).names == ()


def test_a_kind_of_ones_own_has_an_entry_for_each_direction():
    echo = EDITS["edit of an edit"]
    flat = {"gains": echo.gains[:2]}
    with pytest.raises(ValueError, match="gains: not one entry for each direction"):
        checked(echo.replace(**flat))
    with pytest.raises(ValueError, match=r"gains: int32 \(3,\) given; floating"):
        checked(echo.replace(gains=jnp.arange(3)))
    with pytest.raises(ValueError, match="scale: float32"):
        checked(echo.replace(inner=echo.inner.replace(scale=jnp.ones(2))))
    assert isinstance(echo, Described)
    assert flatten_dict(echo.report)


def test_traced_values_are_not_looked_at():
    def shifted(vectors):
        return directions(vectors, space="z").shift(jnp.ones((1, 2)), 0, 1.0)

    found = jax.jit(shifted)(jnp.full((1, 2), jnp.nan))
    assert np.isnan(found).all()
    with pytest.raises(ValueError, match="vectors: holds NaN"):
        shifted(jnp.full((1, 2), jnp.nan))


def test_letters_stand_for_lengths():
    check_floats("a", jnp.ones((0, 2)), ("K", "D"))
    with pytest.raises(ValueError, match=r"a: float32 \(2, 0\) given; floating \[K, D"):
        check_floats("a", jnp.ones((2, 0)), ("K", "D"))
    with pytest.raises(ValueError, match=r"a: dict given; floating \[K\] or \[2\]"):
        check_floats("a", {}, ("K",), (2,))
