"""Codes and directions of other tools, in every layout that they write."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from writer import torch_legacy, torch_zip

from converters.artefacts import import_directions, load_codes
from jaxlatent.types import CheckpointError

D, L = 8, 3


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def npz_bytes(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy_bytes(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


@pytest.fixture
def write(tmp_path):
    """Writes a value in the container that the name's ending tells."""

    def run(name, value):
        if name.endswith(".npy"):
            content = npy_bytes(value)
        elif name.endswith(".npz"):
            content = npz_bytes(**value)
        else:
            content = (torch_legacy if "legacy" in name else torch_zip)(value)
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return run


# codes

ROWS = normal(0, 4, L, D).astype(np.float32)
CODES = normal(1, 4, D).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        # the data tool of InterFaceGAN, SeFa's released codes
        ("z.npy", CODES, CODES),
        ("wp.npy", ROWS, ROWS),
        ("one.npy", CODES[0], CODES[:1]),
        ("wide.npy", CODES.astype(np.float64), CODES.astype(np.float64)),
        ("half.npy", CODES.astype(np.float16), CODES.astype(np.float16)),
        # NVlabs' projector
        ("projected_w.npz", {"w": ROWS[:1]}, ROWS[:1]),
        ("any.npz", {"anything": CODES}, CODES),
        # an encoder's latent
        ("latent.pt", ROWS, ROWS),
        ("legacy.pt", ROWS, ROWS),
        ("row.pt", ROWS[0, 0], ROWS[0, :1]),
        ("entry.pt", {"latents": ROWS, "loss": 0.5}, ROWS),
        ("only.pt", {"whatever": ROWS, "text": "a"}, ROWS),
        ("nested.pt", {"latents": {"w": CODES, "noise": ROWS}}, CODES),
        # the latest space of several
        ("several.npz", {"z": CODES, "w": CODES + 1, "w+": ROWS}, ROWS),
        ("two.npz", {"z": CODES, "w": CODES + 1}, CODES + 1),
    ],
)
def test_codes(write, name, value, expected):
    found = load_codes(write(name, value))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


BROKEN = CODES.copy()
BROKEN[1, 2] = np.nan


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a.npy", np.zeros((1, 2, 3, 4)), r"shape \(1, 2, 3, 4\); finite \[N, D\]"),
        ("a.npy", np.float32(1), r"shape \(\); finite"),
        ("a.npy", np.zeros((0, D)), r"shape \(0, 8\); finite"),
        ("a.npy", BROKEN, r"shape \(4, 8\); finite"),
        ("a.npy", np.zeros((2, D), int), "no array of real numbers"),
        ("a.npy", np.zeros((2, D), complex), "no array of real numbers"),
        ("a.npz", {"a": CODES, "b": CODES}, r"\['a', 'b'\] found; one array, or one"),
        ("a.npz", {}, r"\[\] found; one array"),
        ("a.pt", [CODES], "no array of real numbers"),
        ("a.pt", {"w": "text"}, "no array of real numbers"),
        ("a.pt", {"a": CODES, "b": CODES}, r"\['a', 'b'\] found"),
        ("a.pt", {"state": {"x": CODES, "y": CODES}}, r"\['state'\] found"),
    ],
)
def test_what_holds_no_codes_is_refused(write, name, value, message):
    with pytest.raises(CheckpointError, match=rf"a\.\w+: .*{message}"):
        load_codes(write(name, value))


