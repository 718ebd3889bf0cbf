import json

import pytest

from jaxlatent.generators import base
from jaxlatent.generators.sequential import Config, DiscriminatorConfig
from jaxlatent.generators.sequential_chain import KINDS, item_shapes
from jaxlatent.generators.sequential_layers import (
    Activation,
    Flatten,
    Pool,
    Unflatten,
)
from jaxlatent.generators.sequential_weighted import Convolution, Linear

DECODER = Config(
    (
        Linear("net.0", 12),
        Activation("net.1", "sigmoid"),
        Unflatten("net.2", (2, 3, 2)),
    ),
    5,
    image_range=(0.0, 1.0),
)
CRITIC = DiscriminatorConfig(
    (
        Convolution("main.0", 4, kernel=4, stride=2, padding=1),
        Activation("main.1", "leaky_relu", slope=0.2),
        Pool("main.2", "mean", kernel=2, stride=2),
        Flatten("main.3"),
        Linear("main.4", 1),
    ),
    (8, 8, 3),
)


@pytest.mark.parametrize("config", [DECODER, CRITIC])
def test_json_round_trip(config):
    text = json.dumps(config.to_json())
    again = type(config).from_json(json.loads(text))
    assert again == config
    assert hash(again) == hash(config)
    assert base.config_to_json(config) == config.to_json()


def test_json_leaves_defaults_out():
    description = {
        "z_dim": 4,
        "image_range": [0, 1],
        "layers": [
            {"kind": "linear", "name": "fc", "features": 12},
            {"kind": "unflatten", "name": "view", "shape": [2, 2, 3]},
        ],
    }
    layers = (Linear("fc", 12), Unflatten("view", (2, 2, 3)))
    assert Config.from_json(description) == Config(layers, 4, image_range=(0.0, 1.0))


def test_every_kind_is_known_by_its_own_word():
    assert all(layer.kind == word for word, layer in KINDS.items())


FIRST = {"kind": "linear", "name": "a", "features": 4}
VIEW = {"kind": "unflatten", "name": "v", "shape": [2, 2, 1]}
CONVOLUTION = {"kind": "convolution", "name": "c", "features": 1}
TRANSPOSED = {"kind": "transposed_convolution", "name": "t", "features": 1}
POOL = {"kind": "pool", "name": "p", "mode": "max", "stride": 2}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "config: layers: .* at least one layer is accepted"),
        ("linear", "config: layers: 'linear' given; a list is accepted"),
        ([3], "layer 0: 3 given; an object is needed"),
        ([{"name": "a"}], "layer 'a': kind: None given; one of linear, .* is accepted"),
        ([{"kind": ["x"]}], r"layer 0: kind: \['x'\] given; one of linear, "),
        ([{"kind": "linear", "features": 4}], "layer 0: name: missing"),
        ([FIRST | {"name": ""}], "layer '': name: '' given; a name is accepted"),
        ([{"kind": "linear", "name": "a"}], "layer 'a': features: missing"),
        ([FIRST | {"width": 1}], "layer 'a': width: given; name, features, bias are"),
        ([FIRST | {"features": "4"}], "layer 'a': features: '4' given; a whole number"),
        ([FIRST | {"features": True}], "layer 'a': features: True given; a whole"),
        ([FIRST | {"features": 0}], "layer 'a': features: 0 given; .* from 1 up"),
        ([FIRST | {"bias": 1}], "layer 'a': bias: 1 given; true or false is accepted"),
        (
            [FIRST, {"kind": "activation", "name": "b", "function": "relu6"}],
            "layer 'b': function: 'relu6' given; one of relu, .* is accepted",
        ),
        (
            [FIRST, {"kind": "batch_norm", "name": "b", "epsilon": "small"}],
            "layer 'b': epsilon: 'small' given; a number is accepted",
        ),
        ([FIRST, VIEW | {"shape": [2, 2]}], r"layer 'v': shape: \(2, 2\) given; \[hei"),
        (
            [FIRST, VIEW | {"shape": [2, 2, 3]}],
            r"layer 'v' \(unflatten\): shape: \(2, 2, 3\) given, 12 values; a vec",
        ),
        ([FIRST, FIRST, VIEW], "config: layers: 'a' names more than one layer"),
        ([FIRST], r"config: layers: \(4,\) leaves the last one; .* maps \[H, W, C\]"),
        (
            [FIRST, VIEW, FIRST | {"name": "b"}],
            r"layer 'b' \(linear\): \(2, 2, 1\) comes in; vectors \[D\] are accepted",
        ),
        (
            [CONVOLUTION | {"kernel": 1}],
            r"layer 'c' \(convolution\): \(3,\) comes in; maps \[H, W, C\] are",
        ),
        (
            [FIRST, VIEW, CONVOLUTION | {"kernel": 5}],
            r"layer 'c' \(convolution\): \(2, 2, 1\) comes in and nothing is left",
        ),
        (
            [FIRST, VIEW, TRANSPOSED | {"kernel": 1, "padding": 1}],
            r"layer 't' .*: \(2, 2, 1\) comes in and nothing is left",
        ),
        (
            [FIRST, VIEW, POOL | {"kernel": 2, "padding": 2}],
            r"layer 'p' \(pool\): padding: 2 given; at most 1",
        ),
    ],
)
def test_descriptions_that_describe_no_chain(layers, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Config.from_json({"z_dim": 3, "layers": layers})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"z_dim": 2.5}, "config: z_dim: 2.5 given; a whole number from 1 up"),
        (
            {"image_range": [1, 0]},
            r"config: image_range: \(1, 0\) given; \[low, high\]",
        ),
        ({"image_range": [0]}, r"config: image_range: \(0,\) given; \[low, high\]"),
        ({"w_dim": 3}, "config: w_dim: given; layers, image_range, z_dim are"),
    ],
)
def test_configs_that_are_none(changes, message):
    description = {"z_dim": 3, "layers": [FIRST, VIEW]}
    with pytest.raises(ValueError, match=f"^{message}"):
        Config.from_json(description | changes)
    with pytest.raises(ValueError, match=r"^config: z_dim: missing"):
        Config.from_json({"layers": [FIRST, VIEW]})


def test_python_configs_are_held_to_the_same_rules():
    with pytest.raises(ValueError, match=r"layer 'a': kernel: 0 given"):
        Convolution("a", 1, kernel=0)
    with pytest.raises(ValueError, match=r"config: layers: .* at least one layer"):
        Config((1,), 3)  # pyright: ignore[reportArgumentType]


def test_discriminators_end_in_a_logit():
    sigmoid = Activation("main.5", "sigmoid")
    for tail in ((sigmoid,), (Unflatten("u", (1, 1, 1)), sigmoid, Flatten("f"))):
        with pytest.raises(ValueError, match=r"'main.5'.*leave the sigmoid out"):
            DiscriminatorConfig((*CRITIC.layers, *tail), (8, 8, 3))
    with pytest.raises(ValueError, match=r"a discriminator ends in vectors \[1\]"):
        DiscriminatorConfig((Flatten("f"),), (8, 8, 3))


def test_item_shapes_follow_the_layers():
    assert item_shapes(CRITIC) == (
        (8, 8, 3),
        (4, 4, 4),
        (4, 4, 4),
        (2, 2, 4),
        (16,),
        (1,),
    )
