"""Linear directions."""

import dataclasses
import operator
from collections.abc import Mapping, Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxlatent.edits.base import register_edit
from jaxlatent.types import check_space


@register_edit("directions")
@flax.struct.dataclass(eq=False)
class Directions:
    """Linear directions: `shift = latent + strength * scale * vector`.

    One unit of strength moves a latent by `scale` times its vector. Build one with
    `directions`, which checks the shapes.

    Attributes:
        vectors: [K, D], the same shift for every selected row, or [K, L, D].
        scale: [K], the length of one unit of strength, in units of the vector.
        mean: [D] origin of the coordinates, or None for zero.
        bias: [K] offset of the coordinate (a boundary's intercept), or None for zero.
        info: arrays that a method learned beside the vectors (eigenvalues, ...).
        space: "z", "w", "w+", "s" or "feature:NAME".
        layers: rows of w+ that are shifted; None for all.
        names: one name per direction.
        method: the method that found them.
        generator: fingerprint of the generator they belong to, "" if unknown.
    """

    vectors: jax.Array
    scale: jax.Array
    mean: jax.Array | None
    bias: jax.Array | None
    info: dict[str, jax.Array]
    space: str = flax.struct.field(pytree_node=False)
    layers: tuple[int, ...] | None = flax.struct.field(pytree_node=False)
    names: tuple[str, ...] = flax.struct.field(pytree_node=False)
    method: str = flax.struct.field(pytree_node=False)
    generator: str = flax.struct.field(pytree_node=False)

    def __len__(self) -> int:
        return self.vectors.shape[0]

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
        vector, scale = self._pick(latent, index)
        _check_per_row("strength", strength, latent)
        step = jnp.asarray(strength, latent.dtype) * scale
        return latent + step.reshape((-1,) + (1,) * (latent.ndim - 1)) * vector

    def traverse(
        self, latent: jax.Array, index: ArrayLike, strengths: ArrayLike
    ) -> jax.Array:
        """`[S, *latent.shape]`: `latent` shifted by each of `strengths` [S]."""
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
        vector, scale = self._pick(latent, index)
        # one vector for all rows counts once for each of them
        vector = jnp.broadcast_to(vector, (vector.shape[0], *latent.shape[1:]))
        axes = tuple(range(1, latent.ndim))
        centred = latent
        if self.mean is not None:
            mean = self.mean.astype(latent.dtype)
            centred = latent - jnp.expand_dims(mean, tuple(range(latent.ndim - 1)))
        along = jnp.sum(centred * vector, axes) / jnp.sum(vector * vector, axes)
        if self.bias is not None:
            along = along + _take(self.bias, index, latent.dtype)
        return along / scale

    def move_to(
        self, latent: jax.Array, index: ArrayLike, value: ArrayLike
    ) -> jax.Array:
        """Move latents along a direction until their `coordinate` is `value`."""
        latent = jnp.asarray(latent)
        _check_per_row("value", value, latent)
        step = jnp.asarray(value, latent.dtype) - self.coordinate(latent, index)
        return self.shift(latent, index, step)

    def _pick(self, latent: jax.Array, index: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """The chosen vectors, shaped to broadcast to the latent, and their scales."""
        dimension = self.vectors.shape[-1]
        if latent.ndim not in (2, 3) or latent.shape[-1] != dimension:
            raise ValueError(
                f"latent: shape {latent.shape} given; these directions of {self.space} "
                f"accept [N, {dimension}] or [N, L, {dimension}]"
            )
        if not jnp.issubdtype(latent.dtype, jnp.floating):
            raise ValueError(f"latent: {latent.dtype} given; a floating one is needed")
        _check_per_row("index", index, latent)
        per_layer = self.vectors.ndim == 3
        if latent.ndim == 2 and (per_layer or self.layers is not None):
            raise ValueError(
                f"latent: shape {latent.shape} has no rows, but these directions shift "
                "single layers; broadcast it to [N, L, D] first"
            )
        vector = _take(self.vectors, index, latent.dtype)
        if latent.ndim == 3:
            rows = latent.shape[1]
            if per_layer and self.vectors.shape[1] != rows:
                raise ValueError(
                    f"latent: {rows} rows given; these directions have "
                    f"{self.vectors.shape[1]}"
                )
            if not per_layer:
                vector = jnp.expand_dims(vector, 1)
            if self.layers is not None:
                if max(self.layers) >= rows:
                    raise ValueError(
                        f"latent: {rows} rows given; these directions shift layers "
                        f"{self.layers}"
                    )
                selected = np.isin(np.arange(rows), self.layers)
                vector = vector * jnp.asarray(selected, latent.dtype)[None, :, None]
        return vector, _take(self.scale, index, latent.dtype)

    def select(self, indices: Sequence[int]) -> "Directions":
        """The directions at `indices`, in that order."""
        chosen = [_concrete_index(index, len(self)) for index in indices]
        rows = np.asarray(chosen, np.int32)
        return dataclasses.replace(
            self,
            vectors=self.vectors[rows],
            scale=self.scale[rows],
            bias=None if self.bias is None else self.bias[rows],
            info={
                key: value[rows] if per_direction(value, len(self)) else value
                for key, value in self.info.items()
            },
            names=tuple(self.names[index] for index in chosen),
        )

    def rename(self, names: Mapping[int, str]) -> "Directions":
        """Give the directions at the mapping's keys new names."""
        changed = list(self.names)
        for index, name in names.items():
            changed[_concrete_index(index, len(self))] = name
        return dataclasses.replace(self, names=tuple(changed))


def directions(
    vectors: ArrayLike,
    *,
    space: str,
    scale: ArrayLike | None = None,
    mean: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    info: Mapping[str, ArrayLike] | None = None,
    layers: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    method: str = "",
    generator: str = "",
) -> Directions:
    """Build `Directions` and check that the pieces fit together.

    Args:
        vectors: [K, D], or [K, L, D] for directions that differ between rows of w+.
        space: "z", "w", "w+", "s" or "feature:NAME".
        scale: [K]; None for ones.
        mean: [D] or None.
        bias: [K] or None; added to the coordinate, in units of the vector.
        info: arrays to keep beside the vectors.
        layers: rows of w+ to shift, None for all.
        names: K names; None for "direction 0", ...
        method: the method's name.
        generator: the generator's fingerprint.

    Raises:
        ValueError: names the argument that does not fit.
    """
    vectors = jnp.asarray(vectors)
    if vectors.ndim not in (2, 3) or not jnp.issubdtype(vectors.dtype, jnp.floating):
        raise ValueError(
            f"vectors: {vectors.dtype} {vectors.shape} given; floating [K, D] or "
            "[K, L, D] is accepted"
        )
    count, dimension = vectors.shape[0], vectors.shape[-1]
    check_space(space)
    if layers is not None:
        layers = tuple(sorted({operator.index(layer) for layer in layers}))
        rows = vectors.shape[1] if vectors.ndim == 3 else None
        if not layers or layers[0] < 0 or (rows is not None and layers[-1] >= rows):
            raise ValueError(f"layers: {layers} given; rows from 0 up are accepted")
    if names is None:
        names = [f"direction {index}" for index in range(count)]
    names = tuple(names)
    if len(names) != count:
        raise ValueError(f"names: {len(names)} given for {count} directions")
    scale = jnp.ones(count, vectors.dtype) if scale is None else jnp.asarray(scale)
    for label, value, shape in (
        ("scale", scale, (count,)),
        ("mean", mean, (dimension,)),
        ("bias", bias, (count,)),
    ):
        if value is not None and np.shape(value) != shape:
            raise ValueError(f"{label}: shape {np.shape(value)} given; {shape} needed")
    return Directions(
        vectors=vectors,
        scale=scale,
        mean=None if mean is None else jnp.asarray(mean),
        bias=None if bias is None else jnp.asarray(bias),
        info={key: jnp.asarray(value) for key, value in (info or {}).items()},
        space=space,
        layers=layers,
        names=names,
        method=method,
        generator=generator,
    )


def _check_per_row(label: str, value: ArrayLike, latent: jax.Array) -> None:
    """Raise unless a value is a scalar or one per latent: it must not broadcast."""
    if np.shape(value) not in ((), latent.shape[:1]):
        raise ValueError(
            f"{label}: shape {np.shape(value)} given; a scalar or {latent.shape[:1]} "
            "is accepted"
        )


def _take(array: jax.Array, index: ArrayLike, dtype: jnp.dtype) -> jax.Array:
    """Entries at `index` along the first axis, [1 or N, ...]; NaN beyond the end."""
    if not isinstance(index, Tracer):
        for entry in np.atleast_1d(np.asarray(index)):
            _concrete_index(int(entry), array.shape[0])
    return (
        array.astype(dtype)
        .at[jnp.atleast_1d(index)]
        .get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
    )


def _concrete_index(index: int, count: int) -> int:
    if not 0 <= index < count:
        raise IndexError(f"index: {index} given; there are {count} directions")
    return index


def per_direction(value: jax.Array, count: int) -> bool:
    """Whether an array of `info` holds one entry for each of `count` directions."""
    return value.ndim > 0 and value.shape[0] == count
