"""The parser's complaints, which it draws as boxes, as single lines."""

import re

_RULE = re.compile(r"[─-]{3,}$")
_NO_TYPE = re.compile(r"no type matching \S+ could be instantiated from \[(.*?)\]\.")
_NO_NUMBER = re.compile(r"invalid literal for int\(\) with base 10: (.*)")


def one_line(complaint: str) -> str:
    """What a box of `tyro` says, and the command whose --help tells more.

    On a terminal without box characters the box is a title over a rule; on others the
    title is part of the upper edge.
    """
    framed = "╭" in complaint
    lines = [line.strip("│").rstrip() for line in complaint.splitlines()]
    sections: list[list[str]] = [[]]
    for line in lines:
        if _RULE.match(line.strip()):
            sections.append([])
        elif not line.startswith(("╭", "╰")):
            sections[-1].append(line)
    said = sections[0] if framed or len(sections) == 1 else sections[1]
    sentence = " ".join(_first_paragraph(said))
    for pattern in (_NO_TYPE, _NO_NUMBER):
        sentence = pattern.sub(r"\1 given; a number is accepted", sentence)
    sentence = re.sub(r"Missing from jaxlatent[^:]*: ", "Missing: ", sentence)
    sentence = sentence.removeprefix("Error parsing ").rstrip(".")
    asked = re.findall(r"(jaxlatent[a-z ]*?) --help", complaint)
    return f"{sentence}; {asked[-1] if asked else 'jaxlatent'} --help tells more"


def _first_paragraph(lines: list[str]) -> list[str]:
    """Up to an empty line, without the deeply indented help of each argument."""
    kept: list[str] = []
    margin = min((_indent(line) for line in lines if line), default=0)
    for line in lines:
        if not line and kept:
            break
        if _indent(line) - margin < 8:
            kept.append(line.strip())
    return kept


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
