"""Paths that are straight behind an invertible map, and curved before it.

With an invertible map W, the path of direction v through x is W^-1(W(x) + s v): what
stands behind W sees a straight line. Where W is a generator's way from codes to its
factors, or its mapping network, such paths are its true directions.
"""

from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxlatent.edits.base import (
    Described,
    Description,
    check_per_row,
    check_strengths,
    describe,
    register_edit,
    shared,
)
from jaxlatent.edits.checking import checked
from jaxlatent.edits.directions import check_vectors, picked
from jaxlatent.numerics.coupling import Flow, check_flow, displacement


@register_edit("flow")
@flax.struct.dataclass(eq=False, kw_only=True)
class FlowPaths(Described):
    """Paths x -> W^-1(W(x) + strength * scale * vector) of a flow W.

    One unit of strength moves W(x) by `scale` times the vector. Shifts add up: they may
    be split. Build one with `flow_paths`; `Described` has the other attributes.

    Attributes:
        vectors: [K, D], the same for every selected row, or [K, L, D].
        scale: [K], the length of one unit of strength, in units of the vector.
        flow: W, as `numerics.coupling` describes it; rows of w+ go through it one by
            one.
    """

    vectors: jax.Array
    scale: jax.Array
    flow: Flow = shared()

    def __len__(self) -> int:
        return self.vectors.shape[0]

    @property
    def dimension(self) -> int:
        """D."""
        return self.vectors.shape[-1]

    def check(self) -> None:
        """Refuse arrays that do not fit each other, and what `Described` refuses."""
        check_vectors(self)
        check_flow(self.flow, self.dimension)
        super().check()

    def shift(self, latent: Any, index: ArrayLike, strength: ArrayLike) -> jax.Array:
        """Move latents along their own paths; as `Directions.shift`, errors too."""
        latent = jnp.asarray(latent)
        vector, scale = picked(self, latent, index)
        check_per_row("strength", strength, latent)
        step = jnp.asarray(strength, latent.dtype) * scale
        change = step.reshape((-1,) + (1,) * (latent.ndim - 1)) * vector
        change = jnp.broadcast_to(change, latent.shape)
        return latent + displacement(self.flow, latent, change)

    def traverse(
        self, latent: Any, index: ArrayLike, strengths: ArrayLike
    ) -> jax.Array:
        """`[S, *latent.shape]`: `latent` shifted by each of `strengths` [S]."""
        check_strengths(strengths)
        latent = jnp.asarray(latent)
        return jax.vmap(lambda strength: self.shift(latent, index, strength))(
            jnp.asarray(strengths, latent.dtype)
        )


def flow_paths(
    vectors: ArrayLike,
    flow: Flow,
    *,
    scale: ArrayLike | None = None,
    **told: Unpack[Description],
) -> FlowPaths:
    """Build `FlowPaths` and check that the pieces fit together.

    Args:
        vectors: [K, D], or [K, L, D] for paths that differ between rows of w+.
        flow: as `numerics.coupling` describes it.
        scale: [K]; None for ones.
        **told: as for `directions`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    vectors = jnp.asarray(vectors)
    count = len(vectors) if vectors.ndim else 0
    scale = jnp.ones(count, vectors.dtype) if scale is None else jnp.asarray(scale)
    made = FlowPaths(
        vectors=vectors,
        scale=scale,
        flow=jax.tree.map(jnp.asarray, flow),
        **describe(count, told),
    )
    return checked(made)
