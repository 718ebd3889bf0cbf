"""Pictures made smaller, as differentiable arithmetic on whole or shared pixels."""

import jax
import jax.numpy as jnp
import numpy as np


def shrink(image: jax.Array, sides: tuple[int, int], resize: str = "area") -> jax.Array:
    """[H, W, C] -> [h, w, C], of the `sides` (h, w).

    "area" averages what falls into a pixel, shares of pixels included; "nearest" takes
    pixel floor(i * H / h), as PyTorch's interpolation.
    """
    for axis, size in enumerate(sides):
        length = image.shape[axis]
        if length == size:
            continue
        if resize == "nearest":
            image = jnp.take(image, np.arange(size) * length // size, axis=axis)
        elif length % size == 0:
            shape = (*image.shape[:axis], size, -1, *image.shape[axis + 1 :])
            image = image.reshape(shape).mean(axis=axis + 1)
        else:
            shares = jnp.asarray(_shares(length, size), image.dtype)
            image = jnp.moveaxis(jnp.tensordot(shares, image, (1, axis)), 0, axis)
    return image


def _shares(length: int, size: int) -> np.ndarray:
    """[size, length]: which part of a new pixel each old one fills."""
    edges = np.arange(size + 1)[:, None] * length / size
    before = np.clip(edges - np.arange(length)[None], 0, 1)
    return (before[1:] - before[:-1]) * size / length
