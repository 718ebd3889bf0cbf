"""Codes of other tools beside a generator: their space, their rows, what is said."""

import numpy as np
import pytest
from artefact_files import normal, write

from converters.artefacts.code_shapes import arrange_codes
from converters.artefacts.codes import Codes, find_codes
from jaxlatent import Generator, GuessWarning
from jaxlatent.loading import codes_of_file, guess_latents, load_latents

D, L = 12, 8
ALIKE = {"z": (D,), "w": (D,), "w+": (L, D)}
APART = {"z": (5,), "w": (D,), "w+": (L, D)}
ONLY_Z = {"z": (D,)}
ROWS = normal(0, 3, L, D).astype(np.float32)
W = normal(1, L, D).astype(np.float32)
EQUAL = np.repeat(W[:2, None], L, 1)
NOISE = [np.zeros((1, 1, 4, 4), np.float32)]


def arranged(found, shapes=ALIKE, **options):
    """(codes, space, every guess as a command tells it)."""
    if isinstance(found, np.ndarray):
        found = Codes(found)
    codes, space, guesses = arrange_codes(found, shapes, file="c", **options)
    return codes, space, [guess.text({}).removeprefix("c: ") for guess in guesses]


def content(tmp_path, name, value):
    return find_codes(write(tmp_path, name, value))


@pytest.mark.parametrize("shapes", [ALIKE, APART])
@pytest.mark.parametrize(
    ("array", "expected", "reason"),
    [
        (ROWS, ROWS, "by its shape [3, 8, 12]"),
        (ROWS[:1], ROWS[:1], "by its shape [1, 8, 12]"),
        (ROWS.reshape(3, -1), ROWS, "as 8 rows of 12 are its 96 numbers"),
        (ROWS[:1].reshape(1, -1), ROWS[:1], "as 8 rows of 12 are its 96 numbers"),
        (ROWS[0].reshape(-1), ROWS[:1], "as 8 rows of 12 are its 96 numbers"),
    ],
)
def test_rows_are_told_by_rank_and_size(array, expected, reason, shapes):
    codes, space, told = arranged(array, shapes)
    np.testing.assert_array_equal(codes, expected)
    number = f"{len(expected)} code{'s'[len(expected) == 1 :]}"
    assert (space, told) == ("w+", [f"taken for {number} of w+, {reason}"])


def test_one_code_of_w_plus_or_as_many_of_w():
    codes, space, told = arranged(ROWS[0])
    np.testing.assert_array_equal(codes, ROWS[:1])
    assert (space, told) == (
        "w+",
        [
            "taken for 1 code of w+, as its shape [8, 12] is that of one code; "
            "--space w for 8 codes of w, --space z for 8 codes of z"
        ],
    )
    for asked, expected in (("w", ROWS[0]), ("z", ROWS[0]), ("w+", ROWS[:1])):
        codes, space, told = arranged(ROWS[0], space=asked)
        np.testing.assert_array_equal(codes, expected)
        assert (space, told) == (asked, [])
    # scored codes are asked for in a space
    assert arranged(ROWS[0], default="w")[1] == "w"
    # a list counts its codes
    assert arranged(Codes(W, listed=True), APART)[1] == "w"


@pytest.mark.parametrize(
    ("name", "space", "array", "expected"),
    [
        # NVIDIA's projector and what is built on it
        ("w", "w", ROWS[:1], "w+"),
        ("projected_w", "w", ROWS[0], "w+"),
        ("dlatents", "w", ROWS, "w+"),
        ("wp", "w+", ROWS[0], "w+"),
        # as this library writes codes of w, unless they are one that was repeated
        ("w", "w", W, "w"),
        ("w", "w", EQUAL[0], "w+"),
        ("w", "w", W[:3], "w"),
        ("z", "z", W[:3], "z"),
        ("z", "z", W, "z"),
    ],
)
def test_names_tell_what_rank_leaves_open(name, space, array, expected):
    codes, found, told = arranged(Codes(array, name, space))
    assert found == expected
    np.testing.assert_array_equal(codes, array if codes.ndim == array.ndim else [array])
    assert f", under the name '{name}', " in told[0]


@pytest.mark.parametrize(
    ("array", "shapes", "space"),
    [
        (W[:3], APART, "w"),
        (normal(2, 3, 5), APART, "z"),
        (W[:3], ONLY_Z, "z"),
        (W[0], ONLY_Z, "z"),
        (W[:3, None], APART, "w"),
    ],
)
def test_the_dimension_tells_the_space(array, shapes, space):
    codes, found, told = arranged(array, shapes)
    np.testing.assert_array_equal(codes, array.reshape(-1, array.shape[-1]))
    assert found == space
    assert len(told) == 1


def test_equal_rows_are_codes_of_w_where_that_is_asked():
    codes, space, _ = arranged(EQUAL, space="w")
    np.testing.assert_array_equal(codes, W[:2])
    assert space == "w"
    with pytest.raises(ValueError, match=r"\[3, 8, 12\] .* whose rows differ; space"):
        arranged(ROWS, space="w")


