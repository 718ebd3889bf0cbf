"""Random directions: what a method has to beat.

GANSpace compares its components with unit directions at random and with a uniformly
random rotation of the space.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.directions import Directions, directions, linear
from jaxlatent.numerics.pca import random_columns


def random_directions(like: Directions, *, key: jax.Array) -> Directions:
    """The baseline: as many unit directions at random, with the scales of `like`.

    Raises:
        TypeError: if `like` is not linear.
    """
    like = linear(like, "like")
    count, dim = like.vectors.shape[0], like.vectors.shape[-1]
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(count))
    draw = jax.vmap(lambda one: jax.random.normal(one, (dim,), like.vectors.dtype))
    vectors = draw(keys)
    vectors = vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)
    return directions(
        vectors,
        space=like.space,
        scale=like.scale,
        mean=like.mean,
        layers=like.layers,
        method="random",
        generator=like.generator,
    )


def random_basis(like: Directions, *, key: jax.Array) -> Directions:
    """The baseline: a uniformly random rotation of the whole space, [D, D]; host.

    Every direction has the spread to expect along a random one, or 1 if `like` does not
    tell it.

    Raises:
        TypeError: if `like` is not linear.
    """
    like = linear(like, "like")
    dim = like.vectors.shape[-1]
    vectors = random_columns(dim, dim, key=key).T
    if np.linalg.det(vectors) < 0:
        vectors[0] *= -1
    spread: Any = like.facts.get("random_stdev", 1.0)
    return directions(
        vectors.astype(np.float32),
        space=like.space,
        scale=jnp.full(dim, spread, like.scale.dtype),
        mean=like.mean,
        layers=like.layers,
        method="random",
        generator=like.generator,
    )
