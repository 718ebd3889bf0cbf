"""The `Edit` protocol, and the kinds of edits that files know."""

from collections.abc import Callable
from typing import Protocol, TypeVar, runtime_checkable

import jax
from jax.typing import ArrayLike


@runtime_checkable
class Edit(Protocol):
    """Anything that shifts latents along numbered directions.

    `shift` is always relative to the latent it is given. What one unit of strength
    means is documented by each edit.
    """

    @property
    def space(self) -> str:
        """The space of the latents it shifts: "z", "w", "w+", "s" or "feature:NAME"."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """One name per direction."""
        ...

    def __len__(self) -> int: ...

    def shift(
        self, latent: jax.Array, index: ArrayLike, strength: ArrayLike
    ) -> jax.Array:
        """Move `latent` by `strength` along direction `index`."""
        ...

    def traverse(
        self, latent: jax.Array, index: ArrayLike, strengths: ArrayLike
    ) -> jax.Array:
        """`[S, *latent.shape]`: one shift for each of the S strengths."""
        ...


EDIT_KINDS: dict[str, type] = {}
"""Edit classes by the kind under which files name them."""


EditClass = TypeVar("EditClass", bound=type)


def register_edit(kind: str) -> Callable[[EditClass], EditClass]:
    """Make a `flax.struct.dataclass` of edits known to the edit file format."""

    def register(cls: EditClass) -> EditClass:
        EDIT_KINDS[kind] = cls
        return cls

    return register
