"""Checkpoints: whole or not at all, the damaged ones skipped."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from learners import contents

from jaxlatent.training.checkpointer import Checkpointer
from jaxlatent.types import CheckpointError


def state(value):
    return {
        "params": {"kernel": jnp.full((3, 4), value), "none": None},
        "empty": jnp.zeros((0, 2)),
        "optimizer": (jnp.int32(value), [jnp.full(2, value, jnp.bfloat16)]),
        "flag": jnp.array([True, False]),
    }


def history(steps):
    values = np.arange(steps, dtype=np.float32)
    return {"loss": values, "loss/first.2": -values}


@pytest.fixture
def folder(tmp_path):
    with_checkpoints(tmp_path, 1, 2, 3)
    return tmp_path


def with_checkpoints(folder, *numbers):
    checkpointer = Checkpointer(folder)
    for steps in numbers:
        checkpointer.save(steps, state(steps), history(steps))
    checkpointer.close()


def load(folder, like=None):
    checkpointer = Checkpointer(folder)
    try:
        return checkpointer.load(state(0) if like is None else like)
    finally:
        checkpointer.close()


def steps_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_what_was_saved_comes_back_to_the_bit(folder):
    found = load(folder)
    assert found.steps == 3
    assert jax.tree.structure(found.state) == jax.tree.structure(state(3))
    assert contents(found.state) == contents(state(3))
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(found.state))
    assert contents(found.history) == contents(history(3))
    assert steps_in(folder) == ["2", "3"]


def test_an_empty_folder_has_no_checkpoint(tmp_path):
    assert load(tmp_path / "new" / "folder") is None


@pytest.mark.parametrize("left", ["4.orbax-checkpoint-tmp", "notes"])
def test_what_a_kill_left_is_no_checkpoint(folder, left):
    (folder / left / "state").mkdir(parents=True)
    assert load(folder).steps == 3
    assert (folder / left).exists() == (left == "notes")


def flip(data):
    data = bytearray(data)
    data[len(data) // 2] ^= 1
    return bytes(data)


DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "flipped": flip,
    "gone": None,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_to_the_last_one_goes_unnoticed(folder, damage):
    """Every file in turn: the one before is taken."""
    files = [file for file in sorted((folder / "3").rglob("*")) if file.is_file()]
    for file in files:
        data = file.read_bytes()
        if damage != "gone" and not data:
            continue
        file.unlink()
        if DAMAGES[damage] is not None:
            file.write_bytes(DAMAGES[damage](data))
        found = load(folder)
        assert found.steps == 2, file
        assert contents(found.state) == contents(state(2)), file
        assert contents(found.history) == contents(history(2)), file
        file.write_bytes(data)
    assert len(files) > 5
    assert load(folder).steps == 3


def test_one_without_a_manifest_was_not_complete(folder):
    for steps, left in (("3", 2), ("2", None)):
        (folder / steps / "MANIFEST.json").unlink()
        assert getattr(load(folder), "steps", None) == left
    with_checkpoints(folder, 1)
    assert load(folder).steps == 1
    assert steps_in(folder) == ["1"]


def test_damaged_ones_make_room_for_new_ones(folder):
    (folder / "3" / "state" / "manifest.ocdbt").unlink()
    with_checkpoints(folder, 3)
    assert contents(load(folder).state) == contents(state(3))
    (folder / "3" / "state" / "manifest.ocdbt").unlink()
    checkpointer = Checkpointer(folder)
    assert checkpointer.load(state(0)).steps == 2
    # an earlier number than the damaged one's counts as the last all the same
    checkpointer.save(2, state(20), history(2))
    checkpointer.close()
    assert contents(load(folder).state) == contents(state(20))
    assert steps_in(folder) == ["2"]


def test_only_damaged_ones_are_an_error(folder):
    for steps in "23":
        (folder / steps / "state" / "_METADATA").unlink()
    message = rf"^folder: none .* {folder} can be used: 3: not as it was written; 2: "
    with pytest.raises(CheckpointError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"flag": jnp.array([1.0, 0.0])},
        {"flag": jnp.array([True])},
        {"more": jnp.zeros(1)},
    ],
)
def test_another_state_is_refused(folder, change):
    with pytest.raises(CheckpointError, match=r"^folder: none of the checkpoints"):
        load(folder, state(0) | change)
