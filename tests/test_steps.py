import jax.numpy as jnp
import pytest

from jaxlatent.generators import steps

OFFERED = ("first", "second", "third")


def network(x, ran=None):
    """x -> x + 1 -> 10 (x + 1) -> 10 (x + 1) - 3."""
    for name, step in zip(
        OFFERED, (lambda x: x + 1, lambda x: 10 * x, lambda x: x - 3), strict=True
    ):
        if ran is not None:
            ran.append(name)
        x = yield name, step(x)


def test_without_hooks_the_network_is_as_it_is():
    assert steps.last(network(2.0), None, OFFERED) == 27
    found = steps.collect(network(2.0), ("second", "first"), None, OFFERED)
    assert found == {"first": 3, "second": 30}


def test_a_hook_replaces_what_goes_on():
    hooks = {"first": lambda x: x * 2, "second": lambda x: x + 1}
    x = jnp.full(2, 2.0)
    # (3 * 2) * 10 + 1 = 61
    assert steps.last(network(x), hooks, OFFERED).tolist() == [58, 58]
    found = steps.collect(network(x), ("first", "second"), hooks, OFFERED)
    assert {name: value[0] for name, value in found.items()} == {
        "first": 6,
        "second": 61,
    }


def test_nothing_behind_the_last_name_is_run():
    ran = []
    steps.collect(network(1.0, ran), ("first",), None, OFFERED)
    assert ran == ["first"]


def test_unknown_names_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"names: \['fourth'\] given; .*'third'"):
        steps.collect(network(1.0), ("first", "fourth"), None, OFFERED)
    with pytest.raises(ValueError, match=r"hooks: \['b4'\] given; .*'first'"):
        steps.last(network(1.0), {"b4": abs}, OFFERED)
    with pytest.raises(ValueError, match=r"hooks: that of first returned \(1,\) for"):
        steps.last(network(jnp.ones(2)), {"first": lambda x: x[:1]}, OFFERED)
