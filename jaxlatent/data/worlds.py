"""Worlds: pictures that are functions of known factors of variation.

A world has named factors, a prior of them, a differentiable renderer and, where parts
can be told apart, their masks. `WORLDS` has all of them by name; each registers itself
where it is defined, and `jaxlatent.data` imports them all. To add one, write a painter
and call `register_world`.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class Factor(NamedTuple):
    """One factor of variation, a number in [-1, 1].

    Attributes:
        name: a short name.
        low: what the picture shows at -1.
        high: what it shows at 1.
        odd: whether a change of sign mirrors the picture; others leave it upright.
        values: how many values its prior has, evenly from -1 to 1; 0 for all between.
            Renderers take what lies between the values too, and are smooth there.
    """

    name: str
    low: str
    high: str
    odd: bool = False
    values: int = 0

    @property
    def default(self) -> float:
        """Where it is while it is no factor: in the middle, or the first value."""
        return -1.0 if self.values else 0.0


class Painting(NamedTuple):
    """What a painter makes.

    Attributes:
        picture: [size, size, C] in [-1, 1].
        parts: soft masks [size, size] by name, which sum to one everywhere; {} where
            the world tells no parts apart.
    """

    picture: jax.Array
    parts: dict[str, jax.Array]


Values = Mapping[str, jax.Array | float]
"""Factors by name: scalars, or plain numbers where they are constant."""

Painter = Callable[[Values, int, bool], Painting]
"""Paints one picture from all factors and its size; a function of a module.

Where the last argument is false, parts may be left out, for nobody looks at them.
"""


Painted = TypeVar("Painted")


@dataclass(frozen=True)
class World:
    """Pictures by known factors.

    Worlds are compared by their painters' identity; they are static to compiled code.

    Attributes:
        name: a short name.
        factors: what varies, in the order of columns.
        painter: paints one picture.
        fixed: factors that the painter knows but that stay at their default.
    """

    name: str
    factors: tuple[Factor, ...]
    painter: Painter
    fixed: tuple[Factor, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the factors."""
        return tuple(factor.name for factor in self.factors)

    def select(self, names: Sequence[str]) -> "World":
        """The same world with some of its factors, in that order; others stay fixed.

        Raises:
            ValueError: for an unknown name, a repeated one, or none at all.
        """
        known = {factor.name: factor for factor in (*self.factors, *self.fixed)}
        if not names or len({*names}) < len(names) or not {*names} <= {*known}:
            raise ValueError(
                f"factors: {tuple(names)} given; of {self.name}, some of "
                f"{tuple(known)} are accepted, each once"
            )
        fixed = tuple(one for name, one in known.items() if name not in names)
        return dataclasses.replace(
            self, factors=tuple(known[name] for name in names), fixed=fixed
        )

    def sample(self, key: jax.Array, num: int) -> jax.Array:
        """Draw factors [num, F] from the prior; row i uses fold_in(key, i).

        Each is uniform in [-1, 1], or on its values, and independent of the others.
        """
        counts = np.array([factor.values for factor in self.factors], np.float32)

        def row(number: jax.Array) -> jax.Array:
            share = jax.random.uniform(
                jax.random.fold_in(key, number), (len(self.factors),)
            )
            step = jnp.floor(share * counts) / np.maximum(counts - 1, 1)
            return 2 * jnp.where(counts > 0, step, share) - 1

        return jax.vmap(row)(jnp.arange(num))

    def render(self, factors: jax.Array, *, size: int) -> jax.Array:
        """Paint pictures.

        Args:
            factors: [N, F], nominally in [-1, 1].
            size: height and width of the pictures.

        Returns:
            Images [N, size, size, C] in [-1, 1], in the dtype of `factors`. Compiled
            for CPUs, a picture has the same bits however many are painted with it; one
            alone takes the time of two, but not where it is differentiated.

        Raises:
            ValueError: for factors of another shape or without a floating dtype.
        """
        return self._paint(
            factors, lambda values: self.painter(values, size, False).picture
        )

    def masks(self, factors: jax.Array, *, size: int) -> dict[str, jax.Array]:
        """How much of each pixel shows each part: [N, size, size] by name.

        Args:
            factors: as for `render`.
            size: likewise.

        Returns:
            Soft masks in [0, 1], which sum to one everywhere; {} where the world tells
            no parts apart.

        Raises:
            ValueError: as `render`.
        """
        return self._paint(
            factors, lambda values: self.painter(values, size, True).parts
        )

    def _paint(self, factors: jax.Array, paint: Callable[[Values], Painted]) -> Painted:
        if factors.ndim != 2 or factors.shape[1] != len(self.factors):
            raise ValueError(
                f"factors: shape {factors.shape} given; [N, {len(self.factors)}] is "
                "accepted"
            )
        if not jnp.issubdtype(factors.dtype, jnp.floating):
            raise ValueError(f"factors: {factors.dtype} given; floats are accepted")
        fixed = {factor.name: factor.default for factor in self.fixed}

        def one(row: jax.Array) -> Painted:
            return paint(fixed | dict(zip(self.names, row, strict=True)))

        rows = jax.vmap(one)
        return rows(factors) if len(factors) != 1 else _alone(rows, factors)


def _alone(paint: Callable[[jax.Array], Painted], row: jax.Array) -> Painted:
    """What a batch's function makes of one row, [1, F], to the bit of a larger batch.

    Alone, it would lose an axis in compilation and be rounded otherwise. So there are
    two rows, behind a branch, where the compiler does not see that one is not asked
    for. Derivatives, which the branch would make slow, are those of one row.
    """

    @jax.custom_jvp
    def first_of_two(row: jax.Array) -> Painted:
        two = jnp.concatenate([row, -row])
        nothing = jax.tree.map(
            lambda of: jnp.zeros(of.shape, of.dtype), jax.eval_shape(paint, two)
        )
        above_all = row[0, 0] > jnp.inf
        painted = lax.cond(above_all, lambda _: nothing, paint, two)
        return jax.tree.map(lambda both: both[:1], painted)

    @first_of_two.defjvp
    def of_one(primals: tuple, tangents: tuple) -> tuple[Painted, Painted]:
        return jax.jvp(paint, primals, tangents)

    return first_of_two(row)


WORLDS: dict[str, World] = {}
"""Worlds by name."""


def register_world(world: World) -> World:
    """Make a world known by its name, to oracles, their files and commands."""
    WORLDS[world.name] = world
    return world


def world_of(name: str, shape: Sequence[int]) -> World:
    """The world of a name whose pictures have the shape [H, W, C] of a generator's.

    Raises:
        ValueError: for another name, or pictures of another shape.
    """
    if name not in WORLDS:
        raise ValueError(f"world: {name!r} given; {', '.join(WORLDS)} is accepted")
    world = WORLDS[name]
    blank = jax.ShapeDtypeStruct((1, len(world.factors)), np.float32)
    pictures = jax.eval_shape(lambda rows: world.render(rows, size=shape[0]), blank)
    if pictures.shape[1:] != tuple(shape):
        raise ValueError(
            f"world: {name} given, whose pictures are {pictures.shape[1:]}; those of "
            f"GENERATOR are {tuple(shape)}"
        )
    return world
