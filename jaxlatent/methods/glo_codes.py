"""Codes of GLO: where they begin, where they may be, and the Gaussian around them."""

import warnings
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.numerics.moments import init_moments, update_joint
from jaxlatent.numerics.pca import (
    leading,
    principal_components,
    randomized_components,
    sweep_batches,
)
from jaxlatent.training.sources import Source

EXACT = 1024
"""Numbers of a picture up to which its covariance is held in full."""
MOST_PICTURES = 24_576
"""Pictures that principal components are found from, as many as minimal_glo's."""
_BATCH = 256


def as_images(images: jax.Array) -> jax.Array:
    """Pictures of 8 bits as images in [-1, 1]; images as they are."""
    if images.dtype != jnp.uint8:
        return images
    return images.astype(jnp.float32) / 127.5 - 1


def project(codes: jax.Array, projection: str) -> jax.Array:
    """Codes [N, D] brought into the unit "ball", onto the "sphere", or left ("none").

    Inside the ball nothing moves. A code of zeros stays where it is.
    """
    if projection == "none":
        return codes
    squares = jnp.sum(codes**2, axis=-1, keepdims=True)
    long = squares > (1.0 if projection == "ball" else 0.0)
    # of a length of zero there is no gradient
    length = jnp.sqrt(jnp.where(long, squares, 1.0))
    return codes / length


def gaussian(codes: jax.Array | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and covariance [D, D] of codes [N, D], divisor N - 1; double precision.

    Raises:
        ValueError: for fewer than two codes.
    """
    rows = np.asarray(codes, np.float64)
    if len(rows) < 2:
        raise ValueError(f"codes: {len(rows)} given; 2 or more are accepted")
    mean = rows.mean(0)
    centred = rows - mean
    return mean, centred.T @ centred / (len(rows) - 1)


def pca_codes(pictures: Source, dim: int, *, key: jax.Array) -> np.ndarray:
    """The principal coordinates [N, dim] of pictures, single precision.

    Components are found from `MOST_PICTURES` of them at most, evenly spread: exactly
    where pictures have up to `EXACT` numbers, else by two passes of subspace iteration.
    Pictures of fewer numbers than `dim`, or that spread in fewer directions, have zeros
    behind.

    Args:
        pictures: {"image": [N, H, W, C]} by number.
        dim: of the codes.
        key: of the subspace iteration.
    """
    count = len(pictures)
    chosen = np.linspace(0, count - 1, min(count, MOST_PICTURES)).astype(np.int64)

    def rows(numbers: np.ndarray) -> jax.Array:
        images = as_images(jnp.asarray(pictures.batch(numbers)["image"]))
        return images.reshape(len(numbers), -1)

    def batches() -> Iterator[jax.Array]:
        return (rows(some) for some in _parts(chosen))

    size = rows(chosen[:1]).shape[1]
    wanted = min(dim, size, len(chosen))
    sweep = sweep_batches(batches)
    if size <= EXACT:
        moments = sweep(update_joint, init_moments(size))
        components = leading(principal_components(moments), wanted)
    else:
        with warnings.catch_warnings():  # of fewer directions: zeros are what is told
            warnings.simplefilter("ignore", UserWarning)
            components, _ = randomized_components(sweep, size, wanted, key=key)
        components = leading(components, components.rank)
    vectors, mean = jnp.asarray(components.vectors.T, jnp.float32), components.mean
    codes = np.zeros((count, dim), np.float32)
    for some in _parts(np.arange(count)):
        centred = rows(some) - jnp.asarray(mean, jnp.float32)[None]
        found = jnp.matmul(centred, vectors, precision="highest")
        codes[some, : found.shape[1]] = np.asarray(found)
    return codes


def _parts(numbers: np.ndarray) -> list[np.ndarray]:
    return [numbers[at : at + _BATCH] for at in range(0, len(numbers), _BATCH)]
