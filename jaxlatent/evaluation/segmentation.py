"""How far masks that a network finds are from those that are known."""

import numpy as np


def mask_errors(
    probabilities: np.ndarray, masks: np.ndarray, *, threshold: float = 0.5
) -> dict[str, np.ndarray]:
    """Hold soft masks against true ones, each picture by itself.

    Args:
        probabilities: [N, H, W] from 0 to 1, of the foreground.
        masks: [N, H, W] from 0 to 1, or bool; from 0.5 on it is foreground.
        threshold: from which probability on a pixel counts as foreground.

    Returns:
        [N] each: "mae", the mean absolute difference of the probabilities from the
        true masks; "iou", what both call foreground over what either does, 1 where
        neither does; and "accuracy", the share of pixels that both call the same.

    Raises:
        ValueError: for shapes that differ.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.shape != np.shape(masks) or probabilities.ndim != 3:
        raise ValueError(
            f"masks: shape {np.shape(masks)} given for probabilities of "
            f"{probabilities.shape}; twice [N, H, W] is accepted"
        )
    true, found = np.asarray(masks) >= 0.5, probabilities >= threshold
    axes = (1, 2)
    both, either = (true & found).sum(axes), (true | found).sum(axes)
    return {
        "mae": np.abs(probabilities - true).mean(axes),
        "iou": np.where(either, both / np.maximum(either, 1), 1.0),
        "accuracy": (true == found).mean(axes),
    }
