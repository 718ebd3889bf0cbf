"""What every kind of edit is: the protocol, its description, and latents with rows."""

import dataclasses
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Any,
    Protocol,
    Required,
    Self,
    TypedDict,
    TypeVar,
    runtime_checkable,
)

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxlatent.edits.checking import check_description, checked

Facts = FrozenDict[str, Any]
"""JSON values by name, which can be compared and hashed."""


@runtime_checkable
class Edit(Protocol):
    """Anything that moves latents along numbered directions: a pytree of floats.

    `shift` is always relative to the latent it is given. What one unit of strength
    means is documented by each kind. A kind is a `flax.struct.dataclass` whose leaves
    are floating arrays, so that `jax.grad` with respect to any edit works; what it
    tells about itself is that of `Described`.
    """

    @property
    def space(self) -> str:
        """The space of the latents it moves: "z", "w", "w+", "s" or "feature:NAME"."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """One name per direction."""
        ...

    @property
    def dimension(self) -> int:
        """The last axis of the latents it accepts."""
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

    def select(self, indices: Sequence[int]) -> Self:
        """The directions at `indices`, in that order."""
        ...

    def rename(self, names: Mapping[int, str]) -> Self:
        """Other names for the directions at the mapping's keys."""
        ...


@flax.struct.dataclass(eq=False, kw_only=True)
class Described:
    """What an edit tells about itself, beside the arrays that move latents.

    Arrays of a kind, and edits within it, have a first axis of K, one entry for each
    direction; a field that all directions share is declared with `shared`.

    Attributes:
        report: one float per direction, [K] each; what ranks them (eigenvalues, ...).
        space: "z", "w", "w+", "s" or "feature:NAME".
        layers: rows of w+ that are moved; None for all.
        names: one name per direction; none for the default ones.
        method: the method that found them.
        generator: fingerprint of the generator they belong to, "" if unknown.
        facts: what concerns the edit as a whole, JSON values: a rank, settings, ...
    """

    report: dict[str, jax.Array] = dataclasses.field(default_factory=dict)
    space: str = flax.struct.field(pytree_node=False)
    layers: tuple[int, ...] | None = flax.struct.field(pytree_node=False, default=None)
    names: tuple[str, ...] = flax.struct.field(pytree_node=False, default=())
    method: str = flax.struct.field(pytree_node=False, default="")
    generator: str = flax.struct.field(pytree_node=False, default="")
    facts: Facts = flax.struct.field(pytree_node=False, default=FrozenDict())

    def __len__(self) -> int:
        raise NotImplementedError

    def check(self) -> None:
        """Refuse fields that do not fit; see `checking.checked`.

        A kind that knows the shapes of its arrays checks them first, for `len` counts
        their rows; here every array has one entry for each direction, and edits within
        the edit are checked.

        Raises:
            ValueError: names the field.
        """
        count = len(self)
        check_description(self, count)
        for field in _of_directions(self):
            value = getattr(self, field.name)
            if isinstance(value, Described):
                checked(value)
                lengths = {len(value)}
            else:
                lengths = {len(leaf) for leaf in jax.tree.leaves(value)}
            if lengths - {count}:
                raise ValueError(f"{field.name}: not one entry for each direction")

    def select(self, indices: Sequence[int]) -> Self:
        """The directions at `indices`, in that order.

        Raises:
            IndexError: for an index out of range.
        """
        chosen = [concrete_index(index, len(self)) for index in indices]
        rows = np.asarray(chosen, np.int32)
        changes: dict[str, Any] = {
            "names": tuple(self.names[index] for index in chosen) if self.names else ()
        }
        for field in _of_directions(self):
            value = getattr(self, field.name)
            if isinstance(value, Described):
                changes[field.name] = value.select(chosen)
            else:
                changes[field.name] = jax.tree.map(lambda leaf: leaf[rows], value)
        return dataclasses.replace(self, **changes)

    def rename(self, names: Mapping[int, str]) -> Self:
        """Give the directions at the mapping's keys new names.

        Raises:
            IndexError: for a key out of range.
        """
        changed = list(self.names or default_names(len(self)))
        for index, name in names.items():
            changed[concrete_index(index, len(self))] = name
        return dataclasses.replace(self, names=tuple(changed))