@pytest.mark.parametrize(
    ("found", "shapes", "options", "message"),
    [
        (W[:3], ALIKE, {}, r"^space: missing for c; one of z, w, w\+ is accepted"),
        (W[:3], APART, {"space": "s"}, r"^space: s given for c; one of z, w, w\+ is"),
        (W, ONLY_Z, {"space": "w"}, r"^space: w given for c; one of z is accepted"),
        (
            ROWS,
            ONLY_Z,
            {},
            r"codes: \[3, 8, 12\] found in c are codes of w\+, which this generator "
            "does not have; codes of z are accepted",
        ),
        (
            ROWS[:, :6],
            ALIKE,
            {},
            r"codes: \[3, 6, 12\] found in c, 6 rows of 12; w\+ of this generator has "
            "8 rows of 12",
        ),
        (
            W[:, :7],
            APART,
            {},
            r"codes: \[8, 7\] found in c; finite \[N, 5\] for z, \[N, 12\] for w, "
            r"\[N, 8, 12\] for w\+ is accepted",
        ),
        (W[:3], APART, {"space": "z"}, r"codes: \[3, 12\] .* finite \[N, 5\] for z is"),
        (Codes(W, "w", "w"), APART, {"space": "z"}, "^space: z given, but c calls its"),
        (Codes(W, "z", "z"), ALIKE, {"space": "w"}, "^space: w given, but c calls its"),
        (W[:3], {}, {}, "^space: missing for c; one of z, w is accepted"),
    ],
)
def test_what_does_not_fit_is_said(found, shapes, options, message):
    with pytest.raises(ValueError, match=message):
        arranged(found, shapes, **options)


def test_without_a_generator_rank_tells():
    assert arranged(ROWS, {})[1] == "w+"
    assert arranged(W, {}, space="w")[0].shape == (L, D)
    assert arranged(W, {}, space="w+")[0].shape == (1, L, D)
    assert arranged(Codes(W, "w", "w"), {})[1] == "w"


# files


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        # rosinality's projector, one picture and several
        ("a.pt", {"img": ROWS, "latent": ROWS[0], "noise": NOISE}, ROWS[:1]),
        (
            "b.pt",
            {
                f"f{i}.png": {"img": ROWS, "latent": ROWS[i], "noise": NOISE}
                for i in range(3)
            },
            ROWS,
        ),
        (
            "c.pt",
            {"f.png": {"img": ROWS, "latent": ROWS[0], "noise": NOISE}},
            ROWS[:1],
        ),
        # lists and tuples of codes, alone and in batches
        ("d.pt", list(ROWS), ROWS),
        ("e.pt", tuple(code[None] for code in ROWS), ROWS),
        ("f.pt", [ROWS[:1], ROWS[1:]], ROWS),
        ("g.pt", [ROWS], ROWS),
        ("h.pt", {"latents": list(ROWS)}, ROWS),
        ("i.pt", [{"latent": code} for code in ROWS], ROWS),
        # by picture
        ("j.pkl", {f"{i}.jpg": code for i, code in enumerate(ROWS)}, ROWS),
        ("k.pkl", {f"{i}.jpg": [ROWS[i] * 0, ROWS[i]] for i in range(3)}, ROWS),
        (
            "l.pkl",
            {f"{i}.jpg": np.stack([ROWS[i] * 0, ROWS[i]]) for i in (0, 1)},
            ROWS[:2],
        ),
        # settings of the same names
        ("m.pt", {"w": 512, "latents": ROWS}, ROWS),
        ("n.npz", {"w_plus": ROWS, "w": W[:3]}, ROWS),
        ("o.npz", {"ws": ROWS}, ROWS),
        ("p.safetensors", {"latent_codes": ROWS}, ROWS),
    ],
)
def test_files_of_inverters(tmp_path, name, value, expected):
    found = content(tmp_path, name, value)
    codes, space, _ = arranged(found)
    np.testing.assert_array_equal(codes, expected)
    assert space == "w+"


def test_the_last_iteration_is_taken_and_said(tmp_path):
    value = {f"{i}.jpg": [ROWS[i] * n for n in (3, 2, 1)] for i in range(3)}
    _, _, told = arranged(content(tmp_path, "latents.pkl", value))
    assert told[0] == (
        "taken for the last of 3 codes of each picture, those of an encoder's "
        "iterations"
    )


def test_codes_of_w_in_lists(tmp_path):
    value = [W[:2], W[2:5], W[5:]]
    codes, space, _ = arranged(content(tmp_path, "a.pt", value), APART)
    np.testing.assert_array_equal(codes, W)
    assert space == "w"
    value = [W[:4], W[4:]]
    codes, _, told = arranged(content(tmp_path, "b.pt", value), APART)
    np.testing.assert_array_equal(codes, W)
    assert told == ["taken for 8 codes of w, listed by batches"]
    codes, _, _ = arranged(content(tmp_path, "c.pt", list(W)), APART)
    np.testing.assert_array_equal(codes, W)
    # beside noise nothing is of z
    value = {f"{i}.png": {"latent": W[i], "noise": NOISE} for i in range(3)}
    assert arranged(content(tmp_path, "d.pt", value))[1] == "w"


def test_files_are_named_after_their_space(tmp_path):
    for name in ("z", "w"):
        path = write(tmp_path, f"{name}.npy", W[:3])
        model = Generator.from_functions(np.tanh, z_dim=D, map=lambda params, z: z)
        assert load_latents(path, model).space == name
        assert load_latents(path, model, space=name).space == name
    assert set(codes_of_file(write(tmp_path, "wp.npy", W), None)) == {"w+"}


def test_python_is_warned_of_two_readings_alone(tmp_path):
    class Model:
        code_shapes = ALIKE

    path = write(tmp_path, "code.npy", ROWS[0])
    with pytest.warns(GuessWarning, match="space='w' for 8 codes of w, space='z' for"):
        assert load_latents(path, Model()).codes.shape == (1, L, D)
    load_latents(path, Model(), space="w+")
    load_latents(write(tmp_path, "codes.npy", ROWS), Model())
    latents, guesses = guess_latents(path, Model())
    assert (latents.space, [guess.certain for guess in guesses]) == ("w+", [False])
