"""Text of strangers as it may be shown: short, printable, on one line."""

import unicodedata

_SHORT = 60
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (bidirectional marks), surrogates and what no font shows."""
_JOINERS = "\u200c\u200d"
"""Formats that words of some scripts, and emoji, are not right without."""


def printable(text: str, most: int | None = None) -> str:
    """A text in which every character shows itself, and none moves or hides others.

    Characters that steer terminals, turn the direction of writing, break lines or are
    no characters at all stand there as their escapes.

    Args:
        text: from a file, a path or an error.
        most: characters to keep, None for all; what is cut off is marked.
    """
    if most is not None and len(text) > most:
        text = f"{text[: most - 3]}..."
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        one
        if one in _JOINERS or unicodedata.category(one) not in _HIDDEN
        else ascii(one)[1:-1]
        for one in text
    )


def shown(value: object) -> str:
    """A value of whatever kind as a message quotes it.

    Returns:
        The beginning of its ASCII form, or the name of its type if it is not a leaf
        (the text of a container may be exponentially long).
    """
    if isinstance(value, str | bytes):
        return ascii(value[:_SHORT]) + ("..." if len(value) > _SHORT else "")
    if value is None or isinstance(value, int | float):
        return ascii(value)[:_SHORT]
    return type(value).__name__
