"""The edits that the authors of GANSpace named, as data.

Source: the figures and notebooks of Härkönen et al., "GANSpace" (NeurIPS 2020): which
component, which layers, how strong. They mean something for the released models they
were found on, decomposed with 80 components from a million samples; apply them to your
own conversion of such a model, with components found by `ganspace`.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np

from jaxlatent.edits.directions import Directions, directions, linear


@dataclass(frozen=True)
class Preset:
    """One named edit.

    Attributes:
        name: what its authors called it.
        model: the architecture it was found on.
        data: what that model draws.
        space: "w" or "z".
        component: number of the principal component.
        layers: (first row of w+, row behind the last).
        strength: in standard deviations: the end of a strip, or the target.
        move: "strip" adds the strength; "target" moves the coordinate to it.
        mirror: whether a target lies on the other side of where a code is.
        label: the class it was shown on, "" if unconditional.
        paper: whether it is shown in the paper.
    """

    name: str
    model: str
    data: str
    space: str
    component: int
    layers: tuple[int, int]
    strength: float
    move: str
    mirror: bool = False
    label: str = ""
    paper: bool = False


@cache
def presets() -> tuple[Preset, ...]:
    """Every preset, grouped by model and data."""
    text = (resources.files("jaxlatent") / "assets/ganspace_edits.json").read_text()
    return tuple(
        Preset(**{**entry, "layers": tuple(entry["layers"])})
        for entry in json.loads(text)
    )


def presets_of(
    *, model: str | None = None, data: str | None = None
) -> tuple[Preset, ...]:
    """The presets of one model, of one dataset, or of both; case does not matter.

    Raises:
        ValueError: if there are none.
    """
    found = tuple(
        preset
        for preset in presets()
        if (model is None or preset.model.lower() == model.lower())
        and (data is None or preset.data.lower() == data.lower())
    )
    if not found:
        owners = sorted({f"{preset.model} {preset.data}" for preset in presets()})
        given = "model" if data is None else "data"
        raise ValueError(f"{given}: no presets; there are some of {', '.join(owners)}")
    return found


def find_preset(
    name: str, *, model: str | None = None, data: str | None = None
) -> Preset:
    """The first preset of that name (case does not matter).

    Raises:
        LookupError: if there is none, listing the names there are; or if several models
            have one of that name.
        ValueError: if there are none of the model and data.
    """
    among = presets_of(model=model, data=data)
    found = [preset for preset in among if preset.name.lower() == name.lower()]
    owners = sorted({(preset.model, preset.data) for preset in found})
    if len(owners) > 1:
        raise LookupError(f"name: {name!r} is a preset of several models: {owners}")
    if found:
        return found[0]
    names = sorted({preset.name for preset in among})
    raise LookupError(f"name: no preset {name!r}; {names} are known")


def preset_directions(
    chosen: Sequence[Preset], components: Directions, *, num_layers: int
) -> Directions:
    """Presets as an edit of w+: one unit of strength is the whole of a preset.

    A strip is drawn with `shift`; a target is reached with `move_to`, whose coordinate
    is the mean over the preset's rows (where they are equal, that of each).

    Args:
        chosen: the presets, of one space.
        components: as for `apply_preset`.
        num_layers: rows of w+.

    Returns:
        [K, L, D] in w+, zero outside each preset's rows.

    Raises:
        TypeError: as `apply_preset`.
        ValueError: as `apply_preset`; or for a mirrored preset, whose target depends on
            the code: only `apply_preset` applies it.
    """
    components = linear(components, "components")
    mirrored = [preset.name for preset in chosen if preset.mirror]
    if mirrored:
        raise ValueError(f"chosen: {mirrored} mirror each code; use apply_preset")
    vectors = np.zeros((len(chosen), num_layers, components.vectors.shape[1]))
    for vector, preset in zip(vectors, chosen, strict=True):
        rows = _rows(preset, components, num_layers)
        vector[list(rows)] = components.vectors[preset.component]
    picked = np.asarray([preset.component for preset in chosen])
    strengths = np.asarray([preset.strength for preset in chosen])
    return directions(
        vectors.astype(np.float32),
        space="w+",
        scale=np.asarray(components.scale)[picked] * strengths.astype(np.float32),
        mean=components.mean,
        names=[preset.name for preset in chosen],
        method="ganspace",
        generator=components.generator,
    )


def apply_preset(
    preset: Preset, components: Directions, latent: jax.Array, *, amount: float = 1.0
) -> jax.Array:
    """Apply a preset to codes.

    Args:
        preset: the edit.
        components: principal components [K, D] of the model's own w (or z), whose
            scale is their standard deviation.
        latent: [N, L, D].
        amount: share of the strength; 1 for all of it, -1 for the other way.

    Returns:
        Latents [N, L, D]; rows outside the preset's layers stay as they are. A target
        is measured on row 0, as the authors do.

    Raises:
        TypeError: for components that are not linear.
        ValueError: if space, number of components or layers do not suit the preset.
    """
    components = linear(components, "components")
    if latent.ndim != 3:
        raise ValueError(f"latent: shape {latent.shape} given; [N, L, D] is accepted")
    rows = _rows(preset, components, latent.shape[1])
    strength: float | jax.Array = preset.strength * amount
    if preset.move == "target":
        whole = dataclasses.replace(components, layers=None)
        here = whole.coordinate(latent[:, 0], preset.component)
        there = -jnp.sign(here) * strength if preset.mirror else strength
        strength = there - here
    edit = dataclasses.replace(components, layers=rows)
    return edit.shift(latent, preset.component, strength)


def _rows(preset: Preset, components: Directions, num_layers: int) -> tuple[int, ...]:
    """The rows that a preset edits, after a check that it can be."""
    if components.space != preset.space or len(components) <= preset.component:
        raise ValueError(
            f"components: {len(components)} in {components.space} given; "
            f"{preset.name!r} needs number {preset.component} in {preset.space}"
        )
    if num_layers <= preset.layers[0]:
        raise ValueError(
            f"latent: {num_layers} rows given; {preset.name!r} needs more than "
            f"{preset.layers[0]}"
        )
    return tuple(range(preset.layers[0], min(preset.layers[1], num_layers)))
