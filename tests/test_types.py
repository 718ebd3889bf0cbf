"""The library's words for spaces, and selections of rows."""

import re

import numpy as np
import pytest

from jaxlatent.types import check_space, parse_layers

# spaces


@pytest.mark.parametrize("space", ["z", "w", "w+", "s", "feature:b4.conv1"])
def test_every_word_for_a_space_is_accepted(space):
    check_space(space)


@pytest.mark.parametrize(
    "space", ["W", "feature:", "feature", "", "z ", "zz", "w++", "features:a"]
)
def test_other_words_for_a_space_are_refused(space):
    with pytest.raises(ValueError, match=f"^space: {re.escape(repr(space))} given; "):
        check_space(space)


# layers


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        (None, None),
        ("all", None),
        (" all ", None),
        ("0-1", (0, 1)),
        ("2-5,8", (2, 3, 4, 5, 8)),
        (" 3 - 4 , 0 ", (0, 3, 4)),
        ("4,4,1-2,2", (1, 2, 4)),
        ("7", (7,)),
        ("0-9", tuple(range(10))),
        ([5, 1, 5], (1, 5)),
        (np.array([3, 2]), (2, 3)),
        (range(2), (0, 1)),
    ],
)
def test_parse_layers(given, rows):
    assert parse_layers(given, 10) == rows


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            ",",
            "1,",
            "a",
            "1-",
            "-1",
            "1--2",
            "1-2-3",
            "1.5",
            "1 0",
            "5-2",
            "5-2,8",
        ),
        *("10", "8-10", "0-99999999999", [], [10], [-1]),
    ],
)
def test_parse_layers_refuses(given):
    with pytest.raises(ValueError, match=r"^layers: "):
        parse_layers(given, 10)


def test_layers_are_whole_numbers():
    with pytest.raises(TypeError, match="float"):
        parse_layers([1.5], 10)
