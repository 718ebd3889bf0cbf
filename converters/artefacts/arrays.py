"""Directions as one bare array: most projects' layout.

InterFaceGAN's boundaries, the directions of LowRankGAN and ReSeFa, rows that GANSpace's
notebook saves, steerability's walks; and the "eigvec" matrix of the closed-form
factorisation in rosinality's repository, whose columns are the directions.
"""

from converters.artefacts.contents import check_finite, find_array, unit_vectors
from converters.artefacts.file_names import origin
from converters.checkpoints import Checkpoint
from jaxlatent.edits.directions import Directions, directions
from jaxlatent.types import CheckpointError

EIGENVECTORS = "eigvec"

ACCEPTED = (
    "one array of directions [D], [K, D] or [K, L, D], or an 'eigvec' matrix (.npy, "
    ".npz, .pt, .pkl, .safetensors); GANSpace's component cache (.npz), its named "
    "direction (.pkl), its mean, comp and std (.pt); GANalyze's 'w' (.pth); what "
    "export_edit wrote"
)


def read_array(
    checkpoint: Checkpoint,
    *,
    per_layer: bool = False,
    default_space: str = "w",
) -> Directions:
    """Directions from what a file with one array holds.

    Args:
        checkpoint: the file; its name may tell the method, the space and the layers.
            It holds [D], [K, D], [K, L, D] or [K, D, 1], or a dict with one.
        per_layer: take [L, D] for one direction with a row for each row of w+.
        default_space: the space where nothing else tells.

    Raises:
        CheckpointError: if there is no such array.
    """
    path = checkpoint.path
    name, vectors = find_array(checkpoint, (EIGENVECTORS,), ACCEPTED)
    shape = vectors.shape
    if name == EIGENVECTORS:
        vectors = vectors.T
    if vectors.ndim == 1 or (per_layer and vectors.ndim == 2):
        vectors = vectors[None]
    elif vectors.ndim == 3 and vectors.shape[-1] == 1:
        vectors = vectors[..., 0]
    if vectors.ndim not in (2, 3) or not vectors.size:
        raise CheckpointError(
            f"{path}: an array of shape {shape}; [K, D] or [K, L, D] is accepted"
        )
    check_finite(path, "directions", vectors)
    count, layered = len(vectors), vectors.ndim == 3
    known = origin(path)
    return directions(
        unit_vectors(path, vectors),
        space="w+" if layered else known.space or default_space,
        layers=None if layered else known.layers,
        names=[known.name]
        if count == 1
        else [f"{known.name} {i}" for i in range(count)],
        method=known.method,
    )
