"""Text of strangers, as it may be shown."""

import pytest

from jaxlatent.texts import printable, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smile, 50 %", "smile, 50 %"),
        ("größer 眼鏡 \N{GRINNING FACE}", "größer 眼鏡 \N{GRINNING FACE}"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\u202eevil", r"\u202eevil"),
        ("\u2028next", r"\u2028next"),
        ("\udcff.npz", r"\udcff.npz"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u200dfamily", "\u200dfamily"),
        ("\ufeff", r"\ufeff"),
    ],
)
def test_every_character_shows_itself(text, expected):
    assert printable(text) == expected
    printable(text).encode()


def test_long_texts_are_cut():
    assert printable("x" * 10, 8) == "xxxxx..."
    assert printable("x" * 8, 8) == "x" * 8


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\n", r"'a\n'"),
        (b"\xff", r"b'\xff'"),
        ("x" * 100, f"'{'x' * 60}'..."),
        (None, "None"),
        (10**100, "1" + "0" * 59),
        ([[]] * 9, "list"),
        ({}, "dict"),
    ],
)
def test_values_as_messages_quote_them(value, expected):
    assert shown(value) == expected
