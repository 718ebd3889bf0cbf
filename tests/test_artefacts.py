"""Codes of other tools, and damaged files of codes and directions."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from artefact_files import normal, npy_bytes, npz_bytes, write

from converters import import_edit, load_codes
from jaxlatent.types import CheckpointError

D, L = 8, 3


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
def test_codes(tmp_path, name, value, expected):
    found = load_codes(write(tmp_path, name, value))
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
        ("a.npy", np.zeros((2, D), int), "no array of real numbers: int64 found"),
        ("a.npy", np.zeros((2, D), complex), "no array of real numbers"),
        (
            "a.npz",
            {"a": CODES, "b": CODES},
            r"\['a', 'b'\] found; accepted are one array, or one",
        ),
        ("a.npz", {}, r"\[\] found; accepted are one array"),
        ("a.pt", [], "no code in a list"),
        ("a.pt", [1.0], "no array of real numbers: float found"),
        ("a.pt", [CODES, ROWS], r"codes of shapes \[\(4, 3, 8\), \(4, 8\)\]"),
        ("a.pt", {"a": [CODES[:, :2], CODES], "b": [CODES]}, "several shapes for one"),
        ("a.pt", {"w": "text"}, "no array of real numbers"),
        ("a.pt", {"a": CODES, "b": CODES}, r"\['a', 'b'\] found"),
        ("a.pt", {"state": {"x": CODES, "y": CODES}}, r"\['state'\] found"),
    ],
)
def test_what_holds_no_codes_is_refused(tmp_path, name, value, message):
    with pytest.raises(CheckpointError, match=rf"a\.\w+: .*{message}"):
        load_codes(write(tmp_path, name, value))


def damaged(content):
    """An archive whose first member has another checksum."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.infolist()[0].header_offset
    return content[: start + 200] + b"\xff" + content[start + 201 :]


OBJECTS = np.array([{}], object)


@pytest.mark.parametrize("call", [load_codes, import_edit])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", b""),
        ("a.npy", npy_bytes(CODES)[:-1]),
        ("a.npy", pickle.dumps(OBJECTS)),
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


@pytest.mark.parametrize("call", [load_codes, import_edit])
def test_missing_files_are_not_damaged_ones(tmp_path, call):
    for name in ("a.npy", "a.pt"):
        with pytest.raises(FileNotFoundError):
            call(tmp_path / name)
