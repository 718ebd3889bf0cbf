"""Paths along the Local Basis of a mapping network, found anew at every step.

Choi, Lee, Yoon, Park, Hwang and Kang, "Do Not Escape From the Manifold: Discovering the
Local Coordinates on the Latent Space of GANs", ICLR 2022: iterative curve traversal.
"""

from collections.abc import Mapping
from typing import Any, Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jaxlatent.edits.base import (
    Described,
    Description,
    describe,
    register_edit,
    shared,
    take,
)
from jaxlatent.edits.checking import check_floats, checked
from jaxlatent.edits.paths import Followed, along_path, check_steps
from jaxlatent.edits.walks import check_dense_layers, dense_network
from jaxlatent.numerics.coupling import check_flow, forward
from jaxlatent.numerics.local_bases import jacobian_at
from jaxlatent.numerics.moments import product
from jaxlatent.texts import shown


@register_edit("local_basis")
@flax.struct.dataclass(eq=False, kw_only=True)
class LocalBasis(Followed, Described):
    """Paths of z on which w = f(z) follows the singular vectors of f's Jacobian.

    It moves z, and w comes out of the mapping network f, so that it never leaves the
    image of f: where the original says "latent", this edit's space is "z". A step with
    singular value s and vectors u, v takes z to z + step v / s, which moves w by about
    step u: one unit of strength is one unit of length in w. At the start the vector is
    that of the k-th largest value, turned to the side of the reference; at every later
    point it is the one nearest to the last, turned to its side. Beyond `step * steps`
    the last step goes straight on in z.

    Singular values come from J^T J: in single precision those below some 1e-3 (D = 10)
    or 1e-2 (D = 500) of the largest are rounding, and along theirs no code moves.
    Derivatives are right to first order.

    Build one with `local_basis`; `Described` has the other attributes.

    Attributes:
        number: [K], which singular vector, 0 for that of the largest value.
        reference: [K, M], directions of w; a vector points to the side of its own.
        mapping: f. {"layers": dense layers "0", "1", ..., each "weight" [in, out] and
            "bias" [out], and a rectifier behind each}; {"flow": as `numerics.coupling`
            describes it}; or a pytree that can be called, z [1, D] -> [1, ...], which
            no file holds.
        size: D, the length of z.
        step: length after which the basis is found anew.
        steps: how often, each way.
        slope: of the rectifiers below zero.
        normalize: whether z is brought to a mean square of one before the layers.
    """

    number: jax.Array
    reference: jax.Array
    mapping: Any = shared()
    size: int = flax.struct.field(pytree_node=False)
    step: float = flax.struct.field(pytree_node=False)
    steps: int = flax.struct.field(pytree_node=False)
    slope: float = flax.struct.field(pytree_node=False, default=0.2)
    normalize: bool = flax.struct.field(pytree_node=False, default=True)

    def __len__(self) -> int:
        return self.number.shape[0]

    @property
    def dimension(self) -> int:
        """D."""
        return self.size

    def check(self) -> None:
        """Refuse fields that do not fit each other, and what `Described` refuses."""
        check_steps(self.step, self.steps)
        check_floats("number", self.number, ("K",))
        check_floats("reference", self.reference, ("K", "M"))
        size, slope = self.size, self.slope
        if type(size) is not int or size < 1:
            raise ValueError(f"size: {shown(size)} given; 1 or more is accepted")
        if type(slope) not in (int, float) or not 0 <= slope <= 1:
            raise ValueError(f"slope: {shown(slope)} given; 0 to 1 is accepted")
        if type(self.normalize) is not bool:
            raise ValueError(
                f"normalize: {shown(self.normalize)} given; true or false is accepted"
            )
        width = self._checked_width()
        if width is not None and width != self.reference.shape[1]:
            raise ValueError(
                f"reference: {self.reference.shape[1]} numbers each given; {width}, as "
                "the mapping makes, are accepted"
            )
        most = min(size, self.reference.shape[1])
        for number in np.asarray(self.number, np.float64).tolist():
            if number not in range(most):
                raise ValueError(
                    f"number: {number:g} given; whole ones from 0 to {most - 1} are "
                    "accepted"
                )
        super().check()

    def _checked_width(self) -> int | None:
        """M as far as the mapping tells it."""
        if callable(self.mapping):
            return None
        if not isinstance(self.mapping, Mapping) or len(self.mapping) != 1:
            raise ValueError(
                f"mapping: {shown(self.mapping)} given; layers, a flow or a function "
                "is accepted"
            )
        (kind, weights), *_ = self.mapping.items()
        if kind == "flow":
            check_flow(weights, self.size)
            return self.size
        if kind != "layers":
            raise ValueError(
                f"mapping: {shown(kind)} given; layers or flow is accepted"
            )
        return check_dense_layers("mapping", weights, self.size)

    def map(self, code: jax.Array) -> jax.Array:
        """The mapping network at one code: z [D] -> w [M]."""
        mapping: Any = self.mapping
        if callable(mapping):
            return jnp.asarray(mapping(code[None]))[0].ravel()
        mapping = jax.tree.map(lambda leaf: jnp.asarray(leaf, code.dtype), mapping)
        if "flow" in mapping:
            return forward(mapping["flow"], code)
        if self.normalize:
            code = code * lax.rsqrt(jnp.mean(code * code) + 1e-8)
        last = dense_network(mapping["layers"], code, self.slope)
        return jax.nn.leaky_relu(last, self.slope)

    def move(self, code: jax.Array, index: jax.Array, strength: jax.Array) -> jax.Array:
        """A code [D] moved along path `index`: [D], or [S, D] for [S] strengths."""
        # no eigenproblem is solved in half precision
        dtype = jnp.promote_types(code.dtype, jnp.float32)
        number = take(self.number, index, dtype)
        reference = take(self.reference, index, dtype)

        def velocity(
            point: jax.Array, sign: jax.Array, last: jax.Array
        ) -> tuple[jax.Array, jax.Array]:
            change, tangent = self._step(point, number, reference, last)
            return sign * change, tangent

        moved = along_path(
            velocity,
            code.astype(dtype),
            strength.astype(dtype),
            step=self.step,
            steps=self.steps,
            memory=jnp.zeros_like(reference),
        )
        return moved.astype(code.dtype)

    def _step(
        self,
        point: jax.Array,
        number: jax.Array,
        reference: jax.Array,
        last: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        """The change of z [D] per unit of length in w, and the way of w, [M]."""
        jacobian = jacobian_at(self.map, point)
        fixed = lax.stop_gradient(jacobian)
        values, vectors = jnp.linalg.eigh(product(fixed.T, fixed))
        images = product(fixed, vectors)
        lengths = jnp.linalg.norm(images, axis=0)
        # directions along which w rests have images of rounding, in any direction
        rounding = len(values) * jnp.finfo(values.dtype).eps * values[-1]
        sound = values > rounding
        tangents = images / jnp.where(sound, lengths, jnp.inf)[None]
        first = jnp.all(last == 0)
        rank = jnp.clip(jnp.nan_to_num(number), 0, len(values) - 1)
        by_size = len(values) - 1 - jnp.round(rank).astype(jnp.int32)
        by_likeness = jnp.argmax(jnp.abs(product(last[None], tangents)[0]))
        column = jnp.where(first, by_size, by_likeness)
        towards = jnp.vdot(jnp.where(first, reference, last), tangents[:, column])
        turn = jnp.where(towards < 0, -1, 1).astype(point.dtype)
        vector = turn * vectors[:, column]
        # its derivative is that of an eigenvector; gaps of rounding count for none
        gaps = values[column] - values
        apart = jnp.abs(gaps) > jnp.finfo(gaps.dtype).eps * values[-1]
        shares = jnp.where(apart, 1 / jnp.where(apart, gaps, 1), 0)
        pulled = product(jacobian.T, product(jacobian, vector))
        turned = product(vectors.T, pulled - lax.stop_gradient(pulled))
        vector = vector + product(vectors, shares * turned)
        image = product(jacobian, vector)
        square = jnp.vdot(image, image)
        inverse = lax.rsqrt(jnp.where(sound[column], square, 1)) * sound[column]
        inverse = jnp.where(jnp.isnan(number), jnp.nan, inverse)
        return vector * inverse, lax.stop_gradient(turn * tangents[:, column])


def local_basis(
    mapping: Any,
    number: ArrayLike,
    reference: ArrayLike,
    *,
    size: int,
    step: float = 1.0,
    steps: int = 12,
    slope: float = 0.2,
    normalize: bool = True,
    **told: Unpack[Description],
) -> LocalBasis:
    """Build a `LocalBasis` and check that the pieces fit together.

    Args:
        mapping: the mapping network; see `LocalBasis`.
        number: [K].
        reference: [K, M].
        size: D.
        step: length of a step in w.
        steps: steps each way; 12 of length 1 in the original.
        slope: of rectifiers below zero.
        normalize: whether z is brought to a mean square of one before layers.
        **told: as for `directions`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    number, reference = jnp.asarray(number, jnp.float32), jnp.asarray(reference)
    made = LocalBasis(
        number=number,
        reference=reference,
        mapping=jax.tree.map(jnp.asarray, mapping),
        size=size,
        step=step,
        steps=steps,
        slope=slope,
        normalize=normalize,
        **describe(len(number), told),
    )
    return checked(made)