def _of_directions(edit: Any) -> list[Any]:
    """The fields that hold something for each direction."""
    return [
        field
        for field in dataclasses.fields(edit)
        if field.metadata.get("pytree_node", True) and "shared" not in field.metadata
    ]


def shared(**options: Any) -> Any:
    """A field of arrays that belong to all directions: `select` leaves it whole."""
    return flax.struct.field(metadata={"shared": True}, **options)


AnyEdit = TypeVar("AnyEdit")


def knows_coordinates(edit: Any) -> bool:
    """Whether an edit tells where latents are along it, and moves them to a place.

    Such a kind has `coordinate(latent, index) -> [N]` and, like `shift`,
    `move_to(latent, index, value)`.
    """
    return callable(getattr(edit, "move_to", None))


def bare(edit: AnyEdit) -> AnyEdit:
    """An edit without what it tells about itself: what compiled code needs of it.

    The same arrays under other names are then not traced again. Edits within the edit
    are bared too.
    """
    if not dataclasses.is_dataclass(edit):
        return edit
    told = {"report": {}, "names": (), "method": "", "generator": "", "facts": Facts()}
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(edit):
        value = getattr(edit, field.name)
        if field.name in told:
            changes[field.name] = told[field.name]
        elif dataclasses.is_dataclass(value):
            changes[field.name] = bare(value)
    return dataclasses.replace(edit, **changes)  # pyright: ignore


class Description(TypedDict, total=False):
    """What may be told of an edit that is built; `Described` explains the entries."""

    space: Required[str]
    report: Mapping[str, ArrayLike] | None
    layers: Sequence[int] | None
    names: Sequence[str] | None
    method: str
    generator: str
    facts: Mapping[str, Any] | None


def describe(count: int, told: Description) -> dict[str, Any]:
    """The fields of `Described` for an edit of `count` directions, to be checked.

    Names default to "direction 0", ...; values of `facts` are frozen, NumPy's numbers
    become Python's.

    Raises:
        TypeError: if the space is missing, or an entry is unknown.
        ValueError: for facts that JSON has no word for.
    """
    if "space" not in told:
        raise TypeError("space: missing; an edit names the space of its latents")
    if unknown := sorted(told.keys() - Description.__annotations__.keys()):
        raise TypeError(f"{', '.join(unknown)}: given, but an edit has no such entry")
    report = told.get("report") or {}
    layers = told.get("layers")
    if layers is not None:
        layers = tuple(sorted({operator.index(layer) for layer in layers}))
    names = told.get("names")
    return {
        **told,
        "report": {name: jnp.asarray(value) for name, value in report.items()},
        "layers": layers,
        "names": default_names(count) if names is None else tuple(names),
        "facts": as_facts(told.get("facts")),
    }


def default_names(count: int) -> tuple[str, ...]:
    """The names "direction 0", "direction 1", ..."""
    return tuple(f"direction {index}" for index in range(count))


def as_facts(facts: Mapping[str, Any] | None) -> Facts:
    """JSON values by name, frozen: lists as tuples, NumPy's numbers as Python's.

    Raises:
        ValueError: for a value that JSON has no word for.
    """
    return Facts({name: _frozen(name, value) for name, value in (facts or {}).items()})


