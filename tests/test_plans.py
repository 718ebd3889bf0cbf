"""From tensors to parameters: every rearrangement by hand, every misfit by name."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from converters.plans import (
    Divisor,
    Mismatch,
    Plan,
    Source,
    assemble,
    compare,
    dense,
    kernel,
    override,
)
from jaxlatent.types import CheckpointError


def counted(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


# sources


def test_a_plain_source_copies():
    tensor = counted(2, 3)
    found = Source("a").extract(tensor, np.float32)
    np.testing.assert_array_equal(found, tensor)
    assert not np.shares_memory(found, tensor)
    assert found.flags["C_CONTIGUOUS"]


def test_dense_turns_out_by_in_to_in_by_out():
    tensor = counted(2, 3)
    found = dense("a").extract(tensor, np.float32)
    assert [[found[i, o] for i in range(3)] for o in range(2)] == tensor.tolist()
    assert dense("a").file_shape((3, 2)) == (2, 3)


def test_kernel_turns_oihw_to_hwio():
    tensor = counted(2, 3, 4, 5)
    found = kernel("a").extract(tensor, np.float32)
    assert found.shape == (4, 5, 3, 2)
    assert found[3, 1, 2, 0] == tensor[0, 2, 3, 1]
    assert kernel("a").file_shape((4, 5, 3, 2)) == (2, 3, 4, 5)


def test_flip_mirrors_height_and_width_alone():
    tensor = counted(1, 2, 2, 3)
    found = kernel("a", flip=True).extract(tensor, np.float32)
    plain = kernel("a").extract(tensor, np.float32)
    assert found[0, 0, 1, 0] == plain[1, 2, 1, 0]
    np.testing.assert_array_equal(found[::-1, ::-1], plain)


@pytest.mark.parametrize(
    ("leading", "trailing", "file"),
    [(1, 0, (1, 2, 3)), (0, 2, (2, 3, 1, 1)), (2, 1, (1, 1, 2, 3, 1))],
)
def test_axes_of_length_one_fall_away(leading, trailing, file):
    source = dense("a", leading=leading, trailing=trailing)
    assert source.file_shape((3, 2)) == file
    found = source.extract(counted(2, 3).reshape(file), np.float32)
    np.testing.assert_array_equal(found, counted(2, 3).T)


def test_a_single_value_may_be_stored_as_a_vector():
    source = Source("a", leading=1)
    assert source.file_shape(()) == (1,)
    assert source.extract(np.float32([7]), np.float32).shape == ()
    both = Source("a", leading=1, trailing=2)
    assert both.extract(counted(1, 3, 1, 1), np.float32).tolist() == [0, 1, 2]


def test_a_flattened_image_is_read_by_row_column_and_channel():
    channels, height, width = 2, 3, 4
    tensor = counted(5, channels * height * width)
    source = dense("a", image=(channels, height, width))
    found = source.extract(tensor, np.float32)
    assert found.shape == (24, 5)
    for c, y, x in ((0, 0, 0), (1, 2, 3), (0, 1, 2), (1, 0, 1)):
        ours, theirs = (y * width + x) * channels + c, (c * height + y) * width + x
        np.testing.assert_array_equal(found[ours], tensor[:, theirs])
    assert source.file_shape((24, 5)) == (5, 24)


def test_gain_and_offset_are_applied_in_float64():
    third, tensor = 1 / 3, np.float32([0.1, 1e8])
    found = Source("a", gain=third, offset=1.0).extract(tensor, np.float64)
    expected = tensor.astype(np.float64) * third + 1.0
    np.testing.assert_array_equal(found, expected)
    narrow = Source("a", gain=third, offset=1.0).extract(tensor, np.float32)
    np.testing.assert_array_equal(narrow, expected.astype(np.float32))
    # without either, a wide value meets no arithmetic at all
    assert Source("a").extract(np.float64([0.1]), np.float64)[0] == 0.1


def longest(name):
    """Divides by the largest entry of the first column times the sum of a tensor."""
    return Divisor(
        (name,),
        lambda rows, columns: ((rows, columns),),
        lambda matrix, vector: matrix[:, 0].max() * vector.sum(),
    )


def test_a_divisor_sees_the_weight_as_a_matrix_in_float64():
    tensor = counted(2, 3, 1, 2)  # its first column is 0, 6
    source = kernel("a", divisor=longest("b"), gain=3.0, offset=1.0)
    found = source.extract(tensor, np.float64, [np.full((2, 6), 0.25)])
    expected = tensor.astype(np.float64).transpose(2, 3, 1, 0) / 18 * 3 + 1
    np.testing.assert_array_equal(found, expected)
    shape = (1, 2, 3, 2)
    assert source.file_shapes(shape) == {"a": (2, 3, 1, 2), "b": (2, 6)}


def test_tensors_of_a_divisor_are_held_against_their_shapes():
    sources = plan().sources | {"a.weight": dense("first.weight", divisor=longest("u"))}
    wrong = {"u": np.ones((3, 2), np.float32)}
    assert compare(plan(sources=sources)).missing == ("u",)
    found = compare(plan(fitting() | wrong, sources=sources))
    assert found == Mismatch(misshapen=("u is (3, 2), not (2, 3)",))
    zero = {"u": np.zeros((2, 3), np.float32)}
    with pytest.raises(CheckpointError, match=r"finite in: first\.weight"):
        assemble(plan(fitting() | zero, sources=sources))


def test_a_change_comes_last():
    source = dense("a", gain=2.0, change=lambda array: array[::-1])
    found = source.extract(counted(2, 3), np.float32)
    np.testing.assert_array_equal(found, 2 * counted(2, 3).T[::-1])


# plans


@dataclasses.dataclass(frozen=True)
class Config:
    rate: float = 0.01
    widths: tuple[int, ...] = (4, 8)
    name: str = "skip"
    clamp: float | None = None


def plan(tensors=None, **changes):
    """Two layers; the tensor "known" is not needed."""
    values = dict(
        part="generator",
        family="toy",
        format="toys",
        config=Config(),
        assumed={},
        tensors=fitting() if tensors is None else tensors,
        sources={
            "a.weight": dense("first.weight"),
            "a.bias": Source("first.bias", gain=2.0),
            "b": Source("second", leading=1),
        },
        shapes={
            "a": {
                "weight": SimpleNamespace(shape=(3, 2)),
                "bias": SimpleNamespace(shape=(2,)),
            },
            "b": SimpleNamespace(shape=()),
        },
        ignored=frozenset({"known"}),
    )
    return Plan(**values | changes)


def fitting():
    return {
        "first.weight": counted(2, 3),
        "first.bias": np.float32([1, 2]),
        "second": np.float32([5]),
        "known": counted(4),
    }


def test_assemble_builds_the_tree():
    params = assemble(plan())
    np.testing.assert_array_equal(params["a"]["weight"], counted(2, 3).T)
    assert params["a"]["bias"].tolist() == [2, 4]
    assert params["b"].shape == ()
    assert {leaf.dtype for leaf in (*params["a"].values(), params["b"])} == {
        jnp.dtype("float32")
    }
    assert not compare(plan())
    assert assemble(plan(), jnp.float16)["b"].dtype == jnp.float16
    with jax.enable_x64(True):
        wide = assemble(plan(), jnp.float64)
        assert wide["a"]["weight"].dtype == jnp.float64


def test_one_error_names_everything_that_does_not_fit():
    tensors = fitting() | {
        "first.weight": counted(3, 2),
        "odd": counted(1),
        "more": counted(1),
    }
    del tensors["second"]
    with pytest.raises(CheckpointError) as caught:
        assemble(plan(tensors))
    text = str(caught.value)
    assert text == (
        "the file does not fit toy (toys): missing (1): second; extra (2): odd, more; "
        "misshapen (1): first.weight is (3, 2), not (2, 3)"
    )


def test_a_known_tensor_may_be_missing():
    tensors = fitting()
    del tensors["known"]
    assert not compare(plan(tensors))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_name(value):
    tensors = fitting()
    for name in ("first.weight", "second"):
        tensors[name] = tensors[name].copy()
        tensors[name].reshape(-1)[-1] = value
    with pytest.raises(CheckpointError, match=r"finite in: first\.weight, second$"):
        assemble(plan(tensors))


def test_values_that_overflow_on_the_way_are_refused_as_well():
    tensors = fitting() | {"first.bias": np.float32([1, 3e38])}
    with (
        np.errstate(over="ignore"),
        pytest.raises(CheckpointError, match=r"finite in: first\.bias$"),
    ):
        assemble(plan(tensors))


def test_complete_fills_in_what_follows_from_the_rest():
    shapes = {**plan().shapes, "mean": SimpleNamespace(shape=())}

    def complete(params, config):
        return {**params, "mean": params["b"] * config.rate}

    params = assemble(plan(shapes=shapes, complete=complete))
    assert float(params["mean"]) == pytest.approx(0.05)


def test_parameters_without_any_tensor_are_named():
    shapes = {**plan().shapes, "mean": SimpleNamespace(shape=())}
    with pytest.raises(CheckpointError, match=r"toys files hold nothing for: mean$"):
        assemble(plan(shapes=shapes))


def test_tensors_of_a_parameter_that_is_not_there_are_extra():
    shapes = {"a": plan().shapes["a"]}
    assert compare(plan(shapes=shapes)) == Mismatch(extra=("second",))


def test_a_mismatch_is_false_when_all_is_well():
    assert not Mismatch()
    assert str(Mismatch()) == ""
    for label in ("missing", "extra", "misshapen"):
        found = Mismatch(**{label: ("a", "b")})
        assert found
        assert str(found) == f"{label} (2): a, b"


# overrides


def test_override_replaces_and_makes_tuples():
    found = override(Config(), {"rate": 0.02, "widths": [1, 2], "clamp": 256})
    assert found == Config(rate=0.02, widths=(1, 2), clamp=256)
    assert hash(found)
    assert override(Config(), None) == override(Config(), {}) == Config()


def test_unknown_values_are_named_with_the_known_ones():
    message = (
        r"config: \['depth', 'size'\] given; \['rate', 'widths', 'name', 'clamp'\]"
    )
    with pytest.raises(ValueError, match=message):
        override(Config(), {"size": 1, "rate": 1.0, "depth": 2})


@pytest.mark.parametrize(
    "changes",
    [{"rate": "fast"}, {"widths": 4}, {"widths": ["a"]}, {"name": 3}, {"clamp": "no"}],
)
def test_values_of_another_type_are_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"config: {name} = .* given; .* is accepted"):
        override(Config(), changes)
