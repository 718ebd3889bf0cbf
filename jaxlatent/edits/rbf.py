"""Warped paths: the gradient of a sum of radial basis functions, followed.

Tzelepis, Tzimiropoulos and Patras, "WarpedGANSpace: finding non-linear RBF paths in GAN
latent space", ICCV 2021, equations 1 to 3.
"""

import math
from typing import Unpack

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jaxlatent.edits.base import Described, Description, describe, register_edit, take
from jaxlatent.edits.checking import check_floats, checked
from jaxlatent.edits.paths import Followed, along_path, check_steps


@register_edit("rbf")
@flax.struct.dataclass(eq=False, kw_only=True)
class RBFField(Followed, Described):
    """Paths along the unit gradient of f_k(z) = sum_i a_ki exp(-g_k |z - s_ki|^2).

    One unit of strength is one unit of length along the path, which is a polyline of
    sides `step`; beyond `step * steps` it goes straight on. Build one with `rbf_field`;
    `Described` has the other attributes.

    Attributes:
        supports: [K, M, D] support vectors s.
        weights: [K, M], a.
        scales: [K], g, above zero.
        step: length after which the gradient is evaluated again.
        steps: evaluations each way.
    """

    supports: jax.Array
    weights: jax.Array
    scales: jax.Array
    step: float = flax.struct.field(pytree_node=False)
    steps: int = flax.struct.field(pytree_node=False)

    def __len__(self) -> int:
        return self.supports.shape[0]

    @property
    def dimension(self) -> int:
        """D."""
        return self.supports.shape[-1]

    def check(self) -> None:
        """Refuse arrays that do not fit each other, and what `Described` refuses."""
        check_floats("supports", self.supports, ("K", "M", "D"))
        check_floats("weights", self.weights, self.supports.shape[:2])
        check_floats("scales", self.scales, self.supports.shape[:1])
        if not np.all(np.asarray(self.scales) > 0):
            raise ValueError("scales: some are not above zero")
        check_steps(self.step, self.steps)
        super().check()

    def move(self, code: jax.Array, index: jax.Array, strength: jax.Array) -> jax.Array:
        """A code [D] moved along path `index`: [D], or [S, D] for [S] strengths."""
        supports, weights, scale = (
            take(array, index, code.dtype)
            for array in (self.supports, self.weights, self.scales)
        )

        away, squares = _distances(code, supports)

        def velocity(offset: jax.Array, sign: jax.Array) -> jax.Array:
            ahead = jnp.matmul(away, offset, precision="highest")
            now = squares + 2 * ahead + jnp.vdot(offset, offset, precision="highest")
            pull = _pull(away, jnp.maximum(now, 0), weights, scale, offset)
            return sign * _unit(pull)

        # how far a path has gone is small beside where it is, and keeps more digits
        start = jnp.zeros_like(code)
        gone = along_path(velocity, start, strength, step=self.step, steps=self.steps)
        return jnp.broadcast_to(code, gone.shape) + gone


def unit_gradient(
    code: jax.Array, supports: jax.Array, weights: jax.Array, scale: jax.Array
) -> jax.Array:
    """The direction in which a sum of radial basis functions grows fastest.

    Positive factors that all terms share change no direction: 2 g is left out, and the
    size of the largest term is taken from all, so that codes far from every support
    vector do not vanish.

    Distances are those of differences. Expanding the square into products would save
    the differences, but not the time, and cost the digits that a large g multiplies.

    Args:
        code: [D].
        supports: [M, D].
        weights: [M].
        scale: scalar g.

    Returns:
        [D] of length one; zero where the gradient is exactly zero.
    """
    return _unit(_pull(*_distances(code, supports), weights, scale))


def _distances(code: jax.Array, supports: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A code as seen from support vectors, [M, D], and the squared distances [M]."""
    away = code[None] - supports
    return away, jnp.sum(away * away, axis=1)


def _pull(
    away: jax.Array,
    squares: jax.Array,
    weights: jax.Array,
    scale: jax.Array,
    offset: jax.Array | None = None,
) -> jax.Array:
    """The gradient of a sum of radial basis functions, but for a positive factor.

    Args:
        away: [M, D], some code as seen from the support vectors.
        squares: [M], squared distances from where the gradient is asked for.
        weights: [M].
        scale: scalar g.
        offset: [D], from that code to there; None for that code itself.
    """
    # before the scale, where the nearest one's own exponent is zero without rounding
    exponents = -scale * (squares - jnp.min(squares))
    sizes = jnp.abs(lax.stop_gradient(weights))
    top = jnp.max(sizes)
    weights = weights / jnp.where(top > 0, top, 1)
    sizes = jnp.log(sizes / top) + jnp.log(lax.stop_gradient(squares)) / 2
    largest = jnp.max(sizes + lax.stop_gradient(exponents))
    exponents = exponents - jnp.where(jnp.isfinite(largest), largest, 0)
    # a term may have a large exponent where its weight or its distance is zero
    limit = math.log(float(jnp.finfo(away.dtype).max)) / 2
    shares = weights * jnp.exp(jnp.minimum(exponents, limit))
    pull = jnp.matmul(shares, away, precision="highest")
    return -pull if offset is None else -pull - jnp.sum(shares) * offset


def _unit(vector: jax.Array) -> jax.Array:
    """A vector of length one; zero for zero, where its slopes are finite too."""
    square = jnp.sum(vector * vector)
    safe = jnp.where(square > 0, square, 1)
    return vector * jnp.where(square == 0, 0, lax.rsqrt(safe))


def rbf_field(
    supports: ArrayLike,
    weights: ArrayLike,
    scales: ArrayLike,
    *,
    step: float = 0.2,
    steps: int = 16,
    **told: Unpack[Description],
) -> RBFField:
    """Build an `RBFField` and check that the pieces fit together.

    Args:
        supports: [K, M, D].
        weights: [K, M].
        scales: [K], above zero.
        step: length of a side of the paths.
        steps: sides each way.
        **told: as for `directions`.

    Raises:
        ValueError: names the argument that does not fit.
    """
    supports, weights, scales = map(jnp.asarray, (supports, weights, scales))
    made = RBFField(
        supports=supports,
        weights=weights,
        scales=scales,
        step=step,
        steps=steps,
        **describe(len(supports) if supports.ndim else 0, told),
    )
    return checked(made)