def damaged(content):
    """An archive whose first member has another checksum."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.infolist()[0].header_offset
    return content[: start + 200] + b"\xff" + content[start + 201 :]


OBJECTS = np.array([{}], object)


@pytest.mark.parametrize("call", [load_codes, import_directions])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", b""),
        ("a.npy", npy_bytes(CODES)[:-1]),
        ("a.npy", pickle.dumps(CODES)),
        ("a.npy", npy_bytes(OBJECTS, allow_pickle=True)),
        ("a.npz", npz_bytes(w=CODES)[:-5]),
        ("a.npz", damaged(npz_bytes(w=CODES))),
        ("a.npz", npz_bytes(w=OBJECTS)),
        ("a.npz", b"PK\x03\x04"),
        ("a.pt", b"PK\x03\x04"),
        ("a.pt", pickle.dumps(print)),
    ],
)
def test_damaged_and_hostile_files_are_refused(tmp_path, call, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name}: "):
        call(tmp_path / name)


@pytest.mark.parametrize("call", [load_codes, import_directions])
def test_missing_files_are_not_damaged_ones(tmp_path, call):
    for name in ("a.npy", "a.pt"):
        with pytest.raises(FileNotFoundError):
            call(tmp_path / name)


# directions

BOUNDARY = unit(normal(2, 1, D))
SEVERAL = unit(normal(3, 5, D))
LAYERED = unit(normal(4, 1, L, D))
SQUARE = np.linalg.qr(normal(5, D, D))[0]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        # InterFaceGAN's boundaries: as released, and as its tool writes them today
        ("stylegan_ffhq_age_w_boundary.npy", BOUNDARY, BOUNDARY),
        ("boundary.npy", BOUNDARY.astype(np.float32), BOUNDARY),
        # ReSeFa and LowRankGAN: one direction, or one to a row
        ("mouth.npy", BOUNDARY[0], BOUNDARY),
        ("directions_projected.npy", SEVERAL, SEVERAL),
        ("square.npy", SQUARE, SQUARE),
        ("layered.npy", LAYERED, LAYERED),
        # rosinality's factor file: the columns
        ("factor.pt", {"ckpt": "550000.pt", "eigvec": SQUARE}, SQUARE.T),
        ("factor_legacy.pt", {"ckpt": "a", "eigvec": SQUARE}, SQUARE.T),
        ("some.pt", {"eigvec": SEVERAL.T}, SEVERAL),
        ("factor.npz", {"eigvec": SQUARE}, SQUARE.T),
        # any other tensor: one to a row
        ("plain.pt", SEVERAL, SEVERAL),
        ("square.pt", SQUARE, SQUARE),
        ("one.pt", BOUNDARY[0], BOUNDARY),
        ("layered.pt", LAYERED, LAYERED),
        ("named.pt", {"direction": SEVERAL}, SEVERAL),
        ("named.npz", {"direction": SQUARE}, SQUARE),
    ],
)
def test_directions(write, name, value, expected):
    found = import_directions(write(name, value), generator="abc")
    np.testing.assert_allclose(found.vectors, expected, rtol=1e-6, atol=1e-7)
    assert found.vectors.dtype == np.float32
    assert found.space == ("w+" if expected.ndim == 3 else "w")
    assert (found.method, found.generator) == ("imported", "abc")
    stem = name.partition(".")[0]
    count = len(expected)
    assert found.names == (
        (stem,) if count == 1 else tuple(f"{stem} {i}" for i in range(count))
    )
    assert np.asarray(found.scale).tolist() == [1.0] * count
    assert found.mean is found.bias is None


def test_space_and_layers_are_the_callers(write):
    path = write("eyebrows.npy", BOUNDARY)
    found = import_directions(path, space="z")
    assert (found.space, found.layers) == ("z", None)
    found = import_directions(path, layers=[11, 8, 9, 10])
    assert (found.space, found.layers) == ("w", (8, 9, 10, 11))
    with pytest.raises(ValueError, match="space: 'y' given"):
        import_directions(path, space="y")
    with pytest.raises(ValueError, match=r"layers: \(3,\) given"):
        import_directions(write("layered.npy", LAYERED), layers=[L])


def test_lengths_are_brought_to_one_with_a_warning(write):
    lengths = np.array([[3.0], [1.0], [0.5], [1.0], [1.0]])
    path = write("long.npy", -SEVERAL * lengths)
    with pytest.warns(UserWarning, match="length 0.5 to 3 were scaled to one"):
        found = import_directions(path)
    # and the sign is kept
    np.testing.assert_allclose(found.vectors, -SEVERAL, rtol=1e-6)


def test_lengths_off_by_rounding_alone_are_not_worth_a_warning(write):
    found = import_directions(write("near.npy", BOUNDARY * 1.0009))
    np.testing.assert_allclose(found.vectors, BOUNDARY, rtol=1e-6)
    with pytest.warns(UserWarning, match="scaled to one"):
        import_directions(write("off.npy", BOUNDARY * 1.0011))


def test_short_floats_do_not_overflow_on_the_way(write):
    large = np.full((1, D), 3e4, np.float16)
    with pytest.warns(UserWarning, match="scaled to one"):
        found = import_directions(write("half.npy", large))
    np.testing.assert_allclose(found.vectors, np.full((1, D), D**-0.5), rtol=1e-6)


INFINITE = SEVERAL.copy()
INFINITE[0, 0] = np.inf


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a.npy", np.zeros((1, 1, 2, 3)), r"shape \(1, 1, 2, 3\); finite \[K, D\]"),
        ("a.npy", np.zeros((0, D)), r"shape \(0, 8\); finite"),
        ("a.npy", INFINITE, r"shape \(5, 8\); finite"),
        ("a.npy", SEVERAL * [[1], [0], [1], [1], [1]], "a direction of length zero"),
        ("a.npy", np.eye(D, dtype=int), "no array of real numbers"),
        ("a.pt", {"eigvec": "text"}, "no array of real numbers"),
        ("a.pt", {"a": SQUARE, "b": SQUARE}, r"\['a', 'b'\] found; one array, or one"),
    ],
)
def test_what_holds_no_directions_is_refused(write, name, value, message):
    with pytest.raises(CheckpointError, match=rf"a\.\w+: .*{message}"):
        import_directions(write(name, value))
