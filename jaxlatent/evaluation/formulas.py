"""Scorers that need no network: one number per picture, by a formula.

Each takes images [N, H, W, C] in [-1, 1], of 1 channel (grey), 2 (grey and alpha), 3
(red, green, blue) or 4 (colours and alpha), and returns [N]. They look at grey or the
colours as they are stored: an alpha changes no score. Values beyond the range count as
they are, so that gradients do not vanish there. Luma weighs red, green and blue as
ITU-R BT.601 does. Other numbers of channels raise ValueError.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

LUMA = (0.299, 0.587, 0.114)
_TINY = 1e-6


def brightness(images: jax.Array) -> jax.Array:
    """Mean luma, 0 for black to 1 for white."""
    return jnp.mean(luma(images), axis=(1, 2))


def contrast(images: jax.Array) -> jax.Array:
    """Standard deviation of luma, at most 0.5 within the range."""
    return _deviation(luma(images))


def colourfulness(images: jax.Array) -> jax.Array:
    """Spread and mean of the opponent colours; 0 for gray.

    Source: Hasler and Suesstrunk, "Measuring colourfulness in natural images" (2003),
    eq. 10, for colours in [0, 1].
    """
    red, green, blue = _channels(images)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = _length(_deviation(red_green), _deviation(yellow_blue))
    mean = _length(jnp.mean(red_green, axis=(1, 2)), jnp.mean(yellow_blue, axis=(1, 2)))
    return spread + 0.3 * mean


def sharpness(images: jax.Array) -> jax.Array:
    """Variance of the Laplacian of luma (four neighbours), inside the border."""
    y = luma(images)
    laplacian = (
        y[:, :-2, 1:-1]
        + y[:, 2:, 1:-1]
        + y[:, 1:-1, :-2]
        + y[:, 1:-1, 2:]
        - 4 * y[:, 1:-1, 1:-1]
    )
    return jnp.var(laplacian, axis=(1, 2))


def saturation(images: jax.Array) -> jax.Array:
    """Mean of (max - min) / max over the colours, 0 for gray; the S of HSV."""
    colours = _colours(images)
    high, low = jnp.max(colours, axis=3), jnp.min(colours, axis=3)
    return jnp.mean((high - low) / jnp.maximum(high, _TINY), axis=(1, 2))


def edge_density(images: jax.Array) -> jax.Array:
    """Mean length of the gradient of luma (central differences), inside the border."""
    y = luma(images)
    down = (y[:, 2:, 1:-1] - y[:, :-2, 1:-1]) / 2
    right = (y[:, 1:-1, 2:] - y[:, 1:-1, :-2]) / 2
    return jnp.mean(_length(down, right), axis=(1, 2))


def symmetry(images: jax.Array) -> jax.Array:
    """One minus the mean difference from the left-right mirror image; 1 if equal."""
    y = luma(images)
    return 1 - jnp.mean(jnp.abs(y - y[:, :, ::-1]), axis=(1, 2))


def centre_x(images: jax.Array) -> jax.Array:
    """Centre of mass of luma, in pixels to the right of the middle."""
    return _centre(luma(images), 2)


def centre_y(images: jax.Array) -> jax.Array:
    """Centre of mass of luma, in pixels below the middle."""
    return _centre(luma(images), 1)


def extent(images: jax.Array) -> jax.Array:
    """Root mean square distance of luma from its centre of mass, in pixels."""
    y = luma(images)
    across, down = (
        _places(y, axis) - _centre(y, axis)[:, None, None] for axis in (2, 1)
    )
    square = jnp.sum(y * (across**2 + down**2), (1, 2)) / _mass(y)
    return _root(jnp.maximum(square, 0))


def thickness(images: jax.Array) -> jax.Array:
    """Mean width of strokes of light on dark, in pixels.

    A stroke's area is its width times its length, and along both of its edges together
    luma changes by twice its height times its length.
    """
    y = luma(images)
    down = (y[:, 1:, :-1] - y[:, :-1, :-1]) ** 2
    across = (y[:, :-1, 1:] - y[:, :-1, :-1]) ** 2
    edges = jnp.sum(_root(down + across), axis=(1, 2))
    area = jnp.sum(y[:, :-1, :-1], axis=(1, 2))
    return 2 * area / jnp.maximum(edges, _TINY)


def slant(images: jax.Array) -> jax.Array:
    """How far light leans to the right, pixels across for each pixel up.

    The regression of the column on the row, weighed by luma.
    """
    y = luma(images)
    across, down = (
        _places(y, axis) - _centre(y, axis)[:, None, None] for axis in (2, 1)
    )
    mixed, square = jnp.sum(y * across * down, (1, 2)), jnp.sum(y * down**2, (1, 2))
    return -mixed / jnp.where(jnp.abs(square) < _TINY, _TINY, square)


FORMULAS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "brightness": brightness,
    "contrast": contrast,
    "colourfulness": colourfulness,
    "sharpness": sharpness,
    "saturation": saturation,
    "edge-density": edge_density,
    "symmetry": symmetry,
    "centre-x": centre_x,
    "centre-y": centre_y,
    "extent": extent,
    "thickness": thickness,
    "slant": slant,
}
"""The formulas by the names under which commands know them."""


def luma(images: jax.Array) -> jax.Array:
    """[N, H, W, C] in [-1, 1] -> [N, H, W] in [0, 1]."""
    colours = _colours(images)
    if colours.shape[3] == 1:
        return colours[..., 0]
    return colours @ jnp.asarray(LUMA, images.dtype)


def _mass(y: jax.Array) -> jax.Array:
    """The sum of luma [N, H, W], away from zero."""
    mass = jnp.sum(y, axis=(1, 2))
    return jnp.where(jnp.abs(mass) < _TINY, _TINY, mass)


def _places(y: jax.Array, axis: int) -> jax.Array:
    """How far pixels [1, H, 1] or [1, 1, W] are from the middle of an axis."""
    size = y.shape[axis]
    places = jnp.arange(size, dtype=y.dtype) - (size - 1) / 2
    return jnp.expand_dims(places, (0, 3 - axis))


def _centre(y: jax.Array, axis: int) -> jax.Array:
    return jnp.sum(y * _places(y, axis), (1, 2)) / _mass(y)


def _colours(images: jax.Array) -> jax.Array:
    """Images in [-1, 1] -> grey [N, H, W, 1] or colours [N, H, W, 3] in [0, 1]."""
    channels = images.shape[-1]
    if images.ndim != 4 or channels not in (1, 2, 3, 4):
        raise ValueError(
            f"images: shape {images.shape} given; [N, H, W, C] with 1 (grey), 2 (grey "
            "and alpha), 3 (colours) or 4 (colours and alpha) channels is accepted"
        )
    shown = images[..., :-1] if channels in (2, 4) else images
    return (shown + 1) / 2


def _channels(images: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    colours = _colours(images)
    colours = jnp.broadcast_to(colours, (*colours.shape[:3], 3))
    return colours[..., 0], colours[..., 1], colours[..., 2]


def _length(x: jax.Array, y: jax.Array) -> jax.Array:
    """sqrt(x^2 + y^2); its gradient is finite everywhere."""
    return _root(x * x + y * y)


def _deviation(values: jax.Array) -> jax.Array:
    """Standard deviation over a picture; its gradient is finite everywhere."""
    return _root(jnp.var(values, axis=(1, 2)))


def _root(square: jax.Array) -> jax.Array:
    safe = jnp.where(square > 0, square, 1.0)
    return jnp.where(square > 0, jnp.sqrt(safe), 0.0)
