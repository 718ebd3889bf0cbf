"""Directions of other projects, by the layout and the names of their files."""

import pickle

import numpy as np
import pytest
from artefact_files import (
    broken,
    cache,
    named_direction,
    normal,
    npz_bytes,
    same,
    unit,
    write,
)

from converters import Asked, guess_edit, import_edit
from jaxlatent import Generator, save_edit
from jaxlatent.edits.directions import directions
from jaxlatent.types import CheckpointError

# what is guessed, and whether it is said: test_direction_shapes.py
pytestmark = pytest.mark.filterwarnings("ignore::jaxlatent.GuessWarning")

D, L = 8, 3
SHAPES = {"z": (D,), "w": (D,)}
BOUNDARY = unit(normal(2, 1, D))
SEVERAL = unit(normal(3, 5, D))
LAYERED = unit(normal(4, 1, L, D))
SQUARE = np.linalg.qr(normal(5, D, D))[0]


# one array


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        # as InterFaceGAN's tool writes them today
        ("boundary.npy", BOUNDARY.astype(np.float32), BOUNDARY),
        # one direction, or one to a row
        ("mouth.npy", BOUNDARY[0], BOUNDARY),
        ("several.npy", SEVERAL, SEVERAL),
        ("square.npy", SQUARE, SQUARE),
        ("layered.npy", LAYERED, LAYERED),
        # rosinality's factor file: the columns
        ("factor.pt", {"ckpt": "550000.pt", "eigvec": SQUARE}, SQUARE.T),
        ("factor_legacy.pt", {"ckpt": "a", "eigvec": SQUARE}, SQUARE.T),
        ("some.pt", {"eigvec": SEVERAL.T}, SEVERAL),
        ("factor.npz", {"eigvec": SQUARE}, SQUARE.T),
        # any other array: one to a row
        ("plain.pt", SEVERAL, SEVERAL),
        ("one.pt", BOUNDARY[0], BOUNDARY),
        ("layered.pt", LAYERED, LAYERED),
        ("named.pt", {"direction": SEVERAL}, SEVERAL),
        ("named.npz", {"direction": SQUARE}, SQUARE),
        ("tensors.safetensors", {"direction": SEVERAL}, SEVERAL),
    ],
)
def test_one_array(tmp_path, name, value, expected):
    found = import_edit(write(tmp_path, name, value))
    same(found.vectors, expected)
    assert found.vectors.dtype == np.float32
    told = {3: "w+"}.get(expected.ndim, "z" if name == "boundary.npy" else "w")
    assert found.space == told
    assert (found.method, found.generator) == ("imported", "")
    stem, count = name.partition(".")[0], len(expected)
    assert found.names == (
        (stem,) if count == 1 else tuple(f"{stem} {i}" for i in range(count))
    )
    assert np.asarray(found.scale).tolist() == [1.0] * count
    assert found.mean is found.bias is found.layers is None


def test_a_walk_with_a_row_for_each_layer(tmp_path):
    path = write(tmp_path, "rotate.npy", LAYERED[0])
    assert import_edit(path).vectors.shape == (L, D)
    found = import_edit(path, per_layer=True)
    same(found.vectors, LAYERED)
    assert (found.space, found.names) == ("w+", ("rotate",))


def test_layers_keep_their_proportions(tmp_path):
    walk = LAYERED * [[[3.0], [4.0], [0.0]]]
    with pytest.warns(UserWarning, match="length 5 to 5 were scaled to one"):
        found = import_edit(write(tmp_path, "walk.npy", walk))
    same(found.vectors, walk / 5)


def test_the_caller_knows_better(tmp_path):
    path = write(tmp_path, "directions/ffhq1024/eyebrows.npy", BOUNDARY)
    found = import_edit(path, space="z", layers="all")
    assert (found.space, found.layers) == ("z", None)
    assert import_edit(path, layers=[3, 1]).layers == (1, 3)
    assert import_edit(path, layers="2-4,6").layers == (2, 3, 4, 6)
    plain = write(tmp_path, "eyebrows.npy", BOUNDARY)
    only_z = Generator.from_functions(np.tanh, z_dim=D)
    assert import_edit(plain, generator=only_z).space == "z"
    assert import_edit(plain, generator=only_z, space="w").space == "w"


# names of files


