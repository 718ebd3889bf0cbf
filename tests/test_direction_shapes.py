"""What arrays of directions are taken for, and what is said about it."""

import numpy as np
import pytest
from artefact_files import normal, same, unit, write

from converters import Asked, Checkpoint, guess_edit, import_edit
from jaxlatent import Generator, GuessWarning
from jaxlatent.types import CheckpointError

D, L = 12, 8
ALIKE = {"z": (D,), "w": (D,), "w+": (L, D)}
SEVERAL = unit(normal(0, L, D))
ROWS = normal(1, L, D)
ROWS /= np.linalg.norm(ROWS)
FACTORS = np.linalg.qr(normal(2, D, L))[0].T
ONE = unit(normal(3, 1, D))
LAYERED = "1 direction with a row for each of the 8 of w+"
FLAT = normal(4, 2, L * D)
FLAT /= np.linalg.norm(FLAT, axis=1, keepdims=True)


def guessed(tmp_path, array, name="smile.npy", **asked):
    """The edit, and every guess as a command tells it."""
    path = write(tmp_path, name, array)
    edit, guesses = guess_edit(path, Asked(**asked))
    return edit, [guess.text({}).removeprefix(f"{path}: ") for guess in guesses]


# [L, D]


@pytest.mark.parametrize(
    "rows", [ROWS, SEVERAL, np.tile(ONE, (L, 1)), np.tile(ONE, (L, 1)) / L**0.5]
)
def test_as_many_rows_as_the_generator_has_are_one_direction(tmp_path, rows):
    edit, told = guessed(tmp_path, rows, shapes=ALIKE)
    assert (edit.space, edit.vectors.shape) == ("w+", (1, L, D))
    found = np.asarray(edit.vectors[0])
    same(found / np.linalg.norm(found), rows / np.linalg.norm(rows))
    assert told == [
        f"taken for {LAYERED}, as the generator has 8 rows; --space w for 8 directions "
        "of w"
    ]


def test_a_step_moves_every_row_along_its_own(tmp_path):
    edit, _ = guessed(tmp_path, ROWS, shapes=ALIKE)
    w = normal(5, 2, L, D).astype(np.float32)
    same(edit.shift(w, 0, 2.0), np.float32(w + 2 * ROWS))


def test_rows_at_right_angles_are_several_directions(tmp_path):
    edit, told = guessed(tmp_path, FACTORS, shapes=ALIKE)
    assert (edit.space, edit.vectors.shape) == ("w", (L, D))
    assert told[0] == (
        "taken for 8 directions of w, as they are at right angles, though the "
        f"generator has 8 rows; --per-layer for {LAYERED}"
    )


