"""Edits of pictures that a walk in latent space can be taught, each with its mask.

The operators of Jahanian, Chai and Isola, "On the steerability of generative
adversarial networks" (2020): zoom, shift, rotation in the plane and about the vertical
axis, colour, and the axes of CIE Lab. All take images [N, H, W, C] and an alpha for
each of them, or one for all; all return images of the same shape and a mask
[N, H, W, 1]: ones where the edit knows what the picture should be, and zeros where it
does not. They are pure, and differentiable in the images and in alpha.

`original=True` is what the original's code computes, pixel by pixel. It differs where
it rounds (a zoom shows a whole number of pixels, an even one inwards), turns about
(W / 2, H / 2), which is half a pixel beside the middle, and sets the picture one pixel
behind the plane that it turns in space, so that the smallest rotation shrinks it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxlatent.numerics.warping import resized, sample_bilinear

_LEAST_COVERAGE = 1e-4
_ORIGINAL_COVERAGE = 1 / 64
_EYE = 1e-6

# CIE XYZ of linear sRGB over that of white (D65, 2 degrees)
_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])
LAB_UNITS = (50.0, 128.0, 128.0)
"""How far one unit of alpha moves L, a and b."""

Edited = tuple[jax.Array, jax.Array]
"""Images [N, H, W, C] and a mask [N, H, W, 1]."""

Places = Callable[[jax.Array, jax.Array, jax.Array], tuple]
"""(x, y, alpha) of a new picture's pixels -> (x, y) in the old one, and perhaps the
pixel that these are counted from."""


def zoom(images: jax.Array, alpha: ArrayLike, *, original: bool = False) -> Edited:
    """Pictures seen from another distance.

    Args:
        images: [N, H, W, C].
        alpha: scalar or [N], above 0: how much of each side is seen. Below 1 the
            middle is enlarged, above 1 the whole shrinks and zeros surround it.
        original: as the original computes it; see the module.

    Returns:
        The pictures, and their masks.
    """
    height, width = images.shape[1:3]

    def along(place: jax.Array, size: int, alpha: jax.Array) -> tuple:
        if not original:
            return (place + 0.5) * alpha - 0.5 + (1 - alpha) * size / 2, 0
        # a little more, for alpha is the exponential of a strength
        seen = jnp.floor(alpha * size + 1e-3).astype(jnp.int32)
        seen = jnp.where(alpha < 1, 2 * jnp.maximum(seen // 2, 1), seen)
        rest, pixel = resized(place, size, seen)
        return rest, pixel + size // 2 - seen // 2

    def places(x: jax.Array, y: jax.Array, alpha: jax.Array) -> tuple:
        (x, first_x), (y, first_y) = along(x, width, alpha), along(y, height, alpha)
        return x, y, (first_x, first_y)

    return _warped(images, alpha, places)


def shift(
    images: jax.Array, x: ArrayLike = 0.0, y: ArrayLike = 0.0, *, original: bool = False
) -> Edited:
    """Pictures moved to the right and down; zeros take the vacated place.

    Args:
        images: [N, H, W, C].
        x: pixels, scalar or [N]; so is `y`. Between whole ones pictures blur.
        y: likewise.
        original: there is no difference but in masks of broken shifts.

    Returns:
        The pictures, and their masks.
    """
    both = jnp.stack([_per_image(images, x), _per_image(images, y)], axis=1)
    return _warped(
        images,
        both,
        lambda x, y, alpha: (x - alpha[0], y - alpha[1]),
        coverage=_ORIGINAL_COVERAGE if original else _LEAST_COVERAGE,
    )


def rotate_2d(
    images: jax.Array,
    alpha: ArrayLike,
    *,
    original: bool = False,
    mask_turns: int = 1,
) -> Edited:
    """Pictures turned in their plane.

    Args:
        images: [N, H, W, C].
        alpha: degrees, counter-clockwise on the screen, scalar or [N].
        original: as the original computes it; see the module.
        mask_turns: 2 turns the mask twice, as the original does for MNIST.

    Returns:
        The pictures, and their masks.
    """
    middle_x, middle_y = _middle(images, original)

    def places(x: jax.Array, y: jax.Array, alpha: jax.Array) -> tuple:
        cosine, sine = _turn(alpha)
        x, y = x - middle_x, y - middle_y
        return cosine * x - sine * y + middle_x, sine * x + cosine * y + middle_y

    return _warped(
        images,
        alpha,
        places,
        coverage=_ORIGINAL_COVERAGE if original else _LEAST_COVERAGE,
        mask_turns=mask_turns,
    )


def rotate_3d(images: jax.Array, alpha: ArrayLike, *, original: bool = False) -> Edited:
    """Pictures turned in space about the vertical axis, and seen in perspective.

    The eye is as far away as the diagonal is long.

    Args:
        images: [N, H, W, C].
        alpha: degrees, scalar or [N].
        original: as the original computes it; see the module. Exactly 0 returns the
            picture as it is.

    Returns:
        The pictures, and their masks.
    """
    height, width = images.shape[1:3]
    middle_x, middle_y = _middle(images, original)
    focal = float((height**2 + width**2) ** 0.5)
    behind = 1.0 if original else 0.0

    def places(x: jax.Array, y: jax.Array, alpha: jax.Array) -> tuple:
        cosine, sine = _turn(alpha)
        u, v = x - middle_x, y - middle_y
        # the inverse of the perspective view of a plane that is `behind` its axis
        depth = focal * cosine - u * sine
        depth = jnp.where(jnp.abs(depth) < _EYE, _EYE, depth)
        far = u * (behind * cosine + focal) + focal * behind * sine
        new_x = far / depth + middle_x
        new_y = v * (behind + focal * cosine) / depth + middle_y
        still = alpha == 0
        return jnp.where(still, x, new_x), jnp.where(still, y, new_y)

    return _warped(
        images,
        alpha,
        places,
        coverage=_ORIGINAL_COVERAGE if original else _LEAST_COVERAGE,
    )


def color(images: jax.Array, alpha: ArrayLike) -> Edited:
    """Pictures with something added to their channels, beyond the range if need be.

    Args:
        images: [N, H, W, C]; of 2 or 4 channels the last is an alpha, which stays.
        alpha: scalar, [N], or [N, colours] for each of the colours.

    Returns:
        The pictures, and masks of ones.

    Raises:
        ValueError: for an alpha of another shape.
    """
    colours = num_colours(images.shape[-1])
    added = _per_colour(images, alpha, colours)
    rest = images.shape[-1] - colours
    added = jnp.pad(added, ((0, 0), (0, rest)))
    return images + added[:, None, None], jnp.ones_like(images[..., :1])


def color_lab(images: jax.Array, alpha: ArrayLike) -> Edited:
    """Pictures moved along the axes of CIE Lab: lightness, green-red, blue-yellow.

    Args:
        images: [N, H, W, 3] of sRGB in [-1, 1].
        alpha: [N, 3], in units of `LAB_UNITS`; or scalar, or [N], for the lightness.

    Returns:
        The pictures, clipped to what sRGB has, and masks of ones.

    Raises:
        ValueError: for other than 3 channels, or an alpha of another shape.
    """
    if images.shape[-1] != 3:
        raise ValueError(
            f"images: {images.shape[-1]} channels given; Lab is of 3 colours"
        )
    alpha = jnp.asarray(alpha, images.dtype)
    if alpha.ndim < 2:
        alpha = jnp.pad(_per_image(images, alpha)[:, None], ((0, 0), (0, 2)))
    units = jnp.asarray([LAB_UNITS], images.dtype)
    moved = _per_colour(images, alpha, 3) * units
    lab = rgb_to_lab((images + 1) / 2) + moved[:, None, None]
    return lab_to_rgb(lab) * 2 - 1, jnp.ones_like(images[..., :1])


def rgb_to_lab(rgb: jax.Array) -> jax.Array:
    """sRGB [..., 3] in [0, 1] -> CIE Lab [..., 3] under D65."""
    high = rgb > 0.04045
    base = jnp.where(high, (rgb + 0.055) / 1.055, 1)
    linear = jnp.where(high, base**2.4, rgb / 12.92)
    xyz = _transformed(linear, _XYZ)
    high = xyz > 0.008856
    root = jnp.cbrt(jnp.where(high, xyz, 1))
    x, y, z = jnp.moveaxis(jnp.where(high, root, 7.787 * xyz + 16 / 116), -1, 0)
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(lab: jax.Array) -> jax.Array:
    """CIE Lab [..., 3] under D65 -> sRGB [..., 3], clipped to [0, 1]."""
    lightness, a, b = jnp.moveaxis(lab, -1, 0)
    y = (lightness + 16) / 116
    z = jnp.maximum(y - b / 200, 0)
    root = jnp.stack([a / 500 + y, y, z], axis=-1)
    xyz = jnp.where(root > 0.2068966, root**3, (root - 16 / 116) / 7.787)
    linear = _transformed(xyz, np.linalg.inv(_XYZ))
    high = linear > 0.0031308
    root = jnp.where(high, linear, 1) ** (1 / 2.4)
    return jnp.clip(jnp.where(high, 1.055 * root - 0.055, 12.92 * linear), 0, 1)


def _transformed(colours: jax.Array, matrix: np.ndarray) -> jax.Array:
    """Colours [..., 3] times a matrix [3, 3]."""
    weights = jnp.asarray(matrix, colours.dtype)
    return jnp.einsum("...c,dc->...d", colours, weights, precision="highest")


def masked_l2(
    images: jax.Array, targets: jax.Array, mask: jax.Array, *, pooled: bool = False
) -> jax.Array:
    """The mean square difference where a mask is, channels included.

    Args:
        images: [N, H, W, C].
        targets: likewise.
        mask: [N, H, W, 1] or [N, H, W, C].
        pooled: one mean over all pictures, the sum over the number of weights that are
            not zero, as the original is trained, in place of one for each.

    Returns:
        [N], each weighted by its mask, 0 where that is all zeros; or a scalar.
    """
    mask = jnp.broadcast_to(mask, images.shape)
    square = mask * (images - targets) ** 2
    axes = None if pooled else (1, 2, 3)
    weight = jnp.sum((mask != 0).astype(mask.dtype) if pooled else mask, axes)
    return jnp.sum(square, axes) / jnp.where(weight > 0, weight, 1)


def num_colours(channels: int) -> int:
    """How many of an image's channels are colours; the last of 2 or 4 is an alpha."""
    return channels - 1 if channels in (2, 4) else channels


