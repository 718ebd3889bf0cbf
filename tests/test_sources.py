"""Rows by number: epochs, reading step by step, loading ahead."""

import threading

import jax
import numpy as np
import pytest

from jaxlatent.training.sources import ArraySource, ahead, epochs, load_rows

KEY = jax.random.key(4)


@pytest.mark.parametrize("count", [1, 7, 64])
def test_every_epoch_is_a_permutation_whatever_the_cuts(count):
    total = 3 * count + count // 2
    whole = epochs(KEY, count)(0, total)
    for epoch in range(3):
        part = whole[epoch * count : (epoch + 1) * count]
        np.testing.assert_array_equal(np.sort(part), np.arange(count))
    for size in (1, 5, 3 * count):
        rows = epochs(KEY, count)
        parts = [
            rows(start, min(start + size, total)) for start in range(0, total, size)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_epochs_and_keys_differ():
    rows = epochs(KEY, 64)
    first, second = rows(0, 64), rows(64, 128)
    other = epochs(jax.random.key(5), 64)(0, 64)
    assert (first != second).any()
    assert (first != other).any()


def test_rows_are_read_step_by_step_into_a_block(tmp_path):
    file = np.lib.format.open_memmap(
        tmp_path / "x.npy", "w+", dtype=np.uint8, shape=(9, 2)
    )
    file[:] = np.arange(18).reshape(9, 2)
    source = ArraySource({"x": file, "number": np.arange(9)})
    assert len(source) == 9
    numbers = np.array([[3, 1, 8], [0, 0, 4]])
    rows = load_rows(source, numbers, 3)
    assert type(rows["x"]) is np.ndarray
    np.testing.assert_array_equal(rows["x"][:2], file[numbers])
    np.testing.assert_array_equal(rows["number"], [*numbers, [0, 0, 0]])
    assert rows["x"].dtype == np.uint8


@pytest.mark.parametrize(
    "arrays",
    [{}, np.float32(1), {"a": np.zeros(2), "b": np.zeros(3)}, np.zeros((0, 2))],
)
def test_arrays_without_common_rows_are_refused(arrays):
    with pytest.raises(ValueError, match=r"^arrays: shapes that begin with .* given"):
        ArraySource(arrays)


@pytest.mark.parametrize("rows", [np.zeros((2, 5)), np.float32(0)])
def test_a_source_with_other_rows_than_asked_for_is_refused(rows):
    class Short:
        def __len__(self):
            return 9

        def batch(self, numbers):
            return rows

    with pytest.raises(ValueError, match=r"^data: its batch of 3 numbers has arrays"):
        load_rows(Short(), np.zeros((2, 3), int), 2)


def test_the_next_item_is_loaded_while_one_is_in_use():
    begun = [threading.Event() for _ in range(4)]

    def load(item):
        begun[item].set()
        return -item

    found = []
    for item, loaded in ahead(load, range(4)):
        # the next one is under way without being asked for, the one behind it is not
        assert item == 3 or begun[item + 1].wait(20)
        assert item >= 2 or not begun[item + 2].is_set()
        found.append((item, loaded))
    assert found == [(0, 0), (1, -1), (2, -2), (3, -3)]
    assert list(ahead(load, [])) == []


def test_what_fails_to_load_is_told_in_its_turn():
    def load(item):
        if item == 2:
            raise OSError("gone")
        return item

    found = []
    with pytest.raises(OSError, match="gone"):
        found.extend(item for item, _ in ahead(load, range(5)))
    assert found == [0, 1]
