"""What people saw directions do: a text with a line `INDEX: NAME` for each.

The originals of Unsupervised Discovery keep theirs so, in `human_annotation.txt`.
"""

import re
from typing import Any, TypeVar

from jaxlatent.edits.base import default_names
from jaxlatent.texts import shown

AnyEdit = TypeVar("AnyEdit")

_LINE = re.compile(r"\s*(\d{1,9})\s*:\s*(\S.*?)\s*")


def annotated(edit: AnyEdit, text: str) -> AnyEdit:
    """An edit whose directions bear the names of a text.

    Spaces become "_", and a name that is there already gets " (1)", " (2)", ...

    Args:
        edit: of any kind.
        text: lines `INDEX: NAME`; empty ones are left out.

    Raises:
        ValueError: quotes the line that is none, or names a direction that is not
            there, or one twice.
    """
    some: Any = edit
    names: dict[int, str] = {}
    for line in filter(str.strip, text.splitlines()):
        found = _LINE.fullmatch(line)
        index = int(found[1]) if found else -1
        if found is None or index >= len(some) or index in names:
            raise ValueError(
                f"annotations: {shown(line)} given; lines INDEX: NAME, with each index "
                f"from 0 to {len(some) - 1} once, are accepted"
            )
        name = unique = "_".join(found[2].split())
        number = 0
        while unique in names.values():
            number += 1
            unique = f"{name} ({number})"
        names[index] = unique
    return some.rename(names)


def annotations(edit: Any) -> str:
    """The text of the directions of an edit that bear a name of their own."""
    usual = default_names(len(edit))
    own = enumerate(edit.names or usual)
    return "".join(f"{n}: {name}\n" for n, name in own if name != usual[n])
