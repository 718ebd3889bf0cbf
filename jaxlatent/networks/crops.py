"""Ten crops of a picture: four corners, the centre, and each mirrored."""

import jax
import jax.numpy as jnp


def ten_crops(images: jax.Array, size: int, centre: int) -> jax.Array:
    """Cut ten crops of size x size pixels from each image.

    Args:
        images: [N, H, W, C].
        size: of the crops.
        centre: row and column at which the crop in the middle begins. The original
            projects have it one pixel further than half of what is left over.

    Returns:
        [N, 10, size, size, C]: top left, top right, bottom left, bottom right, centre;
        then their mirror images in the same order.
    """
    _, height, width, _ = images.shape
    bottom, right = height - size, width - size
    corners = ((0, 0), (0, right), (bottom, 0), (bottom, right), (centre, centre))
    crops = jnp.stack(
        [
            images[:, row : row + size, column : column + size]
            for row, column in corners
        ],
        axis=1,
    )
    return jnp.concatenate([crops, crops[:, :, :, ::-1]], axis=1)


def of_crops(scores: jax.Array) -> jax.Array:
    """The mean score of each image, [N * 10, 1] -> [N]."""
    return scores.reshape(-1, 10).mean(axis=1)
