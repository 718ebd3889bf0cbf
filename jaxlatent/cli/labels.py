"""Labels of conditional generators, as the command line names them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxlatent.generators.base import Generator
from jaxlatent.latents import EVERY_CLASS
from jaxlatent.loading import load_labels

_CLASSES = re.compile(r"\s*[0-9]{1,9}\s*(,\s*[0-9]{1,9}\s*)*")


def is_file(text: str | None) -> bool:
    """Whether an option names a file of labels, rather than classes."""
    return not (text in (None, EVERY_CLASS) or _CLASSES.fullmatch(text))


def read_labels(text: str | None, generator: Generator) -> tuple[Any, str]:
    """What an option says, whatever number of codes there is.

    Returns:
        None for an unconditional generator, "every", class numbers [M] or weights
        [M, C]; and how a file was understood, "" for none.

    Raises:
        ValueError: for a label that is missing, unwanted or does not exist.
    """
    count = generator.config.label_dim
    if count == 0:
        if text is not None:
            raise ValueError("label: given, but this generator has no classes")
        return None, ""
    if text is None:
        raise ValueError(
            f"label: missing; this generator has classes 0 to {count - 1}, or takes a "
            f"file of labels [N, {count}]"
        )
    if text == EVERY_CLASS:
        return text, ""
    if is_file(text):
        if not Path(text).is_file():
            raise ValueError(
                f"label: {text!r} given; classes 0 to {count - 1}, {EVERY_CLASS}, or a "
                f"file of labels [N, {count}] is accepted"
            )
        return load_labels(text, count)
    numbers = np.asarray([int(word) for word in text.split(",")], np.int32)
    if numbers.max() >= count:
        raise ValueError(
            f"label: {text!r} given; classes 0 to {count - 1} are accepted"
        )
    return numbers, ""


def labels_of_codes(
    text: str | None, generator: Generator, count: int
) -> np.ndarray | None:
    """A label for each of `count` codes: classes [N] or weights [N, C].

    Raises:
        ValueError: as `read_labels` does, or for another number of labels.
    """
    found, _ = read_labels(text, generator)
    if found is None:
        return None
    if isinstance(found, str):
        return np.arange(count, dtype=np.int32) % generator.config.label_dim
    if len(found) not in (1, count):
        raise ValueError(
            f"label: {len(found)} labels given for {count} codes; one, or one for "
            "each, is accepted"
        )
    return np.broadcast_to(found, (count, *found.shape[1:]))


def label_choice(text: str | None, generator: Generator) -> Any:
    """The labels of codes to learn from, as `latents.prior` takes them."""
    return None if text is None else read_labels(text, generator)[0]


def told_of(text: str | None, generator: Generator) -> tuple[str, ...]:
    """How a file of labels was understood, one line; none for classes."""
    return (read_labels(text, generator)[1],) if is_file(text) else ()


def with_labels(names: Sequence[str], label: np.ndarray) -> tuple[str, ...]:
    """Names of codes, with their labels where those are not all the same."""
    if (label == label[:1]).all():
        return tuple(names)
    if label.ndim > 1:
        return tuple(f"{name}, label {row}" for row, name in enumerate(names))
    return tuple(f"{n}, class {c}" for n, c in zip(names, label, strict=True))