@pytest.mark.parametrize(
    ("asked", "shape", "space"),
    [
        ({"per_layer": True}, (1, L, D), "w+"),
        ({"per_layer": False, "space": "w+"}, (L, D), "w+"),
        ({"space": "w"}, (L, D), "w"),
        ({"space": "z"}, (L, D), "z"),
        ({"space": "z", "shapes": ALIKE}, (L, D), "z"),
    ],
)
def test_what_is_asked_for_is_no_guess(tmp_path, asked, shape, space):
    edit, told = guessed(tmp_path, SEVERAL, **asked)
    assert (edit.vectors.shape, edit.space, told) == (shape, space, [])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (ROWS, "as the length of all rows together is one"),
        (ROWS[:5] / np.linalg.norm(ROWS[:5]), "as the length of all rows together"),
        (np.tile(ONE, (L, 1)), "as its rows are equal"),
        (np.tile(ONE, (14, 1)) * 3, "as its rows are equal"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*scaled to one")
def test_without_a_generator_lengths_tell(tmp_path, rows, reason):
    edit, (told,) = guessed(tmp_path, rows)
    assert (edit.space, edit.vectors.shape) == ("w+", (1, *rows.shape))
    same(unit(np.asarray(edit.vectors[0])), unit(rows))
    assert told == (
        f"taken for 1 direction with a row for each of the {len(rows)} of w+, {reason}"
        f"{' is one' * reason.endswith('together')}; "
        f"--space w for {len(rows)} directions of w"
    )


def test_several_of_a_usual_number_name_the_other_reading(tmp_path):
    edit, told = guessed(tmp_path, SEVERAL)
    assert (edit.space, edit.vectors.shape) == ("w", (L, D))
    assert told[0].endswith(f"--per-layer for {LAYERED}")
    # five rows are those of no generator, factors those of no direction
    for array in (SEVERAL[:5], FACTORS):
        _, told = guessed(tmp_path, array)
        assert len(told) == 1
        assert "as nothing tells the space; --space z" in told[0]


# [K, L * D], [K, 1, D] and others


def test_flattened_rows_are_told_by_the_generator(tmp_path):
    edit, told = guessed(tmp_path, FLAT, shapes=ALIKE)
    assert edit.space == "w+"
    same(edit.vectors, FLAT.reshape(2, L, D))
    assert told == [
        "taken for 2 directions of w+, flattened, as 8 rows of 12 are its 96 numbers"
    ]
    edit, _ = guessed(tmp_path, FLAT[0], shapes=ALIKE)
    same(edit.vectors, FLAT[:1].reshape(1, L, D))


def test_flattened_rows_are_told_by_their_number(tmp_path):
    edit, told = guessed(tmp_path, FLAT, num_layers=L)
    same(edit.vectors, FLAT.reshape(2, L, D))
    assert told[0].endswith("--space w for 2 directions of w")
    edit, told = guessed(tmp_path, FLAT, num_layers=L, per_layer=True)
    assert (edit.vectors.shape, told) == ((2, L, D), [])
    with pytest.raises(ValueError, match=r"^num_layers: missing; .* holds \[1, 96\]"):
        guessed(tmp_path, FLAT[:1], per_layer=True)
    with pytest.raises(ValueError, match=r"^per_layer: given, but .* w\+ has 7 rows"):
        guessed(tmp_path, FLAT, per_layer=True, num_layers=7)


def test_narrow_rows_are_none(tmp_path):
    edit, _ = guessed(tmp_path, unit(normal(6, 1, 32)), num_layers=8)
    assert edit.vectors.shape == (1, 32)
    # a selection of rows needs their number, too
    content = {"boundary": FLAT, "meta_data": {"manipulate_layers": "6-7"}}
    edit, guesses = guess_edit(Checkpoint(content), Asked(num_layers=L))
    assert (edit.layers, edit.vectors.shape, guesses) == ((6, 7), (2, L * D), ())


@pytest.mark.parametrize(
    ("size", "asked", "other"),
    [
        # a w of 9216 numbers is unheard of, one of 512 is not
        (9216, {}, "--num-layers 18 for 18 flattened rows of w+"),
        (512, {"num_layers": 16}, "--per-layer for 16 flattened rows of w+"),
    ],
)
def test_usual_sizes_name_the_other_reading(tmp_path, size, asked, other):
    edit, told = guessed(tmp_path, unit(normal(6, 1, size)), **asked)
    assert edit.vectors.shape == (1, size)
    assert told[0] == f"taken for 1 direction of w, by its shape [1, {size}]; {other}"


@pytest.mark.parametrize(
    "array", [ONE[0], ONE, ONE[None], ONE[..., None], np.stack([ONE, ONE, ONE])]
)
def test_one_row_is_no_row_of_w_plus(tmp_path, array):
    edit, _ = guessed(tmp_path, array, shapes=ALIKE)
    for vector in np.asarray(edit.vectors):
        same(vector, ONE[0])
    assert (edit.space, len(edit)) == ("w", 3 if len(array) == 3 else 1)


def test_equal_rows_are_a_direction_of_w_where_that_is_asked(tmp_path):
    edit, told = guessed(tmp_path, np.tile(ONE[:, None], (1, L, 1)), space="w")
    same(edit.vectors, ONE)
    assert (edit.space, told) == ("w", [])
    with pytest.raises(ValueError, match="space: 'w' given; directions per layer"):
        guessed(tmp_path, SEVERAL[None], space="w")


# space


@pytest.mark.parametrize(
    ("name", "shapes", "space", "line"),
    [
        (
            "age.npy",
            {"z": (5,), "w": (D,), "w+": (L, D)},
            "w",
            "as this generator has no other of 12 numbers",
        ),
        # the dimension knows better than the name
        (
            "stylegan_ffhq_age_boundary.npy",
            {"z": (5,), "w": (D,), "w+": (L, D)},
            "w",
            "as this generator has no other of 12 numbers",
        ),
        ("age.npy", {"z": (D,)}, "z", "as this generator has no other space"),
        ("age.npy", ALIKE, "w", "as nothing tells the space; --space z for 1"),
        ("age.npy", {}, "w", "as nothing tells the space; --space z for 1"),
        (
            "boundary.npy",
            ALIKE,
            "z",
            "as InterFaceGAN's trainer calls its boundaries, mostly of z; --space w",
        ),
        (
            "stylegan_ffhq_age_boundary.npy",
            ALIKE,
            "z",
            "as InterFaceGAN's names without _w_ say; --space w for",
        ),
        (
            "stylegan_bedroom_wood_boundary.npy",
            ALIKE,
            "w",
            "as HiGAN names its boundaries of scenes; --space z for",
        ),
        (
            "stylegan_ffhq_age_w_boundary.npy",
            ALIKE,
            "w",
            "as _w_ in its name says; --space z for",
        ),
        ("pggan_celebahq_age_boundary.npy", {}, "z", "as a pggan has no other space"),
    ],
)
def test_the_space_and_what_tells_it(tmp_path, name, shapes, space, line):
    edit, (told,) = guessed(tmp_path, ONE, name, shapes=shapes)
    assert edit.space == space
    assert told.startswith(f"taken for 1 direction of {space}, {line}")


# rows by folder


@pytest.mark.parametrize(
    ("folder", "rows", "layers", "line"),
    [
        (
            "ffhq1024",
            18,
            (4, 5, 6, 7),
            "a shift of rows 4-7, as LowRankGAN's authors do",
        ),
        (
            "ffhq1024",
            8,
            None,
            "a shift of all rows, as this generator of 8 rows is not",
        ),
        ("metfaces1024", 14, None, "a shift of all rows, as this generator of 14 rows"),
        ("church256", 14, (4, 5, 6, 7), "a shift of rows 4-7, as LowRankGAN's"),
        (
            "ffhq/stylegan2",
            8,
            (4, 5, 6, 7),
            "a shift of rows 4-7, as ReSeFa's authors do",
        ),
        ("ffhq/stylegan2", 6, None, "a shift of all rows, as this generator of 6 rows"),
    ],
)
def test_rows_of_a_folder_hold_for_its_generator(tmp_path, folder, rows, layers, line):
    shapes = {"z": (5,), "w": (D,), "w+": (rows, D)}
    name = f"directions/{folder}/age.npy"
    edit, told = guessed(tmp_path, ONE, name, shapes=shapes)
    assert edit.layers == layers
    assert told[1].startswith(f"taken for {line}")
    assert told[1].endswith(
        "; --layers all for all rows" if layers else "; --layers 4-7 for rows 4-7"
    )
    edit, told = guessed(tmp_path, ONE, name, shapes=shapes, layers="0-1")
    assert (edit.layers, len(told)) == ((0, 1), 1)


# warnings in Python


def test_python_is_warned_of_two_readings_alone(tmp_path):
    path = write(tmp_path, "smile.npy", ROWS)
    with pytest.warns(GuessWarning, match=r"one; space='w' for 8 directions of w$"):
        assert import_edit(path).space == "w+"
    import_edit(path, per_layer=True)
    model = Generator.from_functions(np.tanh, z_dim=D)
    import_edit(write(tmp_path, "age.npy", ONE), generator=model)
    import_edit(write(tmp_path, "stylegan_ffhq_age_w_boundary.npy", ONE))
    with pytest.warns(GuessWarning, match="layers='all' for all rows"):
        import_edit(write(tmp_path, "directions/ffhq1024/a.npy", ONE))


# dicts


@pytest.mark.parametrize(
    ("boundary", "layers", "expected", "shape"),
    [
        (ONE, "6-7", (6, 7), (1, D)),
        (ONE, "0,2-3", (0, 2, 3), (1, D)),
        (ONE, [4], (4,), (1, D)),
        (ONE, np.array([1, 5]), (1, 5), (1, D)),
        (ONE[None], [1, 0], (0, 1), (1, D)),
        (SEVERAL[None], [0, 1, 2], (0, 1, 2), (1, L, D)),
        (SEVERAL[None], "all", None, (1, L, D)),
        (SEVERAL[None], None, None, (1, L, D)),
    ],
)
def test_boundaries_with_their_layers(boundary, layers, expected, shape):
    content = {"boundary": boundary, "meta_data": {"manipulate_layers": layers}}
    edit, guesses = guess_edit(Checkpoint(content), Asked(num_layers=L))
    assert (edit.layers, edit.vectors.shape, guesses) == (expected, shape, ())
    same(np.asarray(edit.vectors).reshape(boundary.shape), boundary)


@pytest.mark.parametrize("layers", ["6-9", [8], "six", 3.5, [0.5], {"a": 1}, [[1]]])
def test_layers_that_are_none_are_refused(layers):
    content = {"boundary": ONE, "meta_data": {"manipulate_layers": layers}}
    with pytest.raises(
        CheckpointError, match=r"manipulate_layers: .* 0 to 7, are"
    ) as e:
        guess_edit(Checkpoint(content), Asked(num_layers=L))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("vectors", "scale"),
    [(SEVERAL[:3], [[2.0], [1.0], [3.0]]), (ROWS[None], 5.0), (SEVERAL[None], 1.0)],
)
@pytest.mark.parametrize("name", ["bias", "intercept", "intercept_"])
@pytest.mark.filterwarnings("ignore:.*scaled to one")
def test_a_hyperplane_keeps_its_offset(tmp_path, vectors, scale, name):
    vectors = vectors * np.array(scale)
    offset = np.arange(len(vectors)) - 0.5
    path = write(tmp_path, "a.npz", {"boundary": vectors, name: offset})
    edit = import_edit(path, space="w" if vectors.ndim == 2 else "w+")
    codes = normal(7, 4, *vectors.shape[1:]).astype(np.float32)
    axes = tuple(range(1, codes.ndim))
    for index, (vector, own) in enumerate(zip(vectors, offset, strict=True)):
        # codes moved onto the hyperplane n x + b = 0
        moved = np.asarray(edit.move_to(codes, index, 0.0), np.float64)
        np.testing.assert_allclose((moved * vector).sum(axes) + own, 0, atol=2e-5)
    with pytest.raises(
        CheckpointError, match=rf"{name}: shape \(2,\) found; one finite"
    ):
        guess_edit(Checkpoint({"boundary": ONE, name: np.ones(2)}), Asked(space="w"))