@pytest.mark.parametrize(
    ("stem", "space", "name"),
    [
        ("pggan_celebahq_smile", "z", "smile"),
        ("pggan_celebahq_quality", "z", "quality"),
        ("stylegan_celebahq_pose", "z", "pose"),
        ("stylegan_ffhq_age_w", "w", "age"),
        ("stylegan2_ffhq256_narrow_eyes_w", "w", "narrow eyes"),
        ("stylegan_ffhq_age_c_gender", "z", "age | gender"),
        ("pggan_celebahq_age_c_gender_eyeglasses", "z", "age | gender, eyeglasses"),
        ("stylegan_ffhq_age_c_gender_w", "w", "age | gender"),
        # HiGAN's, of scenes
        ("stylegan_bedroom_wood", "w", "wood"),
        ("stylegan2_tower_vegetation", "w", "vegetation"),
        ("pggan_bedroom_indoor_lighting", "z", "indoor lighting"),
    ],
)
def test_interfacegan_boundaries(tmp_path, stem, space, name):
    path = write(tmp_path, f"{stem}_boundary.npy", BOUNDARY)
    # z and w of one dimension tell nothing
    found, _ = guess_edit(path, Asked(shapes=SHAPES))
    assert (found.space, found.names, found.layers) == (space, (name,), None)
    assert found.method == "interfacegan"
    same(found.vectors, BOUNDARY)


@pytest.mark.parametrize(
    ("name", "method", "layers"),
    [
        ("directions/ffhq1024/mouth_open.npy", "lowrankgan", (4, 5, 6, 7)),
        ("directions/metfaces1024/nose.npy", "lowrankgan", (4, 5, 6, 7)),
        ("directions/ffhq/stylegan2/mouth.npy", "resefa", (4, 5, 6, 7)),
        ("directions/ffhq/stylegan2/lipstick.npy", "resefa", (8, 9, 10, 11)),
        ("directions/ffhq/stylegan3/eyebrows.npy", "resefa", (8, 9, 10, 11)),
        ("directions/afhq/stylegan3/eyes-r.npy", "resefa", (4, 5, 6, 7)),
        ("directions_img_00_region_eyes_name.npy", "lowrankgan", None),
        ("directions_img_03_region_1_a_projected.npy", "lowrankgan", None),
        ("directions/mine/mouth.npy", "imported", None),
        ("age_boundary.npy", "imported", None),
    ],
)
def test_other_file_names(tmp_path, monkeypatch, name, method, layers):
    write(tmp_path, name, SEVERAL if "region" in name else BOUNDARY)
    # a relative path has its folders too
    monkeypatch.chdir((tmp_path / name).parent)
    found = import_edit(name.rpartition("/")[2])
    assert (found.method, found.space, found.layers) == (method, "w", layers)
    stem = name.rpartition("/")[2].removesuffix(".npy")
    assert found.names[-1] == (f"{stem} 4" if "region" in name else stem)


# lengths


def test_lengths_are_brought_to_one_with_a_warning(tmp_path):
    lengths = np.array([[3.0], [1.0], [0.5], [1.0], [1.0]])
    path = write(tmp_path, "long.npy", -SEVERAL * lengths)
    with pytest.warns(UserWarning, match="length 0.5 to 3 were scaled to one"):
        found = import_edit(path)
    # and the sign is kept
    same(found.vectors, -SEVERAL)


def test_lengths_off_by_rounding_alone_are_not_worth_a_warning(tmp_path):
    same(import_edit(write(tmp_path, "near.npy", BOUNDARY * 1.0009)).vectors, BOUNDARY)
    with pytest.warns(UserWarning, match="scaled to one"):
        import_edit(write(tmp_path, "off.npy", BOUNDARY * 1.0011))


def test_short_floats_do_not_overflow_on_the_way(tmp_path):
    large = np.full((1, D), 3e4, np.float16)
    with pytest.warns(UserWarning, match="scaled to one"):
        found = import_edit(write(tmp_path, "half.npy", large))
    same(found.vectors, np.full((1, D), D**-0.5))


