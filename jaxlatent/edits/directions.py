"""Linear directions."""

from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxlatent.edits.base import (
    Described,
    Description,
    check_latent,
    check_per_row,
    check_strengths,
    describe,
    register_edit,
    shared,
    take,
)
from jaxlatent.edits.checking import check_floats, checked


@register_edit("directions")
@flax.struct.dataclass(eq=False, kw_only=True)
class Directions(Described):
    """Linear directions: `shift = latent + strength * scale * vector`.

    One unit of strength moves a latent by `scale` times its vector. Build one with
    `directions`, which checks the shapes; `Described` has the other attributes.

    Attributes:
        vectors: [K, D], the same shift for every selected row, or [K, L, D].
        scale: [K], the length of one unit of strength, in units of the vector.
        mean: [D] origin of the coordinates, or None for zero.
        bias: [K] offset of the coordinate (a boundary's intercept), or None for zero.
    """

    vectors: jax.Array
    scale: jax.Array
    mean: jax.Array | None = shared(default=None)
    bias: jax.Array | None = None

    def __len__(self) -> int:
        return self.vectors.shape[0]

    @property
    def dimension(self) -> int:
        """D."""
        return self.vectors.shape[-1]

    def check(self) -> None:
        """Refuse arrays that do not fit each other, and what `Described` refuses."""
        check_vectors(self)
        if self.mean is not None:
            check_floats("mean", self.mean, (self.dimension,))
        if self.bias is not None:
            check_floats("bias", self.bias, (len(self),))
        super().check()

    def shift(
        self, latent: jax.Array, index: ArrayLike, strength: ArrayLike
    ) -> jax.Array:
        """Move latents relative to where they are.

        Args:
            latent: [N, D] or, for w+, [N, L, D].
            index: direction, scalar or [N].
            strength: in units of `scale`, scalar or [N].

        Returns:
            Latents of the same shape and dtype. Rows whose traced index is out of
            range are NaN.

        Raises:
            ValueError: for a latent of another rank, dimension or kind, for `layers` on
                a latent without rows, or for an index or a strength that is neither a
                scalar nor [N].
            IndexError: for a concrete index out of range.
        """
        latent = jnp.asarray(latent)
        vector, scale = picked(self, latent, index)
        check_per_row("strength", strength, latent)
        step = jnp.asarray(strength, latent.dtype) * scale
        return latent + step.reshape((-1,) + (1,) * (latent.ndim - 1)) * vector

    def traverse(
        self, latent: jax.Array, index: ArrayLike, strengths: ArrayLike
    ) -> jax.Array:
        """`[S, *latent.shape]`: `latent` shifted by each of `strengths` [S]."""
        check_strengths(strengths)
        latent = jnp.asarray(latent)
        return jax.vmap(lambda strength: self.shift(latent, index, strength))(
            jnp.asarray(strengths, latent.dtype)
        )

    def coordinate(self, latent: jax.Array, index: ArrayLike) -> jax.Array:
        """Where latents lie along a direction, [N], in units of strength.

        A shift by s adds exactly s. For a boundary this is the signed distance to the
        hyperplane, for a principal component the component's coordinate; over several
        rows of w+ it is their average.
        """
        latent = jnp.asarray(latent)
        vector, scale = picked(self, latent, index)
        # one vector for all rows counts once for each of them
        vector = jnp.broadcast_to(vector, (vector.shape[0], *latent.shape[1:]))
        axes = tuple(range(1, latent.ndim))
        centred = latent
        if self.mean is not None:
            mean = self.mean.astype(latent.dtype)
            centred = latent - jnp.expand_dims(mean, tuple(range(latent.ndim - 1)))
        along = jnp.sum(centred * vector, axes) / jnp.sum(vector * vector, axes)
        if self.bias is not None:
            along = along + take(self.bias, index, latent.dtype)
        return along / scale

    def move_to(
        self, latent: jax.Array, index: ArrayLike, value: ArrayLike
    ) -> jax.Array:
        """Move latents along a direction until their `coordinate` is `value`."""
        latent = jnp.asarray(latent)
        check_per_row("value", value, latent)
        step = jnp.asarray(value, latent.dtype) - self.coordinate(latent, index)
        return self.shift(latent, index, step)


def check_vectors(edit: Any) -> None:
    """Refuse vectors, scales and layers of an edit that do not fit each other."""
    check_floats("vectors", edit.vectors, ("K", "D"), ("K", "L", "D"))
    count, *rows, _ = edit.vectors.shape
    check_floats("scale", edit.scale, (count,))
    layers = edit.layers
    whole = isinstance(layers, tuple) and all(type(row) is int for row in layers)
    if rows and whole and layers and max(layers) >= rows[0]:
        raise ValueError(
            f"layers: {layers} given; rows 0 to {rows[0] - 1} are accepted"
        )


def picked(
    edit: Any, latent: jax.Array, index: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """The chosen vectors, shaped to broadcast to the latent, and their scales."""
    check_latent(edit, latent, index)
    per_layer = edit.vectors.ndim == 3
    if per_layer and latent.ndim == 2:
        raise ValueError(
            f"latent: shape {latent.shape} has no rows, but these directions shift "
            "single layers; broadcast it to [N, L, D] first"
        )
    index = jnp.atleast_1d(jnp.asarray(index))
    vector = take(edit.vectors, index, latent.dtype)
    if latent.ndim == 3:
        rows = latent.shape[1]
        if per_layer and edit.vectors.shape[1] != rows:
            raise ValueError(
                f"latent: {rows} rows given; these directions have "
                f"{edit.vectors.shape[1]}"
            )
        if not per_layer:
            vector = jnp.expand_dims(vector, 1)
        if edit.layers is not None:
            selected = np.isin(np.arange(rows), edit.layers)
            vector = vector * jnp.asarray(selected, latent.dtype)[None, :, None]
    return vector, take(edit.scale, index, latent.dtype)


def directions(
    vectors: ArrayLike,
    *,
    scale: ArrayLike | None = None,
    mean: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    **told: Unpack[Description],
) -> Directions:
    """Build `Directions` and check that the pieces fit together.

    Args:
        vectors: [K, D], or [K, L, D] for directions that differ between rows of w+.
        scale: [K]; None for ones.
        mean: [D] or None.
        bias: [K] or None; added to the coordinate, in units of the vector.
        **told: `space` ("z", "w", "w+", "s" or "feature:NAME"), which is needed,
            `report`, `layers`, `names`, `method`, `generator` and `facts`; see
            `Described`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    vectors = jnp.asarray(vectors)
    count = len(vectors) if vectors.ndim else 0
    given = {
        "scale": np.ones(count, vectors.dtype) if scale is None else scale,
        "mean": mean,
        "bias": bias,
    }
    arrays: dict[str, Any] = {
        label: None if value is None else _floating(value, vectors.dtype)
        for label, value in given.items()
    }
    return checked(Directions(vectors=vectors, **arrays, **describe(count, told)))


def linear(edit: Any, argument: str) -> Directions:
    """The edit, if it is linear.

    Raises:
        TypeError: if it is not; names `argument`.
    """
    if isinstance(edit, Directions):
        return edit
    raise TypeError(
        f"{argument}: a {type(edit).__name__} given; linear directions are accepted"
    )


def _floating(value: ArrayLike, dtype: Any) -> jax.Array:
    """The value as it is where it is floating, else as `dtype`."""
    array = jnp.asarray(value)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(dtype)
