"""GANSpace's component caches, and what editors that build on it keep of them.

A cache (`.npz`) holds the components of a layer and the latent directions behind them,
`*_pca.pt` the latent directions alone. Activations are [C, H, W] there, [H, W, C] here.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from converters.artefacts.contents import member, unit_vectors
from converters.checkpoints import Checkpoint
from jaxlatent.edits.directions import Directions, directions

REPORT = {
    "act_stdev": "stdev",
    "var_ratio": "variance_ratio",
    "random_stdevs": "random_stdev",
}
"""Arrays of a cache, and what the method's `report` calls them."""

_W_NAME = re.compile(r"_n\d+_w(_seed\d+)?$")
_LAYER_NAME = re.compile(r"^[^-]+-(.+)_(ipca|pca-full|fbpca|ica|spca)_c\d+")


def is_cache(found: Mapping[Any, Any]) -> bool:
    """Whether a file's dict is meant as a component cache."""
    return "lat_comp" in found or "act_comp" in found


def is_pca(found: Mapping[Any, Any]) -> bool:
    """Whether a file's dict is meant as the latent directions alone."""
    return "comp" in found and bool(found.keys() & {"mean", "std"})


def read_cache(
    checkpoint: Checkpoint,
    *,
    part: str = "latent",
    layer: str | None = None,
) -> Directions:
    """Directions from the content of a component cache.

    Args:
        checkpoint: the file, whose name may tell the space.
        part: "latent" or "activation".
        layer: our name of the decomposed layer, for activations.

    Returns:
        K directions, one unit of strength being one standard deviation; `report` as
        `REPORT` says, and "latent_stdev" for directions of w behind another layer.

    Raises:
        CheckpointError: names the array that is missing or does not fit.
        ValueError: if `layer` is needed and missing.
    """
    path, found = checkpoint.path, checkpoint.tensors
    name = path.stem
    if part == "activation":
        hint = _LAYER_NAME.match(name)
        space = feature_space(layer, hint[1] if hint else None)
        components = flat_activations(checkpoint, "act_comp", None, 1)
        mean = flat_activations(
            checkpoint, "act_mean", 1, like=found["act_comp"].shape[2:]
        )[0]
        scale = member(checkpoint, "act_stdev", len(components))
        extra = {}
    else:
        components = member(checkpoint, "lat_comp", None, 1, None)[:, 0]
        mean = member(checkpoint, "lat_mean", 1, components.shape[1])[0]
        scale = member(checkpoint, "lat_stdev", len(components))
        regressed = not _same(found.get("act_comp"), found["lat_comp"])
        # the original writes ones where z comes first
        of_z = regressed and bool((scale == 1).all())
        space = "z" if of_z and not _W_NAME.search(name) else "w"
        extra = {"latent_stdev": scale} if regressed and space == "w" else {}
    report = extra | {
        ours: member(checkpoint, theirs, len(components))
        for theirs, ours in REPORT.items()
        if theirs in found
    }
    return directions(
        unit_vectors(path, components),
        space=space,
        scale=scale.astype(np.float32),
        mean=mean.astype(np.float32),
        report={name: value.astype(np.float32) for name, value in report.items()},
        method="ganspace",
    )


def read_pca(checkpoint: Checkpoint) -> Directions:
    """Directions of w from `comp` [K, 1, D], `mean` [1, D] and `std` [K].

    Raises:
        CheckpointError: names the array that is missing or does not fit.
    """
    components = member(checkpoint, "comp", None, 1, None)[:, 0]
    count, dimension = components.shape
    return directions(
        unit_vectors(checkpoint.path, components),
        space="w",
        scale=member(checkpoint, "std", count).astype(np.float32),
        mean=member(checkpoint, "mean", 1, dimension)[0].astype(np.float32),
        method="ganspace",
    )


def flat_activations(
    checkpoint: Checkpoint,
    name: str,
    *lead: int | None,
    like: tuple[int, ...] = (),
) -> np.ndarray:
    """Activations as the rows of directions, in our order.

    Args:
        checkpoint: the file.
        name: the array, [*lead, C] or [*lead, C, H, W].
        lead: the lengths of its first axes, None for any.
        like: the lengths of the others, where they are known.

    Returns:
        [N, C] or [N, H * W * C], N being all of `lead`.

    Raises:
        CheckpointError: if the array is missing or does not fit.
    """
    value = checkpoint.tensors.get(name)
    is_map = isinstance(value, np.ndarray) and value.ndim == len(lead) + 3
    feature = like or ((None,) * 3 if is_map else (None,))
    value = member(checkpoint, name, *lead, *feature)
    value = value.reshape(-1, *value.shape[len(lead) :])
    if is_map:
        value = np.moveaxis(value, 1, -1)
    return value.reshape(len(value), -1)


def feature_space(layer: str | None, hint: str | None) -> str:
    """The space of activations of our `layer`.

    Args:
        layer: our name, None if the caller gave none.
        hint: what the original calls the layer.

    Raises:
        ValueError: if there is no `layer`.
    """
    if layer is None:
        theirs = f" {hint[:60]!a}" if hint else ""
        raise ValueError(
            f"layer: missing; the original's layer{theirs} has another name here, such "
            'as "b8.conv1"'
        )
    return f"feature:{layer}"


def _same(activations: object, latents: np.ndarray) -> bool:
    """Whether a cache decomposed the latent itself; one without activations did."""
    return activations is None or np.array_equal(np.asarray(activations), latents)
