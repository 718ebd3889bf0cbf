"""What genforce's repositories (genforce, SeFa, ReSeFa) keep beside one another.

A file holds `generator`, `generator_smooth` and `discriminator`, and one of them tells
what another does not, such as the number of classes.
"""

from converters.entries import Entry, Tensors
from converters.progressive import numbers


def is_discriminator(tensors: Tensors) -> bool:
    """Whether these are a discriminator's, of whichever family."""
    return bool(numbers(tensors, "input") and numbers(tensors, "layer"))


def generator_beside(entry: Entry, signature: str) -> Tensors | None:
    """A generator beside a discriminator, told by one of its tensors."""
    found = (tensors for tensors in entry.siblings() if signature in tensors)
    return next(found, None)


def discriminator_beside(entry: Entry) -> Tensors | None:
    """The discriminator beside a generator."""
    return next(filter(is_discriminator, entry.siblings()), None)