def _frozen(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return as_facts(value)
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        value = np.asarray(value).tolist()
    if isinstance(value, list | tuple):
        return tuple(_frozen(name, entry) for entry in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"facts: {name} is a {type(value).__name__}; JSON is accepted")


EDIT_KINDS: dict[str, type] = {}
"""Edit classes by the kind under which files name them."""

EditClass = TypeVar("EditClass", bound=type)


def register_edit(kind: str) -> Callable[[EditClass], EditClass]:
    """Make a `flax.struct.dataclass` of edits known to the edit file format."""

    def register(cls: EditClass) -> EditClass:
        EDIT_KINDS[kind] = cls
        return cls

    return register


def check_latent(edit: Any, latent: jax.Array, index: ArrayLike) -> None:
    """Refuse latents or indices that an edit does not take.

    Args:
        edit: its `dimension`, `space` and `layers` count.
        latent: [N, D] or, for w+, [N, L, D].
        index: scalar or [N].

    Raises:
        ValueError: for a latent of another rank, dimension or kind, for `layers` on a
            latent without rows or with too few, or for an index of another shape.
        IndexError: for a concrete index out of range.
    """
    if latent.ndim not in (2, 3) or latent.shape[-1] != edit.dimension:
        raise ValueError(
            f"latent: shape {latent.shape} given; this edit of {edit.space} accepts "
            f"[N, {edit.dimension}] or [N, L, {edit.dimension}]"
        )
    if not jnp.issubdtype(latent.dtype, jnp.floating):
        raise ValueError(f"latent: {latent.dtype} given; a floating one is needed")
    check_per_row("index", index, latent)
    if edit.layers is not None and latent.ndim == 2:
        raise ValueError(
            f"latent: shape {latent.shape} has no rows, but this edit moves single "
            "layers; broadcast it to [N, L, D] first"
        )
    if edit.layers is not None and max(edit.layers) >= latent.shape[1]:
        raise ValueError(
            f"latent: {latent.shape[1]} rows given; this edit moves layers "
            f"{edit.layers}"
        )
    if not isinstance(index, Tracer):
        for entry in np.atleast_1d(np.asarray(index)):
            concrete_index(int(entry), len(edit))


def move_rows(
    move: Callable[[jax.Array, jax.Array, jax.Array], jax.Array],
    latent: jax.Array,
    index: ArrayLike,
    strength: ArrayLike,
    layers: tuple[int, ...] | None,
) -> jax.Array:
    """Move codes by a function of single codes; rows of w+ as codes of their own.

    Args:
        move: (code [D], index, strength) -> what takes the code's place, [..., D].
        latent: [N, D] or [N, L, D].
        index: scalar or [N].
        strength: scalar or [N]; or [S] or whatever else `move` takes, as [1, ...].
        layers: rows of w+ that move; None for all.

    Returns:
        [..., N, D] or [..., N, L, D].
    """
    count = latent.shape[0]
    index = jnp.asarray(index)
    strength = jnp.asarray(strength, latent.dtype)
    strength = jnp.broadcast_to(strength, (count, *strength.shape[1:]))
    # one direction for all codes is looked up once
    own = (0, 0 if index.ndim else None, 0)
    if latent.ndim == 2:
        return jnp.moveaxis(jax.vmap(move, own)(latent, index, strength), 0, -2)
    chosen = list(range(latent.shape[1]) if layers is None else layers)
    each = jax.vmap(jax.vmap(move, (0, None, None)), own)
    moved = jnp.moveaxis(each(latent[:, chosen], index, strength), (0, 1), (-3, -2))
    whole = jnp.broadcast_to(latent, (*moved.shape[:-3], *latent.shape))
    return whole.at[..., chosen, :].set(moved)


def check_strengths(strengths: ArrayLike) -> None:
    """Raise ValueError unless strengths are [S]."""
    if np.ndim(strengths) != 1:
        raise ValueError(
            f"strengths: shape {np.shape(strengths)} given; [S] is accepted"
        )


def check_per_row(label: str, value: ArrayLike, latent: jax.Array) -> None:
    """Raise unless a value is a scalar or one per latent: it must not broadcast."""
    if np.shape(value) not in ((), latent.shape[:1]):
        raise ValueError(
            f"{label}: shape {np.shape(value)} given; a scalar or {latent.shape[:1]} "
            "is accepted"
        )


def take(array: jax.Array, index: ArrayLike, dtype: Any) -> jax.Array:
    """Entries at `index` along the first axis; NaN beyond the end."""
    return (
        jnp.asarray(array, dtype)
        .at[jnp.asarray(index)]
        .get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
    )


def concrete_index(index: int, count: int) -> int:
    """The index, if it is one of `count`.

    Raises:
        IndexError: if it is not.
    """
    if not 0 <= index < count:
        raise IndexError(f"index: {index} given; there are {count} directions")
    return index