# what does not fit


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a.npy", np.zeros((1, 1, 2, 3)), r"shape \(1, 1, 2, 3\); \[K, D\]"),
        ("a.npy", np.zeros((0, D)), r"shape \(0, 8\); \[K, D\]"),
        ("a.npy", np.float64(1), r"shape \(\); \[K, D\]"),
        ("a.npy", broken(SEVERAL), "directions: numbers that are not finite"),
        ("a.npy", SEVERAL * 1e300, "directions: numbers that are not finite"),
        ("a.npy", SEVERAL * [[1], [0], [1], [1], [1]], "a direction of length zero"),
        ("a.npy", LAYERED * 0, "a direction of length zero"),
        ("a.npy", np.eye(D, dtype=int), "no array of real numbers: int64 found; accep"),
        ("a.pt", {"eigvec": "text"}, "no array of real numbers: str found"),
        ("a.pt", {"eigvec": BOUNDARY[0][None, None, None]}, r"shape \(8, 1, 1, 1\)"),
        ("a.pt", [SQUARE], "no array of real numbers: list found"),
        ("a.npz", {"w": BOUNDARY * 9}, "codes called 'w'; directions have length one"),
        (
            "a.pt",
            {f"convs.{i}": np.ones((1, 8 * i + 8)) for i in range(3)},
            r"3 vectors of 8 to 24 numbers, as the styles of StyleSpace",
        ),
        ("a.pkl", [np.ones(8), np.ones(8), np.ones(4)], "3 vectors of 4 to 8 numbers"),
        (
            "a.pt",
            {"a": SQUARE, "b": SQUARE},
            r"\['a', 'b'\] found; accepted are one ar",
        ),
        (
            "a.pt",
            {"a": 1},
            r"\['a'\] found; accepted are .* GANSpace's component cache",
        ),
        ("a.npz", {f"{i:02}": SQUARE for i in range(20)}, r"'11', \.\.\.\] found"),
    ],
)
def test_what_holds_no_directions_is_refused(tmp_path, name, value, message):
    with pytest.raises(CheckpointError, match=rf"a\.\w+: .*{message}"):
        import_edit(write(tmp_path, name, value))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "y"}, "space: 'y' given"),
        ({"part": "all"}, r"part: 'all' given; \('latent', 'activation'\)"),
        (
            {"part": "activation", "layer": "a"},
            "part: 'activation' given; of all files",
        ),
        ({"layer": "a"}, "layer: 'a' given, but the file's latent part is read"),
        ({"layers": "3-1"}, "layers: '3-1' given"),
        ({"layers": [8], "num_layers": 8}, r"layers: \[8\] given; rows 0 to 7 are"),
        ({"layers": [-1]}, r"layers: \[-1\] given"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(tmp_path, options, message):
    path = write(tmp_path, "a.npy", BOUNDARY)
    with pytest.raises(ValueError, match=message):
        import_edit(path, **options)


def test_arguments_that_the_file_contradicts_are_refused(tmp_path):
    path = write(tmp_path, "layered.npy", LAYERED)
    with pytest.raises(ValueError, match="space: 'w' given; directions per layer act"):
        import_edit(path, space="w")
    with pytest.raises(ValueError, match=r"layers: \(3,\) given"):
        import_edit(path, layers=[L])
    path = write(tmp_path, "cache.npz", cache())
    for option in ({"space": "w"}, {"layers": "all"}):
        with pytest.raises(ValueError, match=r"activations are edited in feature:b8"):
            import_edit(path, part="activation", layer="b8", **option)


def test_an_edit_of_ours_is_told_from_a_cache(tmp_path):
    save_edit(tmp_path / "own.npz", directions(BOUNDARY, space="w"))
    with pytest.raises(CheckpointError, match="an edit of this library, for load_edit"):
        import_edit(tmp_path / "own.npz")


def test_compressed_bombs_are_not_inflated(tmp_path):
    bomb = cache() | {"lat_mean": np.zeros((1, 5_000_000), np.float32)}
    (tmp_path / "bomb.npz").write_bytes(npz_bytes(**bomb))
    assert (tmp_path / "bomb.npz").stat().st_size < 40_000
    with pytest.raises(CheckpointError, match=r"expands to 20.* over 8 times its size"):
        import_edit(tmp_path / "bomb.npz")


def test_no_pickle_of_a_direction_runs(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"name": print}, 3))
    with pytest.raises(
        CheckpointError, match=r"global builtins\.print .* accepted are"
    ):
        import_edit(tmp_path / "a.pkl")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["a.npz", "a.pkl", "a.pt", "a.npy", "a.safetensors"])
def test_damage_is_refused_by_one_error_or_goes_unseen(tmp_path, name):
    value = {
        "a.npz": cache(k=2),
        "a.pkl": named_direction(),
        "a.npy": SEVERAL,
    }.get(name, {"eigvec": SQUARE})
    path = write(tmp_path, name, value)
    content, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for i in range(150):
        damaged = bytearray(content)
        for place in rng.integers(len(content), size=2):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(content))] if i % 3 else damaged)
        try:
            import_edit(path)
        except CheckpointError:
            refused += 1
    assert refused > 75
