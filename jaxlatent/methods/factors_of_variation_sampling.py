"""Codes with a chosen distribution of a factor, and the distribution that it has.

Where s = <z, u> is standard normal and t = g(s), t has the distribution function
Phi(g^-1(t)) and the density phi(g^-1(t)) / g'(g^-1(t)). A code whose s is the share
Phi(s) of all gets a factor of the same share of another distribution, F (Plumerault et
al., 2020, section 2.4):

    s' = g^-1(F^-1(Phi(s))).
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jax.typing import ArrayLike

from jaxlatent.edits.factor import Factors, places_of

Function = Callable[[jax.Array], jax.Array]


def impose(
    edit: Factors,
    latent: jax.Array,
    index: int,
    quantile: Function,
    *,
    cdf: Function = norm.cdf,
) -> tuple[jax.Array, jax.Array]:
    """Move codes along a direction so that the factor gets a distribution.

    Args:
        edit: the factors.
        latent: [N, D], drawn from the prior.
        index: the direction.
        quantile: shares [N] in (0, 1) -> values of the factor [N]: the inverse F^-1 of
            a distribution function; `quantile_of_density` and `quantile_of_cdf` make
            one.
        cdf: distribution function of <z, u> / |u|; another than the normal one for
            truncated priors, or codes of w.

    Returns:
        The codes [N, D], and where [N] the wanted value is beyond the range of g, whose
        nearest end is taken.
    """
    latent = jnp.asarray(latent)
    vector = edit.vectors[index].astype(latent.dtype)
    share = cdf(latent @ (vector / jnp.linalg.norm(vector)))
    value = quantile(share)
    low, high = edit.limits[index]
    return edit.move_to(latent, index, value), (value < low) | (value > high)


def quantile_of_density(
    density: Function, limits: tuple[float, float], points: int = 1001
) -> Function:
    """F^-1 of a density, which need not have an integral of one.

    Args:
        density: values [P] of the factor -> [P], none negative.
        limits: least and largest value that count.
        points: places at which the density is looked up; straight between them.

    Raises:
        ValueError: for a density that is negative, not finite or zero everywhere.
    """
    values = np.linspace(*limits, points)
    heights = np.asarray(density(jnp.asarray(values)), np.float64)
    if not np.isfinite(heights).all() or heights.min() < 0 or not heights.max() > 0:
        raise ValueError(
            f"density: from {heights.min():g} to {heights.max():g} within {limits}; "
            "finite numbers from 0, not all of them 0, are accepted"
        )
    areas = (heights[1:] + heights[:-1]) / 2
    return _inverse(values, np.concatenate([[0.0], np.cumsum(areas)]))


def quantile_of_cdf(
    cdf: Function, limits: tuple[float, float], points: int = 1001
) -> Function:
    """F^-1 of a distribution function, or of one that is cut off at limits.

    Args:
        cdf: values [P] of the factor -> [P], never falling.
        limits: least and largest value that count.
        points: places at which the function is looked up; straight between them.

    Raises:
        ValueError: for a function that falls, is not finite or does not rise at all.
    """
    values = np.linspace(*limits, points)
    shares = np.asarray(cdf(jnp.asarray(values)), np.float64)
    rises = np.isfinite(shares).all() and np.diff(shares).min() >= 0
    if not rises or not shares[-1] > shares[0]:
        raise ValueError(
            f"cdf: from {shares[0]:g} to {shares[-1]:g} within {limits}; finite "
            "numbers that rise are accepted"
        )
    return _inverse(values, shares - shares[0])


def implied_cdf(edit: Factors, index: int, values: ArrayLike) -> jax.Array:
    """The share of standard normal codes whose factor is at most `values` [T]: [T].

    It jumps where g is flat, and so at the ends of its range.
    """
    knots, heights, deviation = _link(edit, index)
    values = jnp.asarray(values, heights.dtype)
    share = norm.cdf(places_of(knots, heights, values)[1] / deviation)
    return jnp.where(values < heights[0], 0.0, share)


def implied_density(edit: Factors, index: int, values: ArrayLike) -> jax.Array:
    """The density of the factor at `values` [T] over standard normal codes: [T].

    What a generator, and so its data, prefer. Zero beyond the range of g; what
    `implied_cdf` jumps by is not in it.
    """
    knots, heights, deviation = _link(edit, index)
    values = jnp.asarray(values, heights.dtype)

    def place(value: jax.Array) -> jax.Array:
        return places_of(knots, heights, value)[1] / deviation

    places, steps = jax.vmap(jax.value_and_grad(place))(values)
    inside = (values > heights[0]) & (values < heights[-1])
    return jnp.where(inside, norm.pdf(places) * steps, 0.0)


def energy_per_chunk(vector: ArrayLike, sizes: Sequence[int]) -> np.ndarray:
    """The shares of a direction's squared length in parts of the code.

    In BigGAN, whose code is split among its blocks, factors of space live in the first
    parts (Plumerault et al., 2020, section 3.3).

    Args:
        vector: [D].
        sizes: of the parts, which add up to D.

    Returns:
        [len(sizes)], of sum one.

    Raises:
        ValueError: for other sizes.
    """
    squares = np.asarray(vector, np.float64) ** 2
    if sum(sizes) != squares.size or min(sizes) < 1:
        raise ValueError(
            f"sizes: {tuple(sizes)} given; numbers from 1 that add up to "
            f"{squares.size} are accepted"
        )
    parts = np.split(squares, np.cumsum(sizes)[:-1])
    return np.asarray([part.sum() for part in parts]) / squares.sum()


def _link(edit: Factors, index: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Knots and values of a g, and the deviation of <z, u> over normal codes."""
    lengths = jnp.linalg.norm(edit.vectors[index])
    return edit.knots[index], edit.values[index], lengths


def _inverse(values: np.ndarray, shares: np.ndarray) -> Function:
    """Shares of the last of them -> values; a pytree that can be called."""
    table = jnp.asarray(shares / shares[-1]), jnp.asarray(values)
    return jax.tree_util.Partial(_looked_up, *table)


def _looked_up(shares: jax.Array, values: jax.Array, share: Any) -> jax.Array:
    return jnp.interp(share, shares, values)
