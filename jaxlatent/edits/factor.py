"""Factors of variation: directions along which a known factor has a known value.

Plumerault et al., "Controlling generative models with continuous factors of variations"
(2020): where u is the direction of a factor, its value in the picture of a code z is
t = g(<z, u>), for a g that never falls. One unit of strength is one unit of t.
"""

from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxlatent.edits.base import (
    Described,
    Description,
    check_latent,
    check_per_row,
    describe,
    move_rows,
    register_edit,
    take,
)
from jaxlatent.edits.checking import check_floats, checked
from jaxlatent.edits.paths import Followed


@register_edit("factor")
@flax.struct.dataclass(eq=False, kw_only=True)
class Factors(Followed, Described):
    """Directions u with a monotone g each: the factor of a code z is g(<z, u>).

    `shift` changes the factor by the strength, `move_to` gives it a value, both by the
    shortest step along u that does; a code that is there already stays, whatever else
    has the same value. Values beyond the range of g become its nearest end. Rows of w+
    are codes of their own, each with a factor of its own. Build one with `factors`;
    `Described` has the other attributes.

    Attributes:
        vectors: [K, D], u; of any length, for g knows it.
        knots: [K, M], rising, places s = <z, u>.
        values: [K, M], never falling, g at the knots; straight between them, constant
            beyond.
    """

    vectors: jax.Array
    knots: jax.Array
    values: jax.Array

    def __len__(self) -> int:
        return self.vectors.shape[0]

    @property
    def dimension(self) -> int:
        """D."""
        return self.vectors.shape[-1]

    @property
    def limits(self) -> jax.Array:
        """[K, 2], the least and the largest value that g takes."""
        return self.values[:, np.array([0, -1])]

    def check(self) -> None:
        """Refuse arrays that do not fit each other, and what `Described` refuses."""
        check_floats("vectors", self.vectors, ("K", "D"))
        count = len(self.vectors)
        check_floats("knots", self.knots, (count, "M"))
        check_floats("values", self.values, self.knots.shape)
        if self.knots.shape[1] < 2:
            raise ValueError("knots: 1 given; 2 or more are accepted")
        if not isinstance(self.knots, Tracer):
            for label, fits, accepted in (
                ("vectors", np.any(self.vectors, axis=1), "vectors other than zero"),
                ("knots", np.diff(self.knots) > 0, "rising numbers"),
                ("values", np.diff(self.values) >= 0, "numbers that never fall"),
            ):
                if not np.all(fits):
                    raise ValueError(f"{label}: others given; {accepted} are accepted")
        super().check()

    def move(self, code: jax.Array, index: jax.Array, strength: jax.Array) -> jax.Array:
        """A code [D] whose factor changes: [D], or [S, D] for [S] strengths."""
        vector, g = self._pick(index, code.dtype)
        place = jnp.vdot(code, vector)
        low, high = places_of(*g, value_at(*g, place) + strength)
        step = jnp.clip(place, low, high) - place
        # not even rounding moves a code by nothing, but there is a derivative there
        still = jnp.where(jnp.isneginf(low), place, low) - place
        still = still - jax.lax.stop_gradient(still)
        return _along(code, vector, jnp.where(strength == 0, still, step))

    def move_to(self, latent: Any, index: ArrayLike, value: ArrayLike) -> jax.Array:
        """Move latents along a direction until the factor has a value.

        Args:
            latent: [N, D] or, for w+, [N, L, D], each of whose chosen rows gets it.
            index: direction, scalar or [N].
            value: scalar or [N].

        Returns:
            Latents of the same shape and dtype.

        Raises:
            As `shift`.
        """
        latent = jnp.asarray(latent)
        check_latent(self, latent, index)
        check_per_row("value", value, latent)

        def move(code: jax.Array, index: jax.Array, value: jax.Array) -> jax.Array:
            vector, g = self._pick(index, code.dtype)
            place = jnp.vdot(code, vector)
            low, high = places_of(*g, value)
            return _along(code, vector, jnp.clip(place, low, high) - place)

        return move_rows(move, latent, index, value, self.layers)

    def coordinate(self, latent: Any, index: ArrayLike) -> jax.Array:
        """The factor of latents, [N]; over several rows of w+, the rows' average."""
        latent = jnp.asarray(latent)
        check_latent(self, latent, index)
        if latent.ndim == 3:
            rows = slice(None) if self.layers is None else np.asarray(self.layers)
            latent = latent[:, rows]

        def one(code: jax.Array, index: jax.Array) -> jax.Array:
            vector, g = self._pick(index, code.dtype)
            return jnp.mean(value_at(*g, code @ vector))

        index = jnp.asarray(index)
        return jax.vmap(one, (0, 0 if index.ndim else None))(latent, index)

    def _pick(
        self, index: jax.Array, dtype: Any
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        """A direction, and the knots and values of its g."""
        fields = (self.vectors, self.knots, self.values)
        vector, knots, values = (take(field, index, dtype) for field in fields)
        return vector, (knots, values)


def factors(
    vectors: ArrayLike,
    knots: ArrayLike,
    values: ArrayLike,
    **told: Unpack[Description],
) -> Factors:
    """Build `Factors` and check that the pieces fit together.

    Args:
        vectors: [K, D].
        knots: [K, M], M >= 2.
        values: [K, M].
        **told: `space`, which is needed, and the rest of `Described`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    arrays = [jnp.asarray(array) for array in (vectors, knots, values)]
    count = len(arrays[0]) if arrays[0].ndim else 0
    fields = dict(zip(("vectors", "knots", "values"), arrays, strict=True))
    return checked(Factors(**fields, **describe(count, told)))


def value_at(knots: jax.Array, values: jax.Array, place: ArrayLike) -> jax.Array:
    """g at places [...], where knots and values are [M]."""
    place = jnp.clip(jnp.asarray(place, values.dtype), knots[0], knots[-1])
    return _between(place, knots, values, "right")


def places_of(
    knots: jax.Array, values: jax.Array, value: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Where g has a value: the two ends of the places, [...] each.

    They are one place where g rises, two where it is flat, and infinite where it stays
    at its least or largest value. Values beyond those count as them.
    """
    value = jnp.clip(jnp.asarray(value, values.dtype), values[0], values[-1])

    low = jnp.where(
        value <= values[0], -jnp.inf, _between(value, values, knots, "left")
    )
    return low, jnp.where(
        value >= values[-1], jnp.inf, _between(value, values, knots, "right")
    )


def _between(x: jax.Array, ends: jax.Array, heights: jax.Array, side: str) -> jax.Array:
    """The polyline through (ends, heights) at x; where ends repeat, at one side."""
    number = jnp.searchsorted(ends, x, side=side, method="compare_all")
    number = jnp.clip(number, 1, len(ends) - 1)
    width = ends[number] - ends[number - 1]
    share = (x - ends[number - 1]) / jnp.where(width > 0, width, 1)
    return heights[number - 1] + share * (heights[number] - heights[number - 1])


def _along(code: jax.Array, vector: jax.Array, step: jax.Array) -> jax.Array:
    """A code [D] whose product with a vector has changed by steps [...]: [..., D]."""
    share = step / jnp.vdot(vector, vector)
    return jnp.expand_dims(code, tuple(range(share.ndim))) + share[
        ..., None
    ] * jnp.expand_dims(vector, tuple(range(share.ndim)))
