"""What the layouts of other projects ask of directions."""

import numpy as np

from jaxlatent.edits.directions import Directions


def check_space_and_shape(
    edit: Directions, layout: str, spaces: tuple[str, ...]
) -> None:
    """Raise ValueError unless a layout can hold directions of this space and shape."""
    if edit.space not in spaces:
        raise ValueError(
            f"edit: directions of {edit.space!r} given; the layout {layout!r} holds "
            f"those of {spaces}"
        )
    if edit.vectors.ndim == 3:
        raise ValueError(
            f"edit: one vector per layer given, {edit.vectors.shape}; the layout "
            f"{layout!r} holds one per direction"
        )


def check_one_direction(edit: Directions, layout: str) -> None:
    """Raise ValueError unless there is one direction."""
    if len(edit) != 1:
        raise ValueError(
            f"index: missing; {len(edit)} directions given, and the layout {layout!r} "
            "holds one"
        )


def unit_and_scale(edit: Directions) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [K, D] of length one and the scales [K] that make the same shifts.

    Raises:
        ValueError: for a direction that is zero or not finite.
    """
    vectors = np.asarray(edit.vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=-1)
    if not ((lengths > 0) & np.isfinite(lengths)).all():
        raise ValueError("edit: a direction that is zero or not finite given")
    return vectors / lengths[:, None], np.asarray(edit.scale, np.float64) * lengths
