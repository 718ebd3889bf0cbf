"""What a run is, in a file that other processes can hold against their own."""

import json

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlatent.networks.base import Network
from jaxlatent.networks.reconstructors import PairLeNet
from jaxlatent.training.record import by_path, claim, describe, sha256

KEY = jax.random.key(3)


@flax.struct.dataclass(eq=False)
class Method:
    scorer: object
    layers: tuple = flax.struct.field(pytree_node=False, default=(1, 2))
    kind: object = flax.struct.field(pytree_node=False, default=len)


def described(method, state=0.0, **change):
    return describe(method, state, **({"key": KEY, "batch": 2, "rows": None} | change))


def test_a_description_is_of_json_values_and_complete():
    values = described(
        Method({"a": np.ones(2)}), {"params": jnp.zeros((3, 1)), "n": 1.0}
    )
    assert json.loads(json.dumps(values)) == values
    assert values["method"] == "Method"
    assert values["settings.layers"] == [1, 2]
    assert values["settings.kind"] == "<built-in function len>"
    assert values["state['params']"] == "float32 (3, 1)"
    assert values["state['n']"] == "float32 ()"
    assert (values["batch"], values["data"], values["key"]["data"]) == (2, None, [0, 3])


def test_models_are_told_apart_by_weights_and_by_architecture():
    def scorer(kind, classes):
        return kind, classes

    weights = {"a": np.ones(2, np.float32), "b": np.zeros((), np.float32)}
    same = {"b": jnp.zeros(()), "a": jnp.ones(2)}
    others = [
        {**weights, "b": np.float32(-0.0)},
        {**weights, "a": np.ones(2, np.float16)},
        {**weights, "a": np.ones((1, 2), np.float32)},
        {"a": weights["a"], "c": weights["b"]},
        jax.tree_util.Partial(scorer, weights),
        Network(weights, PairLeNet(directions=3)),
        Network(weights, PairLeNet(directions=4)),
    ]
    digests = [described(Method(model))["models.scorer"] for model in others]
    first = described(Method(weights))["models.scorer"]
    assert described(Method(same))["models.scorer"] == first
    assert len({first, *digests}) == len(others) + 1


def test_functions_are_the_same_in_every_process():
    def scorer():
        pass

    values = described(Method(jax.tree_util.Partial(scorer), kind=scorer))
    assert " at 0x" not in json.dumps(values)

    def scorer():
        return 1

    again = described(Method(jax.tree_util.Partial(scorer), kind=scorer))
    assert values == again


def test_keys_are_the_numbers_that_they_are_made_of():
    arrays = by_path({"key": jax.random.key(5), "none": None})
    np.testing.assert_array_equal(arrays["['key']"], [0, 5])
    assert list(arrays) == ["['key']"]


def test_the_order_of_arrays_does_not_matter_but_their_names_do():
    a, b = np.ones(2), np.zeros(3)
    assert sha256({"a": a, "b": b}) == sha256({"b": b, "a": a})
    assert sha256({"a": a, "b": b}) != sha256({"b": a, "a": b})
    assert sha256({"a": a}) != sha256({"a": a}, "text")
    # the way in which an array lies in memory is nothing either
    assert sha256({"a": np.ones((4, 2))[::2].T}) == sha256({"a": np.ones((2, 2))})


def test_a_long_list_of_differences_is_cut(tmp_path):
    values = {f"setting {number}": number for number in range(9)}
    claim(tmp_path / "run", values)
    claim(tmp_path / "run", values)
    with pytest.raises(
        ValueError, match=r"^folder: .* differs in setting 0 .* and 4 m"
    ):
        claim(tmp_path / "run", dict.fromkeys(values, -1))
