"""Names of directions in a text."""

import numpy as np
import pytest

from jaxlatent.edits.annotations import annotated, annotations
from jaxlatent.edits.directions import directions

EDIT = directions(np.eye(12, dtype=np.float32), space="z")
TEXT = """6: red light
10: smile (entangled)

 2:eyes  open\t
11: red light
0: red light
"""


def test_lines_are_names():
    names = annotated(EDIT, TEXT).names
    assert names[:3] == ("red_light (2)", "direction 1", "eyes_open")
    assert (names[6], names[11]) == ("red_light", "red_light (1)")
    assert names[10] == "smile_(entangled)"


def test_names_are_lines():
    named = annotated(EDIT, TEXT)
    text = annotations(named)
    assert text.splitlines()[0] == "0: red_light (2)"
    assert len(text.splitlines()) == 5
    assert annotations(EDIT) == ""
    again = annotated(EDIT, annotations(EDIT.rename({3: "tan", 1: "age"})))
    assert again.names[:4] == ("direction 0", "age", "direction 2", "tan")


@pytest.mark.parametrize("line", ["12: x", "a: x", "-1: x", "3 x", "3:", "6: again"])
def test_what_is_no_line(line):
    with pytest.raises(ValueError, match=rf"^annotations: '{line}' given; .* 0 to 11"):
        annotated(EDIT, f"{TEXT}{line}")