def _warped(
    images: jax.Array,
    alpha: ArrayLike,
    places: Places,
    *,
    coverage: float = _LEAST_COVERAGE,
    mask_turns: int = 1,
) -> Edited:
    """Pictures drawn anew, and where at least `coverage` of a pixel is known."""
    if images.ndim != 4:
        raise ValueError(f"images: shape {images.shape} given; [N, H, W, C] accepted")
    height, width = images.shape[1:3]
    x, y = jnp.meshgrid(
        jnp.arange(width, dtype=images.dtype), jnp.arange(height, dtype=images.dtype)
    )

    def one(image: jax.Array, alpha: jax.Array) -> Edited:
        old_x, old_y, *rest = places(x, y, alpha)
        origin = rest[0] if rest else (0, 0)
        known = _inside(old_x + origin[0], width, coverage)
        known &= _inside(old_y + origin[1], height, coverage)
        mask = known.astype(image.dtype)[..., None]
        for _ in range(mask_turns - 1):
            again = sample_bilinear(mask, old_x, old_y, origin=origin)
            mask = (again > coverage).astype(image.dtype)
        return sample_bilinear(image, old_x, old_y, origin=origin), mask

    return jax.vmap(one)(images, _per_image(images, alpha))


def _inside(place: jax.Array, size: int, coverage: float) -> jax.Array:
    return (place > coverage - 1) & (place < size - coverage)


