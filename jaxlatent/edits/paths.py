"""Paths of edits that are not linear: where a field carries a code.

A path goes on by steps of one length, straight within each. So a strength is a place on
one polyline, whichever strengths are asked for beside it, and a whole traversal follows
the polyline once.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxlatent.edits.base import (
    check_latent,
    check_per_row,
    check_strengths,
    move_rows,
)
from jaxlatent.texts import shown

Velocity = Callable[[jax.Array, jax.Array], jax.Array]
"""(code [D], sign) -> the change per unit of strength [D], of that sign."""

Tracking = Callable[[jax.Array, jax.Array, Any], tuple[jax.Array, Any]]
"""Likewise of a field that looks back: it takes, and returns too, what it remembers."""

Project = Callable[[jax.Array], jax.Array]
"""Brings a code [D] back to where codes may be."""


def along_path(
    velocity: Velocity | Tracking,
    code: jax.Array,
    strength: jax.Array,
    *,
    step: float,
    steps: int,
    project: Project | None = None,
    memory: Any = None,
) -> jax.Array:
    """Where a code is after it followed a field by a strength, or by each of several.

    Args:
        velocity: the field; called with sign 1 or -1, and returns the way backwards for
            the latter.
        code: [D].
        strength: scalar, or [S]. Beyond `step * steps` the last step goes straight on.
        step: strength after which the field is evaluated again.
        steps: how many evaluations there are, each way.
        project: of every point of the path; None for none.
        memory: what a `Tracking` field remembers at the start; None for a `Velocity`.

    Returns:
        [D], or [S, D].
    """
    project = project or (lambda point: point)
    field: Any = velocity

    def change_at(point: jax.Array, sign: jax.Array, kept: Any) -> tuple[Any, Any]:
        if memory is None:
            return field(point, sign), None
        return field(point, sign, kept)

    def follow(sign: jax.Array) -> tuple[jax.Array, jax.Array]:
        def advance(state: Any, _: None) -> tuple[Any, Any]:
            point, kept = state
            change, kept = change_at(point, sign, kept)
            return (project(point + step * change), kept), (point, change)

        return lax.scan(advance, (code, memory), length=steps)[1]

    size = jnp.abs(strength)
    done = jnp.clip(jnp.floor(size / step), 0, steps - 1)
    number, rest = done.astype(jnp.int32), (size - done * step)[..., None]
    if strength.ndim == 0:
        points, changes = follow(jnp.where(strength < 0, -1.0, 1.0).astype(code.dtype))
        return project(points[number] + rest * changes[number])
    points, changes = jax.vmap(follow)(jnp.asarray([1, -1], code.dtype))
    side = (strength < 0).astype(jnp.int32)
    places = points[side, number] + rest * changes[side, number]
    return jax.vmap(project)(places)


MOST_STEPS = 100_000
"""Of a path, each way; every one is an evaluation, and a point that is held."""


_STEPS = (1e-9, 1e9)


def check_steps(step: Any, steps: Any) -> None:
    """Refuse a length that is not above zero, or a number of steps that is none.

    Raises:
        ValueError: naming both.
    """
    real = isinstance(step, int | float | np.number) and not isinstance(step, bool)
    whole = isinstance(steps, int | np.integer) and not isinstance(steps, bool)
    fits = real and whole and _STEPS[0] <= step <= _STEPS[1]
    if not fits or not 1 <= steps <= MOST_STEPS:
        raise ValueError(
            f"step, steps: {shown(step)}, {shown(steps)} given; a strength from "
            f"{_STEPS[0]:g} to {_STEPS[1]:g} and 1 to {MOST_STEPS} steps are accepted"
        )


class Followed:
    """`shift` and `traverse` of a kind that moves single codes along paths.

    The kind offers `move(code [D], index, strength) -> [..., D]`, for a scalar strength
    or for [S] of them, and what `Described` has.
    """

    layers: tuple[int, ...] | None
    move: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

    def shift(self, latent: Any, index: Any, strength: Any) -> jax.Array:
        """Move latents along a direction from where they are.

        Args:
            latent: [N, D] or, for w+, [N, L, D], whose chosen rows move as codes of
                their own.
            index: direction, scalar or [N].
            strength: scalar or [N].

        Returns:
            Latents of the same shape and dtype. Rows whose traced index is out of range
            are NaN.

        Raises:
            ValueError: for a latent, an index or a strength of another shape or kind.
            IndexError: for a concrete index out of range.
        """
        latent = jnp.asarray(latent)
        check_latent(self, latent, index)
        check_per_row("strength", strength, latent)
        return move_rows(self.move, latent, index, strength, self.layers)

    def traverse(self, latent: Any, index: Any, strengths: Any) -> jax.Array:
        """`[S, *latent.shape]`: all of `strengths` [S] on one path for each code."""
        latent = jnp.asarray(latent)
        check_latent(self, latent, index)
        check_strengths(strengths)
        strengths = jnp.asarray(strengths, latent.dtype)
        return move_rows(self.move, latent, index, strengths[None], self.layers)
