"""Tables of scores: drawn, read from folders, kept in files, and their codes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from PIL import Image

from jaxlatent.data.image_folder import open_folder
from jaxlatent.evaluation import tables
from jaxlatent.evaluation.tables import ScoreTable, load_table, save_table
from jaxlatent.generators.base import fingerprint
from jaxlatent.latents import Latents, Truncation

SMALL = ScoreTable(np.arange(6.0).reshape(2, 3), ("age", "smile", "pose"))


def first(images):
    return images[:, 0, 0, 0]


def both(images):
    return images[:, 0, :2, 0]


def drawn(**options):
    return tables.score_generator(
        toy.make(), {"first": first}, samples=5, seed=3, chunk=2, **options
    )


# drawn


def test_code_i_has_a_key_of_its_own():
    table, model = drawn(), toy.make()
    key = jax.random.key(3)
    z = [model.sample(jax.random.fold_in(key, i), 1)[0] for i in range(5)]
    np.testing.assert_array_equal(table.codes["z"], z)
    # w = 2 z, and an image is row 0 + 10 row 1
    np.testing.assert_allclose(table.values[:, 0], 22 * np.asarray(z)[:, 0], rtol=1e-5)
    assert (table.names, table.seed, table.truncation) == (("first",), 3, None)
    assert table.generator == fingerprint(model)
    longer = tables.score_generator(model, {"first": first}, samples=7, seed=3)
    np.testing.assert_allclose(longer.values[:5], table.values, rtol=1e-6)


def test_pictures_are_of_truncated_codes_and_the_codes_are_not():
    table = drawn(truncation=Truncation(0.5))
    np.testing.assert_array_equal(table.codes["z"], drawn().codes["z"])
    w = 1 + 0.5 * (2 * table.codes["z"][:, 0] - 1)
    np.testing.assert_allclose(table.values[:, 0], 11 * w, rtol=1e-5)


def test_classes_are_drawn_and_kept():
    model = toy.make(label_dim=3)
    table = tables.score_generator(
        model, {"first": first}, samples=20, label=[0, 2], seed=1
    )
    assert set(np.asarray(table.label)) == {0, 2}
    w = 2 * table.codes["z"][:, 0] + np.asarray(table.label) + 1
    values = 11 * w + 1000 * np.asarray(table.label)
    np.testing.assert_allclose(table.values[:, 0], values, rtol=1e-5)
    np.testing.assert_allclose(table.latents(model, "w")[:, 0], w, rtol=1e-5)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match=r"^samples: 0 given"):
        tables.score_generator(toy.make(), {"first": first}, samples=0)


# columns


def test_columns_are_called_by_their_number():
    one, two = np.zeros(2), np.ones((2, 2))
    values, names = tables.columns({"light": one, "net": two})
    assert names == ("light", "0", "1")
    assert (values.shape, values.dtype) == ((2, 3), np.float32)
    # a scorer's name stands before it only where numbers clash
    _, names = tables.columns({"a": two, "light": one, "b": two})
    assert names == ("a.0", "a.1", "light", "b.0", "b.1")


def test_odds_are_those_of_several_classes():
    shares = np.asarray([[0.5, 0.25, 0.25]])
    values, _ = tables.columns({"net": np.log(shares)}, odds=True)
    np.testing.assert_allclose(values, np.log(shares / (1 - shares)), atol=1e-6)
    with pytest.raises(ValueError, match=r"^odds: given, but no scorer"):
        tables.columns({"light": np.zeros(2)}, odds=True)


def test_some_columns_are_chosen_in_any_order():
    chosen = SMALL.choose([2, "age"])
    assert chosen.names == ("pose", "age")
    assert chosen.values.tolist() == [[2, 0], [5, 3]]
    for wrong in (3, -1, "anger"):
        with pytest.raises(ValueError, match=rf"^columns: {wrong!r} given; 0 to 2"):
            SMALL.choose([wrong])


@pytest.mark.parametrize(
    ("values", "names", "shape"),
    [
        (np.arange(3), ("it",), (3, 1)),
        (np.ones((3, 2), bool), ("0", "1"), (3, 2)),
        (np.ones((3, 1)), ("it",), (3, 1)),
    ],
)
def test_scores_of_any_origin(values, names, shape):
    table = tables.table_of(values, "it")
    assert (table.names, table.values.shape) == (names, shape)


@pytest.mark.parametrize("values", [np.ones((2, 2, 2)), np.ones(0), np.asarray(["a"])])
def test_what_is_no_table_of_numbers_is_refused(values):
    with pytest.raises(ValueError, match=r"^scores: "):
        tables.table_of(values, "it")


# codes


def test_codes_are_carried_to_a_later_space():
    z = np.ones((2, 3), np.float32)
    table = ScoreTable(np.ones((2, 1)), ("a",), {"z": z, "w": 5 * z})
    model = toy.make()
    np.testing.assert_array_equal(table.latents(model, "z"), z)
    # from the nearest space before it that is known
    assert table.latents(model, "w+").tolist() == [[[5] * 3] * 2] * 2
    other = table.with_codes(Latents(jnp.asarray(7 * z), "w"))
    assert other.latents(model, "w").tolist() == [[7] * 3] * 2
    with pytest.raises(ValueError, match=r"^space: z given; .* codes in w$"):
        other.latents(model, "z")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "codes: missing"),
        ({"codes": {"z": np.ones((3, 3), np.float32)}}, "codes: 3 codes given for 2"),
        ({"seed": 0, "generator": "other"}, "scores: of another generator"),
    ],
)
def test_codes_that_cannot_be_told(changes, message):
    table = ScoreTable(np.ones((2, 1)), ("a",), **changes)
    with pytest.raises(ValueError, match=f"^{message}"):
        table.latents(toy.make(), "z")


# files


def test_a_file_gives_back_the_table_or_its_seed(tmp_path):
    table = drawn()
    for with_codes in (True, False):
        save_table(tmp_path / "t.npz", table, with_codes=with_codes)
        assert tables.is_table(tmp_path / "t.npz")
        back = load_table(tmp_path / "t.npz")
        assert bool(back.codes) is with_codes
        np.testing.assert_array_equal(back.values, table.values)
        assert (back.names, back.seed, back.generator) == (
            table.names,
            table.seed,
            table.generator,
        )
        codes = back.latents(toy.make(), "z")
        np.testing.assert_array_equal(codes, table.codes["z"])
    # codes that no seed tells are written whatever is asked
    unseeded = ScoreTable(table.values, table.names, table.codes)
    save_table(tmp_path / "u.npz", unseeded, with_codes=False)
    assert load_table(tmp_path / "u.npz").codes


def test_other_files_and_damaged_ones_are_named(tmp_path):
    save_table(tmp_path / "t.npz", SMALL)
    whole = (tmp_path / "t.npz").read_bytes()
    np.savez(tmp_path / "other.npz", scores=np.ones(3))
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    header = np.frombuffer(b"[1]", np.uint8)
    np.savez(tmp_path / "lying.npz", table=header, scores=np.ones(3))
    for name in ("other", "half", "lying"):
        file = tmp_path / f"{name}.npz"
        assert tables.is_table(file) is (name == "lying")
        with pytest.raises(ValueError, match=f"{name}.npz: no table of scores"):
            load_table(file)
    assert not tables.is_table(tmp_path / "gone.npz")


def test_pictures_of_a_folder_go_with_their_codes(tmp_path):
    levels = np.arange(3) * 100
    for index, level in enumerate(levels):
        picture = Image.fromarray(np.full((4, 4, 3), level, np.uint8))
        picture.save(tmp_path / f"{index}.png")
    codes = {"w": np.eye(3, dtype=np.float32)}
    seen = []
    scorers = {"first": first, "both": both}
    table = tables.score_folder(
        open_folder(tmp_path), scorers, codes=codes, chunk=2, progress=seen.append
    )
    assert table.names == ("first", "0", "1")
    expected = np.repeat(levels[:, None] / 127.5 - 1, 3, axis=1)
    np.testing.assert_allclose(table.values, expected, atol=1e-6)
    assert table.codes is codes
    assert sum(seen) == 3
    with pytest.raises(ValueError, match=r"^codes: 2 codes for 3 pictures"):
        tables.score_folder(
            open_folder(tmp_path), scorers, codes={"w": jnp.ones((2, 3))}
        )
