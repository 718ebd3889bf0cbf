"""What was guessed of a file that does not say everything itself."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


class GuessWarning(UserWarning):
    """A file that can be read in two ways was read in one; the message names both."""


@dataclass(frozen=True)
class Other:
    """Another way to read a file.

    Attributes:
        argument: the argument that asks for it.
        value: its value.
        taken: what the file is then taken for.
    """

    argument: str
    value: str | int | bool
    taken: str


@dataclass(frozen=True)
class Guess:
    """How a file was taken, from what, and what says otherwise.

    Attributes:
        file: the file.
        taken: what it was taken for, such as "1 direction of w".
        reason: from what, such as "as its name says".
        others: other ways to read it.
        certain: whether the file or the generator leaves no doubt, so that it is worth
            saying and not worth a warning.
    """

    file: str
    taken: str
    reason: str
    others: tuple[Other, ...] = ()
    certain: bool = False

    def text(self, options: Mapping[str, str] | None = None) -> str:
        """The guess in one line.

        Args:
            options: name the arguments as options of a command, under these names
                where they differ; None for arguments of Python.
        """
        line = f"{self.file}: taken for {self.taken}, {self.reason}"
        if not self.others:
            return line
        ways = [f"{_spelled(one, options)} for {one.taken}" for one in self.others]
        return f"{line}; {', '.join(ways)}"


def warn_of(guesses: Iterable[Guess]) -> None:
    """Warn of every guess that is not certain."""
    for guess in guesses:
        if not guess.certain:
            warnings.warn(guess.text(), GuessWarning, stacklevel=3)


def _spelled(other: Other, options: Mapping[str, str] | None) -> str:
    if options is None:
        return f"{other.argument}={other.value!r}"
    name = options.get(other.argument, other.argument).replace("_", "-")
    return f"--{name}" if other.value is True else f"--{name} {other.value}"
