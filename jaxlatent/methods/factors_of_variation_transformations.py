"""What changes pictures by a known amount of a factor.

A transformation takes images [N, H, W, C] in [-1, 1] and an amount t, a traced scalar,
and returns targets of the same shape; a mask [1 or N, H, W, 1 or C], 0 where a target
is undefined; and the amount that was realised, a scalar: whole pixels alone are
moved (Plumerault et al., 2020, section 2.2, and the original code). Shapes do not
depend on t, so that one compilation serves all amounts. A user's own is a function like
these, or a pytree that can be called.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxlatent.numerics.warping import resized, sample_bilinear
from jaxlatent.types import Model, as_model

Transformed = tuple[jax.Array, jax.Array, jax.Array]
"""Targets, their mask, and the realised amount."""


def horizontal_position(images: jax.Array, amount: jax.Array) -> Transformed:
    """Move to the right by a share of the width; mid-grey comes in from the left."""
    width = images.shape[2]
    shift = _whole(amount * width)
    return *_moved(images, jnp.int32(0), shift), shift / width


def vertical_position(images: jax.Array, amount: jax.Array) -> Transformed:
    """Move down by a share of the height; mid-grey comes in from above."""
    height = images.shape[1]
    shift = _whole(amount * height)
    return *_moved(images, shift, jnp.int32(0)), shift / height


def scale(images: jax.Array, amount: jax.Array) -> Transformed:
    """Enlarge about the middle by 1 + t; mid-grey comes in where it shrinks.

    As amount counts what the numbers of pixels realise, of height and width their
    geometric mean.
    """
    targets, mask, factor = _scaled(images, 1 + amount)
    return targets, mask, factor - 1


def log_scale(images: jax.Array, amount: jax.Array) -> Transformed:
    """As `scale`, by e^t, so that t and -t undo each other."""
    targets, mask, factor = _scaled(images, jnp.exp(amount))
    return targets, mask, jnp.log(factor)


def brightness(images: jax.Array, amount: jax.Array) -> Transformed:
    """Add t to the colours, within their range; an alpha stays."""
    channels = images.shape[3]
    opaque = channels not in (2, 4)
    colours = jnp.arange(channels) < channels - (not opaque)
    brighter = jnp.clip(images + amount, -1, 1)
    targets = jnp.where(colours[None, None, None], brighter, images)
    mask = jnp.ones((1, *images.shape[1:3], 1), images.dtype)
    return targets, mask, jnp.asarray(amount, images.dtype)


TRANSFORMATIONS: dict[str, Callable[[jax.Array, jax.Array], Transformed]] = {
    "horizontal_position": horizontal_position,
    "vertical_position": vertical_position,
    "scale": scale,
    "log_scale": log_scale,
    "brightness": brightness,
}
"""The transformations by the names under which commands know them."""


def as_transformation(given: Model | str) -> Model:
    """A transformation as a pytree, by its name or as a function.

    Raises:
        ValueError: for another name.
        TypeError: for what cannot be called.
    """
    if isinstance(given, str):
        if given not in TRANSFORMATIONS:
            raise ValueError(
                f"transformation: {given!r} given; a function or one of "
                f"{', '.join(TRANSFORMATIONS)} is accepted"
            )
        given = TRANSFORMATIONS[given]
    return as_model(given)


def transformed_rows(
    transformation: Model, images: jax.Array, amounts: jax.Array
) -> Transformed:
    """Each of N pictures transformed by an amount of its own.

    Args:
        transformation: see above.
        images: [N, H, W, C].
        amounts: [N].

    Returns:
        Targets [N, H, W, C], masks [N, H, W, 1 or C], realised amounts [N].

    Raises:
        ValueError: for a transformation that returns anything else than it should.
    """
    shape = images.shape[1:]

    def one(image: jax.Array, amount: jax.Array) -> Transformed:
        returned = transformation(image[None], amount)
        fits = isinstance(returned, tuple) and len(returned) == 3
        shapes = [jnp.shape(part) for part in returned] if fits else []
        masks = ((1, *shape), (1, *shape[:2], 1))
        if not fits or shapes[0] != (1, *shape) or shapes[1] not in masks:
            raise ValueError(
                f"transformation: returned {shapes or type(returned).__name__}; of "
                f"images {(1, *shape)}, targets and a mask {masks[1]} are accepted, "
                "and the realised amount"
            )
        targets, mask, realised = returned
        return targets[0], mask[0], jnp.reshape(realised, ())

    return jax.vmap(one)(images, amounts)


def _whole(pixels: jax.Array) -> jax.Array:
    """Pixels without their fraction, but for one that rounding took away."""
    return jnp.trunc(pixels * (1 + 1e-6)).astype(jnp.int32)


def _moved(images: jax.Array, down: jax.Array, right: jax.Array) -> Any:
    """Moved by whole pixels, with the mask."""
    return _seen(images, images.shape[1:3], (-down, -right))


def _scaled(
    images: jax.Array, factor: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Enlarged, with the mask and the factor that whole numbers of pixels make of it.

    As the original: so many pixels in the middle, or all and some around, are brought
    to the picture's size, bilinearly and without a look beyond them.
    """
    sizes = images.shape[1:3]
    kept = [_whole(size / factor) for size in sizes]
    beside = [size - part for size, part in zip(sizes, kept, strict=True)]
    offsets = [jnp.sign(one) * (jnp.abs(one) // 2) for one in beside]
    gained = math.prod(sizes) / (kept[0] * kept[1])
    return *_seen(images, kept, offsets), jnp.sqrt(gained)


def _seen(
    images: jax.Array, kept: Sequence[ArrayLike], offsets: Sequence[ArrayLike]
) -> tuple[jax.Array, jax.Array]:
    """Some rows and columns brought to a picture's size, and where there were any.

    Args:
        images: [N, H, W, C].
        kept: how many rows and columns.
        offsets: the first row and column, outside the picture perhaps.
    """
    sizes = images.shape[1:3]
    places, pixels = [], []
    for grid, size, part, offset in zip(
        jnp.indices(sizes), sizes, kept, offsets, strict=True
    ):
        rest, first = resized(grid, size, part)
        places.append(rest.astype(images.dtype))
        pixels.append(first + offset)

    def look(image: jax.Array) -> jax.Array:
        return sample_bilinear(image, *places[::-1], origin=tuple(pixels[::-1]))

    ones = jnp.ones((1, *sizes, 1), images.dtype)
    return jax.vmap(look)(images), jax.vmap(look)(ones)