def _middle(images: jax.Array, original: bool) -> tuple[float, float]:
    """What rotations turn about, x and y."""
    height, width = images.shape[1:3]
    if original:
        return width / 2, height / 2
    return (width - 1) / 2, (height - 1) / 2


def _turn(degrees: jax.Array) -> tuple[jax.Array, jax.Array]:
    angle = jnp.deg2rad(degrees)
    return jnp.cos(angle), jnp.sin(angle)


def _per_image(images: jax.Array, alpha: ArrayLike) -> jax.Array:
    """alpha with one entry, of whatever rank, for each image."""
    alpha = jnp.asarray(alpha, images.dtype)
    if alpha.shape[:1] not in ((), images.shape[:1]):
        raise ValueError(
            f"alpha: shape {alpha.shape} given; a scalar or {images.shape[:1]} is "
            "accepted"
        )
    return jnp.broadcast_to(alpha, (len(images), *alpha.shape[1:]))


def _per_colour(images: jax.Array, alpha: ArrayLike, colours: int) -> jax.Array:
    """alpha as [N, colours]."""
    alpha = _per_image(images, alpha)
    if alpha.ndim == 1:
        alpha = alpha[:, None]
    if alpha.shape[1:] not in ((1,), (colours,)):
        raise ValueError(
            f"alpha: shape {alpha.shape} given; a scalar, {images.shape[:1]} or "
            f"{(len(images), colours)} is accepted"
        )
    return jnp.broadcast_to(alpha, (len(images), colours))
